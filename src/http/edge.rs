//! What every request passes on its way in, whose it is, and every answer on its way out: counted, worded where it is a
//! refusal, and dressed in the headers that tell browsers what they must not do.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use super::fault::Fault;
use super::serve::Peer;
use super::{State, client, pages};

/// Scripts and styles come from our own files only, so that a text that slips through as markup still does nothing.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Sent with every answer. `same-origin`, not `no-referrer`: with the latter browsers call the origin of our own forms
/// `null`.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Puts the layers around the routes.
pub(super) fn layers(routes: Router<Arc<State>>, state: &Arc<State>) -> Router<Arc<State>> {
    routes
        .layer(CatchPanicLayer::custom(|_| Fault::Broken.into_response()))
        .layer(from_fn_with_state(Arc::clone(state), leave))
        .layer(from_fn_with_state(Arc::clone(state), arrive))
}

/// From here on a request is its client's, whatever proxies it came through.
async fn arrive(Shared(state): Shared<Arc<State>>, peer: Peer, mut request: Request, next: Next) -> Response {
    let client = client::address(peer.0, request.headers(), &state.proxies);
    request.extensions_mut().insert(Peer(client));
    next.run(request).await
}

async fn leave(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_label(request.method());
    let for_people = is_page(request.uri().path()) && !wants_json(request.headers());
    // What was sent is not sent again by going there.
    let again = request.method() == Method::GET || request.uri().path() == "/sign-in";
    let target = request.uri().path_and_query().filter(|_| again).map(ToString::to_string);
    let page = for_people.then(|| (target, request.headers().clone()));

    let mut response = next.run(request).await;
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let words = state.engine.words();
        response = match page {
            Some((target, headers)) => pages::refuse(&fault, words, target.as_deref().unwrap_or("/"), &headers),
            None => fault.as_json(words),
        };
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));

    let status = response.status().as_u16().to_string();
    let labels = [("method", method.to_owned()), ("route", route), ("status", status)];
    metrics::counter!("sereno_http_requests_total", &labels).increment(1);
    metrics::histogram!("sereno_http_request_seconds", "route" => labels[1].1.clone()).record(started.elapsed());
    response
}

/// A method for the metrics. Anybody may make up others, and each would be a series that stays.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Whether people look there with a browser.
fn is_page(path: &str) -> bool {
    let program = ["/api/", "/hooks/", "/health", "/live", "/ready", "/metrics"];
    !program.iter().any(|start| path.starts_with(start))
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.starts_with("application/json")
}
