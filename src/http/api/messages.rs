//! Reading and saying: messages, threads, button presses.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Accepted;
use crate::chat::card::Values;
use crate::domain::actor::{Place, Platform};
use crate::http::State;
use crate::http::access::Who;
use crate::http::body::Json;
use crate::http::fault::Fault;
use crate::http::view::{self, CardView};
use crate::id::{DeliveryId, MessageId};
use crate::store::inbox::{self, Input};
use crate::store::messages::{self, Message};

/// Longest line that people may type, in characters.
const LONGEST_LINE: usize = 4_000;
/// Longest idempotency key, in characters.
const LONGEST_KEY: usize = 200;
/// Messages of a channel that are given unless fewer or more are asked for.
const PAGE: i64 = 50;
/// Most messages that may be asked for.
const LARGEST_PAGE: i64 = 500;
/// A line to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Post {
    /// The channel, as in `#infra`.
    pub channel: String,
    /// A message of the thread to say it in.
    #[serde(default)]
    pub thread: Option<String>,
    /// The line, as in `/ops health prod`.
    pub text: String,
    /// The same key twice is the same request.
    #[serde(default)]
    pub key: Option<String>,
}

/// A button to press.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PressForm {
    /// By id or label.
    pub button: String,
    /// The values of its form, by name.
    #[serde(default)]
    pub values: Values,
    /// The same key twice is the same request.
    #[serde(default)]
    pub key: Option<String>,
}

/// A request that was accepted.
#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryView {
    /// Its id.
    id: String,
    /// `new`, `taken`, `done` or `failed`.
    state: String,
}

#[derive(Deserialize)]
pub(super) struct Page {
    limit: Option<i64>,
}

/// The channel with this name, with or without its `#`.
pub(in crate::http) fn channel_named(state: &State, name: &str) -> Result<String, Fault> {
    let settings = state.engine.settings.load();
    let names = [name.to_owned(), format!("#{name}")];
    let found = names.into_iter().find(|name| settings.channels.contains_key(name));
    found.ok_or_else(|| Fault::NoChannel(name.to_owned()))
}

/// The message, if this person may see it; if not, it is missing.
pub(in crate::http) async fn visible(state: &State, who: &Who, id: &str) -> Result<Message, Fault> {
    let mut db = state.engine.store.read().await?;
    let message = messages::get(&mut db, &MessageId::from(id)).await?;
    message.filter(|message| view::is_for(message, &who.0)).ok_or(Fault::Missing)
}

/// Hands a line to the engine.
pub(in crate::http) async fn accept_text(state: &State, who: &Who, post: Post) -> Result<DeliveryId, Fault> {
    let channel = channel_named(state, &post.channel)?;
    let text = post.text.trim();
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.chars().count() > LONGEST_LINE {
        return Err(Fault::TooLong(LONGEST_LINE));
    }
    let mut place = Place::channel(Platform::Console, &channel);
    if let Some(thread) = post.thread.as_deref().filter(|thread| !thread.is_empty()) {
        let message = visible(state, who, thread).await?;
        if message.place.channel != channel {
            return Err(Fault::Missing);
        }
        place.thread = Some(message.place.thread.unwrap_or(message.id));
    }
    let input = Input::Text { by: who.0.clone(), place, text: text.to_owned() };
    Ok(state.engine.accept(key("say", who, post.key)?, input).await?)
}

/// Hands a press to the engine, which alone judges it.
pub(in crate::http) async fn accept_press(
    state: &State,
    who: &Who,
    id: &str,
    press: PressForm,
) -> Result<DeliveryId, Fault> {
    let message = visible(state, who, id).await?;
    if press.button.is_empty() {
        return Err(Fault::Empty);
    }
    let place = Place { platform: Platform::Console, ..message.place };
    let key = key("press", who, press.key)?;
    let (by, button, values) = (who.0.clone(), press.button, press.values);
    Ok(state.engine.accept(key, Input::Press { by, place, message: message.id, button, values }).await?)
}

/// A person's own key never meets another's.
fn key(door: &str, who: &Who, key: Option<String>) -> Result<String, Fault> {
    let key = key.filter(|key| !key.is_empty()).unwrap_or_else(|| DeliveryId::new().to_string());
    if key.chars().count() > LONGEST_KEY {
        return Err(Fault::TooLong(LONGEST_KEY));
    }
    Ok(format!("console:{door}:{}:{key}", who.0))
}

pub(super) async fn of_channel(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<axum::Json<Vec<CardView>>, Fault> {
    let channel = channel_named(&state, &name)?;
    let limit = page.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let mut db = state.engine.store.read().await?;
    let found = messages::channel(&mut db, &channel, &who.0, limit).await?;
    Ok(axum::Json(view::cards(found, &who.0, &state.engine.settings.load())))
}

pub(super) async fn say(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Json(post): Json<Post>,
) -> Result<(StatusCode, axum::Json<Accepted>), Fault> {
    let id = accept_text(&state, &who, post).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { id: id.to_string() })))
}

pub(super) async fn press(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
    Json(form): Json<PressForm>,
) -> Result<(StatusCode, axum::Json<Accepted>), Fault> {
    let id = accept_press(&state, &who, &id, form).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(Accepted { id: id.to_string() })))
}

pub(super) async fn one(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<axum::Json<CardView>, Fault> {
    let message = visible(&state, &who, &id).await?;
    Ok(axum::Json(CardView::of(message, &state.engine.settings.load())))
}

pub(super) async fn thread(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<axum::Json<Vec<CardView>>, Fault> {
    let message = visible(&state, &who, &id).await?;
    let root = message.place.thread.unwrap_or(message.id);
    let mut db = state.engine.store.read().await?;
    let found = messages::thread(&mut db, &root).await?;
    Ok(axum::Json(view::cards(found, &who.0, &state.engine.settings.load())))
}

pub(super) async fn delivery(
    Shared(state): Shared<Arc<State>>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<axum::Json<DeliveryView>, Fault> {
    let mut db = state.engine.store.read().await?;
    let found = inbox::state(&mut db, &DeliveryId::from(id.clone())).await?.ok_or(Fault::Missing)?;
    Ok(axum::Json(DeliveryView { id, state: found.to_string() }))
}

pub(super) async fn replies(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<axum::Json<Vec<CardView>>, Fault> {
    let mut db = state.engine.store.read().await?;
    let found = messages::replies_to(&mut db, &DeliveryId::from(id)).await?;
    Ok(axum::Json(view::cards(found, &who.0, &state.engine.settings.load())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_persons_own() {
        let ana = Who("ana".to_owned());
        assert_eq!(key("say", &ana, Some("1".into())).unwrap(), "console:say:ana:1");
        assert_ne!(key("say", &ana, None).unwrap(), key("say", &ana, None).unwrap());
        assert!(key("say", &ana, Some("k".repeat(300))).is_err());
    }
}
