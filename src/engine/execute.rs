//! Executes a step: its start is in the journal before its effect, its end after it. While it runs, this replica holds
//! a lease on it; a replica that lost its lease has no say any more.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::plan::Planned;
use super::post::stream_of;
use crate::domain::digest;
use crate::domain::run::Run;
use crate::domain::sentence::sentence;
use crate::domain::step::{Began, Outcome, Report, StepEvent, StepRun, StepState};
use crate::domain::timeline::EntryKind;
use crate::executor::live::Live;
use crate::executor::{self, StepContext};
use crate::faults::seeded;
use crate::id::RunId;
use crate::store::{Result, Tx, runs, steps};

/// How long a replica's word on a step is good; renewed every [`HEARTBEAT`].
pub(super) const LEASE: Duration = Duration::from_secs(8);
/// How often leases are renewed.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);
/// Time beyond its own deadline and its own grace after which an action is given up on.
const GRACE: Duration = Duration::from_secs(15);

/// What runs in this process.
pub(super) struct Running {
    /// Stops it.
    pub(super) cancel: CancellationToken,
    /// How long it may take to put its things in order then.
    pub(super) grace: Duration,
}

impl Engine {
    /// Claims a ready step, writes its start, and only then runs it.
    pub(super) async fn start_step(
        self: &Arc<Self>,
        mut tx: Tx,
        run: &Run,
        mut step: StepRun,
        planned: Planned,
        actor: &str,
    ) -> Result<bool> {
        // A plan that was slow is done only now: who ends begins nothing more.
        if self.stopping.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let now = self.clock.now();
        let attempt = step.attempt;
        let Some(running) = step.state.next(StepEvent::Start, step.body.guarded) else { return Ok(false) };
        let from = std::mem::replace(&mut step.state, running);
        step.attempt += 1;
        step.owner = Some(self.replica.clone());
        step.lease_until = Some(now.after(LEASE));
        step.body.started_at = Some(now);
        step.body.plan_digest = Some(digest::of(&planned.plan));
        step.body.began = Some(Began { with: planned.with.clone(), exact: planned.plan.exact.clone() });
        if !steps::update(&mut tx, &step, from, attempt).await? {
            return Ok(false);
        }
        let key = step.idempotency_key();
        let body = json!({
            "run": run.id, "step": step.body.step.title, "position": step.position, "attempt": step.attempt,
            "plan": planned.plan, "digest": step.body.plan_digest, "approval": step.approval, "key": key,
        });
        self.refresh(&mut tx, &run.id).await?;
        self.enter(&mut tx, stream_of(run), actor, EntryKind::StepStarted, body).await?;
        if seeded("defect.effect_before_start") {
            self.spawn(run.clone(), step, planned, key);
            tokio::time::sleep(Duration::from_millis(20)).await;
            tx.commit().await?;
            return Ok(true);
        }
        fail::fail_point!("engine.before_start_commit");
        tx.commit().await?;
        fail::fail_point!("engine.after_start");
        self.spawn(run.clone(), step, planned, key);
        Ok(true)
    }

    fn spawn(self: &Arc<Self>, run: Run, step: StepRun, planned: Planned, idempotency_key: String) {
        let engine = Arc::clone(self);
        let cancel = CancellationToken::new();
        let place = (run.id.clone(), step.position);
        let timeout = Duration::from_secs(step.body.step.timeout);
        let grace = planned.action.grace();
        self.lock_running().insert(place.clone(), Running { cancel: cancel.clone(), grace });
        let (live, recent) = Live::watched();
        let cx = StepContext {
            tools: planned.tools,
            idempotency_key,
            effect: step.body.step.effect,
            // The moment that is in the journal: who looks later has no other.
            started_at: step.body.started_at.unwrap_or_else(|| self.clock.now()),
            timeout,
            cancel,
            planned: planned.plan.exact,
            live,
        };
        self.tasks.spawn(async move {
            let shown = engine.show_live(&run, &step, recent);
            let effect = AssertUnwindSafe(executor::run(planned.action.as_ref(), &cx)).catch_unwind();
            let outcome = match tokio::time::timeout(timeout + grace + GRACE, effect).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) | Err(_) => Outcome::Unknown(Report::line(sentence!("card.no_answer"))),
            };
            // Nobody cancelled it, and nothing was wrong: whatever a failure leads to is not meant for this.
            let cut = engine.stopping.load(Ordering::Relaxed) && cx.cancel.is_cancelled();
            let outcome = match outcome {
                Outcome::Failed(report) if cut => Outcome::Unknown(report),
                outcome => outcome,
            };
            fail::fail_point!("engine.after_effect");
            shown.end().await;
            engine.report(&run.id, &step, outcome).await;
            engine.lock_running().remove(&place);
            engine.wake.wake();
        });
    }

    /// Writes down what an attempt came to; as long as the database is away, again and again.
    async fn report(self: &Arc<Self>, run: &RunId, step: &StepRun, outcome: Outcome) {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.try_report(run, step, outcome.clone()).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::warn!(%run, position = step.position, "a step ended after its lease was lost; its outcome is not used");
                    return;
                }
                Err(error) => {
                    tracing::error!(%run, position = step.position, %error, "a step's outcome could not be stored yet")
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn try_report(&self, run: &RunId, started: &StepRun, outcome: Outcome) -> Result<bool> {
        let mut tx = self.store.begin().await?;
        let Some(run) = runs::take(&mut tx, run).await? else { return Ok(false) };
        let Some(mut step) = steps::get(&mut tx, &run.id, started.position).await? else { return Ok(false) };
        let mine = step.state == StepState::Running && step.attempt == started.attempt && step.owner == started.owner;
        if !mine || !self.conclude(&mut tx, &run, &mut step, outcome).await? {
            return Ok(false);
        }
        fail::fail_point!("engine.before_outcome_commit");
        tx.commit().await?;
        fail::fail_point!("engine.after_outcome");
        Ok(true)
    }

    /// Renews the leases of the steps that run in this process.
    pub(super) async fn heartbeat(&self) -> Result<()> {
        let running: Vec<_> = self.lock_running().keys().cloned().collect();
        if running.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let until = self.clock.now().after(LEASE);
        // One by one: a step whose start was stored, and the answer lost, runs nowhere, and its lease must end.
        for (run, position) in &running {
            steps::renew(&mut tx, &self.replica, (run, *position), until).await?;
        }
        tx.commit().await
    }

    /// Steps whose replica is gone: unknown, or repeated where that is harmless. `alone` tells a process that has just
    /// started on a database of its own.
    pub(super) async fn find_lost(&self, alone: bool) -> Result<usize> {
        // After an outage every lease is over, also of what runs on here.
        self.heartbeat().await?;
        let now = self.clock.now();
        let lost = steps::lost(&mut self.store.read().await?, now, alone.then_some(&self.replica)).await?;
        for step in &lost {
            let mut tx = self.store.begin().await?;
            let Some(run) = runs::take(&mut tx, &step.run).await? else { continue };
            let report = Report::line(sentence!("card.lost"));
            if self.conclude(&mut tx, &run, &mut step.clone(), Outcome::Unknown(report)).await? {
                fail::fail_point!("engine.before_lost_commit");
                tx.commit().await?;
            }
        }
        Ok(lost.len())
    }

    pub(super) fn is_running(&self, run: &RunId, position: usize) -> bool {
        self.lock_running().contains_key(&(run.clone(), position))
    }

    /// Stops a run's steps that run in this process.
    pub(super) fn stop_running(&self, run: &RunId) {
        for ((of, _), running) in self.lock_running().iter() {
            if of == run {
                running.cancel.cancel();
            }
        }
    }

    /// Stops everything that runs in this process, which is about to end. How long the slowest may take for that.
    pub(super) fn stop_all(&self) -> Duration {
        self.stopping.store(true, Ordering::Relaxed);
        self.lock_looking().values().for_each(CancellationToken::cancel);
        let running = self.lock_running();
        running.values().for_each(|running| running.cancel.cancel());
        running.values().map(|running| running.grace).max().unwrap_or_default()
    }

    pub(super) fn lock_running(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<(RunId, usize), Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
