//! The doors of chat platforms that send requests: `POST /slack/<door>`. Who sent it, and what it means, is the platform's
//! business; its body is bounded, and read only if the head may be the platform's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::fault::Fault;
use super::{State, body};
use crate::chat::{House, Knock};
use crate::domain::actor::Platform;

/// Largest request of a platform.
const KNOCK_BYTES: usize = 1024 * 1024;

/// The platforms' doors.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/slack/{door}", post(async |state, door, request| knock(Platform::Slack, state, door, request).await))
}

async fn knock(
    platform: Platform,
    Shared(state): Shared<Arc<State>>,
    Path(door): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let chat = state.engine.chat(platform).ok_or(Fault::Missing)?;
    let (head, body) = request.into_parts();
    let text = |value: &axum::http::HeaderValue| value.to_str().map(str::to_owned).ok();
    let headers: Vec<(String, String)> =
        head.headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let head = Knock { door: &door, headers: &headers, body: &[] };
    let answer = match chat.turn_away(head) {
        Some(answer) => answer,
        None => {
            let body = body::read_unproved(&state, body, KNOCK_BYTES).await?;
            let house: Arc<dyn House> = state.engine.clone();
            chat.knock(house, Knock { body: &body, ..head }).await
        }
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(match answer.json {
        Some(json) => (status, axum::Json(json)).into_response(),
        None => status.into_response(),
    })
}
