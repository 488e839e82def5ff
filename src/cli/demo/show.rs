//! What the terminal shows of the channel while the scene is played: every message as it is posted or edited.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::render::{card_text, text};

/// The channel as it was last seen.
pub struct Show {
    client: Client,
    seen: BTreeMap<String, String>,
}

impl Show {
    /// Nothing seen yet.
    pub fn new(client: Client) -> Self {
        Self { client, seen: BTreeMap::new() }
    }

    /// Reads the channel and its threads, prints what is new, and gives all cards.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn look(&mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for root in self.call("channels/infra/messages").await? {
            let path = format!("messages/{}/thread", text(&root, "id"));
            all.extend(self.call(&path).await?);
        }
        for card in &all {
            let indent = if text(card, "thread").is_empty() { "" } else { "    " };
            let shown: String = card_text(card).lines().map(|line| format!("{indent}{line}\n")).collect();
            let before = self.seen.insert(text(card, "id"), shown.clone());
            if before.as_ref() != Some(&shown) {
                println!("{shown}");
            }
        }
        Ok(all)
    }

    async fn call(&self, path: &str) -> Result<Vec<Value>> {
        let value = self.client.call(path, None).await.map_err(|failure| anyhow!("{failure}"))?;
        Ok(value.as_array().cloned().unwrap_or_default())
    }
}
