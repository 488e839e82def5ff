//! What a `cloudwatch` step may say: one verb, and the fields of that verb and no other. Knows nothing of AWS.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::aws::Place;
use crate::executor::listed;
use crate::executor::value::{Span, Text};

/// How far back where nothing is said, in seconds.
const SINCE: u64 = 3600;
/// Of one value where nothing is said, in seconds.
const PERIOD: u64 = 300;
/// Values that CloudWatch gives at most.
const VALUES: u64 = 1440;
/// Statistics beside percentiles.
const STATS: &[&str] = &["Average", "Maximum", "Minimum", "SampleCount", "Sum"];

text_enum! {
    /// What to look at. Nothing here writes.
    Verb {
        /// Reads one statistic of a metric.
        Metric = "metric",
        /// Lists alarms.
        Alarms = "alarms",
        /// Names what a dashboard shows.
        Dashboard = "dashboard",
    }
}

/// What CloudWatch measures. Facts, by verb: `metric`: `values` (the oldest first), `times`, `latest`, `sum`, `max`, `min`,
/// `count`. `alarms`: `alarms` (name, state, reason, since), `in_alarm` (names), `alarming` (how many), `count`.
/// `dashboard`: `titles` (of its widgets), `widgets` (how many), `link`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// `metric`: its namespace, as in `AWS/Lambda`.
    #[serde(default)]
    namespace: Option<Text>,
    /// `metric`, `dashboard`: the name.
    #[serde(default)]
    name: Option<Text>,
    /// `metric`: which one, as in `{ FunctionName: api }`.
    #[serde(default)]
    dimensions: Option<BTreeMap<String, Text>>,
    /// `metric`: `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount`, or a percentile as in `p99`. `Sum` without.
    #[serde(default)]
    stat: Option<Text>,
    /// `metric`: the span of one value, a multiple of `60s`. `5m` without.
    #[serde(default)]
    period: Option<Span>,
    /// `metric`: how far back, `1h` without.
    #[serde(default)]
    since: Option<Span>,
    /// `alarms`: what their names begin with.
    #[serde(default)]
    prefix: Option<Text>,
    /// `alarms`: only those that are `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    #[serde(default)]
    state: Option<Text>,
    /// The region; the configuration's without.
    #[serde(default)]
    region: Option<Text>,
    /// The account that it must be; in another one nothing is done.
    #[serde(default)]
    account: Option<Text>,
}

/// A metric, and what of it.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
    pub(super) stat: String,
    /// In seconds.
    pub(super) period: u64,
    /// In seconds.
    pub(super) since: u64,
}

/// A verb with its own fields.
#[derive(Debug)]
pub(super) enum Job {
    Metric(Metric),
    Alarms { prefix: Option<String>, state: Option<String> },
    Dashboard { name: String },
}

/// A step, its fields checked.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) job: Job,
    pub(super) place: Place,
}

fn text(field: Option<&Text>) -> Option<String> {
    field.map(|Text(text)| text.clone()).filter(|text| !text.is_empty())
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Step, Sentence> {
        self.strays()?;
        let place = Place::new(self.region.as_ref(), self.account.as_ref());
        let missing = |field: &'static str| sentence!("aws.missing", field, verb => self.r#do.as_str());
        let name = || text(self.name.as_ref()).ok_or_else(|| missing("name"));
        let job = match self.r#do {
            Verb::Metric => Job::Metric(self.metric(name()?)?),
            Verb::Dashboard => Job::Dashboard { name: name()? },
            Verb::Alarms => {
                let state = text(self.state.as_ref());
                if state.as_ref().is_some_and(|state| !["OK", "ALARM", "INSUFFICIENT_DATA"].contains(&state.as_str())) {
                    return Err(sentence!("aws.alarm_state"));
                }
                Job::Alarms { prefix: text(self.prefix.as_ref()), state }
            }
        };
        Ok(Step { job, place })
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        let of = |given: bool, field: &'static str, verbs: &'static [Verb]| (given, field, verbs);
        let metric: &[Verb] = &[Verb::Metric];
        let fields = [
            of(self.namespace.is_some(), "namespace", metric),
            of(self.name.is_some(), "name", &[Verb::Metric, Verb::Dashboard]),
            of(self.dimensions.is_some(), "dimensions", metric),
            of(self.stat.is_some(), "stat", metric),
            of(self.period.is_some(), "period", metric),
            of(self.since.is_some(), "since", metric),
            of(self.prefix.is_some(), "prefix", &[Verb::Alarms]),
            of(self.state.is_some(), "state", &[Verb::Alarms]),
        ];
        match fields.iter().find(|(given, _, verbs)| *given && !verbs.contains(&self.r#do)) {
            Some((_, field, verbs)) => {
                Err(sentence!("aws.other_verb", field => *field, verbs => listed(verbs), verb => self.r#do.as_str()))
            }
            None => Ok(()),
        }
    }

    fn metric(&self, name: String) -> Result<Metric, Sentence> {
        let namespace = text(self.namespace.as_ref());
        let namespace = namespace.ok_or_else(|| sentence!("aws.missing", field => "namespace", verb => "metric"))?;
        let stat = text(self.stat.as_ref()).unwrap_or_else(|| "Sum".to_owned());
        let percentile = stat.strip_prefix('p').is_some_and(|digits| digits.parse::<f64>().is_ok_and(|it| it <= 100.0));
        if !percentile && !STATS.contains(&stat.as_str()) {
            return Err(sentence!("aws.metric_stat", stat, known => listed(STATS)));
        }
        let span = |span: &Option<Span>, without| span.as_ref().map_or(Ok(without), Span::seconds);
        let (period, since) = (span(&self.period, PERIOD)?, span(&self.since, SINCE)?);
        if period == 0 || period % 60 != 0 {
            return Err(sentence!("aws.metric_period"));
        }
        if since / period > VALUES {
            return Err(sentence!("aws.metric_values", limit => VALUES));
        }
        let dimensions = self.dimensions.iter().flatten().map(|(name, Text(value))| (name.clone(), value.clone()));
        Ok(Metric { namespace, name, dimensions: dimensions.collect(), stat, period, since })
    }
}

impl Metric {
    /// Which one, in one line.
    pub(super) fn of(&self) -> String {
        let dimensions: Vec<String> = self.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if dimensions.is_empty() { self.namespace.clone() } else { listed(&dimensions) }
    }
}

impl Step {
    /// Everything, as the plan holds it.
    pub(super) fn exact(&self) -> Value {
        let mut exact = match &self.job {
            Job::Metric(metric) => json!({
                "do": Verb::Metric, "namespace": metric.namespace, "name": metric.name,
                "dimensions": metric.dimensions, "stat": metric.stat, "period": metric.period, "since": metric.since,
            }),
            Job::Alarms { prefix, state } => json!({ "do": Verb::Alarms, "prefix": prefix, "state": state }),
            Job::Dashboard { name } => json!({ "do": Verb::Dashboard, "name": name }),
        };
        exact["place"] = self.place.exact();
        exact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_says_what_and_no_field_of_another_verb() {
        for (with, says) in [
            (json!({"do": "metric", "name": "Errors"}), "namespace"),
            (json!({"do": "metric", "name": "Errors", "namespace": "x", "stat": "Median"}), "metric_stat"),
            (json!({"do": "metric", "name": "Errors", "namespace": "x", "period": "30s"}), "metric_period"),
            (
                json!({"do": "metric", "name": "Errors", "namespace": "x", "since": "240h", "period": "1m"}),
                "metric_values",
            ),
            (json!({"do": "alarms", "name": "Errors"}), "name"),
            (json!({"do": "alarms", "state": "BAD"}), "alarm_state"),
            (json!({"do": "dashboard"}), "name"),
        ] {
            let fields: Fields = serde_json::from_value(with.clone()).unwrap();
            let error = format!("{:?}", fields.check().unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
    }
}
