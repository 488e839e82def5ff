//! What a step prints while it runs: one message in the run's thread, edited as lines come. When the step is over the
//! same message tells what it came to. Nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::chat::cards;
use crate::domain::run::Run;
use crate::domain::step::{StepEvent, StepRun};
use crate::executor::live::Recent;
use crate::id::MessageId;
use crate::store::{Result, Tx, messages, runs};

/// Between two edits, and before the first: what is over sooner is not shown on its way.
const PACE: Duration = Duration::from_secs(2);
/// How long the last edit may take once the step is over.
const LAST: Duration = Duration::from_secs(5);

/// Somebody who shows a step on its way.
pub(super) struct Watching {
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl Watching {
    /// The step is over: from here on nothing is shown of its way.
    pub(super) async fn end(self) {
        self.over.cancel();
        let abort = self.task.abort_handle();
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            abort.abort();
        }
    }
}

impl Engine {
    /// Shows what a step prints until it is over.
    pub(super) fn show_live(
        self: &Arc<Self>,
        run: &Run,
        step: &StepRun,
        mut recent: watch::Receiver<Recent>,
    ) -> Watching {
        let (engine, run, step) = (Arc::clone(self), run.clone(), step.clone());
        let over = CancellationToken::new();
        let ended = over.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => return,
                    () = tokio::time::sleep(PACE) => {}
                }
                let changed = tokio::select! {
                    biased;
                    () = ended.cancelled() => return,
                    changed = recent.changed() => changed,
                };
                if changed.is_err() {
                    return;
                }
                let printed = recent.borrow_and_update().clone();
                if let Err(error) = engine.try_show(&run, &step, &printed).await {
                    tracing::debug!(run = %run.id, %error, "what a step prints could not be shown");
                }
            }
        });
        Watching { over, task }
    }

    async fn try_show(&self, run: &Run, step: &StepRun, printed: &Recent) -> Result<()> {
        let settings = self.settings.load_full();
        let card = cards::step_live(self.desk(&settings), step, (printed.text(), printed.total));
        let id = live_id(step);
        let mut tx = self.store.begin().await?;
        if runs::take(&mut tx, &run.id).await?.is_none() {
            return Ok(());
        }
        match messages::get(&mut tx, &id).await? {
            Some(_) => self.edit(&mut tx, &id, &card).await?,
            None => self.post_as(&mut tx, &id, &run.body.place.under(&run.body.message), &card, None).await?,
        }
        tx.commit().await
    }

    /// Tells in the thread what an attempt came to, in the message that showed its way if there is one.
    pub(super) async fn tell_details(&self, tx: &mut Tx, run: &Run, step: &StepRun, event: StepEvent) -> Result<()> {
        let settings = self.settings.load_full();
        let desk = self.desk(&settings);
        let details = cards::step_details(desk, step);
        let live = live_id(step);
        if messages::get(tx, &live).await?.is_some() {
            return self.edit(tx, &live, &details.unwrap_or_else(|| cards::step_over(desk, step))).await;
        }
        match details {
            Some(card) if event != StepEvent::Retry => self.in_thread(tx, run, &card).await,
            _ => Ok(()),
        }
    }
}

/// The message that shows an attempt on its way.
fn live_id(step: &StepRun) -> MessageId {
    MessageId::from(format!("live-{}-{}-{}", step.run, step.position, step.attempt))
}
