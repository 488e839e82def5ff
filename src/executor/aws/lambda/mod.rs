//! `lambda`: functions, their versions and aliases, code and configuration. Values of variables are never shown.

mod change;
mod fields;
mod invoke;
mod look;
mod probe;
mod settings;
mod shift;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

pub use self::fields::Verb;
use self::fields::{Fields, Job, Step};
use super::attempt::{Attempt, bounded};
use super::caller::looking;
use super::fault::Fault;
use super::planned;
use super::wire::LocalFile;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Outcome;
use crate::executor::{Action, ActionSpec, Probe, StepContext, Tools, listed, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "lambda",
    summary: "Looks at Lambda functions, shifts aliases between versions, changes code and configuration, calls one.",
    example: "do: shift\nfunction: api\nalias: live\nversion: \"7\"\naccount: \"123456789012\"\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

#[async_trait]
impl Action for Step {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        match (self.verb.effect(), declared) {
            (Some(least), Some(declared)) if declared < least => {
                let (declared, least) = (declared.as_str(), least.as_str());
                Err(sentence!("aws.effect", verb => self.verb.as_str(), declared, least))
            }
            (least, declared) => Ok(declared.or(least).unwrap_or(Effect::Change)),
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.job.secrets()
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let mut exact = self.job.exact();
        exact["do"] = json!(self.verb);
        exact["function"] = json!(self.function);
        exact["place"] = self.place.exact();
        // What only looks is planned without looking, and so is what says itself what must be there.
        if let Some(must) = self.must() {
            exact["now"] = must;
        } else if self.verb.effect() != Some(Effect::Read) {
            let look = async {
                let caller = self.place.caller(tools).await?;
                self.now(&Client::new(&caller.sdk)).await
            };
            exact["now"] = self.lasting(planned(look).await?);
        }
        let target = match self.verb {
            Verb::List => sentence!("aws.lambda_all"),
            _ => sentence!("aws.lambda_function", function => &self.function),
        };
        let line = self.line(&exact["now"]);
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: self.verb.effect().unwrap_or(Effect::Read),
            target,
            line,
            exact,
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let mut attempt = Attempt::default();
        let ended = bounded(cx, self.attempt(cx, &mut attempt)).await;
        attempt.outcome(cx, ended)
    }

    fn probe<'p>(&'p self, cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        self.shows().then(|| self.look_back(cx).boxed())
    }
}

impl Step {
    /// What must be there before it starts, where the step says so.
    fn must(&self) -> Option<Value> {
        match &self.job {
            Job::Shift { from: Some(from), .. } => Some(json!({ "version": from, "weights": {} })),
            _ => None,
        }
    }

    /// Why it is not started: what is there is not what was planned with.
    fn stands(&self, planned: &Value, now: &Value) -> Result<(), Fault> {
        if let (Some(must), Job::Shift { alias, from: Some(from), .. }) = (self.must(), &self.job) {
            let version = now["version"].as_str().unwrap_or_default();
            return match must["version"] == now["version"] && must["weights"] == now["weights"] {
                true => Ok(()),
                false => Err(Fault::Failed(sentence!("aws.lambda_not_from", alias, version, wanted => from))),
            };
        }
        match planned.is_null() || *planned == self.lasting(now.clone()) {
            true => Ok(()),
            false => Err(Fault::Failed(sentence!("aws.moved", what => &self.function))),
        }
    }

    /// What of it stays as long as nobody changes the function. Its revision does not: a version that is published, as by
    /// the step before this one, gives `$LATEST` another. It is read again at the start, and sent along then.
    fn lasting(&self, mut now: Value) -> Value {
        let found = match &self.job {
            Job::UpdateCode { .. } => &mut now["function"],
            Job::UpdateConfiguration(_) | Job::Publish => &mut now,
            _ => return now,
        };
        if let Value::Object(fields) = found {
            fields.remove("revision");
        }
        now
    }

    /// What there is now that the step would change. A run that finds something else does nothing.
    async fn now(&self, client: &Client) -> Result<Value, Fault> {
        Ok(match &self.job {
            Job::Shift { alias, .. } => look::alias(client, &self.function, alias).await?,
            Job::UpdateCode { zip, .. } => {
                let file = LocalFile::look(zip).await.map_err(Fault::Failed)?;
                json!({ "file": file.exact(), "function": look::revision(client, &self.function).await? })
            }
            Job::UpdateConfiguration(_) | Job::Publish => look::revision(client, &self.function).await?,
            Job::Concurrency { .. } => look::reserved(client, &self.function).await?,
            Job::Invoke { .. } => Value::Null,
            Job::List { .. } | Job::Configuration { .. } | Job::Versions | Job::Alias { .. } => Value::Null,
        })
    }

    /// What a person reads before approving.
    fn line(&self, now: &Value) -> Sentence {
        let function = self.function.as_str();
        match &self.job {
            Job::List { prefix } => sentence!("aws.lambda_list", prefix),
            Job::Configuration { .. } => sentence!("aws.lambda_configuration", function),
            Job::Versions => sentence!("aws.lambda_versions", function),
            Job::Alias { alias, .. } => sentence!("aws.lambda_alias", function, alias),
            Job::Shift { alias, version, percent, .. } => {
                let from = now["version"].as_str().unwrap_or_default();
                match percent {
                    None => sentence!("aws.lambda_shift", function, alias, from, version),
                    Some(percent) => {
                        sentence!("aws.lambda_shift_part", function, alias, from, version, percent => i64::from(*percent))
                    }
                }
            }
            Job::Publish => sentence!("aws.lambda_publish", function),
            Job::UpdateCode { zip, .. } => {
                let digest = now["file"]["sha256"].as_str().unwrap_or_default();
                sentence!("aws.lambda_update_code", function, zip, digest => digest.get(..12).unwrap_or_default())
            }
            Job::UpdateConfiguration(changes) => sentence!("aws.lambda_update", function, what => changes.listed()),
            Job::Concurrency { reserved } => {
                let to = reserved.map_or_else(|| "none".to_owned(), |number| number.to_string());
                let from = now["reserved"].to_string();
                sentence!("aws.lambda_concurrency", function, from => from.trim_matches('"'), to)
            }
            Job::Invoke { qualifier, .. } => {
                let qualifier = qualifier.as_deref().unwrap_or("$LATEST");
                sentence!("aws.lambda_invoke", function, qualifier)
            }
        }
    }

    async fn attempt(&self, cx: &StepContext, attempt: &mut Attempt) -> Result<Sentence, Fault> {
        let caller = self.place.caller(&cx.tools).await?;
        let client = Client::new(&caller.sdk);
        let now = self.now(&client).await?;
        self.stands(&cx.planned["now"], &cx.tools.redactor.value(&now))?;
        let function = self.function.as_str();
        match &self.job {
            Job::List { prefix } => look::list(&client, prefix, attempt).await,
            Job::Configuration { qualifier, sha256 } => {
                let wanted = (qualifier.as_deref(), sha256.as_deref());
                look::configuration(&client, function, wanted, attempt).await
            }
            Job::Versions => look::versions(&client, function, attempt).await,
            Job::Alias { alias, version } => {
                look::show_alias(&client, function, (alias, version.as_deref()), attempt).await
            }
            Job::Shift { alias, version, percent, .. } => {
                shift::shift(&client, (function, alias), (version, *percent), &now, attempt).await
            }
            Job::Publish => change::publish(&client, function, &now, attempt).await,
            Job::UpdateCode { zip, publish } => change::code(&client, function, (zip, *publish), &now, attempt).await,
            Job::UpdateConfiguration(changes) => {
                settings::update(&client, function, changes, (&now, &cx.tools), attempt).await
            }
            Job::Concurrency { reserved } => change::concurrency(&client, function, *reserved, &now, attempt).await,
            Job::Invoke { payload, qualifier } => {
                let request = invoke::Request { function, qualifier: qualifier.as_deref(), payload: payload.as_ref() };
                invoke::invoke(&client, &request, cx, attempt).await
            }
        }
    }
}

impl fields::Changes {
    /// What changes, by name.
    fn listed(&self) -> String {
        let mut names: Vec<String> = self.variables.keys().cloned().collect();
        names.extend(self.remove.iter().map(|name| format!("-{name}")));
        names.extend(self.from_version.iter().map(|version| format!("version {version}")));
        names.extend(self.timeout.map(|seconds| format!("timeout {seconds} s")));
        names.extend(self.memory.map(|memory| format!("memory {memory} MB")));
        listed(&names)
    }
}

/// A whole number as facts have it.
fn count(number: Option<i32>) -> Value {
    number.map_or(Value::Null, Value::from)
}
