//! Incidents: one open one a group of alerts, with a thread and a present state.

use serde::{Deserialize, Serialize};

use super::actor::{PersonId, Place};
use super::runbook::Invocation;
use super::severity::Severity;
use crate::clock::Timestamp;
use crate::id::{IncidentId, MessageId};

super::text_enum! {
    /// Where an incident stands.
    IncidentState {
        /// Nobody has said that they look at it.
        Open = "open",
        /// Somebody looks at it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
    }
}

/// One incident, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// `source:group` for alerts; one open incident a key.
    pub group_key: String,
    /// Where it stands.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// Everything else.
    pub body: IncidentBody,
}

/// How much happened in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Its start: a whole number of spans after the epoch.
    pub at: Timestamp,
    /// Incidents that opened.
    pub incidents: i64,
    /// Alerts that were new.
    pub alerts: i64,
}

/// What is stored beside an incident's columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentBody {
    /// One line.
    pub title: String,
    /// The channel.
    pub place: Place,
    /// The root card; its thread is the incident's.
    pub message: MessageId,
    /// Who acknowledged it.
    #[serde(default)]
    pub commander: Option<PersonId>,
    /// Who closed it; none when its alerts did.
    #[serde(default)]
    pub resolved_by: Option<PersonId>,
    /// Up to three runbooks to propose next.
    #[serde(default)]
    pub proposals: Vec<Invocation>,
    /// Why it opened: a person's words, or none for alerts.
    #[serde(default)]
    pub declared_by: Option<PersonId>,
}
