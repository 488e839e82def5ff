//! What Slack hands in, by whichever way it came: commands, interactions, events. What changes anything is in the house
//! before this returns, and so before it is acknowledged; what only shows something happens afterwards. Knows nothing of
//! connections and signatures.

mod calls;
mod command;
mod form;
mod home;
mod mention;
mod press;
mod reaction;
mod shortcut;
mod standing;
mod text;
mod trim;
mod views;
mod who;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use slack_morphism::prelude::*;

use super::api::Api;
use super::homes::Homes;
use crate::chat::{Away, House};
use crate::domain::actor::Platform;
use crate::words::Words;
use who::{Listed, Who};

/// How long that may take which nobody waits for.
const LATER: Duration = Duration::from_secs(20);

/// Takes in what Slack hands in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Inbound {
    house: Arc<dyn House>,
    api: Arc<Api>,
    homes: Arc<Homes>,
}

/// Why something was not taken in.
enum No {
    /// Nothing is stored: it must come again.
    Away(Away),
    /// The sender alone is told this.
    Told(String),
}

impl From<Away> for No {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

/// Where somebody can be told something alone.
enum Ear {
    /// Under the message that they used.
    Url(SlackResponseUrl),
    /// In a form of its own.
    Trigger(SlackTriggerId),
    /// In the form that they sent.
    Form,
    /// Nowhere.
    Nowhere,
}

impl Inbound {
    pub fn new(house: Arc<dyn House>, api: Arc<Api>, homes: Arc<Homes>) -> Self {
        Self { house, api, homes }
    }

    /// A slash command; gives what the acknowledgement says to its sender, if anything.
    ///
    /// # Errors
    /// Nothing was stored: it must not be acknowledged. So with the others.
    pub async fn commands(&self, payload: Value) -> Result<Option<Value>, Away> {
        let Some(event) = read::<SlackCommandEvent>("command", payload) else { return Ok(None) };
        match self.command(event).await {
            Ok(()) => Ok(None),
            Err(No::Away(away)) => Err(away),
            Err(No::Told(text)) => Ok(Some(json!({"response_type": "ephemeral", "text": text}))),
        }
    }

    /// A click, a form, a search in a form, a shortcut; gives what the acknowledgement says.
    pub async fn interactions(&self, payload: Value) -> Result<Option<Value>, Away> {
        let Some(event) = read("interaction", trim::interaction(payload)) else { return Ok(None) };
        let ear = ear(&event);
        let answer = match self.interaction(event).await {
            Ok(answer) => answer,
            Err(No::Away(away)) => return Err(away),
            Err(No::Told(text)) => self.tell(ear, text),
        };
        // An empty answer has no JSON.
        Ok(serde_json::to_value(answer).ok())
    }

    /// An event in its envelope.
    pub async fn events(&self, payload: Value) -> Result<(), Away> {
        for identity in standing::changed(&payload) {
            self.house.standing_changed(Platform::Slack, &identity);
        }
        let shared = payload["is_ext_shared_channel"] == true;
        let team = trim::author_team(&payload["event"]).map(str::to_owned);
        let Some(event) = read::<SlackPushEventCallback>("event", trim::event(payload)) else { return Ok(()) };
        let team = team.or_else(|| (!shared).then(|| event.team_id.0.clone()));
        match self.event(event, team).await {
            Err(No::Away(away)) => Err(away),
            Ok(()) | Err(No::Told(_)) => Ok(()), // each kind of event tells by itself
        }
    }

    async fn interaction(&self, event: SlackInteractionEvent) -> Result<SlackInteractionResponse, No> {
        match event {
            SlackInteractionEvent::BlockActions(event) => self.pressed(event).await.map(Into::into),
            SlackInteractionEvent::ViewSubmission(event) => self.submitted(event).await,
            SlackInteractionEvent::BlockSuggestion(event) => Ok(self.suggested(event).await.into()),
            SlackInteractionEvent::Shortcut(event) => self.shortcut(&event).map(Into::into),
            SlackInteractionEvent::MessageAction(event) => self.message_shortcut(event).await.map(Into::into),
            SlackInteractionEvent::ViewClosed(_) | SlackInteractionEvent::DialogSubmission(_) => Ok(().into()),
        }
    }

    /// `team` is the author's, where the event says it.
    async fn event(&self, event: SlackPushEventCallback, team: Option<String>) -> Result<(), No> {
        let key = format!("slack:event:{}", event.event_id.0);
        let bot = event.authorizations.iter().flatten().next().map(|bot| bot.user_id.0.clone()).unwrap_or_default();
        match event.event {
            SlackEventCallbackBody::AppMention(said) => self.mentioned(key, said, team, &bot).await,
            SlackEventCallbackBody::Message(said) => self.direct(&said, team).await,
            SlackEventCallbackBody::ReactionAdded(reaction) => self.reacted(reaction, team, &bot).await,
            SlackEventCallbackBody::AppHomeOpened(opened) => {
                self.home_opened(&opened, &event.team_id.0);
                Ok(())
            }
            SlackEventCallbackBody::Unknown(event) => {
                tracing::debug!(
                    kind = event["type"].as_str().unwrap_or_default(),
                    "an event of Slack that is not used"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Says something to somebody alone who used something interactive.
    fn tell(&self, ear: Ear, text: String) -> SlackInteractionResponse {
        let (this, view) = (self.clone(), views::notice(self.words(), &text));
        match ear {
            Ear::Form => return views::instead(view),
            Ear::Url(url) => later(async move { this.respond(&url, &text).await }),
            Ear::Trigger(trigger) => later(async move { this.open(&trigger, &view).await }),
            Ear::Nowhere => {}
        }
        ().into()
    }

    fn words(&self) -> Words {
        Words(self.house.settings().language)
    }

    /// A line as it was typed by somebody of this workspace.
    fn typed(&self, team: &str, text: &str) -> String {
        let settings = self.house.settings();
        text::typed(text, &Listed { settings: &settings, team })
    }
}

/// Does something after the acknowledgement, and gives it up after a while.
fn later<E: std::fmt::Display>(work: impl Future<Output = Result<(), E>> + Send + 'static) {
    tokio::spawn(async move {
        match tokio::time::timeout(LATER, work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "Slack did not show what was asked for"),
            Err(_) => tracing::warn!("Slack took too long to show what was asked for"),
        }
    });
}

/// Reads a payload; what cannot be read is no better when it comes again.
fn read<T: serde::de::DeserializeOwned>(kind: &str, payload: Value) -> Option<T> {
    serde_json::from_value(payload)
        .inspect_err(|error| tracing::warn!(kind, %error, "something from Slack cannot be read, and is left"))
        .ok()
}

fn ear(event: &SlackInteractionEvent) -> Ear {
    match event {
        SlackInteractionEvent::BlockActions(event) => match &event.response_url {
            Some(url) => Ear::Url(url.clone()),
            None => Ear::Trigger(event.trigger_id.clone()),
        },
        SlackInteractionEvent::MessageAction(event) => Ear::Url(event.response_url.clone()),
        SlackInteractionEvent::Shortcut(event) => Ear::Trigger(event.trigger_id.clone()),
        SlackInteractionEvent::ViewSubmission(_) => Ear::Form,
        _ => Ear::Nowhere,
    }
}

/// Somebody who used something interactive: their own workspace counts, whichever one it was used in.
fn user(team: &SlackBasicTeamInfo, user: &SlackBasicUserInfo) -> Who {
    Who::new(user.team_id.as_ref().unwrap_or(&team.id).0.clone(), user.id.0.clone())
}
