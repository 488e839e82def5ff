//! `cloudwatch`: metrics, alarms and dashboards. It never writes.

mod fields;

use async_trait::async_trait;
use serde_json::{Value, json};

pub use self::fields::Verb;
use self::fields::{Fields, Job, Metric, Step};
use super::attempt::{Attempt, bounded};
use super::caller::Caller;
use super::fault::Fault;
use super::wire::{Wire, encoded};
use super::xml;
use crate::clock::Timestamp;
use crate::domain::chart::Chart;
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Outcome;
use crate::executor::{Action, ActionSpec, StepContext, Tools, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "cloudwatch",
    summary: "Reads metrics, alarms and dashboards of CloudWatch.",
    example: "do: metric\nnamespace: AWS/Lambda\nname: Errors\ndimensions: { FunctionName: api }\nstat: Sum\nsince: 1h\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// The version of its API.
const VERSION: &str = "2010-08-01";
/// Pages of alarms that are read; each has up to 100.
const PAGES: usize = 20;

#[async_trait]
impl Action for Step {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let (target, line) = match &self.job {
            Job::Metric(metric) => (
                Sentence::plain(&metric.name),
                sentence!("aws.metric", stat => &metric.stat, name => &metric.name, of => metric.of()),
            ),
            Job::Alarms { prefix, .. } => {
                (sentence!("aws.alarms_all"), sentence!("aws.alarms", prefix => prefix.as_deref().unwrap_or_default()))
            }
            Job::Dashboard { name } => (Sentence::plain(name), sentence!("aws.dashboard", name)),
        };
        Ok(Plan { action: SPEC.name.to_owned(), effect: Effect::Read, target, line, exact: self.exact() })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let mut attempt = Attempt::default();
        let ended = bounded(cx, self.attempt(cx, &mut attempt)).await;
        attempt.outcome(cx, ended)
    }
}

impl Step {
    async fn attempt(&self, cx: &StepContext, attempt: &mut Attempt) -> Result<Sentence, Fault> {
        let caller = self.place.caller(&cx.tools).await?;
        match &self.job {
            Job::Metric(metric) => measure(&caller, metric, cx.started_at, attempt).await,
            Job::Alarms { prefix, state } => alarms(&caller, (prefix.as_deref(), state.as_deref()), attempt).await,
            Job::Dashboard { name } => dashboard(&caller, name, attempt).await,
        }
    }
}

async fn ask(caller: &Caller, action: &str, values: &[(String, String)]) -> Result<Value, Fault> {
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = caller.read(&Wire::query("monitoring", action, VERSION, &values)).await?;
    Ok(answer.xml()?[format!("{action}Result")].take())
}

fn pair(name: impl Into<String>, value: impl ToString) -> (String, String) {
    (name.into(), value.to_string())
}

/// One statistic of one metric, the oldest value first.
async fn measure(caller: &Caller, metric: &Metric, until: Timestamp, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let mut values = vec![
        pair("Namespace", &metric.namespace),
        pair("MetricName", &metric.name),
        pair("Period", metric.period),
        pair("StartTime", until.before(std::time::Duration::from_secs(metric.since))),
        pair("EndTime", until),
    ];
    let percentile = metric.stat.starts_with('p');
    values.push(pair(if percentile { "ExtendedStatistics.member.1" } else { "Statistics.member.1" }, &metric.stat));
    for (at, (name, value)) in metric.dimensions.iter().enumerate() {
        values.push(pair(format!("Dimensions.member.{}.Name", at + 1), name));
        values.push(pair(format!("Dimensions.member.{}.Value", at + 1), value));
    }
    let answer = ask(caller, "GetMetricStatistics", &values).await?;
    let value = |point: &Value| match percentile {
        false => point[&metric.stat].as_str()?.parse::<f64>().ok(),
        // The name of the statistic is in an element beside its value.
        true => xml::list(point, &["ExtendedStatistics", "entry"]).first()?["value"].as_str()?.parse().ok(),
    };
    let points = xml::list(&answer, &["Datapoints", "member"]);
    let mut points: Vec<(&str, f64)> =
        points.into_iter().filter_map(|point| Some((point["Timestamp"].as_str()?, value(point)?))).collect();
    points.sort_by(|a, b| a.0.cmp(b.0));
    let numbers: Vec<f64> = points.iter().map(|(_, number)| *number).collect();
    let (sum, latest) = (numbers.iter().sum::<f64>(), numbers.last().copied());
    let columns = vec![sentence!("aws.time"), Sentence::plain(&metric.stat)];
    let rows = points.iter().map(|(time, number)| vec![(*time).to_owned(), number.to_string()]);
    attempt.table = (!points.is_empty()).then(|| Grid::new(columns, rows));
    let drawn = points.iter().filter_map(|(time, number)| Some((moment(time)?, *number))).collect();
    attempt.chart = Chart::over_time(&metric.name, &[(metric.stat.clone(), drawn)]);
    attempt.found("times", points.iter().map(|(time, _)| (*time).to_owned()).collect::<Vec<_>>());
    attempt.found("count", numbers.len());
    attempt.found("latest", latest);
    attempt.found("sum", sum);
    attempt.found("max", numbers.iter().copied().reduce(f64::max));
    attempt.found("min", numbers.iter().copied().reduce(f64::min));
    attempt.found("values", numbers);
    Ok(match latest {
        Some(latest) => sentence!("aws.metric_latest", latest => latest.to_string(), sum => sum.to_string()),
        None => sentence!("aws.metric_none"),
    })
}

/// A moment as AWS writes it, in seconds.
fn moment(text: &str) -> Option<f64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    #[allow(clippy::cast_precision_loss)] // seconds of our days
    let seconds = at.as_second() as f64;
    Some(seconds)
}

/// Alarms, and which of them say that something is wrong.
async fn alarms(
    caller: &Caller,
    (prefix, state): (Option<&str>, Option<&str>),
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let (mut found, mut next): (Vec<Value>, Option<String>) = (Vec::new(), None);
    for _ in 0..PAGES {
        let mut values = vec![
            pair("MaxRecords", 100),
            pair("AlarmTypes.member.1", "MetricAlarm"),
            pair("AlarmTypes.member.2", "CompositeAlarm"),
        ];
        let more = [("AlarmNamePrefix", prefix), ("StateValue", state), ("NextToken", next.as_deref())];
        values.extend(more.into_iter().filter_map(|(name, value)| Some(pair(name, value?))));
        let answer = ask(caller, "DescribeAlarms", &values).await?;
        for kind in ["MetricAlarms", "CompositeAlarms"] {
            found.extend(xml::list(&answer, &[kind, "member"]).into_iter().map(|alarm| {
                json!({
                    "name": alarm["AlarmName"], "state": alarm["StateValue"], "reason": alarm["StateReason"],
                    "since": alarm["StateUpdatedTimestamp"],
                })
            }));
        }
        next = answer["NextToken"].as_str().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let bad: Vec<Value> = found.iter().filter(|it| it["state"] == "ALARM").map(|it| it["name"].clone()).collect();
    let columns = ["name", "state", "since", "reason"];
    let row = |it: &Value| columns.iter().map(|name| it[*name].as_str().unwrap_or_default().to_owned()).collect();
    attempt.table = (!found.is_empty()).then(|| Grid::new(columns.map(Sentence::plain).into(), found.iter().map(row)));
    let (total, bad_ones) = (found.len(), bad.len());
    attempt.found("alarms", found);
    attempt.found("in_alarm", bad);
    attempt.found("count", total);
    attempt.found("alarming", bad_ones);
    attempt.found("truncated", next.is_some());
    Ok(sentence!("aws.alarms_found", count => total, alarming => bad_ones))
}

/// What a dashboard shows, and where it is.
async fn dashboard(caller: &Caller, name: &str, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let answer = ask(caller, "GetDashboard", &[pair("DashboardName", name)]).await?;
    let body: Value = serde_json::from_str(answer["DashboardBody"].as_str().unwrap_or_default()).unwrap_or_default();
    let widgets = body["widgets"].as_array().cloned().unwrap_or_default();
    let titles: Vec<&str> = widgets.iter().filter_map(|widget| widget["properties"]["title"].as_str()).collect();
    let region = caller.region();
    let link = format!(
        "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards:name={}",
        encoded(name, true)
    );
    attempt.found("titles", json!(titles));
    attempt.found("widgets", widgets.len());
    attempt.found("link", link.as_str());
    Ok(sentence!("aws.dashboard_at", count => widgets.len(), link))
}
