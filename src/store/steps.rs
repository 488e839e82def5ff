//! Steps of runs. Every change is a compare-and-set on the state and owner that were read.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::step::{StepRun, StepState};
use crate::id::{ReplicaId, RunId};

/// Adds a step.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _step: &StepRun) -> Result<()> {
    todo!()
}

/// A run's steps, in order.
///
/// # Errors
/// The database's.
pub async fn of_run(_db: &mut Db, _run: &RunId) -> Result<Vec<StepRun>> {
    todo!()
}

/// One step.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _run: &RunId, _position: usize) -> Result<Option<StepRun>> {
    todo!()
}

/// Writes a step if it still is in state `from`, on attempt `attempt`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(_tx: &mut Tx, _step: &StepRun, _from: StepState, _attempt: u32) -> Result<bool> {
    todo!()
}

/// Prolongs the leases of every step that `owner` runs; gives how many.
///
/// # Errors
/// The database's.
pub async fn renew(_tx: &mut Tx, _owner: &ReplicaId, _lease_until: Timestamp) -> Result<u64> {
    todo!()
}

/// Steps that run under a lease that ended before `now`, or, with `alone`, under any owner but that one: on SQLite a
/// process that starts knows that every other owner is dead.
///
/// # Errors
/// The database's.
pub async fn lost(_db: &mut Db, _now: Timestamp, _alone: Option<&ReplicaId>) -> Result<Vec<StepRun>> {
    todo!()
}

/// Steps in a state, oldest run first, for handoffs and health.
///
/// # Errors
/// The database's.
pub async fn in_state(_db: &mut Db, _state: StepState) -> Result<Vec<StepRun>> {
    todo!()
}
