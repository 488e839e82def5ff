//! The inbox: everything that came in, stored before it is acknowledged, once an idempotency key. Many requests share
//! one transaction on SQLite (group commit); each is answered after its own commit.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Db, Result, Store, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::{PersonId, Place};
use crate::id::{DeliveryId, MessageId, ReplicaId};

/// What came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A line of chat that is meant for us, without the slash command's word.
    Text {
        /// Who, already known by their identity.
        by: PersonId,
        /// Where.
        place: Place,
        /// What.
        text: String,
    },
    /// A pressed button, with the values of its form.
    Press {
        /// Who.
        by: PersonId,
        /// Where.
        place: Place,
        /// On which message.
        message: MessageId,
        /// Which button, by id or label.
        button: String,
        /// The form's values.
        values: std::collections::BTreeMap<String, Value>,
    },
    /// An alert body, as it was sent, from a source that proved itself.
    Hook {
        /// The hook's name.
        hook: String,
        /// The body; text, because it was checked to be JSON.
        body: String,
    },
}

/// One accepted request, not yet stored.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// The platform's id for it, with the door's name before it; the same key twice is the same request.
    pub key: String,
    /// What came in.
    pub input: Input,
    /// When.
    pub at: Timestamp,
}

/// One stored request.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// What came in.
    pub input: Input,
    /// When.
    pub at: Timestamp,
    /// How often its handling was begun, this time included.
    pub attempt: u32,
}

crate::domain::text_enum! {
    /// What became of a request.
    DeliveryState {
        /// Not looked at.
        New = "new",
        /// A replica is at it until its lease ends.
        Taken = "taken",
        /// Dealt with.
        Done = "done",
        /// Given up on: its handling failed again and again. Listed by `doctor`.
        Failed = "failed",
    }
}

/// Stores a request durably and gives its id, or the id of the one that came before with the same key.
///
/// # Errors
/// When it is not certain that it is stored; the sender is told to try again.
pub async fn accept(_store: &Store, _delivery: NewDelivery) -> Result<DeliveryId> {
    todo!()
}

/// Takes up to `limit` requests, oldest first, that are new or whose lease ended before `now`.
///
/// # Errors
/// The database's.
pub async fn claim(
    _tx: &mut Tx,
    _by: &ReplicaId,
    _now: Timestamp,
    _lease_until: Timestamp,
    _limit: i64,
) -> Result<Vec<Delivery>> {
    todo!()
}

/// Ends a request's handling; false if it was not taken any more. Called in the transaction that holds its effects,
/// so that a request is dealt with exactly once.
///
/// # Errors
/// The database's.
pub async fn finish(_tx: &mut Tx, _id: &DeliveryId, _state: DeliveryState) -> Result<bool> {
    todo!()
}

/// Gives a taken request back after an error, to be taken again from `not_before` on.
///
/// # Errors
/// The database's.
pub async fn release(_tx: &mut Tx, _id: &DeliveryId, _not_before: Timestamp) -> Result<()> {
    todo!()
}

/// How many requests are in each state, for health, metrics and `doctor`.
///
/// # Errors
/// The database's.
pub async fn counts(_db: &mut Db) -> Result<Vec<(DeliveryState, i64)>> {
    todo!()
}
