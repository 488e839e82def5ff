//! Wakes the engine when something was committed: in this process by a notification, across replicas by PostgreSQL's
//! LISTEN/NOTIFY. Only a hint: everything is also found by polling.

use std::sync::Arc;

use tokio::sync::Notify;

/// What the loops wait on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes whoever waits in this process.
    pub fn wake(&self) {
        self.0.notify_waiters();
    }

    /// Until somebody wakes us.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}
