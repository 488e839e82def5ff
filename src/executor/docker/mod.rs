//! `docker`: a fixed set of verbs on containers chosen by compose labels or by name. Never a bind, a privilege, an
//! image or a name in a path of the engine's: whoever may write a runbook is not thereby root on the host.

mod change;
mod engine;
mod exec;
mod fields;
mod logs;
mod look;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use self::engine::{Container, Engine, Fault};
pub use self::fields::Verb;
use self::fields::{Fields, Job, Selector};
use super::output::Recorder;
use super::{Action, ActionSpec, StepContext, Tools, command_line, listed, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "docker",
    summary: "Looks at containers, reads their logs, restarts, stops and starts them, runs a program in one.",
    example: "do: logs\nproject: shop\nservice: api\npattern: ERROR|WARN\nsince: 15m\n",
    schema: schema_of::<Fields>,
    parse: |with| {
        let (selector, job) = read::<Fields>(with)?.check()?;
        Ok(Box::new(DockerStep { selector, job }))
    },
};

/// The engine's version and the API version spoken with it, for `doctor`.
///
/// # Errors
/// When it does not answer.
pub async fn version(tools: &Tools) -> Result<String, Sentence> {
    let said = |fault: Fault| match fault {
        Fault::Failed(why) | Fault::Lost(why) => why,
    };
    let engine = Engine::reach(tools, PLANNING).await.map_err(said)?;
    let version = engine.docker.version().await.map_err(|error| Sentence::Plain(engine::causes(&error)))?;
    Ok(format!("{}, API {}", version.version.unwrap_or_default(), version.api_version.unwrap_or_default()))
}

/// Most containers that one step may act on, or look into one by one.
const TARGETS: usize = 20;
/// How long a plan waits for the engine.
const PLANNING: Duration = Duration::from_secs(10);
/// Bytes of standard output that are read for facts.
const READ: usize = 1024 * 1024;

/// A verb and the containers that it is for.
struct DockerStep {
    selector: Selector,
    job: Job,
}

/// What an attempt has found so far; it outlives one that is stopped.
struct Attempt<'r> {
    facts: Map<String, Value>,
    recorder: Recorder<'r>,
    /// Whether something was sent whose end nobody has heard of.
    sent: bool,
}

impl Attempt<'_> {
    fn found(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }
}

#[async_trait]
impl Action for DockerStep {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        let verb = self.job.verb();
        match (verb.effect(), declared) {
            (None, None) => Err(sentence!("action.docker_exec_effect")),
            (Some(least), Some(declared)) if declared < least => {
                let (declared, least) = (declared.as_str(), least.as_str());
                Err(sentence!("action.docker_effect", verb => verb.as_str(), declared, least))
            }
            (least, declared) => Ok(declared.or(least).unwrap_or(Effect::Read)),
        }
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let verb = self.job.verb();
        let looks = verb.effect() == Some(Effect::Read);
        // What only looks is planned without looking: containers come and go, and no approval hangs on them.
        let targets = if looks { Vec::new() } else { self.targets(tools).await? };
        let names = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut exact = self.job.exact();
        exact["do"] = json!(verb);
        exact["selector"] = json!(self.selector);
        exact["targets"] = targets.iter().map(|c| json!({"id": c.id, "name": c.name, "image": c.image_id})).collect();
        let target = match looks {
            true => self.selector.named(),
            false => sentence!("action.docker_targets", count => targets.len(), names => names.as_str()),
        };
        let of = target.clone();
        let line = match &self.job {
            Job::Ps => sentence!("action.docker_ps", of),
            Job::Inspect => sentence!("action.docker_inspect", of),
            Job::Stats => sentence!("action.docker_stats", of),
            Job::Logs { pattern: Some(pattern), .. } => {
                sentence!("action.docker_grep", of, pattern => pattern.as_str())
            }
            Job::Logs { pattern: None, .. } => sentence!("action.docker_logs", of),
            Job::Restart { .. } | Job::Stop { .. } | Job::Start => change::change(&self.job, &names),
            Job::Exec { argv, .. } => {
                sentence!("action.docker_exec", names, argv => command_line(argv.iter().map(String::as_str))?)
            }
        };
        Ok(Plan { action: SPEC.name.to_owned(), effect: verb.effect().unwrap_or(Effect::Read), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let recorder = Recorder::new(&cx.tools.redactor, READ);
        let mut attempt = Attempt { facts: Map::new(), recorder, sent: false };
        let done = tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(sentence!("action.cancelled")),
            done = tokio::time::timeout(cx.timeout, self.attempt(cx, &mut attempt)) => {
                done.map_err(|_| cx.not_finished())
            }
        };
        let sent = attempt.sent;
        let recorded = attempt.recorder.finish();
        if let Job::Exec { .. } = self.job {
            exec::facts(&mut attempt.facts, &recorded);
        }
        let output = (recorded.output.bytes > 0).then_some(recorded.output);
        let report = |line| Report { output, ..Report::new(Value::Object(attempt.facts), line) };
        match done {
            Ok(Ok(line)) => Outcome::Done(report(line)),
            Ok(Err(Fault::Failed(why))) => Outcome::Failed(report(why)),
            Ok(Err(Fault::Lost(why))) => cx.half_way(report(why)),
            Err(why) if sent => cx.half_way(report(sentence!("action.docker_half_way", why))),
            Err(why) => Outcome::Failed(report(why)),
        }
    }
}

impl DockerStep {
    /// The containers that it acts on now.
    async fn targets(&self, tools: &Tools) -> Result<Vec<Container>, Sentence> {
        let look = async {
            let engine = Engine::reach(tools, PLANNING).await?;
            self.pick(engine.containers(&self.selector).await?)
        };
        match tokio::time::timeout(PLANNING, look).await {
            Ok(Ok(targets)) => Ok(targets),
            Ok(Err(Fault::Failed(why) | Fault::Lost(why))) => Err(why),
            Err(_) => Err(sentence!("action.docker_slow", seconds => PLANNING.as_secs())),
        }
    }

    /// Of the containers that the selector means, those that the verb is for.
    fn pick(&self, mut found: Vec<Container>) -> Result<Vec<Container>, Fault> {
        if let Job::Ps = self.job {
            return Ok(found);
        }
        let selector = self.selector.named();
        let running = matches!(self.job, Job::Exec { .. } | Job::Stats);
        found.retain(|container| container.runs() || !running);
        let names = || found.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
        let wrong = match found.len() {
            0 if running => sentence!("action.docker_none_runs", selector),
            0 => sentence!("action.docker_none", selector),
            2.. if matches!(self.job, Job::Exec { .. }) => {
                sentence!("action.docker_not_one", selector, names => names())
            }
            count if count > TARGETS => sentence!("action.docker_too_many", selector, count, limit => TARGETS),
            _ => return Ok(found),
        };
        Err(Fault::Failed(wrong))
    }

    async fn attempt(&self, cx: &StepContext, attempt: &mut Attempt<'_>) -> Result<Sentence, Fault> {
        let engine = Engine::reach(&cx.tools, cx.timeout).await?;
        let targets = self.pick(engine.containers(&self.selector).await?)?;
        match &self.job {
            Job::Ps => Ok(look::list(&targets, attempt)),
            Job::Inspect => look::inspect(&engine, &targets, attempt).await,
            Job::Stats => look::stats(&engine, &targets, attempt).await,
            Job::Logs { pattern, tail, since } => {
                let since = since.map(|seconds| cx.started_at.before(Duration::from_secs(seconds)));
                let wanted = logs::Wanted { pattern: pattern.as_ref(), tail: *tail, since };
                logs::read(&engine, &targets, &wanted, &cx.tools.redactor, attempt).await
            }
            Job::Restart { .. } | Job::Stop { .. } | Job::Start => {
                let done = change::all(&engine, &targets, &self.job, attempt).await?;
                // What it looks like now, where the engine says so.
                if let Ok(now) = engine.containers(&self.selector).await {
                    look::list(&now, attempt);
                }
                Ok(done)
            }
            Job::Exec { argv, ok } => {
                let [target] = targets.as_slice() else {
                    let names = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>();
                    let selector = self.selector.named();
                    return Err(Fault::Failed(sentence!("action.docker_not_one", selector, names => listed(&names))));
                };
                exec::run(&engine, target, (argv, ok), attempt).await
            }
        }
    }
}
