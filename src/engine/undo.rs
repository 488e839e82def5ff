//! The undo button: a finished run's inverse, as a run of its own, through the same approvals.

use std::sync::Arc;

use minijinja::context;

use super::Engine;
use super::answer::Heard;
use super::start::{Start, own_lock};
use crate::chat::cards;
use crate::command::Request;
use crate::domain::policy::{self, Ask};
use crate::domain::run::{Cause, Run};
use crate::domain::runbook::{Runbook, Step};
use crate::domain::step::StepRun;
use crate::domain::template::Template;
use crate::id::RunId;
use crate::store::{Result, Tx, runs, steps};

/// The id of the step that undoes another.
fn undo_id(step: &Step) -> String {
    format!("undo-{}", step.id)
}

/// The step that undoes another.
pub(super) fn undo_step(step: &Step) -> Option<Step> {
    let undo = step.undo.as_ref()?;
    Some(Step {
        id: undo_id(step),
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
    /// A step is done: if it took another one back, that one is not taken back again.
    pub(super) async fn note_undone(&self, tx: &mut Tx, run: &Run, step: &StepRun) -> Result<()> {
        let undone = match (step.body.undoes, &run.body.undo_of) {
            (Some(position), _) => steps::get(tx, &run.id, position).await?,
            (None, Some(undone)) => {
                let all = steps::of_run(tx, undone).await?;
                all.into_iter().find(|undone| undo_id(&undone.body.step) == step.body.step.id)
            }
            (None, None) => None,
        };
        let Some(mut undone) = undone else { return Ok(()) };
        undone.body.taken_back = Some(run.id.clone());
        steps::update(tx, &undone, undone.state, undone.attempt).await?;
        self.refresh(tx, &undone.run).await
    }

    /// Starts the inverse of what a finished run has done, judged as a request for that runbook.
    pub(super) async fn undo(&self, tx: &mut Tx, heard: &Heard, id: &RunId) -> Result<()> {
        let Some(run) = runs::get(tx, id).await? else { return Ok(()) };
        let done = steps::of_run(tx, id).await?;
        let inverse: Vec<Step> = done
            .iter()
            .rev()
            .filter(|step| step.can_be_undone())
            .filter_map(|step| undo_step(&step.body.step))
            .map(|step| Step { on_fail: crate::domain::runbook::OnFail::Stop, ..step })
            .collect();
        if inverse.is_empty() || !run.state.is_final() {
            let card = cards::line(self.desk(&heard.settings), "nothing_to_undo", context! {});
            return self.aside(tx, heard, &card).await;
        }
        // Of what was cut short nobody may be planned with a part.
        if !runs::is_whole(tx, id).await? {
            let card = cards::line(self.desk(&heard.settings), "undo_too_old", context! {});
            return self.aside(tx, heard, &card).await;
        }
        let undone = &run.body.runbook;
        let book = Runbook {
            name: format!("{}.undo", undone.name),
            steps: inverse,
            // On the same target, so never at once.
            lock: undone.lock.clone().or_else(|| Some(Template(own_lock(undone, run.body.env.as_deref())))),
            ..undone.clone()
        };
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
