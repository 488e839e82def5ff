//! Where a story is told: on the built-in console, or in a workspace of the fake Slack, by Socket Mode or by HTTP. In Slack
//! people do what Slack's client lets them do, and after everything has settled Slack shows what the store says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use sereno::chat::card::{Button, Card, Form, Input, Press};
use sereno::chat::console::Console;
use sereno::chat::{self, Chat, House, SlackApp};
use sereno::clock::Clock;
use sereno::config::Config;
use sereno::domain::actor::Platform;
use sereno::domain::runbook::{Args, Invocation};
use sereno::engine::Engine;
use sereno::http::{self, Limits, State};
use sereno::id::{DeliveryId, MessageId};
use sereno::secret::Secret;
use sereno::store::messages::{self, Message, NEVER};
use sereno_fakes::slack::{self as fake, Mode, Person, Setup, Slack, View};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{Heard, Story};

/// Where a story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Console,
    /// Slack, by Socket Mode.
    Socket,
    /// Slack, by signed HTTP.
    Http,
}

/// Every stage there is in this build.
pub const EVERYWHERE: &[Stage] =
    if cfg!(feature = "slack") { &[Stage::Console, Stage::Socket, Stage::Http] } else { CONSOLE };
/// For what is about the console, or about nothing that a platform could change.
pub const CONSOLE: &[Stage] = &[Stage::Console];
/// For what is about Slack.
pub const SLACK: &[Stage] = if cfg!(feature = "slack") { &[Stage::Socket, Stage::Http] } else { &[] };

/// People and channels: ours, and Slack's.
const PEOPLE: [(&str, &str); 4] = [("ana", "UANA"), ("leo", "ULEO"), ("eva", "UEVA"), ("vic", "UVIC")];
const CHANNELS: [(&str, &str); 2] = [("#infra", "C1"), ("#all", "C2")];
/// Connections of one replica.
const CONNECTIONS: usize = 2;
/// Opens the id of a form on somebody's screen, where a story has a message.
const FORM: &str = "view:";

/// A workspace with the story's people in it, and the replicas that it reaches.
pub struct Town {
    pub slack: Slack,
    stage: Stage,
    clock: Clock,
    replicas: Mutex<Vec<Replica>>,
    /// Messages with buttons as people saw them: who clicks may have an older state before them.
    seen: Mutex<Vec<fake::Message>>,
}

struct Replica {
    url: Option<String>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What came of an act.
pub enum Came {
    /// It is in the inbox.
    Stored(DeliveryId),
    /// The person alone was shown this.
    Told(Vec<Heard>),
}

/// The configuration as it is in Slack.
pub fn config_in_slack(text: &str) -> String {
    let mut text = text.to_owned();
    for (id, user) in PEOPLE {
        text = text.replace(&format!("{{ id: {id},"), &format!("{{ id: {id}, slack: T1/{user},"));
    }
    for (name, id) in CHANNELS {
        text = text.replace(&format!("\"{name}\": {{ "), &format!("\"{name}\": {{ slack: {id}, "));
    }
    text
}

impl Town {
    /// A town in which nobody has connected yet; none where the story is told on the console.
    pub async fn of(stage: Stage, clock: &Clock) -> Option<Self> {
        let now = clock.now().0;
        let setup = Setup::at(sereno_fakes::Clock::manual(now)).with(|world| {
            for (name, user) in PEOPLE {
                world.person("T1", user, name);
            }
            let members: Vec<&str> = PEOPLE.iter().map(|(_, user)| *user).chain(["UBOT"]).collect();
            for (name, id) in CHANNELS {
                world.channel(id, name.trim_start_matches('#'), &members);
            }
        });
        let setup = match stage {
            Stage::Console => return None,
            Stage::Socket => setup,
            Stage::Http => setup.http(&[]),
        };
        let slack = Slack::start(setup).await.unwrap();
        Some(Self { slack, stage, clock: clock.clone(), replicas: Mutex::default(), seen: Mutex::default() })
    }

    /// The app, as one replica has it.
    pub fn app(&self) -> Arc<dyn Chat> {
        let secret = |text: &String| Secret::new(text.as_str());
        let (bot_token, app_token, signing) = self.slack.with(|world| {
            (secret(&world.app.bot_token), secret(&world.app.app_token), secret(&world.app.signing_secret))
        });
        let app = SlackApp {
            socket: self.stage == Stage::Socket,
            bot_token,
            app_token: Some(app_token),
            signing_secret: Some(signing),
            api_url: self.slack.api_url().trim_end_matches('/').to_owned(),
            proxy: None,
            clock: self.clock.clone(),
        };
        chat::slack(app).expect("built with Slack")
    }

    /// Lets Slack reach a replica, as the product does.
    pub async fn connects(&self, engine: &Arc<Engine>, console: Arc<Console>, config: &Config) {
        let stop = CancellationToken::new();
        let replica = if self.stage == Stage::Http {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let metrics = sereno::telemetry::metrics();
            let state = State::new(engine.clone(), console, config, metrics, Limits::default());
            let until = stop.clone();
            let task = tokio::spawn(async move { http::serve(listener, state, until).await.unwrap() });
            Replica { url: Some(url), stop, task }
        } else {
            let (slack, house): (_, Arc<dyn House>) = (engine.chat(Platform::Slack).unwrap(), engine.clone());
            let until = stop.clone();
            Replica { url: None, stop, task: tokio::spawn(async move { slack.live(house, until).await }) }
        };
        self.replicas.lock().unwrap().push(replica);
        self.is_reached().await;
    }

    /// The replica that came first is gone.
    pub async fn loses_the_first(&self) {
        let Replica { stop, task, .. } = self.replicas.lock().unwrap().remove(0);
        stop.cancel();
        task.await.unwrap();
        self.is_reached().await;
    }

    /// Slack knows the way to all replicas, and to no other.
    async fn is_reached(&self) {
        let (urls, count): (Vec<String>, usize) = {
            let replicas = self.replicas.lock().unwrap();
            (replicas.iter().filter_map(|replica| replica.url.clone()).collect(), replicas.len())
        };
        if self.stage == Stage::Http {
            self.slack.with(|world| world.mode = Mode::Http(urls));
        } else {
            let all = |slack: &Slack| (slack.sockets().len() == CONNECTIONS * count).then_some(());
            self.slack.wait_for("the connections", all).await;
        }
    }

    /// Slack is away, or back.
    pub async fn outage(&self, down: bool) {
        self.slack.outage(down);
        if !down {
            self.is_reached().await;
        }
    }

    /// It is as late in Slack as in the story.
    pub fn keeps_time(&self) {
        let behind = u64::try_from(self.clock.now().0 - self.slack.clock().now()).unwrap();
        if behind > 0 {
            self.slack.clock().advance(Duration::from_millis(behind));
        }
    }

    /// Everything that can happen by itself happens, at Slack's pace; then Slack shows what the store says.
    pub async fn settles(&self, story: &Story) {
        for _ in 0..1_000 {
            self.keeps_time();
            Box::pin(story.engine.settle()).await.unwrap();
            if self.slack.with(|world| world.down) {
                return;
            }
            let Some(wait) = self.owes(story).await else { return self.agrees(story).await };
            self.clock.forward(wait);
        }
        panic!("Slack never gets what the store says: {:#?}", self.slack.calls().pop());
    }

    /// How long until something more can be delivered, if anything is owed.
    async fn owes(&self, story: &Story) -> Option<Duration> {
        let now = self.clock.now();
        let owed = said(story).await.into_iter().filter(|message| message.posted_version < message.version);
        let wait = |message: Message| {
            assert_ne!(message.not_before, Some(NEVER), "Slack refuses: {:?} {:#}", message.error, message.card);
            message.not_before.map_or(Duration::ZERO, |at| at.since(now)).max(Duration::from_millis(100))
        };
        owed.map(wait).min()
    }

    /// What Slack shows is what the store says: each message once, in order, in its thread, with its buttons; what is for
    /// one person is shown to them alone.
    async fn agrees(&self, story: &Story) {
        let all = said(story).await;
        for (name, id) in CHANNELS {
            let own = |message: &&Message| {
                message.place.channel == name && message.whisper_to.is_none() && message.card["state"] != "foreign"
            };
            let ours: Vec<&Message> = all.iter().filter(own).collect();
            let mut shown = self.slack.channel(id).all();
            shown.retain(|message| message.bot_id.is_some() && message.files.is_empty());
            let times: Vec<_> = shown.iter().map(|message| Some(message.ts.clone())).collect();
            let known: Vec<_> = ours.iter().map(|message| message.external.clone()).collect();
            assert_eq!(times, known, "each message once and in order in {name}: {shown:#?}");
            for (message, shown) in ours.iter().zip(&shown) {
                let root = message.place.thread.as_ref();
                let root = root.map(|root| all.iter().find(|one| one.id == *root).unwrap().external.clone().unwrap());
                assert_eq!(shown.thread_ts, root, "in its thread: {shown:#?}");
                is_shown(message, shown);
            }
            self.remember(shown);
        }
        for (person, user) in PEOPLE {
            let told = self.slack.person(user).ephemerals();
            let theirs = all.iter().filter(|message| message.whisper_to.as_deref() == Some(person));
            for message in theirs {
                let ts = message.external.as_ref().unwrap().strip_prefix("whisper:").unwrap();
                let found: Vec<_> = told.iter().filter(|told| told.ts == ts).collect();
                assert_eq!(found.len(), 1, "{person} is told this once: {:#}", message.card);
                is_shown(message, found[0]);
            }
            let whispers = self.slack.calls_of("chat.postEphemeral").into_iter();
            let whispers = whispers.filter(|call| call.args["user"] == user && call.answer["ok"] == true).count();
            let count = all.iter().filter(|message| message.whisper_to.as_deref() == Some(person)).count();
            assert_eq!(whispers, count, "{person} is told nothing else: {told:#?}");
            self.remember(told);
        }
        assert_eq!(self.slack.complaints(), Vec::<String>::new());
    }

    fn remember(&self, shown: Vec<fake::Message>) {
        let mut seen = self.seen.lock().unwrap();
        for message in shown.into_iter().filter(|message| !message.buttons().is_empty()) {
            let last = seen.iter().rev().find(|known| known.ts == message.ts);
            if last.is_none_or(|last| last.buttons() != message.buttons()) {
                seen.push(message);
            }
        }
    }

    /// Somebody of the story, in Slack.
    pub fn person(&self, id: &str) -> Person {
        let (_, user) = PEOPLE.iter().find(|(known, _)| *known == id).unwrap();
        self.slack.person(user)
    }

    /// Somebody types a line: a command, a mention, or plain talk.
    pub async fn says(&self, story: &Story, by: &str, channel: &str, thread: Option<&MessageId>, text: &str) -> Came {
        self.keeps_time();
        let (person, id) = (self.person(by), id_of(channel));
        let before = Screen::of(&person);
        let line = text.strip_prefix("/ops").or(text.strip_prefix("@sereno")).map(str::trim);
        let heard = match (thread, line) {
            (_, None) => {
                person.say(id, text).await;
                return Came::Told(Vec::new());
            }
            (Some(root), Some(line)) => {
                let root = self.posted(story, root).await;
                person.mention_in(id, root.thread_ts.as_ref().unwrap_or(&root.ts), line).await
            }
            (None, Some(line)) if text.starts_with('@') => person.mention(id, line).await,
            (None, Some(_)) => person.slash(id, text).await,
        };
        assert!(heard.acked, "{heard:?}");
        let key = match heard.payload["event_id"].as_str() {
            Some(event) => format!("slack:event:{event}"),
            None => format!("slack:command:{}", heard.trigger()),
        };
        match self.comes(story, &person, &before, &key).await {
            Came::Told(mut told) => {
                told.iter_mut().for_each(|told| {
                    told.whisper_to = Some(by.to_owned());
                    channel.clone_into(&mut told.channel);
                });
                Came::Told(told)
            }
            stored @ Came::Stored(_) => stored,
        }
    }

    /// Somebody clicks a button, or one that they still have before them, and fills in its form if it has one.
    pub async fn clicks(
        &self,
        story: &Story,
        by: &str,
        (message, button): (&Heard, &str),
        values: &[(&str, &str)],
    ) -> Came {
        self.keeps_time();
        let person = self.person(by);
        if let Some(view) = message.id.as_str().strip_prefix(FORM) {
            let view = person.views().into_iter().find(|one| one.id == view).expect("the form is on the screen");
            return self.submits(story, (by, &person), &view, values).await;
        }
        let before = Screen::of(&person);
        let (shown, action) = self.button(story, by, &message.id, button).await;
        let now =
            if shown.ephemeral { Some(shown.clone()) } else { self.slack.channel(&shown.channel).message(&shown.ts) };
        let heard = match now.is_some_and(|now| now.buttons() == shown.buttons()) {
            true => person.click(&shown, &action).await,
            false => person.click_stale(&shown, &action).await,
        };
        assert!(heard.acked, "{heard:?}");
        match self.comes(story, &person, &before, &format!("slack:press:{}", heard.trigger())).await {
            Came::Told(told) if told[0].id.as_str().starts_with(FORM) => {
                let view = person.views().pop().unwrap();
                self.submits(story, (by, &person), &view, values).await
            }
            came => came,
        }
    }

    async fn submits(
        &self,
        story: &Story,
        (by, person): (&str, &Person),
        view: &View,
        values: &[(&str, &str)],
    ) -> Came {
        let heard = person.submit(view, values).await;
        let slips = heard.problem.clone().into_iter().chain(heard.errors().into_iter().map(|(_, words)| words));
        let slips: Vec<Heard> = slips.map(|slip| told(by, &slip)).collect();
        if !slips.is_empty() {
            person.close(view).await;
            return Came::Told(slips);
        }
        assert!(person.views().is_empty(), "the form is closed: {heard:?}");
        let sent = &heard.payload["view"];
        let key = format!("slack:form:{}:{}", sent["id"].as_str().unwrap(), sent["hash"].as_str().unwrap());
        let stored = story.database.look("SELECT id FROM inbox WHERE request_key = $1", &key).await;
        Came::Stored(stored.expect("what was sent is in the inbox").into())
    }

    /// What comes of it: a request, a form, or a word to the person.
    async fn comes(&self, story: &Story, person: &Person, before: &Screen, key: &str) -> Came {
        for _ in 0..1_000 {
            if let Some(id) = story.database.look("SELECT id FROM inbox WHERE request_key = $1", key).await {
                return Came::Stored(id.into());
            }
            let now = Screen::of(person);
            if let Some(view) = now.views.iter().find(|view| before.views.iter().all(|known| known.id != view.id)) {
                return Came::Told(vec![form(view)]);
            }
            if now.told.len() > before.told.len() {
                let new = now.told[before.told.len()..].iter();
                return Came::Told(new.map(|message| told("", &message.words())).collect());
            }
            tokio::time::sleep(Duration::from_millis(10)).await; // what follows an acknowledgement is under way
        }
        panic!("nothing came of {key}");
    }

    /// A message of ours as Slack shows it; time passes until it is there.
    async fn posted(&self, story: &Story, id: &MessageId) -> fake::Message {
        for _ in 0..200 {
            let mut db = story.database.read().await.unwrap();
            let message = messages::get(&mut db, id).await.unwrap().expect("the message exists");
            drop(db);
            if let Some(ts) = message.external.as_ref().filter(|_| message.posted_version == message.version) {
                let ts = ts.trim_start_matches("whisper:");
                let told = message.whisper_to.as_ref().map(|to| self.person(to).ephemerals()).unwrap_or_default();
                let all = self.slack.channel(id_of(&message.place.channel)).all();
                return told.into_iter().chain(all).find(|shown| shown.ts == ts).expect("Slack shows it");
            }
            self.clock.forward(Duration::from_millis(500));
            self.keeps_time();
            story.engine.turn().await.unwrap();
        }
        panic!("{id} is not posted");
    }

    /// The message with this button, as it is or as it was when it last had it.
    async fn button(&self, story: &Story, by: &str, id: &MessageId, button: &str) -> (fake::Message, String) {
        let now = self.posted(story, id).await;
        let action = |message: &fake::Message| {
            let found = message.buttons().into_iter().find(|(id, label)| id == button || label == button);
            found.map(|(id, _)| id)
        };
        let seen = self.seen.lock().unwrap();
        let states = std::iter::once(&now).chain(seen.iter().rev().filter(|known| known.ts == now.ts));
        let found = states.into_iter().find_map(|message| Some((message.clone(), action(message)?)));
        found.unwrap_or_else(|| panic!("{by} was never shown {button} on {now:#?}"))
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.replicas.lock().unwrap().iter().for_each(|replica| {
            replica.stop.cancel();
            replica.task.abort();
        });
    }
}

/// What somebody alone has before them.
struct Screen {
    views: Vec<View>,
    told: Vec<fake::Message>,
}

impl Screen {
    fn of(person: &Person) -> Self {
        Self { views: person.views(), told: person.ephemerals() }
    }
}

/// Messages that are meant for Slack, in order.
async fn said(story: &Story) -> Vec<Message> {
    let mut db = story.database.read().await.unwrap();
    let mut all = messages::changed(&mut db, 0, 10_000).await.unwrap();
    all.retain(|message| message.place.platform == Platform::Slack);
    all.sort_by_key(|message| message.seq);
    all
}

fn is_shown(message: &Message, shown: &fake::Message) {
    let card: Card = serde_json::from_value(message.card.clone()).unwrap();
    assert!(shown.words().contains(&card.title), "{:?} in {shown:#?}", card.title);
    let buttons: Vec<String> = shown.buttons().into_iter().map(|(id, _)| id).collect();
    assert_eq!(buttons, card.buttons.iter().map(|button| button.id.clone()).collect::<Vec<_>>(), "{}", card.title);
}

fn id_of(channel: &str) -> &'static str {
    CHANNELS.iter().find(|(name, _)| *name == channel).expect("the channel is in Slack").1
}

/// What Slack shows one person that is no message of ours.
fn told(to: &str, words: &str) -> Heard {
    let card = Card { title: words.to_owned(), ..Card::default() };
    Heard { id: MessageId::new(), thread: None, whisper_to: Some(to.to_owned()), channel: String::new(), card }
}

/// A form on somebody's screen, as the card that asks for the same.
fn form(view: &View) -> Heard {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let input = |block: &Value| Input {
        name: text(&block["block_id"]).trim_start_matches("in:").to_owned(),
        label: text(&block["label"]["text"]),
        choices: list(&block["element"]["options"]).iter().map(|option| text(&option["value"])).collect(),
        ..Input::default()
    };
    let blocks = list(&view.json["blocks"]);
    let inputs = blocks.iter().filter(|block| block["type"] == "input").map(input).collect();
    let title = text(&view.json["title"]["text"]);
    let press = Press::Ask(Invocation { runbook: String::new(), args: Args::new(), env: None });
    let asks = Some(Form { title: title.clone(), inputs });
    let button = Button { id: "fill".into(), label: text(&view.json["submit"]["text"]), press, asks, danger: false };
    let card = Card { title, state: "missing".into(), buttons: vec![button], ..Card::default() };
    let id = MessageId::from(format!("{FORM}{}", view.id));
    Heard { id, thread: None, whisper_to: None, channel: String::new(), card }
}
