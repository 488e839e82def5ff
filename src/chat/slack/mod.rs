//! Slack as a chat platform. Knows Slack's ids, limits and manners; nothing of runbooks, store or engine.

pub mod render;

use async_trait::async_trait;

use super::{Chat, ChatError, Outgoing, SlackApp};
use crate::domain::actor::Platform;

/// The Slack app.
pub struct Slack {
    app: SlackApp,
}

impl Slack {
    /// The app, not connected yet.
    #[must_use]
    pub fn new(app: SlackApp) -> Self {
        Self { app }
    }
}

#[async_trait]
impl Chat for Slack {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError> {
        Err(ChatError::Unavailable(format!("{} is not called yet, and so {} waits", self.app.api_url, message.id)))
    }

    async fn edit(&self, external: &str, _message: Outgoing<'_>) -> Result<(), ChatError> {
        Err(ChatError::Unavailable(format!("{} is not called yet, and so {external} waits", self.app.api_url)))
    }
}
