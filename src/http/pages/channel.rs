//! A channel: its messages, what waits for me, and a line to type.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::{back, bare, frame, framed, path_of};
use crate::http::State;
use crate::http::access::Who;
use crate::http::api::{self, Post};
use crate::http::body::Form;
use crate::http::fault::Fault;
use crate::http::view::{self, CardView};
use crate::store::{Db, messages};

/// Messages on one page.
const PAGE: i64 = 50;

/// The first channel.
pub(super) async fn home(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let first = state.engine.settings.load().channels.keys().next().cloned();
    show(&state, &who, &first.unwrap_or_default()).await
}

pub(super) async fn page(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Response, Fault> {
    let channel = api::channel_named(&state, &name)?;
    show(&state, &who, &channel).await
}

async fn show(state: &State, who: &Who, channel: &str) -> Result<Response, Fault> {
    let frame = frame(state, who).await?;
    let waiting = api::waiting(state, who).await?;
    let settings = state.engine.settings.load_full();
    let mut db = state.engine.store.read().await?;
    let mut cards = Vec::new();
    for message in messages::channel(&mut db, channel, &who.0, PAGE).await? {
        let card = CardView::of(message, &settings);
        cards.push(with_replies(&mut db, card, who).await?);
    }
    drop(db);
    let values = context! { channel, path => path_of(channel), cards, waiting => Serde(waiting) };
    Ok(framed(state, "channel.html", frame, values))
}

/// A root card with the number of its replies and the moment of the last.
pub(super) async fn with_replies(db: &mut Db, card: CardView, who: &Who) -> Result<Value, Fault> {
    let thread = messages::thread(db, &card.id.as_str().into()).await?;
    let mut replies = thread.iter().filter(|it| it.id.as_str() != card.id && view::is_for(it, &who.0)).peekable();
    let last = replies.peek().is_some().then(|| thread.last().map(|it| it.at.to_string())).flatten();
    Ok(context! { replies => replies.count(), last_reply => last, ..Value::from(Serde(&card)) })
}

/// What waits for me: a piece of the page that the script brings up to date.
pub(super) async fn waiting(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let waiting = api::waiting(&state, &who).await?;
    Ok(bare(state.engine.words(), "waiting.html", context! { waiting => Serde(waiting) }, StatusCode::OK))
}

pub(super) async fn say(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(name): Path<String>,
    form: Form,
) -> Result<Redirect, Fault> {
    let post = post_of(&form, &name, None);
    api::accept_text(&state, &who, post).await?;
    Ok(back(form.get("back"), "/"))
}

/// A line typed into a page's form.
pub(super) fn post_of(form: &Form, channel: &str, thread: Option<String>) -> Post {
    let key = Some(form.get("key").to_owned());
    Post { channel: channel.to_owned(), thread, text: form.get("text").to_owned(), key }
}
