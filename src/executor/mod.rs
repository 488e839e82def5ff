//! Port 2: actions. One file an action, one line in [`ACTIONS`]; help, schema, docs and tests iterate over it.
//! Knows nothing of chat, store or engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::step::Outcome;
use crate::secret::Secret;

/// One action with its fields, ready to be planned and run.
#[async_trait]
pub trait Action: Send + Sync {
    /// What it may do, given what the runbook declares.
    ///
    /// # Errors
    /// In words, when the runbook declares less than the action certainly does, or must declare something and
    /// does not.
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, String>;

    /// What would happen, without touching anything. Selectors are resolved to a list here, so that an approver
    /// sees the targets; planning again must give the same bytes as long as the world is the same.
    ///
    /// # Errors
    /// In words, when that cannot be told now.
    async fn plan(&self, tools: &Tools) -> Result<Plan, String>;

    /// Does it. Called only after the start is in the journal; stops when the context is cancelled.
    async fn run(&self, cx: &StepContext) -> Outcome;
}

/// A row of the table of actions.
pub struct ActionSpec {
    /// The word in `action:`.
    pub name: &'static str,
    /// One line for help and docs.
    pub summary: &'static str,
    /// A tested example of `with:`, YAML.
    pub example: &'static str,
    /// JSON Schema of `with:`.
    pub schema: fn() -> Value,
    /// Reads the fields of `with:`, placeholders already filled.
    pub parse: fn(&Value) -> Result<Box<dyn Action>, String>,
}

/// Every action there is.
pub static ACTIONS: &[ActionSpec] = &[];

/// The action with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// What actions work with; made once at start.
#[derive(Clone, Default)]
pub struct Tools {
    /// Secrets by name, as the configuration lists them.
    pub secrets: Arc<BTreeMap<String, Secret>>,
    /// The Docker engine's address; none means the platform's default.
    pub docker_host: Option<String>,
}

/// What one attempt is given.
#[derive(Clone)]
pub struct StepContext {
    /// What it works with.
    pub tools: Tools,
    /// Same for every attempt of one step of one run; sent to systems that take one.
    pub idempotency_key: String,
    /// Longest time it may take.
    pub timeout: Duration,
    /// Cancelled when a person cancels the run or the process ends.
    pub cancel: CancellationToken,
}
