//! `docker` prune: removes exactly the unused things that its plan lists, one by one. What became used since, and what
//! appeared since, stays.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::query_parameters::{
    ListNetworksOptionsBuilder, PruneBuildOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptions,
    RemoveVolumeOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Attempt;
use super::disk::{Thing, size, things};
use super::engine::{Engine, Fault, PROJECT, fault};
use super::job::Kind;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::StepContext;
use crate::executor::redact::REDACTED;

/// Most things that one step removes.
const MOST: usize = 1000;
/// Names of each kind that a plan's line shows; the exact part has all.
const NAMED: usize = 20;

/// What to remove of that which nothing uses.
pub(super) struct Wanted<'w> {
    pub(super) kinds: &'w [Kind],
    pub(super) named_images: bool,
    pub(super) label: Option<&'w str>,
    pub(super) project: Option<&'w str>,
}

/// One thing that would go, as the plan holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) names: Vec<String>,
    pub(super) bytes: i64,
    /// When it was made, for what is only known by a name that may be given again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<String>,
}

impl Target {
    fn name(&self) -> String {
        self.names.first().unwrap_or(&self.id).clone()
    }
}

/// All that would go now.
pub(super) async fn targets(engine: &Engine, wanted: &Wanted<'_>) -> Result<Vec<Target>, Fault> {
    let project = wanted.project.map(|project| format!("{PROJECT}={project}"));
    let labels: Vec<&str> = project.as_deref().into_iter().chain(wanted.label).collect();
    let fits = |thing: &Thing| labels.iter().all(|label| thing.has(label));
    let disk = engine.disk().await?;
    let goes = |thing: &Thing| wanted.kinds.contains(&Kind::Containers) && fits(thing);
    let mut found = Vec::new();
    for thing in things(&disk, &goes) {
        let nameless = thing.kind != Kind::Images || thing.names.is_empty() || wanted.named_images;
        if !thing.unused || !nameless || !wanted.kinds.contains(&thing.kind) || !fits(&thing) {
            continue;
        }
        let created = match thing.kind {
            Kind::Volumes => volume_created(engine, &thing.id).await?,
            _ => None,
        };
        let names = if thing.names.is_empty() { vec![thing.name()] } else { thing.names };
        found.push(Target { kind: thing.kind, id: thing.id, names, bytes: thing.bytes, created });
    }
    if wanted.kinds.contains(&Kind::Networks) {
        let gone: Vec<&str> = found.iter().map(|target: &Target| target.id.as_str()).collect();
        let more = networks(engine, &labels, &disk, &gone).await?;
        found.extend(more);
    }
    found.sort_by_key(|target| target.kind);
    match found.len() {
        count if count > MOST => Err(Fault::Failed(sentence!("action.docker_too_much", count, limit => MOST))),
        _ => Ok(found),
    }
}

/// Networks that no container is in, beside those that go.
async fn networks(engine: &Engine, labels: &[&str], disk: &Value, gone: &[&str]) -> Result<Vec<Target>, Fault> {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let filters = HashMap::from([("label", labels), ("type", vec!["custom".to_owned()])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let listed = engine.docker.list_networks(Some(options)).await.map_err(|error| engine.away(&error))?;
    let stays = |one: &&Value| !gone.contains(&one["Id"].as_str().unwrap_or_default());
    let used: Vec<&Value> = disk["Containers"].as_array().into_iter().flatten().filter(stays).collect();
    let used = |id: &str| {
        let of = |one: &&Value| one["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
        used.iter().flat_map(of).any(|(_, network)| network["NetworkID"] == id)
    };
    let local = listed.into_iter().filter(|one| one.scope.as_deref() == Some("local"));
    let targets = local.map(|one| Target {
        kind: Kind::Networks,
        id: one.id.unwrap_or_default(),
        names: one.name.into_iter().collect(),
        bytes: 0,
        created: None,
    });
    let mut targets: Vec<Target> = targets.filter(|target| !used(&target.id)).collect();
    targets.sort_by_key(Target::name);
    Ok(targets)
}

/// When a volume was made; none where it is gone.
pub(super) async fn volume_created(engine: &Engine, name: &str) -> Result<Option<String>, Fault> {
    match engine.docker.inspect_volume(name).await {
        Ok(volume) => Ok(Some(volume.created_at.map(|at| at.to_string()).unwrap_or_default())),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(super::engine::of_thing(name, &error)),
    }
}

/// What would go, in words.
pub(super) fn line(targets: &[Target]) -> Sentence {
    let parts: Vec<String> = Kind::ALL
        .iter()
        .filter_map(|kind| {
            let of: Vec<&Target> = targets.iter().filter(|target| target.kind == *kind).collect();
            let names: Vec<String> = of.iter().take(NAMED).map(|target| target.names.join(" ")).collect();
            let more = if of.len() > NAMED { format!(" (+{})", of.len() - NAMED) } else { String::new() };
            let bytes = match kind {
                Kind::Networks => String::new(),
                _ => format!(", {}", size(of.iter().map(|target| target.bytes).sum())),
            };
            (!of.is_empty()).then(|| format!("{kind} ({}{bytes}): {}{more}", of.len(), names.join(", ")))
        })
        .collect();
    let bytes = size(targets.iter().map(|target| target.bytes).sum());
    match parts.is_empty() {
        true => sentence!("action.docker_prune_nothing"),
        false => sentence!("action.docker_prune", what => parts.join("; "), bytes),
    }
}

/// Removes what was planned. The facts tell what went and what stayed, also when it is stopped half-way.
pub(super) async fn all(
    engine: &Engine,
    wanted: &Wanted<'_>,
    cx: &StepContext,
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let mut targets: Vec<Target> = serde_json::from_value(cx.planned["targets"].clone())
        .map_err(|_| Fault::Failed(sentence!("action.docker_no_plan", verb => "prune")))?;
    // Names in which a secret was seen are not what the engine calls them: what they stand for is found again.
    let shown = |target: &Target| cx.tools.redactor.value(&json!(target));
    if targets.iter().any(|target| json!(target).to_string().contains(REDACTED)) {
        let now = self::targets(engine, wanted).await?;
        for target in &mut targets {
            if let Some(found) = now.iter().find(|now| shown(now) == json!(target)) {
                *target = found.clone();
            }
        }
    }
    let mut tally = Tally::default();
    for target in &targets {
        tally.tell(attempt);
        attempt.sent = true;
        let answer = remove(engine, target).await;
        attempt.sent = false;
        match answer {
            Ok(Removed::Yes) => {
                tally.bytes += target.bytes;
                tally.removed.push(json!({"kind": target.kind, "name": target.name(), "bytes": target.bytes}));
            }
            Ok(Removed::Gone) => tally.keep(target, "gone"),
            Ok(Removed::Another) => tally.keep(target, "replaced"),
            Ok(Removed::Left) => tally.keep(target, "in use, or gone"),
            // In use by now: the engine itself refuses.
            Err(Error::DockerResponseServerError { status_code: 409 | 403, message }) => tally.keep(target, &message),
            Err(error) => return Err(fault(sentence!("action.docker_removing", name => target.name()), &error)),
        }
    }
    tally.tell(attempt);
    let (count, bytes, kept) = (tally.removed.len(), size(tally.bytes), tally.kept.len());
    Ok(sentence!("action.docker_pruned", count, bytes, kept))
}

/// What went and what stayed.
#[derive(Default)]
struct Tally {
    removed: Vec<Value>,
    kept: Vec<Value>,
    bytes: i64,
}

impl Tally {
    fn keep(&mut self, target: &Target, why: &str) {
        self.kept.push(json!({"kind": target.kind, "name": target.name(), "why": why}));
    }

    fn tell(&self, attempt: &mut Attempt<'_>) {
        attempt.found("removed", self.removed.clone());
        attempt.found("kept", self.kept.clone());
        attempt.found("bytes", self.bytes);
    }
}

enum Removed {
    Yes,
    Gone,
    Another,
    Left,
}

async fn remove(engine: &Engine, target: &Target) -> Result<Removed, Error> {
    let docker = &engine.docker;
    let answer = match target.kind {
        Kind::Containers => {
            let options = RemoveContainerOptionsBuilder::default().v(false).force(false).build();
            docker.remove_container(&target.id, Some(options)).await
        }
        Kind::Images => return image(engine, target).await,
        Kind::Networks => docker.remove_network(&target.id).await,
        Kind::Volumes => {
            // Its name may be another's by now.
            match docker.inspect_volume(&target.id).await {
                Ok(now) if now.created_at.as_ref().map(ToString::to_string) != target.created => {
                    return Ok(Removed::Another);
                }
                Ok(_) => docker.remove_volume(&target.id, None::<RemoveVolumeOptions>).await,
                Err(error) => Err(error),
            }
        }
        Kind::BuildCache => {
            let filters = HashMap::from([("id".to_owned(), vec![target.id.clone()])]);
            let options = PruneBuildOptionsBuilder::default().all(true).filters(&filters).build();
            // The engine says no word of one that it leaves.
            let gone = docker.prune_build(Some(options)).await?.caches_deleted.unwrap_or_default();
            return Ok(if gone.contains(&target.id) { Removed::Yes } else { Removed::Left });
        }
    };
    match answer {
        Ok(()) => Ok(Removed::Yes),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(Removed::Gone),
        Err(error) => Err(error),
    }
}

/// Takes each of an image's names away, as long as it means this image; with the last one the image goes. Never by
/// force: that would also take it from a container that does not run.
async fn image(engine: &Engine, target: &Target) -> Result<Removed, Error> {
    let docker = &engine.docker;
    let nameless = target.names.iter().all(|name| target.id.contains(name.as_str()));
    let names = if nameless { std::slice::from_ref(&target.id) } else { target.names.as_slice() };
    let mut outcome = Removed::Gone;
    for name in names {
        match docker.inspect_image(name).await {
            Ok(now) if now.id.as_deref() != Some(target.id.as_str()) => outcome = Removed::Another,
            Ok(_) => {
                docker.remove_image(name, None::<RemoveImageOptions>, None).await?;
                outcome = Removed::Yes;
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(outcome)
}
