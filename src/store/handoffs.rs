//! Shift changes: one row a team and moment, accepted by the incoming person.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;
use crate::id::{HandoffId, MessageId};

/// One shift change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// The team.
    pub team: String,
    /// The shift change's moment.
    pub at: Timestamp,
    /// Who goes; none at a rota's start.
    pub outgoing: Option<PersonId>,
    /// Who comes.
    pub incoming: PersonId,
    /// Its card.
    pub message: MessageId,
    /// When the incoming person accepted.
    pub accepted_at: Option<Timestamp>,
    /// Who accepted.
    pub accepted_by: Option<PersonId>,
}

/// Adds a shift change; false if that team's change at that moment is there already.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _handoff: &Handoff) -> Result<bool> {
    todo!()
}

/// One shift change.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &HandoffId) -> Result<Option<Handoff>> {
    todo!()
}

/// A team's shift change at a moment.
///
/// # Errors
/// The database's.
pub async fn at(_db: &mut Db, _team: &str, _at: Timestamp) -> Result<Option<Handoff>> {
    todo!()
}

/// Accepts it; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn accept(_tx: &mut Tx, _id: &HandoffId, _by: &str, _at: Timestamp) -> Result<bool> {
    todo!()
}
