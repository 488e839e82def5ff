//! A message, how Slack hands it out, and what a reader sees in it.

use serde_json::{Value, json};

/// A message in a channel, or one that only one person sees.
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub channel: String,
    pub team: String,
    pub ts: String,
    /// Who wrote it: a person, or the bot's user.
    pub user: String,
    pub bot_id: Option<String>,
    pub app_id: Option<String>,
    pub text: String,
    pub blocks: Vec<Value>,
    pub attachments: Vec<Value>,
    pub thread_ts: Option<String>,
    pub broadcast: bool,
    pub metadata: Option<Value>,
    pub files: Vec<String>,
    /// Emoji and who reacted.
    pub reactions: Vec<(String, Vec<String>)>,
    pub pinned: bool,
    pub ephemeral: bool,
    pub unfurls: Option<Value>,
    /// Marked as edited, which it is not where blocks were changed.
    pub edited: bool,
    /// When it was posted and when it was changed, by the fake's clock.
    pub posted: i64,
    pub edits: Vec<i64>,
}

impl Message {
    /// As Slack hands it out.
    #[must_use]
    pub fn json(&self, metadata: bool) -> Value {
        let mut json =
            json!({"type": "message", "user": self.user, "ts": self.ts, "text": self.text, "team": self.team});
        let mut set = |key: &str, value: Value| json[key] = value;
        if let Some(bot) = &self.bot_id {
            set("bot_id", json!(bot));
            set("app_id", json!(self.app_id));
            set("bot_profile", json!({"id": bot, "app_id": self.app_id, "deleted": false, "team_id": self.team}));
        }
        if !self.blocks.is_empty() {
            set("blocks", json!(self.blocks));
        }
        if !self.attachments.is_empty() {
            set("attachments", json!(self.attachments));
        }
        if let Some(thread) = &self.thread_ts {
            set("thread_ts", json!(thread));
        }
        if self.broadcast {
            set("subtype", json!("thread_broadcast"));
        }
        if self.ephemeral {
            set("is_ephemeral", json!(true));
        }
        if let (true, Some(found)) = (metadata, &self.metadata) {
            set("metadata", found.clone());
        }
        if let (true, Some(at)) = (self.edited, self.edits.last()) {
            set("edited", json!({"user": self.user, "ts": format!("{}.000000", at / 1000)}));
        }
        if !self.reactions.is_empty() {
            set("reactions", self.reactions_json());
        }
        if !self.files.is_empty() {
            set("files", self.files.iter().map(|id| json!({"id": id})).collect());
        }
        json
    }

    /// The reactions, as Slack hands them out.
    #[must_use]
    pub fn reactions_json(&self) -> Value {
        let one = |(name, users): &(String, Vec<String>)| json!({"name": name, "users": users, "count": users.len()});
        self.reactions.iter().map(one).collect()
    }

    /// Every text a reader sees, from blocks, or the fallback where there are none.
    #[must_use]
    pub fn words(&self) -> String {
        if self.blocks.is_empty() {
            return self.text.clone();
        }
        let mut found = Vec::new();
        self.blocks.iter().for_each(|block| texts(block, &mut |text, _| found.push(text.to_owned())));
        found.join("\n")
    }

    /// Elements that a person can act on: `(block_id, element)`.
    #[must_use]
    pub fn elements(&self) -> Vec<(String, Value)> {
        elements(&self.blocks)
    }

    /// `(action_id, label)` of the buttons that are on it now.
    #[must_use]
    pub fn buttons(&self) -> Vec<(String, String)> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let buttons = self.elements().into_iter().filter(|(_, element)| element["type"] == "button");
        buttons.map(|(_, button)| (word(&button["action_id"]), word(&button["text"]["text"]))).collect()
    }

    /// What Slack makes live in it: everything between `<` and `>` in texts it reads as markup, such as `!channel`,
    /// `@U1` or `https://…|word`. Entities are not decoded first, as Slack does not.
    #[must_use]
    pub fn live(&self) -> Vec<String> {
        let mut sources = vec![self.text.clone()];
        for block in &self.blocks {
            texts(block, &mut |text, markup| sources.extend(markup.then(|| text.to_owned())));
        }
        let tokens = |text: &String| -> Vec<String> {
            text.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(token, _)| token.to_owned()).collect()
        };
        sources.iter().flat_map(tokens).collect()
    }
}

/// Elements of blocks that a person can act on: `(block_id, element)`.
#[must_use]
pub fn elements(blocks: &[Value]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for block in blocks {
        let id = block["block_id"].as_str().unwrap_or_default();
        let list = block["elements"].as_array().into_iter().flatten();
        let all = list.chain([&block["accessory"], &block["element"]]);
        found.extend(all.filter(|element| element["action_id"].is_string()).map(|one| (id.to_owned(), one.clone())));
    }
    found
}

/// Texts anywhere in a block, and whether Slack reads markup in them.
fn texts(value: &Value, each: &mut dyn FnMut(&str, bool)) {
    match value {
        Value::Object(map) => {
            let markup = matches!(value["type"].as_str(), Some("mrkdwn" | "markdown"));
            for (key, inner) in map {
                match inner.as_str() {
                    Some(text)
                        if matches!(key.as_str(), "text" | "alt_text" | "caption" | "title" | "name" | "label") =>
                    {
                        each(text, markup);
                    }
                    _ => texts(inner, each),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| texts(inner, each)),
        _ => {}
    }
}
