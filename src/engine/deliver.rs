//! Delivers messages: whatever a platform does not have yet, in each channel's order. The only place that decides
//! whether to try again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use crate::chat::card::Card;
use crate::chat::{Chat, ChatError, Outgoing};
use crate::clock::Timestamp;
use crate::id::MessageId;
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
/// The platform's ids of messages, as far as one pass knows them.
type Externals = BTreeMap<MessageId, Option<String>>;

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
        // On SQLite this process is alone with its file: nobody else would send them.
        let mine = if self.store.is_sqlite() { due } else { self.claim(due, now).await? };
        let sent = self.send_all(chat, mine).await;
        fail::fail_point!("engine.after_send");
        let mut tx = self.store.begin().await?;
        for (message, answer) in &sent {
            match answer {
                Some(answer) => self.note_sent(&mut tx, message, answer).await?,
                None => messages::give_back(&mut tx, &message.id).await?,
            }
        }
        tx.commit().await?;
        Ok(sent.len())
    }

    /// Takes messages for itself, as far as no other replica was faster.
    async fn claim(&self, due: Vec<Message>, now: Timestamp) -> Result<Vec<Message>> {
        let mut tx = self.store.begin().await?;
        let (mut mine, mut taken) = (Vec::new(), BTreeSet::new());
        for message in due {
            // What another replica has is not to be overtaken by what comes after it.
            if taken.contains(&message.place.channel) {
                continue;
            }
            if messages::claim(&mut tx, &message.id, now, now.after(CLAIM)).await? {
                mine.push(message);
            } else {
                taken.insert(message.place.channel);
            }
        }
        tx.commit().await?;
        Ok(mine)
    }

    /// Sends messages in their order. Where one must wait, the rest of its channel waits with it, untried; so does what
    /// there is no time for while the claims hold.
    async fn send_all(&self, chat: &dyn Chat, messages: Vec<Message>) -> Vec<(Message, Option<Answer>)> {
        let started = Instant::now();
        let (mut waiting, mut known) = (BTreeSet::new(), BTreeMap::new());
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            if started.elapsed() > CLAIM - DEADLINE || waiting.contains(&message.place.channel) {
                sent.push((message, None));
                continue;
            }
            let answer = self.send(chat, &message, &mut known).await;
            match &answer {
                Ok(external) => drop(known.insert(message.id.clone(), Some(external.clone()))),
                Err(ChatError::Refused(_)) => {}
                Err(_) => drop(waiting.insert(message.place.channel.clone())),
            }
            sent.push((message, Some(answer)));
        }
        sent
    }

    async fn send(&self, chat: &dyn Chat, message: &Message, known: &mut Externals) -> Answer {
        let card: Card =
            serde_json::from_value(message.card.clone()).map_err(|error| ChatError::Refused(error.to_string()))?;
        let thread = match &message.place.thread {
            Some(root) => {
                self.external_of(root, known).await.map_err(|error| ChatError::Unavailable(error.to_string()))?
            }
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

    async fn external_of(&self, root: &MessageId, known: &mut Externals) -> Result<Option<String>> {
        if let Some(external) = known.get(root) {
            return Ok(external.clone());
        }
        let stored = messages::get(&mut self.store.read().await?, root).await?;
        let external = stored.and_then(|stored| stored.external);
        known.insert(root.clone(), external.clone());
        Ok(external)
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
