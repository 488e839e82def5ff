//! How long what is over is kept.

use minijinja::context;

use super::Check;
use crate::config::written;
use crate::domain::settings::Retention;
use crate::domain::span;

/// Platforms send a request again for hours; while it is kept, the second one is known to be the first.
const SHORTEST: u64 = 2 * 24 * 3600;
/// Beyond a person's memory, and within what clocks can count.
const LONGEST: u64 = 100 * 365 * 24 * 3600;

impl Check<'_> {
    /// The spans, in seconds.
    pub fn retention(&mut self, written: &written::Retention) -> Retention {
        let mut kept = |key: &str, text: &str| {
            let path = ["retention", key];
            let seconds = self.span(&path, text).unwrap_or(SHORTEST);
            if !(SHORTEST..=LONGEST).contains(&seconds) {
                let values = context! { shortest => span::written(SHORTEST), longest => span::written(LONGEST) };
                self.error(&path, "retention", values);
            }
            seconds
        };
        Retention {
            requests: kept("requests", &written.requests),
            messages: kept("messages", &written.messages),
            outputs: kept("outputs", &written.outputs),
        }
    }
}
