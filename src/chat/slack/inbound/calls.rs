//! What is asked of Slack for the sake of somebody who waits. Every call has the Web API's deadline.

use std::future::Future;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use slack_morphism::prelude::*;

use super::Inbound;
use crate::chat::Away;
use crate::chat::slack::fault::Fault;

/// Longest wait for Slack before something is stored; Slack gives us three seconds for all of it.
const BEFORE_STORED: Duration = Duration::from_secs(2);

/// How long a trigger opens a form.
const TRIGGER: Duration = Duration::from_secs(3);

/// A message as people wrote it.
pub(super) struct Written {
    /// The thread's root, itself for one that is none's reply.
    pub root: String,
    /// Slack's id of its author.
    pub user: Option<String>,
    /// The name of an author who is no person.
    pub username: Option<String>,
    /// Its text, as Slack keeps it.
    pub text: String,
}

impl Written {
    /// From a message that came with a payload.
    pub fn of(message: &SlackHistoryMessage) -> Self {
        Self {
            root: message.origin.thread_ts.as_ref().unwrap_or(&message.origin.ts).0.clone(),
            user: message.sender.user.as_ref().map(|user| user.0.clone()),
            username: message.sender.username.clone(),
            text: message.content.text.clone().unwrap_or_default(),
        }
    }
}

/// Of a message, what a timeline tells.
#[derive(Deserialize)]
struct Message {
    ts: String,
    thread_ts: Option<String>,
    user: Option<String>,
    username: Option<String>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Found {
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    team_id: String,
}

impl Inbound {
    /// Opens a form. That it is open already, because the same request came twice, is well.
    pub(super) async fn open(&self, trigger: &SlackTriggerId, view: &SlackView) -> Result<(), Fault> {
        let (call, body) = ("views.open", json!({"trigger_id": trigger, "view": view}));
        // Longer than that the trigger is good for nothing, and whoever asked must hear something else.
        let opened = tokio::time::timeout(TRIGGER, self.api.post::<Value>(call, &body)).await;
        match opened.unwrap_or_else(|_| Err(Fault::away(call, None))) {
            Err(fault) if fault.is(&["exchanged_trigger_id"]) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Shows somebody their page.
    pub(super) async fn publish(&self, user: &str, view: &SlackView) -> Result<(), Fault> {
        self.api.post::<Value>("views.publish", &json!({"user_id": user, "view": view})).await.map(drop)
    }

    /// Says something that one person sees, in a channel or a thread of it.
    pub(super) async fn whisper(
        &self,
        (channel, user): (&str, &str),
        thread: Option<&str>,
        text: &str,
    ) -> Result<(), Fault> {
        let mut request = json!({"channel": channel, "user": user, "text": text});
        if let Some(thread) = thread {
            request["thread_ts"] = json!(thread);
        }
        self.api.post::<Value>("chat.postEphemeral", &request).await.map(drop)
    }

    /// Says something to the one who used a message.
    pub(super) async fn respond(&self, url: &SlackResponseUrl, text: &str) -> Result<(), Fault> {
        let body = json!({"response_type": "ephemeral", "replace_original": false, "text": text});
        self.api.respond(url.0.as_str(), &body).await
    }

    /// A message by channel and time; none where Slack does not show it.
    pub(super) async fn written(&self, channel: &str, ts: &str) -> Result<Option<Written>, Away> {
        let asked = [("channel", channel), ("ts", ts), ("limit", "1"), ("inclusive", "true")];
        let found = match self.in_time(self.api.get::<Messages>("conversations.replies", &asked)).await? {
            Ok(found) => found,
            Err(fault) => {
                tracing::warn!(%fault, "Slack does not show a message that was to go on a timeline");
                return Ok(None);
            }
        };
        let found = found.messages.into_iter().find(|message| message.ts == ts);
        Ok(found.map(|message| Written {
            root: message.thread_ts.unwrap_or(message.ts),
            user: message.user,
            username: message.username,
            text: message.text,
        }))
    }

    /// The workspace of somebody in a channel that is shared with others; nothing where Slack does not know them.
    pub(super) async fn team_of(&self, user: &str) -> Result<String, Away> {
        let found = self.in_time(self.api.get::<Found>("users.info", &[("user", user)])).await?;
        Ok(found.map(|found| found.user.team_id).unwrap_or_default())
    }

    /// What must be known before something can be stored; without an answer it must come again.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Fault>>) -> Result<Result<T, Fault>, Away> {
        match tokio::time::timeout(BEFORE_STORED, call).await {
            Ok(Err(fault @ (Fault::RateLimited(_) | Fault::Unavailable(_)))) => Err(Away(fault.to_string())),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Away("Slack does not answer".to_owned())),
        }
    }
}
