//! Runs and incidents, as lists and one by one.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;

use super::framed;
use crate::http::State;
use crate::http::access::Who;
use crate::http::api;
use crate::http::fault::Fault;

pub(super) async fn runs(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let runs = api::runs(&state).await?;
    framed(&state, &who, "runs.html", context! { runs => Serde(runs) }).await
}

pub(super) async fn run(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let run = api::run(&state, id).await?;
    framed(&state, &who, "run.html", context! { run => Serde(run) }).await
}

pub(super) async fn incidents(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let incidents = api::incidents(&state).await?;
    framed(&state, &who, "incidents.html", context! { incidents => Serde(incidents) }).await
}

pub(super) async fn incident(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let incident = api::incident(&state, id).await?;
    framed(&state, &who, "incident.html", context! { incident => Serde(incident) }).await
}
