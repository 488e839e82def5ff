//! A runbook as written: the keys of a file under `commands/`. The doc comments are what editors show. Knows no rule
//! that one key lays on another; those are in `check`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::expect::Expect;
use crate::domain::runbook::{Effect, OnFail};

/// A runbook: a command that people may type.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sereno runbook")]
pub struct Written {
    /// The word that people type: lower-case letters, digits and dashes.
    pub name: String,
    /// Other words for it, as people of another language or with old habits type them.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// One line for help.
    pub summary: String,
    /// Prose that cards show beside the steps.
    pub about: Option<String>,
    /// What it was written from: parts of a document, as its readers name them.
    #[serde(default)]
    pub source: Vec<String>,
    /// What it takes, in the order in which people type it.
    #[serde(default)]
    pub params: Vec<Param>,
    /// Where it may run. Without this, it has no environment and none is typed.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Channels it may be asked in. Without this, any.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Who may ask for it: one rule has to fit. No rule means nobody.
    #[serde(default)]
    pub allow: Vec<Allow>,
    /// Who must agree before a step changes something: the first rule for the environment counts.
    #[serde(default)]
    pub approval: Vec<Approval>,
    /// What is locked while it runs, with placeholders. Without this, the runbook and its environment.
    pub lock: Option<String>,
    /// Alerts it is for: labels that must all be there, each exactly.
    #[serde(default)]
    pub alerts: Vec<BTreeMap<String, String>>,
    /// Runbooks that are proposed after it: a name of this pack, or `pack/name`.
    #[serde(default)]
    pub next: Vec<String>,
    /// When it runs by itself.
    #[serde(default)]
    pub schedule: Vec<Schedule>,
    /// What it does, in order.
    pub steps: Vec<Step>,
}

/// One parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Its name, for placeholders and for `name=value`.
    pub name: String,
    /// What it accepts.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// One line for the form and for help.
    pub about: Option<String>,
    /// Taken when nothing is typed. Without it, the parameter is required.
    pub default: Option<Value>,
    /// The alert label that fills it in an incident.
    pub from_label: Option<String>,
    /// `text`, `file`: a regular expression over the whole value.
    pub pattern: Option<String>,
    /// `integer`: the least. `duration`: the least, as in `1m`.
    pub min: Option<Value>,
    /// `text`: the most characters (200). `integer`: the greatest. `duration`: the longest, as in `2h` (24h).
    pub max: Option<Value>,
    /// `choice`: the words.
    pub choices: Option<Vec<String>>,
    /// `file`: the directory that the file is in.
    pub dir: Option<String>,
    /// `from`: the read-only step that finds the choices.
    pub step: Option<String>,
    /// `from`: where they are in its facts, as in `rows`.
    pub path: Option<String>,
}

/// What a parameter accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Text that matches a pattern.
    Text,
    /// A whole number.
    Integer,
    /// One of some words.
    Choice,
    /// A span such as `15m`; steps get whole seconds.
    Duration,
    /// The name of a file in one directory.
    File,
    /// One of the values that an earlier step found.
    From,
}

/// One rule of who may ask: all that is given must fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// One of these roles.
    pub roles: Vec<String>,
    /// Only in these environments.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Only in these channels.
    #[serde(default)]
    pub channels: Vec<String>,
    /// Only with these values of parameters.
    #[serde(default)]
    pub when: BTreeMap<String, Vec<Value>>,
}

/// One rule of who must agree.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// In these environments. Without this, in all that no rule above names.
    #[serde(default)]
    pub environments: Vec<String>,
    /// How many different people; never fewer than the environment asks for.
    #[serde(default = "one")]
    pub count: u32,
    /// Roles of which each must hold one. Without this, the approvers of the configuration.
    #[serde(default)]
    pub roles: Vec<String>,
    /// How long the question stands, at most `15m`.
    pub expires: Option<String>,
    /// What who approves has to type, with placeholders, as in `{{ database }}`: for what cannot be taken back.
    pub confirm: Option<String>,
}

fn one() -> u32 {
    1
}

/// When it runs by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of month, month, day of week: `0 8 * * 1-5`.
    pub cron: String,
    /// The time zone's IANA name, as in `Europe/Madrid`. Without this, UTC.
    pub zone: Option<String>,
    /// The channel that hears of it. Without this, the pack's; a pack that has none in the configuration sleeps.
    pub channel: Option<String>,
    /// The environment.
    pub env: Option<String>,
    /// Values of parameters.
    #[serde(default)]
    pub args: BTreeMap<String, Value>,
}

/// One step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name for placeholders and branches.
    pub id: String,
    /// What it is for, in words.
    pub title: String,
    /// What does it.
    pub action: String,
    /// The action's own fields, with placeholders.
    #[serde(default = "nothing")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub with: Value,
    /// What it may do to the world. Needed where the action cannot tell by itself.
    pub effect: Option<Effect>,
    /// What must hold of what it found.
    #[serde(default)]
    pub expect: Vec<Expect>,
    /// Longest run of one attempt (60s).
    pub timeout: Option<String>,
    /// Further attempts after a failure.
    pub retry: Option<Retry>,
    /// Whether running it again after a crash is harmless. Reading always is.
    #[serde(default)]
    pub idempotent: bool,
    /// Where to go when it is done: the first that fits, or else the next step.
    #[serde(default)]
    pub branches: Vec<Branch>,
    /// What to do when it has failed for good: `stop`, `continue`, `undo` or `{ goto: id }`.
    #[serde(default)]
    pub on_fail: Failure,
    /// What takes it back.
    pub undo: Option<Undo>,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Further attempts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How many after the first.
    pub times: u32,
    /// Time between them (5s).
    pub delay: Option<String>,
}

/// A jump forward.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// All must hold. Without this, it is always taken.
    #[serde(default)]
    pub when: Vec<Expect>,
    /// A later step's id, or `end`.
    pub goto: String,
}

/// What a failure leads to.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The run fails.
    #[default]
    Stop,
    /// As if it had been done.
    Continue,
    /// Take back, in reverse, every completed step that has an undo; then the run fails.
    Undo,
    /// Go on at this later step.
    Goto(String),
}

impl From<Failure> for OnFail {
    fn from(written: Failure) -> Self {
        match written {
            Failure::Stop => Self::Stop,
            Failure::Continue => Self::Continue,
            Failure::Undo => Self::Undo,
            Failure::Goto(id) => Self::Goto(id),
        }
    }
}

/// What takes a step back; it has the step's effect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// What it is for, in words.
    pub title: String,
    /// What does it.
    pub action: String,
    /// The action's own fields; placeholders may use what the step found.
    #[serde(default = "nothing")]
    #[schemars(with = "BTreeMap<String, Value>")]
    pub with: Value,
    /// Longest run (60s).
    pub timeout: Option<String>,
}
