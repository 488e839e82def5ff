//! Incidents and their alerts. One open incident a group key: a partial unique index decides.

use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::alert::Alert;
use crate::domain::incident::{Incident, IncidentState};
use crate::id::IncidentId;

/// Adds an incident unless its group has an open one; gives the open one, and whether it is the new one.
///
/// # Errors
/// The database's.
pub async fn open(_tx: &mut Tx, _incident: &Incident) -> Result<(Incident, bool)> {
    todo!()
}

/// The open incident of a group.
///
/// # Errors
/// The database's.
pub async fn of_group(_db: &mut Db, _group_key: &str) -> Result<Option<Incident>> {
    todo!()
}

/// One incident.
///
/// # Errors
/// The database's.
pub async fn get(_db: &mut Db, _id: &IncidentId) -> Result<Option<Incident>> {
    todo!()
}

/// Writes an incident's state, severity, times and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(_tx: &mut Tx, _incident: &Incident, _from: IncidentState) -> Result<bool> {
    todo!()
}

/// Incidents that are not resolved, worst first, then oldest first.
///
/// # Errors
/// The database's.
pub async fn unresolved(_db: &mut Db) -> Result<Vec<Incident>> {
    todo!()
}

/// Incidents that opened in a span, oldest first.
///
/// # Errors
/// The database's.
pub async fn between(_db: &mut Db, _from: Timestamp, _until: Timestamp) -> Result<Vec<Incident>> {
    todo!()
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
/// state is late, and changes nothing.
///
/// # Errors
/// The database's.
pub async fn upsert_alert(
    _tx: &mut Tx,
    _incident: &IncidentId,
    _alert: &Alert,
    _now: Timestamp,
) -> Result<AlertChange> {
    todo!()
}

/// An incident's alerts, in the order of their arrival.
///
/// # Errors
/// The database's.
pub async fn alerts(_db: &mut Db, _incident: &IncidentId) -> Result<Vec<Alert>> {
    todo!()
}

/// The incident whose thread this is.
///
/// # Errors
/// The database's.
pub async fn of_thread(_db: &mut Db, _root: &crate::id::MessageId) -> Result<Option<Incident>> {
    todo!()
}
