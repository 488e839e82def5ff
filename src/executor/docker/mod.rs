//! `docker`: a fixed set of verbs on containers chosen by compose labels or by name, and on what the engine keeps beside
//! them. Never a directory of the host, a privilege, or a name from outside in a path of the engine's: whoever may write
//! a runbook is not thereby root on the host.

mod amounts;
mod change;
mod disk;
mod down;
mod engine;
mod exec;
mod fields;
mod healthy;
mod job;
mod logs;
mod look;
mod network;
mod oneoff;
mod plan;
mod probe;
mod prune;
mod raw;
mod select;
mod stats;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

pub(super) use self::engine::{Container, Engine};
use self::fields::Fields;
use self::job::Job;
pub(super) use self::job::Selector;
pub use self::job::Verb;
use super::attempt::{Fault, at_least};
use super::output::Recorder;
use super::value::SecretText;
use super::{Action, ActionSpec, Probe, StepContext, Tools, listed, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "docker",
    summary: "Looks at containers, networks and disk use, changes containers, removes what is unused, runs programs.",
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
/// How long what is left of a container of its own may take to be removed.
const CLEARING: Duration = Duration::from_secs(10);
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
    table: Option<Grid>,
    recorder: Recorder<'r>,
    /// Whether something was sent whose end nobody has heard of.
    sent: bool,
    /// Whether a container of its own may be left.
    leftover: bool,
}

impl Attempt<'_> {
    fn found(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }
}

#[async_trait]
impl Action for DockerStep {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        let writes = matches!(&self.job, Job::Run(one) if one.mounts.iter().any(|mount| mount.write));
        match (self.job.effect(), declared) {
            (None, None) => Err(sentence!("action.docker_exec_effect")),
            (None, Some(Effect::Read)) if writes => Err(sentence!("action.docker_run_effect")),
            (least, declared) => at_least(least.unwrap_or(Effect::Read), declared),
        }
    }

    fn secrets(&self) -> Vec<String> {
        match &self.job {
            Job::Run(one) => one.env.values().filter_map(SecretText::secret).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        self.planned(tools).await
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let recorder = Recorder::watched(cx, READ);
        let mut attempt = Attempt { facts: Map::new(), table: None, recorder, sent: false, leftover: false };
        let done = tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(sentence!("action.cancelled")),
            done = tokio::time::timeout(cx.timeout, self.attempt(cx, &mut attempt)) => {
                done.map_err(|_| cx.not_finished())
            }
        };
        if attempt.leftover {
            // Cancelled or not: it must not stay. What cannot be removed now, the next of its kind removes.
            let clear = async { oneoff::clear(&Engine::reach(&cx.tools, CLEARING).await?, cx).await };
            let cleared = tokio::time::timeout(CLEARING, clear).await;
            attempt.found("left_behind", !matches!(cleared, Ok(Ok(()))));
        }
        let sent = attempt.sent;
        let recorded = attempt.recorder.finish();
        if let Job::Exec { .. } | Job::Run(_) = self.job {
            exec::facts(&mut attempt.facts, &recorded);
        }
        let output = (recorded.output.bytes > 0).then_some(recorded.output);
        let (facts, table) = (Value::Object(attempt.facts), attempt.table);
        let report = |line| Report { output, table, ..Report::new(facts, line) };
        match done {
            Ok(Ok(line)) => Outcome::Done(report(line)),
            Ok(Err(Fault::Failed(why))) => Outcome::Failed(report(why)),
            Ok(Err(Fault::Lost(why))) => cx.half_way(report(why)),
            Err(why) if sent && !matches!(self.job, Job::Run(_)) => {
                cx.half_way(report(sentence!("action.docker_half_way", why)))
            }
            Err(why) if sent => cx.half_way(report(why)),
            Err(why) => Outcome::Failed(report(why)),
        }
    }

    fn probe<'p>(&'p self, cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        self.shows().then(|| self.look_back(cx).boxed())
    }
}

impl DockerStep {
    /// Of the containers that the selector means, those that the verb is for, in the order in which they are taken.
    fn pick(&self, mut found: Vec<Container>) -> Result<Vec<Container>, Fault> {
        if let Job::Ps = self.job {
            return Ok(found);
        }
        let selector = self.selector.named();
        let running = self.job.wants_running();
        found.retain(|container| container.runs() || !running);
        let names = || found.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
        let wrong = match found.len() {
            0 if running => sentence!("action.docker_none_runs", selector),
            0 => sentence!("action.docker_none", selector),
            2.. if matches!(self.job, Job::Exec { .. }) => {
                sentence!("action.docker_not_one", selector, names => names())
            }
            count if count > TARGETS => sentence!("action.docker_too_many", selector, count, limit => TARGETS),
            _ => {
                if let Job::Restart { .. } | Job::Start | Job::Stop { .. } = self.job {
                    engine::dependencies_first(&mut found);
                }
                if let Job::Stop { .. } = self.job {
                    found.reverse();
                }
                return Ok(found);
            }
        };
        Err(Fault::Failed(wrong))
    }

    async fn attempt(&self, cx: &StepContext, attempt: &mut Attempt<'_>) -> Result<Sentence, Fault> {
        let engine = Engine::reach(&cx.tools, cx.timeout).await?;
        match &self.job {
            Job::Df => return disk::df(&engine, attempt).await,
            Job::Prune { .. } => return prune::all(&engine, &self.unused(), cx, attempt).await,
            Job::Network { network: Some(name) } => return network::members(&engine, name, attempt).await,
            Job::Run(_) if !cx.tools.docker_run => return Err(Fault::Failed(sentence!("action.docker_run_closed"))),
            Job::Run(one) => return oneoff::run(&engine, one, cx, attempt).await,
            Job::Down { volumes, grace } => {
                let project = down::project(&engine, self.project(), *volumes).await?;
                return project.remove(&engine, cx, (*grace, *volumes), attempt).await;
            }
            Job::WaitHealthy { within } => {
                // Before the step's own time is up: this one can say who is not well.
                let within = Duration::from_secs(*within).min(cx.timeout.saturating_sub(Duration::from_secs(1)));
                return healthy::wait(&engine, &self.selector, within, attempt).await;
            }
            _ => {}
        }
        let found = engine.containers(&self.selector).await?;
        if let Job::ScaleDown { replicas, grace } = &self.job {
            let (previous, targets) = down::beyond(found, *replicas);
            plan::unchanged(&cx.planned, &targets)?;
            return down::scale(&engine, (previous, &targets), *grace, attempt).await;
        }
        let targets = self.pick(found)?;
        if self.job.effect() != Some(Effect::Read) {
            plan::unchanged(&cx.planned, &targets)?;
        }
        self.on(&engine, &targets, cx, attempt).await
    }

    /// What is done to, or asked of, these containers.
    async fn on(
        &self,
        engine: &Engine,
        targets: &[Container],
        cx: &StepContext,
        attempt: &mut Attempt<'_>,
    ) -> Result<Sentence, Fault> {
        match &self.job {
            Job::Inspect => look::inspect(engine, targets, attempt).await,
            Job::Env { names } => look::env(engine, targets, names, attempt).await,
            Job::Stats { span } => stats::measure(engine, targets, *span, attempt).await,
            Job::Network { .. } => Ok(network::shared(targets, attempt)),
            Job::Logs { pattern, tail, since, follow } => {
                let since = since.map(|seconds| cx.started_at.before(Duration::from_secs(seconds)));
                let follow = follow.map(Duration::from_secs);
                let wanted = logs::Wanted { pattern: pattern.as_ref(), tail: *tail, since, follow };
                logs::read(engine, targets, &wanted, &cx.tools.redactor, attempt).await
            }
            Job::Restart { .. } | Job::Stop { .. } | Job::Start | Job::Limit { .. } => {
                let done = change::all(engine, targets, &self.job, attempt).await?;
                // What it looks like now, where the engine says so.
                if let Ok(now) = engine.containers(&self.selector).await {
                    look::list(&now, attempt);
                }
                Ok(done)
            }
            Job::Exec { argv, ok } => {
                let [target] = targets else {
                    let names = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>();
                    let selector = self.selector.named();
                    return Err(Fault::Failed(sentence!("action.docker_not_one", selector, names => listed(&names))));
                };
                exec::run(engine, target, (argv, ok), attempt).await
            }
            _ => Ok(look::list(targets, attempt)),
        }
    }

    /// The project's name, for verbs that are for a whole one.
    fn project(&self) -> &str {
        match &self.selector {
            Selector::Compose { project: Some(project), .. } => project,
            _ => "",
        }
    }
}
