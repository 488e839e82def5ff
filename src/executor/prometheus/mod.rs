//! `prometheus`: asks a Prometheus for the value of a query, now or over a span of time, and for its targets. Nothing
//! here changes anything.

mod series;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{at_least, look, needed, only};
use super::http::api::Server;
use super::value::{SecretText, Span, Text};
use super::{Action, ActionSpec, StepContext, Tools, quoted, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "prometheus",
    summary: "Asks a Prometheus for a query's value, now or over a span of time, and for its targets.",
    example: "do: range\nserver: http://prometheus:9090\n\
              query: rate(http_requests_total{service=$service}[5m])\nvalues: {service: api}\nsince: 1h\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Points of a series that are asked for at most.
const POINTS: u64 = 500;
/// Points where no step is given.
const USUAL: u64 = 60;
/// Targets that are facts.
const TARGETS: usize = 200;

text_enum! {
    /// What to ask for.
    Verb {
        /// The query's value now.
        Instant = "instant",
        /// Its values over a span of time until now.
        Range = "range",
        /// What is watched, and whether it answers.
        Targets = "targets",
    }
}

/// A question to a Prometheus. Facts, by verb. `instant`: `value` (of the first series; missing where there is none or
/// it is no number), `count` (of series), `min`, `max`, `sum`, `series` (`labels`, `value`). `range`: `count`, `latest`
/// (of the first series), `min`, `max`, `avg` (over all), `series` (`labels`, `latest`, `min`, `max`, `avg`, `points`,
/// `values`: pairs of seconds since 1970 and value). `targets`: `total`, `up`, `down`, `names_down`, `targets` (`job`,
/// `instance`, `health`, `error`).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// What to ask for.
    r#do: Verb,
    /// Its address, as in `http://prometheus:9090`.
    server: Text,
    /// Headers to send.
    #[serde(default)]
    headers: BTreeMap<String, SecretText>,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// `instant`, `range`: PromQL. Takes no placeholder: `$name` stands for one of `values`, as a quoted string.
    #[serde(default)]
    #[schemars(extend("x-literal" = true))]
    query: Option<String>,
    /// `instant`, `range`: the values of `$name`s in the query.
    #[serde(default)]
    values: Option<BTreeMap<String, Text>>,
    /// `range`: how far back, as in `1h`. One hour without.
    #[serde(default)]
    since: Option<Span>,
    /// `range`: between two points, as in `1m`. Without, so that there are about sixty.
    #[serde(default)]
    step: Option<Span>,
}

/// A question that fits together.
struct Prometheus {
    server: Server,
    job: Job,
}

enum Job {
    Instant {
        query: String,
    },
    /// Seconds.
    Range {
        query: String,
        since: u64,
        step: u64,
    },
    Targets,
}

impl Fields {
    fn check(self) -> Result<Prometheus, Sentence> {
        let verb = self.r#do;
        let queries: &[Verb] = &[Verb::Instant, Verb::Range];
        only(
            &verb,
            &[
                (self.query.is_some(), "query", queries),
                (self.values.is_some(), "values", queries),
                (self.since.is_some(), "since", &[Verb::Range]),
                (self.step.is_some(), "step", &[Verb::Range]),
            ],
        )?;
        let server = Server { url: self.server, headers: self.headers, authority: self.authority };
        server.check()?;
        let values = self.values.unwrap_or_default();
        let query = || quoted::fill(&needed(self.query.clone(), "query", &verb)?, &values);
        let job = match verb {
            Verb::Targets => Job::Targets,
            Verb::Instant => Job::Instant { query: query()? },
            Verb::Range => {
                let since = self.since.as_ref().map_or(Ok(3600), Span::seconds)?.max(1);
                let step = match &self.step {
                    Some(step) => step.seconds()?.max(1),
                    None => (since / USUAL).max(1),
                };
                if since / step > POINTS {
                    return Err(sentence!("action.prometheus_points", points => since / step, most => POINTS));
                }
                Job::Range { query: query()?, since, step }
            }
        };
        Ok(Prometheus { server, job })
    }
}

#[async_trait]
impl Action for Prometheus {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.server.secrets()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let (line, mut exact) = match &self.job {
            Job::Instant { query } => (Sentence::plain(query), json!({ "do": "instant", "query": query })),
            Job::Range { query, since, step } => (
                sentence!("action.prometheus_range", query, seconds => *since, step => *step),
                json!({ "do": "range", "query": query, "since": since, "step": step }),
            ),
            Job::Targets => (sentence!("action.prometheus_targets"), json!({ "do": "targets" })),
        };
        exact["server"] = self.server.exact();
        let target = sentence!("action.prometheus_server", host => self.server.host()?);
        Ok(Plan { action: SPEC.name.to_owned(), effect: Effect::Read, target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, self.report(cx)).await
    }
}

impl Prometheus {
    async fn report(&self, cx: &StepContext) -> Result<Report, Sentence> {
        let millis = |span: u64| i64::try_from(span.saturating_mul(1000)).unwrap_or(i64::MAX);
        match &self.job {
            Job::Instant { query } => {
                // Without a time it is the server's own now: ours may be behind its newest sample.
                series::instant(&self.ask(cx, "query", &[("query", query.clone())]).await?)
            }
            Job::Range { query, since, step } => {
                let end = cx.started_at.0;
                let asked = [
                    ("query", query.clone()),
                    ("start", seconds(end.saturating_sub(millis(*since)))),
                    ("end", seconds(end)),
                    ("step", step.to_string()),
                ];
                series::range(query, &self.ask(cx, "query_range", &asked).await?)
            }
            Job::Targets => Ok(targets(&self.ask(cx, "targets", &[("state", "active".to_owned())]).await?)),
        }
    }

    async fn ask(&self, cx: &StepContext, what: &str, query: &[(&str, String)]) -> Result<Value, Sentence> {
        let answer = self.server.get(cx, &format!("/api/v1/{what}"), query).await?.good()?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(sentence!("action.api_odd")),
        }
    }
}

/// A moment as Prometheus takes it: seconds with their thousandths.
fn seconds(millis: i64) -> String {
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

fn targets(data: &Value) -> Report {
    let all = data["activeTargets"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<[String; 4]> = all
        .iter()
        .map(|one| {
            let labels = &one["labels"];
            [text(&labels["job"]), text(&labels["instance"]), text(&one["health"]), text(&one["lastError"])]
        })
        .collect();
    // Those that do not answer first.
    all.sort_by(|a, b| (a[2] == "up", a).cmp(&(b[2] == "up", b)));
    let up = all.iter().filter(|one| one[2] == "up").count();
    let down: Vec<String> =
        all.iter().filter(|one| one[2] == "down").map(|[job, instance, ..]| format!("{job}/{instance}")).collect();
    let columns = ["action.column_job", "action.column_instance", "action.column_health", "action.column_error"];
    let table = Grid::new(columns.map(Sentence::new).into(), all.iter().map(|one| one.to_vec()));
    let shown: Vec<Value> = all
        .iter()
        .take(TARGETS)
        .map(|[job, instance, health, error]| {
            json!({ "job": job, "instance": instance, "health": health, "error": error })
        })
        .collect();
    let line = sentence!("action.prometheus_up", up, total => all.len());
    let facts = json!({ "total": all.len(), "up": up, "down": down.len(), "names_down": down, "targets": shown });
    Report { table: Some(table), ..Report::new(facts, line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(with: &Value) -> String {
        format!("{:?}", read::<Fields>(with).and_then(Fields::check).map(|_| ()).unwrap_err())
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (mut with, says) in [
            (json!({"do": "instant"}), "query"),
            (json!({"do": "targets", "query": "up"}), "query"),
            (json!({"do": "instant", "query": "up", "since": "1h"}), "since"),
            (json!({"do": "range", "query": "up", "since": "24h", "step": "1s"}), "prometheus_points"),
            (json!({"do": "instant", "query": "up{a=$b}"}), "query_no_value"),
        ] {
            with["server"] = json!("http://p:9090");
            let error = refused(&with);
            assert!(error.contains(says), "{with}: {error}");
        }
        assert!(refused(&json!({"do": "targets", "server": "ftp://p"})).contains("http_scheme"));
    }

    #[test]
    fn targets_that_are_down_come_first() {
        let one = |job: &str, health: &str| json!({"labels": {"job": job, "instance": "x:1"}, "health": health});
        let report = targets(&json!({"activeTargets": [one("a", "up"), one("b", "down"), one("c", "up")]}));
        assert_eq!(report.facts["names_down"], json!(["b/x:1"]));
        assert_eq!((&report.facts["up"], &report.facts["targets"][0]["job"]), (&json!(2), &json!("b")));
    }
}
