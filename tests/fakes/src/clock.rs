//! Time of a fake: by hand in tests, real in the program. Knows nothing of what it is used for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// What time it is for a fake, in milliseconds since the Unix epoch. Cheap to clone; clones are the same clock.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Manual(watch::Sender<i64>),
}

impl Clock {
    /// Real time.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// Stands still at this moment until it is moved.
    #[must_use]
    pub fn manual(now: i64) -> Self {
        Self(Kind::Manual(watch::Sender::new(now)))
    }

    /// Now.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // a fake has a clock of its own: it is the other side
    pub fn now(&self) -> i64 {
        match &self.0 {
            Kind::Manual(now) => *now.borrow(),
            Kind::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Moves a manual clock on, and wakes all who wait.
    ///
    /// # Panics
    /// Real time cannot be moved.
    pub fn advance(&self, span: Duration) {
        let Kind::Manual(now) = &self.0 else { panic!("real time cannot be moved") };
        now.send_modify(|now| *now += i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    }

    /// Returns when it is that late.
    pub async fn until(&self, moment: i64) {
        match &self.0 {
            Kind::System => {
                let wait = u64::try_from(moment - self.now()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Kind::Manual(now) => {
                let _ = now.subscribe().wait_for(|now| *now >= moment).await;
            }
        }
    }
}
