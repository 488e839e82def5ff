//! Incidents with their alerts, runs and timeline.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use schemars::JsonSchema;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::runs::RunView;
use crate::domain::alert::{Alert, Labels};
use crate::domain::incident::{Incident, IncidentState};
use crate::domain::sentence::Sentence;
use crate::domain::settings::Settings;
use crate::domain::timeline::Entry;
use crate::http::State;
use crate::http::access::Who;
use crate::http::fault::Fault;
use crate::id::IncidentId;
use crate::store::{incidents as stored, runs, timeline};
use crate::words::Words;

/// What is shown of an entry's particulars, in this order.
const TOLD: &[&str] = &[
    "/severity",
    "/title",
    "/labels/alertname",
    "/annotations/summary",
    "/command",
    "/step",
    "/outcome/done/line",
    "/outcome/failed/line",
    "/outcome/unknown/line",
    "/state",
    "/text",
    "/reason",
    "/note",
    "/evidence",
    "/said",
];
/// How far back incidents that are over are listed.
const PAST: Duration = Duration::from_secs(7 * 24 * 3600);

/// An incident.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Incident")]
pub(in crate::http) struct IncidentView {
    /// Its id.
    pub id: String,
    /// `open`, `acknowledged` or `resolved`.
    pub state: String,
    /// `P0` to `P4`.
    pub severity: String,
    /// One line.
    pub title: String,
    /// Its channel.
    pub channel: String,
    /// Its root card.
    pub message: String,
    /// Who acknowledged it, as they are called.
    pub commander: Option<String>,
    /// When it opened, RFC 3339.
    pub opened_at: String,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<String>,
    /// When it was over.
    pub resolved_at: Option<String>,
}

impl IncidentView {
    fn of(incident: Incident, settings: &Settings) -> Self {
        let name = |id: String| settings.name_of(&id).to_owned();
        Self {
            id: incident.id.to_string(),
            state: incident.state.to_string(),
            severity: incident.severity.to_string(),
            title: incident.body.title,
            channel: incident.body.place.channel,
            message: incident.body.message.to_string(),
            commander: incident.body.commander.map(name),
            opened_at: incident.opened_at.to_string(),
            acknowledged_at: incident.acknowledged_at.map(|at| at.to_string()),
            resolved_at: incident.resolved_at.map(|at| at.to_string()),
        }
    }
}

/// An alert.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub(in crate::http) struct AlertView {
    /// Its name.
    pub name: String,
    /// One line.
    pub title: String,
    /// Whether it fires.
    pub firing: bool,
    /// What it is about.
    pub labels: Labels,
    /// When it began, RFC 3339.
    pub starts_at: String,
    /// When it ended.
    pub ends_at: Option<String>,
    /// The source's page about it; http or https.
    pub link: Option<String>,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> Self {
        Self {
            name: alert.name().to_owned(),
            title: alert.title().to_owned(),
            firing: alert.firing,
            starts_at: alert.starts_at.to_string(),
            ends_at: alert.ends_at.map(|at| at.to_string()),
            labels: alert.labels,
            link: alert.link,
        }
    }
}

/// An entry of the timeline.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Entry")]
pub(in crate::http) struct EntryView {
    /// Its number in the whole chain.
    pub seq: i64,
    /// When, RFC 3339.
    pub at: String,
    /// A person's id, or `sereno`.
    pub actor: String,
    /// How the actor is called.
    pub actor_name: String,
    /// What it is about, as in `step_started`.
    pub kind: String,
    /// The particulars in one line.
    pub line: String,
    /// The particulars.
    pub body: Value,
    /// Its hash in the chain.
    pub hash: String,
}

impl EntryView {
    fn of(entry: Entry, settings: &Settings) -> Self {
        let body = serde_json::from_str(&entry.body).unwrap_or(Value::String(entry.body));
        let words = Words(settings.language);
        let told = TOLD.iter().filter_map(|pointer| Sentence::deserialize(body.pointer(pointer)?).ok());
        let told = told.map(|sentence| words.tell(&sentence)).filter(|text| !text.is_empty());
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            actor_name: settings.name_of(&entry.actor).to_owned(),
            actor: entry.actor,
            kind: entry.kind.to_string(),
            line: told.collect::<Vec<_>>().join(" · "),
            body,
            hash: entry.hash,
        }
    }
}

/// An incident with all that belongs to it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IncidentDetail")]
pub(in crate::http) struct IncidentPage {
    /// The incident.
    #[serde(flatten)]
    pub incident: IncidentView,
    /// Its alerts, in the order of their arrival.
    pub alerts: Vec<AlertView>,
    /// Its runs, oldest first.
    pub runs: Vec<RunView>,
    /// Its timeline, with that of its runs, in order.
    pub timeline: Vec<EntryView>,
}

/// Open incidents, worst first, then those that are over, newest first.
pub(in crate::http) async fn incidents(state: &State) -> Result<Vec<IncidentView>, Fault> {
    let settings = state.engine.settings.load_full();
    let now = state.engine.clock.now();
    let mut db = state.engine.store.read().await?;
    let mut all = stored::unresolved(&mut db).await?;
    let lately = stored::between(&mut db, now.before(PAST), now.after(Duration::from_secs(1))).await?;
    all.extend(lately.into_iter().rev().filter(|incident| incident.state == IncidentState::Resolved));
    Ok(all.into_iter().map(|incident| IncidentView::of(incident, &settings)).collect())
}

/// One incident with all that belongs to it.
pub(in crate::http) async fn incident(state: &State, id: String) -> Result<IncidentPage, Fault> {
    let settings = state.engine.settings.load_full();
    let id = IncidentId::from(id);
    let mut db = state.engine.store.read().await?;
    let found = stored::get(&mut db, &id).await?.ok_or(Fault::Missing)?;
    let alerts = stored::alerts(&mut db, &id).await?;
    let runs = runs::of_incident(&mut db, &id).await?;
    let mut entries = timeline::stream(&mut db, &format!("incident/{id}")).await?;
    for run in &runs {
        entries.extend(timeline::stream(&mut db, &format!("run/{}", run.id)).await?);
    }
    entries.sort_by_key(|entry| entry.seq);
    Ok(IncidentPage {
        incident: IncidentView::of(found, &settings),
        alerts: alerts.into_iter().map(Into::into).collect(),
        runs: runs.into_iter().map(|run| RunView::of(run, &settings)).collect(),
        timeline: entries.into_iter().map(|entry| EntryView::of(entry, &settings)).collect(),
    })
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>, _who: Who) -> Result<Json<Vec<IncidentView>>, Fault> {
    incidents(&state).await.map(Json)
}

pub(super) async fn one(
    Shared(state): Shared<Arc<State>>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<IncidentPage>, Fault> {
    incident(&state, id).await.map(Json)
}
