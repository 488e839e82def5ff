//! Slack's requests at our doors, for mode `http`: signed by Slack, or refused. What a request means is the business of
//! `inbound`.

use std::time::Duration;

use ring::hmac;
use serde_json::{Map, Value, json};

use super::inbound::Inbound;
use crate::chat::{Answer, Away, Knock};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// How far a request's moment may be from ours.
const WINDOW: Duration = Duration::from_secs(300);

/// Answers a request.
pub(super) async fn knock(inbound: &Inbound, secret: &Secret, now: Timestamp, knock: Knock<'_>) -> Answer {
    if !matches!(knock.door, "commands" | "interactions" | "events") {
        return Answer::status(404);
    }
    if !is_signed(secret, now, &knock) {
        tracing::warn!(door = knock.door, "a request that Slack did not sign, or not now");
        return Answer::status(401);
    }
    if let Ok(Some(_)) = header(&knock, "x-slack-retry-num") {
        came_again(header(&knock, "x-slack-retry-reason").ok().flatten().unwrap_or_default());
    }
    let Some(payload) = payload(&knock) else { return Answer::status(400) };
    let taken = match knock.door {
        "commands" => inbound.commands(payload).await,
        "interactions" => inbound.interactions(payload).await,
        _ if payload["type"] == "url_verification" => Ok(Some(json!({"challenge": payload["challenge"]}))),
        _ => inbound.events(payload).await.map(|()| None),
    };
    match taken {
        Ok(json) => Answer { status: 200, json },
        Err(Away(error)) => {
            tracing::warn!(door = knock.door, error, "a request of Slack's was not stored; it must come again");
            Answer::status(503)
        }
    }
}

/// Counts something that Slack sends again, by its reason.
pub(super) fn came_again(reason: &str) {
    const KNOWN: &[&str] = &[
        "http_timeout",
        "too_many_redirects",
        "connection_failed",
        "ssl_error",
        "http_error",
        "timeout",
        "unknown_error",
    ];
    let reason = KNOWN.iter().find(|known| **known == reason).copied().unwrap_or("other");
    metrics::counter!("sereno_slack_retries_total", "reason" => reason).increment(1);
}

/// Whether this is signed with our secret, over these very bytes, in the last minutes.
fn is_signed(secret: &Secret, now: Timestamp, knock: &Knock<'_>) -> bool {
    let stamp = header(knock, "x-slack-request-timestamp").ok().flatten();
    let signature = header(knock, "x-slack-signature").ok().flatten();
    let (Some(stamp), Some(signature)) = (stamp, signature) else { return false };
    let Some(at) = seconds(stamp) else { return false };
    if now.since(at).max(at.since(now)) > WINDOW {
        return false;
    }
    let Some(signature) = signature.strip_prefix("v0=").and_then(bytes) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let signed = [b"v0:", stamp.as_bytes(), b":", knock.body].concat();
    hmac::verify(&key, &signed, &signature).is_ok()
}

/// The one header of this name; two of them are a trick.
fn header<'a>(knock: &Knock<'a>, name: &str) -> Result<Option<&'a str>, ()> {
    let mut found = knock.headers.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(()),
    }
}

/// A moment in whole seconds, in digits alone.
fn seconds(text: &str) -> Option<Timestamp> {
    let sound = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<i64>().ok().filter(|_| sound).map(|seconds| Timestamp(seconds * 1000))
}

/// The 32 bytes of a signature in lower-case hex.
fn bytes(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// A body as JSON: events are, commands are a form, and interactions are JSON in a form.
fn payload(knock: &Knock<'_>) -> Option<Value> {
    if knock.door == "events" {
        return serde_json::from_slice(knock.body).ok();
    }
    let mut fields = form_urlencoded::parse(knock.body);
    if knock.door == "interactions" {
        return serde_json::from_str(&fields.find(|(name, _)| name == "payload")?.1).ok();
    }
    let fields = fields.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    Some(Value::Object(fields.collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const NOW: Timestamp = Timestamp(1_531_420_618_500);
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    /// As Slack's own page on verifying requests gives it.
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const STAMP: &str = "1531420618";

    fn signed(headers: &[(&str, &str)], body: &[u8]) -> bool {
        is_signed(&Secret::new(SECRET), NOW, &Knock { door: "commands", headers, body })
    }

    fn stamped<'a>(stamp: &'a str, signature: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("x-slack-request-timestamp", stamp), ("x-slack-signature", signature)]
    }

    #[test]
    fn the_example_of_slacks_own_page_is_signed() {
        assert!(signed(&stamped(STAMP, SIGNATURE), BODY));
    }

    #[test]
    fn what_is_malformed_is_not_signed() {
        let (upper, short) = (SIGNATURE.to_uppercase().replacen('V', "v", 1), &SIGNATURE[..66]);
        let (longer, wrong) = (format!("{SIGNATURE}0"), SIGNATURE.replacen('a', "b", 1));
        let twice = [stamped(STAMP, &wrong), stamped(STAMP, SIGNATURE)].concat();
        for (what, headers, body) in [
            ("no headers", vec![], BODY),
            ("no signature", vec![("x-slack-request-timestamp", STAMP)], BODY),
            ("no timestamp", vec![("x-slack-signature", SIGNATURE)], BODY),
            ("an empty signature", stamped(STAMP, ""), BODY),
            ("another version", stamped(STAMP, &SIGNATURE.replacen("v0", "v1", 1)), BODY),
            ("a bare signature", stamped(STAMP, &SIGNATURE[3..]), BODY),
            ("a wrong signature", stamped(STAMP, &wrong), BODY),
            ("a short signature", stamped(STAMP, short), BODY),
            ("a long signature", stamped(STAMP, &longer), BODY),
            ("upper case", stamped(STAMP, &upper), BODY),
            ("no hex", stamped(STAMP, "v0=zz114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"), BODY),
            ("no number", stamped("now", SIGNATURE), BODY),
            ("a sign", stamped("+1531420618", SIGNATURE), BODY),
            ("a negative moment", stamped("-1531420618", SIGNATURE), BODY),
            ("milliseconds", stamped("1531420618000", SIGNATURE), BODY),
            ("a huge moment", stamped("99999999999999999999", SIGNATURE), BODY),
            ("another moment", stamped("1531420619", SIGNATURE), BODY),
            ("another body", stamped(STAMP, SIGNATURE), b"text=rollback"),
            ("no body", stamped(STAMP, SIGNATURE), b""),
            ("two of each", twice, BODY),
        ] {
            assert!(!signed(&headers, body), "{what}");
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        for (away, good) in [(-301, false), (-300, true), (0, true), (299, true), (301, false)] {
            let now = Timestamp(1_531_420_618_000 + away * 1000);
            let headers = stamped(STAMP, SIGNATURE);
            let knock = Knock { door: "commands", headers: &headers, body: BODY };
            assert_eq!(is_signed(&Secret::new(SECRET), now, &knock), good, "{away} s");
        }
    }
}
