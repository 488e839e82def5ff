//! The compose program: found as the plugin of `docker` or as `docker-compose`, and asked what files describe. Values
//! of variables stay in here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fields::Fields;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::Tools;
use crate::executor::process::{Ended, Spec};
use crate::executor::tool::{self, Answer};
use crate::executor::value::Text;

/// Bytes of an answer that are read.
const READ: usize = 4 * 1024 * 1024;
/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How compose is called here.
#[derive(Debug, Clone)]
pub(super) struct Compose {
    pub(super) program: PathBuf,
    /// Before all other arguments.
    first: Option<&'static str>,
    /// As it says itself.
    pub(super) version: String,
}

impl Compose {
    /// The plugin where there is one, else the program of its own.
    pub(super) async fn find(tools: &Tools) -> Result<Self, Sentence> {
        for (name, first) in [("docker", Some("compose")), ("docker-compose", None)] {
            let Some(program) = tools.program(name) else { continue };
            let args = first.into_iter().chain(["version", "--short"]).map(str::to_owned).collect();
            let spec = Spec { program: program.clone(), args, ..Spec::default() };
            let answer = tool::ask(&spec, READ, PATIENCE, &CancellationToken::new()).await?;
            if answer.ended == Ended::Exited(0) {
                return Ok(Self { program, first, version: answer.stdout.trim().to_owned() });
            }
        }
        Err(sentence!("action.docker_compose_missing"))
    }

    /// How people call it.
    pub(super) fn name(&self) -> &'static str {
        if self.first.is_some() { "docker compose" } else { "docker-compose" }
    }

    /// A call for a step's project and files.
    pub(super) fn spec(&self, fields: &Fields, tools: &Tools, argv: &[String]) -> Result<Spec, Sentence> {
        let dir = fields.directory()?;
        let (files, env_file) = fields.files(&dir)?;
        let Text(project) = &fields.project;
        let mut args: Vec<String> = self.first.into_iter().map(str::to_owned).collect();
        args.extend(["--project-name".to_owned(), project.clone()]);
        for file in &files {
            args.extend(["--file".to_owned(), file.display().to_string()]);
        }
        if let Some(file) = env_file {
            args.extend(["--env-file".to_owned(), file.display().to_string()]);
        }
        args.extend_from_slice(argv);
        let mut env = BTreeMap::new();
        for (name, text) in &fields.env {
            env.insert(name.clone(), text.reveal(tools)?);
        }
        if let Some(host) = &tools.docker_host {
            env.insert("DOCKER_HOST".to_owned(), host.clone());
        }
        Ok(Spec { program: self.program.clone(), args, dir: Some(dir), env, ..Spec::default() })
    }

    /// What the files describe, with the digest of each service, and what it warned of.
    pub(super) async fn described(&self, fields: &Fields, tools: &Tools) -> Result<Described, Sentence> {
        let answer = self.ask(fields, tools, &["config"]).await?;
        let config: Value = serde_saphyr::from_str(&answer.stdout)
            .map_err(|_| sentence!("action.docker_compose_unread", name => self.name()))?;
        let hashes = self.ask(fields, tools, &["config", "--hash", "*"]).await?.stdout;
        let hashes = hashes.lines().filter_map(|line| line.split_once(' '));
        let hashes = hashes.map(|(service, hash)| (service.to_owned(), hash.trim().to_owned())).collect();
        let services = config["services"].as_object().cloned().unwrap_or_default();
        Ok(Described { services: services.into_iter().collect(), hashes, unset: unset(&answer.stderr) })
    }

    async fn ask(&self, fields: &Fields, tools: &Tools, argv: &[&str]) -> Result<Answer, Sentence> {
        let argv: Vec<String> = argv.iter().map(|argument| (*argument).to_owned()).collect();
        let spec = self.spec(fields, tools, &argv)?;
        let answer = tool::ask(&spec, READ, PATIENCE, &CancellationToken::new()).await?;
        match answer.ended {
            Ended::Exited(0) if answer.whole => Ok(answer),
            Ended::TimedOut => {
                Err(sentence!("action.docker_compose_slow", name => self.name(), seconds => PATIENCE.as_secs()))
            }
            _ => Err(sentence!("action.docker_compose_refused", name => self.name(), why => answer.why())),
        }
    }
}

/// What compose files describe. Holds values of variables: nothing of it is shown but names.
pub(super) struct Described {
    pub(super) services: BTreeMap<String, Value>,
    /// By service, of all that its containers are made from.
    pub(super) hashes: BTreeMap<String, String>,
    /// Variables that the files name and nobody set.
    pub(super) unset: Vec<String>,
}

impl Described {
    /// The services that a service needs.
    pub(super) fn needs(&self, service: &str) -> Vec<String> {
        match &self.services[service]["depends_on"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::Object(names) => names.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// How many containers a service has as the files have it.
    pub(super) fn replicas(&self, service: &str) -> usize {
        let of = &self.services[service];
        let count = of["scale"].as_u64().or_else(|| of["deploy"]["replicas"].as_u64()).unwrap_or(1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// Names of the variables that a service's containers get.
    pub(super) fn variables(&self, service: &str) -> Vec<String> {
        match &self.services[service]["environment"] {
            Value::Array(lines) => {
                lines.iter().filter_map(|line| line.as_str()?.split('=').next().map(str::to_owned)).collect()
            }
            Value::Object(variables) => variables.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// Names in warnings such as `The KEY variable is not set` and `The "KEY" variable is not set`.
fn unset(stderr: &str) -> Vec<String> {
    let mut names: Vec<String> = stderr
        .lines()
        .filter_map(|line| line.split_once(" variable is not set")?.0.rsplit(' ').next())
        .map(|name| name.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_').to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_nobody_set_are_named_as_both_versions_say_it() {
        let one = "The WHO variable is not set. Defaulting to a blank string.\n";
        let two =
            "time=\"…\" level=warning msg=\"The \\\"DB_PASS\\\" variable is not set. Defaulting to a blank string.\"\n";
        assert_eq!(unset(&format!("{one}{two}{one}WARN: nothing")), ["DB_PASS", "WHO"]);
    }
}
