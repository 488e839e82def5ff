//! Finds what of ours is in a channel already: messages by their marker, files by their title. Reads no more of Slack's
//! answers than that, because whatever people post stands in them.

use serde::Deserialize;
use serde_json::Value;

use super::api::Api;
use super::fault::Fault;
use crate::clock::Timestamp;
use crate::id::MessageId;

/// Name of the marker on our messages.
pub(super) const EVENT: &str = "sereno_message";
/// Messages on a page.
const PAGE: &str = "200";
/// Pages looked through.
const PAGES: usize = 5;
/// Looked at before the message was made, in seconds: clocks differ.
const BEFORE: i64 = 3600;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    messages: Vec<Message>,
    response_metadata: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    next_cursor: Option<String>,
}

/// Of a message, what tells that it is ours.
#[derive(Deserialize)]
struct Message {
    ts: String,
    #[serde(default)]
    metadata: Value,
    files: Option<Vec<File>>,
}

#[derive(Deserialize)]
struct File {
    title: Option<String>,
}

/// A place to look in, and from when on.
pub(super) struct Search<'a> {
    channel: &'a str,
    thread: Option<&'a str>,
    oldest: String,
}

impl<'a> Search<'a> {
    /// Where a message of ours would be: no earlier than its id was drawn, which tells the time, or than now where
    /// clocks disagree.
    pub fn new(channel: &'a str, thread: Option<&'a str>, id: &MessageId, now: Timestamp) -> Self {
        let drawn = ulid::Ulid::from_string(id.as_str()).map_or(0, |id| id.timestamp_ms());
        let drawn = i64::try_from(drawn).unwrap_or(0).min(now.0);
        Self { channel, thread, oldest: format!("{}.000000", (drawn / 1000 - BEFORE).max(0)) }
    }
}

impl Api {
    /// The message there with this marker.
    pub(super) async fn find_message(&self, search: &Search<'_>, marker: &str) -> Result<Option<String>, Fault> {
        let ours = |message: &Message| {
            message.metadata["event_type"] == EVENT && message.metadata["event_payload"]["id"] == marker
        };
        self.find(search, ours).await
    }

    /// The message there with a file of this marker in its title, or with the marker itself.
    pub(super) async fn find_file(&self, search: &Search<'_>, marker: &str) -> Result<Option<String>, Fault> {
        let titled = |file: &File| file.title.as_ref().is_some_and(|title| title.contains(marker));
        let ours = |message: &Message| {
            message.files.iter().flatten().any(titled) || message.metadata["event_payload"]["id"] == marker
        };
        self.find(search, ours).await
    }

    async fn find(&self, search: &Search<'_>, ours: impl Fn(&Message) -> bool) -> Result<Option<String>, Fault> {
        let mut cursor = String::new();
        for _ in 0..PAGES {
            let mut arguments = vec![
                ("channel", search.channel),
                ("limit", PAGE),
                ("oldest", &search.oldest),
                ("include_all_metadata", "true"),
            ];
            if !cursor.is_empty() {
                arguments.push(("cursor", &cursor));
            }
            arguments.extend(search.thread.map(|thread| ("ts", thread)));
            let method = if search.thread.is_some() { "conversations.replies" } else { "conversations.history" };
            let page: Page = self.get(method, &arguments).await?;
            if let Some(found) = page.messages.into_iter().find(&ours) {
                return Ok(Some(found.ts));
            }
            cursor = page.response_metadata.and_then(|next| next.next_cursor).unwrap_or_default();
            if cursor.is_empty() {
                break;
            }
        }
        Ok(None)
    }
}
