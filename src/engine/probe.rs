//! Unknown ends, looked into: an action that can tell from the world whether its attempt came about is asked. What is
//! proved to have happened goes on as if a person had said so; anything else stays a person's to decide, who is shown
//! what was seen. Nothing is ever started again from here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::execute::Running;
use crate::domain::actor::SERENO;
use crate::domain::run::Run;
use crate::domain::sentence::Sentence;
use crate::domain::step::{Began, Outcome, Seen, StepEvent, StepRun, StepState};
use crate::executor::live::Live;
use crate::executor::{self, Probe, StepContext};
use crate::store::{Result, Tx, runs, steps};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(30);
/// How long after the loss it is looked for. What comes about later may be somebody else's doing, and a run that went
/// on for it would surprise.
const FOR: Duration = Duration::from_mins(5);
/// How long one look may take.
const WITHIN: Duration = Duration::from_secs(20);

impl Engine {
    /// Looks into an unknown end, where the action can and a look is due; true once one began.
    pub(super) async fn look_into(self: &Arc<Self>, run: &Run, all: &[StepRun], step: &StepRun) -> Result<bool> {
        let (Some(began), Some(lost)) = (&step.body.began, step.body.ended_at) else { return Ok(false) };
        let now = self.clock.now();
        let due = match step.seen() {
            // At least once, however late: whoever was away for long finds out at once what became of it.
            None => true,
            Some(seen) => now.since(seen.at) >= EVERY && now.since(lost) <= FOR,
        };
        if !due || self.is_running(&run.id, step.position) {
            return Ok(false);
        }
        let Some(spec) = executor::find(&step.body.step.action) else { return Ok(false) };
        let Ok(action) = (spec.parse)(&began.with) else { return Ok(false) };
        let cx = self.context_of(run, step, (began, self.scope(run, all).await?.tools));
        if action.probe(&cx).is_none() {
            return Ok(false);
        }
        let (engine, run, step) = (Arc::clone(self), run.id.clone(), step.clone());
        let place = (run.clone(), step.position);
        let looks = Running { cancel: cx.cancel.clone(), grace: Duration::ZERO };
        self.lock_running().insert(place.clone(), looks);
        self.tasks.spawn(async move {
            let looks = executor::probe(action.as_ref(), &cx, WITHIN);
            let probe = async {
                tokio::select! {
                    biased;
                    () = cx.cancel.cancelled() => None,
                    probe = looks? => Some(probe),
                }
            };
            // What was cut short is looked for by whoever comes next.
            if let Some(probe) = probe.await
                && let Err(error) = engine.looked_into(&step, probe).await
            {
                tracing::error!(%run, position = step.position, %error, "what a look into an unknown end saw could not be stored; it looks again");
            }
            engine.lock_running().remove(&place);
            engine.wake.wake();
        });
        Ok(true)
    }

    /// What the attempt had.
    fn context_of(&self, run: &Run, step: &StepRun, (began, tools): (&Began, executor::Tools)) -> StepContext {
        StepContext {
            tools,
            idempotency_key: step.idempotency_key(),
            effect: step.body.step.effect,
            started_at: step.body.started_at.unwrap_or(run.created_at),
            timeout: WITHIN,
            cancel: CancellationToken::new(),
            planned: began.exact.clone(),
            live: Live::default(),
        }
    }

    /// Writes down what was seen, and goes on where it proves that it happened.
    async fn looked_into(&self, looked: &StepRun, probe: Probe) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let Some(run) = runs::take(&mut tx, &looked.run).await? else { return Ok(()) };
        let Some(mut step) = steps::get(&mut tx, &looked.run, looked.position).await? else { return Ok(()) };
        // A person was faster, the run was cancelled, or another replica looked.
        if run.state.is_final() || step.state != StepState::Unknown || step != *looked {
            return Ok(());
        }
        let outcome = match probe {
            Probe::Seen(line) => Err(line),
            Probe::Happened(report) => {
                match self.judge(&step.body.step, &mut step.body.verdicts, Outcome::Done(*report)) {
                    Outcome::Done(report) => Ok(report),
                    Outcome::Failed(report) => Err(report.line),
                    Outcome::Unknown(_) | Outcome::Hold(_) => return Ok(()),
                }
            }
        };
        match outcome {
            Ok(report) => {
                let body = json!({"happened": true, "line": report.line});
                step.body.outcome = Some(Outcome::Done(report));
                if !self.move_step(&mut tx, &mut step, StepEvent::Confirm).await? {
                    return Ok(());
                }
                self.after_success(&mut tx, &run, &step).await?;
                self.refresh(&mut tx, &run.id).await?;
                self.decided(&mut tx, SERENO, &run, &step, body).await?;
            }
            Err(line) => self.note_seen(&mut tx, &run, step, line).await?,
        }
        tx.commit().await
    }

    /// Shows those who decide what there is now; in the journal only what is new.
    async fn note_seen(&self, tx: &mut Tx, run: &Run, mut step: StepRun, line: Sentence) -> Result<()> {
        let news = step.seen().is_none_or(|seen| seen.line != line);
        let body = json!({"happened": null, "line": line});
        step.body.seen = Some(Seen { attempt: step.attempt, at: self.clock.now(), line });
        if !steps::update(tx, &step, StepState::Unknown, step.attempt).await? {
            return Ok(());
        }
        self.refresh(tx, &run.id).await?;
        if news {
            self.decided(tx, SERENO, run, &step, body).await?;
        }
        Ok(())
    }
}
