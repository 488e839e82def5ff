//! Signing in and out. A one-time link opens a page whose button signs in, so that neither a preview nor a prefetch
//! uses it up; a session is a random token in a cookie that other sites' pages cannot send. Only digests are stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use minijinja::context;
use serde::Deserialize;

use super::access::{self, COOKIE};
use super::body::ShortForm;
use super::fault::Fault;
use super::serve::Peer;
use super::{State, pages, view};
use crate::domain::actor::PersonId;
use crate::domain::digest;
use crate::secret::Secret;
use crate::store::sessions;

/// How long a session lasts.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);

/// The routes of this file.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/sign-in", get(page).post(sign_in)).route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// The page: with a button for a one-time link, with a field for a token otherwise. Changes nothing.
async fn page(Shared(state): Shared<Arc<State>>, Query(asked): Query<Asked>) -> Response {
    let values = context! { link => asked.token, next => asked.next };
    pages::bare(state.engine.words(), "sign_in.html", values, StatusCode::OK)
}

async fn sign_in(
    Shared(state): Shared<Arc<State>>,
    peer: Peer,
    headers: HeaderMap,
    form: ShortForm,
) -> Result<Response, Fault> {
    let settings = state.engine.settings.load_full();
    if !access::is_ours(&headers, &settings.public_url, true) {
        return Err(Fault::Foreign);
    }
    let link = form.get("link");
    let person = if link.is_empty() {
        let token = form.get("token").trim();
        access::by_token(&state, peer, token)?.ok_or(Fault::Unknown)?
    } else {
        access::guarded(&state, peer, link)?;
        let redeemed = redeem(&state, link).await;
        if matches!(redeemed, Err(Fault::StaleLink)) {
            access::wrong(&state, peer);
        }
        redeemed?
    };
    if !settings.knows(&person) {
        return Err(Fault::Unknown);
    }
    let session = Secret::generate();
    let until = state.engine.clock.now().after(SESSION_LIFE);
    let mut tx = state.engine.store.begin().await?;
    sessions::begin(&mut tx, &digest::sha256(session.reveal().as_bytes()), &person, until).await?;
    tx.commit().await?;
    tracing::info!(person, "signed in to the console");
    let next = Some(form.get("next")).filter(|next| view::is_our_path(next)).unwrap_or("/");
    Ok(with_cookie(next, session.reveal(), SESSION_LIFE, &settings.public_url))
}

async fn redeem(state: &State, link: &str) -> Result<PersonId, Fault> {
    let mut tx = state.engine.store.begin().await?;
    let person = sessions::redeem(&mut tx, &digest::sha256(link.as_bytes()), state.engine.clock.now()).await?;
    tx.commit().await?;
    person.ok_or(Fault::StaleLink)
}

async fn sign_out(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Result<Response, Fault> {
    let public_url = state.engine.settings.load().public_url.clone();
    if !access::is_ours(&headers, &public_url, false) {
        return Err(Fault::Foreign);
    }
    if let Some(session) = access::session_of(&headers) {
        let mut tx = state.engine.store.begin().await?;
        sessions::end(&mut tx, &digest::sha256(session.as_bytes())).await?;
        tx.commit().await?;
    }
    Ok(with_cookie("/sign-in", "", Duration::ZERO, &public_url))
}

/// Goes to a page of ours and sets the session's cookie.
fn with_cookie(next: &str, token: &str, life: Duration, public_url: &str) -> Response {
    let secure = if public_url.starts_with("https://") { "; Secure" } else { "" };
    let age = life.as_secs();
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    (StatusCode::SEE_OTHER, [(header::LOCATION, next.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_closed_to_scripts_and_to_other_sites() {
        let of = |url| {
            let response = with_cookie("/", "t", SESSION_LIFE, url);
            response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned()
        };
        let plain = "sereno_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200";
        assert_eq!(of("http://127.0.0.1:8080"), plain);
        assert_eq!(of("https://ops.example.com"), format!("{plain}; Secure"));
    }
}
