//! What may be typed after `sereno`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::audit::Anchor;
use crate::domain::settings::Language;
use crate::words::Words;

/// A chat-ops bot for on-call engineers: runbooks with approvals, incident threads, handoffs.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Examples:\n  sereno demo\n  sereno serve --config config/sereno.yaml\n  sereno check commands/\n  sereno say --as ana '#infra' '/ops health prod'"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve: chat, hooks, console.
    Serve(ConfigOptions),
    /// See the whole road once, on this machine, with no account: a service breaks and is mended.
    Demo(DemoOptions),
    /// Check runbooks and configuration; all problems at once.
    Check(CheckOptions),
    /// Ask for a command from the shell, as a person: `sereno run "health prod" --as ana`.
    Run(RunOptions),
    /// Explain whether a person may run a command, and why: `sereno why ana "rollback api prod"`.
    Why(WhyOptions),
    /// Say a line in a channel of a running server, and show the answer.
    Say(SayOptions),
    /// Press a button of a message of a running server.
    Press(PressOptions),
    /// Show a message and its thread.
    Thread(ThreadOptions),
    /// Verify or export the audit trail.
    Audit(AuditOptions),
    /// Print the JSON Schema that editors use.
    Schema(SchemaOptions),
    /// Print what an app on a chat platform is created from.
    Manifest(ManifestOptions),
    /// Look at everything that this installation needs, and say what to mend.
    Doctor(DoctorOptions),
    /// The demo's service.
    #[command(hide = true)]
    DemoShop {
        /// Where it listens.
        address: String,
        /// The demo's folder.
        dir: PathBuf,
    },
}

/// Where the configuration is.
#[derive(clap::Args, Clone, Default)]
pub struct ConfigOptions {
    /// The configuration file; the built-in one without.
    #[arg(long, env = "SERENO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Of `demo`.
#[derive(clap::Args)]
pub struct DemoOptions {
    /// End when the scene is over, instead of serving on.
    #[arg(long)]
    pub once: bool,
    /// Listen here; a free port of loopback without.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Pauses between what people do, in milliseconds.
    #[arg(long, default_value_t = 1500, value_name = "MS")]
    pub pace: u64,
}

/// Of `check`.
#[derive(clap::Args)]
pub struct CheckOptions {
    /// Files or folders of runbooks; the configuration's catalogue without.
    pub paths: Vec<PathBuf>,
    /// text, json or github.
    #[arg(long, default_value = "text", value_parser = ["text", "json", "github"])]
    pub format: String,
    /// The configuration that people, roles and environments are taken from.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Of `run`.
#[derive(clap::Args)]
pub struct RunOptions {
    /// The command line, as in `health prod` or `plan rollback api prod`.
    pub line: String,
    /// Who asks; judged as in chat.
    #[arg(long = "as", value_name = "USER")]
    pub user: String,
    /// The environment, where the line does not name it.
    #[arg(long)]
    pub env: Option<String>,
    /// The channel to ask in; the first of the configuration without.
    #[arg(long)]
    pub channel: Option<String>,
    /// Cards as JSON.
    #[arg(long)]
    pub json: bool,
    /// Longest time to wait for the end.
    #[arg(long, default_value = "60s", value_parser = span)]
    pub wait: std::time::Duration,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Of `why`.
#[derive(clap::Args)]
pub struct WhyOptions {
    /// Who.
    pub user: String,
    /// The command line.
    pub line: String,
    /// The channel it would be asked in.
    #[arg(long)]
    pub channel: Option<String>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Which server, as whom.
#[derive(clap::Args, Clone)]
pub struct Server {
    /// Who; their token is taken from the configuration, or from SERENO_TOKEN.
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,
    /// The server; the configuration's without.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Cards as JSON.
    #[arg(long)]
    pub json: bool,
    /// Longest time to wait for the answer.
    #[arg(long, default_value = "10s", value_parser = span)]
    pub wait: std::time::Duration,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
}

/// Of `say`.
#[derive(clap::Args)]
pub struct SayOptions {
    /// The channel, as in '#infra'.
    pub channel: String,
    /// The line, as in '/ops health prod'.
    pub text: String,
    /// A message of the thread to say it in.
    #[arg(long, value_name = "MESSAGE")]
    pub thread: Option<String>,
    /// Which server, as whom.
    #[command(flatten)]
    pub server: Server,
}

/// Of `press`.
#[derive(clap::Args)]
pub struct PressOptions {
    /// The message's id.
    pub message: String,
    /// The button's id or label.
    pub button: String,
    /// A value of the button's form, as in reason='all is down'.
    #[arg(long = "value", value_name = "NAME=VALUE")]
    pub values: Vec<String>,
    /// Which server, as whom.
    #[command(flatten)]
    pub server: Server,
}

/// Of `thread`.
#[derive(clap::Args)]
pub struct ThreadOptions {
    /// The id of its root, or of any message in it.
    pub message: String,
    /// Which server, as whom.
    #[command(flatten)]
    pub server: Server,
}

/// Of `audit`.
#[derive(clap::Args)]
pub struct AuditOptions {
    /// What to do with it.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What to do with the audit trail.
#[derive(Subcommand)]
pub enum AuditCommand {
    /// Verify it, and name the first altered, cut or reordered entry.
    Verify {
        /// An anchor's file; the configuration's without.
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// A head that was posted to a channel.
        #[arg(long, value_name = "SEQ:HASH", value_parser = head)]
        head: Vec<Anchor>,
        /// The configuration.
        #[command(flatten)]
        config: ConfigOptions,
    },
    /// Write every entry as a line of JSON.
    Export {
        /// The configuration.
        #[command(flatten)]
        config: ConfigOptions,
    },
}

/// Of `schema`.
#[derive(clap::Args)]
pub struct SchemaOptions {
    /// runbook, pack or config.
    #[arg(default_value = "runbook", value_parser = ["runbook", "pack", "config"])]
    pub what: String,
}

/// Of `manifest`.
#[derive(clap::Args)]
pub struct ManifestOptions {
    /// Where the app is.
    #[command(subcommand)]
    pub platform: ManifestPlatform,
}

/// Where an app is.
#[derive(Subcommand)]
pub enum ManifestPlatform {
    /// The manifest of a Slack app, to be pasted at api.slack.com/apps.
    Slack {
        /// socket: no public address is needed. http: Slack sends its requests to server.public_url.
        #[arg(long, default_value = "socket", value_parser = ["socket", "http"])]
        mode: String,
        /// The app's name, which is also what people mention; at most 35 characters.
        #[arg(long, default_value = "Sereno", value_parser = app_name)]
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// The configuration that address and language are taken from.
        #[command(flatten)]
        config: ConfigOptions,
    },
}

/// Of `doctor`.
#[derive(clap::Args)]
pub struct DoctorOptions {
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigOptions,
}

fn head(text: &str) -> Result<Anchor, String> {
    let parsed =
        text.split_once(':').and_then(|(seq, hash)| Some(Anchor { seq: seq.parse().ok()?, hash: hash.to_owned() }));
    parsed.ok_or_else(|| "write it as it was posted: SEQ:HASH".to_owned())
}

fn app_name(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 35;
    fits.then(|| text.trim().to_owned()).ok_or_else(|| "give it 1 to 35 characters".to_owned())
}

fn span(text: &str) -> Result<std::time::Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .ok()
        .and_then(|span| std::time::Duration::try_from(span).ok())
        .ok_or_else(|| "write it like 10s or 2m".to_owned())
}

/// The language of the shell, from `LC_ALL`, `LC_MESSAGES` or `LANG`, for what is said before a configuration is read.
#[must_use]
pub fn shell_words() -> Words {
    let environment = crate::config::environment();
    let named = ["SERENO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| environment.get(*name));
    Words(if named.is_some_and(|name| name.starts_with("es")) { Language::Es } else { Language::En })
}
