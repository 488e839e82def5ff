//! Port 1: chat platforms. A platform posts and edits cards and hands in what people say; it knows nothing of
//! runbooks, store or engine. The only place, with `executor`, where features choose code.

pub mod card;
pub mod cards;
pub mod console;
mod house;
#[cfg(feature = "slack")]
pub mod slack;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::actor::{PersonId, Place, Platform};
use crate::domain::settings::Settings;
pub use crate::domain::settings::Standing;
use crate::id::MessageId;
use crate::secret::Secret;
use crate::words::Words;
use card::Card;
pub use house::{Away, Filling, House, Posted};

/// A message to be shown: the desired state of one message of ours, addressed in the platform's own ids.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// Our id; also the marker by which a platform recognizes a repeated post.
    pub id: &'a MessageId,
    /// Where.
    pub place: &'a Place,
    /// The platform's id of the channel.
    pub channel: &'a str,
    /// The platform's own id of the thread's root, where the place is a thread that it knows.
    pub thread: Option<&'a str>,
    /// Only for the person with this identity, as an ephemeral message.
    pub whisper_to: Option<&'a str>,
    /// Identities of the people to be called.
    pub mentions: &'a [String],
    /// What it says.
    pub card: &'a Card,
    /// Our page about it, in full.
    pub link: Option<&'a str>,
    /// Speaks the installation's language, for the little that a platform has to say itself.
    pub words: Words,
    /// Whether an earlier try may have come through without an answer: it is to be looked for first.
    pub again: bool,
}

/// A request at one of a platform's doors, as in `POST /slack/commands`.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The door, as in `commands`.
    pub door: &'a str,
    /// Its headers, by lower-case name.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body as it came: signatures are over these bytes.
    pub body: &'a [u8],
}

/// What is answered at a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON, or nothing at all.
    pub json: Option<serde_json::Value>,
}

impl Answer {
    /// This status, and nothing more to say.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, json: None }
    }
}

/// What the configuration names on a platform, for it to look whether all of that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Channels: our name, and the platform's id.
    pub channels: Vec<(String, String)>,
    /// People: their id with us, and their identity there.
    pub people: Vec<(PersonId, String)>,
    /// Groups that give roles or are kept equal to who is on call, each once.
    pub groups: BTreeSet<String>,
}

impl Named {
    /// What these settings name there.
    #[must_use]
    pub fn of(settings: &Settings, platform: Platform) -> Self {
        let channel = |name: &String| Some((name.clone(), settings.channels[name].platforms.get(&platform)?.clone()));
        let person = |id: &PersonId| Some((id.clone(), settings.people[id].identities.get(&platform)?.clone()));
        let kept = settings.teams.values().filter_map(|team| team.groups.get(&platform));
        let giving = settings.groups.get(&platform).into_iter().flat_map(BTreeMap::keys);
        Self {
            groups: kept.chain(giving).cloned().collect(),
            channels: settings.channels.keys().filter_map(channel).collect(),
            people: settings.people.keys().filter_map(person).collect(),
        }
    }
}

/// A chat platform.
#[async_trait]
pub trait Chat: Send + Sync {
    /// Which one.
    fn platform(&self) -> Platform;

    /// Whether posting or editing again, also by two replicas at once, changes nothing that people see: then nobody
    /// has to claim its messages.
    fn repeatable(&self) -> bool {
        false
    }

    /// Posts a message, and gives the platform's id for it. Posting the same id again must not show it twice.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError>;

    /// Brings a posted message up to date.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn edit(&self, external: &str, message: Outgoing<'_>) -> Result<(), ChatError>;

    /// Keeps whatever connections it needs, and hands in what people say there, until `stop`.
    async fn live(&self, _house: Arc<dyn House>, stop: CancellationToken) {
        stop.cancelled().await;
    }

    /// The answer to a request whose head tells that it is not the platform's; its body is then not read. What `knock`
    /// holds of it is empty.
    fn turn_away(&self, _knock: Knock<'_>) -> Option<Answer> {
        Some(Answer::status(404))
    }

    /// Answers a request at one of its doors that was not turned away.
    async fn knock(&self, _house: Arc<dyn House>, _knock: Knock<'_>) -> Answer {
        Answer::status(404)
    }

    /// How the person with this identity stands, now; none where the platform has no say.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn standing(&self, _identity: &str, _groups: &[String]) -> Result<Option<Standing>, ChatError> {
        Ok(None)
    }

    /// Makes these identities the members of a group, as of those who are on call.
    ///
    /// # Errors
    /// See [`ChatError`].
    async fn set_group(&self, group: &str, _members: &[String]) -> Result<(), ChatError> {
        Err(ChatError::Refused(format!("there are no groups here, and so no {group}")))
    }

    /// What is not as it should be, for `doctor`, also of what the configuration names: a line each, with what to do. One
    /// who asks does not wait long: what has no answer in a few seconds is a trouble, too.
    async fn troubles(&self, _named: &Named, _words: Words) -> Vec<String> {
        Vec::new()
    }
}

/// An HTTP proxy on the way out.
#[derive(Clone)]
pub struct Proxy {
    /// Its address, which may hold a password.
    pub url: Secret,
    /// Hosts that are reached without it, as `NO_PROXY` lists them.
    pub except: String,
}

/// What a Slack app is reached with.
#[derive(Clone)]
pub struct SlackApp {
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
    /// The proxy that is between us and Slack; none means none.
    pub proxy: Option<Proxy>,
    /// What our own pace is kept by.
    pub clock: Clock,
}

/// Slack; none where this program was built without it.
#[must_use]
pub fn slack(app: SlackApp) -> Option<Arc<dyn Chat>> {
    #[cfg(feature = "slack")]
    return Some(Arc::new(slack::Slack::new(app)));
    #[cfg(not(feature = "slack"))]
    {
        let _ = app;
        None
    }
}

/// What a Slack app is created from; `public_url` is where Slack sends its requests, without it the app uses Socket Mode.
/// None where this program was built without Slack.
#[must_use]
pub fn slack_manifest(name: &str, public_url: Option<&str>, words: Words) -> Option<impl serde::Serialize> {
    #[cfg(feature = "slack")]
    return Some(slack::manifest::Manifest::new(name, public_url, words));
    #[cfg(not(feature = "slack"))]
    {
        let _ = (name, public_url, words);
        None::<()>
    }
}

/// Why a platform did not take a message. Whether to try again is decided in one place, `engine::deliver`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// Too fast; not before this span has passed.
    #[error("the platform asks to wait {0:?}")]
    RateLimited(Duration),
    /// Our own pace: not before this span has passed, which is no fault of anybody's.
    #[error("not before {0:?} have passed")]
    Later(Duration),
    /// It did not answer, or not sensibly.
    #[error("the platform is unavailable: {0}")]
    Unavailable(String),
    /// It will never take this.
    #[error("the platform refuses: {0}")]
    Refused(String),
}
