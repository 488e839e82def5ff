//! Silences: one is made where this step has not made it before, and ended where it has not ended. Knows nothing of
//! fields.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{End, Silence, filters, moment, shown};
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::StepContext;
use crate::executor::attempt::{Fault, Sent};
use crate::executor::http::api::Server;
use crate::executor::value::Text;

/// How far an Alertmanager's clock may be behind ours.
const AHEAD: Duration = Duration::from_mins(5);

/// A silence's id, fit for a path.
pub(super) fn id(Text(id): Text) -> Result<String, Sentence> {
    let fits = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits { Ok(id) } else { Err(sentence!("action.alertmanager_id", id)) }
}

impl Silence {
    /// Makes it.
    pub(super) async fn make(&self, server: &Server, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
        let start = cx.started_at;
        let end = match &self.end {
            End::After(seconds) => start.after(Duration::from_secs(*seconds)),
            End::At(until) => moment(until)?,
        };
        if end <= start {
            return Err(Fault::Failed(sentence!("action.alertmanager_past", until => end.to_string())));
        }
        let comment = format!("{} [{}]", self.comment, cx.idempotency_key);
        let known = server.get(cx, "/api/v2/silences", &filters(&self.matchers)).await?.good()?;
        if let Some(known) = known.as_array().into_iter().flatten().find(|one| self.is(one, &comment)) {
            let (id, end) = (&known["id"], known["endsAt"].as_str().unwrap_or_default());
            return Ok(self.report(id.as_str().unwrap_or_default(), start, end.to_owned(), true));
        }
        let matchers: Vec<Value> = self
            .matchers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value, "isRegex": false, "isEqual": true }))
            .collect();
        // A server whose clock is behind ours would let it wait; one that begins in the past begins at once.
        let begins = start.before(AHEAD).to_string();
        let body = json!({
            "matchers": matchers, "startsAt": begins, "endsAt": end.to_string(), "createdBy": self.by,
            "comment": comment,
        });
        let answer = server.change(cx, (Method::POST, "/api/v2/silences"), Some(&body), sent).await?.changed()?;
        match answer["silenceID"].as_str() {
            Some(id) => Ok(self.report(id, start, end.to_string(), false)),
            None => Err(Fault::Lost(sentence!("action.api_odd"))),
        }
    }

    /// Whether this step has made a silence before, and it has not ended.
    fn is(&self, silence: &Value, comment: &str) -> bool {
        let named = silence["matchers"].as_array().map_or(0, Vec::len) == self.matchers.len();
        named && silence["comment"] == *comment && silence["status"]["state"] != "expired"
    }

    fn report(&self, id: &str, start: Timestamp, ends_at: String, already: bool) -> Report {
        let line = sentence!("action.alertmanager_silenced", matchers => shown(&self.matchers), until => &ends_at);
        let facts = json!({ "id": id, "starts_at": start.to_string(), "ends_at": ends_at, "already": already });
        Report::new(facts, line)
    }
}

/// Ends a silence. One that has ended already stays as it is.
pub(super) async fn expire(id: &str, server: &Server, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
    let path = format!("/api/v2/silence/{id}");
    let found = server.get(cx, &path, &[]).await?;
    if found.status == 404 {
        return Err(Fault::Failed(sentence!("action.alertmanager_no_silence", id)));
    }
    let was = found.good()?["status"]["state"].as_str().unwrap_or_default().to_owned();
    let facts = json!({ "id": id, "was": was });
    if was == "expired" {
        return Ok(Report::new(facts, sentence!("action.alertmanager_ended_before", id)));
    }
    server.change(cx, (Method::DELETE, &path), None, sent).await?.changed()?;
    Ok(Report::new(facts, sentence!("action.alertmanager_ended", id)))
}
