//! Signing in to the console: one-time links and sessions. Only digests of tokens are stored.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;

/// Adds a one-time link's token digest.
///
/// # Errors
/// The database's.
pub async fn offer(_tx: &mut Tx, _token_digest: &str, _person: &str, _expires_at: Timestamp) -> Result<()> {
    todo!()
}

/// Uses a one-time link up, and gives whose it is; none if it is unknown, used or too old.
///
/// # Errors
/// The database's.
pub async fn redeem(_tx: &mut Tx, _token_digest: &str, _now: Timestamp) -> Result<Option<PersonId>> {
    todo!()
}

/// Begins a session.
///
/// # Errors
/// The database's.
pub async fn begin(_tx: &mut Tx, _session_digest: &str, _person: &str, _expires_at: Timestamp) -> Result<()> {
    todo!()
}

/// Whose session it is.
///
/// # Errors
/// The database's.
pub async fn person(_db: &mut Db, _session_digest: &str, _now: Timestamp) -> Result<Option<PersonId>> {
    todo!()
}

/// Ends a session.
///
/// # Errors
/// The database's.
pub async fn end(_tx: &mut Tx, _session_digest: &str) -> Result<()> {
    todo!()
}
