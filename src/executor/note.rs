//! `note`: says something in the thread and in the journal; no more.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::value::Text;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "note",
    summary: "Says something in the thread and in the timeline.",
    example: "text: The database is read-only from now on.\n",
    schema: schema_of::<Note>,
    parse: |with| Ok(Box::new(read::<Note>(with)?)),
};

/// Something to say. Facts: `text`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// What to say.
    text: Text,
}

#[async_trait]
impl Action for Note {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let Text(text) = &self.text;
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.note_target"),
            line: sentence!("action.note", text),
            exact: json!({ "text": text }),
        })
    }

    async fn run(&self, _cx: &StepContext) -> Outcome {
        let Text(text) = &self.text;
        Outcome::Done(Report::new(json!({ "text": text }), Sentence::plain(text)))
    }
}
