//! Reading a request's body: never more than a limit, never longer than a deadline, and only when a handler asks for it,
//! which is after the sender was recognized.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use tokio::sync::SemaphorePermit;

use super::State;
use super::fault::Fault;

/// Largest body of the API and of forms.
const FORM_BYTES: usize = 64 * 1024;
/// What each sender who is not known yet may send without asking; so much for as many connections as there may be.
const SHORT: usize = 12 * 1024;
/// Bytes that all of them may hold together beyond that.
pub(super) const UNPROVED: usize = 12 * 1024 * 1024;

/// The body, whole, of a sender who is known.
///
/// # Errors
/// Too large, too slow, or cut off.
pub(super) async fn read(state: &State, body: Body, limit: usize) -> Result<Bytes, Fault> {
    collect(state, body, limit, &mut |_| Ok(())).await
}

/// The body, whole, of a sender who proves by it who they are. What is longer than short takes its part of a budget that
/// all of them share.
///
/// # Errors
/// As [`read`], or when the budget is used up.
pub(super) async fn read_unproved(state: &State, body: Body, limit: usize) -> Result<Bytes, Fault> {
    let mut held: Option<SemaphorePermit<'_>> = None;
    let mut take = |bytes: usize| {
        let more = bytes.saturating_sub(SHORT + held.as_ref().map_or(0, SemaphorePermit::num_permits));
        let more = state.unproved.try_acquire_many(u32::try_from(more).unwrap_or(u32::MAX)).map_err(|_| Fault::Busy)?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        Ok(())
    };
    collect(state, body, limit, &mut take).await
}

/// All parts; `take` hears how long they are together before each is kept.
async fn collect(
    state: &State,
    body: Body,
    limit: usize,
    take: &mut (dyn FnMut(usize) -> Result<(), Fault> + Send),
) -> Result<Bytes, Fault> {
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
            take(bytes.len() + part.len())?;
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
pub(super) struct Form<const BYTES: usize = FORM_BYTES>(Vec<(String, String)>);

/// A form of somebody who is not known yet.
pub(super) type ShortForm = Form<SHORT>;

impl<const BYTES: usize> Form<BYTES> {
    /// A field's value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Every field whose name starts with `prefix`, without it.
    pub(super) fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

impl<const BYTES: usize> FromRequest<Arc<State>> for Form<BYTES> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Fault> {
        let bytes = read(state, request.into_body(), BYTES).await?;
        let again = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(bytes))
            .map_err(|error| Fault::Malformed(error.to_string()))?;
        let fields = axum::Form::from_request(again, &()).await;
        fields.map(|axum::Form(fields)| Self(fields)).map_err(|error| Fault::Malformed(error.to_string()))
    }
}
