//! `docker` network: who is in a network, and whether containers share one. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Attempt;
use super::engine::{Container, Engine, Fault, of_thing};
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;

/// Facts of one network.
pub(super) async fn members(engine: &Engine, name: &str, attempt: &mut Attempt<'_>) -> Result<Sentence, Fault> {
    let found = engine.docker.inspect_network(name, None).await.map_err(|error| of_thing(name, &error))?;
    let inside = found.containers.unwrap_or_default();
    let mut members: Vec<(String, String)> =
        inside.into_values().map(|one| (one.name.unwrap_or_default(), one.ipv4_address.unwrap_or_default())).collect();
    members.sort();
    let driver = found.driver.unwrap_or_default();
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    let internal = found.internal.unwrap_or(false);
    attempt.found("networks", json!([{"name": name, "driver": driver, "internal": internal, "members": names}]));
    attempt.found("members", names.clone());
    let line = sentence!("action.docker_members", name, count => names.len(), names => listed(&names));
    let columns = [Sentence::new("action.docker_column_members"), Sentence::new("action.docker_column_address")];
    attempt.table = Some(Grid::new(columns.to_vec(), members.into_iter().map(|(name, address)| vec![name, address])));
    Ok(line)
}

/// Facts of the networks that these containers are in. Those without one of their own are alone.
pub(super) fn shared(targets: &[Container], attempt: &mut Attempt<'_>) -> Sentence {
    // In `none` nobody hears anybody.
    let of = |target: &Container| target.networks.iter().filter(|name| *name != "none").cloned().collect();
    let sets: Vec<BTreeSet<String>> = targets.iter().map(of).collect();
    let mut shared = sets.first().cloned().unwrap_or_default();
    shared.retain(|name| sets.iter().all(|set| set.contains(name)));
    let mut networks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for target in targets {
        for network in &target.networks {
            networks.entry(network).or_default().push(&target.name);
        }
    }
    let facts: Vec<Value> = networks.iter().map(|(name, members)| json!({"name": name, "members": members})).collect();
    attempt.found("networks", facts);
    attempt.found("shared", shared.iter().cloned().collect::<Vec<_>>());
    attempt.found("connected", !shared.is_empty());
    let rows = networks.iter().map(|(name, members)| vec![(*name).to_owned(), listed(members)]);
    attempt.table = Some(Grid::new(
        ["action.docker_column_network", "action.docker_column_members"].map(Sentence::new).to_vec(),
        rows,
    ));
    let names = listed(&targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>());
    match shared.is_empty() {
        true => sentence!("action.docker_not_connected", names),
        false => {
            sentence!("action.docker_connected", names, networks => listed(&shared.into_iter().collect::<Vec<_>>()))
        }
    }
}
