//! Live sessions on logs: frames of an event stream, an update each second even where nothing came, and every way in
//! which one ends.

use std::io;
use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::logs::{Groups, Pattern};
use super::{ACCOUNT, refused};

/// Most groups of one session.
const MOST: usize = 10;

/// How a session ends before its time.
#[derive(Clone, Copy)]
pub enum End {
    /// The service is done with it.
    Over,
    /// In the middle of a frame.
    Cut,
    /// By an exception of this name.
    Exception(&'static str),
}

type Frames = Option<Result<Bytes, io::Error>>;

/// Somebody who follows logs.
pub(super) struct Session {
    groups: Vec<String>,
    pattern: Pattern,
    /// None ends it.
    sender: UnboundedSender<Frames>,
}

impl Session {
    pub(super) fn open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn tell(&self, group: &str, at: i64, message: &str, sampled: bool) {
        if self.groups.iter().any(|known| known == group) && self.pattern.matches(message) {
            let event = json!({
                "logGroupIdentifier": format!("{ACCOUNT}:{group}"), "logStreamName": "2026/03/01/[$LATEST]abc",
                "message": message, "timestamp": at, "ingestionTime": at,
            });
            let _ = self.sender.send(Some(Ok(update(&[event], sampled))));
        }
    }

    pub(super) fn end(&self, how: End) {
        let end = match how {
            End::Over => None,
            End::Cut => {
                let whole = update(&[], false);
                let _ = self.sender.send(Some(Ok(whole.slice(..whole.len() / 2))));
                Some(Err(io::ErrorKind::ConnectionReset.into()))
            }
            End::Exception(name) => {
                let _ = self.sender.send(Some(Ok(frame(("exception", name), &json!({ "message": "it ends" })))));
                None
            }
        };
        let _ = self.sender.send(end);
    }
}

/// Begins a session, if it asks for what there is as AWS wants it.
pub(super) fn begin(groups: &mut Groups, body: &Value) -> Response {
    let wrong = |why: &str| refused(400, "InvalidParameterException", why);
    let named: Vec<&str> =
        body["logGroupIdentifiers"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();
    if named.is_empty() || named.len() > MOST {
        return wrong("1 to 10 log groups");
    }
    let mut followed = Vec::new();
    for arn in named {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", "aws", "logs", "eu-west-1", ACCOUNT, "log-group", name] = parts.as_slice() else {
            return wrong("not the ARN of a log group");
        };
        if !groups.events.contains_key(*name) {
            return refused(400, "ResourceNotFoundException", "The specified log group does not exist.");
        }
        followed.push((*name).to_owned());
    }
    let Some(pattern) = Pattern::read(body["logEventFilterPattern"].as_str().unwrap_or_default()) else {
        return wrong("Invalid filter pattern");
    };
    let (sender, receiver) = unbounded_channel();
    let started = json!({ "requestId": "1", "sessionId": "1", "logGroupIdentifiers": body["logGroupIdentifiers"] });
    for first in [frame(("event", "initial-response"), &json!({})), frame(("event", "sessionStart"), &started)] {
        let _ = sender.send(Some(Ok(first)));
    }
    groups.sessions.push(Session { groups: followed, pattern, sender });
    let frames = futures_util::stream::unfold(receiver, next);
    ([("content-type", "application/vnd.amazon.eventstream")], Body::from_stream(frames)).into_response()
}

async fn next(mut frames: UnboundedReceiver<Frames>) -> Option<(Result<Bytes, io::Error>, UnboundedReceiver<Frames>)> {
    let frame = match tokio::time::timeout(Duration::from_secs(1), frames.recv()).await {
        Ok(frame) => frame.flatten()?,
        Err(_) => Ok(update(&[], false)),
    };
    Some((frame, frames))
}

fn update(events: &[Value], sampled: bool) -> Bytes {
    frame(("event", "sessionUpdate"), &json!({ "sessionMetadata": { "sampled": sampled }, "sessionResults": events }))
}

fn frame((kind, name): (&'static str, &'static str), body: &Value) -> Bytes {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let named = if kind == "exception" { ":exception-type" } else { ":event-type" };
    let message = Message::new(body.to_string())
        .add_header(Header::new(":message-type", text(kind)))
        .add_header(Header::new(named, text(name)))
        .add_header(Header::new(":content-type", text("application/json")));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).expect("its headers are short");
    bytes.into()
}
