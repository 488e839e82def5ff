//! The hash chain: appended in the transaction of what it tells, read by stream, by time and as a whole.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::timeline::{Entry, NewEntry};

/// Appends entries at the end of the chain. Takes the chain's head, so transactions that append follow one another:
/// call it last.
///
/// # Errors
/// The database's.
pub async fn append(_tx: &mut Tx, _entries: Vec<NewEntry>) -> Result<()> {
    todo!()
}

/// A stream's entries, in order.
///
/// # Errors
/// The database's.
pub async fn stream(_db: &mut Db, _stream: &str) -> Result<Vec<Entry>> {
    todo!()
}

/// Entries of a span of time, in order.
///
/// # Errors
/// The database's.
pub async fn between(_db: &mut Db, _from: Timestamp, _until: Timestamp) -> Result<Vec<Entry>> {
    todo!()
}

/// Entries after a number, in order, at most `limit`: for verification and export.
///
/// # Errors
/// The database's.
pub async fn page(_db: &mut Db, _after: i64, _limit: i64) -> Result<Vec<Entry>> {
    todo!()
}

/// The recorded head: number and hash of the last entry.
///
/// # Errors
/// The database's.
pub async fn head(_db: &mut Db) -> Result<(i64, String)> {
    todo!()
}
