//! Locks on targets, held by runs; the primary key decides who is first.

use super::sql::{exec, fetch_all, fetch_one};
use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::id::RunId;

// The update changes nothing; it makes the statement give the row that was there first.
const TAKE: &str = "INSERT INTO locks (lock_key, run, taken_at) VALUES ($1, $2, $3)
    ON CONFLICT (lock_key) DO UPDATE SET lock_key = excluded.lock_key
    RETURNING run";
const RELEASE: &str = "DELETE FROM locks WHERE run = $1";
const HELD: &str = "SELECT lock_key, run, taken_at FROM locks ORDER BY taken_at, lock_key";

pub(super) const STATEMENTS: &[&str] = &[TAKE, RELEASE, HELD];

/// Takes a lock, or gives the run that has it; taking it twice is taking it once.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut Tx, key: &str, run: &RunId, at: Timestamp) -> Result<std::result::Result<(), RunId>> {
    let (holder,) = fetch_one!(tx, (String,), TAKE, key, run.as_str(), at.0)?;
    Ok(if holder == run.as_str() { Ok(()) } else { Err(holder.into()) })
}

/// Gives back everything that a run holds.
///
/// # Errors
/// The database's.
pub async fn release(tx: &mut Tx, run: &RunId) -> Result<()> {
    exec!(tx, RELEASE, run.as_str())?;
    Ok(())
}

/// What is held, by whom, since when.
///
/// # Errors
/// The database's.
pub async fn held(db: &mut Db) -> Result<Vec<(String, RunId, Timestamp)>> {
    let rows = fetch_all!(db, (String, String, i64), HELD)?;
    Ok(rows.into_iter().map(|(key, run, at)| (key, run.into(), Timestamp(at))).collect())
}
