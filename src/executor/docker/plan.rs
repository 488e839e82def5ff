//! Plans of `docker` steps: selectors become ids here, and what would be lost is named with its size. Touches nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Container, Engine, Fault};
use super::job::{Job, OneOff};
use super::{DockerStep, PLANNING, SPEC, Tools, change, down, oneoff, prune};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::{command_line, listed};

/// How long the engine may add up what its things take.
const ADDING_UP: Duration = Duration::from_secs(60);

/// The part of a plan that depends on what the engine has.
struct Found {
    target: Sentence,
    line: Sentence,
    /// More of its exact part.
    exact: Value,
}

impl DockerStep {
    /// Its plan.
    pub(super) async fn planned(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let patience = match self.job {
            Job::Prune { .. } | Job::Down { volumes: true, .. } => ADDING_UP,
            _ => PLANNING,
        };
        // What only looks is planned without looking: containers come and go, and no approval hangs on them.
        let found = match self.job.effect() {
            Some(Effect::Read) => self.looks(),
            _ => match tokio::time::timeout(patience, self.changes(tools, patience)).await {
                Ok(Ok(found)) => found,
                Ok(Err(Fault::Failed(why) | Fault::Lost(why))) => return Err(why),
                Err(_) => return Err(sentence!("action.docker_slow", seconds => patience.as_secs())),
            },
        };
        let mut exact = self.job.exact();
        exact["do"] = json!(self.job.verb());
        exact["selector"] = json!(self.selector);
        if let Value::Object(more) = found.exact {
            more.into_iter().for_each(|(key, value)| exact[key] = value);
        }
        let effect = self.job.effect().unwrap_or(Effect::Read);
        Ok(Plan { action: SPEC.name.to_owned(), effect, target: found.target, line: found.line, exact })
    }

    fn looks(&self) -> Found {
        let target = match &self.job {
            Job::Df => sentence!("action.docker_the_engine"),
            Job::Network { network: Some(name) } => sentence!("action.docker_network_named", name),
            _ => self.selector.named(),
        };
        let of = target.clone();
        let line = match &self.job {
            Job::Inspect => sentence!("action.docker_inspect", of),
            Job::Env { names } => sentence!("action.docker_env", of, names => listed(names)),
            Job::Stats { span: Some(seconds) } => sentence!("action.docker_stats_for", of, seconds => *seconds),
            Job::Stats { span: None } => sentence!("action.docker_stats", of),
            Job::WaitHealthy { within } => sentence!("action.docker_wait_healthy", of, seconds => *within),
            Job::Network { .. } => sentence!("action.docker_network", of),
            Job::Df => sentence!("action.docker_df"),
            Job::Logs { follow: Some(seconds), .. } => sentence!("action.docker_follow", of, seconds => *seconds),
            Job::Logs { pattern: Some(pattern), .. } => {
                sentence!("action.docker_grep", of, pattern => pattern.as_str())
            }
            Job::Logs { pattern: None, .. } => sentence!("action.docker_logs", of),
            _ => sentence!("action.docker_ps", of),
        };
        Found { target, line, exact: json!({ "targets": [] }) }
    }

    /// What a prune is for.
    pub(super) fn unused(&self) -> prune::Wanted<'_> {
        let project = Some(self.project()).filter(|project| !project.is_empty());
        match &self.job {
            Job::Prune { kinds, named_images, label } => {
                prune::Wanted { kinds, named_images: *named_images, label: label.as_deref(), project }
            }
            _ => prune::Wanted { kinds: &[], named_images: false, label: None, project },
        }
    }

    async fn changes(&self, tools: &Tools, patience: Duration) -> Result<Found, Fault> {
        if matches!(self.job, Job::Run(_)) && !tools.docker_run {
            return Err(Fault::Failed(sentence!("action.docker_run_closed")));
        }
        let engine = Engine::reach(tools, patience).await?;
        let on = |targets: &[Container]| {
            let names = targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
            (sentence!("action.docker_targets", count => targets.len(), names => names.as_str()), names)
        };
        let ids = |targets: &[Container]| targets.iter().map(Container::planned).collect::<Vec<_>>();
        match &self.job {
            Job::Run(one) => run(&engine, one).await,
            Job::Down { volumes, .. } => {
                let project = down::project(&engine, self.project(), *volumes).await?;
                let line = project.line(self.project());
                Ok(Found { target: self.selector.named(), line, exact: project.planned() })
            }
            Job::Prune { .. } => {
                let targets = prune::targets(&engine, &self.unused()).await?;
                let line = prune::line(&targets);
                Ok(Found { target: sentence!("action.docker_the_engine"), line, exact: json!({ "targets": targets }) })
            }
            Job::ScaleDown { replicas, .. } => {
                let found = engine.containers(&self.selector).await?;
                if found.len() < *replicas {
                    let (selector, count) = (self.selector.named(), found.len());
                    return Err(Fault::Failed(
                        sentence!("action.docker_not_up", selector, count, replicas => *replicas),
                    ));
                }
                let (previous, targets) = down::beyond(found, *replicas);
                let of = self.selector.named();
                let line = match on(&targets) {
                    (_, names) if names.is_empty() => sentence!("action.docker_scale_same", of, replicas => *replicas),
                    (_, names) => sentence!("action.docker_scale", of, previous, replicas => *replicas, names),
                };
                let exact = json!({ "targets": ids(&targets), "previous": previous });
                Ok(Found { target: self.selector.named(), line, exact })
            }
            job => {
                let targets = self.pick(engine.containers(&self.selector).await?)?;
                let (target, names) = on(&targets);
                let line = match job {
                    Job::Exec { argv, .. } => sentence!("action.docker_exec", names, argv => command(argv)?),
                    job => change::change(job, &names),
                };
                Ok(Found { target, line, exact: json!({ "targets": ids(&targets) }) })
            }
        }
    }
}

async fn run(engine: &Engine, one: &OneOff) -> Result<Found, Fault> {
    let exact = oneoff::resolve(engine, one).await?;
    let argv = command(&one.argv)?;
    let mount = |mount: &super::job::Mount| {
        format!("{} → {} ({})", mount.volume, mount.at, if mount.write { "rw" } else { "ro" })
    };
    let mounts = listed(&one.mounts.iter().map(mount).collect::<Vec<_>>());
    let network = one.network.as_deref().unwrap_or("none");
    let image = &one.image;
    let line = match mounts.is_empty() {
        true => sentence!("action.docker_run", image, argv, network),
        false => sentence!("action.docker_run_on", image, argv, network, mounts),
    };
    Ok(Found { target: sentence!("action.docker_image", name => image), line, exact })
}

fn command(argv: &[String]) -> Result<Sentence, Fault> {
    command_line(argv.iter().map(String::as_str)).map_err(Fault::Failed)
}

/// Whether these are still the containers of the plan. Without a plan there is nothing to compare.
pub(super) fn unchanged(planned: &Value, targets: &[Container]) -> Result<(), Fault> {
    let Some(planned) = planned["targets"].as_array() else { return Ok(()) };
    let ids = || planned.iter().map(|target| target["id"].as_str().unwrap_or_default());
    match ids().eq(targets.iter().map(|target| target.id.as_str())) {
        true => Ok(()),
        false => Err(Fault::Failed(sentence!("action.docker_moved_on"))),
    }
}
