//! Reading a request's body: never more than a limit, never longer than a deadline, and only when a handler asks for it,
//! which is after the sender was recognized.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::State;
use super::fault::Fault;

/// Largest body of the API and of forms.
const FORM_BYTES: usize = 64 * 1024;

/// The body, whole.
///
/// # Errors
/// Too large, too slow, or cut off.
pub(super) async fn read(state: &State, body: Body, limit: usize) -> Result<Bytes, Fault> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Fault::TooLarge(limit));
    }
    let whole = async {
        let (mut parts, mut bytes) = (body.into_data_stream(), Vec::new());
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| Fault::Malformed(error.to_string()))?;
            if bytes.len() + part.len() > limit {
                return Err(Fault::TooLarge(limit));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Bytes::from(bytes))
    };
    tokio::time::timeout(state.limits.body, whole).await.unwrap_or(Err(Fault::TooSlow))
}

/// A JSON body of the API.
pub(super) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<State>> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Fault> {
        let bytes = read(state, request.into_body(), FORM_BYTES).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Fault::Malformed(error.to_string()))
    }
}

/// A form's fields, in the order in which they were sent.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// A field's value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every field whose name starts with `prefix`, without it.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

impl FromRequest<Arc<State>> for Form {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Fault> {
        let bytes = read(state, request.into_body(), FORM_BYTES).await?;
        let again = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(bytes))
            .map_err(|error| Fault::Malformed(error.to_string()))?;
        let fields = axum::Form::from_request(again, &()).await;
        fields.map(|axum::Form(fields)| Self(fields)).map_err(|error| Fault::Malformed(error.to_string()))
    }
}
