//! What a `docker` step may say: one verb, the containers that it is for, and the fields of that verb and no other.
//! Knows nothing of the engine.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::listed;
use crate::executor::value::{Span, Text};

/// Log lines that are read from each container where nothing is said.
const TAIL: u32 = 200;
/// Most that may be asked for.
const LONGEST_TAIL: u32 = 2000;
/// Longest grace of a stop or restart, in seconds.
const LONGEST_GRACE: u64 = 600;
/// Largest compiled pattern, in bytes.
const PATTERN: usize = 1024 * 1024;

text_enum! {
    /// What to do with the containers. There is no other verb: nothing here creates, mounts or removes.
    Verb {
        /// Lists them.
        Ps = "ps",
        /// Looks at their state, restarts, health and image.
        Inspect = "inspect",
        /// Reads their last log lines.
        Logs = "logs",
        /// Measures their processor and memory use.
        Stats = "stats",
        /// Stops and starts them, one after the other.
        Restart = "restart",
        /// Stops them, one after the other.
        Stop = "stop",
        /// Starts them, one after the other.
        Start = "start",
        /// Runs a program in one of them, without a terminal.
        Exec = "exec",
    }
}

impl Verb {
    /// What it does at least; none where only the author knows.
    pub(super) fn effect(self) -> Option<Effect> {
        match self {
            Self::Ps | Self::Inspect | Self::Logs | Self::Stats => Some(Effect::Read),
            Self::Restart | Self::Stop | Self::Start => Some(Effect::Change),
            Self::Exec => None,
        }
    }
}

/// Containers to look at or to act on, chosen by their compose labels or by name. Facts, by verb:
/// `ps` and changes: `containers` (name, service, state, health, image, status), `names`, `services`, `total`,
/// `running`, `unhealthy`; changes also `changed`. `inspect`: `containers` (name, state, health, restarts, started_at,
/// exit, oom_killed, image, image_id). `logs`: `lines`, `matches`, `bytes`, `truncated`. `stats`: `containers` (name,
/// cpu_percent, memory_bytes, memory_limit, memory_percent). `exec`: `exit`, `stdout`, `lines`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The compose project's name.
    #[serde(default)]
    project: Option<Text>,
    /// The compose service's name.
    #[serde(default)]
    service: Option<Text>,
    /// One container's name; not together with project and service.
    #[serde(default)]
    container: Option<Text>,
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
    /// `exec`: the program and its arguments. No shell reads them.
    #[serde(default)]
    #[schemars(length(min = 1))]
    argv: Option<Vec<Text>>,
    /// `exec`: exit codes that are no failure. `[0]` without.
    #[serde(default)]
    ok: Option<Vec<i64>>,
    /// `restart`, `stop`: how long a container may take to end before it is killed. Without, as the engine has it.
    #[serde(default)]
    stop_timeout: Option<Span>,
}

/// Which containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Selector {
    /// Those of a compose project, a service, or both; neither means all.
    Compose { project: Option<String>, service: Option<String> },
    /// The one with this name.
    Name { container: String },
}

/// A verb with its own fields.
#[derive(Debug)]
pub(super) enum Job {
    Ps,
    Inspect,
    Stats,
    Logs { pattern: Option<Regex>, tail: u32, since: Option<u64> },
    Restart { grace: Option<i32> },
    Stop { grace: Option<i32> },
    Start,
    Exec { argv: Vec<String>, ok: Vec<i64> },
}

impl Fields {
    /// The selector and the job, if the fields fit together.
    pub(super) fn check(self) -> Result<(Selector, Job), Sentence> {
        self.strays()?;
        let selector = self.selector()?;
        let grace = self.grace()?;
        let job = match self.r#do {
            Verb::Ps => Job::Ps,
            Verb::Inspect => Job::Inspect,
            Verb::Stats => Job::Stats,
            Verb::Restart => Job::Restart { grace },
            Verb::Stop => Job::Stop { grace },
            Verb::Start => Job::Start,
            Verb::Logs => self.logs()?,
            Verb::Exec => self.exec()?,
        };
        Ok((selector, job))
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        let of = |given: bool, field: &'static str, verbs: &'static [Verb]| (given, field, verbs);
        let fields = [
            of(self.pattern.is_some(), "pattern", &[Verb::Logs]),
            of(self.tail.is_some(), "tail", &[Verb::Logs]),
            of(self.since.is_some(), "since", &[Verb::Logs]),
            of(self.argv.is_some(), "argv", &[Verb::Exec]),
            of(self.ok.is_some(), "ok", &[Verb::Exec]),
            of(self.stop_timeout.is_some(), "stop_timeout", &[Verb::Restart, Verb::Stop]),
        ];
        match fields.iter().find(|(given, _, verbs)| *given && !verbs.contains(&self.r#do)) {
            Some((_, field, verbs)) => Err(
                sentence!("action.docker_stray", field => *field, verbs => listed(verbs), verb => self.r#do.as_str()),
            ),
            None => Ok(()),
        }
    }

    fn selector(&self) -> Result<Selector, Sentence> {
        let text = |field: &Option<Text>| field.as_ref().map(|Text(text)| text.clone());
        let (project, service) = (text(&self.project), text(&self.service));
        if [&project, &service, &text(&self.container)].into_iter().flatten().any(String::is_empty) {
            return Err(sentence!("action.docker_empty_name"));
        }
        match text(&self.container) {
            Some(_) if project.is_some() || service.is_some() => Err(sentence!("action.docker_two_ways")),
            Some(name) => Ok(Selector::Name { container: name }),
            None if project.is_none() && service.is_none() && self.r#do != Verb::Ps => {
                Err(sentence!("action.docker_which", verb => self.r#do.as_str()))
            }
            None => Ok(Selector::Compose { project, service }),
        }
    }

    fn grace(&self) -> Result<Option<i32>, Sentence> {
        match self.stop_timeout.as_ref().map(Span::seconds).transpose()? {
            Some(LONGEST_GRACE..) => Err(sentence!("action.docker_grace", limit => LONGEST_GRACE)),
            seconds => Ok(seconds.and_then(|seconds| i32::try_from(seconds).ok())),
        }
    }

    fn logs(&self) -> Result<Job, Sentence> {
        let tail = self.tail.unwrap_or(TAIL);
        if !(1..=LONGEST_TAIL).contains(&tail) {
            return Err(sentence!("action.docker_tail", limit => LONGEST_TAIL, tail));
        }
        let compile = |Text(text): &Text| {
            let pattern = RegexBuilder::new(text).size_limit(PATTERN).build();
            pattern.map_err(|error| sentence!("action.docker_pattern", text, why => error.to_string()))
        };
        let pattern = self.pattern.as_ref().map(compile).transpose()?;
        Ok(Job::Logs { pattern, tail, since: self.since.as_ref().map(Span::seconds).transpose()? })
    }

    fn exec(self) -> Result<Job, Sentence> {
        let argv: Vec<String> = self.argv.unwrap_or_default().into_iter().map(|Text(argument)| argument).collect();
        match argv.first() {
            None => Err(sentence!("action.argv_empty")),
            Some(program) if program.is_empty() => Err(sentence!("action.argv_no_name")),
            Some(_) if argv.iter().any(|argument| argument.contains('\0')) => Err(sentence!("action.argv_nul")),
            Some(_) => Ok(Job::Exec { argv, ok: self.ok.unwrap_or_else(|| vec![0]) }),
        }
    }
}

impl Job {
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Ps => Verb::Ps,
            Self::Inspect => Verb::Inspect,
            Self::Stats => Verb::Stats,
            Self::Logs { .. } => Verb::Logs,
            Self::Restart { .. } => Verb::Restart,
            Self::Stop { .. } => Verb::Stop,
            Self::Start => Verb::Start,
            Self::Exec { .. } => Verb::Exec,
        }
    }

    /// Its own fields, as the plan holds them.
    pub(super) fn exact(&self) -> Value {
        match self {
            Self::Ps | Self::Inspect | Self::Stats | Self::Start => json!({}),
            Self::Logs { pattern, tail, since } => json!({
                "pattern": pattern.as_ref().map(Regex::as_str),
                "tail": tail,
                "since": since,
            }),
            Self::Restart { grace } | Self::Stop { grace } => json!({ "stop_timeout": grace }),
            Self::Exec { argv, ok } => json!({ "argv": argv, "ok": ok }),
        }
    }
}

impl Selector {
    /// As people name what it selects.
    pub(super) fn named(&self) -> Sentence {
        match self {
            Self::Name { container } => sentence!("action.docker_targets", count => 1, names => container),
            Self::Compose { project: Some(project), service: Some(service) } => {
                sentence!("action.docker_service_of", project, service)
            }
            Self::Compose { project: Some(project), service: None } => sentence!("action.docker_project", project),
            Self::Compose { project: None, service: Some(service) } => sentence!("action.docker_service", service),
            Self::Compose { project: None, service: None } => sentence!("action.docker_all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(with: Value) -> Result<(Selector, Job), Sentence> {
        crate::executor::read::<Fields>(&with)?.check()
    }

    fn refused(with: &Value) -> Sentence {
        check(with.clone()).map(|_| ()).expect_err(&with.to_string())
    }

    #[test]
    fn a_field_of_another_verb_is_refused_by_name() {
        for (with, field, verbs, verb) in [
            (json!({"do": "ps", "argv": ["id"]}), "argv", "exec", "ps"),
            (json!({"do": "restart", "service": "api", "tail": 5}), "tail", "logs", "restart"),
            (json!({"do": "start", "service": "api", "stop_timeout": "5s"}), "stop_timeout", "restart, stop", "start"),
        ] {
            assert_eq!(refused(&with), sentence!("action.docker_stray", field, verbs, verb), "{with}");
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
    fn what_changes_something_says_which_containers() {
        for verb in Verb::ALL.iter().filter(|verb| **verb != Verb::Ps) {
            let with = json!({"do": verb, "argv": (*verb == Verb::Exec).then_some(["id"])});
            assert_eq!(refused(&with), sentence!("action.docker_which", verb => verb.as_str()));
        }
        assert_eq!(refused(&json!({"do": "stop", "project": ""})), sentence!("action.docker_empty_name"));
        let both = json!({"do": "stop", "project": "shop", "container": "x"});
        assert_eq!(refused(&both), sentence!("action.docker_two_ways"));
        assert_eq!(check(json!({"do": "ps"})).unwrap().0.named(), sentence!("action.docker_all"));
    }
}
