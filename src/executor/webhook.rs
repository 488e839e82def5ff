//! `webhook`: one signed JSON message to a service that takes such messages, by the client of `http`. Signed as the
//! Standard Webhooks specification says, version 1, so that whoever receives it can tell that it is ours, and that it
//! is the same one again.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{Fault, Sent, at_least, change};
use super::http::{api, client, client_url};
use super::value::{SecretRef, SecretText};
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "webhook",
    summary: "Sends one JSON message to a webhook, signed if it has a key (Standard Webhooks).",
    example: "url: {secret: status_page_url}\nsign: {secret: status_page_key}\njson: {text: Deploy finished}\n",
    schema: schema_of::<Webhook>,
    parse: |with| {
        let webhook: Webhook = read(with)?;
        webhook.check()?;
        Ok(Box::new(webhook))
    },
};

/// Longest message, in bytes.
const LONGEST: usize = 64 * 1024;

/// A message to send. The body of Slack's incoming webhooks is just JSON: `{text: …}`. Facts: `status`, `id` (the
/// message's, the same at every attempt of the step), `signed`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Webhook {
    /// Where to, http or https. Whoever knows such an address can write to it, so it is usually a secret.
    url: SecretText,
    /// The message.
    json: Value,
    /// The key to sign with: a secret, as in `whsec_…` (base64), or any text.
    #[serde(default)]
    sign: Option<SecretRef>,
}

#[async_trait]
impl Action for Webhook {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Change, declared)
    }

    fn secrets(&self) -> Vec<String> {
        let url = self.url.secret().map(str::to_owned);
        url.into_iter().chain(self.sign.as_ref().map(|key| key.secret.clone())).collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        if let SecretText::Plain(url) = &self.url {
            client_url(&url.0)?;
        }
        let to = self.url.named();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Change,
            target: sentence!("action.webhook_target", to),
            line: sentence!("action.webhook", to, message => self.json.to_string()),
            exact: json!({ "url": self.url.shown(), "json": self.json, "sign": self.sign }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let sent = Sent::default();
        change(cx, &sent, self.send(cx, &sent)).await
    }
}

impl Webhook {
    fn check(&self) -> Result<(), Sentence> {
        if !self.json.is_object() && !self.json.is_array() {
            return Err(sentence!("action.webhook_body"));
        }
        match &self.url {
            SecretText::Plain(url) if url.0.contains("://") => client_url(&url.0).map(|_| ()),
            _ => Ok(()),
        }
    }

    async fn send(&self, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
        let address = self.url.reveal(&cx.tools)?;
        // What is wrong with a secret address is not said in its own words.
        let url = client_url(address.trim()).map_err(|why| match self.url.secret() {
            Some(secret) => sentence!("action.webhook_no_url", secret),
            None => why,
        })?;
        let body = self.json.to_string();
        if body.len() > LONGEST {
            return Err(Fault::Failed(sentence!("action.webhook_long", most => LONGEST)));
        }
        let mut request = Request::new(Method::POST, url);
        let id = &cx.idempotency_key;
        let at = cx.started_at.0.div_euclid(1000);
        self.headers(request.headers_mut(), (id, at, &body), cx)?;
        *request.body_mut() = Some(body.into());
        let answer = api::exchange(client(), request, cx, sent).await?;
        let status = answer.status;
        answer.changed()?;
        let facts = json!({ "status": status, "id": id, "signed": self.sign.is_some() });
        Ok(Report::new(facts, sentence!("action.http_status", status)))
    }

    fn headers(
        &self,
        headers: &mut HeaderMap,
        (id, at, body): (&str, i64, &str),
        cx: &StepContext,
    ) -> Result<(), Sentence> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| sentence!("action.http_header_value", name => "webhook-id"))
        };
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("webhook-id", value(id)?);
        headers.insert("webhook-timestamp", HeaderValue::from(at));
        headers.insert("idempotency-key", value(id)?);
        if let Some(key) = &self.sign {
            let key = SecretText::Secret(key.clone()).reveal(&cx.tools)?;
            headers.insert("webhook-signature", value(&signature(key.trim(), (id, at, body))?)?);
        }
        Ok(())
    }
}

/// `v1,` and the HMAC-SHA256 of id, moment and body.
fn signature(key: &str, (id, at, body): (&str, i64, &str)) -> Result<String, Sentence> {
    let bytes = match key.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| sentence!("action.webhook_no_key"))?,
        None => key.as_bytes().to_vec(),
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
    let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the reference implementations (standard-webhooks, svix).
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let of = signature(key, ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#));
        assert_eq!(of.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(signature("whsec_?", ("a", 1, "b")).is_err());
    }
}
