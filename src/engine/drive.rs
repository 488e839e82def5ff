//! Drives runs: looks at every open run and does the next thing that can be done without a person. Every replica
//! drives; compare-and-set decides who moves a step.

use std::sync::Arc;

use serde_json::json;

use super::Engine;
use super::beside::Driven;
use super::plan::{NoPlan, Planned};
use crate::domain::run::{Cause, Run, RunState};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Hold, Outcome, Report, StepEvent, StepRun, StepState};
use crate::domain::{actor, policy};
use crate::faults::seeded;
use crate::store::{Result, Tx, runs, steps};

/// Attempts of a harmless step that may be lost before a person is asked.
const LOSSES: u32 = 3;

impl Engine {
    /// Moves every open run on; gives how many moved.
    pub(super) async fn drive(self: &Arc<Self>) -> Result<usize> {
        let open = runs::open(&mut self.store.read().await?).await?;
        let mut moved = 0;
        for run in open {
            if !self.beside.takes(&run.id) {
                continue;
            }
            let driven = Driven(Arc::clone(self), run.id.clone());
            let step = async move {
                driven.0.advance(&run).await.inspect_err(|error| {
                    tracing::error!(run = %run.id, %error, "a run could not be moved on");
                })
            };
            // One that goes on by itself may have moved: then it wakes us.
            moved += usize::from(matches!(self.beside(step).await, Some(Ok(true))));
        }
        Ok(moved)
    }

    /// Begins a transaction on a run that still is as it was read; none if it is not. Its row is taken first, so that
    /// nothing starts once a cancellation was acknowledged.
    pub(super) async fn begin_on(&self, run: &Run) -> Result<Option<Tx>> {
        let mut tx = self.store.begin().await?;
        let now = runs::take(&mut tx, &run.id).await?;
        Ok((now.as_ref() == Some(run) || seeded("defect.start_after_cancel")).then_some(tx))
    }

    async fn advance(self: &Arc<Self>, run: &Run) -> Result<bool> {
        let all = steps::of_run(&mut self.store.read().await?, &run.id).await?;
        if run.state == RunState::Cancelling {
            return self.wind_down(run, &all).await;
        }
        let Some(step) = all.iter().find(|step| !step.state.is_final()) else {
            let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
            let closed = self.close(&mut tx, run, &all).await?;
            tx.commit().await?;
            return Ok(closed);
        };
        let due = step.not_before.is_none_or(|at| at <= self.clock.now());
        match step.state {
            StepState::Waiting if run.body.cause == Cause::Diagnosis && !step.body.step.only_looks() => {
                self.end_diagnosis(run, step).await
            }
            StepState::Waiting => self.prepare(run, &all, step).await,
            StepState::Ready if due => self.prepare(run, &all, step).await,
            StepState::Holding => self.resume(run, step, due).await,
            StepState::Unknown if repeats_alone(step) => self.repeat(run, step).await,
            StepState::Unknown => self.look_into(run, &all, step).await,
            _ => Ok(false),
        }
    }

    /// Plans the step that stands now; then asks for approval, or launches it.
    async fn prepare(self: &Arc<Self>, run: &Run, all: &[StepRun], step: &StepRun) -> Result<bool> {
        if self.is_running(&run.id, step.position) {
            return Ok(false);
        }
        let scope = self.scope(run, all).await?;
        let planned = match self.plan_step(&step.body.step, &scope).await {
            Ok(planned) => planned,
            Err(no_plan) => return self.fail_plan(run, step, no_plan).await,
        };
        let settings = self.settings.load_full();
        let env = run.body.env.as_deref();
        let rule = policy::approval_for(&run.body.runbook, planned.plan.effect, env, &settings.approval_defaults(env));
        match (step.state, rule) {
            (StepState::Waiting, Some(rule)) => self.ask_approval(run, all, step, planned.plan, rule).await,
            (StepState::Ready, _) if step.body.guarded => self.launch_approved(run, all, step, planned).await,
            (StepState::Ready, Some(_)) => self.send_back(run, step).await,
            (_, _) => self.launch(run, step, planned).await,
        }
    }

    /// A retry whose plan has come to need approval: it waits for one like any other.
    async fn send_back(&self, run: &Run, step: &StepRun) -> Result<bool> {
        let line = sentence!("card.plan_changed", title => &step.body.step.title);
        self.fail(run, step, line).await
    }

    async fn fail_plan(&self, run: &Run, step: &StepRun, no_plan: NoPlan) -> Result<bool> {
        let why = match no_plan {
            NoPlan::Later => sentence!("card.depends"),
            NoPlan::Why(why) => why,
        };
        self.fail(run, step, sentence!("card.plan_failed", why)).await
    }

    async fn fail(&self, run: &Run, step: &StepRun, line: Sentence) -> Result<bool> {
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        let mut step = step.clone();
        step.body.step.retry.times = 0; // the same plan would be no better
        if !self.conclude(&mut tx, run, &mut step, Outcome::Failed(Report::line(line))).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// A diagnosis ends before the first step that would change something, or that waits.
    async fn end_diagnosis(&self, run: &Run, step: &StepRun) -> Result<bool> {
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        let mut step = step.clone();
        let moved = self.move_step(&mut tx, &mut step, StepEvent::Skip).await?;
        self.skip_to(&mut tx, run, step.position, "end").await?;
        tx.commit().await?;
        Ok(moved)
    }

    /// Goes on with a held step whose moment has come or whose other run is over.
    async fn resume(self: &Arc<Self>, run: &Run, step: &StepRun, due: bool) -> Result<bool> {
        let outcome = match &step.body.hold {
            Some(Hold::For(_)) if due => Outcome::Done(Report::line(sentence!("card.waited"))),
            Some(Hold::Runbook(_)) => match self.child_outcome(step).await? {
                Some(outcome) => outcome,
                None => return Ok(false),
            },
            _ => return Ok(false),
        };
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        if !self.conclude(&mut tx, run, &mut step.clone(), outcome).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// What the other run came to, once it is over.
    async fn child_outcome(&self, step: &StepRun) -> Result<Option<Outcome>> {
        let Some(child) = self.child_of(step).await?.filter(|child| child.state.is_final()) else { return Ok(None) };
        let state = Sentence::new(format!("card.run_state_{}", child.state));
        let line = sentence!("card.child_done", command => child.body.command_line(), state);
        let report = Report::new(json!({"run": child.id, "state": child.state}), line);
        Ok(Some(if child.state == RunState::Done { Outcome::Done(report) } else { Outcome::Failed(report) }))
    }

    /// The run that a step waits for.
    async fn child_of(&self, step: &StepRun) -> Result<Option<Run>> {
        let Some(id) = &step.body.child else { return Ok(None) };
        runs::get(&mut self.store.read().await?, id).await
    }

    /// Cancels the run that a cancelled one waits for, in the name of the same person.
    async fn cancel_child(&self, run: &Run, child: &Run) -> Result<bool> {
        let Some(mut tx) = self.begin_on(child).await? else { return Ok(false) };
        let by = run.body.cancelled_by.as_deref().unwrap_or(actor::SERENO);
        let begun = self.begin_end(&mut tx, child, by).await?;
        tx.commit().await?;
        Ok(begun)
    }

    /// Repeats a step that was lost and that it is harmless to repeat.
    async fn repeat(&self, run: &Run, step: &StepRun) -> Result<bool> {
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        let moved = self.move_step(&mut tx, &mut step.clone(), StepEvent::Retry).await?;
        self.refresh(&mut tx, &run.id).await?;
        tx.commit().await?;
        Ok(moved)
    }

    /// Ends a cancelled run: stops what runs here, waits for what runs elsewhere, cancels the rest. A run that it waits
    /// for ends first: it may be working under this one's lock.
    async fn wind_down(&self, run: &Run, all: &[StepRun]) -> Result<bool> {
        if all.iter().any(|step| step.state == StepState::Running) {
            self.stop_running(&run.id);
            return Ok(false);
        }
        for step in all.iter().filter(|step| step.state == StepState::Holding) {
            if let Some(child) = self.child_of(step).await?.filter(|child| !child.state.is_final()) {
                return self.cancel_child(run, &child).await;
            }
        }
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        let mut all = steps::of_run(&mut tx, &run.id).await?;
        for step in all.iter_mut().filter(|step| !step.state.is_final()) {
            if !self.move_step(&mut tx, step, StepEvent::Cancel).await? {
                return Ok(false);
            }
        }
        let closed = self.close(&mut tx, run, &all).await?;
        tx.commit().await?;
        Ok(closed)
    }

    /// Launches a step that needs nobody's approval.
    async fn launch(self: &Arc<Self>, run: &Run, step: &StepRun, planned: Planned) -> Result<bool> {
        let mut step = step.clone();
        if step.state == StepState::Waiting {
            let Some(ready) = step.state.next(StepEvent::Clear, false) else { return Ok(false) };
            let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
            let from = std::mem::replace(&mut step.state, ready);
            if !steps::update(&mut tx, &step, from, step.attempt).await? {
                return Ok(false);
            }
            return self.start_step(tx, run, step, planned, actor::SERENO).await;
        }
        let Some(tx) = self.begin_on(run).await? else { return Ok(false) };
        self.start_step(tx, run, step, planned, actor::SERENO).await
    }
}

/// Whether a lost step is repeated without asking anybody. One that is lost again and again may be what ends us.
fn repeats_alone(step: &StepRun) -> bool {
    let often = step.attempt > step.body.step.retry.times + LOSSES;
    (step.body.step.repeatable() && !step.body.guarded && !often) || seeded("defect.rerun_after_crash")
}
