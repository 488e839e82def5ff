//! Delivery by signed HTTP. Pages: <https://docs.slack.dev/authentication/verifying-requests-from-slack>,
//! <https://docs.slack.dev/apis/events-api/using-http-request-urls>.

use ring::hmac;
use serde_json::{Value, json};

use super::Shared;
use super::deliver::{Door, Sent};
use crate::http;

/// Ways to sign that an app must not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Badly {
    /// With another secret.
    WrongSecret,
    /// Rightly, so many seconds ago; negative is in the future.
    Old(i64),
    /// Rightly, over a body that is this much longer.
    Oversize(usize),
    /// With this in place of the signature.
    Header(String),
}

/// `v0=…` over `v0:timestamp:body`.
#[must_use]
pub fn sign(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("v0:{timestamp}:").as_bytes());
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={hex}")
}

/// The body of a delivery and its type.
fn body(door: Door, payload: &Value, padding: usize) -> (Vec<u8>, &'static str) {
    const FORM: &str = "application/x-www-form-urlencoded";
    let padding = "x".repeat(padding);
    let mut form = form_urlencoded::Serializer::new(String::new());
    match door {
        Door::Command => {
            for (name, value) in payload.as_object().into_iter().flatten() {
                form.append_pair(name, value.as_str().unwrap_or_default());
            }
        }
        Door::Interaction => drop(form.append_pair("payload", &payload.to_string())),
        Door::Event => {
            let mut payload = payload.clone();
            if !padding.is_empty() {
                payload["padding"] = json!(padding);
            }
            return (payload.to_string().into_bytes(), "application/json");
        }
    }
    if !padding.is_empty() {
        form.append_pair("padding", &padding);
    }
    (form.finish().into_bytes(), FORM)
}

/// Posts one delivery to a base URL. `retry` is its number and reason.
pub(crate) async fn post(shared: &Shared, base: &str, door: Door, payload: &Value, retry: (u32, &str)) -> Sent {
    let start = shared.clock.now();
    let (secret, badly) = shared.with(|world| {
        let badly = if world.badly.is_empty() { None } else { Some(world.badly.remove(0)) };
        (world.app.signing_secret.clone(), badly)
    });
    let padding = if let Some(Badly::Oversize(bytes)) = &badly { *bytes } else { 0 };
    let (body, kind) = body(door, payload, padding);
    let timestamp = start / 1000 - if let Some(Badly::Old(seconds)) = &badly { *seconds } else { 0 };
    let signature = match &badly {
        Some(Badly::WrongSecret) => sign("another secret", timestamp, &body),
        Some(Badly::Header(text)) => text.clone(),
        _ => sign(&secret, timestamp, &body),
    };
    let (timestamp, number) = (timestamp.to_string(), retry.0.to_string());
    let mut headers = vec![
        ("content-type", kind),
        ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
        ("x-slack-request-timestamp", &timestamp),
        ("x-slack-signature", &signature),
    ];
    if retry.0 > 0 {
        headers.extend([("x-slack-retry-num", number.as_str()), ("x-slack-retry-reason", retry.1)]);
    }
    let url = format!("{base}{}", door.path());
    tokio::select! {
        answer = http::send("POST", &url, &headers, body) => Sent::answered(answer, shared.clock.now() - start),
        () = shared.late(start) => Sent::failed("http_timeout", shared.clock.now() - start),
    }
}
