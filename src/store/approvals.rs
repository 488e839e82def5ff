//! Approvals and their votes; one vote a person, decided by a primary key.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::approval::{Approval, ApprovalState, Vote};
use crate::id::{ApprovalId, RunId};

/// Adds an approval.
///
/// # Errors
/// The database's.
pub async fn insert(_tx: &mut Tx, _approval: &Approval) -> Result<()> {
    todo!()
}

/// One approval.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &ApprovalId) -> Result<Option<Approval>> {
    todo!()
}

/// Writes an approval's state and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(_tx: &mut Tx, _approval: &Approval, _from: ApprovalState) -> Result<bool> {
    todo!()
}

/// Counts a vote; false if that person already voted.
///
/// # Errors
/// The database's.
pub async fn vote(_tx: &mut Tx, _id: &ApprovalId, _vote: &Vote) -> Result<bool> {
    todo!()
}

/// The votes, in order.
///
/// # Errors
/// The database's.
pub async fn votes(_db: &mut Db, _id: &ApprovalId) -> Result<Vec<Vote>> {
    todo!()
}

/// Approvals that are pending, oldest first.
///
/// # Errors
/// The database's.
pub async fn pending(_db: &mut Db) -> Result<Vec<Approval>> {
    todo!()
}

/// A run's approvals, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_run(_db: &mut Db, _run: &RunId) -> Result<Vec<Approval>> {
    todo!()
}

/// Pending approvals that die by `now`.
///
/// # Errors
/// The database's.
pub async fn expired(_db: &mut Db, _now: Timestamp) -> Result<Vec<Approval>> {
    todo!()
}
