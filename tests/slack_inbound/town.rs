//! A workspace of the fake Slack with Sereno in it: by Socket Mode or by HTTP, on each database, as one replica or more.
//! Both have clocks of their own, which are moved together by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sereno::catalog;
use sereno::chat::console::Console;
use sereno::chat::{self, SlackApp};
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::domain::actor::{Place, Platform};
use sereno::domain::timeline::Entry;
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::http::{self, Limits, State};
use sereno::secret::Secret;
use sereno::store::wake::Wake;
use sereno::store::{inbox, messages, timeline};
use sereno_fakes::slack::{MONDAY, Message, Person, Setup, Slack, View};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::proxy::Proxy;
use crate::support::{Database, each_database};

const CONFIG: &str = r##"
server: { listen: "127.0.0.1:0", public_url: "http://sereno.test" }
environments: { prod: { approvals: 1 }, dev: {} }
people:
  - { id: ana, name: Ana, roles: [operator], slack: T1/U1, console: { token: "token-of-ana-0123456789" } }
  - { id: ben, name: Ben, roles: [lead], slack: T1/U2 }
  - { id: vic, name: Vic, roles: [viewer], console: { token: "token-of-vic-0123456789" } }
roles:
  viewer: {}
  operator: { includes: [viewer] }
  lead: { includes: [operator] }
channels:
  "#infra": { slack: C1, packs: [shop] }
  "#incidents": { slack: C2, packs: [shop] }
  "#partners": { slack: C3, packs: [shop] }
teams: {}
hooks:
  alertmanager: { dialect: alertmanager, secret: "secret-of-the-hook-0123", channel: "#incidents", environment: prod }
"##;

const BOOKS: &[(&str, &str)] = &[
    (
        "shop/health.yaml",
        r##"
name: health
summary: Is it up?
environments: [prod, dev]
allow: [{ roles: [operator] }]
steps: [{ id: look, title: Look, action: note, with: { text: "all is well" } }]
"##,
    ),
    (
        "shop/ping.yaml",
        r##"
name: ping
summary: Says pong
allow: [{ roles: [operator] }]
steps: [{ id: pong, title: Pong, action: note, with: { text: "pong" } }]
"##,
    ),
    (
        "shop/drain.yaml",
        r##"
name: drain
summary: Take a node out
params:
  - { name: node, type: text, pattern: "node-[0-9]+" }
environments: [prod, dev]
allow: [{ roles: [operator] }]
approval: [{ environments: [prod], count: 1, roles: [lead] }]
steps:
  - { id: out, title: Take it out, action: shell, effect: change, with: { argv: [/bin/true, "{{ node }}"] } }
"##,
    ),
];

/// How Slack reaches Sereno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Socket,
    Http,
}

/// The workspace, and Sereno in it.
pub struct Town {
    pub slack: Slack,
    pub clock: Clock,
    pub database: Database,
    pub base: String,
    stop: CancellationToken,
    running: Vec<tokio::task::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

/// Tells a story in both modes on each database.
pub async fn town(tell: impl AsyncFn(&Town)) {
    towns(1, tell).await;
}

/// The same with so many replicas.
pub async fn towns(replicas: usize, tell: impl AsyncFn(&Town)) {
    for mode in [Mode::Socket, Mode::Http] {
        each_database(async |database| {
            eprintln!("by {mode:?}");
            let town = Town::start(mode, replicas, database, None).await;
            tell(&town).await;
            town.ends().await;
        })
        .await;
    }
}

/// Tells a story in one mode, on SQLite.
pub async fn town_by(mode: Mode, tell: impl AsyncFn(&Town)) {
    let told = std::sync::atomic::AtomicBool::new(false);
    each_database(async |database| {
        if !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
            let town = Town::start(mode, 1, database, None).await;
            tell(&town).await;
            town.ends().await;
        }
    })
    .await;
}

/// Tells a story in both modes, on SQLite, with Slack at `http://slack.test`, which only this proxy can reach.
pub async fn town_behind(proxy: &Proxy, tell: impl AsyncFn(&Town)) {
    for mode in [Mode::Socket, Mode::Http] {
        let told = std::sync::atomic::AtomicBool::new(false);
        each_database(async |database| {
            if !told.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let town = Town::start(mode, 1, database, Some(proxy)).await;
                tell(&town).await;
                town.ends().await;
            }
        })
        .await;
    }
}

impl Town {
    async fn start(mode: Mode, replicas: usize, database: Database, proxy: Option<&Proxy>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in BOOKS {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut listeners = Vec::new();
        for _ in 0..replicas {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let urls: Vec<String> =
            listeners.iter().map(|listener| format!("http://{}", listener.local_addr().unwrap())).collect();
        let setup = Setup::default().with(|world| {
            world.app.shortcuts.insert("run_runbook".into());
            world.app.message_shortcuts.extend(["open_incident", "add_to_timeline", "run_here"].map(String::from));
        });
        let setup = match mode {
            Mode::Socket => setup,
            Mode::Http => setup.http(&urls.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        let slack = Slack::start(setup).await.unwrap();
        if let Some(proxy) = proxy {
            proxy.leads_to(slack.url());
            slack.with(|world| "http://slack.test".clone_into(&mut world.base));
        }
        let (clock, stop) = (Clock::manual(Timestamp(MONDAY)), CancellationToken::new());
        let mut running = Vec::new();
        for listener in listeners {
            let (engine, state) = replica((mode, proxy), &slack, &database, dir.path(), &clock);
            let (stop, stop_too) = (stop.clone(), stop.clone());
            running.push(tokio::spawn(async move { engine.run(stop).await }));
            running.push(tokio::spawn(async move { http::serve(listener, state, stop_too).await.unwrap() }));
        }
        if mode == Mode::Socket {
            slack.wait_for("the connections", |slack| (slack.sockets().len() == 2 * replicas).then_some(())).await;
        }
        Self { slack, clock, database, base: urls[0].clone(), stop, running, _dir: dir }
    }

    /// Sereno is told to stop, and does.
    pub async fn ends(self) {
        self.stop.cancel();
        for task in self.running {
            tokio::time::timeout(Duration::from_secs(20), task).await.expect("it ends in time").unwrap();
        }
        assert_eq!(self.slack.complaints(), Vec::<String>::new());
    }

    pub fn ana(&self) -> Person {
        self.slack.person("U1")
    }

    pub fn ben(&self) -> Person {
        self.slack.person("U2")
    }

    /// Time passes on both sides.
    pub fn waits(&self, span: Duration) {
        self.clock.forward(span);
        self.slack.clock().advance(span);
    }

    /// What was stored.
    pub async fn requests(&self) -> i64 {
        let mut db = self.database.read().await.unwrap();
        inbox::counts(&mut db).await.unwrap().iter().map(|(_, count)| count).sum()
    }

    /// Waits until something is there, while time passes, as messages keep a pace.
    pub async fn comes<T>(&self, what: &str, mut find: impl FnMut(&Slack) -> Option<T>) -> T {
        for _ in 0..600 {
            if let Some(found) = find(&self.slack) {
                return found;
            }
            self.waits(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(25)).await; // real loops are running beside us
        }
        panic!("waited in vain for {what}; all that is there: {:#?}", self.all());
    }

    /// The message of a channel whose words have all of these.
    pub async fn says(&self, channel: &str, words: &[&str]) -> Message {
        let find = |slack: &Slack| {
            let all = slack.channel(channel).all();
            all.into_iter().find(|message| words.iter().all(|word| full(message).contains(word)))
        };
        let found = self.comes(&format!("{words:?} in {channel}"), find).await;
        self.is_known(&found).await;
        found
    }

    /// Waits until Sereno, too, knows under which id Slack has its message.
    pub async fn is_known(&self, message: &Message) {
        if message.bot_id.is_none() {
            return;
        }
        let names = [("C1", "#infra"), ("C2", "#incidents"), ("C3", "#partners")];
        let (_, name) = names.iter().find(|(id, _)| *id == message.channel).unwrap();
        let place = Place::channel(Platform::Slack, name);
        for _ in 0..600 {
            let mut db = self.database.read().await.unwrap();
            if messages::root_at(&mut db, &place, &message.ts).await.unwrap().is_some() {
                return;
            }
            drop(db);
            tokio::time::sleep(Duration::from_millis(25)).await; // real loops are running beside us
        }
        panic!("nobody wrote down that {} was posted", message.ts);
    }

    /// What only this person sees that has all of these words.
    pub async fn whispers(&self, to: &Person, words: &[&str]) -> Message {
        let find = |_: &Slack| {
            to.ephemerals().into_iter().find(|message| words.iter().all(|word| full(message).contains(word)))
        };
        self.comes(&format!("{words:?} for one alone"), find).await
    }

    /// The form that is on somebody's screen.
    pub async fn form(&self, of: &Person) -> View {
        self.slack.wait_for("a form", |_| of.views().pop()).await
    }

    /// What is on the timeline, as JSON, oldest first.
    pub async fn noted(&self) -> Vec<String> {
        let mut db = self.database.read().await.unwrap();
        let entries = timeline::page(&mut db, 0, 1000).await.unwrap();
        let noted = |entry: &&Entry| entry.kind == sereno::domain::timeline::EntryKind::Noted;
        let text = |entry: &Entry| {
            let body: Value = serde_json::from_str(&entry.body).unwrap();
            body["text"].as_str().unwrap().to_owned()
        };
        entries.iter().filter(noted).map(text).collect()
    }

    /// Waits until so many notes are on the timeline.
    pub async fn notes(&self, count: usize) -> Vec<String> {
        for _ in 0..600 {
            let noted = self.noted().await;
            if noted.len() >= count {
                return noted;
            }
            tokio::time::sleep(Duration::from_millis(25)).await; // real loops are running beside us
        }
        let calls: Vec<_> = self.slack.calls().into_iter().map(|call| (call.method, call.args, call.answer)).collect();
        panic!("waited in vain for {count} notes: {:?}; {:#?} {calls:#?}", self.noted().await, self.all());
    }

    fn all(&self) -> Vec<String> {
        let channels = ["C1", "C2", "C3"].iter().flat_map(|id| self.slack.channel(id).all());
        let people = ["U1", "U2", "U3"].iter().flat_map(|id| self.slack.person(id).ephemerals());
        channels.chain(people).map(|message| format!("{} {}", message.channel, full(&message))).collect()
    }
}

fn full(message: &Message) -> String {
    format!("{}\n{}", message.text, message.words())
}

/// The values of a form's fields that are named so.
pub fn blocks(view: &View) -> Vec<String> {
    let blocks = view.json["blocks"].as_array().into_iter().flatten();
    blocks.filter_map(|block| block["block_id"].as_str()).map(str::to_owned).collect()
}

/// Everything that a view says.
pub fn words(view: &View) -> String {
    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(text) = map.get("text").and_then(Value::as_str) {
                    found.push(text.to_owned());
                }
                map.values().for_each(|inner| texts(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| texts(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    texts(&view.json, &mut found);
    found.join("\n")
}

fn replica(
    (mode, proxy): (Mode, Option<&Proxy>),
    slack: &Slack,
    database: &Database,
    commands: &std::path::Path,
    clock: &Clock,
) -> (Arc<Engine>, Arc<State>) {
    let config = Config::read("town.yaml", CONFIG, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let catalog = catalog::load(commands, &config.settings).unwrap_or_else(|problems| {
        panic!("{}", catalog::render(&problems, catalog::Format::Text));
    });
    let console = Arc::new(Console::default());
    let (bot, app, secret) = slack.with(|world| {
        let app = &world.app;
        (Secret::new(&*app.bot_token), Secret::new(&*app.app_token), Secret::new(&*app.signing_secret))
    });
    let slack = chat::slack(SlackApp {
        socket: mode == Mode::Socket,
        bot_token: bot,
        app_token: Some(app),
        signing_secret: Some(secret),
        api_url: match proxy {
            Some(_) => "http://slack.test/api".to_owned(),
            None => slack.api_url().trim_end_matches('/').to_owned(),
        },
        proxy: proxy.map(Proxy::setting),
        clock: clock.clone(),
    });
    let engine = Engine::new(Parts {
        store: database.another(),
        clock: clock.clone(),
        settings: config.settings.clone(),
        catalog,
        chats: vec![console.clone(), slack.unwrap()],
        tools: Tools::default(),
        wake: Wake::default(),
    });
    let state = State::new(engine.clone(), console, &config, sereno::telemetry::metrics(), Limits::default());
    (engine, state)
}
