//! Review tasks that a break of glass leaves behind.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;
use crate::id::{MessageId, ReviewId, RunId};

/// One review task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The run that went on alone.
    pub run: RunId,
    /// Who went on alone; may not close it.
    pub opened_by: PersonId,
    /// When.
    pub opened_at: Timestamp,
    /// The reason they typed.
    pub reason: String,
    /// Its card.
    pub message: MessageId,
    /// Who looked at it.
    pub closed_by: Option<PersonId>,
    /// When.
    pub closed_at: Option<Timestamp>,
    /// What they wrote.
    pub note: Option<String>,
}

/// Adds a review task.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _review: &Review) -> Result<()> {
    todo!()
}

/// One review task.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &ReviewId) -> Result<Option<Review>> {
    todo!()
}

/// Closes it; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn close(_tx: &mut Tx, _id: &ReviewId, _by: &str, _note: &str, _at: Timestamp) -> Result<bool> {
    todo!()
}

/// Review tasks that are open, oldest first.
///
/// # Errors
/// The database's.
pub async fn open(_db: &mut Db) -> Result<Vec<Review>> {
    todo!()
}
