//! The configuration: one YAML file, overridden by the environment (`SERENO_<SECTION>__<KEY>`, secrets also by
//! `…_FILE`). Sections validate themselves; all problems are reported at once. The only place that reads environment
//! variables.

mod findings;
mod fit;
mod overlay;
mod sections;
mod shape;
mod tree;
mod veil;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use minijinja::context;

use crate::domain::actor::{PersonId, Role};
use crate::domain::digest;
use crate::domain::settings::{Language, Settings};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::words::Words;
use crate::yaml;
use findings::Findings;
use shape::Shape;
use tree::{Content, Node, Origin};
use veil::Veil;
pub use written::{LogFormat, SlackMode};

/// The configuration that is taken when no file is named: safe, and the place where every key is explained.
pub const DEFAULT: &str = include_str!("../../config/sereno.yaml");

/// Larger files are refused, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// People, environments, channels, teams.
    pub settings: Settings,
    /// What people wrote about the roles.
    pub roles_about: BTreeMap<Role, String>,
    /// Where to listen, as `127.0.0.1:8080`.
    pub listen: String,
    /// Proxies that are believed where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// The database.
    pub store_url: Secret,
    /// How long a start waits for a database that does not answer yet.
    pub store_wait: Duration,
    /// The catalogue's folder, relative to the working directory.
    pub catalog: PathBuf,
    /// Console tokens by person.
    pub tokens: BTreeMap<PersonId, Secret>,
    /// Secrets of alert sources, by hook. Several are accepted while one is rotated.
    pub hook_secrets: BTreeMap<String, Vec<Secret>>,
    /// Secrets that runbooks may name.
    pub secrets: BTreeMap<String, Secret>,
    /// The Slack app, if there is one.
    pub slack: Option<Slack>,
    /// The Docker engine's address; none means the platform's default.
    pub docker_host: Option<String>,
    /// Whether runbooks may have containers of their own.
    pub docker_run: bool,
    /// Programs that are elsewhere than in a usual place, by the name that they have there.
    pub programs: BTreeMap<String, PathBuf>,
    /// Where AWS is, and who we are there.
    pub aws: Aws,
    /// Where the audit chain's head is written after each change; none means nowhere.
    pub anchor: Option<PathBuf>,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// Which events are logged, as a filter of `tracing`: `info`, or `info,sereno=debug`.
    pub log_level: String,
    /// Digest of all that is written, the environment's part included, secrets left out.
    pub digest: String,
    /// What was let pass, and should be said.
    pub warnings: Vec<Problem>,
}

/// What a Slack app is reached with.
#[derive(Clone)]
pub struct Slack {
    /// Whether by Socket Mode; else Slack sends requests.
    pub socket: bool,
    /// The bot's token.
    pub bot_token: Secret,
    /// The app's token, for Socket Mode.
    pub app_token: Option<Secret>,
    /// What Slack signs its requests with.
    pub signing_secret: Option<Secret>,
    /// Where Slack's Web API is, without a slash at the end.
    pub api_url: String,
    /// The HTTP proxy on the way there, as in `HTTPS_PROXY`; it may hold a password.
    pub proxy: Option<Secret>,
    /// Hosts that are reached without it, as in `NO_PROXY`.
    pub no_proxy: String,
}

/// Where AWS is, and who we are there; what is not said is in the environment.
#[derive(Clone, Default)]
pub struct Aws {
    /// The region.
    pub region: Option<String>,
    /// Another address than AWS's own.
    pub endpoint: Option<String>,
    /// A profile of its files.
    pub profile: Option<String>,
    /// An access key: its id, and the secret.
    pub key: Option<(String, Secret)>,
    /// Whether the file or the environment says anything of AWS.
    pub named: bool,
}

/// Where a configuration is read from, at the start and whenever it changes.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file; [`DEFAULT`] without one.
    file: Option<PathBuf>,
    /// The variables that are laid over it.
    env: BTreeMap<String, String>,
}

impl Source {
    /// A file with this process's environment laid over it.
    #[must_use]
    pub fn here(file: Option<&Path>) -> Self {
        Self { file: file.map(Path::to_owned), env: environment() }
    }

    /// A file alone: nothing that is set on this machine has a say.
    #[must_use]
    pub fn alone(file: &Path) -> Self {
        Self { file: Some(file.to_owned()), env: BTreeMap::new() }
    }

    /// Reads it as it is now.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Config, Vec<Problem>> {
        Config::load(self.file.as_deref(), &self.env)
    }
}

impl Config {
    /// Reads a file, or [`DEFAULT`] without one, lays the environment over it and checks it all.
    ///
    /// # Errors
    /// All problems at once. None of them shows a secret.
    pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, Vec<Problem>> {
        let Some(path) = path else { return Self::read("config/sereno.yaml", DEFAULT, env) };
        let name = path.display().to_string();
        match text_of(path) {
            Ok(text) => Self::read(&name, &text, env),
            Err(why) => {
                let words = Words(Language::En);
                let message = words.say("config.unreadable", context! { file => name.as_str(), why });
                let hint = words.get("config.unreadable_hint");
                Err(vec![Problem { file: name, line: 1, column: 1, message, hint: Some(hint), picture: String::new() }])
            }
        }
    }

    /// As [`Config::load`], from a text; `name` is what problems call it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(name: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Self, Vec<Problem>> {
        let shape = Shape::of(&schema());
        let mut root = parse(name, text)?;
        let mut veil = Veil::default();
        veil.look(&root, Some(&shape));
        let refused = overlay::overlay(&mut root, &shape, env);
        veil.look(&root, Some(&shape));
        let mut findings = Findings::new(Words(language(&root)), name, text, veil, root.clone());
        overlay::report(&refused, &shape, &mut findings);
        let fitted = fit::fit(&root, &shape, &mut findings);
        let digest = digest::of(&shape.without_secrets(&fitted));
        let written = serde_json::from_value(fitted).map_err(|error| {
            findings.error(&[], "unfit", context! { why => error.to_string() });
            std::mem::take(&mut findings.problems)
        })?;
        let mut config = sections::check(written, &mut findings, env);
        if findings.problems.is_empty() {
            config.warnings = findings.warnings;
            config.digest = digest;
            return Ok(config);
        }
        findings.problems.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
        Err(findings.problems)
    }
}

/// Every environment variable of this process that is text.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(written::Written).to_value()
}

/// Every key of the file, as in `server.listen`, `people.[].console.token`, `hooks.*.secret`.
#[must_use]
pub fn keys() -> Vec<String> {
    Shape::of(&schema()).paths()
}

fn text_of(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!("{size} > {LARGEST} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

fn parse(name: &str, text: &str) -> Result<Node, Vec<Problem>> {
    let node = yaml::read(text, Origin::File).map_err(|broken| {
        let words = Words(Language::En);
        let message = words.say("config.broken", context! { why => broken.message });
        let hint = Some(words.get("config.broken_hint"));
        vec![Problem::at(name, &veil::keys_only(text), broken.at, message, hint)]
    })?;
    Ok(match node.content {
        Content::Null => Node { content: Content::Map(Vec::new()), at: Origin::File(0..0) },
        _ => node,
    })
}

/// The language to tell problems in: read before anything is known to be sound.
fn language(root: &Node) -> Language {
    root.child("language").and_then(Node::text).and_then(|word| word.parse().ok()).unwrap_or(Language::En)
}
