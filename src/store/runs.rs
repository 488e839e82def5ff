//! Runs. The body is JSON text; what is asked for by column has a column.

use super::sql::{count, each, exec, fetch_all, fetch_one, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::run::{Run, RunState};
use crate::id::{IncidentId, RunId};

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT id, state, lock_key, incident, created_at, ended_at, body FROM runs ", $tail)
    };
}

const INSERT: &str = "INSERT INTO runs (id, state, lock_key, incident, created_at, ended_at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const GET: &str = select!("WHERE id = $1");
const UPDATE: &str = "UPDATE runs SET state = $1, ended_at = $2, body = $3 WHERE id = $4 AND state = $5";
// The update changes nothing; it makes the row this transaction's, and gives it as it is then.
const TAKE: &str = "UPDATE runs SET state = state WHERE id = $1
    RETURNING id, state, lock_key, incident, created_at, ended_at, body";
const KEPT: &str = "SELECT COUNT(*) FROM runs WHERE id = $1 AND outputs_kept";
const OPEN: &str = select!("WHERE state = $1 OR state = $2 ORDER BY created_at, id");
const LATEST: &str = select!("ORDER BY created_at DESC, id DESC LIMIT $1");
const BETWEEN: &str = select!("WHERE created_at >= $1 AND created_at < $2 ORDER BY created_at, id");
const OF_INCIDENT: &str = select!("WHERE incident = $1 ORDER BY created_at, id");

pub(super) const STATEMENTS: &[&str] = &[INSERT, GET, UPDATE, TAKE, KEPT, OPEN, LATEST, BETWEEN, OF_INCIDENT];

row!(Row {
    id: String,
    state: String,
    lock_key: Option<String>,
    incident: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
    body: String,
});

impl TryFrom<Row> for Run {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            state: word(&row.state)?,
            lock: row.lock_key,
            incident: row.incident.map(Into::into),
            created_at: Timestamp(row.created_at),
            ended_at: row.ended_at.map(Timestamp),
            body: serde_json::from_str(&row.body)?,
        })
    }
}

/// Adds a run.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<()> {
    let body = serde_json::to_string(&run.body)?;
    exec!(
        tx,
        INSERT,
        run.id.as_str(),
        run.state.as_str(),
        &run.lock,
        run.incident.as_ref().map(IncidentId::as_str),
        run.created_at.0,
        run.ended_at.map(|at| at.0),
        body,
    )?;
    Ok(())
}

/// One run.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &RunId) -> Result<Option<Run>> {
    fetch_optional!(db, Row, GET, id.as_str())?.map(Run::try_from).transpose()
}

/// Writes a run's state, end and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(tx: &mut Tx, run: &Run, from: RunState) -> Result<bool> {
    let body = serde_json::to_string(&run.body)?;
    let ended = run.ended_at.map(|at| at.0);
    Ok(exec!(tx, UPDATE, run.state.as_str(), ended, body, run.id.as_str(), from.as_str())? == 1)
}

/// One run, whose row is this transaction's until it ends: what follows comes before a cancellation or after it, never
/// around it.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut Tx, id: &RunId) -> Result<Option<Run>> {
    fetch_optional!(tx, Row, TAKE, id.as_str())?.map(Run::try_from).transpose()
}

/// Whether all of what a run's steps found is still there.
///
/// # Errors
/// The database's.
pub async fn is_whole(db: &mut Db, id: &RunId) -> Result<bool> {
    let (kept,) = fetch_one!(db, (i64,), KEPT, id.as_str())?;
    count::<i64>(kept).map(|kept| kept == 1)
}

/// Runs that are not over, oldest first.
///
/// # Errors
/// The database's.
pub async fn open(db: &mut Db) -> Result<Vec<Run>> {
    each(fetch_all!(db, Row, OPEN, RunState::Active.as_str(), RunState::Cancelling.as_str())?)
}

/// The latest runs, newest first.
///
/// # Errors
/// The database's.
pub async fn latest(db: &mut Db, limit: i64) -> Result<Vec<Run>> {
    each(fetch_all!(db, Row, LATEST, limit)?)
}

/// Runs asked for in a span, its end not included, oldest first.
///
/// # Errors
/// The database's.
pub async fn between(db: &mut Db, from: Timestamp, until: Timestamp) -> Result<Vec<Run>> {
    each(fetch_all!(db, Row, BETWEEN, from.0, until.0)?)
}

/// Runs of an incident, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_incident(db: &mut Db, incident: &IncidentId) -> Result<Vec<Run>> {
    each(fetch_all!(db, Row, OF_INCIDENT, incident.as_str())?)
}
