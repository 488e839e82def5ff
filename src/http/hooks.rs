//! `POST /hooks/<name>`: an alert source hands a body in. Who it is comes first, then how much, then what; it is
//! acknowledged only after it is stored. A body that is JSON but odd is stored all the same: senders take a 4xx as
//! final, and the engine shows what it could not read.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use super::fault::Fault;
use super::{State, body};
use crate::id::DeliveryId;
use crate::store::inbox::Input;

/// Largest alert body.
const HOOK_BYTES: usize = 1024 * 1024;
/// Longest idempotency key.
const KEY_BYTES: usize = 200;

/// The hooks' routes.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/hooks/{name}", post(receive))
}

async fn receive(Shared(state): Shared<Arc<State>>, Path(name): Path<String>, request: Request) -> Response {
    let result = accept(&state, &name, request).await;
    let outcome = match &result {
        Ok(_) => "accepted",
        Err(Fault::Secret) => "refused",
        Err(Fault::Busy | Fault::Away | Fault::Broken) => "deferred",
        Err(_) => "malformed",
    };
    // A name that nobody configured is not put into a label: strangers would fill the memory with them.
    let hook = if matches!(result, Err(Fault::Secret)) { "unknown".to_owned() } else { name };
    metrics::counter!("sereno_hook_requests_total", "hook" => hook, "outcome" => outcome).increment(1);
    match result {
        Ok(id) => (StatusCode::ACCEPTED, axum::Json(json!({ "id": id }))).into_response(),
        Err(fault) => fault.into_response(),
    }
}

async fn accept(state: &State, name: &str, request: Request) -> Result<DeliveryId, Fault> {
    if !state.access.load().hook(name, request.headers()) {
        return Err(Fault::Secret);
    }
    if state.sources.check_key(&name.to_owned()).is_err() {
        return Err(Fault::Busy);
    }
    let key = key(name, request.headers());
    let bytes = body::read(state, request.into_body(), HOOK_BYTES).await?;
    let Shape(is_object) = serde_json::from_slice(&bytes).map_err(|error| Fault::Malformed(error.to_string()))?;
    if !is_object {
        return Err(Fault::NotObject);
    }
    let body = String::from_utf8(bytes.into()).map_err(|error| Fault::Malformed(error.to_string()))?;
    let stored = state.engine.accept(key, Input::Hook { hook: name.to_owned(), body }).await;
    // Whatever the database says, the sender keeps the alert and tries again.
    stored.map_err(|error| {
        tracing::error!(%error, hook = name, "an alert body was not stored; its sender is asked to send it again");
        Fault::Away
    })
}

/// The same key twice is the same request. A source that numbers its requests says so in `Idempotency-Key`; otherwise
/// each request is one of its own, because equal bodies are not the same news: firing, resolved, firing again must all
/// count, and a repeated body changes nothing once its alerts are known by their fingerprints.
fn key(name: &str, headers: &HeaderMap) -> String {
    let sent = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let sent = sent.filter(|key| !key.is_empty() && key.len() <= KEY_BYTES);
    // Our own begins with what grows, so that the index over keys grows at its end.
    sent.map_or_else(|| format!("hook:{}", DeliveryId::new()), |key| format!("hook:{name}:key:{key}"))
}

/// Proof that a text is JSON within the parser's depth limit, read without keeping it; tells whether it is an object.
struct Shape(bool);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape(false))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        while items.next_element::<Shape>()?.is_some() {}
        Ok(Shape(false))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Shape, A::Error> {
        while pairs.next_entry::<Shape, Shape>()?.is_some() {}
        Ok(Shape(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Option<bool> {
        serde_json::from_str(text).ok().map(|Shape(object)| object)
    }

    #[test]
    fn objects_are_told_from_other_json_and_from_noise() {
        assert_eq!(shape(r#"{"alerts": [1, -2, 3.5, null, true, "x", {"a": {}}]}"#), Some(true));
        assert_eq!(shape("[{}]"), Some(false));
        assert_eq!(shape("null"), Some(false));
        for noise in ["", "{", "{\"a\":}", "{}{}", "alerts=1", "\u{0}", "{\"a\": NaN}"] {
            assert_eq!(shape(noise), None, "{noise:?}");
        }
        assert!(serde_json::from_slice::<Shape>(b"{\"a\": \"\xff\xfe\"}").is_err(), "bytes that are no text");
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(shape(&nested(100)), Some(true));
        assert_eq!(shape(&nested(200)), None);
        assert_eq!(shape(&nested(100_000)), None);
    }

    #[test]
    fn a_source_may_number_its_requests() {
        let of = |key: &str| {
            let headers = [("idempotency-key".parse().unwrap(), key.parse().unwrap())].into_iter().collect();
            super::key("am", &headers)
        };
        assert_eq!(of("7"), of("7"));
        assert_ne!(of("7"), of("8"));
        assert_ne!(of(""), of(""));
        assert_ne!(super::key("am", &HeaderMap::new()), super::key("am", &HeaderMap::new()));
    }
}
