//! `docker` down and scale_down: removes containers, networks and, where that is said, volumes: those that the plan
//! lists, and only while the project is still what it was.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    StopContainerOptionsBuilder,
};
use serde_json::{Value, json};

use super::Attempt;
use super::disk::things;
use super::engine::{Container, Engine, Fault, PROJECT, dependencies_first, fault};
use super::job::Kind;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::{StepContext, listed};

/// All of a project.
pub(super) struct Project {
    /// What others depend on comes last.
    pub(super) containers: Vec<Container>,
    /// Names and ids.
    networks: Vec<(String, String)>,
    volumes: Vec<Volume>,
}

struct Volume {
    name: String,
    bytes: Option<i64>,
}

/// All that the engine has of this project; volumes only where they are to go.
pub(super) async fn project(engine: &Engine, name: &str, volumes: bool) -> Result<Project, Fault> {
    let label = format!("{PROJECT}={name}");
    let mut containers = engine.labelled(label.clone()).await?;
    dependencies_first(&mut containers);
    containers.reverse();
    let filters = HashMap::from([("label", vec![label.clone()])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let listed = engine.docker.list_networks(Some(options)).await.map_err(|error| engine.away(&error))?;
    let mut networks: Vec<(String, String)> =
        listed.into_iter().map(|one| (one.name.unwrap_or_default(), one.id.unwrap_or_default())).collect();
    networks.sort();
    let volumes = if volumes { self::volumes(engine, &label).await? } else { Vec::new() };
    match containers.is_empty() && networks.is_empty() && volumes.is_empty() {
        true => Err(Fault::Failed(sentence!("action.docker_no_project", project => name))),
        false => Ok(Project { containers, networks, volumes }),
    }
}

async fn volumes(engine: &Engine, label: &str) -> Result<Vec<Volume>, Fault> {
    let filters = HashMap::from([("label", vec![label.to_owned()])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let listed = engine.docker.list_volumes(Some(options)).await.map_err(|error| engine.away(&error))?;
    let disk = engine.disk().await?;
    let sizes: HashMap<String, i64> = things(&disk, &|_| false)
        .into_iter()
        .filter(|thing| thing.kind == Kind::Volumes)
        .map(|thing| (thing.id, thing.bytes))
        .collect();
    let mut found = Vec::new();
    for volume in listed.volumes.unwrap_or_default() {
        found.push(Volume { bytes: sizes.get(&volume.name).copied(), name: volume.name });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Project {
    /// As the plan holds it.
    pub(super) fn planned(&self) -> Value {
        json!({
            "targets": self.containers.iter().map(Container::planned).collect::<Vec<_>>(),
            "networks": self.networks.iter().map(|(name, id)| json!({"name": name, "id": id})).collect::<Vec<_>>(),
            // By name alone: what older engines call a volume's making is the last change of its top folder.
            "volumes": self.volumes.iter().map(|one| json!({"name": one.name})).collect::<Vec<_>>(),
        })
    }

    /// What would go, in words.
    pub(super) fn line(&self, name: &str) -> Sentence {
        let none = || "-".to_owned();
        let or_none = |names: Vec<String>| if names.is_empty() { none() } else { names.join(", ") };
        let containers = or_none(self.containers.iter().map(|one| one.name.clone()).collect());
        let networks = or_none(self.networks.iter().map(|(name, _)| name.clone()).collect());
        match self.volumes.is_empty() {
            true => sentence!("action.docker_down", project => name, containers, networks),
            false => {
                // Without sizes: what still writes would make it another plan until somebody approves it.
                let volumes = self.volumes.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
                sentence!("action.docker_down_volumes", project => name, containers, networks, volumes)
            }
        }
    }

    /// Removes it, if it is what was planned. The fact `removed` tells how far it came.
    pub(super) async fn remove(
        &self,
        engine: &Engine,
        cx: &StepContext,
        (grace, volumes): (Option<i32>, bool),
        attempt: &mut Attempt<'_>,
    ) -> Result<Sentence, Fault> {
        let (planned, now) = (&cx.planned, cx.tools.redactor.value(&self.planned()));
        if ["targets", "networks", "volumes"].iter().any(|of| planned[*of] != now[*of]) {
            return Err(Fault::Failed(sentence!("action.docker_moved_on")));
        }
        let mut removed: Vec<&str> = Vec::new();
        for target in &self.containers {
            attempt.found("removed", removed.clone());
            attempt.sent = true;
            let answer = stop_and_remove(engine, target, grace, volumes).await;
            attempt.sent = false;
            answer.map_err(|error| fault(sentence!("action.docker_removing", name => &target.name), &error))?;
            removed.push(&target.name);
        }
        for (name, id) in &self.networks {
            attempt.found("removed", removed.clone());
            attempt.sent = true;
            let answer = engine.docker.remove_network(id).await;
            attempt.sent = false;
            gone_is_fine(answer).map_err(|error| fault(sentence!("action.docker_removing", name), &error))?;
            removed.push(name);
        }
        for volume in &self.volumes {
            attempt.found("removed", removed.clone());
            attempt.sent = true;
            let answer = engine.docker.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await;
            attempt.sent = false;
            gone_is_fine(answer)
                .map_err(|error| fault(sentence!("action.docker_removing", name => &volume.name), &error))?;
            removed.push(&volume.name);
        }
        attempt.found("removed", removed.clone());
        attempt.found("bytes", self.volumes.iter().filter_map(|one| one.bytes).sum::<i64>());
        Ok(sentence!("action.docker_downed", names => listed(&removed)))
    }
}

/// Of a service's containers, those with the highest numbers, beyond `replicas`.
pub(super) fn beyond(mut found: Vec<Container>, replicas: usize) -> (usize, Vec<Container>) {
    found.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    let previous = found.len();
    let mut beyond = found.split_off(replicas.min(previous));
    beyond.reverse();
    (previous, beyond)
}

/// Removes these containers of a service.
pub(super) async fn scale(
    engine: &Engine,
    (previous, targets): (usize, &[Container]),
    grace: Option<i32>,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    attempt.found("previous", previous);
    let mut changed: Vec<&str> = Vec::new();
    for target in targets {
        attempt.found("changed", changed.clone());
        attempt.found("replicas", previous - changed.len());
        attempt.sent = true;
        let answer = stop_and_remove(engine, target, grace, false).await;
        attempt.sent = false;
        answer.map_err(|error| fault(sentence!("action.docker_removing", name => &target.name), &error))?;
        changed.push(&target.name);
    }
    attempt.found("changed", changed.clone());
    attempt.found("replicas", previous - changed.len());
    Ok(sentence!("action.docker_scaled", previous, replicas => previous - changed.len()))
}

async fn stop_and_remove(engine: &Engine, target: &Container, grace: Option<i32>, volumes: bool) -> Result<(), Error> {
    let options = grace.map(|grace| StopContainerOptionsBuilder::default().t(grace).build());
    gone_is_fine(engine.docker.stop_container(&target.id, options).await)?;
    // By force, in case that its restart policy was faster. Volumes without a name go only with the others.
    let options = RemoveContainerOptionsBuilder::default().force(true).v(volumes).build();
    gone_is_fine(engine.docker.remove_container(&target.id, Some(options)).await)
}

fn gone_is_fine(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        answer => answer,
    }
}
