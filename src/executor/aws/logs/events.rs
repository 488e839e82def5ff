//! `cloudwatch_logs` filter: events of some groups, redacted before they are cut, in memory that does not grow with them.

use std::collections::VecDeque;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use serde_json::{Value, json};

use super::{Attempt, Fault, Recorder, looking};
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::output::{Pipe, beginning, clean};
use crate::executor::redact::Redactor;

/// Pages that are read of one group. Pages may be empty: the service reads a piece of the log for each.
const PAGES: usize = 500;
/// Bytes of one message that are kept.
const LINE: usize = 4 * 1024;
/// Bytes that the messages in facts may have together.
pub(super) const SHOWN: usize = 128 * 1024;

/// Reads events of some groups.
pub(super) struct Reader<'r> {
    pub(super) client: &'r Client,
    pub(super) groups: &'r [String],
    pub(super) pattern: Option<String>,
    /// From this moment on, in milliseconds.
    pub(super) since: i64,
    pub(super) limit: usize,
    pub(super) redactor: &'r Redactor,
}

/// What of an event is kept.
pub(super) struct Event {
    /// When it happened, in milliseconds.
    pub(super) at: i64,
    pub(super) group: String,
    pub(super) stream: String,
    pub(super) message: String,
}

/// An event as AWS has it, whichever way it came.
pub(super) struct Raw<'e> {
    pub(super) at: Option<i64>,
    pub(super) stream: Option<&'e str>,
    pub(super) message: Option<&'e str>,
}

impl Reader<'_> {
    /// Hands over every event of a group since a moment, in order; stops when it is told to. False where there was more
    /// than may be read.
    pub(super) async fn each(
        &self,
        group: &str,
        since: i64,
        take: &mut (dyn FnMut(FilteredLogEvent) -> bool + Send),
    ) -> Result<bool, Fault> {
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let request = || {
                let request = self.client.filter_log_events().log_group_name(group).start_time(since);
                request.set_filter_pattern(self.pattern.clone()).set_next_token(next.clone())
            };
            let page = looking(|| request().send()).await?;
            for event in page.events.unwrap_or_default() {
                if !take(event) {
                    return Ok(true);
                }
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn event(&self, group: &str, raw: &Raw<'_>) -> Event {
        // Redacted before it is cut: half a secret would not be known.
        let message = clean(&self.redactor.text(raw.message.unwrap_or_default().trim_end()));
        Event {
            at: raw.at.unwrap_or_default(),
            group: group.to_owned(),
            stream: raw.stream.unwrap_or_default().to_owned(),
            message: beginning(&message, LINE).to_owned(),
        }
    }

    pub(super) fn show(&self, event: &Event, recorder: &mut Recorder<'_>) {
        let group = if self.groups.len() > 1 { format!("{} | ", event.group) } else { String::new() };
        let line = format!("{} {group}{}\n", Timestamp(event.at), event.message);
        recorder.push(Pipe::Out, line.as_bytes());
    }

    /// The newest events that match, and how many there are.
    pub(super) async fn filter(&self, attempt: &mut Attempt, recorder: &mut Recorder<'_>) -> Result<Sentence, Fault> {
        let (mut kept, mut total, mut whole): (VecDeque<Event>, usize, bool) = (VecDeque::new(), 0, true);
        for group in self.groups {
            // Each group may have all of the newest ones.
            let mut own = VecDeque::new();
            whole &= self
                .each(group, self.since, &mut |event| {
                    total += 1;
                    own.push_back(self.event(group, &Raw::of(&event)));
                    if own.len() > self.limit {
                        own.pop_front();
                    }
                    true
                })
                .await?;
            kept.extend(own);
            kept.make_contiguous().sort_by_key(|event| event.at);
            kept.drain(..kept.len().saturating_sub(self.limit));
        }
        let mut bytes = 0;
        // The newest ones are those that must fit.
        let fits = kept.iter().rev().take_while(|event| {
            bytes += event.message.len();
            bytes <= SHOWN
        });
        let fits = fits.count();
        kept.drain(..kept.len() - fits);
        kept.iter().for_each(|event| self.show(event, recorder));
        let lines: Vec<&str> = kept.iter().map(|event| event.message.as_str()).collect();
        attempt.found("lines", json!(lines));
        attempt.found("truncated", kept.len() < total || !whole);
        attempt.found("events", kept.iter().map(Event::fact).collect::<Vec<_>>());
        attempt.found("count", total);
        Ok(match whole {
            true => sentence!("aws.logs_found", count => total),
            false => sentence!("aws.counted_so_far", count => total),
        })
    }
}

impl<'e> Raw<'e> {
    /// One that was asked for.
    pub(super) fn of(event: &'e FilteredLogEvent) -> Self {
        Self { at: event.timestamp(), stream: event.log_stream_name(), message: event.message() }
    }
}

impl Event {
    fn fact(&self) -> Value {
        json!({
            "time": Timestamp(self.at).to_string(), "group": self.group, "stream": self.stream, "message": self.message,
        })
    }
}
