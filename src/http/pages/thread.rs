//! A thread: its root, its replies, a line to type; and every card's buttons.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::channel::{post_of, with_replies};
use super::{back, bare, frame, framed, path_of};
use crate::domain::digest;
use crate::http::State;
use crate::http::access::Who;
use crate::http::api::{self, PressForm};
use crate::http::body::Form;
use crate::http::fault::Fault;
use crate::http::view::{self, CardView};
use crate::store::messages;

pub(super) async fn page(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let message = api::visible(&state, &who, &id).await?;
    let channel = message.place.channel.clone();
    let root = message.place.thread.unwrap_or(message.id);
    let mut db = state.engine.store.read().await?;
    let found = messages::thread(&mut db, &root).await?;
    drop(db);
    let cards = view::cards(found, &who.0, &state.engine.settings.load());
    let title = cards.first().map(|card| card.title.clone()).unwrap_or_default();
    let path = path_of(&channel);
    let values = context! { channel, path, root => root.as_str(), title, cards => Serde(cards) };
    Ok(framed(&state, "thread.html", frame, values))
}

/// One card: a piece of a page that the script brings up to date.
pub(super) async fn card(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let message = api::visible(&state, &who, &id).await?;
    let card = CardView::of(message, &state.engine.settings.load());
    let card = if card.thread.is_none() {
        with_replies(&mut state.engine.store.read().await?, card, &who).await?
    } else {
        Value::from(Serde(&card))
    };
    Ok(bare(state.engine.words(), "card.html", context! { card, back => "/" }, StatusCode::OK))
}

pub(super) async fn say(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Redirect, Fault> {
    let message = api::visible(&state, &who, &id).await?;
    api::accept_text(&state, &who, post_of(&form, &message.place.channel, Some(id.clone()))).await?;
    Ok(back(form.get("back"), "/"))
}

pub(super) async fn press(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
    form: Form,
) -> Result<Redirect, Fault> {
    let filled = form.under("value.").filter(|(_, value)| !value.is_empty());
    let press = PressForm {
        button: digest::marked(form.get("button"), form.get("mark")),
        values: filled.map(|(name, value)| (name.to_owned(), value.into())).collect(),
        key: Some(form.get("key").to_owned()),
    };
    api::accept_press(&state, &who, &id, press).await?;
    Ok(back(form.get("back"), "/"))
}
