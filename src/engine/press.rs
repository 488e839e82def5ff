//! A pressed button: found on our side by message and button id, judged as of now, dispatched.

use std::sync::Arc;

use minijinja::context;
use serde_json::{Value, json};

use super::Engine;
use super::answer::Heard;
use super::post::stream_of;
use crate::chat::card::{Card, Press};
use crate::chat::cards;
use crate::domain::actor::{Actor, Place, SERENO};
use crate::domain::policy::{self, Ask};
use crate::domain::run::{Run, RunState};
use crate::domain::runbook::{Args, Effect};
use crate::domain::sentence::sentence;
use crate::domain::settings::Settings;
use crate::domain::step::{Hold, Outcome, Report, StepEvent, StepRun, StepState};
use crate::domain::timeline::EntryKind;
use crate::id::RunId;
use crate::store::inbox::{Delivery, DeliveryState, Input};
use crate::store::messages::Message;
use crate::store::{Result, Tx, inbox, incidents, messages, runs, steps};

impl Engine {
    /// Handles a press.
    pub(super) async fn pressed(self: &Arc<Self>, delivery: &Delivery, actor: Actor, place: &Place) -> Result<()> {
        let Input::Press { message, button, values, .. } = &delivery.input else { return Ok(()) };
        let mut tx = self.store.begin().await?;
        if !inbox::finish(&mut tx, &delivery.id, DeliveryState::Done).await? {
            return Ok(());
        }
        let settings = self.settings.load_full();
        let found = messages::get(&mut tx, message).await?;
        let visible = |found: &Message| found.whisper_to.as_ref().is_none_or(|to| *to == actor.id);
        let place = found.as_ref().map_or_else(|| place.clone(), |found| public_place(found, &settings));
        let incident = match &place.thread {
            Some(root) => incidents::of_thread(&mut tx, root).await?,
            None => None,
        };
        let (id, at) = (delivery.id.clone(), delivery.at);
        let heard = Heard { delivery: id, at, actor: actor.clone(), place, incident, settings };
        match found.filter(visible) {
            None => self.tell(&mut tx, &heard, "no_such_message", context! {}).await?,
            Some(found) => match press_of(&found, button) {
                None => self.tell(&mut tx, &heard, "button_gone", context! {}).await?,
                Some(press) => self.dispatch(&mut tx, &heard, press, values).await?,
            },
        }
        fail::fail_point!("engine.before_press_commit");
        tx.commit().await
    }

    async fn dispatch(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        press: Press,
        values: &crate::chat::card::Values,
    ) -> Result<()> {
        let text = |name: &str| values.get(name).and_then(Value::as_str).map(str::to_owned);
        match press {
            Press::Approve(id) => self.decide(tx, heard, &id, true, text("confirm")).await,
            Press::Refuse(id) => self.decide(tx, heard, &id, false, text("reason")).await,
            Press::BreakGlass(id) => self.break_glass(tx, heard, &id, text("reason")).await,
            Press::CloseReview(id) => self.close_review(tx, heard, &id, text("note")).await,
            Press::Cancel(id) => self.cancel(tx, heard, &id).await,
            Press::Undo(id) => self.undo(tx, heard, &id).await,
            Press::Check(run, position) => self.check_off(tx, heard, (&run, position), true, text("evidence")).await,
            Press::CheckFailed(run, position) => {
                self.check_off(tx, heard, (&run, position), false, text("evidence")).await
            }
            Press::Choose(run, position) => self.choose(tx, heard, (&run, position), text("choice")).await,
            Press::Confirm(run, position) => self.settle_unknown(tx, heard, (&run, position), true).await,
            Press::Rerun(run, position) => self.settle_unknown(tx, heard, (&run, position), false).await,
            Press::Acknowledge(id) => self.acknowledge(tx, heard, &id).await,
            Press::Resolve(id) => self.resolve(tx, heard, &id).await,
            Press::Accept(id) => self.accept_shift(tx, heard, &id).await,
            Press::Ask(invocation) => {
                let more: Args = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                let channel = heard.place.channel.clone();
                match self.check(&heard.settings, &invocation, &more, Some(&channel)) {
                    Ok(request) => self.ask(tx, heard, request).await,
                    Err(unclear) => self.answer_unclear(tx, heard, unclear).await,
                }
            }
        }
    }

    /// Tells the one who asked one sentence.
    pub(super) async fn tell(&self, tx: &mut Tx, heard: &Heard, key: &str, values: minijinja::Value) -> Result<()> {
        let card = cards::line(self.desk(&heard.settings), key, values);
        self.aside(tx, heard, &card).await
    }

    /// Cancels a run: the requester may, and whoever may run it.
    pub(super) async fn cancel(&self, tx: &mut Tx, heard: &Heard, id: &RunId) -> Result<()> {
        let Some(run) = runs::get(tx, id).await? else {
            return self.tell(tx, heard, "no_run_here", context! {}).await;
        };
        if run.state != RunState::Active {
            let state = self.words().get(&format!("card.run_state_{}", run.state));
            return self.tell(tx, heard, "run_over", context! { state }).await;
        }
        if heard.actor.id != run.body.by.id && !may_run(heard, &run) {
            return self.tell(tx, heard, "cancel_denied", context! {}).await;
        }
        self.begin_end(tx, &run, &heard.actor.id).await.map(drop)
    }

    /// Cancels a run that is not over, in the name of a person; false if it has moved on meanwhile.
    pub(super) async fn begin_end(&self, tx: &mut Tx, run: &Run, by: &str) -> Result<bool> {
        let mut cancelled = run.clone();
        cancelled.state = RunState::Cancelling;
        cancelled.body.cancelled_by = Some(by.to_owned());
        if !runs::update(tx, &cancelled, RunState::Active).await? {
            return Ok(false);
        }
        self.void_pending(tx, &cancelled).await?;
        self.refresh(tx, &run.id).await?;
        let body = json!({"run": run.id, "command": run.body.command_line()});
        self.enter(tx, stream_of(run), by, EntryKind::Cancelled, body).await?;
        Ok(true)
    }

    async fn void_pending(&self, tx: &mut Tx, run: &Run) -> Result<()> {
        use crate::domain::approval::ApprovalState;
        for mut approval in crate::store::approvals::of_run(tx, &run.id).await? {
            if approval.state == ApprovalState::Pending {
                approval.state = ApprovalState::Void;
                approval.body.closed_by.clone_from(&run.body.cancelled_by);
                approval.body.decided_at = Some(self.clock.now());
                crate::store::approvals::update(tx, &approval, ApprovalState::Pending).await?;
            }
        }
        Ok(())
    }

    /// A person has done a human step, or could not.
    async fn check_off(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        at: (&RunId, usize),
        done: bool,
        note: Option<String>,
    ) -> Result<()> {
        let Some((run, mut step)) = self.step_at(tx, heard, at, StepState::Holding).await? else { return Ok(()) };
        let Some(Hold::Person { evidence, roles, .. }) = step.body.hold.clone() else {
            return self.tell(tx, heard, "step_moved_on", context! {}).await;
        };
        let may = if roles.is_empty() { may_run(heard, &run) } else { heard.actor.holds_any(&roles) };
        if !may {
            return self.tell(tx, heard, "denied_role", context! { list => roles.join(", ") }).await;
        }
        let note = note.unwrap_or_default();
        if done && evidence && note.trim().is_empty() {
            return self.tell(tx, heard, "evidence_needed", context! {}).await;
        }
        let who = heard.settings.name_of(&heard.actor.id);
        let line = sentence!("card.checked_by", who, note => &note);
        let report = Report::new(json!({"by": heard.actor.id, "evidence": note, "done": done}), line);
        let outcome = if done { Outcome::Done(report) } else { Outcome::Failed(report) };
        self.conclude(tx, &run, &mut step, outcome).await?;
        self.decided(tx, &heard.actor.id, &run, &step, json!({"done": done, "evidence": note})).await
    }

    /// A person has looked what became of an unknown step.
    async fn settle_unknown(&self, tx: &mut Tx, heard: &Heard, at: (&RunId, usize), happened: bool) -> Result<()> {
        let Some((run, mut step)) = self.step_at(tx, heard, at, StepState::Unknown).await? else { return Ok(()) };
        // Somebody looked after an earlier attempt, which says nothing of this one.
        if step.body.ended_at.is_some_and(|lost| heard.at < lost) {
            return self.tell(tx, heard, "step_moved_on", context! {}).await;
        }
        if !may_run(heard, &run) {
            return self.tell(tx, heard, "not_known_here", context! {}).await;
        }
        if happened {
            let who = heard.settings.name_of(&heard.actor.id);
            let line = sentence!("card.confirmed_by", who);
            step.body.outcome = Some(Outcome::Done(Report::line(line)));
        } else {
            step.approval = None;
            step.not_before = None;
            (step.owner, step.lease_until) = (None, None);
        }
        let event = if happened { StepEvent::Confirm } else { StepEvent::Rerun };
        if !self.move_step(tx, &mut step, event).await? {
            return self.tell(tx, heard, "step_moved_on", context! {}).await;
        }
        if happened {
            self.after_success(tx, &run, &step).await?;
        }
        self.refresh(tx, &run.id).await?;
        self.decided(tx, &heard.actor.id, &run, &step, json!({"happened": happened})).await
    }

    pub(super) async fn decided(&self, tx: &mut Tx, who: &str, run: &Run, step: &StepRun, what: Value) -> Result<()> {
        let body = json!({"run": run.id, "step": step.body.step.title, "position": step.position, "decision": what});
        self.enter(tx, stream_of(run), who, EntryKind::StepDecided, body).await
    }

    /// The run and step of a button, if the step still is where the button was offered.
    pub(super) async fn step_at(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        at: (&RunId, usize),
        state: StepState,
    ) -> Result<Option<(Run, StepRun)>> {
        let (run, position) = at;
        // The run's row first: of two who press at once the second one sees what the first did.
        let (run, step) = (runs::take(tx, run).await?, steps::get(tx, run, position).await?);
        match (run, step) {
            (Some(run), Some(step)) if step.state == state && run.state == RunState::Active => Ok(Some((run, step))),
            _ => self.tell(tx, heard, "step_moved_on", context! {}).await.map(|()| None),
        }
    }
}

/// Where what comes of a press goes: into the message's thread; what only one person sees has none.
fn public_place(message: &Message, settings: &Settings) -> Place {
    let place = match message.whisper_to {
        Some(_) => message.place.clone(),
        None => message.place.under(&message.id),
    };
    Place { platform: settings.platform_of(&place.channel), ..place }
}

/// Whether they may run what this run runs. What a schedule started nobody may have been allowed to ask for, or not in the
/// channel that hears of it: it is for whoever may run it anywhere, and for those who approve its changes.
pub(super) fn may_run(heard: &Heard, run: &Run) -> bool {
    let nobodys = run.body.by.id == SERENO;
    if nobodys {
        let env = run.body.env.as_deref();
        let rule =
            policy::approval_for(&run.body.runbook, Effect::Destroy, env, &heard.settings.approval_defaults(env));
        if rule.is_some_and(|rule| heard.actor.holds_any(&rule.roles)) {
            return true;
        }
    }
    let ask = Ask {
        actor: &heard.actor,
        runbook: &run.body.runbook,
        args: Some(&run.body.args),
        env: run.body.env.as_deref(),
        channel: (!nobodys).then_some(run.body.place.channel.as_str()),
    };
    policy::authorize(ask).is_ok()
}

/// What a button does: by its id among all that the message ever had, or by the label of one that it has now.
fn press_of(message: &Message, word: &str) -> Option<Press> {
    if let Some(press) = message.presses.get(word) {
        return serde_json::from_value(press.clone()).ok();
    }
    let card: Card = serde_json::from_value(message.card.clone()).ok()?;
    card.button(word).map(|button| button.press.clone())
}
