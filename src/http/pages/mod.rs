//! The console's pages: HTML made here, readable without scripts. Templates escape every value; a page shows what the
//! API would tell the same person.

mod channel;
mod drawing;
mod lists;
#[cfg(test)]
mod look;
mod runbooks;
mod templates;
mod thread;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::access::{self, Who};
use super::fault::Fault;
use super::{State, api};
use crate::store::{incidents, messages};
use crate::words::Words;

/// The pages' routes.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/", get(channel::home))
        .route("/c/{channel}", get(channel::page).post(channel::say))
        .route("/waiting", get(channel::waiting))
        .route("/m/{id}", get(thread::page).post(thread::say))
        .route("/m/{id}/card", get(thread::card))
        .route("/m/{id}/press", axum::routing::post(thread::press))
        .route("/runs", get(lists::runs))
        .route("/runs/{id}", get(lists::run))
        .route("/incidents", get(lists::incidents))
        .route("/incidents/{id}", get(lists::incident))
        .route("/runbooks", get(runbooks::list))
        .route("/runbooks/{pack}/{name}", get(runbooks::page).post(runbooks::ask))
        .route("/assets/{file}", get(asset))
}

/// What stands around a page. Made before the page's own content is read: the live view begins at its revision, so
/// that nothing is missed between the two.
async fn frame(state: &State, who: &Who) -> Result<Value, Fault> {
    let actor = who.actor(state)?;
    let name = state.engine.settings.load().name_of(&actor.id).to_owned();
    let mut db = state.engine.store.read().await?;
    let revision = messages::revision(&mut db).await?;
    let open = incidents::unresolved(&mut db).await?.len();
    drop(db);
    Ok(context! {
        frame => context! { name, revision, open_incidents => open, channels => Serde(api::channel_list(state)) },
    })
}

/// A page inside its frame.
fn framed(state: &State, template: &str, frame: Value, values: Value) -> Response {
    bare(state.engine.words(), template, context! { ..frame, ..values }, StatusCode::OK)
}

/// A page, or a piece of one, on its own.
pub(super) fn bare(words: Words, template: &str, values: Value, status: StatusCode) -> Response {
    match templates::render(words, template, values) {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), template, "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, Fault::Broken.say(words).0).into_response()
        }
    }
}

/// What people see when a request is not served: the sign-in page where nobody is signed in, or why not.
pub(super) fn refuse(fault: &Fault, words: Words, target: &str, headers: &HeaderMap) -> Response {
    let (message, hint) = fault.say(words);
    let page = match fault {
        // A link in another site's page comes without the cookie, which is strict; our own page asks once more with it.
        Fault::Unknown if arrived_from_elsewhere(headers) => bare(words, "again.html", context! {}, StatusCode::OK),
        Fault::Unknown | Fault::StaleLink => {
            let tried = target.starts_with("/sign-in");
            let next = if tried { "/" } else { target };
            let problem = tried.then(|| format!("{message} {hint}"));
            bare(words, "sign_in.html", context! { next, problem, link => "" }, StatusCode::UNAUTHORIZED)
        }
        _ => bare(words, "fault.html", context! { message, hint }, StatusCode::OK),
    };
    fault.dress(page)
}

/// Whether a browser followed a link on another site, so that it kept our cookie back.
fn arrived_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    let going = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    site && going && access::session_of(headers).is_none()
}

/// Back to the page that a form was on.
fn back(path: &str, or: &str) -> Redirect {
    Redirect::to(if super::view::is_our_path(path) { path } else { or })
}

/// A channel's path.
fn path_of(channel: &str) -> String {
    let name = channel.strip_prefix('#').unwrap_or(channel);
    let mut path = "/c/".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

async fn asset(axum::extract::Path(file): axum::extract::Path<String>) -> Result<Response, Fault> {
    let (kind, bytes) = templates::asset(&file).ok_or(Fault::Missing)?;
    let keep = "public, max-age=31536000, immutable";
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], bytes).into_response())
}
