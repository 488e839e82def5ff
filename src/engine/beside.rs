//! Work that turns out to be slow goes on beside the loops: a plan that asks something that does not answer holds up
//! neither other requests nor other runs. What is quick is done in its order, as if there were nothing of this.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::id::{ReplicaId, RunId};

/// How long a loop waits for one thing.
const PATIENCE: Duration = Duration::from_secs(1);
/// Batches of requests that may be under way at once.
const LANES: usize = 8;

/// What goes on beside the loops.
#[derive(Default)]
pub(super) struct Beside {
    lanes: Mutex<Lanes>,
    /// Runs that are being moved on.
    driven: Mutex<BTreeSet<RunId>>,
}

#[derive(Default)]
struct Lanes {
    free: Vec<Lane>,
    made: usize,
}

/// One batch of requests at a time, taken under a name of its own, so that what is given back after an error is only what
/// this lane had.
pub(super) struct Lane {
    /// Whose the requests are in the database.
    pub owner: ReplicaId,
    /// Whether some may be its that it does not handle.
    pub unsure: bool,
}

impl Beside {
    /// A lane that nobody uses; none while all are busy.
    pub fn lane(&self) -> Option<Lane> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.free.pop() {
            return Some(lane);
        }
        (lanes.made < LANES).then(|| {
            lanes.made += 1;
            Lane { owner: ReplicaId::new(), unsure: false }
        })
    }

    /// Gives a lane back.
    pub fn free(&self, lane: Lane) {
        lock(&self.lanes).free.push(lane);
    }

    /// Whether a run is nobody's here; from now on it is the caller's.
    pub fn takes(&self, run: &RunId) -> bool {
        lock(&self.driven).insert(run.clone())
    }

    fn leaves(&self, run: &RunId) {
        lock(&self.driven).remove(run);
    }
}

/// A run that is being moved on, until this goes.
pub(super) struct Driven(pub Arc<Engine>, pub RunId);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.beside.leaves(&self.1);
    }
}

impl Engine {
    /// Does something as a task of its own and waits a moment for its end; none if it goes on by itself. Then the loops are
    /// woken at its end.
    pub(super) async fn beside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, mut heard) = tokio::sync::oneshot::channel();
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            if done.send(work.await).is_err() {
                engine.wake.wake();
            }
        });
        match tokio::time::timeout(PATIENCE, &mut heard).await {
            Ok(Ok(done)) => Some(done),
            Ok(Err(_)) => None, // it panicked, which the log says
            Err(_) => heard.try_recv().ok(),
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
