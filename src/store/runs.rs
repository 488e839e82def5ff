//! Runs. The body is JSON text; what is asked for by column has a column.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::run::{Run, RunState};
use crate::id::{IncidentId, RunId};

/// Adds a run.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _run: &Run) -> Result<()> {
    todo!()
}

/// One run.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &RunId) -> Result<Option<Run>> {
    todo!()
}

/// Writes a run's state, end and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(_tx: &mut Tx, _run: &Run, _from: RunState) -> Result<bool> {
    todo!()
}

/// Runs that are not over, oldest first.
///
/// # Errors
/// The database's.
pub async fn open(_db: &mut Db) -> Result<Vec<Run>> {
    todo!()
}

/// The latest runs, newest first.
///
/// # Errors
/// The database's.
pub async fn latest(_db: &mut Db, _limit: i64) -> Result<Vec<Run>> {
    todo!()
}

/// Runs asked for in a span, oldest first.
///
/// # Errors
/// The database's.
pub async fn between(_db: &mut Db, _from: Timestamp, _until: Timestamp) -> Result<Vec<Run>> {
    todo!()
}

/// Runs of an incident, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_incident(_db: &mut Db, _incident: &IncidentId) -> Result<Vec<Run>> {
    todo!()
}
