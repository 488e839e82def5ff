//! Everything that is due by the clock: leases, expiries, break-glass, shift changes, schedules,
//! what may be forgotten. Every deadline is a
//! row, so it survives restarts.

use std::sync::Arc;

use super::Engine;
use crate::store::{Result, inbox};

impl Engine {
    /// Looks at everything that is due; gives how much it did.
    pub(super) async fn tick(self: &Arc<Self>) -> Result<usize> {
        self.sync_roster();
        self.keep_groups();
        let mut done = self.find_lost(false).await?;
        done += self.expire().await?;
        done += self.offer_glass().await?;
        done += self.change_shifts().await?;
        done += self.run_schedules().await?;
        done += self.look_at_monitors().await?;
        done += self.escalate().await?;
        done += self.post_head().await?;
        // Not counted: however much there is to forget, it is done a batch at a time.
        self.forget().await?;
        if done > 0 {
            self.wake.wake();
        }
        Ok(done)
    }

    /// One pass over everything, in this task: what tests, drills and one-off commands drive the engine with. Gives how
    /// much was done; steps that were started may still run.
    ///
    /// # Errors
    /// The database's.
    pub async fn turn(self: &Arc<Self>) -> Result<usize> {
        Ok(self.receive().await? + self.tick().await? + self.drive().await? + self.deliver().await?)
    }

    /// Waits for what runs in this process; nothing new is started.
    pub async fn rest(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Passes until nothing is left to do and nothing runs in this process.
    ///
    /// # Errors
    /// The database's.
    pub async fn settle(self: &Arc<Self>) -> Result<()> {
        loop {
            let done = self.turn().await?;
            self.rest().await;
            if done == 0 && self.turn().await? == 0 {
                return Ok(());
            }
        }
    }

    /// Takes over what an earlier process left, on a database that is this process's alone.
    ///
    /// # Errors
    /// The database's.
    pub async fn recover(self: &Arc<Self>) -> Result<()> {
        let alone = self.store.is_sqlite();
        if alone {
            let mut tx = self.store.begin().await?;
            inbox::take_over(&mut tx, &self.replica).await?;
            tx.commit().await?;
        }
        self.find_lost(alone).await.map(drop)
    }
}
