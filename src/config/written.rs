//! The configuration as written: every key, its default and its meaning. The JSON Schema, the check of keys and the
//! environment variables are all drawn from these types. What the values mean together is checked in `sections`.

mod aws;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::settings::Language;
use crate::domain::severity::Severity;
use crate::secret::Secret;

pub use aws::Aws;
pub use programs::{Docker, Programs};

/// Sereno's configuration. Every key can be overridden by an environment variable: `SERENO_SERVER__LISTEN`.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Written {
    /// Where Sereno is reached.
    pub server: Server,
    /// The database.
    pub store: Store,
    /// The runbooks.
    pub catalog: Catalog,
    /// The language of cards and command line.
    pub language: Language,
    /// The time zone of the clocks on cards: its IANA name, as in `Europe/Madrid`.
    pub time_zone: String,
    /// Environments that runbooks may name, by name.
    pub environments: BTreeMap<String, Environment>,
    /// People. Whoever is not listed may do nothing.
    pub people: Vec<Person>,
    /// Roles by name; each is nothing, a sentence about it, or what it includes.
    pub roles: BTreeMap<String, Option<Role>>,
    /// Channels by name, as in `#infra`.
    pub channels: BTreeMap<String, Channel>,
    /// Teams by name, with who is on call.
    pub teams: BTreeMap<String, Team>,
    /// What is different here for a pack of runbooks, by its folder's name. A pack that asks for it is only in use if it
    /// is named here.
    pub packs: BTreeMap<String, Pack>,
    /// Alert sources by name: each is `POST /hooks/<name>`.
    pub hooks: BTreeMap<String, Hook>,
    /// What holds for approvals where a runbook says nothing.
    pub approvals: Approvals,
    /// When the on-call may go on without an approver.
    pub break_glass: BreakGlass,
    /// How long what is over is kept; the audit trail is kept for ever.
    pub retention: Retention,
    /// Secrets that runbooks may name; each has exactly one source.
    pub secrets: BTreeMap<String, Source>,
    /// The Docker engine.
    pub docker: Docker,
    /// Where programs are that runbooks use.
    pub programs: Programs,
    /// AWS.
    pub aws: Aws,
    /// The Slack app.
    pub slack: Slack,
    /// The audit trail.
    pub audit: Audit,
    /// Logs.
    pub log: Log,
}

/// A secret text in the file or the environment.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text, from now on without Debug or Display.
    pub fn into_secret(self) -> Secret {
        Secret::new(self.0)
    }
}

/// Marked `writeOnly`: whatever is marked so is masked wherever the file is drawn.
impl JsonSchema for Hidden {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hidden".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "writeOnly": true})
    }
}

/// Where Sereno is reached.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: String,
    /// Where people reach it, for links; `http://` and the listening address without it.
    pub public_url: Option<String>,
    /// Proxies, as addresses or networks, whose `X-Forwarded-For` tells where a request comes from.
    pub trusted_proxies: Vec<String>,
}

/// The database.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite://path` or `postgres://user:password@host/name`; `sqlite://sereno.db` without it.
    pub url: Option<Hidden>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
    /// How long a start waits for a database that does not answer yet; `20s` without it.
    pub wait: Option<String>,
}

/// The runbooks.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Catalog {
    /// The folder with the packs, relative to the working directory.
    pub path: PathBuf,
}

/// What is different here for a pack of runbooks.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pack {
    /// Where its schedules and monitors speak. Without it they sleep.
    pub channel: Option<String>,
    /// Values by the names that its `pack.yaml` gives them; a list's parts between commas.
    pub values: BTreeMap<String, String>,
    /// For each name that its `pack.yaml` declares, the secret under `secrets:` that it stands for.
    pub secrets: BTreeMap<String, String>,
    /// What is different in an environment, by its name.
    pub environments: BTreeMap<String, PackEnvironment>,
}

/// What is different for a pack in an environment.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PackEnvironment {
    /// Values, over the pack's others.
    pub values: BTreeMap<String, String>,
    /// Secrets, over the pack's others.
    pub secrets: BTreeMap<String, String>,
}

/// An environment.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// How many people must agree to a change; a destructive step always needs at least one.
    pub approvals: u32,
}

/// A person: one principal, over all their identities.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their id, as in `ana`.
    pub id: String,
    /// How they are called on cards; their id without it.
    #[serde(default)]
    pub name: Option<String>,
    /// Their roles.
    #[serde(default)]
    pub roles: Vec<String>,
    /// How they sign in to the console and its API.
    #[serde(default)]
    pub console: ConsoleSignIn,
    /// Their Slack identity, `team/user` as in `T1/U1`.
    #[serde(default)]
    pub slack: Option<String>,
    /// Their Discord user id.
    #[serde(default)]
    pub discord: Option<String>,
}

/// How a person signs in to the console and its API.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleSignIn {
    /// Their bearer token; without one they sign in by a one-time link.
    pub token: Option<Hidden>,
    /// A file that holds the token.
    pub token_file: Option<PathBuf>,
}

/// A role.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Role {
    /// A sentence about it.
    About(String),
    /// What it includes.
    Full(FullRole),
}

/// A role that includes others.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FullRole {
    /// A sentence about it.
    pub about: Option<String>,
    /// Roles whose holders' rights it has too.
    pub includes: Vec<String>,
    /// Slack user groups, `S…`, whose listed members hold it.
    pub slack_groups: Vec<String>,
}

/// A channel.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// Whether it is on the built-in console.
    pub console: bool,
    /// Its id on Slack.
    pub slack: Option<String>,
    /// Its id on Discord.
    pub discord: Option<String>,
    /// Packs whose commands are typed here without their prefix; all without it.
    pub packs: Vec<String>,
    /// Taken when no environment is typed.
    pub environment: Option<String>,
    /// The team whose rota is meant here.
    pub team: Option<String>,
}

/// A team.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Where its shift changes are posted.
    pub channel: String,
    /// Who is on call.
    #[serde(default)]
    pub rota: Option<Rota>,
    /// A Slack user group, `S…`, that is kept equal to who is on call.
    #[serde(default)]
    pub slack_group: Option<String>,
}

/// A weekly rotation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rota {
    /// IANA time zone, as in `Europe/Madrid`.
    pub zone: String,
    /// The first handover, `2026-01-05T09:00`, on the zone's clock; every seventh day after it is one.
    pub start: String,
    /// People in order; the first is on call from `start`.
    pub order: Vec<String>,
    /// Stand-ins; a later one wins.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

/// Somebody stands in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Who.
    pub person: String,
    /// From, `2026-01-07T09:00` on the zone's clock or with an offset.
    pub from: String,
    /// Until, not included.
    pub until: String,
}

/// An alert source.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// How its bodies are read: `alertmanager`.
    pub dialect: String,
    /// What the source must present. A hook without a secret keeps Sereno from starting.
    #[serde(default)]
    pub secret: Option<Hidden>,
    /// A file that holds the secret.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Further secrets that are accepted while one is rotated.
    #[serde(default)]
    pub secrets: Vec<Hidden>,
    /// A file that holds further secrets, one a line.
    #[serde(default)]
    pub secrets_file: Option<PathBuf>,
    /// Where its incidents open.
    pub channel: String,
    /// Taken when an alert has no `env` or `environment` label.
    #[serde(default)]
    pub environment: Option<String>,
}

/// What holds for approvals where a runbook says nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// Roles that may approve; `lead`, if there is such a role, without it.
    pub roles: Option<Vec<String>>,
    /// How long an approval waits, at most and without it `15m`.
    pub expires: Option<String>,
}

/// When the on-call may go on without an approver.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakGlass {
    /// How long nobody must have answered.
    pub after: String,
    /// In incidents of these severities; an empty list turns it off.
    pub severities: Vec<Severity>,
    /// Channels that hear of it, beside the run's own.
    pub announce: Vec<String>,
}

/// How long what is over is kept, each at least `2d`. What something open refers to stays.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Requests that were dealt with, and what schedules have fired; longer than any platform sends a request again.
    pub requests: String,
    /// Messages that their platform has.
    pub messages: String,
    /// What the steps of finished runs printed; lengths and digests stay.
    pub outputs: String,
}

/// Where a secret comes from: exactly one of these.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// This environment variable.
    pub env: Option<String>,
    /// This file.
    pub file: Option<PathBuf>,
    /// This text.
    pub value: Option<Hidden>,
}

crate::domain::text_enum! {
    /// How Slack reaches Sereno.
    SlackMode {
        /// Sereno opens connections to Slack: no public address is needed.
        Socket = "socket",
        /// Slack sends requests to `/slack/…` at the public address.
        Http = "http",
    }
}

/// The Slack app. Without a bot token there is none.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Slack {
    /// How Slack reaches Sereno.
    pub mode: SlackMode,
    /// The bot's token, `xoxb-…`.
    pub bot_token: Option<Hidden>,
    /// A file that holds it.
    pub bot_token_file: Option<PathBuf>,
    /// The app's token for Socket Mode, `xapp-…`.
    pub app_token: Option<Hidden>,
    /// A file that holds it.
    pub app_token_file: Option<PathBuf>,
    /// What Slack signs its requests with, in mode `http`.
    pub signing_secret: Option<Hidden>,
    /// A file that holds it.
    pub signing_secret_file: Option<PathBuf>,
    /// Where Slack's Web API is.
    pub api_url: String,
}

impl Default for Slack {
    fn default() -> Self {
        Self {
            mode: SlackMode::Socket,
            bot_token: None,
            bot_token_file: None,
            app_token: None,
            app_token_file: None,
            signing_secret: None,
            signing_secret_file: None,
            api_url: "https://slack.com/api".to_owned(),
        }
    }
}

/// The audit trail.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// A file outside the database that the head of the chain is written to.
    pub anchor: Option<PathBuf>,
    /// A channel that the head of the chain is posted to, once an hour while it moves.
    pub channel: Option<String>,
}

crate::domain::text_enum! {
    /// How logs are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Logs.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How they are written.
    pub format: LogFormat,
    /// How much: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,sereno=debug`.
    pub level: String,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            server: Server::default(),
            store: Store::default(),
            catalog: Catalog::default(),
            language: Language::En,
            time_zone: "UTC".to_owned(),
            environments: BTreeMap::new(),
            people: Vec::new(),
            roles: usual_roles(),
            channels: BTreeMap::new(),
            teams: BTreeMap::new(),
            packs: BTreeMap::new(),
            hooks: BTreeMap::new(),
            approvals: Approvals::default(),
            break_glass: BreakGlass::default(),
            retention: Retention::default(),
            secrets: BTreeMap::new(),
            docker: Docker::default(),
            programs: Programs::default(),
            aws: Aws::default(),
            slack: Slack::default(),
            audit: Audit::default(),
            log: Log::default(),
        }
    }
}

/// The roles of a file that declares none: each includes the one before it.
fn usual_roles() -> BTreeMap<String, Option<Role>> {
    let ladder = [("viewer", None), ("operator", Some("viewer")), ("lead", Some("operator")), ("admin", Some("lead"))];
    let role = |under: &str| Role::Full(FullRole { includes: vec![under.to_owned()], ..FullRole::default() });
    ladder.into_iter().map(|(name, under)| (name.to_owned(), under.map(role))).collect()
}

impl Default for Server {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".to_owned(), public_url: None, trusted_proxies: Vec::new() }
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self { path: PathBuf::from("commands") }
    }
}

impl Default for BreakGlass {
    fn default() -> Self {
        Self { after: "10m".to_owned(), severities: vec![Severity::P0, Severity::P1], announce: Vec::new() }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { requests: "7d".to_owned(), messages: "90d".to_owned(), outputs: "90d".to_owned() }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}
