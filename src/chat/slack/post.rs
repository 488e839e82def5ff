//! Posts and edits messages of ours, each once: a marker in the message's metadata tells a repeated try that it came
//! through. Knows nothing of what a message looks like.

use minijinja::context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{ChatError, Outgoing};
use super::fault::Fault;
use super::files::TextFile;
use super::find::{EVENT, Search};
use super::render::{self, Overflow, Rendered};
use super::{Api, Slack, whisper};
use crate::domain::digest;

/// Slack's refusals to let us look into a channel that we may post in.
const BLIND: &[&str] = &["missing_scope", "not_in_channel", "channel_not_found", "thread_not_found"];

/// Slack's refusals of blocks, as where it does not know their kind.
const SHAPE: &[&str] = &["invalid_blocks", "invalid_blocks_format"];

/// What is seen, and where.
#[derive(Serialize)]
struct Whole<'a, A> {
    text: &'a str,
    blocks: &'a [slack_morphism::prelude::SlackBlock],
    #[serde(flatten)]
    around: &'a A,
}

impl<'a, A> Whole<'a, A> {
    fn new(rendered: &'a Rendered, around: &'a A) -> Self {
        Self { text: &rendered.text, blocks: &rendered.blocks, around }
    }
}

/// What `chat.postMessage` and `chat.update` take beside it.
#[derive(Serialize)]
struct Written<'a> {
    channel: &'a str,
    metadata: Value,
    link_names: bool,
    unfurl_links: bool,
    unfurl_media: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<&'a str>,
}

#[derive(Deserialize)]
struct Posted {
    ts: String,
}

impl<'a> Written<'a> {
    fn new(channel: &'a str, marker: &str) -> Self {
        Self {
            channel,
            metadata: json!({"event_type": EVENT, "event_payload": {"id": marker}}),
            link_names: false,
            unfurl_links: false,
            unfurl_media: false,
            thread_ts: None,
            ts: None,
        }
    }
}

impl Slack {
    /// Posts a message, or finds it posted; then its overflow. Where the overflow does not come through, the message
    /// counts as not delivered, so that it is tried again, and found.
    pub(super) async fn put(&self, out: &Outgoing<'_>) -> Result<String, ChatError> {
        let mut rendered = render::message(out);
        if let Some(identity) = out.whisper_to {
            return whisper::whisper(&self.api, out, identity, rendered).await;
        }
        let found = if out.again { self.find(out).await? } else { None };
        let ts = match found {
            // What came through may be an older state of it.
            Some(ts) => {
                self.update(&ts, out, &mut rendered).await.map_err(|fault| undecided(&fault, out))?;
                ts
            }
            None => {
                self.pace.post(out.channel)?;
                let around = Written { thread_ts: out.thread, ..Written::new(out.channel, out.id.as_str()) };
                let posted = write::<Posted>(&self.api, "chat.postMessage", out, &mut rendered, &around).await;
                posted.map_err(|fault| fault.said(out.words))?.ts
            }
        };
        if let Some(overflow) = &rendered.overflow {
            let file = File::new(out, &ts, overflow);
            if !(out.again && self.is_there(&file).await?) {
                self.attach(&file).await?;
            }
        }
        Ok(ts)
    }

    /// Brings a message up to date. That Slack asks edits to wait is no reason for posts to wait, so it is told as our
    /// own pace. Of a message that changes all the time there is a file a minute, and one of its last state.
    pub(super) async fn change(&self, ts: &str, out: &Outgoing<'_>) -> Result<(), ChatError> {
        if whisper::is_whisper(ts) {
            return Ok(());
        }
        self.pace.edit(out.channel, ts)?;
        let mut rendered = render::message(out);
        self.update(ts, out, &mut rendered).await.map_err(|fault| match fault {
            Fault::RateLimited(wait) => ChatError::Later(wait),
            fault => fault.said(out.words),
        })?;
        if let Some(overflow) = &rendered.overflow {
            let file = File::new(out, ts, overflow);
            if !self.is_there(&file).await? {
                self.pace.file(out.channel, ts)?;
                self.attach(&file).await?;
            }
        }
        Ok(())
    }

    async fn update(&self, ts: &str, out: &Outgoing<'_>, rendered: &mut Rendered) -> Result<(), Fault> {
        let around = Written { ts: Some(ts), ..Written::new(out.channel, out.id.as_str()) };
        write::<Value>(&self.api, "chat.update", out, rendered, &around).await.map(drop)
    }

    /// Our message, if an earlier try came through. Where we may not look, it is posted: rather twice than never.
    async fn find(&self, out: &Outgoing<'_>) -> Result<Option<String>, ChatError> {
        let search = Search::new(out.channel, out.thread, out.id, self.clock.now());
        match self.api.find_message(&search, out.id.as_str()).await {
            Err(fault) if fault.is(BLIND) => {
                tracing::warn!(message = %out.id, %fault, "Slack does not let us look whether this was posted already");
                Ok(None)
            }
            found => found.map_err(|fault| undecided(&fault, out)),
        }
    }

    /// Whether a message's file is in its thread already.
    async fn is_there(&self, file: &File<'_>) -> Result<bool, ChatError> {
        let out = file.out;
        let search = Search::new(out.channel, Some(file.thread), out.id, self.clock.now());
        match self.api.find_file(&search, &file.title).await {
            Err(fault) if fault.is(BLIND) => {
                tracing::warn!(message = %out.id, %fault, "Slack does not let us look whether its file is there");
                Ok(false)
            }
            found => found.map(|found| found.is_some()).map_err(|fault| undecided(&fault, out)),
        }
    }

    /// Shares what a message has no room for. Where Slack refuses that, it is said in the thread, for nothing is cut in
    /// silence.
    async fn attach(&self, file: &File<'_>) -> Result<(), ChatError> {
        let out = file.out;
        let text = TextFile { name: &file.overflow.name, title: &file.title, content: &file.overflow.content };
        let done = match self.api.share(out.channel, file.thread, &text).await {
            Err(fault @ Fault::Refused { .. }) => {
                tracing::error!(message = %out.id, %fault, "Slack refuses a file");
                let why = fault.told(out.words);
                let text = out.words.say("slack.no_file", context! { why, link => out.link });
                let said = Rendered { text, blocks: Vec::new(), overflow: None };
                let around = Written { thread_ts: Some(file.thread), ..Written::new(out.channel, &file.title) };
                self.api.post::<Value>("chat.postMessage", &Whole::new(&said, &around)).await.map(drop)
            }
            done => done,
        };
        done.map_err(|fault| undecided(&fault, out))
    }
}

/// Writes a message. Where Slack refuses its blocks, and there are such among them as not every Slack knows, it is
/// written once more with lists in their stead; `rendered` then is that.
pub(super) async fn write<T: DeserializeOwned + Send>(
    api: &Api,
    method: &'static str,
    out: &Outgoing<'_>,
    rendered: &mut Rendered,
    around: &(impl Serialize + Sync),
) -> Result<T, Fault> {
    match api.post(method, &Whole::new(rendered, around)).await {
        Err(fault) if fault.is(SHAPE) => {
            let Some(plain) = render::plainly(out) else { return Err(fault) };
            tracing::warn!(message = %out.id, %fault, "Slack refuses a table or a chart, and gets it as a list");
            *rendered = plain;
            api.post(method, &Whole::new(rendered, around)).await
        }
        answer => answer,
    }
}

/// What a message has no room for, with the title by which it is found again: a file for each state of the message.
struct File<'a> {
    out: &'a Outgoing<'a>,
    thread: &'a str,
    title: String,
    overflow: &'a Overflow,
}

impl<'a> File<'a> {
    fn new(out: &'a Outgoing<'a>, ts: &'a str, overflow: &'a Overflow) -> Self {
        let digest = digest::sha256(overflow.content.as_bytes());
        let title = format!("{} · {}", overflow.name, digest::short(&digest));
        Self { out, thread: out.thread.unwrap_or(ts), title, overflow }
    }
}

/// The message may be there, or is there without its file. Whatever the reason, also where Slack asks to wait, this must
/// count as a failed try: only then is the next one told to look first.
fn undecided(fault: &Fault, out: &Outgoing<'_>) -> ChatError {
    ChatError::Unavailable(out.words.say("slack.unfinished", context! { why => fault.told(out.words) }))
}
