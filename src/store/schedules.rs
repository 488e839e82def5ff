//! What a schedule has already fired: one row a schedule and moment, so that replicas fire it once.

use super::sql::{exec, fetch_one};
use super::{Db, Result, Tx};
use crate::clock::Timestamp;

const CLAIM: &str = "INSERT INTO firings (schedule, at) VALUES ($1, $2) ON CONFLICT (schedule, at) DO NOTHING";
const LAST: &str = "SELECT MAX(at) FROM firings WHERE schedule = $1";

pub(super) const STATEMENTS: &[&str] = &[CLAIM, LAST];

/// Claims a schedule's moment; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &mut Tx, schedule: &str, at: Timestamp) -> Result<bool> {
    Ok(exec!(tx, CLAIM, schedule, at.0)? == 1)
}

/// The last moment that a schedule fired.
///
/// # Errors
/// The database's.
pub async fn last(db: &mut Db, schedule: &str) -> Result<Option<Timestamp>> {
    let (last,) = fetch_one!(db, (Option<i64>,), LAST, schedule)?;
    Ok(last.map(Timestamp))
}
