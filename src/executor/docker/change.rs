//! `docker` restart, stop and start: one container after the other, so that a service never goes down whole and a
//! failure leaves the rest alone.

use bollard::query_parameters::{RestartContainerOptionsBuilder, StopContainerOptionsBuilder};

use super::Attempt;
use super::engine::{Container, Engine, Fault, fault};
use super::fields::Job;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;

/// Changes every target. The fact `changed` names those that were.
pub(super) async fn all(
    engine: &Engine,
    targets: &[Container],
    job: &Job,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let mut changed: Vec<&str> = Vec::new();
    for target in targets {
        attempt.found("changed", changed.clone());
        attempt.sent = true;
        let answer = one(engine, target, job).await;
        attempt.sent = false;
        answer.map_err(|error| {
            let rest: Vec<&str> = targets[changed.len() + 1..].iter().map(|target| target.name.as_str()).collect();
            let with_rest = |why| match rest.is_empty() {
                true => why,
                false => sentence!("action.docker_not_tried", why, rest => listed(&rest)),
            };
            match fault(change(job, &target.name), &error) {
                Fault::Failed(why) => Fault::Failed(with_rest(why)),
                Fault::Lost(why) => Fault::Lost(with_rest(why)),
            }
        })?;
        changed.push(&target.name);
    }
    attempt.found("changed", changed.clone());
    let names = listed(&changed);
    Ok(match job {
        Job::Restart { .. } => sentence!("action.docker_restarted", names),
        Job::Stop { .. } => sentence!("action.docker_stopped", names),
        _ => sentence!("action.docker_started", names),
    })
}

/// What a change would do to these containers.
pub(super) fn change(job: &Job, names: &str) -> Sentence {
    match job {
        Job::Restart { .. } => sentence!("action.docker_restart", names),
        Job::Stop { .. } => sentence!("action.docker_stop", names),
        _ => sentence!("action.docker_start", names),
    }
}

async fn one(engine: &Engine, target: &Container, job: &Job) -> Result<(), bollard::errors::Error> {
    let docker = &engine.docker;
    match job {
        Job::Restart { grace } => {
            let options = grace.map(|grace| RestartContainerOptionsBuilder::default().t(grace).build());
            docker.restart_container(&target.id, options).await
        }
        Job::Stop { grace } => {
            let options = grace.map(|grace| StopContainerOptionsBuilder::default().t(grace).build());
            docker.stop_container(&target.id, options).await
        }
        _ => docker.start_container(&target.id, None).await,
    }
}
