//! `jwt`: what a JSON Web Token says of itself: by whom, for whom, how much longer. Its signature is never verified, and
//! the token itself is never shown.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::attempt::{at_least, look};
use super::value::SecretText;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::clock::Timestamp;
use crate::domain::digest::sha256;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "jwt",
    summary: "What a JSON Web Token says of itself: issuer, audience, time left. Not verified, never shown.",
    example: "token: {secret: api_token}\nshow: [scope]\n",
    schema: schema_of::<Jwt>,
    parse: |with| Ok(Box::new(read::<Jwt>(with)?)),
};

/// Longest token that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// A token to look into. Facts: `verified` (always false: anybody can write such a token), `algorithm`, `key_id`,
/// `issuer`, `audience` (a list), `issued_at`, `expires_at`, `seconds_left` (negative once it has expired; missing where
/// it never does), `expired`, `names` (of all claims), `claims` (those of `show`).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Jwt {
    /// The token, with or without `Bearer ` before it.
    token: SecretText,
    /// Claims to show. None without: they may hold personal data.
    #[serde(default)]
    show: Vec<String>,
}

#[async_trait]
impl Action for Jwt {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.token.secret().map(str::to_owned).into_iter().collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let token = match &self.token {
            SecretText::Plain(text) => json!({ "sha256": sha256(text.0.as_bytes()) }),
            SecretText::Secret(reference) => json!(reference),
        };
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.jwt_token"),
            line: sentence!("action.jwt"),
            exact: json!({ "token": token, "show": self.show }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, async {
            let token = self.token.reveal(&cx.tools)?;
            let (header, claims) = parts(token.trim().trim_start_matches("Bearer ").trim())?;
            Ok(self.report(&header, &claims, cx.started_at))
        })
        .await
    }
}

impl Jwt {
    fn report(&self, header: &Claims, claims: &Claims, now: Timestamp) -> Report {
        let claim = |name: &str| claims.get(name).cloned().unwrap_or_default();
        let moment = |name: &str| seconds(&claim(name)).map(|at| Timestamp(at.saturating_mul(1000)).to_string());
        let audience = match claim("aud") {
            Value::Array(all) => all,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let shown: Map<_, _> = self.show.iter().map(|name| (name.clone(), claim(name))).collect();
        let mut facts = json!({
            "verified": false,
            "algorithm": header.get("alg"),
            "key_id": header.get("kid"),
            "issuer": claim("iss"),
            "audience": audience,
            "issued_at": moment("iat"),
            "expires_at": moment("exp"),
            "names": claims.keys().collect::<Vec<_>>(),
            "claims": shown,
        });
        let left = seconds(&claim("exp")).map(|at| at.saturating_sub(now.0.div_euclid(1000)));
        facts["expired"] = json!(left.is_some_and(|left| left <= 0));
        let line = match left {
            None => sentence!("action.jwt_endless"),
            Some(left @ 1..) => sentence!("action.jwt_lasts", seconds => left),
            Some(left) => sentence!("action.jwt_expired", seconds => left.saturating_neg()),
        };
        if let Some(left) = left {
            facts["seconds_left"] = json!(left);
        }
        Report::new(facts, line)
    }
}

/// Claims by name.
type Claims = Map<String, Value>;

/// A token's header and claims.
fn parts(token: &str) -> Result<(Claims, Claims), Sentence> {
    let no = || sentence!("action.jwt_none");
    let decode = |part: Option<&str>| {
        let bytes = URL_SAFE_NO_PAD.decode(part.unwrap_or_default().trim_end_matches('=')).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(no)
    };
    let mut parts = token.split('.');
    if token.len() > LONGEST || token.matches('.').count() != 2 {
        return Err(no());
    }
    Ok((decode(parts.next())?, decode(parts.next())?))
}

/// Whole seconds of a NumericDate, which may have a fraction.
#[allow(clippy::cast_possible_truncation)] // rounded down, as meant; out of range saturates
fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|at| at.floor() as i64))
}
