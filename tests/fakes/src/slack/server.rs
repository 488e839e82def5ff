//! The service on loopback: routes, and the ways in which an answer does not come.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::calls::{self, Outcome};
use super::{Shared, hooks, page, socket};

/// On a response that must never be sent.
#[derive(Clone, Copy)]
struct Cut;

/// Larger bodies are not read.
const BODY: usize = 64 << 20;

/// Serves until it is aborted.
pub(crate) async fn serve(listener: TcpListener, shared: Shared) {
    let router = Router::new()
        .route("/api/{method}", any(api))
        .route("/upload/v1/{id}", post(upload))
        .route("/hook/{team}/{key}", post(hook))
        .route("/link/", get(link))
        .merge(page::routes())
        .with_state(shared);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let router = router.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let router = router.clone();
            async move {
                let response =
                    router.oneshot(request.map(Body::new)).await.unwrap_or_else(|error: Infallible| match error {});
                // An error of the service ends the connection without a word.
                let cut = response.extensions().get::<Cut>().is_some();
                if cut { Err(std::io::Error::other("cut")) } else { Ok(response) }
            }
        });
        connections.spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = serving.with_upgrades().await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn cut() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Cut);
    response
}

/// JSON with a status.
fn answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let text = if body.is_null() { String::new() } else { body.to_string() };
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
}

async fn give(shared: &Shared, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Cut => cut(),
        Outcome::Hang => std::future::pending().await,
        Outcome::Answer { status, retry_after, body } => {
            let mut response = answer(status, &body);
            let headers = response.headers_mut();
            if let Some(after) = retry_after {
                headers.insert(header::RETRY_AFTER, after.into());
            }
            let scopes = shared.with(|world| world.app.scopes.iter().cloned().collect::<Vec<_>>().join(","));
            if let Ok(scopes) = scopes.parse() {
                headers.insert("x-oauth-scopes", scopes);
            }
            response
        }
    }
}

fn word<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn api(State(shared): State<Shared>, Path(method): Path<String>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else { return cut() };
    let outcome = shared.with(|world| {
        let request = calls::Request {
            post: parts.method == axum::http::Method::POST,
            name: &method,
            query: parts.uri.query().unwrap_or_default(),
            content_type: word(&parts.headers, "content-type"),
            bearer: word(&parts.headers, "authorization").strip_prefix("Bearer "),
            body: &body,
        };
        calls::call(world, &request)
    });
    give(&shared, outcome).await
}

/// The bytes of a file; as they are, or as one part of a form.
async fn upload(State(shared): State<Shared>, Path(id): Path<String>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else { return cut() };
    let bytes = match word(&parts.headers, "content-type").split_once("boundary=") {
        Some((_, boundary)) => part(&body, boundary.trim_matches('"')).unwrap_or_default(),
        None => body.to_vec(),
    };
    let outcome = shared.with(|world| {
        let length = bytes.len();
        hooks::troubled(world, "upload", json!({"file": id, "length": length}), |world| {
            let file = world.files.iter_mut().find(|file| file.id == id && !file.completed);
            match file {
                Some(file) if file.length == length => {
                    file.bytes = Some(bytes);
                    (200, Value::String(format!("OK - {length}")))
                }
                Some(_) => (400, json!("length does not match")),
                None => (404, json!("no such upload")),
            }
        })
    });
    give(&shared, outcome).await
}

/// The first part of a multipart body.
fn part(body: &[u8], boundary: &str) -> Option<Vec<u8>> {
    let find =
        |from: usize, what: &[u8]| body.get(from..)?.windows(what.len()).position(|at| at == what).map(|at| at + from);
    let start = find(0, b"\r\n\r\n")? + 4;
    let end = find(start, format!("\r\n--{boundary}").as_bytes())?;
    body.get(start..end).map(<[u8]>::to_vec)
}

async fn hook(
    State(shared): State<Shared>,
    Path((_, key)): Path<(String, String)>,
    body: axum::body::Bytes,
) -> Response {
    let outcome = shared.with(|world| hooks::respond(world, &key, &body));
    give(&shared, outcome).await
}

async fn link(
    State(shared): State<Shared>,
    Query(query): Query<std::collections::HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let ticket = query.get("ticket").cloned().unwrap_or_default();
    let (down, until, now) =
        shared.with(|world| (world.down, world.sockets.tickets.remove(&ticket), world.clock.now()));
    if down {
        return cut();
    }
    if until.is_none_or(|until| now > until) {
        return answer(401, &json!({"ok": false, "error": "invalid_auth"}));
    }
    upgrade.on_upgrade(move |socket| socket::serve(socket, shared))
}
