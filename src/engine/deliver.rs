//! Delivers messages: whatever a platform does not have yet, in each channel's order. The only place that decides
//! whether to try again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::Engine;
use crate::chat::card::Card;
use crate::chat::{Chat, ChatError, Outgoing};
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::store::messages::{self, Message};
use crate::store::{Result, StoreError, Tx};
use crate::words::Words;

/// Messages looked at in one pass.
const BATCH: i64 = 100;
/// Channels sent to at once.
const SIDE_BY_SIDE: usize = 8;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a replica may take over a message before another tries it.
const CLAIM: Duration = Duration::from_secs(30);
/// Longest time that one call of a platform may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a platform answered: its id for the message, or why not.
type Answer = std::result::Result<String, ChatError>;

/// A message that this replica has taken on.
pub(super) struct Sent {
    message: Message,
    claimed_until: Timestamp,
    /// None if it was not tried.
    answer: Option<Answer>,
}

/// The platform's ids of messages, as far as one pass knows them.
type Externals = BTreeMap<MessageId, Option<String>>;

impl Engine {
    /// Delivers what is due; gives how many messages were tried.
    pub(super) async fn deliver(self: &Arc<Self>) -> Result<usize> {
        let mut owed = self.delivering.lock().await;
        // First what the database did not learn while it was away: what was posted is not posted again.
        self.write_down(&mut owed).await?;
        let mut tried = 0;
        for chat in self.chats.values() {
            tried += self.deliver_to(chat.as_ref(), &mut owed).await?;
        }
        Ok(tried)
    }

    async fn deliver_to(&self, chat: &dyn Chat, owed: &mut Vec<Sent>) -> Result<usize> {
        let now = self.clock.now();
        let due = messages::due(&mut self.store.read().await?, chat.platform(), now, BATCH).await?;
        if due.is_empty() {
            return Ok(0);
        }
        if chat.repeatable() {
            let mine = |message| Sent { message, claimed_until: now.after(CLAIM), answer: None };
            owed.extend(due.into_iter().map(mine));
        } else {
            self.claim(due, now, owed).await?;
        }
        self.send_all(chat, owed).await;
        fail::fail_point!("engine.after_send");
        let tried = owed.len();
        self.write_down(owed).await?;
        Ok(tried)
    }

    /// Takes messages for this replica, as far as no other one was faster. They are owed before it is certain that they
    /// are taken: should the answer to that be lost, they are given back.
    async fn claim(&self, due: Vec<Message>, now: Timestamp, owed: &mut Vec<Sent>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let claimed_until = now.after(CLAIM);
        let mut taken = BTreeSet::new();
        for message in due {
            // What another replica has, or changed in between, is not to be overtaken by what comes after it.
            if taken.contains(&message.place.channel) {
                continue;
            }
            if messages::claim(&mut tx, &message, now, claimed_until).await? {
                owed.push(Sent { message, claimed_until, answer: None });
            } else {
                taken.insert(message.place.channel);
            }
        }
        tx.commit().await
    }

    /// Notes what became of claimed messages. As long as the database is away they stay owed; with any other error
    /// they are left to the end of their claims.
    async fn write_down(&self, owed: &mut Vec<Sent>) -> Result<()> {
        if owed.is_empty() {
            return Ok(());
        }
        let noted = async {
            let mut tx = self.store.begin().await?;
            for sent in owed.iter() {
                self.note_sent(&mut tx, sent).await?;
            }
            tx.commit().await
        };
        let noted = noted.await;
        if !matches!(noted, Err(StoreError::Away(_))) {
            owed.clear();
        }
        noted
    }

    /// Sends messages, each channel's in their order and channels side by side, so that a slow one delays no other.
    async fn send_all(&self, chat: &dyn Chat, owed: &mut [Sent]) {
        let mut channels: BTreeMap<String, Vec<&mut Sent>> = BTreeMap::new();
        for sent in owed {
            channels.entry(sent.message.place.channel.clone()).or_default().push(sent);
        }
        // Boxed one by one: the compiler cannot tell that a closure that makes them may go to another thread.
        let mut sending: Vec<BoxFuture<'_, ()>> = Vec::with_capacity(channels.len());
        for channel in channels.into_values() {
            sending.push(self.send_channel(chat, channel).boxed());
        }
        futures_util::stream::iter(sending).buffer_unordered(SIDE_BY_SIDE).collect::<()>().await;
    }

    /// Sends a channel's messages in their order. Where a new one must wait, or the platform does, the rest waits with
    /// it, untried; so does what there is no time for while the claims hold.
    async fn send_channel(&self, chat: &dyn Chat, messages: Vec<&mut Sent>) {
        let started = Instant::now();
        let mut known = BTreeMap::new();
        for Sent { message, answer: noted, .. } in messages {
            if started.elapsed() > CLAIM - DEADLINE {
                return;
            }
            let answer = self.send(chat, message, &mut known).await;
            let waits = match &answer {
                Ok(external) => {
                    known.insert(message.id.clone(), Some(external.clone()));
                    false
                }
                Err(ChatError::Refused(_)) => false,
                Err(ChatError::Later(_)) => message.external.is_none(),
                Err(_) => true,
            };
            *noted = Some(answer);
            if waits {
                return;
            }
        }
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
        let settings = self.settings.load_full();
        let platform = chat.platform();
        let channel = settings
            .address(platform, &message.place.channel)
            .ok_or_else(|| ChatError::Refused(format!("{} is not on {platform}", message.place.channel)))?;
        let whisper_to = match &message.whisper_to {
            Some(person) => Some(
                settings
                    .identity(platform, person)
                    .ok_or_else(|| ChatError::Refused(format!("{person} has no identity on {platform}")))?,
            ),
            None => None,
        };
        let called = card.mentions.iter().filter_map(|person| settings.identity(platform, person));
        let mentions: Vec<String> = called.map(str::to_owned).collect();
        let link = card.link.as_ref().map(|path| format!("{}{path}", settings.public_url));
        let outgoing = Outgoing {
            link: link.as_deref(),
            words: Words(settings.language),
            id: &message.id,
            place: &message.place,
            channel,
            thread: thread.as_deref(),
            whisper_to,
            mentions: &mentions,
            card: &card,
            again: message.again,
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

    async fn note_sent(&self, tx: &mut Tx, sent: &Sent) -> Result<()> {
        let (now, message) = (self.clock.now(), &sent.message);
        let Some(answer) = &sent.answer else {
            return messages::give_back(tx, message, sent.claimed_until).await;
        };
        match answer {
            Ok(external) => messages::posted(tx, &message.id, message.version, external).await,
            // Whoever has it by now tries it themselves.
            Err(_) if now >= sent.claimed_until => Ok(()),
            Err(ChatError::RateLimited(wait) | ChatError::Later(wait)) => {
                messages::pause(tx, message, now.after(*wait)).await
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
