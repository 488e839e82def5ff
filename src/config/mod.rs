//! The configuration: one YAML file, overridden by the environment (`SERENO_<SECTION>__<KEY>`, secrets also by
//! `…_FILE`). Sections validate themselves; all problems are reported at once. The only place that reads environment
//! variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::actor::PersonId;
use crate::domain::settings::Settings;
use crate::secret::Secret;

/// The configuration, checked.
#[derive(Clone)]
pub struct Config {
    /// People, environments, channels, teams.
    pub settings: Settings,
    /// Where to listen, as `127.0.0.1:8080`.
    pub listen: String,
    /// The database.
    pub store_url: Secret,
    /// The catalogue's folder, relative to the working directory.
    pub catalog: PathBuf,
    /// Console tokens by person.
    pub tokens: BTreeMap<PersonId, Secret>,
    /// Secrets of alert sources, by hook. Several are accepted while one is rotated.
    pub hook_secrets: BTreeMap<String, Vec<Secret>>,
    /// Secrets that runbooks may name.
    pub secrets: BTreeMap<String, Secret>,
    /// The Docker engine's address; none means the platform's default.
    pub docker_host: Option<String>,
    /// Where the audit chain's head is written after each change; none means nowhere.
    pub anchor: Option<PathBuf>,
    /// Whether logs are JSON.
    pub log_json: bool,
}
