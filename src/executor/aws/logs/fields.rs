//! What a `cloudwatch_logs` step may say: one verb, and the fields of that verb and no other. Knows nothing of AWS.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::aws::Place;
use crate::executor::listed;
use crate::executor::value::{Span, Text};

/// Events that are kept where nothing is said.
const LIMIT: u32 = 200;
/// Most that may be asked for.
const LARGEST: u32 = 1000;
/// How far back where nothing is said, in seconds.
const SINCE: u64 = 15 * 60;
/// How long a tail goes on where nothing is said, in seconds.
const FOR: u64 = 30;
/// Longest tail, in seconds.
const LONGEST: u64 = 15 * 60;
/// Most groups of one step.
const GROUPS: usize = 20;

text_enum! {
    /// How to look into logs. Nothing here writes.
    Verb {
        /// Reads events that match.
        Filter = "filter",
        /// Shows events as they come, for a while.
        Tail = "tail",
        /// Asks Logs Insights.
        Insights = "insights",
        /// Lists groups.
        Groups = "groups",
    }
}

/// Logs in CloudWatch. Facts, by verb: `filter`: `count` (all that matched), `events` (time, group, stream, message; the
/// newest), `lines` (their messages), `truncated`. `tail`: `count`, `lines`, `truncated`, `live` (not asked for each second),
/// `sampled` (CloudWatch left some out). `insights`: `rows` (by field), `columns`, `count`, `scanned_bytes`. `groups`: `groups` (name, bytes, days), `names`, `count`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The group's name.
    #[serde(default)]
    group: Option<Text>,
    /// Several groups.
    #[serde(default)]
    #[schemars(length(min = 1, max = 20))]
    groups: Option<Vec<Text>>,
    /// `groups`: what their names begin with.
    #[serde(default)]
    prefix: Option<Text>,
    /// `filter`, `tail`: a filter pattern of CloudWatch, as in `ERROR`, `%time(d )?out%` or `{ $.status >= 500 }`.
    #[serde(default)]
    pattern: Option<Text>,
    /// `insights`: the query.
    #[serde(default)]
    query: Option<Text>,
    /// How far back, as in `15m`, which it is without; a tail begins now without.
    #[serde(default)]
    since: Option<Span>,
    /// `filter`, `insights`: most events or rows that are kept, 200 without. `tail`: it ends after so many.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// `tail`: how long, 30s without, 15m at most.
    #[serde(default)]
    r#for: Option<Span>,
    /// The region; the configuration's without.
    #[serde(default)]
    region: Option<Text>,
    /// The account that it must be; in another one nothing is done.
    #[serde(default)]
    account: Option<Text>,
}

/// A verb with its own fields.
#[derive(Debug)]
pub(super) enum Job {
    Filter { pattern: Option<String> },
    Tail { pattern: Option<String>, seconds: u64 },
    Insights { query: String },
    Groups { prefix: Option<String> },
}

/// A step, its fields checked.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) verb: Verb,
    pub(super) groups: Vec<String>,
    /// In seconds.
    pub(super) since: u64,
    pub(super) limit: u32,
    pub(super) job: Job,
    pub(super) place: Place,
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Step, Sentence> {
        self.strays()?;
        let groups: Vec<String> =
            self.group.iter().chain(self.groups.iter().flatten()).map(|Text(name)| name.clone()).collect();
        let named = !groups.is_empty() && groups.iter().all(|name| !name.is_empty());
        if self.r#do != Verb::Groups && (!named || self.group.is_some() == self.groups.is_some()) {
            return Err(sentence!("aws.logs_which", verb => self.r#do.as_str()));
        }
        if groups.len() > GROUPS {
            return Err(sentence!("aws.logs_too_many", limit => GROUPS));
        }
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LARGEST).contains(&limit) {
            return Err(sentence!("aws.logs_limit", limit => LARGEST));
        }
        let since = self.since.as_ref().map(Span::seconds).transpose()?;
        let since = since.unwrap_or(if self.r#do == Verb::Tail { 0 } else { SINCE });
        let place = Place::new(self.region.as_ref(), self.account.as_ref());
        Ok(Step { verb: self.r#do, groups, since, limit, place, job: self.job()? })
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        let of = |given: bool, field: &'static str, verbs: &'static [Verb]| (given, field, verbs);
        let reading: &[Verb] = &[Verb::Filter, Verb::Tail, Verb::Insights];
        let fields = [
            of(self.group.is_some(), "group", reading),
            of(self.groups.is_some(), "groups", reading),
            of(self.since.is_some(), "since", reading),
            of(self.limit.is_some(), "limit", reading),
            of(self.prefix.is_some(), "prefix", &[Verb::Groups]),
            of(self.pattern.is_some(), "pattern", &[Verb::Filter, Verb::Tail]),
            of(self.query.is_some(), "query", &[Verb::Insights]),
            of(self.r#for.is_some(), "for", &[Verb::Tail]),
        ];
        match fields.iter().find(|(given, _, verbs)| *given && !verbs.contains(&self.r#do)) {
            Some((_, field, verbs)) => {
                Err(sentence!("aws.other_verb", field => *field, verbs => listed(verbs), verb => self.r#do.as_str()))
            }
            None => Ok(()),
        }
    }

    fn job(self) -> Result<Job, Sentence> {
        let text = |field: Option<Text>| field.map(|Text(text)| text).filter(|text| !text.is_empty());
        Ok(match self.r#do {
            Verb::Filter => Job::Filter { pattern: text(self.pattern) },
            Verb::Tail => {
                let seconds = self.r#for.as_ref().map(Span::seconds).transpose()?.unwrap_or(FOR);
                if !(1..=LONGEST).contains(&seconds) {
                    return Err(sentence!("aws.logs_for", limit => LONGEST / 60));
                }
                Job::Tail { pattern: text(self.pattern), seconds }
            }
            Verb::Insights => {
                let query =
                    text(self.query).ok_or_else(|| sentence!("aws.missing", field => "query", verb => "insights"))?;
                Job::Insights { query }
            }
            Verb::Groups => Job::Groups { prefix: text(self.prefix) },
        })
    }
}

impl Step {
    /// Everything, as the plan holds it.
    pub(super) fn exact(&self) -> Value {
        let mut exact = match &self.job {
            Job::Filter { pattern } => json!({ "pattern": pattern }),
            Job::Tail { pattern, seconds } => json!({ "pattern": pattern, "for": seconds }),
            Job::Insights { query } => json!({ "query": query }),
            Job::Groups { prefix } => json!({ "prefix": prefix }),
        };
        exact["do"] = json!(self.verb);
        exact["groups"] = json!(self.groups);
        exact["since"] = json!(self.since);
        exact["limit"] = json!(self.limit);
        exact["place"] = self.place.exact();
        exact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_other_verbs_and_missing_groups_are_refused() {
        for (with, says) in [
            (json!({"do": "filter"}), "logs_which"),
            (json!({"do": "filter", "group": "a", "groups": ["b"]}), "logs_which"),
            (json!({"do": "filter", "group": "a", "query": "fields @message"}), "query"),
            (json!({"do": "tail", "group": "a", "for": "1h"}), "logs_for"),
            (json!({"do": "insights", "group": "a"}), "query"),
            (json!({"do": "groups", "group": "a"}), "group"),
            (json!({"do": "filter", "group": "a", "limit": 5000}), "logs_limit"),
        ] {
            let fields: Fields = serde_json::from_value(with.clone()).unwrap();
            let error = format!("{:?}", fields.check().unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
    }
}
