//! Slack as a chat platform. Knows Slack's ids, limits and manners; nothing of runbooks, store or engine.

mod api;
mod door;
mod fault;
mod files;
mod find;
mod homes;
mod inbound;
pub mod manifest;
mod own;
mod pace;
mod people;
mod post;
pub mod render;
pub mod scopes;
mod socket;
mod token;
mod troubles;
mod way;
mod whisper;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use minijinja::context;
use tokio_util::sync::CancellationToken;

pub use self::api::Api;
use self::door::Guard;
pub use self::fault::Fault;
use self::homes::Homes;
use self::inbound::Inbound;
pub use self::own::Own;
use self::pace::Pace;
use self::people::People;
use super::{Answer, Chat, ChatError, House, Knock, Named, Outgoing, SlackApp, Standing};
use crate::clock::Clock;
use crate::domain::actor::Platform;
use crate::domain::settings::Language;
use crate::words::Words;

/// Spoken where nobody hears but the log, which is in English.
const LOG: Words = Words(Language::En);

/// The Slack app.
pub struct Slack {
    api: Arc<Api>,
    clock: Clock,
    pace: Pace,
    people: People,
    homes: Arc<Homes>,
    socket: bool,
    guard: Option<Guard>,
}

impl Slack {
    /// The app, not connected yet.
    #[must_use]
    pub fn new(app: SlackApp) -> Self {
        Self {
            api: Arc::new(Api::new(&app)),
            pace: Pace::new(app.clock.clone()),
            people: People::new(app.clock.clone()),
            homes: Arc::new(Homes::new(app.clock.clone())),
            socket: app.socket,
            clock: app.clock,
            guard: app.signing_secret.filter(|_| !app.socket).map(Guard::new),
        }
    }

    fn inbound(&self, house: Arc<dyn House>) -> Inbound {
        Inbound::new(house, Arc::clone(&self.api), Arc::clone(&self.homes))
    }
}

#[async_trait]
impl Chat for Slack {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError> {
        self.put(&message).await
    }

    async fn edit(&self, external: &str, message: Outgoing<'_>) -> Result<(), ChatError> {
        self.change(external, &message).await
    }

    async fn live(&self, house: Arc<dyn House>, stop: CancellationToken) {
        let inbound = self.inbound(house);
        let listen = async {
            if self.socket {
                socket::listen(&inbound, &self.api, &stop).await;
            }
        };
        tokio::join!(listen, inbound.keep_homes(&stop));
    }

    fn turn_away(&self, knock: Knock<'_>) -> Option<Answer> {
        match &self.guard {
            Some(guard) => guard.turn_away(&self.clock, &knock),
            None => Some(Answer::status(404)),
        }
    }

    async fn knock(&self, house: Arc<dyn House>, knock: Knock<'_>) -> Answer {
        match &self.guard {
            Some(guard) => guard.knock(&self.inbound(house), &self.clock, knock).await,
            None => Answer::status(404),
        }
    }

    async fn standing(&self, identity: &str, groups: &[String]) -> Result<Option<Standing>, ChatError> {
        self.people.standing(&self.api, identity, groups).await.map(Some).map_err(|fault| fault.said(LOG))
    }

    async fn set_group(&self, group: &str, members: &[String]) -> Result<(), ChatError> {
        let own = self.api.own().await.map_err(|fault| fault.said(LOG))?;
        let stranger = |identity: &String| {
            ChatError::Refused(LOG.say("slack.other_team", context! { identity, team => &own.team }))
        };
        let user = |identity: &String| own.user_of(identity).map(str::to_owned).ok_or_else(|| stranger(identity));
        let users = members.iter().map(user).collect::<Result<BTreeSet<_>, _>>()?;
        self.people.set_group(&self.api, group, &users).await.map_err(|fault| fault.said(LOG))
    }

    async fn troubles(&self, named: &Named, words: Words) -> Vec<String> {
        self.look_for_troubles(named, words).await
    }
}
