//! What a message is made of, and putting it where it belongs. Used by `chat.*`, acknowledgements, `response_url`.

use serde_json::Value;

use super::super::args::{Args, Refusal};
use super::super::blocks::{self, Surface, Wrong};
use super::super::limits::most;
use super::super::message::Message;
use super::super::world::World;

/// The parts of a message that were given; what was not is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub text: Option<String>,
    pub blocks: Option<Vec<Value>>,
    pub attachments: Option<Vec<Value>>,
    pub metadata: Option<Value>,
}

/// Reads and checks them, as Slack does; `text` names the limit of the text.
pub(crate) fn content(world: &mut World, args: &Args, text: &str) -> Result<Content, Refusal> {
    let mut found = Content { text: args.text("text"), ..Content::default() };
    if found.text.as_ref().is_some_and(|said| said.chars().count() > most(text)) {
        return Err("msg_too_long".into());
    }
    if let Some(blocks) = args.json("blocks").map_err(|()| Refusal::from("invalid_blocks_format"))? {
        found.blocks = Some(check(world, &blocks)?);
    }
    if let Some(markdown) = args.text("markdown_text") {
        if found.text.is_some() || found.blocks.is_some() {
            return Err("markdown_text_conflict".into());
        }
        if markdown.chars().count() > most("message.markdown_text") {
            return Err("msg_too_long".into());
        }
        found.blocks = Some(check(world, &serde_json::json!([{"type": "markdown", "text": markdown}]))?);
    }
    if let Some(list) = args.json("attachments").map_err(|()| Refusal::from("invalid_attachments"))? {
        let list = list.as_array().cloned().ok_or("invalid_attachments")?;
        if list.len() > most("message.attachments") {
            return Err("too_many_attachments".into());
        }
        found.attachments = Some(list);
    }
    if let Some(metadata) = args.json("metadata").map_err(|()| Refusal::from("invalid_metadata_format"))? {
        let removes = metadata == serde_json::json!({});
        let complete = metadata["event_type"].is_string() && metadata["event_payload"].is_object();
        if !removes && !complete {
            return Err("invalid_metadata_schema".into());
        }
        if metadata.to_string().len() > most("message.metadata") {
            return Err("metadata_too_large".into());
        }
        found.metadata = Some(metadata);
    }
    Ok(found)
}

fn check(world: &mut World, blocks: &Value) -> Result<Vec<Value>, Refusal> {
    blocks::check(blocks, Surface::Message, "/blocks", &mut world.serial).map_err(|wrong| match wrong {
        Wrong::TooLong => "msg_blocks_too_long".into(),
        Wrong::Blocks(messages) => Refusal::explained("invalid_blocks", messages),
    })
}

impl Content {
    /// Something to show.
    pub fn says(&self) -> bool {
        self.text.as_ref().is_some_and(|text| !text.is_empty())
            || [&self.blocks, &self.attachments].into_iter().flatten().any(|list| !list.is_empty())
    }

    /// What was given replaces what was there.
    pub fn put(self, message: &mut Message) {
        if let Some(text) = self.text {
            message.text = text;
        }
        if let Some(blocks) = self.blocks {
            message.blocks = blocks;
        }
        if let Some(attachments) = self.attachments {
            message.attachments = attachments;
        }
        if let Some(metadata) = self.metadata {
            message.metadata = (metadata != serde_json::json!({})).then_some(metadata);
        }
    }
}

/// A message by the bot in a channel, or for one person's eyes where `only` names one. Returns it.
pub(crate) fn post(
    world: &mut World,
    channel: &str,
    thread: Option<String>,
    content: Content,
    only: Option<&str>,
) -> Message {
    let mut message = Message {
        channel: channel.to_owned(),
        team: world.app.team.clone(),
        ts: world.ts(),
        user: world.app.bot_user.clone(),
        bot_id: Some(world.app.bot_id.clone()),
        app_id: Some(world.app.id.clone()),
        thread_ts: thread,
        ephemeral: only.is_some(),
        posted: world.clock.now(),
        ..Message::default()
    };
    content.put(&mut message);
    match only {
        Some(person) => world.ephemerals.entry(person.to_owned()).or_default().push(message.clone()),
        None => {
            if let Some(found) = world.channels.get_mut(channel) {
                found.messages.push(message.clone());
            }
            super::super::payload::message_event(world, &message);
        }
    }
    message
}
