//! What Slack knows: teams, people, channels, groups, the app, and what hangs on them. Plain data with open fields, so
//! that a test can arrange any state; what happens to it is elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::message::Message;
use super::rates::{Rates, Trouble};
use super::signed::Badly;
use super::socket::Sockets;
use crate::Clock;

/// A workspace.
#[derive(Debug, Clone)]
pub struct Team {
    pub id: String,
    pub name: String,
    pub domain: String,
    /// The Enterprise Grid it belongs to: id and name.
    pub enterprise: Option<(String, String)>,
}

/// A person or the bot, in one workspace. The same id may exist in another one.
#[derive(Debug, Clone)]
pub struct User {
    pub team: String,
    pub id: String,
    pub name: String,
    pub real_name: String,
    pub email: String,
    pub tz: String,
    pub locale: String,
    pub deleted: bool,
    pub guest: bool,
    pub is_bot: bool,
}

/// A channel, private channel or direct message.
#[derive(Debug, Clone)]
pub struct Channel {
    pub id: String,
    pub name: String,
    pub topic: String,
    pub private: bool,
    pub archived: bool,
    /// Shared with another workspace by Slack Connect.
    pub shared: bool,
    /// The other person of a direct message with the bot.
    pub im: Option<String>,
    /// Ids of people who are in, and of the bot's user if it is.
    pub members: BTreeSet<String>,
    pub messages: Vec<Message>,
    pub bookmarks: Vec<Value>,
}

/// A user group.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: String,
    pub handle: String,
    pub name: String,
    pub users: Vec<String>,
    pub disabled: bool,
}

/// The installed app.
#[derive(Debug, Clone)]
pub struct App {
    pub id: String,
    pub name: String,
    pub team: String,
    pub bot_user: String,
    pub bot_id: String,
    pub bot_token: String,
    pub app_token: String,
    pub signing_secret: String,
    /// The old verification token that payloads still carry.
    pub token: String,
    /// Tokens that were taken back: they get `token_revoked`.
    pub revoked: BTreeSet<String>,
    pub scopes: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    /// Callback ids of global and of message shortcuts.
    pub shortcuts: BTreeSet<String>,
    pub message_shortcuts: BTreeSet<String>,
    /// Domains whose links the app unfolds.
    pub unfurl_domains: BTreeSet<String>,
    /// Event types the app subscribed to, as in its manifest (`app_mention`, `message.im`, …).
    pub events: BTreeSet<String>,
}

/// A modal or home view.
#[derive(Debug, Clone)]
pub struct View {
    pub id: String,
    pub user: String,
    pub team: String,
    /// As Slack hands it out, without `state`.
    pub json: Value,
    pub hash: String,
    pub root: String,
    pub previous: Option<String>,
    pub closed: bool,
    pub updates: u32,
}

/// An uploaded file.
#[derive(Debug, Clone)]
pub struct File {
    pub id: String,
    pub name: String,
    pub title: String,
    pub length: usize,
    pub bytes: Option<Vec<u8>>,
    pub snippet_type: Option<String>,
    pub channel: Option<String>,
    pub thread_ts: Option<String>,
    pub completed: bool,
}

/// One call of the Web API, as it came and as it was answered.
#[derive(Debug, Clone)]
pub struct Call {
    /// By the fake's clock.
    pub at: i64,
    pub method: String,
    pub args: Value,
    /// HTTP status; 0 where no answer was given.
    pub status: u16,
    pub answer: Value,
}

/// A trigger id that was handed out.
#[derive(Debug, Clone)]
pub struct Trigger {
    pub team: String,
    pub user: String,
    pub expires: i64,
    pub used: bool,
    /// The view in which it arose.
    pub view: Option<String>,
}

/// A response_url that was handed out.
#[derive(Debug, Clone)]
pub struct Hook {
    pub channel: String,
    pub user: String,
    /// The message it belongs to.
    pub ts: Option<String>,
    pub thread_ts: Option<String>,
    pub uses: u32,
    pub expires: i64,
}

/// Where deliveries go.
#[derive(Debug, Clone)]
pub enum Mode {
    Socket,
    /// Base URLs of replicas behind one address: requests take turns.
    Http(Vec<String>),
}

/// Everything.
pub struct World {
    pub clock: Clock,
    pub base: String,
    pub teams: BTreeMap<String, Team>,
    pub users: Vec<User>,
    pub channels: BTreeMap<String, Channel>,
    pub groups: BTreeMap<String, Group>,
    pub app: App,
    pub views: Vec<View>,
    pub files: Vec<File>,
    /// Messages that only one person sees, by person.
    pub ephemerals: HashMap<String, Vec<Message>>,
    pub calls: Vec<Call>,
    /// What the app did that Slack has no answer for, such as an acknowledgement of nothing.
    pub complaints: Vec<String>,
    pub mode: Mode,
    pub rates: Rates,
    /// What the next calls meet, in order: method (`*` for any) and trouble.
    pub troubles: Vec<(String, Trouble)>,
    /// Everything is away: connections end without an answer.
    pub down: bool,
    /// The next deliveries are signed like this.
    pub badly: Vec<Badly>,
    /// This many of the next deliveries reach two receivers.
    pub twice: u32,
    pub sockets: Sockets,
    pub triggers: HashMap<String, Trigger>,
    pub hooks: HashMap<String, Hook>,
    /// Options that were offered, by view or message and action.
    pub offered: HashMap<(String, String), Vec<Value>>,
    pub(crate) outbox: Vec<Value>,
    pub(crate) turn: usize,
    pub(crate) serial: u64,
    pub(crate) last_ts: i64,
}

impl World {
    /// An empty one with this app.
    #[must_use]
    pub fn new(clock: Clock, app: App) -> Self {
        Self {
            clock,
            base: String::new(),
            teams: BTreeMap::new(),
            users: Vec::new(),
            channels: BTreeMap::new(),
            groups: BTreeMap::new(),
            app,
            views: Vec::new(),
            files: Vec::new(),
            ephemerals: HashMap::new(),
            calls: Vec::new(),
            complaints: Vec::new(),
            mode: Mode::Socket,
            rates: Rates::default(),
            troubles: Vec::new(),
            down: false,
            badly: Vec::new(),
            twice: 0,
            sockets: Sockets::default(),
            triggers: HashMap::new(),
            hooks: HashMap::new(),
            offered: HashMap::new(),
            outbox: Vec::new(),
            turn: 0,
            serial: 0,
            last_ts: 0,
        }
    }
}
