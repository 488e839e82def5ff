//! Slack's requests at our doors, for mode `http`: signed by Slack, or refused. What a request means is the business of
//! `inbound`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::hmac;
use serde_json::{Map, Value, json};

use super::inbound::Inbound;
use crate::chat::{Answer, Away, Knock};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// How far a request's moment may be from ours.
const WINDOW: Duration = Duration::from_secs(300);

/// Between two lines of the log about requests that are not Slack's: anybody may send as many as they like.
const TELLS: Duration = Duration::from_secs(60);

/// Lets in what Slack signed.
pub(super) struct Guard {
    secret: Secret,
    told: Seldom,
}

/// Why a request is not Slack's.
#[derive(Debug, PartialEq, Eq)]
enum Unsigned {
    /// It has no signature, or none that could be one.
    Malformed,
    /// Its moment is so far from ours.
    NotNow(Duration),
    /// It is signed with another secret, or over something else.
    Otherwise,
}

impl Guard {
    pub fn new(secret: Secret) -> Self {
        Self { secret, told: Seldom::default() }
    }

    /// Answers a request whose head cannot be one of Slack's.
    pub fn turn_away(&self, clock: &Clock, knock: &Knock<'_>) -> Option<Answer> {
        if !matches!(knock.door, "commands" | "interactions" | "events") {
            return Some(Answer::status(404));
        }
        let why = signed(clock.now(), knock).err()?;
        self.tell(&why, clock.steady(), knock.door);
        Some(Answer::status(401))
    }

    /// Answers a request that was not turned away.
    pub async fn knock(&self, inbound: &Inbound, clock: &Clock, knock: Knock<'_>) -> Answer {
        if let Err(why) = verify(&self.secret, clock.now(), &knock) {
            self.tell(&why, clock.steady(), knock.door);
            return Answer::status(401);
        }
        answer(inbound, knock).await
    }

    /// Says what is probably wrong, and where to look.
    fn tell(&self, why: &Unsigned, now: Duration, door: &str) {
        let Some(left_out) = self.told.look(now) else { return };
        match why {
            Unsigned::Malformed => tracing::warn!(
                door,
                left_out,
                "a request without Slack's signature is refused: it is not Slack's, or a proxy drops X-Slack-Signature"
            ),
            Unsigned::NotNow(away) => tracing::warn!(
                door,
                left_out,
                away = ?away,
                "a request that was not signed now is refused: look whether this machine's clock is right"
            ),
            Unsigned::Otherwise => tracing::warn!(
                door,
                left_out,
                "a request with a wrong signature is refused: compare slack.signing_secret with the Signing Secret \
                 under “Basic Information”, “App Credentials” at api.slack.com/apps; if it is the same, it is not Slack's"
            ),
        }
    }
}

/// What is said now and then, however often there is reason: when it was last said, and what was left out since.
#[derive(Default)]
struct Seldom(Mutex<Option<(Duration, u64)>>);

impl Seldom {
    /// Whether to say it at this moment of [`Clock::steady`], and how many were left out before.
    fn look(&self, now: Duration) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_mut() {
            Some((at, left_out)) if now.saturating_sub(*at) < TELLS => {
                *left_out += 1;
                None
            }
            _ => Some(last.replace((now, 0)).map_or(0, |(_, left_out)| left_out)),
        }
    }
}

/// Answers a request that is Slack's.
async fn answer(inbound: &Inbound, knock: Knock<'_>) -> Answer {
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

/// What a request's head says of its signature, if it can be one of the last minutes: the stamp as it is signed, and the
/// signature.
fn signed<'k>(now: Timestamp, knock: &Knock<'k>) -> Result<(&'k str, [u8; 32]), Unsigned> {
    let stamp = header(knock, "x-slack-request-timestamp").ok().flatten().ok_or(Unsigned::Malformed)?;
    let signature = header(knock, "x-slack-signature").ok().flatten().ok_or(Unsigned::Malformed)?;
    let at = seconds(stamp).ok_or(Unsigned::Malformed)?;
    let away = now.since(at).max(at.since(now));
    if away > WINDOW {
        return Err(Unsigned::NotNow(away));
    }
    let signature = signature.strip_prefix("v0=").and_then(bytes).ok_or(Unsigned::Malformed)?;
    Ok((stamp, signature))
}

/// Whether this is signed with our secret, over these very bytes, in the last minutes; or why not.
fn verify(secret: &Secret, now: Timestamp, knock: &Knock<'_>) -> Result<(), Unsigned> {
    let (stamp, signature) = signed(now, knock)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let signed = [b"v0:", stamp.as_bytes(), b":", knock.body].concat();
    hmac::verify(&key, &signed, &signature).map_err(|_| Unsigned::Otherwise)
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
        verify(&Secret::new(SECRET), NOW, &Knock { door: "commands", headers, body }).is_ok()
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
    fn the_log_tells_a_wrong_secret_from_a_wrong_clock() {
        let headers = stamped(STAMP, SIGNATURE);
        let knock = Knock { door: "commands", headers: &headers, body: BODY };
        assert_eq!(verify(&Secret::new("of another app"), NOW, &knock), Err(Unsigned::Otherwise));
        let late = Timestamp(NOW.0 + 3_600_000);
        let Err(Unsigned::NotNow(away)) = verify(&Secret::new(SECRET), late, &knock) else { panic!("it is late") };
        assert_eq!(away.as_secs(), 3600);
        let bare = Knock { headers: &[], ..knock };
        assert_eq!(verify(&Secret::new(SECRET), NOW, &bare), Err(Unsigned::Malformed));
    }

    #[test]
    fn however_many_knock_a_line_a_minute_is_written_and_counts_the_others() {
        let told = Seldom::default();
        let at = Duration::from_secs;
        assert_eq!(told.look(at(5)), Some(0));
        assert!((0..500).all(|n| told.look(at(5 + n / 10)).is_none()));
        assert_eq!(told.look(at(65)), Some(500));
        assert_eq!([told.look(at(124)), told.look(at(125))], [None, Some(1)]);
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        for (away, good) in [(-301, false), (-300, true), (0, true), (299, true), (301, false)] {
            let now = Timestamp(1_531_420_618_000 + away * 1000);
            let headers = stamped(STAMP, SIGNATURE);
            let knock = Knock { door: "commands", headers: &headers, body: BODY };
            assert_eq!(verify(&Secret::new(SECRET), now, &knock).is_ok(), good, "{away} s");
        }
    }
}
