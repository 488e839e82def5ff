//! `ask`: a step that a person does and checks off, with evidence where that is wanted.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::value::Text;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Hold, Outcome};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "ask",
    summary: "Asks a person to do or to look at something, and waits for the check-off.",
    example: "instructions: Look at the dashboard; is the error rate back to normal?\nevidence: true\nroles: [lead]\n",
    schema: schema_of::<Ask>,
    parse: |with| Ok(Box::new(read::<Ask>(with)?)),
};

/// Something for a person to do.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// What to do or to look at.
    instructions: Text,
    /// Whether a note of what was seen is required.
    #[serde(default)]
    evidence: bool,
    /// Roles that may check it off. Without: whoever may ask for the runbook.
    #[serde(default)]
    roles: Vec<String>,
}

#[async_trait]
impl Action for Ask {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let Text(instructions) = &self.instructions;
        let who = match self.roles.len() {
            0 => sentence!("action.ask_anybody"),
            count => sentence!("action.ask_roles", count, roles => self.roles.join(", ")),
        };
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            line: sentence!("action.ask", who => who.clone(), instructions),
            target: who,
            exact: json!({ "instructions": instructions, "evidence": self.evidence, "roles": self.roles }),
        })
    }

    async fn run(&self, _cx: &StepContext) -> Outcome {
        let Text(instructions) = self.instructions.clone();
        Outcome::Hold(Hold::Person { instructions, evidence: self.evidence, roles: self.roles.clone() })
    }
}
