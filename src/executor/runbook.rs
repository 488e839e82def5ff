//! `run`: another runbook as a step. It is a run of its own, with its own checks and approvals; this step is held
//! until it has ended.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::{Args, Effect, Invocation};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Hold, Outcome};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "run",
    summary: "Runs another runbook and waits for its end.",
    example: "runbook: minimarket/health\nargs: {service: api}\n",
    schema: schema_of::<Run>,
    parse: |with| Ok(Box::new(read::<Run>(with)?)),
};

/// Another runbook to run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Run {
    /// Its full name, pack/name.
    runbook: String,
    /// Its arguments by name.
    #[serde(default)]
    args: Args,
}

#[async_trait]
impl Action for Run {
    /// What the other runbook changes is judged, and approved, there.
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let args = self.args.iter().map(|(name, value)| format!(" {name}={value}")).collect::<String>();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: Sentence::plain(&self.runbook),
            line: sentence!("action.run", command => format!("{}{args}", self.runbook)),
            exact: json!({ "runbook": self.runbook, "args": self.args }),
        })
    }

    async fn run(&self, _cx: &StepContext) -> Outcome {
        Outcome::Hold(Hold::Runbook(Invocation { runbook: self.runbook.clone(), args: self.args.clone(), env: None }))
    }
}
