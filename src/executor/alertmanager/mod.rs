//! `alertmanager`: which alerts there are, and silences: made with an end, and ended. A silence carries its step's key in
//! its comment, so that making it twice makes one.

mod alerts;
mod silence;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{Fault, Sent, at_least, change, needed, only};
use super::http::api::Server;
use super::value::{SecretText, Span, Text};
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::clock::Timestamp;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "alertmanager",
    summary: "Lists an Alertmanager's alerts; makes a silence with an end, and ends it.",
    example: "do: silence\nserver: http://alertmanager:9093\nmatchers: {alertname: HighLatency, env: prod}\nfor: 30m\n\
              by: ana\ncomment: Scaling out\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Longest silence, in seconds: 30 days.
const LONGEST: u64 = 30 * 24 * 3600;

text_enum! {
    /// What to do.
    Verb {
        /// Lists alerts.
        Alerts = "alerts",
        /// Makes a silence.
        Silence = "silence",
        /// Ends a silence.
        Expire = "expire",
        /// Says how it is.
        Status = "status",
    }
}

/// Alerts and silences of an Alertmanager. Facts, by verb: `alerts`: `count`, `active`, `silenced`, `names`, `alerts`
/// (`name`, `labels`, `state`, `summary`, `started_at`, `age_seconds`). `silence`: `id`, `starts_at`, `ends_at`,
/// `already` (whether this step had made it before). `expire`: `id`, `was` (its state before). `status`: `version`,
/// `cluster`, `started_at`, `uptime_seconds`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What to do.
    r#do: Verb,
    /// Its address, as in `http://alertmanager:9093`.
    server: Text,
    /// Headers to send.
    #[serde(default)]
    headers: BTreeMap<String, SecretText>,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// `alerts`, `silence`: labels and their values; all must be there, exactly so. A silence needs at least one.
    #[serde(default)]
    matchers: Option<BTreeMap<String, Text>>,
    /// `alerts`: whether to list silenced ones as well.
    #[serde(default)]
    silenced: Option<bool>,
    /// `silence`: how long from the start of the step, at most 30 days; or else `until`.
    #[serde(default, rename = "for")]
    span: Option<Span>,
    /// `silence`: until when, as in `2026-03-01T18:00:00Z`.
    #[serde(default)]
    until: Option<Text>,
    /// `silence`: why.
    #[serde(default)]
    comment: Option<Text>,
    /// `silence`: who, usually `{{ run.by }}`.
    #[serde(default)]
    by: Option<Text>,
    /// `expire`: the silence's id, usually `{{ steps.….id }}`.
    #[serde(default)]
    id: Option<Text>,
}

/// What to do, fitting together.
struct Alertmanager {
    server: Server,
    job: Job,
}

enum Job {
    Alerts { matchers: BTreeMap<String, String>, silenced: bool },
    Silence(Silence),
    Expire { id: String },
    Status,
}

/// A silence to be made.
struct Silence {
    matchers: BTreeMap<String, String>,
    end: End,
    comment: String,
    by: String,
}

/// When a silence ends.
enum End {
    /// Seconds after the step's start.
    After(u64),
    /// A moment, as it was written.
    At(String),
}

/// A moment as it is written in `until`.
fn moment(text: &str) -> Result<Timestamp, Sentence> {
    let at = text.parse::<jiff::Timestamp>();
    at.map(Into::into).map_err(|_| sentence!("action.alertmanager_until", text))
}

impl Fields {
    fn check(self) -> Result<Alertmanager, Sentence> {
        let verb = self.r#do;
        let silence: &[Verb] = &[Verb::Silence];
        only(
            &verb,
            &[
                (self.matchers.is_some(), "matchers", &[Verb::Alerts, Verb::Silence]),
                (self.silenced.is_some(), "silenced", &[Verb::Alerts]),
                (self.span.is_some(), "for", silence),
                (self.until.is_some(), "until", silence),
                (self.comment.is_some(), "comment", silence),
                (self.by.is_some(), "by", silence),
                (self.id.is_some(), "id", &[Verb::Expire]),
            ],
        )?;
        let server = Server { url: self.server, headers: self.headers, authority: self.authority };
        server.check()?;
        let matchers = self.matchers.map(|all| all.into_iter().map(|(name, Text(value))| (name, value)).collect());
        let job = match verb {
            Verb::Status => Job::Status,
            Verb::Alerts => {
                Job::Alerts { matchers: matchers.unwrap_or_default(), silenced: self.silenced.unwrap_or_default() }
            }
            Verb::Expire => Job::Expire { id: silence::id(needed(self.id, "id", &verb)?)? },
            Verb::Silence => Job::Silence(Silence {
                matchers: needed(matchers.filter(|all: &BTreeMap<_, _>| !all.is_empty()), "matchers", &verb)?,
                end: end(self.span.as_ref(), self.until)?,
                comment: needed(self.comment, "comment", &verb)?.0,
                by: needed(self.by, "by", &verb)?.0,
            }),
        };
        Ok(Alertmanager { server, job })
    }
}

fn end(span: Option<&Span>, until: Option<Text>) -> Result<End, Sentence> {
    match (span, until) {
        (Some(span), None) => match span.seconds()? {
            seconds @ 1..=LONGEST => Ok(End::After(seconds)),
            _ => Err(sentence!("action.alertmanager_long", days => LONGEST / 24 / 3600)),
        },
        // Only what is a moment for certain; the rest may come from an argument, and is judged by the plan.
        (None, Some(Text(text))) if text.contains('T') => moment(&text).map(|_| End::At(text)),
        (None, Some(Text(text))) => Ok(End::At(text)),
        _ => Err(sentence!("action.alertmanager_end")),
    }
}

#[async_trait]
impl Action for Alertmanager {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(self.least(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.server.secrets()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let (line, mut exact) = match &self.job {
            Job::Status => (sentence!("action.alertmanager_status"), json!({ "do": "status" })),
            Job::Alerts { matchers, silenced } => (
                sentence!("action.alertmanager_alerts", of => shown(matchers)),
                json!({ "do": "alerts", "matchers": matchers, "silenced": silenced }),
            ),
            Job::Expire { id } => (sentence!("action.alertmanager_expire", id), json!({ "do": "expire", "id": id })),
            Job::Silence(silence) => {
                let (matchers, comment) = (shown(&silence.matchers), silence.comment.as_str());
                let (line, end) = match &silence.end {
                    End::After(seconds) => (
                        sentence!("action.alertmanager_for", matchers, seconds => *seconds, comment),
                        json!({ "for_seconds": seconds }),
                    ),
                    End::At(until) => {
                        let until = moment(until)?.to_string();
                        let exact = json!({ "until": until });
                        (sentence!("action.alertmanager_till", matchers, until, comment), exact)
                    }
                };
                let exact = json!({
                    "do": "silence", "matchers": silence.matchers, "end": end, "comment": comment, "by": silence.by,
                });
                (line, exact)
            }
        };
        exact["server"] = self.server.exact();
        let target = sentence!("action.alertmanager_server", host => self.server.host()?);
        Ok(Plan { action: SPEC.name.to_owned(), effect: self.least(), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let sent = Sent::default();
        change(cx, &sent, self.work(cx, &sent)).await
    }
}

impl Alertmanager {
    fn least(&self) -> Effect {
        match self.job {
            Job::Alerts { .. } | Job::Status => Effect::Read,
            Job::Silence(_) | Job::Expire { .. } => Effect::Change,
        }
    }

    async fn work(&self, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
        match &self.job {
            Job::Alerts { matchers, silenced } => {
                let mut query = vec![("silenced", silenced.to_string()), ("inhibited", "false".to_owned())];
                query.extend(filters(matchers));
                let found = self.server.get(cx, "/api/v2/alerts", &query).await?.good()?;
                Ok(alerts::report(&found, cx.started_at)?)
            }
            Job::Status => {
                let found = self.server.get(cx, "/api/v2/status", &[]).await?.good()?;
                Ok(alerts::status(&found, cx.started_at)?)
            }
            Job::Silence(silence) => silence.make(&self.server, cx, sent).await,
            Job::Expire { id } => silence::expire(id, &self.server, cx, sent).await,
        }
    }
}

/// Labels as people write them.
fn shown(matchers: &BTreeMap<String, String>) -> String {
    matchers.iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>().join(", ")
}

/// Labels as the interface filters by them.
fn filters(matchers: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let filter = |(name, value): (&String, &String)| ("filter", format!("{name}={}", Value::from(value.as_str())));
    matchers.iter().map(filter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_says_whom_how_long_why_and_who() {
        let whole = json!({
            "do": "silence", "server": "http://a:9093", "matchers": {"alertname": "X"}, "for": "10m", "comment": "c",
            "by": "ana",
        });
        assert!(read::<Fields>(&whole).unwrap().check().is_ok());
        for (field, value, says) in [
            ("matchers", json!({}), "matchers"),
            ("for", json!("721h"), "alertmanager_long"),
            ("for", json!("0s"), "alertmanager_long"),
            ("until", json!("2026-03-01T18:00:00Z"), "alertmanager_end"),
            ("id", json!("a"), "id"),
            ("by", Value::Null, "by"),
        ] {
            let mut with = whole.clone();
            with[field] = value;
            let error = read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").contains(says), "{with}: {error:?}");
        }
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let matchers = [("a".to_owned(), "x\", b=~\".*".to_owned())].into();
        assert_eq!(filters(&matchers), [("filter", r#"a="x\", b=~\".*""#.to_owned())]);
    }
}
