//! Locks on targets, held by runs; the primary key decides who is first.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::id::RunId;

/// Takes a lock, or gives the run that has it.
///
/// # Errors
/// The database's.
pub async fn take(_tx: &mut Tx, _key: &str, _run: &RunId, _at: Timestamp) -> Result<std::result::Result<(), RunId>> {
    todo!()
}

/// Gives back everything that a run holds.
///
/// # Errors
/// The database's.
pub async fn release(_tx: &mut Tx, _run: &RunId) -> Result<()> {
    todo!()
}

/// What is held, by whom, since when.
///
/// # Errors
/// The database's.
pub async fn held(_db: &mut Db) -> Result<Vec<(String, RunId, Timestamp)>> {
    todo!()
}
