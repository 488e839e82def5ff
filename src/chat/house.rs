//! What platforms ask of the house behind them: to take in what people say and press, and what a form needs to be
//! shown. `engine` is the house; a platform knows it only by this.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::card::{Card, Form, Values};
use crate::domain::actor::{PersonId, Place, Platform};
use crate::domain::settings::Settings;
use crate::id::MessageId;

/// The database does not answer: nothing was taken in, and the sender must try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not stored: {0}")]
pub struct Away(pub String);

/// A message of ours as people see it.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Our id.
    pub id: MessageId,
    /// Where.
    pub place: Place,
    /// Only for this person.
    pub whisper_to: Option<PersonId>,
    /// The platform's id, once it has it.
    pub external: Option<String>,
    /// What it says.
    pub card: Card,
}

/// What a form is filled in for; small enough to travel with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filling {
    /// A button that asks for something.
    Button {
        /// The message.
        message: MessageId,
        /// The button's id.
        button: String,
    },
    /// A runbook, to be asked for in a place.
    Runbook {
        /// `pack/name`.
        name: String,
        /// Where it was asked for.
        place: Place,
    },
}

/// The house.
#[async_trait]
pub trait House: Send + Sync {
    /// People, channels and language, as of now.
    fn settings(&self) -> Arc<Settings>;

    /// A platform says that something changed about an account there: how the person stands is soon asked again.
    fn standing_changed(&self, platform: Platform, identity: &str);

    /// Takes in a line, durably: only then may it be acknowledged. The same key is the same line.
    ///
    /// # Errors
    /// [`Away`].
    async fn said(&self, key: String, by: &str, place: Place, text: String) -> Result<(), Away>;

    /// Takes in a filled form, durably; a button without a form is one without values. The same key is the same press.
    ///
    /// # Errors
    /// [`Away`].
    async fn filled(&self, key: String, by: &str, place: Place, filling: &Filling, values: Values) -> Result<(), Away>;

    /// A message of ours, if this person may see it.
    ///
    /// # Errors
    /// [`Away`].
    async fn message(&self, by: &str, id: &MessageId) -> Result<Option<Posted>, Away>;

    /// The message of ours that a platform knows by this id in this channel of ours, or else one that stands for what
    /// was there before us, so that it can be answered in its thread.
    ///
    /// # Errors
    /// [`Away`].
    async fn root(&self, platform: Platform, channel: &str, external: &str) -> Result<MessageId, Away>;

    /// The root of the thread that a platform knows by this id in this channel of ours, if an incident is dealt with there.
    ///
    /// # Errors
    /// [`Away`].
    async fn incident_thread(
        &self,
        platform: Platform,
        channel: &str,
        external: &str,
    ) -> Result<Option<MessageId>, Away>;

    /// Runbooks that this person may ask for in this channel: full name and summary.
    fn runbooks(&self, by: &str, channel: &str) -> Vec<(String, String)>;

    /// The form for something to be filled in; none where there is nothing to fill in, or not any more.
    ///
    /// # Errors
    /// [`Away`].
    async fn form(&self, by: &str, filling: &Filling) -> Result<Option<Form>, Away>;

    /// The form that a line calls for because arguments are missing, with what it gives already filled in.
    fn lacking(&self, by: &str, place: &Place, line: &str) -> Option<(Filling, Form)>;

    /// What may be chosen in a field whose choices are many or alive, nearest to what was typed first.
    async fn choices(&self, by: &str, filling: &Filling, input: &str, typed: &str) -> Vec<String>;

    /// What is wrong with values, by the names of their inputs, in words.
    fn misfits(&self, by: &str, filling: &Filling, values: &Values) -> BTreeMap<String, String>;

    /// A person's own page: who is on call, what waits for them, open incidents, what they may run. Cards with buttons
    /// come with the message that the buttons belong to.
    ///
    /// # Errors
    /// [`Away`].
    async fn home(&self, by: &str) -> Result<Vec<(Option<MessageId>, Card)>, Away>;
}
