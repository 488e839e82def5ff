//! Whether all is well: `/live` for "is the process there", `/ready` for "may it be sent work", `/health` for people
//! and dashboards, `/metrics` for Prometheus. Open to everybody on the listening address: they hold no names of people,
//! no texts and no secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::State;
use crate::store::{self, StoreError, inbox, messages};

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// It works, and something is wrong with it.
    Degraded,
    /// It does not work.
    Error,
}

#[derive(Serialize)]
struct Service {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Serialize)]
struct Health {
    status: Status,
    version: &'static str,
    services: BTreeMap<&'static str, Service>,
}

/// The routes of this file.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/live", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
}

/// Requests by state, and messages that their platform has not taken.
async fn look(state: &State) -> store::Result<(Vec<(inbox::DeliveryState, i64)>, i64)> {
    let mut db = state.engine.store.read().await?;
    Ok((inbox::counts(&mut db).await?, messages::undelivered(&mut db).await?))
}

async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    if state.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    // Asked every few seconds: no counting over all that ever came in.
    match state.engine.store.ping().await {
        Ok(()) => "ok\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database is away\n").into_response(),
    }
}

async fn health(Shared(state): Shared<Arc<State>>) -> Response {
    let seen = look(&state).await;
    let well = || Service { status: Status::Ok, message: None };
    let mut services = BTreeMap::from(["store", "console", "inbox", "outbox"].map(|name| (name, well())));
    services.insert(
        "catalog",
        match state.refused.load_full() {
            None => well(),
            Some(why) => Service { status: Status::Degraded, message: Some(why.to_string()) },
        },
    );
    match seen {
        Err(error) => {
            services.insert("store", Service { status: Status::Error, message: Some(public(&error).to_owned()) });
        }
        Ok((counts, undelivered)) => {
            let failed = counts.iter().find(|(state, _)| *state == inbox::DeliveryState::Failed);
            if let Some((_, failed @ 1..)) = failed {
                // Told, and no alarm: they stay until somebody looks, while all else works.
                let message = format!("{failed} requests were given up on; see `sereno doctor`");
                services.insert("inbox", Service { status: Status::Ok, message: Some(message) });
            }
            if undelivered > 0 {
                let message = format!("{undelivered} messages wait for their platform");
                services.insert("outbox", Service { status: Status::Degraded, message: Some(message) });
            }
        }
    }
    let status = services.values().map(|service| service.status).max().unwrap_or(Status::Ok);
    let code = if status == Status::Error { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(Health { status, version: env!("CARGO_PKG_VERSION"), services })).into_response()
}

/// What may be told to everybody: a driver's own words can name hosts and users.
fn public(error: &StoreError) -> &'static str {
    match error {
        StoreError::Away(_) => "it does not answer",
        StoreError::Refused(_) => "it answers with errors",
        StoreError::Unreadable(_) => "it holds something unreadable",
        StoreError::Unusable(_) => "it cannot be used",
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    metrics::gauge!("sereno_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let seen = look(&state).await;
    metrics::gauge!("sereno_store_up").set(if seen.is_ok() { 1.0 } else { 0.0 });
    if let Ok((counts, undelivered)) = seen {
        for state in inbox::DeliveryState::ALL {
            let count = counts.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
            metrics::gauge!("sereno_inbox", "state" => state.as_str()).set(count as f64);
        }
        metrics::gauge!("sereno_outbox_undelivered").set(undelivered as f64);
    }
    state.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render()).into_response()
}
