//! Delivers messages: whatever a platform does not have yet, in each channel's order. The only place that decides
//! whether to try again.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::chat::card::Card;
use crate::chat::{Chat, ChatError, Outgoing};
use crate::clock::Timestamp;
use crate::store::messages::{self, Message};
use crate::store::{Result, Tx};

/// Messages looked at in one pass.
const BATCH: i64 = 100;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a replica may take over a message before another tries it.
const CLAIM: Duration = Duration::from_secs(30);
/// Longest time that one call of a platform may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a platform answered: its id for the message, or why not.
type Answer = std::result::Result<String, ChatError>;

impl Engine {
    /// Delivers what is due; gives how many messages were tried.
    pub(super) async fn deliver(self: &Arc<Self>) -> Result<usize> {
        let mut tried = 0;
        for chat in self.chats.values() {
            tried += self.deliver_to(chat.as_ref()).await?;
        }
        Ok(tried)
    }

    async fn deliver_to(&self, chat: &dyn Chat) -> Result<usize> {
        let now = self.clock.now();
        let due = messages::due(&mut self.store.read().await?, chat.platform(), now, BATCH).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut tx = self.store.begin().await?;
        let mut mine = Vec::new();
        for message in due {
            if messages::claim(&mut tx, &message.id, now, now.after(CLAIM)).await? {
                mine.push(message);
            }
        }
        tx.commit().await?;
        let mut sent = Vec::new();
        for message in mine {
            let result = self.send(chat, &message).await;
            sent.push((message, result));
        }
        fail::fail_point!("engine.after_send");
        let mut tx = self.store.begin().await?;
        for (message, result) in &sent {
            self.note_sent(&mut tx, message, result).await?;
        }
        tx.commit().await?;
        Ok(sent.len())
    }

    async fn send(&self, chat: &dyn Chat, message: &Message) -> Answer {
        let card: Card =
            serde_json::from_value(message.card.clone()).map_err(|error| ChatError::Refused(error.to_string()))?;
        let thread = match &message.place.thread {
            Some(root) => self.external_of(root).await.map_err(|error| ChatError::Unavailable(error.to_string()))?,
            None => None,
        };
        let outgoing = Outgoing {
            id: &message.id,
            place: &message.place,
            thread: thread.as_deref(),
            whisper_to: message.whisper_to.as_deref(),
            card: &card,
        };
        let call = async {
            match &message.external {
                None => chat.post(outgoing).await,
                Some(external) => chat.edit(external, outgoing).await.map(|()| external.clone()),
            }
        };
        tokio::time::timeout(DEADLINE, call)
            .await
            .unwrap_or_else(|_| Err(ChatError::Unavailable("no answer in time".to_owned())))
    }

    async fn external_of(&self, root: &crate::id::MessageId) -> Result<Option<String>> {
        let root = messages::get(&mut self.store.read().await?, root).await?;
        Ok(root.and_then(|root| root.external))
    }

    async fn note_sent(&self, tx: &mut Tx, message: &Message, result: &Answer) -> Result<()> {
        let now = self.clock.now();
        match result {
            Ok(external) => messages::posted(tx, &message.id, message.version, external).await,
            Err(ChatError::RateLimited(wait)) => {
                messages::postpone(tx, &message.id, now.after(*wait), "rate limited").await
            }
            Err(ChatError::Unavailable(why)) => {
                let pause = Duration::from_secs(1 << message.attempts.min(6)).min(LONGEST_PAUSE);
                messages::postpone(tx, &message.id, now.after(pause), why).await
            }
            Err(ChatError::Refused(why)) => {
                tracing::error!(message = %message.id, why, "a platform refuses a message; it is listed by doctor");
                messages::postpone(tx, &message.id, Timestamp(i64::MAX), why).await
            }
        }
    }
}
