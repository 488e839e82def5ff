//! `docker` restart, stop and start: one container after the other, so that a service never goes down whole and a
//! failure leaves the rest alone.

use bollard::query_parameters::{RestartContainerOptionsBuilder, StopContainerOptionsBuilder};

use super::Attempt;
use super::engine::{Container, Engine, Fault, fault};
use super::fields::Job;

/// Changes every target. The fact `changed` names those that were.
pub(super) async fn all(
    engine: &Engine,
    targets: &[Container],
    job: &Job,
    attempt: &mut Attempt<'_>,
) -> Result<String, Fault> {
    let mut changed: Vec<&str> = Vec::new();
    for target in targets {
        attempt.found("changed", changed.clone());
        attempt.sent = true;
        let answer = one(engine, target, job).await;
        attempt.sent = false;
        answer.map_err(|error| {
            let rest: Vec<&str> = targets[changed.len() + 1..].iter().map(|target| target.name.as_str()).collect();
            let left = if rest.is_empty() { String::new() } else { format!("; not tried: {}", rest.join(", ")) };
            match fault(&format!("{} {}", job.verb(), target.name), &error) {
                Fault::Failed(why) => Fault::Failed(why + &left),
                Fault::Lost(why) => Fault::Lost(why + &left),
            }
        })?;
        changed.push(&target.name);
    }
    attempt.found("changed", changed.clone());
    Ok(format!("{}: {}", job.verb(), changed.join(", ")))
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
