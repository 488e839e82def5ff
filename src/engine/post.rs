//! Saying things: messages and timeline entries in the transaction of what they tell.

use serde_json::Value;

use super::Engine;
use super::answer::Heard;
use crate::chat::card::Card;
use crate::domain::actor::{Actor, Place};
use crate::domain::run::Run;
use crate::domain::timeline::{EntryKind, NewEntry};
use crate::id::{DeliveryId, IncidentId, MessageId, RunId};
use crate::store::messages::NewMessage;
use crate::store::{Result, Tx, messages, timeline};

impl Engine {
    /// Posts a card, and gives its message.
    pub(super) async fn post(
        &self,
        tx: &mut Tx,
        place: &Place,
        card: &Card,
        reply_to: Option<&DeliveryId>,
    ) -> Result<MessageId> {
        let id = MessageId::new();
        self.post_as(tx, &id, place, card, reply_to).await?;
        Ok(id)
    }

    /// Posts a card as a message whose id was drawn before.
    pub(super) async fn post_as(
        &self,
        tx: &mut Tx,
        id: &MessageId,
        place: &Place,
        card: &Card,
        reply_to: Option<&DeliveryId>,
    ) -> Result<()> {
        messages::insert(tx, &self.message(id, place, card, None, reply_to)?).await
    }

    /// Says something to one person alone, where they asked.
    pub(super) async fn whisper(
        &self,
        tx: &mut Tx,
        place: &Place,
        to: &str,
        card: &Card,
        reply_to: &DeliveryId,
    ) -> Result<()> {
        let message = self.message(&MessageId::new(), place, card, Some(to), Some(reply_to))?;
        messages::insert(tx, &message).await
    }

    /// Says something to the one who asked alone, on the platform where they asked.
    pub(super) async fn aside(&self, tx: &mut Tx, heard: &Heard, card: &Card) -> Result<()> {
        let place = Place { platform: heard.actor.platform, ..heard.aside.clone() };
        self.whisper(tx, &place, &heard.actor.id, card, &heard.delivery).await
    }

    /// Shows what a person said, on the console, where nobody else does.
    pub(super) async fn show_line(&self, tx: &mut Tx, by: &Actor, place: &Place, text: &str) -> Result<()> {
        let mut message = self.message(&MessageId::new(), place, &crate::chat::cards::said(text), None, None)?;
        message.author = Some(by.id.clone());
        messages::insert(tx, &message).await
    }

    fn message(
        &self,
        id: &MessageId,
        place: &Place,
        card: &Card,
        whisper_to: Option<&str>,
        reply_to: Option<&DeliveryId>,
    ) -> Result<NewMessage> {
        Ok(NewMessage {
            id: id.clone(),
            place: place.clone(),
            author: None,
            whisper_to: whisper_to.map(str::to_owned),
            reply_to: reply_to.cloned(),
            card: serde_json::to_value(card.clone().tame())?,
            at: self.clock.now(),
        })
    }

    /// Brings a message up to date.
    pub(super) async fn edit(&self, tx: &mut Tx, id: &MessageId, card: &Card) -> Result<()> {
        messages::edit(tx, id, &serde_json::to_value(card.clone().tame())?).await
    }

    /// Writes one entry. Called last in a transaction: it takes the head of the chain.
    pub(super) async fn enter(
        &self,
        tx: &mut Tx,
        stream: String,
        actor: &str,
        kind: EntryKind,
        body: Value,
    ) -> Result<()> {
        let entry = NewEntry { stream, at: self.clock.now(), actor: actor.to_owned(), kind, body };
        timeline::append(tx, vec![entry]).await
    }
}

/// The stream of a run's entries: its incident's, or its own.
pub(super) fn stream_of(run: &Run) -> String {
    run.incident.as_ref().map_or_else(|| run_stream(&run.id), incident_stream)
}

/// The stream of a run outside incidents.
pub(super) fn run_stream(run: &RunId) -> String {
    format!("run/{run}")
}

/// The stream of an incident.
pub(super) fn incident_stream(incident: &IncidentId) -> String {
    format!("incident/{incident}")
}
