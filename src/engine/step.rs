//! What follows when a step moves: expectations judged, branches taken, failures answered, runs closed.

use std::collections::BTreeSet;

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::post::stream_of;
use super::start::{Start, waiting};
use crate::chat::cards;
use crate::domain::actor::{Actor, SERENO};
use crate::domain::expect::Verdict;
use crate::domain::policy::{self, Ask};
use crate::domain::run::{Cause, Run, RunState};
use crate::domain::runbook::{Args, Invocation, OnFail, Step};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Hold, Outcome, Report, StepEvent, StepRun, StepState};
use crate::domain::timeline::EntryKind;
use crate::faults::seeded;
use crate::store::{Result, Tx, approvals, locks, runs, steps};

impl Engine {
    /// Moves a step by an event; false if it has moved on meanwhile, or may not.
    pub(super) async fn move_step(&self, tx: &mut Tx, step: &mut StepRun, event: StepEvent) -> Result<bool> {
        let guarded = step.body.guarded && !(event == StepEvent::Retry && seeded("defect.rerun_after_crash"));
        let Some(next) = step.state.next(event, guarded) else { return Ok(false) };
        let from = std::mem::replace(&mut step.state, next);
        if next.is_final() {
            step.body.ended_at = Some(self.clock.now());
            step.owner = None;
            step.lease_until = None;
            step.body.began = None;
        }
        steps::update(tx, step, from, step.attempt).await
    }

    /// Ends an attempt: judges its facts, and does what the runbook says of success and failure. False if the step has
    /// moved on meanwhile; then the transaction must be dropped.
    pub(super) async fn conclude(&self, tx: &mut Tx, run: &Run, step: &mut StepRun, outcome: Outcome) -> Result<bool> {
        let outcome = match self.judge(&step.body.step, &mut step.body.verdicts, outcome) {
            Outcome::Hold(Hold::Runbook(next)) if run.state == RunState::Active => {
                self.start_child(tx, run, step, next).await?
            }
            Outcome::Done(report) => self.offer_choice(run, step, report),
            outcome => outcome,
        };
        let event = match &outcome {
            _ if run.state == RunState::Cancelling && !matches!(outcome, Outcome::Done(_)) => StepEvent::Cancel,
            Outcome::Done(_) => StepEvent::Finish,
            Outcome::Unknown(_) => StepEvent::Lose,
            Outcome::Failed(_) if self.retries(step) => StepEvent::Retry,
            Outcome::Failed(_) => StepEvent::Fail,
            Outcome::Hold(hold) => {
                if let Hold::For(seconds) = hold {
                    step.not_before = Some(self.clock.now().after(std::time::Duration::from_secs(*seconds)));
                }
                step.body.hold = Some(hold.clone());
                StepEvent::Hold
            }
        };
        if event == StepEvent::Retry {
            let delay = std::time::Duration::from_secs(step.body.step.retry.delay);
            step.not_before = Some(self.clock.now().after(delay));
            (step.owner, step.lease_until) = (None, None);
        }
        if event == StepEvent::Lose {
            step.body.ended_at = Some(self.clock.now());
        }
        let body = json!({
            "run": run.id, "step": step.body.step.title, "position": step.position, "attempt": step.attempt,
            "event": event, "outcome": outcome, "verdicts": step.body.verdicts,
        });
        step.body.outcome = Some(outcome);
        if !self.move_step(tx, step, event).await? {
            return Ok(false);
        }
        self.tell_details(tx, run, step, event).await?;
        match step.state {
            StepState::Done => self.after_success(tx, run, step).await?,
            StepState::Failed => self.after_failure(tx, run, step).await?,
            _ => {}
        }
        self.refresh(tx, &run.id).await?;
        self.enter(tx, stream_of(run), SERENO, EntryKind::StepEnded, body).await?;
        Ok(true)
    }

    /// Done is only what did what was expected of it.
    pub(super) fn judge(&self, step: &Step, verdicts: &mut Vec<Verdict>, outcome: Outcome) -> Outcome {
        let Outcome::Done(report) = outcome else {
            verdicts.clear();
            return outcome;
        };
        *verdicts = step.expect.iter().map(|expect| expect.judge(&report.facts)).collect();
        let missed: Vec<&str> =
            verdicts.iter().filter(|verdict| !verdict.holds).map(|verdict| verdict.what.as_str()).collect();
        if missed.is_empty() {
            return Outcome::Done(report);
        }
        let line = sentence!("card.not_expected", what => missed.join(", "));
        Outcome::Failed(Report { line, ..report })
    }

    /// Starts the run that a step waits for, judged as the one who asked for the first.
    async fn start_child(&self, tx: &mut Tx, run: &Run, step: &mut StepRun, next: Invocation) -> Result<Outcome> {
        let settings = self.settings.load_full();
        let failed = |line: Sentence| Outcome::Failed(Report::line(line));
        let next = Invocation { env: next.env.or_else(|| run.body.env.clone()), ..next };
        let Ok(request) = self.check(&settings, &next, &Args::new(), Some(&run.body.place.channel)) else {
            return Ok(failed(sentence!("card.unknown_command", word => next.runbook)));
        };
        // Who is no longer one of us holds nothing; the program itself never did.
        let nobody = || Actor { roles: BTreeSet::new(), ..run.body.by.clone() };
        let by = settings.actor(&run.body.by.id, run.body.by.platform).unwrap_or_else(nobody);
        let ask = Ask {
            actor: &by,
            runbook: &request.book,
            args: Some(&request.args),
            env: request.env.as_deref(),
            channel: Some(&run.body.place.channel),
        };
        let authorized = match policy::authorize(ask) {
            Ok(authorized) => authorized,
            // Nobody asked for the first either: a schedule did, the one cause of ours that comes as far as here.
            Err(_) if run.body.by.id == SERENO => policy::automatic(),
            Err(_) => {
                let (who, command) = (settings.name_of(&by.id), super::answer::command_line(&request));
                return Ok(failed(sentence!("card.child_denied", who, command)));
            }
        };
        let start = Start {
            request,
            by,
            cause: Cause::Step,
            place: run.body.place.under(&run.body.message),
            reply_to: None,
            incident: run.incident.clone(),
            parent: Some((run.id.clone(), step.position)),
            undo_of: None,
        };
        match self.start(tx, start, &authorized).await? {
            Ok(child) => {
                step.body.child = Some(child);
                Ok(Outcome::Hold(Hold::Runbook(next)))
            }
            Err(holder) => Ok(failed(Sentence::Plain(self.locked_card(tx, &settings, &holder).await?.title))),
        }
    }

    /// A guarded step has one start an approval, so it is never tried again by itself; one that never started, because
    /// it cannot be planned, has nothing to try again.
    fn retries(&self, step: &StepRun) -> bool {
        !step.body.guarded && (1..=step.body.step.retry.times).contains(&step.attempt)
    }

    /// Goes where the step says; of one that a person has confirmed nothing was found, so no condition holds.
    pub(super) async fn after_success(&self, tx: &mut Tx, run: &Run, step: &StepRun) -> Result<()> {
        self.note_undone(tx, run, step).await?;
        let Some(report) = step.body.report() else { return Ok(()) };
        let taken = step
            .body
            .step
            .branches
            .iter()
            .find(|branch| branch.when.iter().all(|when| when.judge(&report.facts).holds));
        match taken {
            Some(branch) => self.skip_to(tx, run, step.position, &branch.goto).await,
            None => Ok(()),
        }
    }

    async fn after_failure(&self, tx: &mut Tx, run: &Run, step: &StepRun) -> Result<()> {
        if step.body.undoes.is_some() {
            return Ok(()); // the other undo steps still go on
        }
        match &step.body.step.on_fail {
            OnFail::Continue => Ok(()),
            OnFail::Goto(id) => self.skip_to(tx, run, step.position, id).await,
            OnFail::Stop => self.skip_to(tx, run, step.position, "end").await,
            OnFail::Undo => {
                self.skip_to(tx, run, step.position, "end").await?;
                self.append_undo(tx, run).await
            }
        }
    }

    /// Skips the steps between a position and a later step, or the end.
    pub(super) async fn skip_to(&self, tx: &mut Tx, run: &Run, after: usize, goto: &str) -> Result<()> {
        let target = run.body.runbook.position(goto).unwrap_or(usize::MAX);
        for mut step in steps::of_run(tx, &run.id).await? {
            let between = step.position > after && step.position < target && step.body.undoes.is_none();
            if between && !step.state.is_final() {
                self.move_step(tx, &mut step, StepEvent::Skip).await?;
            }
        }
        Ok(())
    }

    /// Adds, in reverse, the inverse of every completed step that has one. What an approver saw as its undo is covered
    /// by that approval; the executor compares the plans again.
    async fn append_undo(&self, tx: &mut Tx, run: &Run) -> Result<()> {
        let all = steps::of_run(tx, &run.id).await?;
        let mut position = all.len();
        for done in all.iter().rev().filter(|step| step.can_be_undone()) {
            let Some(step) = super::undo::undo_step(&done.body.step) else { continue };
            let mut undo = waiting(&run.id, position, &step);
            undo.body.undoes = Some(done.position);
            undo.body.guarded = done.body.guarded;
            if let Some(id) = &done.approval
                && let Some(approval) = approvals::get(tx, id).await?
                && approval.body.steps.iter().any(|planned| planned.position == done.position && planned.undo.is_some())
            {
                undo.state = StepState::Ready;
                undo.approval = Some(id.clone());
            }
            steps::insert(tx, &undo).await?;
            position += 1;
        }
        Ok(())
    }

    /// Ends a run whose steps are all over, and gives its lock back.
    pub(super) async fn close(&self, tx: &mut Tx, run: &Run, steps: &[StepRun]) -> Result<bool> {
        let mut closed = run.clone();
        closed.state = final_state(run, steps);
        closed.ended_at = Some(self.clock.now());
        if !runs::update(tx, &closed, run.state).await? {
            return Ok(false);
        }
        locks::release(tx, &run.id).await?;
        self.refresh(tx, &run.id).await?;
        if closed.state != RunState::Done || steps.iter().any(|step| step.body.guarded) {
            let settings = self.settings.load_full();
            let desk = self.desk(&settings);
            let state = desk.words.get(&format!("card.run_state_{}", closed.state));
            let mut card = cards::line(desk, "child_done", context! { command => run.body.command_line(), state });
            card.mentions = vec![run.body.by.id.clone()];
            self.in_thread(tx, run, &card).await?;
        }
        let body = json!({"run": run.id, "command": run.body.command_line(), "state": closed.state});
        self.enter(tx, stream_of(run), SERENO, EntryKind::RunEnded, body).await?;
        Ok(true)
    }
}

/// How a run whose steps are all over has ended.
fn final_state(run: &Run, steps: &[StepRun]) -> RunState {
    let handled = |step: &StepRun| matches!(step.body.step.on_fail, OnFail::Continue | OnFail::Goto(_));
    if run.state == RunState::Cancelling {
        RunState::Cancelled
    } else if steps.iter().any(|step| step.state == StepState::Refused) {
        RunState::Refused
    } else if steps.iter().any(|step| step.state == StepState::Failed && !handled(step)) {
        RunState::Failed
    } else if steps.iter().any(|step| step.state == StepState::Cancelled) {
        RunState::Cancelled
    } else {
        RunState::Done
    }
}
