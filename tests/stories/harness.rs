//! The words of a story: people who say and press things in channels, alerts that arrive, a clock moved by hand, and a
//! file in which the outside world counts what was really done. Runs on each database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sereno::catalog;
use sereno::chat::Chat;
use sereno::chat::card::{Card, Values};
use sereno::chat::console::Console;
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::domain::actor::{Place, Platform};
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::id::{DeliveryId, MessageId, ReplicaId};
use sereno::store::inbox::{self, Input};
use sereno::store::messages::{self, Message};
use sereno::store::wake::Wake;

use crate::stage::{Came, EVERYWHERE, Stage, Town, config_in_slack};
use crate::support::{Database, each_database};

/// Monday 2026-03-02, 10:00 UTC: Ana's week.
const START: i64 = 1_772_445_600_000;

const CONFIG: &str = r##"
server: { listen: "127.0.0.1:0", public_url: "http://sereno.test" }
environments: { prod: { approvals: 1 }, dev: {} }
people:
  - { id: ana, name: Ana, roles: [operator], console: { token: "token-of-ana-0123456789" } }
  - { id: leo, name: Leo, roles: [lead], console: { token: "token-of-leo-0123456789" } }
  - { id: eva, name: Eva, roles: [lead], console: { token: "token-of-eva-0123456789" } }
  - { id: vic, name: Vic, roles: [viewer], console: { token: "token-of-vic-0123456789" } }
roles:
  viewer: {}
  operator: { includes: [viewer] }
  lead: { includes: [operator] }
channels:
  "#infra": { console: true, packs: [shop], team: infra }
  "#all": { console: true }
teams:
  infra: { channel: "#infra", rota: { zone: UTC, start: "2026-03-02T09:00", order: [ana, leo] } }
break_glass: { after: 5m, severities: [P0, P1], announce: ["#all"] }
packs: { shop: { channel: "#infra" } }
secrets:
  canary: { value: "canary-7f3a/sec+ret" }
hooks:
  alertmanager: { dialect: alertmanager, secret: "secret-of-the-hook-0123", channel: "#infra", environment: prod }
"##;

/// A world in which a story happens.
pub struct Story {
    pub engine: Arc<Engine>,
    pub clock: Clock,
    pub database: Database,
    pub dir: tempfile::TempDir,
    /// Slack, where the story is told there.
    pub town: Option<Town>,
    /// Alerts that fire, and since when.
    alerts: Mutex<BTreeMap<String, String>>,
    commands: PathBuf,
    setting: Setting,
}

/// Changes the configuration's text.
pub type Configure = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Changes the configuration's text, and brings a platform, for stories that need one.
pub struct Setting {
    pub config: Configure,
    pub chat: Option<Arc<dyn Chat>>,
}

/// Tells a story on each database in which there is one more platform. It is made anew for each database.
pub async fn story_with<C: Chat + 'static>(
    books: &[(&str, &str)],
    config: fn(&str) -> String,
    chat: impl Fn(&Clock) -> Arc<C>,
    tell: impl AsyncFn(&mut Story, &C),
) {
    each_database(async |database| {
        let clock = Clock::manual(Timestamp(START));
        let chat = chat(&clock);
        let setting = Setting { config: Arc::new(config), chat: Some(Arc::clone(&chat) as Arc<dyn Chat>) };
        let mut story = Story::new(database, books, (Stage::Console, clock), setting).await;
        tell(&mut story, &chat).await;
    })
    .await;
}

/// Tells a story on every stage and each database, with these runbooks: file name to YAML. `${dir}` is the story's folder.
pub async fn story(books: &[(&str, &str)], tell: impl AsyncFn(&mut Story)) {
    story_on(EVERYWHERE, books, tell).await;
}

/// Tells a story on some stages alone.
pub async fn story_on(stages: &[Stage], books: &[(&str, &str)], tell: impl AsyncFn(&mut Story)) {
    for &stage in stages {
        each_database(async |database| {
            eprintln!("on the stage {stage:?}");
            story_of(database, books, stage, Arc::new(str::to_owned), &tell).await;
        })
        .await;
    }
}

/// Tells a story once: on one stage and one database, with this configuration.
pub async fn story_of(
    database: Database,
    books: &[(&str, &str)],
    stage: Stage,
    config: Configure,
    tell: &impl AsyncFn(&mut Story),
) {
    let config: Configure = match stage {
        Stage::Console => config,
        _ => Arc::new(move |text| config_in_slack(&config(text))),
    };
    let (setting, clock) = (Setting { config, chat: None }, Clock::manual(Timestamp(START)));
    let mut story = Story::new(database, books, (stage, clock), setting).await;
    tell(&mut story).await;
}

/// A person in a channel.
pub struct Person<'s> {
    story: &'s Story,
    id: &'static str,
    /// Where they act in Slack.
    town: Option<&'s Town>,
}

/// A message as a story reads it.
#[derive(Debug, Clone)]
pub struct Heard {
    pub id: MessageId,
    pub thread: Option<MessageId>,
    pub whisper_to: Option<String>,
    pub channel: String,
    pub card: Card,
}

impl From<Message> for Heard {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            thread: message.place.thread,
            whisper_to: message.whisper_to,
            channel: message.place.channel,
            card: serde_json::from_value(message.card).unwrap(),
        }
    }
}

impl Heard {
    /// The labels of the buttons that can be pressed.
    pub fn buttons(&self) -> Vec<&str> {
        self.card.buttons.iter().map(|button| button.id.as_str()).collect()
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> &str {
        let field = self.card.fields.iter().find(|field| field.name == name);
        field.map_or("", |field| field.value.as_str())
    }
}

impl Story {
    async fn new(database: Database, books: &[(&str, &str)], (stage, clock): (Stage, Clock), setting: Setting) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let commands = dir.path().join("commands");
        for (name, text) in books {
            let path = commands.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace("${dir}", &dir.path().display().to_string())).unwrap();
        }
        let town = Town::of(stage, &clock).await;
        let engine = engine(&database, &commands, (&clock, town.as_ref()), &setting).await;
        Self { engine, clock, database, dir, town, alerts: Mutex::default(), commands, setting }
    }

    /// The process dies, and another one starts on the same database. What ran is gone; nobody wrote its end.
    pub async fn restarts(&mut self) {
        if let Some(town) = &self.town {
            town.loses_the_first().await;
        }
        self.engine = self.replica().await;
        self.engine.recover().await.unwrap();
    }

    /// A second replica on the same database.
    pub async fn replica(&self) -> Arc<Engine> {
        engine(&self.database, &self.commands, (&self.clock, self.town.as_ref()), &self.setting).await
    }

    pub fn person(&self, id: &'static str) -> Person<'_> {
        Person { story: self, id, town: self.town.as_ref() }
    }

    /// Somebody at the console, wherever the story is told.
    pub fn person_at_console(&self, id: &'static str) -> Person<'_> {
        Person { story: self, id, town: None }
    }

    /// Everything that can happen by itself happens.
    pub async fn settles(&self) {
        // Boxed: an engine is a large future, and a story holds many of these at once.
        match &self.town {
            Some(town) => Box::pin(town.settles(self)).await,
            None => Box::pin(self.engine.settle()).await.unwrap(),
        }
    }

    /// Time passes, and what was waiting for it happens.
    pub async fn waits(&self, span: Duration) {
        self.clock.forward(span);
        self.settles().await;
    }

    /// Passes, while steps may still run, until `so`.
    pub async fn until(&self, so: impl AsyncFn(&Self) -> bool) {
        for _ in 0..1_000 {
            self.engine.turn().await.unwrap();
            if so(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // a real process is running beside us
        }
        panic!("it never came to that");
    }

    /// A message as it is now.
    pub async fn message(&self, id: &MessageId) -> Heard {
        let mut db = self.database.read().await.unwrap();
        messages::get(&mut db, id).await.unwrap().expect("the message exists").into()
    }

    /// A thread: its root, then its replies.
    pub async fn thread(&self, root: &MessageId) -> Vec<Heard> {
        let mut db = self.database.read().await.unwrap();
        messages::thread(&mut db, root).await.unwrap().into_iter().map(Heard::from).collect()
    }

    /// What everybody sees in a channel itself.
    pub async fn channel(&self, name: &str) -> Vec<Heard> {
        let mut db = self.database.read().await.unwrap();
        messages::channel(&mut db, name, "nobody", 200).await.unwrap().into_iter().map(Heard::from).collect()
    }

    /// The latest message of a channel.
    pub async fn hears(&self, name: &str) -> Heard {
        self.channel(name).await.pop().expect("somebody said something")
    }

    /// A file in the story's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What was really done, line by line.
    pub fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Writes or changes a runbook, and reads the catalogue again.
    pub fn edits(&self, name: &str, text: &str) -> bool {
        let text = text.replace("${dir}", &self.dir.path().display().to_string());
        std::fs::write(self.commands.join(name), text).unwrap();
        let settings = self.engine.settings.load_full();
        catalog::load(&self.commands, &settings).map(|catalog| self.engine.catalog.store(Arc::new(catalog))).is_ok()
    }

    /// Somebody gets other roles.
    pub fn gives_roles(&self, person: &str, roles: &[&str]) {
        let mut settings = (*self.engine.settings.load_full()).clone();
        settings.people.get_mut(person).unwrap().roles = roles.iter().map(|role| (*role).to_owned()).collect();
        self.engine.settings.store(Arc::new(settings));
    }

    /// An alert of Alertmanager's arrives, and is handled.
    pub async fn alert(&self, name: &str, severity: &str, firing: bool) {
        self.stores_alert(name, severity, firing).await;
        self.settles().await;
    }

    /// An alert of Alertmanager's arrives.
    pub async fn stores_alert(&self, name: &str, severity: &str, firing: bool) {
        let at = self.clock.now().to_string();
        let since = {
            let mut alerts = self.alerts.lock().unwrap();
            let since = alerts.entry(name.to_owned()).or_insert_with(|| at.clone()).clone();
            if !firing {
                alerts.remove(name);
            }
            since
        };
        let (status, ends) = if firing { ("firing", "0001-01-01T00:00:00Z") } else { ("resolved", at.as_str()) };
        let body = serde_json::json!({
            "version": "4", "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"), "status": status,
            "alerts": [{
                "status": status, "fingerprint": format!("print-of-{name}"), "startsAt": since, "endsAt": ends,
                "labels": {"alertname": name, "severity": severity, "service": "api", "env": "prod"},
                "annotations": {"summary": format!("{name} is firing")},
            }],
        });
        let input = Input::Hook { hook: "alertmanager".into(), body: body.to_string() };
        self.engine.accept(format!("hook:{}", DeliveryId::new()), input).await.unwrap();
    }

    /// A replica takes what is in the inbox with it when it dies; its lease holds for half a minute.
    pub async fn loses_what_came(&self) {
        let (mut tx, now) = (self.database.begin().await.unwrap(), self.clock.now());
        inbox::claim(&mut tx, &ReplicaId::new(), now, now.after(Duration::from_secs(30)), 10).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The audit trail is whole.
    pub async fn audit_is_whole(&self) {
        sereno::audit::verify(&self.database, &[]).await.unwrap();
    }
}

/// What actions work with, as the program makes it.
fn tools(config: &Config) -> Tools {
    let tools = Tools::new(config.secrets.clone(), &[], config.docker_host.clone());
    Tools { docker_run: config.docker_run, ..tools.with_aws(sereno::app::aws_settings(config)) }
}

async fn engine(
    database: &Database,
    commands: &std::path::Path,
    (clock, town): (&Clock, Option<&Town>),
    setting: &Setting,
) -> Arc<Engine> {
    let config = Config::read("story.yaml", &(setting.config)(CONFIG), &BTreeMap::new())
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let catalog = catalog::load(commands, &config.settings).unwrap_or_else(|problems| {
        panic!("{}", catalog::render(&problems, catalog::Format::Text));
    });
    let console = Arc::new(Console::default());
    let first: Arc<dyn Chat> = console.clone();
    let chats = std::iter::once(first).chain(setting.chat.clone()).chain(town.map(Town::app)).collect();
    let engine = Engine::new(Parts {
        store: database.another(),
        clock: clock.clone(),
        settings: config.settings.clone(),
        catalog,
        chats,
        tools: tools(&config),
        wake: Wake::default(),
    });
    if let Some(town) = town {
        town.connects(&engine, console, &config).await;
    }
    engine
}

impl Person<'_> {
    /// Says a line in a channel, and gives the answers once everything has settled.
    pub async fn says(&self, channel: &str, text: &str) -> Vec<Heard> {
        let came = self.said(channel, None, text).await;
        self.hears(came).await
    }

    /// Says a line in a thread.
    pub async fn says_in(&self, root: &Heard, text: &str) -> Vec<Heard> {
        let came = self.said(&root.channel, Some(&root.id), text).await;
        self.hears(came).await
    }

    /// Says a line, and does not wait for anything.
    pub async fn sends(&self, channel: &str, thread: Option<MessageId>, text: &str) -> DeliveryId {
        stored(self.said(channel, thread.as_ref(), text).await)
    }

    async fn said(&self, channel: &str, thread: Option<&MessageId>, text: &str) -> Came {
        if let Some(town) = self.town {
            return town.says(self.story, self.id, channel, thread, text).await;
        }
        let place = Place { thread: thread.cloned(), ..Place::channel(Platform::Console, channel) };
        let input = Input::Text { by: self.id.to_owned(), place, text: text.to_owned() };
        Came::Stored(self.story.engine.accept(format!("say:{}", DeliveryId::new()), input).await.unwrap())
    }

    /// Presses a button, and gives the answers.
    pub async fn presses(&self, message: &Heard, button: &str) -> Vec<Heard> {
        self.presses_with(message, button, &[]).await
    }

    /// Presses a button with the values of its form.
    pub async fn presses_with(&self, message: &Heard, button: &str, values: &[(&str, &str)]) -> Vec<Heard> {
        let came = self.clicked(message, button, values).await;
        self.hears(came).await
    }

    /// Presses, and does not wait for anything.
    pub async fn clicks(&self, message: &Heard, button: &str, values: &[(&str, &str)]) -> DeliveryId {
        stored(self.clicked(message, button, values).await)
    }

    async fn clicked(&self, message: &Heard, button: &str, values: &[(&str, &str)]) -> Came {
        if let Some(town) = self.town {
            return town.clicks(self.story, self.id, (message, button), values).await;
        }
        let values: Values =
            values.iter().map(|(name, value)| ((*name).to_owned(), serde_json::json!(value))).collect();
        let input = Input::Press {
            by: self.id.to_owned(),
            place: Place::channel(Platform::Console, &message.channel),
            message: message.id.clone(),
            button: button.to_owned(),
            values,
        };
        Came::Stored(self.story.engine.accept(format!("press:{}", DeliveryId::new()), input).await.unwrap())
    }

    /// What one is answered once everything has settled.
    async fn hears(&self, came: Came) -> Vec<Heard> {
        self.story.settles().await;
        match came {
            Came::Stored(delivery) => self.answers(&delivery).await,
            Came::Told(told) => told,
        }
    }

    async fn answers(&self, delivery: &DeliveryId) -> Vec<Heard> {
        let mut db = self.story.database.read().await.unwrap();
        messages::replies_to(&mut db, delivery).await.unwrap().into_iter().map(Heard::from).collect()
    }
}

fn stored(came: Came) -> DeliveryId {
    match came {
        Came::Stored(delivery) => delivery,
        Came::Told(told) => panic!("nothing was stored: {told:#?}"),
    }
}

/// The only one.
pub fn only(heard: Vec<Heard>) -> Heard {
    let [one] = heard.try_into().unwrap_or_else(|many: Vec<Heard>| {
        panic!("one answer expected: {:#?}", many.iter().map(|heard| heard.card.text()).collect::<Vec<_>>())
    });
    one
}

/// Minutes.
pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}
