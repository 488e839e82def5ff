//! The undo button: a finished run's inverse, as a run of its own, through the same approvals.

use std::sync::Arc;

use minijinja::context;

use super::Engine;
use super::answer::Heard;
use super::start::Start;
use crate::chat::cards;
use crate::command::Request;
use crate::domain::policy::{self, Ask};
use crate::domain::run::Cause;
use crate::domain::runbook::{Runbook, Step};
use crate::domain::step::StepState;
use crate::id::RunId;
use crate::store::{Result, Tx, runs, steps};

/// The step that undoes another.
pub(super) fn undo_step(step: &Step) -> Option<Step> {
    let undo = step.undo.as_ref()?;
    Some(Step {
        id: format!("undo-{}", step.id),
        title: undo.title.clone(),
        action: undo.action.clone(),
        with: undo.with.clone(),
        effect: step.effect,
        timeout: undo.timeout,
        expect: Vec::new(),
        retry: crate::domain::runbook::Retry::default(),
        idempotent: step.idempotent,
        branches: Vec::new(),
        on_fail: crate::domain::runbook::OnFail::Continue,
        undo: None,
    })
}

impl Engine {
    /// Starts the inverse of what a finished run has done, judged as a request for that runbook.
    pub(super) async fn undo(&self, tx: &mut Tx, heard: &Heard, id: &RunId) -> Result<()> {
        let Some(run) = runs::get(tx, id).await? else { return Ok(()) };
        let done = steps::of_run(tx, id).await?;
        let inverse: Vec<Step> = done
            .iter()
            .rev()
            .filter(|step| step.state == StepState::Done)
            .filter_map(|step| undo_step(&step.body.step))
            .map(|step| Step { on_fail: crate::domain::runbook::OnFail::Stop, ..step })
            .collect();
        if inverse.is_empty() || !run.state.is_final() {
            let card = cards::line(self.desk(&heard.settings), "nothing_to_undo", context! {});
            return self.aside(tx, heard, &card).await;
        }
        let book =
            Runbook { name: format!("{}.undo", run.body.runbook.name), steps: inverse, ..run.body.runbook.clone() };
        let request = Request { book: Arc::new(book), args: run.body.args.clone(), env: run.body.env.clone() };
        let ask = Ask {
            actor: &heard.actor,
            runbook: &request.book,
            args: Some(&request.args),
            env: request.env.as_deref(),
            channel: Some(&heard.place.channel),
        };
        let authorized = match policy::authorize(ask) {
            Ok(authorized) => authorized,
            Err(denied) => return self.deny(tx, heard, &request, &denied).await,
        };
        let start = Start {
            request,
            by: heard.actor.clone(),
            cause: Cause::Undo,
            place: run.body.place.under(&run.body.message),
            reply_to: Some(heard.delivery.clone()),
            incident: run.incident.clone(),
            parent: None,
            undo_of: Some(run.id.clone()),
        };
        if let Err(holder) = self.start(tx, start, &authorized).await? {
            let card = self.locked_card(tx, &heard.settings, &holder).await?;
            self.aside(tx, heard, &card).await?;
        }
        Ok(())
    }
}
