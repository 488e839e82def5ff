//! Wakes the loops when something was committed: in this process by a channel, across replicas by PostgreSQL's
//! LISTEN/NOTIFY. Only a hint: everything is also found by polling.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::Store;
use super::db::Inner;
use crate::id::ReplicaId;

/// The name under which replicas hear of each other.
const CHANNEL: &str = "sereno";
/// Tells the other replicas; the second value is who does.
const TELL: &str = "SELECT pg_notify($1, $2)";
/// Pause after telling: a storm of commits becomes one notification in this span.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause before listening again after an error.
const RETRY: Duration = Duration::from_secs(1);

/// What is told after a commit. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Channels>);

#[derive(Debug, Default)]
struct Channels {
    /// To this process's loops.
    here: watch::Sender<()>,
    /// To the one of them that takes requests.
    inbox: watch::Sender<()>,
    /// To the other replicas; keeps one unheard call.
    elsewhere: Notify,
}

/// One loop's ear. What happened since it last heard is not lost, however often it happened.
#[derive(Debug)]
pub struct Listener(watch::Receiver<()>);

impl Wake {
    /// Wakes every loop of this process and, through [`Store::watch`], those of the other replicas.
    pub fn wake(&self) {
        self.heard();
        self.0.elsewhere.notify_one();
    }

    /// A request was stored: wakes who takes requests, here and elsewhere; for the others nothing has changed yet.
    pub fn arrived(&self) {
        self.0.inbox.send_replace(());
        self.0.elsewhere.notify_one();
    }

    /// An ear for one loop.
    #[must_use]
    pub fn listener(&self) -> Listener {
        Listener(self.0.here.subscribe())
    }

    /// An ear for the loop that takes requests, which hears of them, too.
    #[must_use]
    pub fn inbox_listener(&self) -> Listener {
        Listener(self.0.inbox.subscribe())
    }

    /// Wakes the loops of this process only.
    fn heard(&self) {
        self.0.inbox.send_replace(());
        self.0.here.send_replace(());
    }
}

impl Listener {
    /// Until somebody wakes us; at once if somebody did since the last call.
    pub async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could wake us.
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// Carries `wake` between replicas until `stop`; on SQLite there are none, so it only waits. Connects again by
    /// itself, and wakes whenever something may have been missed.
    pub async fn watch(&self, wake: &Wake, stop: CancellationToken) {
        let carry = async {
            let Inner::Postgres { pool, .. } = &*self.inner else { return std::future::pending().await };
            let me = ReplicaId::new();
            loop {
                let Err(error) = relay(pool, &me, wake).await;
                tracing::warn!(%error, "other replicas are not heard, only polled, until the database answers");
                tokio::time::sleep(RETRY).await;
            }
        };
        stop.run_until_cancelled(carry).await;
    }
}

async fn relay(pool: &PgPool, me: &ReplicaId, wake: &Wake) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What was told while nobody listened.
    wake.heard();
    loop {
        tokio::select! {
            told = listener.try_recv() => match told? {
                Some(told) if told.payload() == me.as_str() => {}
                // Another replica, or the connection was lost and with it perhaps a notification.
                _ => wake.heard(),
            },
            () = wake.0.elsewhere.notified() => {
                sqlx::query(TELL).bind(CHANNEL).bind(me.as_str()).execute(pool).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_loop_that_was_busy_still_hears_and_hears_once() {
        let wake = Wake::default();
        let (mut busy, mut other) = (wake.listener(), wake.listener());
        wake.wake();
        wake.wake();
        for loops in [&mut busy, &mut other] {
            assert!(loops.woken().now_or_never().is_some());
            assert!(loops.woken().now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn a_request_wakes_only_who_takes_it_and_all_else_wakes_everybody() {
        let wake = Wake::default();
        let (mut inbox, mut other) = (wake.inbox_listener(), wake.listener());
        wake.arrived();
        assert!(inbox.woken().now_or_never().is_some());
        assert!(other.woken().now_or_never().is_none());
        wake.wake();
        assert!(inbox.woken().now_or_never().is_some());
        assert!(other.woken().now_or_never().is_some());
    }
}
