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
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
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
/// In words, when it does not answer.
pub async fn version(tools: &Tools) -> Result<String, String> {
    let said = |fault: Fault| match fault {
        Fault::Failed(why) | Fault::Lost(why) => why,
    };
    let engine = Engine::reach(tools, PLANNING).await.map_err(said)?;
    let version = engine.docker.version().await.map_err(|error| engine::causes(&error))?;
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
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, String> {
        let verb = self.job.verb();
        match (verb.effect(), declared) {
            (None, None) => Err("nobody can tell what a program in a container does: declare the step's effect \
                                 (read, change or destroy)"
                .to_owned()),
            (Some(least), Some(declared)) if declared < least => {
                Err(format!("`do: {verb}` changes containers, so its effect is not {declared}: declare {least}"))
            }
            (least, declared) => Ok(declared.or(least).unwrap_or(Effect::Read)),
        }
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, String> {
        let verb = self.job.verb();
        let looks = verb.effect() == Some(Effect::Read);
        // What only looks is planned without looking: containers come and go, and no approval hangs on them.
        let targets = if looks { Vec::new() } else { self.targets(tools).await? };
        let names = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut exact = self.job.exact();
        exact["do"] = json!(verb);
        exact["selector"] = json!(self.selector.to_string());
        exact["targets"] = targets.iter().map(|c| json!({"id": c.id, "name": c.name, "image": c.image_id})).collect();
        let target = match (looks, targets.len()) {
            (true, _) => self.selector.to_string(),
            (false, 1) => format!("container {names}"),
            (false, _) => format!("containers {names}"),
        };
        let line = match &self.job {
            Job::Exec { argv, .. } => {
                let argv = shlex::try_join(argv.iter().map(String::as_str));
                format!("exec in {names}: {}", argv.map_err(|_| "an argument holds a NUL byte")?)
            }
            Job::Logs { pattern: Some(pattern), .. } => format!("logs of {target} that match {pattern}"),
            _ if looks => format!("{verb} of {target}"),
            _ => format!("{verb} {names}"),
        };
        Ok(Plan { action: SPEC.name.to_owned(), effect: verb.effect().unwrap_or(Effect::Read), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let recorder = Recorder::new(&cx.tools.redactor, READ);
        let mut attempt = Attempt { facts: Map::new(), recorder, sent: false };
        let done = tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err("stopped: cancelled".to_owned()),
            done = tokio::time::timeout(cx.timeout, self.attempt(cx, &mut attempt)) => {
                done.map_err(|_| format!("stopped: not finished after {} s", cx.timeout.as_secs()))
            }
        };
        let sent = attempt.sent;
        let recorded = attempt.recorder.finish();
        if let Job::Exec { .. } = self.job {
            exec::facts(&mut attempt.facts, &recorded);
        }
        let output = (recorded.output.bytes > 0).then_some(recorded.output);
        let report = |line| Report { facts: Value::Object(attempt.facts), line, output };
        match done {
            Ok(Ok(line)) => Outcome::Done(report(line)),
            Ok(Err(Fault::Failed(why))) => Outcome::Failed(report(why)),
            Ok(Err(Fault::Lost(why))) => cx.half_way(report(why)),
            Err(why) if sent => cx.half_way(report(format!("{why}; the engine may still be doing it"))),
            Err(why) => Outcome::Failed(report(why)),
        }
    }
}

impl DockerStep {
    /// The containers that it acts on now.
    async fn targets(&self, tools: &Tools) -> Result<Vec<Container>, String> {
        let look = async {
            let engine = Engine::reach(tools, PLANNING).await?;
            self.pick(engine.containers(&self.selector).await?)
        };
        match tokio::time::timeout(PLANNING, look).await {
            Ok(Ok(targets)) => Ok(targets),
            Ok(Err(Fault::Failed(why) | Fault::Lost(why))) => Err(why),
            Err(_) => Err(format!("the Docker engine did not answer within {} s", PLANNING.as_secs())),
        }
    }

    /// Of the containers that the selector means, those that the verb is for.
    fn pick(&self, mut found: Vec<Container>) -> Result<Vec<Container>, Fault> {
        let verb = self.job.verb();
        if let Job::Ps = self.job {
            return Ok(found);
        }
        let running = matches!(self.job, Job::Exec { .. } | Job::Stats);
        found.retain(|container| container.runs() || !running);
        let names = || found.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(", ");
        let wrong = match found.len() {
            0 if running => format!("nothing that runs matches {}; `do: ps` lists what there is", self.selector),
            0 => format!("nothing matches {}; `do: ps` lists what there is", self.selector),
            2.. if matches!(self.job, Job::Exec { .. }) => {
                format!("{} means several: {}; name one with container", self.selector, names())
            }
            count if count > TARGETS => {
                format!("{} means {count} containers, and one step may {verb} {TARGETS}: be narrower", self.selector)
            }
            _ => return Ok(found),
        };
        Err(Fault::Failed(wrong))
    }

    async fn attempt(&self, cx: &StepContext, attempt: &mut Attempt<'_>) -> Result<String, Fault> {
        let engine = Engine::reach(&cx.tools, cx.timeout).await?;
        let targets = self.pick(engine.containers(&self.selector).await?)?;
        match &self.job {
            Job::Ps => Ok(look::list(&targets, attempt)),
            Job::Inspect => look::inspect(&engine, &targets, attempt).await,
            Job::Stats => look::stats(&engine, &targets, attempt).await,
            Job::Logs { pattern, tail, since } => {
                let since = since.map(|span| cx.started_at.before(Duration::from_secs(span.seconds)));
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
                    return Err(Fault::Failed("exec is for one container".to_owned()));
                };
                exec::run(&engine, target, (argv, ok), attempt).await
            }
        }
    }
}
