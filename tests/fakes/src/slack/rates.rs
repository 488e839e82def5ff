//! How often a method may be called (<https://docs.slack.dev/apis/web-api/rate-limits>), and troubles that a test orders.

use std::collections::HashMap;

/// Tier of a method: calls a minute, for each workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    One,
    Two,
    Three,
    Four,
    /// Posting: about one a second in each channel.
    Post,
    /// Generous: not limited here.
    Special,
}

impl Tier {
    /// Calls a minute, and how many at once.
    fn allows(self) -> Option<(f64, f64)> {
        match self {
            Self::One => Some((1.0, 1.0)),
            Self::Two => Some((20.0, 20.0)),
            Self::Three => Some((50.0, 50.0)),
            Self::Four => Some((100.0, 100.0)),
            Self::Post => Some((60.0, 4.0)),
            Self::Special => None,
        }
    }
}

/// What a test orders for calls to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 429 with `Retry-After`, in seconds. Nothing is done.
    RateLimited(u64),
    /// This HTTP status with no JSON. Nothing is done.
    Status(u16),
    /// This `error`. Nothing is done.
    Error(&'static str),
    /// No answer ever, and nothing is done.
    Hang,
    /// It is done, and the connection ends without an answer: a blind retry does it twice.
    Lost,
    /// The connection ends without an answer, and nothing is done.
    Cut,
}

/// Buckets that fill with time.
#[derive(Debug, Clone)]
pub struct Rates {
    pub on: bool,
    /// Every limit is divided by this.
    pub tighter: f64,
    buckets: HashMap<(String, String), (f64, i64)>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { on: true, tighter: 1.0, buckets: HashMap::new() }
    }
}

impl Rates {
    /// Takes one call of `method`; `Err` says after how many seconds it may come again.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn take(&mut self, tier: Tier, method: &str, channel: &str, now: i64) -> Result<(), u64> {
        let Some((minute, burst)) = tier.allows().filter(|_| self.on) else { return Ok(()) };
        let (minute, burst) = (minute / self.tighter, (burst / self.tighter).max(1.0));
        let place = if tier == Tier::Post { channel } else { "" };
        let (level, at) = self.buckets.entry((method.to_owned(), place.to_owned())).or_insert((burst, now));
        #[allow(clippy::cast_precision_loss)] // spans of a test
        let refill = (now - *at) as f64 / 60_000.0 * minute;
        *level = (*level + refill).min(burst);
        *at = now;
        if *level >= 1.0 {
            *level -= 1.0;
            return Ok(());
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // small and positive
        let wait = ((1.0 - *level) / minute * 60.0).ceil() as u64;
        Err(wait.max(1))
    }
}
