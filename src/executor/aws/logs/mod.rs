//! `cloudwatch_logs`: reads logs, follows them for a while, asks Logs Insights. It never writes.

mod events;
mod fields;
mod insights;
mod live;
mod tail;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::Client;
use serde_json::{Value, json};

use self::events::Reader;
pub use self::fields::Verb;
use self::fields::{Fields, Job, Step};
use super::attempt::{Attempt, bounded};
use super::caller::{Caller, looking};
use super::fault::Fault;
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Outcome;
use crate::executor::output::Recorder;
use crate::executor::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "cloudwatch_logs",
    summary: "Reads logs in CloudWatch, follows them for a while, asks Logs Insights.",
    example: "do: filter\ngroup: /aws/lambda/api\npattern: ERROR\nsince: 24h\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Bytes of output that are kept for facts.
const READ: usize = 64 * 1024;
/// Pages of a list of groups; each has up to 50.
const PAGES: usize = 20;

#[async_trait]
impl Action for Step {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(Effect::Read))
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let groups = listed(&self.groups);
        let line = match &self.job {
            Job::Filter { pattern: None } => sentence!("aws.logs_read", groups => groups.as_str()),
            Job::Filter { pattern: Some(pattern) } => sentence!("aws.logs_filter", groups => groups.as_str(), pattern),
            Job::Tail { seconds, .. } => {
                let seconds = i64::try_from(*seconds).unwrap_or(i64::MAX);
                sentence!("aws.logs_tail", groups => groups.as_str(), seconds)
            }
            Job::Insights { query } => sentence!("aws.logs_insights", groups => groups.as_str(), query),
            Job::Groups { .. } => sentence!("aws.logs_groups"),
        };
        let target = match self.verb {
            Verb::Groups => sentence!("aws.logs_all"),
            _ => Sentence::Plain(groups),
        };
        Ok(Plan { action: SPEC.name.to_owned(), effect: Effect::Read, target, line, exact: self.exact() })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let mut attempt = Attempt::default();
        let mut recorder = Recorder::watched(cx, READ);
        let ended = bounded(cx, self.attempt(cx, &mut attempt, &mut recorder)).await;
        let recorded = recorder.finish();
        attempt.output = (recorded.output.bytes > 0).then_some(recorded.output);
        attempt.outcome(cx, ended)
    }
}

impl Step {
    async fn attempt(
        &self,
        cx: &StepContext,
        attempt: &mut Attempt,
        recorder: &mut Recorder<'_>,
    ) -> Result<Sentence, Fault> {
        let caller = self.place.caller(&cx.tools).await?;
        let client = Client::new(&caller.sdk);
        let since = cx.started_at.before(std::time::Duration::from_secs(self.since));
        let reader = |pattern: &Option<String>| Reader {
            client: &client,
            groups: &self.groups,
            pattern: pattern.clone(),
            since: since.0,
            limit: self.limit as usize,
            redactor: &cx.tools.redactor,
        };
        match &self.job {
            Job::Filter { pattern } => reader(pattern).filter(attempt, recorder).await,
            Job::Tail { pattern, seconds } => {
                // It ends by itself, also where the step has less time.
                let most = cx.timeout.mul_f64(0.9);
                let span = std::time::Duration::from_secs(*seconds).min(most);
                reader(pattern).tail(&caller, (span, self.since > 0), attempt, recorder).await
            }
            Job::Insights { query } => {
                let asked =
                    insights::Asked { groups: &self.groups, query, limit: self.limit, since, until: cx.started_at };
                insights::ask(&client, &asked, attempt).await
            }
            Job::Groups { prefix } => groups(&client, prefix.as_ref(), attempt).await,
        }
    }
}

async fn groups(client: &Client, prefix: Option<&String>, attempt: &mut Attempt) -> Result<Sentence, Fault> {
    let (mut found, mut next) = (Vec::new(), None);
    for _ in 0..PAGES {
        let request = || client.describe_log_groups().set_log_group_name_prefix(prefix.cloned());
        let page = looking(|| request().set_next_token(next.clone()).send()).await?;
        found.extend(page.log_groups().iter().map(
            |group| json!({ "name": group.log_group_name(), "bytes": group.stored_bytes(), "days": group.retention_in_days() }),
        ));
        next = page.next_token().map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let columns = ["name", "bytes", "days"];
    let rows = found.iter().map(|it| columns.iter().map(|column| cell(&it[*column])).collect());
    attempt.table = (!found.is_empty()).then(|| Grid::new(columns.map(Sentence::plain).into(), rows));
    let (total, names) = (found.len(), found.iter().map(|it| it["name"].clone()).collect::<Vec<_>>());
    attempt.found("names", names);
    attempt.found("groups", found);
    attempt.found("count", total);
    attempt.found("truncated", next.is_some());
    Ok(sentence!("aws.counted", count => total))
}
