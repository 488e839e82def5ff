//! What tests of actions have in common: reading a step's fields and running it the way the engine does.

#![allow(dead_code)] // each test uses some of it

use std::time::Duration;

use serde_json::Value;
use sereno::clock::Timestamp;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::settings::Language;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::live::Live;
use sereno::executor::{Action, StepContext, Tools, find};
use sereno::words::Words;
use tokio_util::sync::CancellationToken;

/// 1 March 2026, noon, UTC.
pub const NOON: Timestamp = Timestamp(1_772_366_400_000);

/// The action of a step with these fields.
pub fn action(name: &str, with: &Value) -> Box<dyn Action> {
    (find(name).unwrap().parse)(with).unwrap()
}

/// What an attempt of a step with this effect is given.
pub fn context(tools: &Tools, effect: Effect, timeout: Duration) -> StepContext {
    StepContext {
        tools: tools.clone(),
        idempotency_key: "01ARZ3NDEKTSV4RRFFQ69G5FAV-0".to_owned(),
        effect,
        started_at: NOON,
        timeout,
        cancel: CancellationToken::new(),
        planned: Value::Null,
        live: Live::default(),
    }
}

/// A sentence as readers see it.
pub trait Said {
    /// In English.
    fn en(&self) -> String;
}

impl Said for Sentence {
    fn en(&self) -> String {
        Words(Language::En).tell(self)
    }
}

pub fn done(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        other => panic!("not done: {other:?}"),
    }
}

pub fn failed(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Failed(report) => report,
        other => panic!("not failed: {other:?}"),
    }
}

pub fn unknown(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Unknown(report) => report,
        other => panic!("not unknown: {other:?}"),
    }
}
