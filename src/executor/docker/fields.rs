//! What a `docker` step may say: one verb, the containers that it is for, and the fields of that verb and no other.
//! Knows nothing of the engine.

use std::collections::BTreeMap;

use regex::RegexBuilder;
use serde::Deserialize;

use super::amounts;
use super::job::{Job, Kind, Mount, OneOff, Selector, Verb};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::attempt::{Field, only};
use crate::executor::value::{SecretText, Span, Text};

/// Log lines that are read from each container where nothing is said.
const TAIL: u32 = 200;
/// Most that may be asked for.
const LONGEST_TAIL: u32 = 2000;
/// Longest grace of a stop or restart, in seconds.
const LONGEST_GRACE: u64 = 600;
/// Longest that logs are followed or use is measured, in seconds.
const LONGEST_WATCH: u64 = 900;
/// How long containers may take to be well where nothing is said, in seconds.
const WITHIN: u64 = 60;
/// Largest compiled pattern, in bytes.
const PATTERN: usize = 1024 * 1024;

/// Containers to look at or to act on, chosen by their compose labels or by name, and what the engine keeps beside
/// them. Facts, by verb:
/// `ps` and changes: `containers` (name, service, state, health, image, status, networks), `names`, `services`,
/// `total`, `running`, `unhealthy`; changes also `changed`. `wait_healthy`: the same, `healthy` and `waited` (s).
/// `inspect`: `containers` (name, state, health, restarts, started_at, exit, oom_killed, image, image_id,
/// memory_limit, cpus, networks). `env`: `set`, `empty`, `missing` (names) and `complete`. `logs`: `lines`, `matches`,
/// `bytes`, `truncated`. `stats`: `containers` (name, cpu_percent, memory_bytes, memory_limit, memory_percent, their
/// `…_max`, `samples`), `cpu_percent_max`, `memory_percent_max`. `limit`: `previous` (by name), `previous_memory`,
/// `previous_cpus`. `network`: `networks` (name, driver, members), `shared`, `connected`. `df`: `images`,
/// `containers`, `volumes`, `build_cache` (count, unused, bytes, reclaimable), `bytes`, `reclaimable`. `prune`, `down`:
/// `removed`, `kept` (with why), `bytes`. `scale_down`: `previous`, `replicas`, `changed`. `exec`, `run`: `exit`,
/// `stdout`, `lines`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    pub(super) r#do: Verb,
    /// The compose project's name. `prune`: only what carries its label.
    #[serde(default)]
    pub(super) project: Option<Text>,
    /// The compose service's name, or several.
    #[serde(default)]
    pub(super) service: Option<Services>,
    /// One container's name; not together with project and service.
    #[serde(default)]
    pub(super) container: Option<Text>,
    /// `logs`: a regular expression; only lines that match are kept.
    #[serde(default)]
    pattern: Option<Text>,
    /// `logs`: how many of each container's last lines are read. 200 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 2000))]
    tail: Option<u32>,
    /// `logs`: only lines of this last span of time, as in `15m`.
    #[serde(default)]
    since: Option<Span>,
    /// `logs`: goes on for this span, at most 15m, and then ends by itself.
    #[serde(default)]
    follow: Option<Span>,
    /// `stats`: measures for this span, at most 15m. About a second without.
    #[serde(default)]
    r#for: Option<Span>,
    /// `wait_healthy`: how long they may take to run and be healthy. 60s without.
    #[serde(default)]
    within: Option<Span>,
    /// `env`: names of variables that must be set. Their values are never read out.
    #[serde(default)]
    #[schemars(length(min = 1))]
    names: Option<Vec<Text>>,
    /// `exec`, `run`: the program and its arguments. No shell reads them.
    #[serde(default)]
    #[schemars(length(min = 1))]
    argv: Option<Vec<Text>>,
    /// `exec`, `run`: exit codes that are no failure. `[0]` without.
    #[serde(default)]
    ok: Option<Vec<i64>>,
    /// `restart`, `stop`, `down`, `scale_down`: how long a container may take to end before it is killed. Without, as
    /// the engine has it.
    #[serde(default)]
    stop_timeout: Option<Span>,
    /// `network`: this network's members. `run`: the network to be in, none without.
    #[serde(default)]
    pub(super) network: Option<Text>,
    /// `limit`, `run`: most memory, as in `512m`, `1g` or bytes.
    #[serde(default)]
    memory: Option<Text>,
    /// `limit`: most processors, as in `1.5`.
    #[serde(default)]
    cpus: Option<Text>,
    /// `scale_down`: how many containers of the service stay.
    #[serde(default)]
    replicas: Option<Text>,
    /// `down`: whether the project's volumes go too, with all that is in them.
    #[serde(default)]
    volumes: Option<bool>,
    /// `prune`: what to remove of that which nothing uses. Everything without.
    #[serde(default)]
    #[schemars(length(min = 1))]
    what: Option<Vec<Kind>>,
    /// `prune`: whether unused images go that have a name, not only those that lost theirs.
    #[serde(default)]
    named_images: Option<bool>,
    /// `prune`: only what carries this label, `key` or `key=value`.
    #[serde(default)]
    label: Option<Text>,
    /// `run`: an image that the engine has already.
    #[serde(default)]
    image: Option<Text>,
    /// `run`: its environment.
    #[serde(default)]
    env: Option<BTreeMap<String, SecretText>>,
    /// `run`: named volumes that exist, and where they are seen.
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
    /// `run`: the directory to start in.
    #[serde(default)]
    dir: Option<Text>,
    /// `run`: the user to be, a name or `uid:gid`. The image's own without.
    #[serde(default)]
    user: Option<Text>,
    /// `run`: whether its own files may be written; `/tmp` always may.
    #[serde(default)]
    writable: Option<bool>,
}

/// One service, or several.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a service's name, or a list of them")]
pub(super) enum Services {
    One(Text),
    Several(Vec<Text>),
}

impl Fields {
    /// The selector and the job, if the fields fit together.
    pub(super) fn check(self) -> Result<(Selector, Job), Sentence> {
        self.strays()?;
        let selector = self.selector()?;
        let grace = self.grace()?;
        let watch = |span: &Option<Span>| match span.as_ref().map(Span::seconds).transpose()? {
            Some(seconds) if !(1..=LONGEST_WATCH).contains(&seconds) => {
                Err(sentence!("action.docker_watch", limit => LONGEST_WATCH))
            }
            seconds => Ok(seconds),
        };
        let job = match self.r#do {
            Verb::Ps => Job::Ps,
            Verb::Inspect => Job::Inspect,
            Verb::Df => Job::Df,
            Verb::Start => Job::Start,
            Verb::Restart => Job::Restart { grace },
            Verb::Stop => Job::Stop { grace },
            Verb::Env => Job::Env { names: self.variables()? },
            Verb::Stats => Job::Stats { span: watch(&self.r#for)? },
            Verb::WaitHealthy => {
                let within = self.within.as_ref().map(Span::seconds).transpose()?;
                Job::WaitHealthy { within: within.unwrap_or(WITHIN) }
            }
            Verb::Network => Job::Network { network: text(&self.network) },
            Verb::Limit => self.limit()?,
            Verb::ScaleDown => Job::ScaleDown { replicas: self.replicas()?, grace },
            Verb::Down => Job::Down { volumes: self.volumes.unwrap_or(false), grace },
            Verb::Prune => Job::Prune {
                kinds: self.what.clone().unwrap_or_else(|| Kind::ALL.to_vec()),
                named_images: self.named_images.unwrap_or(false),
                label: text(&self.label),
            },
            Verb::Logs => self.logs(watch(&self.follow)?)?,
            Verb::Exec => {
                let ok = self.ok.clone().unwrap_or_else(|| vec![0]);
                Job::Exec { argv: self.argv()?, ok }
            }
            Verb::Run => self.run()?,
        };
        Ok((selector, job))
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        use Verb as V;
        let of =
            |given: bool, field: &'static str, verbs: &'static [Verb]| -> Field<'_, Verb> { (given, field, verbs) };
        let fields = [
            of(self.pattern.is_some(), "pattern", &[V::Logs]),
            of(self.tail.is_some(), "tail", &[V::Logs]),
            of(self.since.is_some(), "since", &[V::Logs]),
            of(self.follow.is_some(), "follow", &[V::Logs]),
            of(self.r#for.is_some(), "for", &[V::Stats]),
            of(self.within.is_some(), "within", &[V::WaitHealthy]),
            of(self.names.is_some(), "names", &[V::Env]),
            of(self.argv.is_some(), "argv", &[V::Exec, V::Run]),
            of(self.ok.is_some(), "ok", &[V::Exec, V::Run]),
            of(self.stop_timeout.is_some(), "stop_timeout", &[V::Restart, V::Stop, V::Down, V::ScaleDown]),
            of(self.network.is_some(), "network", &[V::Network, V::Run]),
            of(self.memory.is_some(), "memory", &[V::Limit, V::Run]),
            of(self.cpus.is_some(), "cpus", &[V::Limit]),
            of(self.replicas.is_some(), "replicas", &[V::ScaleDown]),
            of(self.volumes.is_some(), "volumes", &[V::Down]),
            of(self.what.is_some(), "what", &[V::Prune]),
            of(self.named_images.is_some(), "named_images", &[V::Prune]),
            of(self.label.is_some(), "label", &[V::Prune]),
            of(self.image.is_some(), "image", &[V::Run]),
            of(self.env.is_some(), "env", &[V::Run]),
            of(self.mounts.is_some(), "mounts", &[V::Run]),
            of(self.dir.is_some(), "dir", &[V::Run]),
            of(self.user.is_some(), "user", &[V::Run]),
            of(self.writable.is_some(), "writable", &[V::Run]),
        ];
        only(&self.r#do, &fields)
    }

    fn grace(&self) -> Result<Option<i32>, Sentence> {
        match self.stop_timeout.as_ref().map(Span::seconds).transpose()? {
            Some(seconds) if seconds > LONGEST_GRACE => Err(sentence!("action.docker_grace", limit => LONGEST_GRACE)),
            seconds => Ok(seconds.and_then(|seconds| i32::try_from(seconds).ok())),
        }
    }

    fn logs(&self, follow: Option<u64>) -> Result<Job, Sentence> {
        let tail = self.tail.unwrap_or(TAIL);
        if !(1..=LONGEST_TAIL).contains(&tail) {
            return Err(sentence!("action.docker_tail", limit => LONGEST_TAIL, tail));
        }
        let compile = |Text(text): &Text| {
            let pattern = RegexBuilder::new(text).size_limit(PATTERN).build();
            pattern.map_err(|error| sentence!("action.docker_pattern", text, why => error.to_string()))
        };
        let pattern = self.pattern.as_ref().map(compile).transpose()?;
        Ok(Job::Logs { pattern, tail, since: self.since.as_ref().map(Span::seconds).transpose()?, follow })
    }

    fn variables(&self) -> Result<Vec<String>, Sentence> {
        let names: Vec<String> = self.names.iter().flatten().map(|Text(name)| name.clone()).collect();
        match names.iter().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            Some(name) => Err(sentence!("action.shell_variable", name)),
            None if names.is_empty() => Err(sentence!("action.docker_no_names")),
            None => Ok(names),
        }
    }

    fn limit(&self) -> Result<Job, Sentence> {
        let memory = self.memory()?;
        let cpus = self.cpus.as_ref().map(|Text(text)| amounts::nano_cpus(text)).transpose()?;
        match (memory, cpus) {
            (None, None) => Err(sentence!("action.docker_limit_of_what")),
            (memory, cpus) => Ok(Job::Limit { memory, cpus }),
        }
    }

    fn memory(&self) -> Result<Option<i64>, Sentence> {
        self.memory.as_ref().map(|Text(text)| amounts::memory(text)).transpose()
    }

    fn replicas(&self) -> Result<usize, Sentence> {
        let Some(Text(text)) = &self.replicas else { return Err(sentence!("action.docker_no_replicas")) };
        text.parse().map_err(|_| sentence!("action.docker_replicas", text))
    }

    fn argv(&self) -> Result<Vec<String>, Sentence> {
        let argv: Vec<String> = self.argv.iter().flatten().map(|Text(argument)| argument.clone()).collect();
        match argv.first() {
            None => Err(sentence!("action.argv_empty")),
            Some(program) if program.is_empty() => Err(sentence!("action.argv_no_name")),
            Some(_) if argv.iter().any(|argument| argument.contains('\0')) => Err(sentence!("action.argv_nul")),
            Some(_) => Ok(argv),
        }
    }

    fn run(self) -> Result<Job, Sentence> {
        let argv = self.argv()?;
        let memory = self.memory()?;
        let mounts = self.mounts.unwrap_or_default();
        for mount in &mounts {
            mount.check()?;
        }
        let env = self.env.unwrap_or_default();
        if let Some(name) = env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(sentence!("action.shell_variable", name));
        }
        let image =
            text(&self.image).filter(|image| !image.is_empty()).ok_or_else(|| sentence!("action.docker_no_image"))?;
        Ok(Job::Run(Box::new(OneOff {
            image,
            argv,
            ok: self.ok.unwrap_or_else(|| vec![0]),
            env,
            mounts,
            network: text(&self.network),
            memory,
            dir: text(&self.dir),
            user: text(&self.user),
            writable: self.writable.unwrap_or(false),
        })))
    }
}

/// A field's text.
pub(super) fn text(field: &Option<Text>) -> Option<String> {
    field.as_ref().map(|Text(text)| text.clone())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in crate::executor::docker) fn check(with: Value) -> Result<(Selector, Job), Sentence> {
        crate::executor::read::<Fields>(&with)?.check()
    }

    pub(in crate::executor::docker) fn refused(with: &Value) -> Sentence {
        check(with.clone()).map(|_| ()).expect_err(&with.to_string())
    }

    #[test]
    fn a_field_of_another_verb_is_refused_by_name() {
        for (with, field, verbs, verb) in [
            (json!({"do": "ps", "argv": ["id"]}), "argv", "exec, run", "ps"),
            (json!({"do": "restart", "service": "api", "tail": 5}), "tail", "logs", "restart"),
            (
                json!({"do": "start", "service": "api", "stop_timeout": "5s"}),
                "stop_timeout",
                "restart, stop, down, scale_down",
                "start",
            ),
        ] {
            assert_eq!(refused(&with), sentence!("action.stray", field, verbs, verb), "{with}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (with, says) in [
            (json!({"do": "exec"}), sentence!("action.argv_empty")),
            (json!({"do": "exec", "argv": []}), sentence!("action.argv_empty")),
            (json!({"do": "exec", "argv": ["a\0b"]}), sentence!("action.argv_nul")),
            (json!({"do": "logs", "tail": 2001}), sentence!("action.docker_tail", limit => 2000, tail => 2001)),
            (json!({"do": "logs", "since": "soon"}), sentence!("action.no_span", text => "soon")),
            (json!({"do": "stop", "stop_timeout": "11m"}), sentence!("action.docker_grace", limit => 600)),
            (json!({"do": "logs", "follow": "1h"}), sentence!("action.docker_watch", limit => 900)),
            (json!({"do": "limit"}), sentence!("action.docker_limit_of_what")),
            (json!({"do": "limit", "memory": "1m"}), sentence!("action.docker_memory", text => "1m")),
            (json!({"do": "limit", "cpus": "0"}), sentence!("action.docker_cpus", text => "0")),
            (json!({"do": "env"}), sentence!("action.docker_no_names")),
            (json!({"do": "down", "project": "shop"}), sentence!("action.docker_only_project", verb => "down")),
            (json!({"do": "run", "argv": ["id"]}), sentence!("action.docker_no_selector", verb => "run")),
            (json!({"do": "scale_down"}), sentence!("action.docker_one_service", verb => "scale_down")),
        ] {
            let mut with = with;
            with["service"] = json!("api");
            assert_eq!(refused(&with), says, "{with}");
        }
        for (with, says) in [
            (json!({"do": "logs", "service": "api", "pattern": "("}), "unclosed group"),
            (json!({"do": "rm", "service": "api"}), "unknown variant `rm`"),
            (json!({"do": "exec", "service": "api", "argv": ["id"], "privileged": true}), "privileged"),
        ] {
            let error = format!("{:?}", refused(&with));
            assert!(error.contains(says), "{with}: {error}");
        }
    }

    #[test]
    fn a_container_of_its_own_sees_named_volumes_and_nothing_else() {
        let run = |mounts: Value| json!({"do": "run", "image": "busybox", "argv": ["id"], "mounts": mounts});
        for wrong in ["/var/run/docker.sock", "../x", "./x", "a/b", "", "~", "-v"] {
            let says = sentence!("action.docker_volume_name", name => wrong);
            assert_eq!(refused(&run(json!([{"volume": wrong, "at": "/data"}]))), says);
        }
        for wrong in ["data", "/", "/a/../b", "/a//b", "/a:rw"] {
            assert_eq!(
                refused(&run(json!([{"volume": "v", "at": wrong}]))),
                sentence!("action.docker_mount_at", at => wrong)
            );
        }
        for field in ["privileged", "cap_add", "binds", "volumes_from", "pid", "devices", "entrypoint"] {
            let mut with = run(json!([]));
            with[field] = json!(true);
            assert!(format!("{:?}", refused(&with)).contains(field));
        }
        assert!(check(run(json!([{"volume": "shop_data", "at": "/data"}]))).is_ok());
    }
}
