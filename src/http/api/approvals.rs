//! What waits for the one who asks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::digest;
use crate::domain::plan::PlannedStep;
use crate::engine::Waiting;
use crate::http::State;
use crate::http::access::Who;
use crate::http::fault::Fault;
use crate::words::Words;

/// One step that would run.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct PlannedView {
    /// What it is for.
    pub title: String,
    /// What it would do, in one line.
    pub line: String,
    /// What it acts on.
    pub target: String,
    /// `read`, `change` or `destroy`.
    pub effect: String,
}

/// A plan that waits for a decision.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Approval")]
pub(in crate::http) struct WaitingView {
    /// The approval's id.
    pub id: String,
    /// The run that waits.
    pub run: String,
    /// What was asked for, as in `rollback api prod`.
    pub command: String,
    /// Who asked.
    pub requester: String,
    /// How they are called.
    pub requester_name: String,
    /// When it dies, RFC 3339.
    pub expires_at: String,
    /// Digest of the plan.
    pub plan_digest: String,
    /// Its first digits, as cards show them.
    pub short_digest: String,
    /// What would run.
    pub steps: Vec<PlannedView>,
    /// The run's message; its thread holds the buttons.
    pub message: String,
    /// How many have agreed.
    pub agreed: usize,
    /// How many must.
    pub needed: u32,
}

/// What this person may decide now, oldest first.
pub(in crate::http) async fn waiting(state: &State, who: &Who) -> Result<Vec<WaitingView>, Fault> {
    let actor = who.actor(state)?;
    let settings = state.engine.settings.load_full();
    let words = Words(settings.language);
    let mut db = state.engine.store.read().await?;
    let mut found = Vec::new();
    for Waiting { approval, votes, run } in state.engine.waiting_for(&mut db, &actor).await? {
        found.push(WaitingView {
            id: approval.id.to_string(),
            run: approval.run.to_string(),
            command: run.body.command_line(),
            requester_name: settings.name_of(&approval.body.requester).to_owned(),
            requester: approval.body.requester,
            expires_at: approval.expires_at.to_string(),
            short_digest: digest::short(&approval.plan_digest).to_owned(),
            plan_digest: approval.plan_digest,
            steps: approval.body.steps.into_iter().map(|step| planned(step, words)).collect(),
            message: run.body.message.to_string(),
            agreed: votes.iter().filter(|vote| vote.yes).count(),
            needed: approval.body.rule.count,
        });
    }
    Ok(found)
}

fn planned(step: PlannedStep, words: Words) -> PlannedView {
    PlannedView {
        title: step.title,
        line: words.tell(&step.plan.line),
        target: words.tell(&step.plan.target),
        effect: step.plan.effect.to_string(),
    }
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Json<Vec<WaitingView>>, Fault> {
    waiting(&state, &who).await.map(Json)
}
