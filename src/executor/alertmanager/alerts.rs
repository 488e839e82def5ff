//! Alerts and the state of an Alertmanager, as facts and as a table. Knows nothing of connections.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;

/// Alerts that are facts.
const ALERTS: usize = 100;

/// What `/api/v2/alerts` says.
pub(super) fn report(found: &Value, now: Timestamp) -> Result<Report, Sentence> {
    let all = found.as_array().ok_or_else(|| sentence!("action.api_odd"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = |alert: &Value| match alert["status"]["state"].as_str() {
        Some("suppressed") => "silenced",
        Some("active" | "unprocessed") => "active",
        _ => "other",
    };
    let count = |wanted: &str| all.iter().filter(|alert| state(alert) == wanted).count();
    let names: BTreeSet<String> = all.iter().map(|alert| text(&alert["labels"]["alertname"])).collect();
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    for alert in all {
        let labels = alert["labels"].as_object().into_iter().flatten();
        let others: Vec<String> = labels
            .filter(|(name, _)| *name != "alertname")
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect();
        let started = text(&alert["startsAt"]);
        let age = age(&started, now);
        let name = text(&alert["labels"]["alertname"]);
        let minutes = age.map(|seconds| (seconds / 60).to_string()).unwrap_or_default();
        rows.push(vec![name.clone(), others.join(", "), state(alert).to_owned(), minutes]);
        if shown.len() < ALERTS {
            shown.push(json!({
                "name": name, "labels": alert["labels"], "state": state(alert), "started_at": started,
                "age_seconds": age, "summary": alert["annotations"]["summary"],
            }));
        }
    }
    let columns = ["action.column_alert", "action.column_labels", "action.column_state", "action.column_minutes"];
    let table = (!all.is_empty()).then(|| Grid::new(columns.map(Sentence::new).into(), rows));
    let (active, silenced) = (count("active"), count("silenced"));
    let facts = json!({
        "count": all.len(), "active": active, "silenced": silenced, "names": names, "alerts": shown,
    });
    Ok(Report { table, ..Report::new(facts, sentence!("action.alertmanager_found", active, silenced)) })
}

/// What `/api/v2/status` says; its configuration is left where it is, secrets and all.
pub(super) fn status(found: &Value, now: Timestamp) -> Result<Report, Sentence> {
    let version = found["versionInfo"]["version"].as_str().ok_or_else(|| sentence!("action.api_odd"))?;
    let started = found["uptime"].as_str().unwrap_or_default();
    let facts = json!({
        "version": version, "cluster": found["cluster"]["status"], "started_at": started,
        "uptime_seconds": age(started, now),
    });
    Ok(Report::new(facts, sentence!("action.alertmanager_runs", version)))
}

/// Seconds since a moment as the interface writes it.
fn age(moment: &str, now: Timestamp) -> Option<u64> {
    let at: jiff::Timestamp = moment.parse().ok()?;
    Some(now.since(at.into()).as_secs())
}
