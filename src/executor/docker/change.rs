//! `docker` restart, stop, start and limit: one container after the other, so that a service never goes down whole and
//! a failure leaves the rest alone.

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::{RestartContainerOptionsBuilder, StopContainerOptionsBuilder};

use super::Attempt;
use super::engine::{Container, Engine, Fault, fault, of_one};
use super::job::Job;
use super::look::processors;
use serde_json::{Map, Value, json};

use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;

/// Changes every target. The fact `changed` names those that were.
pub(super) async fn all(
    engine: &Engine,
    targets: &[Container],
    job: &Job,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    if let Job::Limit { .. } = job {
        before(engine, targets, attempt).await?;
    }
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
    Ok(changed_said(job, &names))
}

/// What a change has done to these containers.
pub(super) fn changed_said(job: &Job, names: &str) -> Sentence {
    match job {
        Job::Restart { .. } => sentence!("action.docker_restarted", names),
        Job::Stop { .. } => sentence!("action.docker_stopped", names),
        Job::Limit { .. } => sentence!("action.docker_limited", names),
        _ => sentence!("action.docker_started", names),
    }
}

/// What a change would do to these containers.
pub(super) fn change(job: &Job, names: &str) -> Sentence {
    match job {
        Job::Restart { .. } => sentence!("action.docker_restart", names),
        Job::Stop { .. } => sentence!("action.docker_stop", names),
        Job::Limit { memory, cpus } => {
            let memory = memory.map(|memory| format!("memory {}", whole(memory)));
            let cpus = cpus.map(|nano| format!("cpus {}", decimal(nano)));
            let what = memory.into_iter().chain(cpus).collect::<Vec<_>>().join(", ");
            sentence!("action.docker_limit", names, what)
        }
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
        Job::Limit { memory, cpus } => {
            let mut body = ContainerUpdateBody { memory: *memory, nano_cpus: *cpus, ..Default::default() };
            if let Some(memory) = memory {
                let host = docker.inspect_container(&target.id, None).await?.host_config.unwrap_or_default();
                body.memory_swap = swap(*memory, host.memory, host.memory_swap);
            }
            docker.update_container(&target.id, body).await
        }
        _ => docker.start_container(&target.id, None).await,
    }
}

/// Facts of the limits as they were, for an undo.
async fn before(engine: &Engine, targets: &[Container], attempt: &mut Attempt<'_>) -> Result<(), Fault> {
    let mut limits = Vec::new();
    for target in targets {
        let answer = engine.docker.inspect_container(&target.id, None).await;
        let host = answer.map_err(|error| of_one(target, &error))?.host_config.unwrap_or_default();
        limits.push((host.memory.filter(|limit| *limit > 0), processors(&host)));
    }
    let named = targets.iter().zip(&limits);
    let previous: Map<String, Value> =
        named.map(|(target, (memory, cpus))| (target.name.clone(), json!({"memory": memory, "cpus": cpus}))).collect();
    attempt.found("previous", previous);
    // One value where all had the same.
    if let Some((memory, cpus)) = limits.first().filter(|first| limits.iter().all(|limit| limit == *first)) {
        attempt.found("previous_memory", json!(memory));
        attempt.found("previous_cpus", json!(cpus));
    }
    Ok(())
}

/// Memory and swap together: the swap that there was stays; without a limit before, as much swap as memory, as the
/// engine has it for a new container.
fn swap(memory: i64, before: Option<i64>, both: Option<i64>) -> Option<i64> {
    match (before.unwrap_or(0), both.unwrap_or(0)) {
        (_, ..0) => Some(-1),
        (1.., 0) | (..=0, _) => memory.checked_mul(2),
        (before, both) => memory.checked_add((both - before).max(0)),
    }
}

/// Bytes in the largest unit of which they are a whole number, as limits are written: `512 MiB`, never `537 MB`.
fn whole(bytes: i64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fits = units.iter().find(|(_, unit)| bytes % unit == 0);
    fits.map_or_else(|| format!("{bytes} B"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// Billionths as a decimal number: `1.5`.
fn decimal(nano: i64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_stays_what_it_was() {
        assert_eq!(swap(100, Some(50), Some(80)), Some(130));
        assert_eq!(swap(100, Some(50), Some(50)), Some(100), "none stays none");
        assert_eq!(swap(100, None, Some(0)), Some(200));
        assert_eq!(swap(100, Some(50), Some(-1)), Some(-1));
    }

    #[test]
    fn memory_is_said_as_it_was_written() {
        let said = [512 << 20, 1 << 30, 1536 << 20, 64 << 10, 1000].map(whole);
        assert_eq!(said, ["512 MiB", "1 GiB", "1536 MiB", "64 KiB", "1000 B"]);
    }

    #[test]
    fn processors_are_written_as_they_are_said() {
        assert_eq!([1_500_000_000, 2_000_000_000, 250_000_000].map(decimal), ["1.5", "2", "0.25"]);
    }
}
