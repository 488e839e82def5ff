//! `compose`: what needs the files of a project, done by the compose program. Its plan tells for each service whether
//! its containers would be made, made anew or left; it holds the files' digests, and the step does nothing once any of
//! that is no longer so. Whoever may write the files decides what runs.

mod cli;
mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use self::cli::{Compose, Described};
use self::fields::Fields;
pub use self::fields::Verb;
use super::attempt::{Fault, at_least};
use super::docker::{Container, Engine, Selector};
use super::output::Recorder;
use super::process::{self, Ended};
use super::tool::not_started;
use super::value::{SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "compose",
    summary: "Brings up, makes anew, scales or builds what compose files describe, or says what they describe.",
    example: "do: scale\nproject: shop\ndir: /srv/shop\nservice: backend\nreplicas: 3\n",
    schema: schema_of::<Fields>,
    parse: |with| {
        let fields: Fields = read(with)?;
        fields.check()?;
        Ok(Box::new(fields))
    },
};

/// How long the engine may take to list containers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of standard output that are kept for facts.
const READ: usize = 64 * 1024;

/// How compose is called here and its version, for `doctor`.
///
/// # Errors
/// When there is none.
pub async fn version(tools: &Tools) -> Result<String, Sentence> {
    let compose = Compose::find(tools).await?;
    Ok(format!("{} {}", compose.name(), compose.version))
}

/// What would become of one service.
#[derive(Debug, PartialEq)]
struct Fate {
    service: String,
    does: &'static str,
    now: usize,
    replicas: usize,
    hash: Option<String>,
    ids: Vec<String>,
}

/// What is found before anything is done.
struct Found {
    compose: Compose,
    described: Described,
    fates: Vec<Fate>,
    /// Ids of all of the project's containers.
    before: BTreeSet<String>,
    exact: Value,
}

#[async_trait]
impl Action for Fields {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Fields::effect(self), declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.env.values().filter_map(SecretText::secret).map(str::to_owned).collect()
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let found = self.look(tools).await?;
        let Text(project) = &self.project;
        let of = |does: &str| {
            let fates = found.fates.iter().filter(|fate| fate.does == does);
            let counted = |fate: &Fate| match fate.now == fate.replicas {
                true => fate.service.clone(),
                false => format!("{} ({} → {})", fate.service, fate.now, fate.replicas),
            };
            let names: Vec<String> = fates.map(counted).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(", ") }
        };
        let line = match self.r#do {
            Verb::Config => sentence!("action.docker_compose_config", project),
            Verb::Build => sentence!("action.docker_compose_build", project, services => of("build")),
            _ => sentence!("action.docker_compose_up", project, create => of("create"), recreate => of("recreate"),
                start => of("start"), scale => of("scale"), leave => of("leave")),
        };
        let target = sentence!("action.docker_project", project);
        Ok(Plan { action: SPEC.name.to_owned(), effect: Fields::effect(self), target, line, exact: found.exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let began = tokio::time::Instant::now();
        let found = tokio::select! {
            () = cx.cancel.cancelled() => return Outcome::Failed(Report::line(sentence!("action.cancelled"))),
            found = tokio::time::timeout(cx.timeout, self.look(&cx.tools)) => found,
        };
        let found = match found {
            Ok(Ok(found)) => found,
            Ok(Err(why)) => return Outcome::Failed(Report::line(why)),
            Err(_) => return Outcome::Failed(Report::line(cx.not_finished())),
        };
        if !cx.planned.is_null() && cx.tools.redactor.value(&found.exact) != cx.planned {
            return Outcome::Failed(Report::line(sentence!("action.docker_moved_on")));
        }
        match self.r#do {
            Verb::Config => Outcome::Done(self.told(&found)),
            _ => self.call(cx, &found, cx.timeout.saturating_sub(began.elapsed())).await,
        }
    }
}

impl Fields {
    /// Looks at the files and at the containers.
    async fn look(&self, tools: &Tools) -> Result<Found, Sentence> {
        let compose = Compose::find(tools).await?;
        let dir = self.directory()?;
        let (files, env_file) = self.files(&dir)?;
        let mut digests = Map::new();
        for file in files.into_iter().chain(env_file) {
            digests.insert(file.display().to_string(), super::shell::file_digest(file).await?.into());
        }
        let described = compose.described(self, tools).await?;
        if let Some(service) = self.services().iter().find(|service| !described.services.contains_key(*service)) {
            return Err(sentence!("action.docker_compose_no_service", service));
        }
        // What files describe can be told without an engine.
        let containers = if self.r#do == Verb::Config { Vec::new() } else { self.containers(tools).await? };
        let fates = if self.r#do == Verb::Config { Vec::new() } else { self.fates(&described, &containers)? };
        let before = containers.into_iter().map(|one| one.id).collect();
        let argv = self.argv()?;
        let Text(project) = &self.project;
        let exact = json!({
            "do": self.r#do,
            "project": project,
            "program": compose.program.display().to_string(),
            "version": compose.version,
            "dir": dir.display().to_string(),
            "sha256": digests,
            "argv": argv,
            "env": self.env.iter().map(|(name, text)| (name.clone(), text.shown())).collect::<Map<_, _>>(),
            "services": fates.iter().map(Fate::exact).collect::<Vec<_>>(),
        });
        Ok(Found { compose, described, fates, before, exact })
    }

    async fn containers(&self, tools: &Tools) -> Result<Vec<Container>, Sentence> {
        let Text(project) = &self.project;
        let all = Selector::Compose { project: Some(project.clone()), services: Vec::new() };
        let look = async { Engine::reach(tools, PATIENCE).await?.containers(&all).await };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Fault::Failed(why) | Fault::Lost(why))) => Err(why),
            Err(_) => Err(sentence!("action.docker_slow", seconds => PATIENCE.as_secs())),
        }
    }

    /// What would become of each service that this step is for.
    fn fates(&self, described: &Described, containers: &[Container]) -> Result<Vec<Fate>, Sentence> {
        let mut services: BTreeSet<String> = self.services().into_iter().collect();
        if services.is_empty() {
            services = described.services.keys().cloned().collect();
        } else if self.r#do == Verb::Up {
            // With a service comes what it needs.
            let mut new: Vec<String> = services.iter().cloned().collect();
            while let Some(service) = new.pop() {
                let needs = described.needs(&service).into_iter().filter(|one| described.services.contains_key(one));
                new.extend(needs.filter(|one| services.insert(one.clone())));
            }
        }
        services.into_iter().map(|service| self.fate(service, described, containers)).collect()
    }

    fn fate(&self, service: String, described: &Described, containers: &[Container]) -> Result<Fate, Sentence> {
        let hash = described.hashes.get(&service).cloned();
        let own: Vec<&Container> = containers.iter().filter(|one| one.service.as_deref() == Some(&service)).collect();
        let replicas = match self.r#do {
            Verb::Scale => self.replicas()?,
            Verb::Build => own.len(),
            _ => described.replicas(&service),
        };
        let same = own.iter().all(|one| one.config_hash == hash);
        let does = match self.r#do {
            Verb::Build => "build",
            _ if own.is_empty() && replicas > 0 => "create",
            Verb::Recreate => "recreate",
            Verb::Up if !same => "recreate",
            _ if own.len() != replicas => "scale",
            _ if own.iter().any(|one| !one.runs()) => "start",
            _ => "leave",
        };
        let ids = own.iter().map(|one| one.id.clone()).collect();
        Ok(Fate { now: own.len(), replicas, does, hash, ids, service })
    }

    /// What the files describe, by names.
    fn told(&self, found: &Found) -> Report {
        let described = &found.described;
        let image = |of: &Value| of["image"].as_str().unwrap_or_default().to_owned();
        let fact = |(name, of): (&String, &Value)| {
            json!({"name": name, "image": image(of), "replicas": described.replicas(name),
                "variables": described.variables(name), "depends_on": described.needs(name)})
        };
        let names: Vec<&String> = described.services.keys().collect();
        let services: Vec<Value> = described.services.iter().map(fact).collect();
        let facts = json!({"services": services, "names": names, "unset": described.unset});
        let line = match described.unset.is_empty() {
            true => sentence!("action.docker_compose_described", count => names.len(), names => listed(&names)),
            false => sentence!("action.docker_compose_unset", names => listed(&described.unset)),
        };
        let columns = ["action.docker_column_service", "action.docker_column_image", "action.docker_column_replicas"];
        let rows = described
            .services
            .iter()
            .map(|(name, of)| vec![name.clone(), image(of), described.replicas(name).to_string()]);
        Report { table: Some(Grid::new(columns.map(Sentence::new).to_vec(), rows)), ..Report::new(facts, line) }
    }

    /// Lets compose do it, in the time that is left.
    async fn call(&self, cx: &StepContext, found: &Found, left: Duration) -> Outcome {
        let spec = match self.argv().and_then(|argv| found.compose.spec(self, &cx.tools, &argv)) {
            Ok(spec) => spec,
            Err(why) => return Outcome::Failed(Report::line(why)),
        };
        let mut recorder = Recorder::watched(cx, READ);
        let ended = process::run(&spec, left, &cx.cancel, &mut |pipe, bytes| recorder.push(pipe, bytes)).await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => return Outcome::Failed(Report::line(not_started(&spec.program, &error))),
        };
        let facts = self.facts(cx, found, ended).await;
        let output = recorder.finish().output;
        let output = (output.bytes > 0).then_some(output);
        let report = |line| Report { output, ..Report::new(facts, line) };
        let Text(project) = &self.project;
        let stopped = match ended {
            Ended::Exited(0) => {
                return Outcome::Done(report(
                    sentence!("action.docker_compose_done", verb => self.r#do.as_str(), project),
                ));
            }
            Ended::Exited(code) => {
                return Outcome::Failed(report(
                    sentence!("action.docker_compose_exit", name => found.compose.name(), code),
                ));
            }
            Ended::Killed(signal) => sentence!("action.shell_signal", signal),
            Ended::TimedOut => cx.not_finished(),
            Ended::Cancelled => sentence!("action.cancelled"),
        };
        cx.half_way(report(sentence!("action.docker_half_way", why => stopped)))
    }

    async fn facts(&self, cx: &StepContext, found: &Found, ended: Ended) -> Value {
        let mut facts = Map::new();
        if let Ended::Exited(code) = ended {
            facts.insert("exit".to_owned(), code.into());
        }
        let previous: BTreeMap<&str, usize> =
            found.fates.iter().map(|fate| (fate.service.as_str(), fate.now)).collect();
        if let (Verb::Scale, Some(fate)) = (self.r#do, found.fates.first()) {
            facts.insert("previous_replicas".to_owned(), fate.now.into());
        }
        facts.insert("previous".to_owned(), json!(previous));
        facts.insert("services".to_owned(), found.fates.iter().map(Fate::fact).collect());
        // What came of it, where the engine says so.
        if let Ok(now) = self.containers(&cx.tools).await {
            let changed: BTreeSet<&str> = now
                .iter()
                .filter(|one| !found.before.contains(&one.id))
                .filter_map(|one| one.service.as_deref())
                .collect();
            let mut replicas: BTreeMap<&str, usize> = BTreeMap::new();
            for service in now.iter().filter(|one| one.runs()).filter_map(|one| one.service.as_deref()) {
                *replicas.entry(service).or_default() += 1;
            }
            facts.insert("changed".to_owned(), json!(changed));
            facts.insert("running".to_owned(), json!(replicas));
        }
        facts.into()
    }
}

impl Fate {
    fn fact(&self) -> Value {
        json!({"name": self.service, "does": self.does, "now": self.now, "replicas": self.replicas})
    }

    fn exact(&self) -> Value {
        let mut exact = self.fact();
        exact["config_hash"] = json!(self.hash);
        exact["ids"] = json!(self.ids);
        exact
    }
}
