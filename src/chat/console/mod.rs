//! The built-in console as a chat platform. Its pages read messages from the store, so that posting one is only news:
//! something to look at. Knows nothing of HTTP, store or engine.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Chat, ChatError, Outgoing};
use crate::domain::actor::Platform;

/// The console.
#[derive(Debug)]
pub struct Console {
    news: watch::Sender<u64>,
}

impl Default for Console {
    fn default() -> Self {
        Self { news: watch::Sender::new(0) }
    }
}

impl Console {
    /// Changes whenever this process has posted or edited something. Only a hint: other replicas post too.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }
}

#[async_trait]
impl Chat for Console {
    fn platform(&self) -> Platform {
        Platform::Console
    }

    fn repeatable(&self) -> bool {
        true
    }

    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError> {
        self.tell();
        Ok(message.id.to_string())
    }

    async fn edit(&self, _external: &str, _message: Outgoing<'_>) -> Result<(), ChatError> {
        self.tell();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::card::Card;
    use crate::domain::actor::Place;
    use crate::id::MessageId;

    #[tokio::test]
    async fn a_post_and_an_edit_are_news_and_the_message_keeps_its_id() {
        let console = Console::default();
        let mut news = console.news();
        let (id, card) = (MessageId::new(), Card::default());
        let place = Place::channel(Platform::Console, "#infra");
        let message = Outgoing {
            id: &id,
            place: &place,
            channel: "#infra",
            thread: None,
            whisper_to: None,
            mentions: &[],
            card: &card,
            link: None,
            words: crate::words::Words(crate::domain::settings::Language::En),
            again: false,
        };
        assert_eq!(console.post(message.clone()).await.unwrap(), id.as_str());
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        console.edit(id.as_str(), message).await.unwrap();
        assert!(news.has_changed().unwrap());
    }
}
