//! `aws`: one call of a closed table of operations. What is not in the table cannot be asked. Knows nothing of single
//! operations.

mod cloudfront;
mod dynamodb;
mod fields;
mod item;
mod look;
mod rds;
mod s3;
mod s3_files;
mod secrets;
mod sqs;

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::fields::{Field, Given};
use super::attempt::{Attempt, bounded};
use super::caller::Caller;
use super::fault::Fault;
use super::planned;
use super::wire::{Answer, Wire};
use crate::clock::Timestamp;
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Outcome;
use crate::executor::{Action, ActionSpec, StepContext, Tools};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "aws",
    summary: "Asks one of a closed list of operations of S3, SQS, DynamoDB, CloudFront, Secrets Manager, RDS and others.",
    example: "do: sqs.redrive\nqueue: jobs-dlq\naccount: \"123456789012\"\n",
    schema: fields::schema,
    parse: |with| Ok(Box::new(AwsStep { given: Given::read(with)? })),
};

/// Does an operation, or looks at what it would change.
type Deed = for<'a> fn(&'a Job<'a>) -> BoxFuture<'a, Result<Found, Fault>>;

/// A row of the table.
struct Operation {
    /// The word in `do:`.
    name: &'static str,
    /// What it does, and its facts.
    about: &'static str,
    /// What it may do.
    effect: Effect,
    fields: &'static [Field],
    /// Looks at what is there now. The plan holds the facts that it finds, and a run that finds others does nothing.
    look: Option<Deed>,
    /// Does it.
    run: Deed,
}

/// Every operation, a service a list.
static SERVICES: &[&[Operation]] = &[
    look::OPERATIONS,
    s3::OPERATIONS,
    s3_files::OPERATIONS,
    sqs::OPERATIONS,
    dynamodb::OPERATIONS,
    cloudfront::OPERATIONS,
    secrets::OPERATIONS,
    rds::OPERATIONS,
];

/// The words that `do:` may be.
pub fn operations() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().copied().flatten().map(|operation| operation.name)
}

/// What an operation works with.
struct Job<'j> {
    caller: &'j Caller,
    given: &'j Given,
    tools: &'j Tools,
    /// Same for every attempt of the step; empty in a plan.
    key: &'j str,
    /// When the attempt started; none in a plan.
    at: Option<Timestamp>,
    /// Whether something was sent whose end nobody has heard of.
    sent: &'j AtomicBool,
}

impl Job<'_> {
    /// Asks what changes nothing.
    async fn read(&self, wire: Wire) -> Result<Answer, Fault> {
        self.caller.read(&wire).await
    }

    /// Asks for a change. A throttled one did nothing, and is sent again.
    async fn change(&self, wire: Wire) -> Result<Answer, Fault> {
        self.caller.change(&wire, self.sent).await
    }

    fn text(&self, name: &str) -> &str {
        self.given.text(name).unwrap_or_default()
    }

    /// How long ago a moment was, in whole seconds; null where nobody knows.
    fn age(&self, moment: Option<jiff::Timestamp>) -> Value {
        match (self.at, moment) {
            (Some(at), Some(moment)) => json!(at.to_jiff().as_second() - moment.as_second()),
            _ => Value::Null,
        }
    }
}

/// What an operation found.
#[derive(Default)]
struct Found {
    facts: Map<String, Value>,
    line: Sentence,
    table: Option<Grid>,
}

impl Found {
    fn line(line: Sentence) -> Self {
        Self { line, ..Self::default() }
    }

    fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// A list under `name`, how many they are, and the same as a table of `columns`.
    fn list(mut self, name: &str, columns: &[&str], items: Vec<Value>) -> Self {
        let cell = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        if !items.is_empty() {
            let rows = items.iter().map(|item| columns.iter().map(|column| cell(&item[*column])).collect());
            self.table = Some(Grid::new(columns.iter().map(Sentence::plain).collect(), rows.collect::<Vec<_>>()));
        }
        self.line = sentence!("aws.counted", count => items.len());
        self.fact("count", items.len()).fact(name, items)
    }
}

/// An operation with its fields.
struct AwsStep {
    given: Given,
}

#[async_trait]
impl Action for AwsStep {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        let (verb, least) = (self.given.operation.name, self.given.operation.effect);
        match declared {
            Some(declared) if declared < least => {
                let (declared, least) = (declared.as_str(), least.as_str());
                Err(sentence!("aws.effect", verb, declared, least))
            }
            declared => Ok(declared.unwrap_or(least)),
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.given.secrets()
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let operation = self.given.operation;
        let mut exact = json!({
            "do": operation.name,
            "with": self.given.shown(),
            "place": self.given.place.exact(),
        });
        // What only reads is planned without asking, unless an account must be looked at.
        if operation.look.is_some() || (operation.effect > Effect::Read && self.given.place.account.is_some()) {
            let look = async {
                let caller = self.given.place.caller(tools).await?;
                match operation.look {
                    Some(look) => Ok(Some(look(&self.job(&caller, tools, &AtomicBool::new(false))).await?.facts)),
                    None => Ok(None),
                }
            };
            exact["found"] = json!(planned(look).await?);
        }
        let line = format!("{}{}", operation.name, self.given.line());
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: operation.effect,
            target: Sentence::Plain(self.given.target()),
            line: Sentence::Plain(line),
            exact,
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let mut attempt = Attempt::default();
        let sent = AtomicBool::new(false);
        let ended = bounded(cx, self.attempt(cx, &sent, &mut attempt)).await;
        attempt.sent = sent;
        attempt.outcome(cx, ended)
    }
}

impl AwsStep {
    fn job<'j>(&'j self, caller: &'j Caller, tools: &'j Tools, sent: &'j AtomicBool) -> Job<'j> {
        Job { caller, given: &self.given, tools, key: "", at: None, sent }
    }

    async fn attempt(&self, cx: &StepContext, sent: &AtomicBool, attempt: &mut Attempt) -> Result<Sentence, Fault> {
        let operation = self.given.operation;
        let caller = self.given.place.caller(&cx.tools).await?;
        let job = Job { key: &cx.idempotency_key, at: Some(cx.started_at), ..self.job(&caller, &cx.tools, sent) };
        if let Some(look) = operation.look {
            // Without a moment, as the plan looked.
            let now = look(&self.job(&caller, &cx.tools, sent)).await?.facts;
            let before = &cx.planned["found"];
            if before.is_object() && *before != cx.tools.redactor.value(&Value::Object(now.clone())) {
                return Err(Fault::Failed(sentence!("aws.moved", what => self.given.target())));
            }
            attempt.facts = now;
        }
        let found = (operation.run)(&job).await?;
        attempt.facts.extend(found.facts);
        attempt.table = found.table;
        Ok(found.line)
    }
}

/// A request by path that only reads.
fn get(service: &'static str, segments: &[&str]) -> Wire {
    Wire::rest(service, Method::GET, segments)
}

/// The first text under a name; empty where there is none.
fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A number, also one that is written as text.
fn number(value: &Value) -> Value {
    match value {
        Value::String(text) => text.parse::<i64>().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

/// A moment as services write it: in seconds since 1970, as RFC 3339, or as HTTP does.
fn moment(value: &Value) -> Option<jiff::Timestamp> {
    match value {
        Value::Number(seconds) => jiff::Timestamp::from_millisecond((seconds.as_f64()? * 1000.0) as i64).ok(),
        Value::String(text) => text.parse().ok().or_else(|| {
            let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
            Some(parsed.timestamp())
        }),
        _ => None,
    }
}
