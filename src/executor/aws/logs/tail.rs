//! `cloudwatch_logs` tail: events as they come, by a live stream where there is one, else asked for each second. Shows
//! none twice, whichever way it came. Knows nothing of how a stream is opened.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::events::{Event, Raw, Reader, SHOWN};
use super::live::{self, Ended};
use super::{Attempt, Caller, Fault, Recorder};
use crate::domain::sentence::{Sentence, sentence};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1000);
/// How late an event may come, in milliseconds: it looks that far back each time.
pub(super) const LATE: i64 = 10_000;
/// Events by their ids that are remembered.
const REMEMBERED: usize = 10_000;

/// By which way an event came.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Asked = 0,
    Live = 1,
}

/// What a tail has shown so far.
pub(super) struct Shown<'t, 'r> {
    reader: &'t Reader<'t>,
    attempt: &'t mut Attempt,
    recorder: &'t mut Recorder<'r>,
    lines: Vec<String>,
    bytes: usize,
    total: usize,
    /// How often each came, by way.
    came: HashMap<(i64, String, String, String), [u32; 2]>,
    ids: Seen,
}

impl<'t, 'r> Shown<'t, 'r> {
    fn new(reader: &'t Reader<'t>, attempt: &'t mut Attempt, recorder: &'t mut Recorder<'r>) -> Self {
        let (came, ids) = (HashMap::new(), Seen::default());
        let mut shown = Self { reader, attempt, recorder, lines: Vec::new(), bytes: 0, total: 0, came, ids };
        shown.attempt.found("live", false);
        shown.attempt.found("sampled", false);
        shown.note();
        shown
    }

    /// Whether there were as many as it should show.
    pub(super) fn enough(&self) -> bool {
        self.total >= self.reader.limit
    }

    /// Shows an event, unless it was there by the other way already.
    pub(super) fn take(&mut self, way: Way, event: Event) {
        if self.enough() {
            return;
        }
        let key = (event.at, event.group.clone(), event.stream.clone(), event.message.clone());
        let came = self.came.entry(key).or_default();
        came[way as usize] += 1;
        if came[way as usize] <= came[1 - way as usize] {
            return;
        }
        self.total += 1;
        self.reader.show(&event, self.recorder);
        self.bytes += event.message.len();
        if self.bytes <= SHOWN {
            self.lines.push(event.message);
        }
    }

    /// Kept as they come: whoever stops it keeps what was seen.
    pub(super) fn note(&mut self) {
        self.attempt.found("lines", json!(self.lines));
        self.attempt.found("count", self.total);
        self.attempt.found("truncated", self.lines.len() < self.total);
    }

    pub(super) fn found(&mut self, name: &str, yes: bool) {
        self.attempt.found(name, yes);
    }

    /// Asks each group once for what came since its moment, and moves that on.
    pub(super) async fn look(&mut self, from: &mut [i64]) -> Result<(), Fault> {
        let reader = self.reader;
        for (group, from) in reader.groups.iter().zip(from) {
            let (mut fresh, room, ids) = (Vec::new(), reader.limit - self.total, &mut self.ids);
            reader
                .each(group, *from, &mut |event| {
                    if ids.is_new(event.event_id().unwrap_or_default()) {
                        fresh.push(reader.event(group, &Raw::of(&event)));
                    }
                    fresh.len() < room
                })
                .await?;
            for event in fresh {
                *from = (*from).max(event.at - LATE).max(reader.since);
                self.take(Way::Asked, event);
            }
            self.note();
            if self.enough() {
                break;
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Shows events as they come, until the time is up or there were enough.
    pub(super) async fn tail(
        &self,
        caller: &Caller,
        (span, past): (Duration, bool),
        attempt: &mut Attempt,
        recorder: &mut Recorder<'_>,
    ) -> Result<Sentence, Fault> {
        let end = Instant::now() + span;
        let mut shown = Shown::new(self, attempt, recorder);
        let mut from = vec![self.since; self.groups.len()];
        let why = match live::open(self, caller, span).await {
            Ok(stream) => {
                if past {
                    shown.look(&mut from).await?;
                }
                match live::follow(self, stream, end, &mut shown).await? {
                    Ended::InTime { sampled: false } => {
                        return Ok(sentence!("aws.logs_followed", count => shown.total));
                    }
                    Ended::InTime { sampled: true } => return Ok(sentence!("aws.logs_sampled", count => shown.total)),
                    Ended::ByItself => sentence!("aws.logs_stream_over"),
                }
            }
            Err(why) => why,
        };
        shown.found("live", false);
        loop {
            shown.look(&mut from).await?;
            if shown.enough() || Instant::now() + LOOK > end {
                return Ok(sentence!("aws.logs_asked", count => shown.total, why));
            }
            tokio::time::sleep(LOOK).await;
        }
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
