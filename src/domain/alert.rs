//! Alerts: what a monitoring system says, whoever it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::severity::Severity;
use crate::clock::Timestamp;

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// One alert as a source sent it, in our words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The hook it came through.
    pub source: String,
    /// Same alert, same fingerprint, within its source.
    pub fingerprint: String,
    /// Alerts with the same key belong to one incident.
    pub group_key: String,
    /// Whether it fires or is resolved.
    pub firing: bool,
    /// What it is about.
    pub labels: Labels,
    /// What people wrote about it.
    pub annotations: Labels,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended.
    pub ends_at: Option<Timestamp>,
    /// The source's page about it, if it is http or https.
    pub link: Option<String>,
}

impl Alert {
    /// Its name: label `alertname`, or the source's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or(self.source.as_str(), String::as_str)
    }

    /// One line: the summary or description that people wrote, or its name.
    #[must_use]
    pub fn title(&self) -> &str {
        let written = self.annotations.get("summary").or_else(|| self.annotations.get("description"));
        written.map_or_else(|| self.name(), String::as_str)
    }

    /// How bad its labels say it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let word = self.labels.get("priority").or_else(|| self.labels.get("severity"));
        word.map_or(Severity::P3, |word| Severity::from_label(word))
    }
}
