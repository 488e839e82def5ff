//! What a schedule has already fired: one row a schedule and moment, so that replicas fire it once.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;

/// Claims a schedule's moment; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn claim(_tx: &mut Tx, _schedule: &str, _at: Timestamp) -> Result<bool> {
    todo!()
}

/// The last moment that a schedule fired.
///
/// # Errors
/// The database's.
pub async fn last(_db: &mut Db, _schedule: &str) -> Result<Option<Timestamp>> {
    todo!()
}
