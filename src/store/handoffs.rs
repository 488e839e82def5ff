//! Shift changes: one row a team and moment, accepted by the incoming person.

use super::sql::{exec, fetch_optional, row};
use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;
use crate::id::{HandoffId, MessageId};

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT id, team, at, outgoing, incoming, message, accepted_at, accepted_by FROM handoffs ", $tail)
    };
}

const INSERT: &str = "INSERT INTO handoffs (id, team, at, outgoing, incoming, message, accepted_at, accepted_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (team, at) DO NOTHING";
const GET: &str = select!("WHERE id = $1");
const AT: &str = select!("WHERE team = $1 AND at = $2");
const ACCEPT: &str = "UPDATE handoffs SET accepted_by = $1, accepted_at = $2 WHERE id = $3 AND accepted_at IS NULL";

pub(super) const STATEMENTS: &[&str] = &[INSERT, GET, AT, ACCEPT];

/// One shift change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// The team.
    pub team: String,
    /// The shift change's moment.
    pub at: Timestamp,
    /// Who goes; none at a rota's start.
    pub outgoing: Option<PersonId>,
    /// Who comes.
    pub incoming: PersonId,
    /// Its card.
    pub message: MessageId,
    /// When the incoming person accepted.
    pub accepted_at: Option<Timestamp>,
    /// Who accepted.
    pub accepted_by: Option<PersonId>,
}

row!(Row {
    id: String,
    team: String,
    at: i64,
    outgoing: Option<String>,
    incoming: String,
    message: String,
    accepted_at: Option<i64>,
    accepted_by: Option<String>,
});

impl From<Row> for Handoff {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            team: row.team,
            at: Timestamp(row.at),
            outgoing: row.outgoing,
            incoming: row.incoming,
            message: row.message.into(),
            accepted_at: row.accepted_at.map(Timestamp),
            accepted_by: row.accepted_by,
        }
    }
}

/// Adds a shift change; false if that team's change at that moment is there already.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, handoff: &Handoff) -> Result<bool> {
    let added = exec!(
        tx,
        INSERT,
        handoff.id.as_str(),
        &handoff.team,
        handoff.at.0,
        &handoff.outgoing,
        &handoff.incoming,
        handoff.message.as_str(),
        handoff.accepted_at.map(|at| at.0),
        &handoff.accepted_by,
    )?;
    Ok(added == 1)
}

/// One shift change.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &HandoffId) -> Result<Option<Handoff>> {
    Ok(fetch_optional!(db, Row, GET, id.as_str())?.map(Handoff::from))
}

/// A team's shift change at a moment.
///
/// # Errors
/// The database's.
pub async fn at(db: &mut Db, team: &str, at: Timestamp) -> Result<Option<Handoff>> {
    Ok(fetch_optional!(db, Row, AT, team, at.0)?.map(Handoff::from))
}

/// Accepts it; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn accept(tx: &mut Tx, id: &HandoffId, by: &str, at: Timestamp) -> Result<bool> {
    Ok(exec!(tx, ACCEPT, by, at.0, id.as_str())? == 1)
}
