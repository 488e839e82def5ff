//! Bringing something to the app by whichever way it chose, and what came of it. Interactions are brought once, events
//! up to four times (<https://docs.slack.dev/apis/events-api#retries>).

use std::time::Duration;

use serde_json::{Value, json};

use super::world::Mode;
use super::{Shared, payload, signed, socket};
use crate::http;

/// Which of an app's three addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Command,
    Interaction,
    Event,
}

impl Door {
    /// Below the base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Command => "/slack/commands",
            Self::Interaction => "/slack/interactions",
            Self::Event => "/slack/events",
        }
    }

    /// The type of its envelopes.
    pub(crate) fn envelope(self) -> &'static str {
        match self {
            Self::Command => "slash_commands",
            Self::Interaction => "interactive",
            Self::Event => "events_api",
        }
    }
}

/// What came of one delivery.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Taken within 3 seconds of the fake's clock.
    pub acked: bool,
    /// By HTTP: the status.
    pub status: Option<u16>,
    /// What was said with it: JSON, or text as a string, or null.
    pub body: Value,
    /// By the fake's clock.
    pub latency: Duration,
    /// Why it was not taken: `http_timeout`, `http_error`, `connection_failed`; by Socket Mode `timeout`, or
    /// `no_connection` where none was open (then an event is brought again later, as after a timeout).
    pub failure: Option<String>,
    /// By Socket Mode: the envelope.
    pub envelope: Option<String>,
    /// The app wants no more of this.
    pub no_retry: bool,
}

impl Sent {
    pub(crate) fn failed(why: &str, latency: i64) -> Self {
        Self { failure: Some(why.to_owned()), latency: span(latency), ..Self::default() }
    }

    pub(crate) fn taken(body: Value, latency: i64) -> Self {
        Self { acked: true, body, latency: span(latency), ..Self::default() }
    }

    pub(crate) fn answered(answer: Result<http::Answer, http::NoAnswer>, latency: i64) -> Self {
        let Ok(answer) = answer else { return Self::failed("connection_failed", latency) };
        let fine = (200..300).contains(&answer.status);
        let text = answer.text();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(json!(text)) };
        Self {
            acked: fine,
            status: Some(answer.status),
            failure: (!fine).then(|| "http_error".to_owned()),
            no_retry: answer.header("x-slack-no-retry") == "1",
            body,
            latency: span(latency),
            envelope: None,
        }
    }
}

fn span(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// Brings it, to two receivers where a test ordered that; the first answer is the one that counts.
pub(crate) async fn deliver(shared: &Shared, door: Door, payload: &Value, retry: (u32, &str)) -> Vec<Sent> {
    let (mode, twice, turn, envelope) = shared.with(|world| {
        world.serial += 1;
        let twice = world.twice > 0;
        world.twice = world.twice.saturating_sub(1);
        let turn = world.turn;
        world.turn += if twice { 2 } else { 1 };
        (world.mode.clone(), twice, turn, format!("00000000-0000-4000-9000-{:012x}", world.serial))
    });
    let one = async |turn: usize| match &mode {
        Mode::Http(urls) if urls.is_empty() => Sent::failed("connection_failed", 0),
        Mode::Http(urls) => signed::post(shared, &urls[turn % urls.len()], door, payload, retry).await,
        Mode::Socket => socket::send(shared, turn, door, &envelope, payload, retry).await,
    };
    if twice {
        let (first, second) = tokio::join!(one(turn), one(turn + 1));
        return vec![first, second];
    }
    vec![one(turn).await]
}

/// Brings an event. Returns what came of the first try; others follow at once, after a minute, after five.
pub(crate) async fn event(shared: &Shared, event: Value) -> (Value, Vec<Sent>) {
    let payload = shared.with(|world| payload::event(world, event));
    let first = deliver(shared, Door::Event, &payload, (0, "")).await;
    if let Some(why) = again(&first) {
        let (shared, payload) = (shared.clone(), payload.clone());
        tokio::spawn(async move { retries(&shared, &payload, why).await });
    }
    (payload, first)
}

/// Why it must be brought again, if it must.
fn again(sent: &[Sent]) -> Option<String> {
    let refused = sent.iter().any(|one| one.acked || one.no_retry);
    sent.first().filter(|_| !refused).and_then(|one| one.failure.clone())
}

async fn retries(shared: &Shared, payload: &Value, mut why: String) {
    let start = shared.clock.now();
    for (number, wait) in [(1, 0), (2, 60_000), (3, 300_000)] {
        shared.clock.until(start + wait).await;
        let sent = deliver(shared, Door::Event, payload, (number, &why)).await;
        match again(&sent) {
            Some(next) => why = next,
            None => return,
        }
    }
    shared.with(|world| world.complaints.push(format!("event {} was never acknowledged", payload["event_id"])));
}
