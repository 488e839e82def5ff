//! The verbs of `docker` with what each needs, and which containers they are for. Knows nothing of the engine.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::listed;
use crate::executor::value::SecretText;

text_enum! {
    /// What to do with the containers. There is no other verb.
    Verb {
        /// Lists them.
        Ps = "ps",
        /// Looks at their state, restarts, health, image, limits and networks.
        Inspect = "inspect",
        /// Tells which variables are set in them, never to what.
        Env = "env",
        /// Reads their last log lines, and follows them for a while.
        Logs = "logs",
        /// Measures their processor and memory use.
        Stats = "stats",
        /// Waits until all of them run, and are healthy where they have a check.
        WaitHealthy = "wait_healthy",
        /// Tells who is in a network, or whether containers share one.
        Network = "network",
        /// Tells how much room images, containers, volumes and build cache take.
        Df = "df",
        /// Stops and starts them, one after the other, what others depend on first.
        Restart = "restart",
        /// Stops them, one after the other, what others depend on last.
        Stop = "stop",
        /// Starts them, one after the other, what others depend on first.
        Start = "start",
        /// Sets their memory and processor limits until they are made again.
        Limit = "limit",
        /// Removes the containers of a service that have the highest numbers.
        ScaleDown = "scale_down",
        /// Stops and removes a project's containers and networks, and its volumes if that is said.
        Down = "down",
        /// Removes what nothing uses.
        Prune = "prune",
        /// Runs a program in one of them, without a terminal.
        Exec = "exec",
        /// Runs a program in a container of its own, which is gone afterwards.
        Run = "run",
    }
}

text_enum! {
    /// What the engine keeps.
    Kind {
        /// Containers that do not run.
        Containers = "containers",
        /// Images.
        Images = "images",
        /// Networks.
        Networks = "networks",
        /// Volumes.
        Volumes = "volumes",
        /// What builds left.
        BuildCache = "build_cache",
    }
}

/// Which containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Selector {
    /// Those of a compose project, of services, or of both; neither means all.
    Compose { project: Option<String>, services: Vec<String> },
    /// The one with this name.
    Name { container: String },
}

/// A verb with its own fields.
#[derive(Debug)]
pub(super) enum Job {
    Ps,
    Inspect,
    Env { names: Vec<String> },
    Stats { span: Option<u64> },
    Logs { pattern: Option<Regex>, tail: u32, since: Option<u64>, follow: Option<u64> },
    WaitHealthy { within: u64 },
    Network { network: Option<String> },
    Df,
    Restart { grace: Option<i32> },
    Stop { grace: Option<i32> },
    Start,
    Limit { memory: Option<i64>, cpus: Option<i64> },
    ScaleDown { replicas: usize, grace: Option<i32> },
    Down { volumes: bool, grace: Option<i32> },
    Prune { kinds: Vec<Kind>, named_images: bool, label: Option<String> },
    Exec { argv: Vec<String>, ok: Vec<i64> },
    Run(Box<OneOff>),
}

/// A container of its own.
#[derive(Debug)]
pub(super) struct OneOff {
    pub(super) image: String,
    pub(super) argv: Vec<String>,
    pub(super) ok: Vec<i64>,
    pub(super) env: BTreeMap<String, SecretText>,
    pub(super) mounts: Vec<Mount>,
    pub(super) network: Option<String>,
    /// Most memory, in bytes.
    pub(super) memory: Option<i64>,
    pub(super) dir: Option<String>,
    pub(super) user: Option<String>,
    /// Whether its own files may be written.
    pub(super) writable: bool,
}

/// A named volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    /// The volume's name; it exists already.
    pub(super) volume: String,
    /// The directory where it is seen, an absolute path.
    pub(super) at: String,
    /// Whether it may be written.
    #[serde(default)]
    pub(super) write: bool,
}

impl Mount {
    /// A name with a slash would be a directory of the host's.
    pub(super) fn check(&self) -> Result<(), Sentence> {
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let name = &self.volume;
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(named) {
            return Err(sentence!("action.docker_volume_name", name));
        }
        let at = &self.at;
        let plain = at.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        match at.starts_with('/') && plain && !at.contains(['\0', ':', ',']) {
            true => Ok(()),
            false => Err(sentence!("action.docker_mount_at", at)),
        }
    }
}

impl Job {
    pub(super) fn verb(&self) -> Verb {
        match self {
            Self::Ps => Verb::Ps,
            Self::Inspect => Verb::Inspect,
            Self::Env { .. } => Verb::Env,
            Self::Stats { .. } => Verb::Stats,
            Self::Logs { .. } => Verb::Logs,
            Self::WaitHealthy { .. } => Verb::WaitHealthy,
            Self::Network { .. } => Verb::Network,
            Self::Df => Verb::Df,
            Self::Restart { .. } => Verb::Restart,
            Self::Stop { .. } => Verb::Stop,
            Self::Start => Verb::Start,
            Self::Limit { .. } => Verb::Limit,
            Self::ScaleDown { .. } => Verb::ScaleDown,
            Self::Down { .. } => Verb::Down,
            Self::Prune { .. } => Verb::Prune,
            Self::Exec { .. } => Verb::Exec,
            Self::Run(_) => Verb::Run,
        }
    }

    /// What it does at least; none where only the author knows.
    pub(super) fn effect(&self) -> Option<Effect> {
        match self {
            Self::Ps
            | Self::Inspect
            | Self::Env { .. }
            | Self::Stats { .. }
            | Self::Logs { .. }
            | Self::WaitHealthy { .. }
            | Self::Network { .. }
            | Self::Df => Some(Effect::Read),
            Self::Restart { .. }
            | Self::Stop { .. }
            | Self::Start
            | Self::Limit { .. }
            | Self::ScaleDown { .. }
            | Self::Down { volumes: false, .. } => Some(Effect::Change),
            Self::Down { volumes: true, .. } | Self::Prune { .. } => Some(Effect::Destroy),
            Self::Exec { .. } | Self::Run(_) => None,
        }
    }

    /// Whether it is for containers that run alone.
    pub(super) fn wants_running(&self) -> bool {
        matches!(self, Self::Exec { .. } | Self::Stats { .. })
    }

    /// Its own fields, as the plan holds them.
    pub(super) fn exact(&self) -> Value {
        match self {
            Self::Ps | Self::Inspect | Self::Start | Self::Df => json!({}),
            Self::Env { names } => json!({ "names": names }),
            Self::Stats { span } => json!({ "for": span }),
            Self::WaitHealthy { within } => json!({ "within": within }),
            Self::Network { network } => json!({ "network": network }),
            Self::Logs { pattern, tail, since, follow } => json!({
                "pattern": pattern.as_ref().map(Regex::as_str),
                "tail": tail,
                "since": since,
                "follow": follow,
            }),
            Self::Restart { grace } | Self::Stop { grace } => json!({ "stop_timeout": grace }),
            Self::Limit { memory, cpus } => json!({ "memory": memory, "nano_cpus": cpus }),
            Self::ScaleDown { replicas, grace } => json!({ "replicas": replicas, "stop_timeout": grace }),
            Self::Down { volumes, grace } => json!({ "volumes": volumes, "stop_timeout": grace }),
            Self::Prune { kinds, named_images, label } => {
                json!({ "what": kinds, "named_images": named_images, "label": label })
            }
            Self::Exec { argv, ok } => json!({ "argv": argv, "ok": ok }),
            Self::Run(one) => json!({
                "image": one.image,
                "argv": one.argv,
                "ok": one.ok,
                "env": one.env.iter().map(|(name, text)| (name.clone(), text.shown())).collect::<Map<_, _>>(),
                "mounts": one.mounts,
                "network": one.network,
                "memory": one.memory,
                "dir": one.dir,
                "user": one.user,
                "writable": one.writable,
            }),
        }
    }
}

impl Selector {
    /// As people name what it selects.
    pub(super) fn named(&self) -> Sentence {
        match self {
            Self::Name { container } => sentence!("action.docker_targets", count => 1, names => container),
            Self::Compose { project: Some(project), services } if services.is_empty() => {
                sentence!("action.docker_project", project)
            }
            Self::Compose { project: Some(project), services } => {
                sentence!("action.docker_service_of", count => services.len(), service => listed(services), project)
            }
            Self::Compose { project: None, services } if services.is_empty() => sentence!("action.docker_all"),
            Self::Compose { project: None, services } => {
                sentence!("action.docker_service", count => services.len(), service => listed(services))
            }
        }
    }
}
