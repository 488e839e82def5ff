//! How fast we speak: about a post a second in each channel, an edit in two seconds and a file a minute of each message,
//! and no call of a method that Slack asked to rest. Nothing waits here; whoever is too early is told how early.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as Beat;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::super::ChatError;
use super::fault::Fault;
use crate::clock::Clock;

/// Between two posts in a channel.
const POST: Duration = Duration::from_secs(1);
/// Between two edits of a message.
const EDIT: Duration = Duration::from_secs(2);
/// Between two files of a message that is edited.
const FILE: Duration = Duration::from_secs(60);
/// Keys remembered before those are dropped that say nothing any more.
const KEYS: usize = 1000;

type Limiter = RateLimiter<String, DashMapStateStore<String>, Steady, NoOpMiddleware<Duration>>;

/// Our clock, as the limiter reads it.
#[derive(Clone)]
struct Steady(Clock);

impl Beat for Steady {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

/// Paces of posts, edits and files; none delays another.
pub(super) struct Pace {
    clock: Clock,
    posts: Limiter,
    edits: Limiter,
    files: Limiter,
}

impl Pace {
    pub fn new(clock: Clock) -> Self {
        let limiter = |period: Duration| {
            let quota = Quota::with_period(period).expect("a period is not zero").allow_burst(NonZeroU32::MIN);
            RateLimiter::new(quota, DashMapStateStore::default(), Steady(clock.clone()))
        };
        Self { posts: limiter(POST), edits: limiter(EDIT), files: limiter(FILE), clock }
    }

    /// Takes a post's turn in a channel.
    pub fn post(&self, channel: &str) -> Result<(), ChatError> {
        self.take(&self.posts, channel.to_owned())
    }

    /// Takes an edit's turn of a message.
    pub fn edit(&self, channel: &str, ts: &str) -> Result<(), ChatError> {
        self.take(&self.edits, format!("{channel}/{ts}"))
    }

    /// Takes the turn of a further file of a message.
    pub fn file(&self, channel: &str, ts: &str) -> Result<(), ChatError> {
        self.take(&self.files, format!("{channel}/{ts}"))
    }

    fn take(&self, limiter: &Limiter, key: String) -> Result<(), ChatError> {
        if limiter.len() > KEYS {
            limiter.retain_recent();
        }
        limiter.check_key(&key).map_err(|early| ChatError::Later(early.wait_time_from(self.clock.steady())))
    }
}

/// Methods that Slack asked to rest, and until when. Posts have a rest in each channel alone, which delivery keeps.
pub(super) struct Rests {
    clock: Clock,
    until: Mutex<HashMap<&'static str, Duration>>,
}

impl Rests {
    pub fn new(clock: Clock) -> Self {
        Self { clock, until: Mutex::default() }
    }

    /// Whether this method may be called.
    pub fn look(&self, method: &'static str) -> Result<(), Fault> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner).get(method).copied();
        let rest = until.unwrap_or_default().saturating_sub(self.clock.steady());
        if rest.is_zero() { Ok(()) } else { Err(Fault::RateLimited(rest)) }
    }

    /// Lets a method rest.
    pub fn rest(&self, method: &'static str, wait: Duration) {
        if method != "chat.postMessage" {
            let until = self.clock.steady() + wait;
            self.until.lock().unwrap_or_else(PoisonError::into_inner).insert(method, until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn each_channel_and_each_message_has_its_own_pace() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let pace = Pace::new(clock.clone());
        assert_eq!(pace.post("C1"), Ok(()));
        assert_eq!(pace.post("C1"), Err(ChatError::Later(POST)));
        assert_eq!((pace.post("C2"), pace.edit("C1", "1.1"), pace.edit("C1", "1.2")), (Ok(()), Ok(()), Ok(())));
        clock.forward(POST);
        assert_eq!((pace.post("C1"), pace.edit("C1", "1.1")), (Ok(()), Err(ChatError::Later(POST))));
        clock.forward(POST);
        assert_eq!(pace.edit("C1", "1.1"), Ok(()));
    }

    #[test]
    fn what_is_long_past_is_not_remembered() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let pace = Pace::new(clock.clone());
        for n in 0..10 * KEYS {
            clock.forward(Duration::from_millis(100));
            pace.edit("C1", &n.to_string()).unwrap();
        }
        assert!(pace.edits.len() <= KEYS + 1, "{}", pace.edits.len());
    }
}
