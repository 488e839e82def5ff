//! Signing in to the console: one-time links and sessions. Only digests of tokens are stored.

use super::sql::{exec, fetch_optional};
use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;

const OFFER: &str = "INSERT INTO links (digest, person, expires_at) VALUES ($1, $2, $3)";
const REDEEM: &str = "DELETE FROM links WHERE digest = $1 AND expires_at > $2 RETURNING person";
const BEGIN: &str = "INSERT INTO sessions (digest, person, expires_at) VALUES ($1, $2, $3)";
const PERSON: &str = "SELECT person FROM sessions WHERE digest = $1 AND expires_at > $2";
const END: &str = "DELETE FROM sessions WHERE digest = $1";
const SWEEP_LINKS: &str = "DELETE FROM links WHERE expires_at <= $1";
const SWEEP_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at <= $1";

pub(super) const STATEMENTS: &[&str] = &[OFFER, REDEEM, BEGIN, PERSON, END, SWEEP_LINKS, SWEEP_SESSIONS];

/// Adds a one-time link's token digest.
///
/// # Errors
/// The database's.
pub async fn offer(tx: &mut Tx, token_digest: &str, person: &str, expires_at: Timestamp) -> Result<()> {
    exec!(tx, OFFER, token_digest, person, expires_at.0)?;
    Ok(())
}

/// Uses a one-time link up, and gives whose it is; none if it is unknown, used or too old. Links and sessions that
/// are over by `now` are forgotten here.
///
/// # Errors
/// The database's.
pub async fn redeem(tx: &mut Tx, token_digest: &str, now: Timestamp) -> Result<Option<PersonId>> {
    let person = fetch_optional!(tx, (String,), REDEEM, token_digest, now.0)?;
    exec!(tx, SWEEP_LINKS, now.0)?;
    exec!(tx, SWEEP_SESSIONS, now.0)?;
    Ok(person.map(|(person,)| person))
}

/// Begins a session.
///
/// # Errors
/// The database's.
pub async fn begin(tx: &mut Tx, session_digest: &str, person: &str, expires_at: Timestamp) -> Result<()> {
    exec!(tx, BEGIN, session_digest, person, expires_at.0)?;
    Ok(())
}

/// Whose session it is.
///
/// # Errors
/// The database's.
pub async fn person(db: &mut Db, session_digest: &str, now: Timestamp) -> Result<Option<PersonId>> {
    Ok(fetch_optional!(db, (String,), PERSON, session_digest, now.0)?.map(|(person,)| person))
}

/// Ends a session.
///
/// # Errors
/// The database's.
pub async fn end(tx: &mut Tx, session_digest: &str) -> Result<()> {
    exec!(tx, END, session_digest)?;
    Ok(())
}
