//! Forgets what is older than the configuration keeps: a bounded batch at a time, each kind in a transaction of its own,
//! so that nobody waits for it. One replica does it at a time.

use std::time::Duration;

use super::Engine;
use crate::clock::Timestamp;
use crate::store::{Result, retention};

/// How often at most.
const EVERY: Duration = Duration::from_secs(10);
/// Rows of one kind at once.
const ROWS: i64 = 1000;
/// Runs at once whose outputs are forgotten.
const RUNS: i64 = 50;

impl Engine {
    /// Forgets a batch of each kind, if its time has come.
    pub(super) async fn forget(&self) -> Result<()> {
        let now = self.clock.now();
        if retention::last(&mut self.store.read().await?).await? > now.before(EVERY) {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        let mine = retention::turn(&mut tx, now, now.before(EVERY)).await?;
        tx.commit().await?;
        if !mine {
            return Ok(());
        }
        let kept = self.settings.load().retention;
        let before = |seconds: u64| -> Timestamp { now.before(Duration::from_secs(seconds)) };
        let mut tx = self.store.begin().await?;
        let mut rows = retention::requests(&mut tx, before(kept.requests), ROWS).await?;
        rows += retention::firings(&mut tx, before(kept.requests), ROWS).await?;
        rows += retention::sessions(&mut tx, now, ROWS).await?;
        tx.commit().await?;
        let mut tx = self.store.begin().await?;
        rows += retention::messages(&mut tx, before(kept.messages), ROWS).await?;
        tx.commit().await?;
        let mut tx = self.store.begin().await?;
        let runs = retention::outputs(&mut tx, before(kept.outputs), RUNS).await?;
        tx.commit().await?;
        if rows > 0 || runs > 0 {
            tracing::debug!(rows, runs, "what is older than it is kept was forgotten");
        }
        Ok(())
    }
}
