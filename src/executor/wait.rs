//! `wait`: lets time pass. No process waits: the step is held, and the moment it goes on is a row.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::value::Span;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Hold, Outcome};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "wait",
    summary: "Waits for a span of time; survives restarts.",
    example: "for: 90s\n",
    schema: schema_of::<Wait>,
    parse: |with| {
        let wait: Wait = read(with)?;
        match wait.span.seconds()? {
            seconds @ ..=LONGEST => Ok(Box::new(Pause { seconds })),
            _ => Err(sentence!("action.wait_too_long")),
        }
    },
};

/// Seven days, in seconds.
const LONGEST: u64 = 7 * 24 * 3600;

/// A span to wait.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// How long: seconds, or a number with its unit as in 90s, 15m, 2h; at most seven days.
    #[serde(rename = "for")]
    span: Span,
}

/// The same as understood, in seconds.
struct Pause {
    seconds: u64,
}

#[async_trait]
impl Action for Pause {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let seconds = self.seconds;
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.wait_target"),
            line: sentence!("action.wait", seconds),
            exact: json!({ "seconds": seconds }),
        })
    }

    async fn run(&self, _cx: &StepContext) -> Outcome {
        Outcome::Hold(Hold::For(self.seconds))
    }
}
