//! What would happen, in sentences and bytes. An approval holds a plan's digest; one byte of difference voids it, and
//! the language that somebody reads it in makes none.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest;
use super::runbook::Effect;
use super::sentence::Sentence;

/// What one step would do, decided without touching anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The action's name.
    pub action: String,
    /// What it may do.
    pub effect: Effect,
    /// What it acts on, as in `container shop_api_1`.
    pub target: Sentence,
    /// One line that a person reads before approving, as in `POST https://…/deploy`: plain where it is the same in
    /// every language.
    pub line: Sentence,
    /// Every byte that will be used: argv, URL, body, SQL text and values, the ids of the targets. Secrets are
    /// named here, never shown.
    pub exact: Value,
}

/// The plans of the steps that one decision covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The step's position in the run.
    pub position: usize,
    /// The step's title.
    pub title: String,
    /// What it would do.
    pub plan: Plan,
    /// What would undo it, if it can be told beforehand.
    pub undo: Option<Plan>,
}

/// The digest that an approval is bound to: over every planned step, in order.
#[must_use]
pub fn digest_of(steps: &[PlannedStep]) -> String {
    digest::of(&steps)
}
