//! The composition root: a configuration becomes parts, parts become a running program. `serve`, `demo` and `run` are
//! all made here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::catalog::{self, Catalog};
use crate::chat::console::Console;
use crate::chat::{self, Chat};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::engine::{Engine, Event, InForce, Parts};
use crate::executor::{AwsSettings, Tools, process};
use crate::http;
use crate::problem::Problem;
use crate::secret::Secret;
use crate::store::wake::Wake;
use crate::store::{Store, StoreError};
use crate::words::Words;

/// A program made of its parts, not yet running.
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The server's state.
    pub http: Arc<http::State>,
    wake: Wake,
    catalog_path: PathBuf,
    source: Source,
    anchor: Option<PathBuf>,
    in_force: InForce,
}

/// How long the end may take to be written down.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a program could not be made of a configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Runbooks or configuration are wrong; all problems at once.
    #[error("{}", catalog::render(.0, catalog::Format::Text))]
    Problems(Vec<Problem>),
    /// The database does not answer, or is not ours to use.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Makes a program. The database is brought up to date, and on SQLite taken for this process alone.
    ///
    /// # Errors
    /// What is wrong with runbooks or database.
    pub async fn build(config: &Config, source: Source, clock: Clock) -> std::result::Result<Self, BuildError> {
        let catalog = catalog::load(&config.catalog, &config.settings).map_err(BuildError::Problems)?;
        let store = open_store(config).await?;
        let in_force = in_force(config, &catalog);
        let console = Arc::new(Console::default());
        let wake = Wake::default();
        let chats = chats(config, &console, &clock);
        let engine = Engine::new(Parts {
            store,
            clock,
            settings: config.settings.clone(),
            catalog,
            chats,
            tools: tools(config),
            wake: wake.clone(),
        });
        engine.recover().await?;
        let metrics = crate::telemetry::metrics();
        let http = http::State::new(Arc::clone(&engine), console, config, metrics, http::Limits::default());
        Ok(Self {
            engine,
            http,
            wake,
            catalog_path: config.catalog.clone(),
            source,
            anchor: config.anchor.clone(),
            in_force,
        })
    }

    /// Serves until `stop`, and ends with no child left behind.
    ///
    /// # Errors
    /// When the listener or the watch over the catalogue cannot be used at all.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let (changed, mut changes) = tokio::sync::mpsc::channel(1);
        let told = changed.clone();
        let _watch = catalog::watch(&self.catalog_path, move || {
            let _ = told.try_send(());
        })
        .with_context(|| format!("cannot watch {}", self.catalog_path.display()))?;
        let hangup = on_hangup(changed);
        self.record(Event::Started(&self.in_force)).await;
        let reload = async {
            let (mut held, mut refused) = (self.in_force.clone(), None);
            while changes.recv().await.is_some() {
                self.reload(&mut held, &mut refused).await;
            }
        };
        let beside = async {
            tokio::join!(
                reload,
                hangup,
                self.engine.store.watch(&self.wake, stop.clone()),
                crate::audit::keep_anchor(&self.engine, self.anchor.as_deref()),
            );
            std::future::pending::<()>().await; // what serves decides when it is over
        };
        let serving = async {
            let server = http::serve(listener, Arc::clone(&self.http), stop.clone());
            let farewell = async {
                stop.cancelled().await;
                let _ = tokio::time::timeout(FAREWELL, self.record(Event::Stopping)).await;
            };
            tokio::join!(server, self.engine.run(stop.clone()), farewell).0
        };
        let served = tokio::select! {
            served = serving => served,
            () = beside => Ok(()),
        };
        process::kill_all();
        served.context("the server could not go on")
    }

    /// Writes an event into the audit trail; if that cannot be, the log says so, and serving goes on.
    async fn record(&self, event: Event<'_>) {
        if let Err(error) = self.engine.record(event).await {
            tracing::error!(%error, ?event, "an event of this process is missing in the audit trail");
        }
    }

    /// Reads configuration and runbooks again. What is wrong never takes effect: the last good ones stay. The trail
    /// tells of what is new: neither of a file that was touched, nor twice of the same problems.
    async fn reload(&self, held: &mut InForce, refused: &mut Option<String>) {
        let config = match self.source.load() {
            Ok(config) => config,
            Err(problems) => return self.refuse("configuration", &problems, refused).await,
        };
        let catalog = match catalog::load(&self.catalog_path, &config.settings) {
            Ok(catalog) => catalog,
            Err(problems) => return self.refuse("catalogue", &problems, refused).await,
        };
        tracing::info!(runbooks = catalog.all().count(), "configuration and runbooks were read again");
        let new = in_force(&config, &catalog);
        self.take(&config, catalog);
        *refused = None;
        if *held != new {
            self.record(Event::Took(&new)).await;
            *held = new;
        }
    }

    async fn refuse(&self, what: &str, problems: &[Problem], refused: &mut Option<String>) {
        tracing::error!(
            what,
            problems = problems.len(),
            "what was read again is wrong, so the last good one stays; `sereno check` draws it"
        );
        for Problem { file, line, column, message, hint, .. } in problems {
            // A line of the log each: what is drawn over several would be escaped into one.
            tracing::error!("{file}:{line}:{column}: {message} {}", hint.as_deref().unwrap_or_default());
        }
        let told =
            format!("the last change of the {what} has {} problems; the good one before it stays", problems.len());
        self.http.refused(Some(told));
        let text = catalog::render(problems, catalog::Format::Text);
        if refused.as_ref() != Some(&text) {
            let first = problems.first().map(|first| format!("{}:{}: {}", first.file, first.line, first.message));
            let (problems, first) = (problems.len(), first.as_deref().unwrap_or_default());
            self.record(Event::Refused { what, problems, first }).await;
            *refused = Some(text);
        }
    }

    fn take(&self, config: &Config, catalog: Catalog) {
        // First: none of them may be shown while it is already good for something.
        self.engine.redact(&secrets(config));
        self.engine.configure(config.settings.clone());
        self.engine.catalog.store(Arc::new(catalog));
        self.http.reload(config);
        self.http.refused(None);
    }
}

/// The console, and the chat platforms that the configuration names.
fn chats(config: &Config, console: &Arc<Console>, clock: &Clock) -> Vec<Arc<dyn Chat>> {
    let console: Arc<dyn Chat> = Arc::clone(console) as Arc<dyn Chat>;
    std::iter::once(console).chain(platforms(config, clock)).collect()
}

/// The chat platforms outside that the configuration names.
pub(crate) fn platforms(config: &Config, clock: &Clock) -> Vec<Arc<dyn Chat>> {
    let slack = config.slack.clone().and_then(|app| {
        let found = chat::slack(chat::SlackApp {
            socket: app.socket,
            bot_token: app.bot_token,
            app_token: app.app_token,
            signing_secret: app.signing_secret,
            api_url: app.api_url,
            proxy: app.proxy.map(|url| chat::Proxy { url, except: app.no_proxy }),
            clock: clock.clone(),
        });
        if found.is_none() {
            tracing::error!("Slack is configured, but this program was built without the feature slack");
        }
        found
    });
    slack.into_iter().collect()
}

fn in_force(config: &Config, catalog: &Catalog) -> InForce {
    InForce { configuration: config.digest.clone(), catalogue: catalog.digest(), runbooks: catalog.all().count() }
}

/// The tools of the actions, which redact every secret that the configuration holds.
fn tools(config: &Config) -> Tools {
    let tools = Tools::new(BTreeMap::new(), &secrets(config), config.docker_host.clone());
    let tools = tools.with_aws(aws_settings(config));
    let (secrets, programs) = (Arc::new(config.secrets.clone()), Arc::new(config.programs.clone()));
    Tools { secrets, docker_run: config.docker_run, programs, ..tools }
}

/// Every secret of the configuration, with what it is called where it would have been shown.
fn secrets(config: &Config) -> Vec<(String, Secret)> {
    let named = config.secrets.iter().map(|(name, secret)| (name.clone(), secret.clone()));
    let tokens = config.tokens.iter().map(|(person, token)| (format!("token of {person}"), token.clone()));
    let hooks = config
        .hook_secrets
        .iter()
        .flat_map(|(hook, secrets)| secrets.iter().map(move |secret| (format!("secret of {hook}"), secret.clone())));
    let slack = config.slack.iter().flat_map(|app| {
        let of = |name: &str, secret: &Secret| (format!("Slack's {name}"), secret.clone());
        let further = [("app token", &app.app_token), ("signing secret", &app.signing_secret)];
        let further = further.into_iter().filter_map(move |(name, secret)| Some(of(name, secret.as_ref()?)));
        std::iter::once(of("bot token", &app.bot_token)).chain(further).collect::<Vec<_>>()
    });
    let aws = config.aws.key.iter().map(|(_, secret)| ("AWS's access key".to_owned(), secret.clone()));
    let proxy = config.slack.iter().filter_map(|app| app.proxy.as_ref());
    let addresses = [("store.url", &config.store_url)].into_iter().chain(proxy.map(|url| ("slack.proxy", url)));
    let addresses = addresses.chain(config.secrets.iter().map(|(name, secret)| (name.as_str(), secret)));
    let passwords = addresses.flat_map(|(name, url)| passwords(url).map(move |secret| (name.to_owned(), secret)));
    named.chain(tokens).chain(hooks).chain(slack).chain(aws).chain(passwords).collect()
}

/// The password of an address, as it is written there and as it is meant. One that is the user's name, or the host's or
/// the database's, is no secret: taking it out would only make everything else unreadable.
fn passwords(url: &Secret) -> impl Iterator<Item = Secret> {
    let url = reqwest::Url::parse(url.reveal()).ok();
    let meant = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let known = |url: &reqwest::Url, text: &str| {
        let names = [url.username(), url.host_str().unwrap_or_default(), url.path().trim_start_matches('/')];
        names.iter().any(|name| meant(name).eq_ignore_ascii_case(text))
    };
    let asked = url.iter().flat_map(|url| url.query_pairs().into_owned().collect::<Vec<_>>());
    let asked: Vec<String> = asked.filter(|(key, _)| key == "password").map(|(_, value)| value).collect();
    let written = url.as_ref().and_then(|url| url.password()).map(str::to_owned);
    let all = written.iter().map(|text| meant(text)).chain(written.clone()).chain(asked);
    let all: Vec<String> = all.filter(|text| url.as_ref().is_none_or(|url| !known(url, text))).collect();
    all.into_iter().map(Secret::new)
}

/// Where AWS is, as actions take it.
pub fn aws_settings(config: &Config) -> AwsSettings {
    let crate::config::Aws { region, endpoint, profile, key, named: _ } = config.aws.clone();
    AwsSettings { region, endpoint, profile, key }
}

/// Opens the database, waiting a while for one that does not answer yet.
async fn open_store(config: &Config) -> std::result::Result<Store, StoreError> {
    let store = Store::open(config.store_url.reveal())?;
    let started = tokio::time::Instant::now();
    loop {
        match store.migrate().await {
            Err(error @ StoreError::Away(_)) if started.elapsed() < config.store_wait => {
                tracing::warn!(%error, "{}", Words(config.settings.language).get("cli.store_waits"));
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    // A process that was killed gives its lock back when its last child has let go of it, a moment later.
    let mut tries = 0..20;
    while let Err(error) = store.claim_alone() {
        if tries.next().is_none() {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(store)
}

/// Passes SIGHUP on.
async fn on_hangup(changed: tokio::sync::mpsc::Sender<()>) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut hangups) = signal(SignalKind::hangup()) {
        while hangups.recv().await.is_some() {
            let _ = changed.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_an_address_is_a_secret_however_it_is_written() {
        let of = |url: &str| passwords(&Secret::new(url)).map(|secret| secret.reveal().to_owned()).collect::<Vec<_>>();
        assert_eq!(of("postgres://sereno:p%40ss-word@db/sereno"), ["p@ss-word", "p%40ss-word"]);
        assert_eq!(of("postgres://db/sereno?user=sereno&password=hunter2hunter2"), ["hunter2hunter2"]);
        assert_eq!(of("postgres://postgres:postgres@db/shop"), [""; 0], "it is everybody's");
        assert_eq!(of("sqlite://sereno.db"), [""; 0]);
    }
}
