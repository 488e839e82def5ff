//! The service that breaks: a small shop, a process of its own, which serves whatever release is in place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::Failure;
use super::super::serve::listen;
use crate::executor::process::Service;

/// Starts the shop as a child process, which ends with this one.
///
/// # Errors
/// When this program cannot be started again.
pub fn start(address: &str, dir: &Path) -> Result<Service> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let dir = dir.display().to_string();
    Service::start(&program, &["demo-shop", address, &dir]).context("cannot start the shop")
}

/// What the child does: `sereno demo-shop ADDRESS FOLDER`.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(address: &str, dir: PathBuf) -> Result<ExitCode, Failure> {
    let listener = listen(address).await?;
    let health = dir.join("current/health.json");
    let release = health.clone();
    let routes = axum::Router::new()
        .route("/health", get(move || answer(health.clone(), true)))
        .route("/release", get(move || answer(release.clone(), false)));
    let parent_ended = async {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    };
    tokio::select! {
        served = axum::serve(listener, routes) => served.map_err(anyhow::Error::from)?,
        () = parent_ended => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// What the release says of itself; as a health answer, 503 unless it says ok.
async fn answer(path: PathBuf, judge: bool) -> Response {
    let said = tokio::fs::read_to_string(path).await.unwrap_or_default();
    let status = if judge && !said.contains("\"ok\"") { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, [(header::CONTENT_TYPE, "application/json")], said).into_response()
}
