//! Port 1: chat platforms. A platform posts and edits cards and hands in what people say; it knows nothing of
//! runbooks, store or engine. The only place, with `executor`, where features choose code.

pub mod card;
pub mod cards;
pub mod console;

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::actor::{Place, Platform};
use crate::id::MessageId;
use card::Card;

/// A message to be shown: the desired state of one message of ours.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// Our id; also the marker by which a platform recognizes a repeated post.
    pub id: &'a MessageId,
    /// Where.
    pub place: &'a Place,
    /// The platform's own id of the thread's root, where the place is a thread that it knows.
    pub thread: Option<&'a str>,
    /// Only for this person, as an ephemeral message.
    pub whisper_to: Option<&'a str>,
    /// What it says.
    pub card: &'a Card,
}

/// A chat platform.
#[async_trait]
pub trait Chat: Send + Sync {
    /// Which one.
    fn platform(&self) -> Platform;

    /// Whether posting or editing again, also by two replicas at once, changes nothing that people see: then nobody
    /// has to claim its messages.
    fn repeatable(&self) -> bool {
        false
    }

    /// Posts a message, and gives the platform's id for it. Posting the same id again must not show it twice.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError>;

    /// Brings a posted message up to date.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn edit(&self, external: &str, message: Outgoing<'_>) -> Result<(), ChatError>;
}

/// Why a platform did not take a message. Whether to try again is decided in one place, `engine::deliver`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// Too fast; not before this span has passed.
    #[error("the platform asks to wait {0:?}")]
    RateLimited(Duration),
    /// It did not answer, or not sensibly.
    #[error("the platform is unavailable: {0}")]
    Unavailable(String),
    /// It will never take this.
    #[error("the platform refuses: {0}")]
    Refused(String),
}
