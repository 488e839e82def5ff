//! What a `compose` step may say. Knows nothing of the program that does it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::only;
use crate::executor::value::{SecretText, Text};

text_enum! {
    /// What to do with a project that files describe.
    Verb {
        /// Makes and starts what is missing, and makes anew what is described differently by now.
        Up = "up",
        /// Makes containers anew, whatever they were: environment files are read again.
        Recreate = "recreate",
        /// Sets how many containers a service has.
        Scale = "scale",
        /// Builds images.
        Build = "build",
        /// Reads the files and says what they describe, without values of variables.
        Config = "config",
    }
}

/// Files looked for where none is named.
const USUAL: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// A project that compose files describe. What needs no file (ps, logs, stop, start, restart, down, scaling down) is
/// `action: docker`. Facts: `services` (name, does: create, recreate, start, scale or leave; now and replicas),
/// `changed` and `previous` (containers of each service before). `scale`: also `previous_replicas`. `build`: `exit`.
/// `config`: `services` (name, image, replicas, variables, depends_on), `names`, and `unset`: variables that the files
/// name and nobody set.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    pub(super) r#do: Verb,
    /// The project's name.
    pub(super) project: Text,
    /// The directory of the files, an absolute path.
    pub(super) dir: Text,
    /// The compose file, or several, later ones over earlier ones. Without: `compose.yaml` and its usual other names.
    #[serde(default)]
    file: Option<Several>,
    /// A file of variables for the compose files, instead of `.env`.
    #[serde(default)]
    env_file: Option<Text>,
    /// Variables for the compose files.
    #[serde(default)]
    pub(super) env: BTreeMap<String, SecretText>,
    /// The service, or several; all without.
    #[serde(default)]
    service: Option<Several>,
    /// `scale`: how many containers.
    #[serde(default)]
    replicas: Option<Text>,
    /// `up`, `recreate`: whether images are built first.
    #[serde(default)]
    build: bool,
}

/// One name, or several.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a name, or a list of them")]
enum Several {
    One(Text),
    Several(Vec<Text>),
}

impl Several {
    fn texts(&self) -> Vec<String> {
        match self {
            Self::One(Text(one)) => vec![one.clone()],
            Self::Several(several) => several.iter().map(|Text(one)| one.clone()).collect(),
        }
    }
}

impl Fields {
    /// What can be told without looking at this machine.
    pub(super) fn check(&self) -> Result<(), Sentence> {
        let Text(project) = &self.project;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        if !project.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) || !project.chars().all(plain) {
            return Err(sentence!("action.docker_compose_project", project));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let names = self.services();
        let wrong = |name: &&String| !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain);
        if let Some(service) = names.iter().find(wrong) {
            return Err(sentence!("action.docker_compose_service", service));
        }
        let files = self.file.as_ref().map(Several::texts).unwrap_or_default();
        if let Some(file) = files
            .iter()
            .chain(self.env_file.iter().map(|Text(file)| file))
            .find(|file| file.is_empty() || file.starts_with('-') || file.contains('\0'))
        {
            return Err(sentence!("action.docker_compose_file", file));
        }
        if let Some(name) = self.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(sentence!("action.shell_variable", name));
        }
        let verb = self.r#do;
        only(
            &verb,
            &[
                (self.replicas.is_some(), "replicas", &[Verb::Scale]),
                (self.build, "build", &[Verb::Up, Verb::Recreate]),
            ],
        )?;
        match (verb, self.replicas.is_some()) {
            (Verb::Scale, true) if names.len() == 1 => self.replicas().map(drop),
            (Verb::Scale, _) => Err(sentence!("action.docker_compose_scale")),
            _ => Ok(()),
        }
    }

    /// What it does at least.
    pub(super) fn effect(&self) -> Effect {
        match self.r#do {
            Verb::Config => Effect::Read,
            Verb::Up | Verb::Recreate | Verb::Scale | Verb::Build => Effect::Change,
        }
    }

    /// The services that are named.
    pub(super) fn services(&self) -> Vec<String> {
        self.service.as_ref().map(Several::texts).unwrap_or_default()
    }

    pub(super) fn replicas(&self) -> Result<usize, Sentence> {
        let Some(Text(text)) = &self.replicas else { return Err(sentence!("action.docker_compose_scale")) };
        text.parse().map_err(|_| sentence!("action.docker_replicas", text))
    }

    /// The directory, which is there.
    pub(super) fn directory(&self) -> Result<PathBuf, Sentence> {
        let Text(dir) = &self.dir;
        let path = PathBuf::from(dir);
        match path.is_absolute() && path.is_dir() {
            true => Ok(path),
            false => Err(sentence!("action.shell_no_dir", dir)),
        }
    }

    /// The compose files, then the file of variables, each with its whole path.
    pub(super) fn files(&self, dir: &Path) -> Result<(Vec<PathBuf>, Option<PathBuf>), Sentence> {
        let there = |name: &str| {
            let path = dir.join(name);
            if path.is_file() { Ok(path) } else { Err(sentence!("action.docker_compose_file", file => name)) }
        };
        let files = match &self.file {
            Some(files) => files.texts().iter().map(|name| there(name)).collect::<Result<_, _>>()?,
            None => {
                let usual = USUAL.iter().find_map(|name| there(name).ok());
                vec![
                    usual
                        .ok_or_else(|| sentence!("action.docker_compose_no_file", dir => dir.display().to_string()))?,
                ]
            }
        };
        let env_file = match &self.env_file {
            Some(Text(name)) => Some(there(name)?),
            None => Some(dir.join(".env")).filter(|path| path.is_file()),
        };
        Ok((files, env_file))
    }

    /// The arguments that say what to do.
    pub(super) fn argv(&self) -> Result<Vec<String>, Sentence> {
        let services = self.services();
        let mut argv: Vec<String> = match self.r#do {
            Verb::Up => vec!["up".into(), "-d".into()],
            Verb::Recreate => vec!["up".into(), "-d".into(), "--force-recreate".into()],
            Verb::Scale => vec!["up".into(), "-d".into(), "--no-recreate".into(), "--no-deps".into()],
            Verb::Build => vec!["build".into()],
            Verb::Config => vec!["config".into()],
        };
        if self.build {
            argv.push("--build".into());
        }
        match self.r#do {
            // Of those that are named, and of nothing that they need.
            Verb::Recreate if !services.is_empty() => argv.push("--no-deps".into()),
            Verb::Scale => argv.extend(["--scale".into(), format!("{}={}", services.join(""), self.replicas()?)]),
            _ => {}
        }
        if self.r#do != Verb::Config {
            argv.extend(services);
        }
        Ok(argv)
    }
}
