//! `docker` ps, inspect and env: what the engine knows of containers, as facts.

use std::collections::BTreeSet;

use bollard::models::{ContainerInspectResponse, HostConfig};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::Attempt;
use super::disk::size;
use super::engine::{Container, Engine, Fault, of_one};
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;

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
    let row = |one: &Container| {
        let service = one.service.clone().unwrap_or_default();
        vec![one.name.clone(), service, one.health().to_owned(), one.status.clone(), one.image.clone()]
    };
    let columns = [
        "action.docker_column_name",
        "action.docker_column_service",
        "action.docker_column_health",
        "action.docker_column_status",
        "action.docker_column_image",
    ];
    attempt.table = Some(Grid::new(columns.map(Sentence::new).to_vec(), found.iter().map(row)));
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
        Ok::<_, Fault>(state(target, answer))
    });
    let states: Vec<Value> = try_join_all(asked).await?;
    let text = |state: &Value, fact: &str| match &state[fact] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let row = |state: &Value| {
        let memory = state["memory_limit"].as_i64().map_or_else(|| "-".to_owned(), size);
        let [name, status, health, cpus] = ["name", "state", "health", "cpus"].map(|fact| text(state, fact));
        vec![name, status, health, text(state, "restarts"), text(state, "oom_killed"), memory, cpus]
    };
    let columns = [
        "action.docker_column_name",
        "action.docker_column_state",
        "action.docker_column_health",
        "action.docker_column_restarts",
        "action.docker_column_oom_killed",
        "action.docker_column_memory_limit",
        "action.docker_column_cpus",
    ];
    attempt.table = Some(Grid::new(columns.map(Sentence::new).to_vec(), states.iter().map(row)));
    attempt.found("containers", states);
    Ok(sentence!("action.docker_inspected", what => count(targets)))
}

fn state(target: &Container, answer: ContainerInspectResponse) -> Value {
    let state = answer.state.unwrap_or_default();
    let host = answer.host_config.unwrap_or_default();
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
        "memory_limit": host.memory.filter(|limit| *limit > 0),
        "cpus": processors(&host),
        "networks": target.networks,
    })
}

/// Which of the named variables each target was started with. Values are looked at here and go nowhere.
pub(super) async fn env(
    engine: &Engine,
    targets: &[Container],
    names: &[String],
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let (mut empty, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for target in targets {
        let answer = engine.docker.inspect_container(&target.id, None).await;
        let config = answer.map_err(|error| of_one(target, &error))?.config.unwrap_or_default();
        let env = config.env.unwrap_or_default();
        for name in names {
            let value = env.iter().find_map(|line| line.strip_prefix(name.as_str())?.strip_prefix('='));
            match value {
                None => drop(missing.insert(name.as_str())),
                Some("") => drop(empty.insert(name.as_str())),
                Some(_) => {}
            }
        }
    }
    let lacks = |name: &&String| missing.contains(name.as_str()) || empty.contains(name.as_str());
    let lacking: Vec<&String> = names.iter().filter(lacks).collect();
    attempt.found("set", names.iter().filter(|name| !lacks(name)).cloned().collect::<Vec<_>>());
    attempt.found("complete", lacking.is_empty());
    let line = match lacking.as_slice() {
        [] => sentence!("action.docker_env_complete", count => names.len(), what => count(targets)),
        lacking => sentence!("action.docker_env_lacks", names => listed(lacking), what => count(targets)),
    };
    attempt.found("empty", empty.into_iter().collect::<Vec<_>>());
    attempt.found("missing", missing.into_iter().collect::<Vec<_>>());
    Ok(line)
}

/// How many processors a container may use, where there is a limit.
pub(super) fn processors(host: &HostConfig) -> Option<f64> {
    let some = |limit: Option<i64>| limit.filter(|limit| *limit > 0).and_then(|limit| i32::try_from(limit).ok());
    let nano = host.nano_cpus.filter(|nano| *nano > 0);
    let nano =
        nano.and_then(|nano| i32::try_from(nano / 10_000_000).ok()).map(|hundredths| f64::from(hundredths) / 100.0);
    nano.or_else(|| Some(f64::from(some(host.cpu_quota)?) / f64::from(some(host.cpu_period)?)))
}

pub(super) fn count(targets: &[Container]) -> Sentence {
    match targets {
        [one] => Sentence::plain(&one.name),
        several => sentence!("action.docker_several", count => several.len()),
    }
}
