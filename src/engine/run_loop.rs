//! The loops of a serving process: each is woken, and polls as a net under that. A loop that fails says so, and goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use super::execute::HEARTBEAT;
use crate::chat::House;
use crate::store::Result;
use crate::store::wake::{Listener, Wake};

/// How often a loop looks without being woken.
const POLL: Duration = Duration::from_secs(1);
/// How long steps may take to end once the process must, beside the grace that the slowest of them has.
const DRAIN: Duration = Duration::from_secs(5);

impl Engine {
    /// Serves until `stop`; then stops what runs, and waits for its end.
    pub async fn run(self: &Arc<Self>, stop: CancellationToken) {
        let work = async {
            self.serve(&stop).await;
            self.drain().await;
        };
        // To the very end: what still puts its things in order must not be taken for lost by another replica.
        tokio::select! { () = work => {}, () = self.beat() => {} }
    }

    async fn serve(self: &Arc<Self>, stop: &CancellationToken) {
        let ear = || self.wake.listener();
        let receive = self.looped("receive", self.wake.inbox_listener(), stop, async |engine| engine.receive().await);
        let drive = self.looped("drive", ear(), stop, async |engine| engine.drive().await);
        let deliver = self.looped("deliver", ear(), stop, async |engine| engine.deliver().await);
        // What is due by the clock is not due sooner because something was committed: nobody wakes this one.
        let tick = self.looped("tick", Wake::default().listener(), stop, async |engine| engine.tick().await);
        let house: Arc<dyn House> = self.clone();
        let live = self.chats.values().map(|chat| chat.live(house.clone(), stop.clone()));
        let live = futures_util::future::join_all(live);
        tokio::join!(receive, drive, deliver, tick, live);
    }

    /// Stops what runs. Most of it ends at once; what would leave things half-made has the time that it needs.
    async fn drain(&self) {
        let grace = self.stop_all();
        self.tasks.close();
        if tokio::time::timeout(DRAIN + grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("steps were still running at the end; they will be shown as unknown");
        }
    }

    /// One loop: again at once while there is something to do, or else when woken or after [`POLL`].
    async fn looped<F>(self: &Arc<Self>, name: &'static str, mut ear: Listener, stop: &CancellationToken, pass: F)
    where
        F: AsyncFn(&Arc<Self>) -> Result<usize>,
    {
        while !stop.is_cancelled() {
            let done = pass(self).await;
            if let Err(error) = &done {
                tracing::error!(loop_name = name, %error, "a pass failed; it is tried again");
            }
            if done.is_ok_and(|done| done > 0) {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = ear.woken() => {}
                () = tokio::time::sleep(POLL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Keeps the leases of what runs here, for ever.
    async fn beat(&self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if let Err(error) = self.heartbeat().await {
                tracing::error!(%error, "leases could not be renewed");
            }
        }
    }
}
