//! A runbook as meant: what `commands/*.yaml` says once it has been read and checked. Serialized whole into each
//! run, so that a later change of the file never changes a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::actor::Role;
use super::approval::ApprovalRule;
use super::expect::Expect;
use super::pack::Values;
use super::template::Template;

/// Arguments by parameter name, checked and typed.
pub type Args = BTreeMap<String, Value>;

/// A runbook with everything that is needed to ask for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// `pack/name`.
    pub runbook: String,
    /// Arguments by name; those that are missing are asked for.
    #[serde(default)]
    pub args: Args,
    /// The environment.
    #[serde(default)]
    pub env: Option<String>,
}

/// The words of the command line that no runbook may be called; `command` reads them, the catalogue refuses them.
pub const BUILT_IN: &[&str] = &[
    "plan",
    "why",
    "help",
    "oncall",
    "handoff",
    "incidents",
    "runs",
    "approvals",
    "monitors",
    "locks",
    "note",
    "incident",
    "ack",
    "resolve",
    "cancel",
    "console",
];

/// A runbook: a command that people may type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// The folder it lives in; its namespace.
    pub pack: String,
    /// Its pack's values with their defaults, for `{{ values.name }}`.
    #[serde(default, skip_serializing_if = "Values::is_empty")]
    pub values: Values,
    /// The word people type.
    pub name: String,
    /// Other words for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// One line for help.
    pub summary: String,
    /// Prose that the cards show beside the steps.
    #[serde(default)]
    pub about: Option<String>,
    /// What it was written from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// What it takes, in the order in which people type it.
    pub params: Vec<Param>,
    /// Where it may run; empty means that it has no environment.
    pub environments: Vec<String>,
    /// Channels it may be asked in; empty means any.
    pub channels: Vec<String>,
    /// Who may ask for it; empty means nobody.
    pub allow: Vec<Allow>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What is locked while it runs; none means `pack/name env`.
    #[serde(default)]
    pub lock: Option<Template>,
    /// Approval rules, first match by environment wins.
    pub approval: Vec<ApprovalRule>,
    /// Alerts that this runbook is for.
    pub alerts: Vec<AlertMatch>,
    /// Runbooks to propose after it, by full name.
    pub next: Vec<String>,
    /// When it runs by itself.
    pub schedule: Vec<Schedule>,
    /// Digest of the file's bytes.
    pub digest: String,
    /// The file it was read from.
    pub file: String,
}

impl Runbook {
    /// `pack/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.pack, self.name)
    }

    /// Whether a word, with its pack in front or not, is one of its aliases.
    #[must_use]
    pub fn goes_by(&self, word: &str) -> bool {
        let word = word.strip_prefix(&self.pack).and_then(|rest| rest.strip_prefix('/')).unwrap_or(word);
        self.aliases.iter().any(|alias| alias == word)
    }

    /// The command line that asks for it with these arguments, as in `shop/rollback api prod`. Values are quoted where
    /// they must be, and go by name after one that is not there.
    #[must_use]
    pub fn command_line(&self, args: &Args, env: Option<&str>) -> String {
        let mut words = vec![self.full_name()];
        let mut gap = false;
        for param in &self.params {
            let value = args.get(&param.name).map(super::expect::show);
            let word = value.map(|text| shlex::try_quote(&text).map_or(text.clone(), |quoted| quoted.into_owned()));
            match word {
                None => gap = true,
                Some(word) if gap => words.push(format!("{}={word}", param.name)),
                Some(word) => words.push(word),
            }
        }
        words.extend(env.map(str::to_owned));
        words.join(" ")
    }

    /// How it is typed: `shop/rollback <service> [replicas] <prod|dev>`.
    #[must_use]
    pub fn usage(&self) -> String {
        let params = self.params.iter().map(|param| match &param.default {
            None => format!("<{}>", param.name),
            Some(_) => format!("[{}]", param.name),
        });
        let env = (!self.environments.is_empty()).then(|| format!("<{}>", self.environments.join("|")));
        std::iter::once(self.full_name()).chain(params).chain(env).collect::<Vec<_>>().join(" ")
    }

    /// Whether some step may change something.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.steps.iter().any(|step| step.effect > Effect::Read)
    }

    /// The position of the step with this id.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}

super::text_enum! {
    /// What a step may do to the world, in rising order.
    Effect {
        /// Looks only; repeated freely.
        Read = "read",
        /// Changes something that can be changed back.
        Change = "change",
        /// Takes something away that does not come back by itself.
        Destroy = "destroy",
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Its name, used in placeholders and as `name=value`.
    pub name: String,
    /// What it accepts.
    pub kind: ParamKind,
    /// One line for the form and for help.
    #[serde(default)]
    pub about: Option<String>,
    /// Taken when nothing is typed, as steps get it; without it the parameter is required.
    #[serde(default)]
    pub default: Option<Value>,
    /// The alert label that fills it in an incident.
    #[serde(default)]
    pub from_label: Option<String>,
}

/// What a parameter accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    /// Text that matches a whole-string pattern, at most `max` characters; never starts with `-`.
    Text {
        /// Regular expression over the whole text.
        pattern: Option<String>,
        /// Longest accepted, in characters.
        max: usize,
    },
    /// A whole number in a range, both ends included.
    Integer {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// A span such as `90s`, `15m`, `2h`; given to steps as whole seconds.
    Duration {
        /// Least, in seconds.
        min: u64,
        /// Greatest, in seconds.
        max: u64,
    },
    /// A file's name directly inside a directory; never a path out of it.
    File {
        /// The directory.
        dir: String,
        /// Regular expression over the name.
        pattern: Option<String>,
    },
    /// One of the values that an earlier read-only step found, asked for when that step has run.
    From {
        /// The step's id.
        step: String,
        /// Path in its facts that leads to a list of texts.
        path: String,
    },
}

/// One rule of who may ask: every field that is given must match. A runbook without rules may be run by nobody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allow {
    /// One of these roles.
    pub roles: Vec<Role>,
    /// Only in these environments; empty means all of the runbook's.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Only in these channels; empty means all of the runbook's.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Only with these argument values.
    #[serde(default)]
    pub when: BTreeMap<String, Vec<Value>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in placeholders and branches.
    pub id: String,
    /// What it is for, in words.
    pub title: String,
    /// The action's name in the ACTIONS table.
    pub action: String,
    /// The action's own fields, with placeholders.
    pub with: Value,
    /// What it may do, as declared or presumed; the action's plan can only raise it.
    pub effect: Effect,
    /// What must hold of its facts for it to be Done.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Longest run of one attempt, in seconds.
    pub timeout: u64,
    /// Further attempts after a failure.
    #[serde(default)]
    pub retry: Retry,
    /// Whether running it again after a crash is harmless; always true of a read.
    #[serde(default)]
    pub idempotent: bool,
    /// Where to go when it is done, first match wins; none means the next step.
    #[serde(default)]
    pub branches: Vec<Branch>,
    /// What to do when it has failed for good.
    #[serde(default)]
    pub on_fail: OnFail,
    /// Its inverse.
    #[serde(default)]
    pub undo: Option<Undo>,
}

impl Step {
    /// Whether it is over only later: at a moment, by a person, with another run.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self.action.as_str(), "ask" | "wait" | "run")
    }

    /// Whether it looks and is over.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        self.effect == Effect::Read && !self.waits()
    }

    /// Whether a lost attempt may be repeated without asking anybody.
    #[must_use]
    pub fn repeatable(&self) -> bool {
        self.idempotent || self.effect == Effect::Read
    }
}

/// Further attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How many after the first.
    pub times: u32,
    /// Seconds between them.
    pub delay: u64,
}

/// A conditional jump forward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// All must hold of the step's facts.
    pub when: Vec<Expect>,
    /// A later step's id, or `end`.
    pub goto: String,
}

/// What a failure leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// The run fails.
    #[default]
    Stop,
    /// As if it had been done.
    Continue,
    /// Undo, in reverse, every completed step that has an undo; then the run fails.
    Undo,
    /// Go on at this later step.
    Goto(String),
}

/// The inverse of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undo {
    /// What it is for, in words.
    pub title: String,
    /// The action's name.
    pub action: String,
    /// Its fields; may use the facts of the step it undoes.
    pub with: Value,
    /// Longest run, in seconds.
    pub timeout: u64,
}

/// Labels that an alert must carry, each exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertMatch {
    /// Label to value.
    pub labels: BTreeMap<String, String>,
}

/// When it runs by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five-field cron expression.
    pub cron: String,
    /// IANA time zone; UTC without.
    #[serde(default)]
    pub zone: Option<String>,
    /// The channel that hears of it; the pack's without.
    #[serde(default)]
    pub channel: Option<String>,
    /// Its arguments.
    #[serde(default)]
    pub args: Args,
    /// Its environment.
    #[serde(default)]
    pub env: Option<String>,
}
