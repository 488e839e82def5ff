//! Incidents and their alerts. One open incident a group key: a partial unique index decides.

use std::time::Duration;

use super::sql::{each, exec, fetch_all, fetch_one, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::alert::Alert;
use crate::domain::incident::{Incident, IncidentState, Tally};
use crate::id::{IncidentId, MessageId};

macro_rules! columns {
    () => {
        "id, group_key, state, severity, opened_at, acknowledged_at, resolved_at, body"
    };
}

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT ", columns!(), " FROM incidents ", $tail)
    };
}

// The update changes nothing; it makes the statement give the open one, and keeps it open until the commit.
const OPEN: &str = concat!(
    "INSERT INTO incidents
        (id, group_key, state, severity, opened_at, acknowledged_at, resolved_at, message, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (group_key) WHERE resolved_at IS NULL DO UPDATE SET group_key = excluded.group_key
    RETURNING ",
    columns!()
);
// These two change nothing; what they give stays as it is until the commit.
const OF_GROUP: &str =
    concat!("UPDATE incidents SET state = state WHERE group_key = $1 AND resolved_at IS NULL RETURNING ", columns!());
const GET: &str = select!("WHERE id = $1");
const TAKE: &str = concat!("UPDATE incidents SET state = state WHERE id = $1 RETURNING ", columns!());
const UPDATE: &str = "UPDATE incidents
    SET state = $1, severity = $2, acknowledged_at = $3, resolved_at = $4, body = $5
    WHERE id = $6 AND state = $7";
const UNRESOLVED: &str = select!("WHERE resolved_at IS NULL ORDER BY severity, opened_at, id");
const BETWEEN: &str = select!("WHERE opened_at >= $1 AND opened_at < $2 ORDER BY opened_at, id");
// Both databases cut a division of whole numbers, and so every moment to the start of its span.
const TALLIES: &str = "SELECT moment / $1 * $1, SUM(incident), SUM(alert)
    FROM (SELECT opened_at AS moment, 1 AS incident, 0 AS alert FROM incidents WHERE opened_at >= $2 AND opened_at < $3
        UNION ALL SELECT arrived_at, 0, 1 FROM alerts WHERE arrived_at >= $2 AND arrived_at < $3) AS came
    GROUP BY 1 ORDER BY 1";
const OF_THREAD: &str = select!("WHERE message = $1");

// What is newer than the stored state: while it fires, a later start or the end of the same start; once it is
// resolved, a start after that end.
const UPSERT_ALERT: &str = "INSERT INTO alerts
        (incident, source, fingerprint, position, arrived_at, firing, starts_at, since, turns, body)
    VALUES ($1, $2, $3, (SELECT COUNT(*) FROM alerts WHERE incident = $1), $4, $5, $6, $7, 0, $8)
    ON CONFLICT (incident, source, fingerprint) DO UPDATE
    SET firing = excluded.firing, starts_at = excluded.starts_at, since = excluded.since, body = excluded.body,
        turns = alerts.turns + 1
    WHERE (alerts.firing AND (excluded.starts_at > alerts.starts_at
            OR (excluded.starts_at = alerts.starts_at AND NOT excluded.firing)))
        OR (NOT alerts.firing AND excluded.starts_at > alerts.starts_at AND excluded.starts_at >= alerts.since)
    RETURNING turns";
const ALERTS: &str = "SELECT body FROM alerts WHERE incident = $1 ORDER BY position, arrived_at";

pub(super) const STATEMENTS: &[&str] =
    &[OPEN, OF_GROUP, GET, TAKE, UPDATE, UNRESOLVED, BETWEEN, TALLIES, OF_THREAD, UPSERT_ALERT, ALERTS];

row!(Row {
    id: String,
    group_key: String,
    state: String,
    severity: String,
    opened_at: i64,
    acknowledged_at: Option<i64>,
    resolved_at: Option<i64>,
    body: String,
});

impl TryFrom<Row> for Incident {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            group_key: row.group_key,
            state: word(&row.state)?,
            severity: word(&row.severity)?,
            opened_at: Timestamp(row.opened_at),
            acknowledged_at: row.acknowledged_at.map(Timestamp),
            resolved_at: row.resolved_at.map(Timestamp),
            body: serde_json::from_str(&row.body)?,
        })
    }
}

/// Adds an incident unless its group has an open one; gives the open one, and whether it is the new one.
///
/// # Errors
/// The database's.
pub async fn open(tx: &mut Tx, incident: &Incident) -> Result<(Incident, bool)> {
    let body = serde_json::to_string(&incident.body)?;
    let row = fetch_one!(
        tx,
        Row,
        OPEN,
        incident.id.as_str(),
        &incident.group_key,
        incident.state.as_str(),
        incident.severity.as_str(),
        incident.opened_at.0,
        incident.acknowledged_at.map(|at| at.0),
        incident.resolved_at.map(|at| at.0),
        incident.body.message.as_str(),
        body,
    )?;
    let open = Incident::try_from(row)?;
    let new = open.id == incident.id;
    Ok((open, new))
}

/// The open incident of a group; its row is this transaction's until it ends.
///
/// # Errors
/// The database's.
pub async fn of_group(tx: &mut Tx, group_key: &str) -> Result<Option<Incident>> {
    fetch_optional!(tx, Row, OF_GROUP, group_key)?.map(Incident::try_from).transpose()
}

/// One incident.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &IncidentId) -> Result<Option<Incident>> {
    fetch_optional!(db, Row, GET, id.as_str())?.map(Incident::try_from).transpose()
}

/// One incident, whose row is this transaction's until it ends.
///
/// # Errors
/// The database's.
pub async fn take(tx: &mut Tx, id: &IncidentId) -> Result<Option<Incident>> {
    fetch_optional!(tx, Row, TAKE, id.as_str())?.map(Incident::try_from).transpose()
}

/// Writes an incident's state, severity, times and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(tx: &mut Tx, incident: &Incident, from: IncidentState) -> Result<bool> {
    let body = serde_json::to_string(&incident.body)?;
    let updated = exec!(
        tx,
        UPDATE,
        incident.state.as_str(),
        incident.severity.as_str(),
        incident.acknowledged_at.map(|at| at.0),
        incident.resolved_at.map(|at| at.0),
        body,
        incident.id.as_str(),
        from.as_str(),
    )?;
    Ok(updated == 1)
}

/// Incidents that are not resolved, worst first, then oldest first.
///
/// # Errors
/// The database's.
pub async fn unresolved(db: &mut Db) -> Result<Vec<Incident>> {
    each(fetch_all!(db, Row, UNRESOLVED)?)
}

/// Incidents that opened in a span, its end not included, oldest first.
///
/// # Errors
/// The database's.
pub async fn between(db: &mut Db, from: Timestamp, until: Timestamp) -> Result<Vec<Incident>> {
    each(fetch_all!(db, Row, BETWEEN, from.0, until.0)?)
}

/// How much happened in each span of this length, counted from the epoch, where anything did; the end is not included.
/// What is no longer kept is not counted.
///
/// # Errors
/// The database's.
pub async fn tallies(db: &mut Db, from: Timestamp, until: Timestamp, span: Duration) -> Result<Vec<Tally>> {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1);
    let rows = fetch_all!(db, (i64, i64, i64), TALLIES, span, from.0, until.0)?;
    Ok(rows.into_iter().map(|(at, incidents, alerts)| Tally { at: Timestamp(at), incidents, alerts }).collect())
}

/// What an alert's arrival changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChange {
    /// It was not known in this incident.
    New,
    /// It fired or resolved anew.
    Turned,
    /// Nothing that shows.
    Same,
}

/// Inserts or updates an alert of an incident by its fingerprint. One that began before the stored one's present
/// state is late, and changes nothing; nor does one that is repeated.
///
/// # Errors
/// The database's.
pub async fn upsert_alert(tx: &mut Tx, incident: &IncidentId, alert: &Alert, now: Timestamp) -> Result<AlertChange> {
    let since = if alert.firing { alert.starts_at } else { alert.ends_at.unwrap_or(alert.starts_at) };
    let turns = fetch_optional!(
        tx,
        (i64,),
        UPSERT_ALERT,
        incident.as_str(),
        &alert.source,
        &alert.fingerprint,
        now.0,
        alert.firing,
        alert.starts_at.0,
        since.0,
        serde_json::to_string(alert)?,
    )?;
    Ok(match turns {
        Some((0,)) => AlertChange::New,
        Some(_) => AlertChange::Turned,
        None => AlertChange::Same,
    })
}

/// An incident's alerts, in the order of their arrival.
///
/// # Errors
/// The database's.
pub async fn alerts(db: &mut Db, incident: &IncidentId) -> Result<Vec<Alert>> {
    let rows = fetch_all!(db, (String,), ALERTS, incident.as_str())?;
    rows.into_iter().map(|(body,)| Ok(serde_json::from_str(&body)?)).collect()
}

/// The incident whose thread this is.
///
/// # Errors
/// The database's.
pub async fn of_thread(db: &mut Db, root: &MessageId) -> Result<Option<Incident>> {
    fetch_optional!(db, Row, OF_THREAD, root.as_str())?.map(Incident::try_from).transpose()
}
