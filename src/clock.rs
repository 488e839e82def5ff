//! Time: the only place that reads the system's clock. Everything else is given a [`Clock`].
//! Knows nothing of the product.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `span` after this one.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` before this one.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As the time library's instant.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

/// RFC 3339 in UTC.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_jiff())
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// What time it is. Cheap to clone.
#[derive(Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that a test or a drill moves by hand.
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// A clock that stands at `start` until [`Clock::forward`].
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(Mutex::new(start)))
    }

    /// The present moment.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // this is the one place
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => jiff::Timestamp::now().into(),
            Self::Manual(at) => *at.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        }
    }

    /// Time since some moment of this process. Unlike [`Clock::now`] it never goes back, so spans are measured by it.
    #[must_use]
    pub fn steady(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Self::System => START.get_or_init(Instant::now).elapsed(),
            Self::Manual(_) => self.now().since(Timestamp(0)),
        }
    }

    /// Moves a manual clock on.
    ///
    /// # Panics
    /// On the system's clock, which nobody moves.
    pub fn forward(&self, span: Duration) {
        let Self::Manual(at) = self else { panic!("only a manual clock can be moved") };
        let mut at = at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *at = at.after(span);
    }
}
