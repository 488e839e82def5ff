//! `cloudwatch_logs` filter and tail: events of some groups, redacted before they are cut, in memory that does not grow
//! with them.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

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
const SHOWN: usize = 128 * 1024;
/// Between two looks of a tail.
const LOOK: Duration = Duration::from_millis(1000);
/// Events that a tail remembers, so that it shows none twice.
const REMEMBERED: usize = 10_000;
/// How late an event may come, in milliseconds: a tail looks that far back each time.
const LATE: i64 = 10_000;

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
struct Event {
    at: i64,
    group: String,
    stream: String,
    message: String,
}

impl Reader<'_> {
    /// Hands over every event of a group since a moment, in order; stops when it is told to. False where there was more
    /// than may be read.
    async fn each(
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

    fn event(&self, group: &str, event: &FilteredLogEvent) -> Event {
        // Redacted before it is cut: half a secret would not be known.
        let message = clean(&self.redactor.text(event.message().unwrap_or_default().trim_end()));
        Event {
            at: event.timestamp().unwrap_or_default(),
            group: group.to_owned(),
            stream: event.log_stream_name().unwrap_or_default().to_owned(),
            message: beginning(&message, LINE).to_owned(),
        }
    }

    fn show(&self, event: &Event, recorder: &mut Recorder<'_>) {
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
                    own.push_back(self.event(group, &event));
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

    /// Shows events as they come, until the time is up or there were enough.
    pub(super) async fn tail(
        &self,
        span: Duration,
        attempt: &mut Attempt,
        recorder: &mut Recorder<'_>,
    ) -> Result<Sentence, Fault> {
        let end = tokio::time::Instant::now() + span;
        let (mut lines, mut bytes, mut total) = (Vec::new(), 0, 0);
        let mut seen = Seen::default();
        let mut from: Vec<i64> = vec![self.since; self.groups.len()];
        attempt.found("count", 0);
        'watch: loop {
            for (group, from) in self.groups.iter().zip(&mut from) {
                let mut fresh = Vec::new();
                self.each(group, *from, &mut |event| {
                    if seen.is_new(event.event_id().unwrap_or_default()) {
                        fresh.push(self.event(group, &event));
                    }
                    total + fresh.len() < self.limit
                })
                .await?;
                total += fresh.len();
                for event in fresh {
                    *from = (*from).max(event.at - LATE).max(self.since);
                    self.show(&event, recorder);
                    bytes += event.message.len();
                    if bytes <= SHOWN {
                        lines.push(event.message);
                    }
                }
                // Kept as they come: whoever stops it keeps what was seen.
                attempt.found("lines", json!(lines));
                attempt.found("count", total);
                attempt.found("truncated", lines.len() < total);
                if total >= self.limit {
                    break 'watch;
                }
            }
            if tokio::time::Instant::now() + LOOK > end {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(sentence!("aws.logs_followed", count => total))
    }
}

impl Event {
    fn fact(&self) -> Value {
        json!({
            "time": Timestamp(self.at).to_string(), "group": self.group, "stream": self.stream, "message": self.message,
        })
    }
}

/// Ids that were seen, the last ones.
#[derive(Default)]
struct Seen {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    fn is_new(&mut self, id: &str) -> bool {
        let new = self.ids.insert(id.to_owned());
        if new {
            self.order.push_back(id.to_owned());
            if self.order.len() > REMEMBERED
                && let Some(old) = self.order.pop_front()
            {
                self.ids.remove(&old);
            }
        }
        new
    }
}
