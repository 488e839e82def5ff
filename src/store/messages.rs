//! Messages of ours, as they should be and as the platform has them: the outbox. A message whose `posted_version` is
//! behind its `version` is due; so edits collapse, and nothing is ever posted out of its channel's order.
//! Cards are opaque JSON here.

use serde_json::Value;

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::{PersonId, Place, Platform};
use crate::id::{DeliveryId, MessageId};

/// A message to be.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id, drawn by the caller, who needs it for buttons and threads.
    pub id: MessageId,
    /// Where.
    pub place: Place,
    /// Who said it, when it is a person's line on the console; none for ours.
    pub author: Option<PersonId>,
    /// Only for this person.
    pub whisper_to: Option<PersonId>,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// What it says.
    pub card: Value,
    /// When.
    pub at: Timestamp,
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its place in the order of messages.
    pub seq: i64,
    /// Grows with every change of any message: what a live view asks for news after.
    pub revision: i64,
    /// Where.
    pub place: Place,
    /// A person, or none for ours.
    pub author: Option<PersonId>,
    /// Only for this person.
    pub whisper_to: Option<PersonId>,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// What it should say.
    pub card: Value,
    /// Every button that it ever had, by id, with what it does.
    pub presses: Value,
    /// Version of `card`.
    pub version: i64,
    /// The version that the platform has; 0 before it is posted.
    pub posted_version: i64,
    /// The platform's id.
    pub external: Option<String>,
    /// Failed tries to post the present version.
    pub attempts: u32,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// The last error, where the platform does not take it.
    pub error: Option<String>,
    /// When it was first said.
    pub at: Timestamp,
}

/// Adds a message at the end of its channel. Its `presses` are taken from `card.buttons[].{id,press}`.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _message: &NewMessage) -> Result<()> {
    todo!()
}

/// Changes what a message should say; its buttons are added to those that it ever had. An equal card changes nothing.
///
/// # Errors
/// The database's.
pub async fn edit(_tx: &mut Tx, _id: &MessageId, _card: &Value) -> Result<()> {
    todo!()
}

/// One message.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &MessageId) -> Result<Option<Message>> {
    todo!()
}

/// A thread's root and all its replies, in order.
///
/// # Errors
/// The database's.
pub async fn thread(_db: &mut Db, _root: &MessageId) -> Result<Vec<Message>> {
    todo!()
}

/// Messages that answer a request, in order.
///
/// # Errors
/// The database's.
pub async fn replies_to(_db: &mut Db, _delivery: &DeliveryId) -> Result<Vec<Message>> {
    todo!()
}

/// The latest `limit` messages of a channel itself, threads apart, in order; only those that `person` may see.
///
/// # Errors
/// The database's.
pub async fn channel(_db: &mut Db, _channel: &str, _person: &str, _limit: i64) -> Result<Vec<Message>> {
    todo!()
}

/// What changed after a revision, in the order of revisions, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn changed(_db: &mut Db, _after: i64, _limit: i64) -> Result<Vec<Message>> {
    todo!()
}

/// The present revision.
///
/// # Errors
/// The database's.
pub async fn revision(_db: &mut Db) -> Result<i64> {
    todo!()
}

/// Messages of a platform that are due by `now`, in order. Of each channel only those with no older unposted message
/// before them: first posts keep their order, and a channel that must wait waits as a whole.
///
/// # Errors
/// The database's.
pub async fn due(_db: &mut Db, _platform: Platform, _now: Timestamp, _limit: i64) -> Result<Vec<Message>> {
    todo!()
}

/// Notes that the platform has `version` of a message.
///
/// # Errors
/// The database's.
pub async fn posted(_tx: &mut Tx, _id: &MessageId, _version: i64, _external: &str) -> Result<()> {
    todo!()
}

/// Notes a failed try, and when to try next; the far future for never.
///
/// # Errors
/// The database's.
pub async fn postpone(_tx: &mut Tx, _id: &MessageId, _not_before: Timestamp, _error: &str) -> Result<()> {
    todo!()
}

/// Messages that the platform does not have and has refused or failed at least once, for `doctor` and health.
///
/// # Errors
/// The database's.
pub async fn undelivered(_db: &mut Db) -> Result<i64> {
    todo!()
}

/// Claims a due message for one delivery: others leave it alone until `until`. False if somebody else has.
///
/// # Errors
/// The database's.
pub async fn claim(_tx: &mut Tx, _id: &MessageId, _now: Timestamp, _until: Timestamp) -> Result<bool> {
    todo!()
}
