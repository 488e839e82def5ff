//! `docker` ps, inspect and stats: what the engine knows of containers, as facts.

use std::collections::BTreeSet;

use bollard::models::{ContainerInspectResponse, ContainerStatsResponse};
use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::Attempt;
use super::engine::{Container, Engine, Fault, of_one};
use crate::domain::sentence::{Sentence, sentence};

/// Most containers that are listed one by one; `total` counts all.
const LISTED: usize = 200;

/// Facts of a list.
pub(super) fn list(found: &[Container], attempt: &mut Attempt<'_>) -> Sentence {
    let running = found.iter().filter(|container| container.runs()).count();
    let unhealthy = found.iter().filter(|container| container.health() == "unhealthy").count();
    let shown = &found[..found.len().min(LISTED)];
    let services: BTreeSet<&str> = found.iter().filter_map(|container| container.service.as_deref()).collect();
    attempt.found("containers", shown.iter().map(Container::fact).collect::<Vec<_>>());
    attempt.found("names", shown.iter().map(|container| container.name.as_str()).collect::<Vec<_>>());
    attempt.found("services", services.into_iter().collect::<Vec<_>>());
    attempt.found("total", found.len());
    attempt.found("running", running);
    attempt.found("unhealthy", unhealthy);
    sentence!("action.docker_listed", running, total => found.len(), unhealthy)
}

/// Facts of each one's state.
pub(super) async fn inspect(
    engine: &Engine,
    targets: &[Container],
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let asked = targets.iter().map(async |target| {
        let answer = engine.docker.inspect_container(&target.id, None).await;
        let answer = answer.map_err(|error| of_one(target, &error))?;
        Ok(state(target, answer))
    });
    let states: Vec<Value> = try_join_all(asked).await?;
    attempt.found("containers", states);
    Ok(sentence!("action.docker_inspected", what => count(targets)))
}

fn state(target: &Container, answer: ContainerInspectResponse) -> Value {
    let state = answer.state.unwrap_or_default();
    json!({
        "name": target.name,
        "service": target.service,
        "state": state.status.map(|status| status.to_string()),
        "health": state.health.and_then(|health| health.status).map_or_else(|| "none".to_owned(), |it| it.to_string()),
        "restarts": answer.restart_count,
        "started_at": state.started_at,
        "exit": state.exit_code,
        "oom_killed": state.oom_killed,
        "image": target.image,
        "image_id": answer.image,
    })
}

/// Facts of each one's use of processor and memory, over about a second.
pub(super) async fn stats(
    engine: &Engine,
    targets: &[Container],
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let options = StatsOptionsBuilder::default().stream(false).one_shot(false).build();
    let asked = targets.iter().map(async |target| {
        let first = Box::pin(engine.docker.stats(&target.id, Some(options.clone()))).next().await;
        match first {
            Some(Ok(answer)) => Ok(usage(target, &answer)),
            Some(Err(error)) => Err(of_one(target, &error)),
            None => Err(Fault::Failed(sentence!("action.docker_no_stats", name => &target.name))),
        }
    });
    let usages: Vec<Value> = try_join_all(asked).await?;
    attempt.found("containers", usages);
    Ok(sentence!("action.docker_measured", what => count(targets)))
}

/// The same arithmetic as `docker stats`.
fn usage(target: &Container, answer: &ContainerStatsResponse) -> Value {
    let memory = answer.memory_stats.as_ref();
    let cached = memory.and_then(|memory| memory.stats.as_ref()).and_then(|stats| {
        // The name under the first and the second generation of control groups.
        stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied()
    });
    let used = memory.and_then(|memory| memory.usage).map(|usage| usage.saturating_sub(cached.unwrap_or(0)));
    let limit = memory.and_then(|memory| memory.limit);
    let percent = used.zip(limit).filter(|(_, limit)| *limit > 0).map(|(used, limit)| share(used, limit, 1));
    json!({
        "name": target.name,
        "service": target.service,
        "cpu_percent": cpu(answer),
        "memory_bytes": used,
        "memory_limit": limit,
        "memory_percent": percent,
    })
}

fn cpu(answer: &ContainerStatsResponse) -> Option<f64> {
    let (now, before) = (answer.cpu_stats.as_ref()?, answer.precpu_stats.as_ref()?);
    let spent = |stats: &bollard::models::ContainerCpuStats| stats.cpu_usage.as_ref()?.total_usage;
    let used = spent(now)?.saturating_sub(spent(before)?);
    let system = now.system_cpu_usage?.saturating_sub(before.system_cpu_usage?);
    (system > 0).then(|| share(used, system, now.online_cpus.unwrap_or(1)))
}

/// In percent, to two decimals.
#[allow(clippy::cast_precision_loss)] // far below 2^53
fn share(part: u64, whole: u64, times: u32) -> f64 {
    (part as f64 / whole as f64 * f64::from(times) * 10_000.0).round() / 100.0
}

pub(super) fn count(targets: &[Container]) -> Sentence {
    match targets {
        [one] => Sentence::plain(&one.name),
        several => sentence!("action.docker_several", count => several.len()),
    }
}
