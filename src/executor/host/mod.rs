//! `host`: looks at the machine that Sereno runs on: disk, memory, load, ports, versions of programs, variables of its
//! own environment. Nothing here changes anything.

mod look;
mod versions;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

pub use self::versions::Tool;
use self::versions::Wanted;
use super::attempt::{at_least, look, needed, only};
use super::value::Text;
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "host",
    summary: "Looks at this machine: disk, memory, load, ports, versions of programs, variables that are set.",
    example: "do: versions\ntools:\n  - {tool: docker, at_least: \"20.10\"}\n  - {tool: terraform, at_least: \"1.5.0\"}\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Ports, tools or names that one step looks at.
const MANY: usize = 50;

text_enum! {
    /// What to look at.
    Verb {
        /// How full the file system of a path is.
        Disk = "disk",
        /// How much memory is in use.
        Memory = "memory",
        /// How busy it is.
        Load = "load",
        /// Which ports something listens on.
        Ports = "ports",
        /// Which programs are installed, and how old they are.
        Versions = "versions",
        /// Which variables are set in Sereno's own environment.
        Environment = "environment",
    }
}

/// A look at this machine. Facts, by verb: `disk`: `total_bytes`, `free_bytes` (for everybody), `percent_free`,
/// `percent_used`. `memory`: `total_bytes`, `available_bytes`, `percent_used`, `swap_total_bytes`, `swap_used_bytes`.
/// `load`: `one`, `five`, `fifteen` (minutes), `processors`, `per_processor` (of `five`). `ports`: `open`, `closed`
/// (lists), `all_open`, `all_closed`. `versions`: `tools` (`tool`, `found`, `version`, `at_least`, `ok`), `ok`,
/// `missing`, `too_old`. `environment`: `set`, `missing` (names, never values), `all_set`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What to look at.
    r#do: Verb,
    /// `disk`: an absolute path on the file system.
    #[serde(default)]
    path: Option<Text>,
    /// `ports`: TCP ports.
    #[serde(default)]
    ports: Option<Vec<u16>>,
    /// `versions`: the programs.
    #[serde(default)]
    tools: Option<Vec<Wanted>>,
    /// `environment`: the variables' names.
    #[serde(default)]
    names: Option<Vec<Text>>,
}

/// A look that fits together.
enum Host {
    Disk { path: String },
    Memory,
    Load,
    Ports { ports: Vec<u16> },
    Versions { tools: Vec<Wanted> },
    Environment { names: Vec<String> },
}

impl Fields {
    fn check(self) -> Result<Host, Sentence> {
        let verb = self.r#do;
        only(
            &verb,
            &[
                (self.path.is_some(), "path", &[Verb::Disk]),
                (self.ports.is_some(), "ports", &[Verb::Ports]),
                (self.tools.is_some(), "tools", &[Verb::Versions]),
                (self.names.is_some(), "names", &[Verb::Environment]),
            ],
        )?;
        Ok(match verb {
            Verb::Disk => Host::Disk { path: needed(self.path, "path", &verb)?.0 },
            Verb::Memory => Host::Memory,
            Verb::Load => Host::Load,
            Verb::Ports => Host::Ports { ports: some(self.ports, "ports", verb)? },
            Verb::Versions => Host::Versions { tools: some(self.tools, "tools", verb)? },
            Verb::Environment => Host::Environment {
                names: some(self.names, "names", verb)?.into_iter().map(|Text(name)| name).collect(),
            },
        })
    }
}

/// A list that holds something, and not too much.
fn some<T>(list: Option<Vec<T>>, name: &'static str, verb: Verb) -> Result<Vec<T>, Sentence> {
    let list = needed(list.filter(|list| !list.is_empty()), name, &verb)?;
    if list.len() > MANY { Err(sentence!("action.limit", field => name, most => MANY)) } else { Ok(list) }
}

#[async_trait]
impl Action for Host {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let (line, exact) = match self {
            Self::Disk { path } => (sentence!("action.host_disk", path), json!({ "do": "disk", "path": path })),
            Self::Memory => (sentence!("action.host_memory"), json!({ "do": "memory" })),
            Self::Load => (sentence!("action.host_load"), json!({ "do": "load" })),
            Self::Ports { ports } => {
                (sentence!("action.host_ports", ports => listed(ports)), json!({ "do": "ports", "ports": ports }))
            }
            Self::Versions { tools } => {
                let names: Vec<&str> = tools.iter().map(|wanted| wanted.tool.as_str()).collect();
                (
                    sentence!("action.host_versions", tools => listed(&names)),
                    json!({ "do": "versions", "tools": tools }),
                )
            }
            Self::Environment { names } => (
                sentence!("action.host_environment", names => listed(names)),
                json!({ "do": "environment", "names": names }),
            ),
        };
        let target = sentence!("action.host_target");
        Ok(Plan { action: SPEC.name.to_owned(), effect: Effect::Read, target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, self.report(cx)).await
    }
}

impl Host {
    async fn report(&self, cx: &StepContext) -> Result<Report, Sentence> {
        match self {
            // A network file system that is gone would hold up the thread, so it has one of its own.
            Self::Disk { path } => {
                let path = path.clone();
                let disk = tokio::task::spawn_blocking(move || look::disk(&path)).await;
                disk.map_err(Sentence::plain)?
            }
            Self::Memory => look::memory(),
            Self::Load => look::load(),
            Self::Ports { ports } => look::ports(ports),
            Self::Versions { tools } => versions::report(tools, cx).await,
            Self::Environment { names } => look::environment(names),
        }
    }
}
