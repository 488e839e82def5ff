//! All open connections: so many, and no more. When there is no place for a newcomer, whoever has been idle for longest
//! gives up theirs; never one whose request is being answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pulse::Pulse;

/// How often a newcomer looks for a place while all are taken.
const LOOK: Duration = Duration::from_millis(50);

/// The places, and who has them.
pub(super) struct Crowd {
    places: Arc<Semaphore>,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    came: u64,
    pulses: BTreeMap<u64, Arc<Pulse>>,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    /// What the connection is doing.
    pub(super) pulse: Arc<Pulse>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places)), members: Mutex::default() })
    }

    /// A place for one more, once there is one.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let free = Arc::clone(&self.places).try_acquire_owned();
            let waited = match free {
                Ok(permit) => Ok(Ok(permit)),
                Err(_) => {
                    self.dismiss_one();
                    tokio::time::timeout(LOOK, Arc::clone(&self.places).acquire_owned()).await
                }
            };
            if let Ok(Ok(permit)) = waited {
                return self.seat(permit);
            }
        }
    }

    fn seat(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let pulse = Pulse::new();
        let mut members = self.lock();
        members.came += 1;
        let number = members.came;
        members.pulses.insert(number, Arc::clone(&pulse));
        Place { crowd: Arc::clone(self), number, pulse, _permit: permit }
    }

    fn dismiss_one(&self) {
        let members = self.lock();
        let idle = members.pulses.values().filter_map(|pulse| Some((pulse.leisure()?, pulse)));
        let idlest = idle.min_by_key(|(leisure, _)| *leisure);
        if idlest.is_some_and(|(_, pulse)| pulse.dismiss()) {
            metrics::counter!("sereno_connections_evicted_total").increment(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.lock().pulses.remove(&self.number);
    }
}
