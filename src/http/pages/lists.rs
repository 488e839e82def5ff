//! Runs and incidents, as lists and one by one.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::Response;
use minijinja::context;
use minijinja::value::Serde;

use super::{frame, framed};
use crate::http::State;
use crate::http::access::Who;
use crate::http::api;
use crate::http::fault::Fault;

pub(super) async fn runs(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let runs = api::runs(&state).await?;
    Ok(framed(&state, "runs.html", frame, context! { runs => Serde(runs) }))
}

pub(super) async fn run(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let run = api::run(&state, id).await?;
    Ok(framed(&state, "run.html", frame, context! { run => Serde(run) }))
}

pub(super) async fn incidents(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let incidents = api::incidents(&state).await?;
    Ok(framed(&state, "incidents.html", frame, context! { incidents => Serde(incidents) }))
}

pub(super) async fn incident(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let incident = api::incident(&state, id).await?;
    Ok(framed(&state, "incident.html", frame, context! { incident => Serde(incident) }))
}
