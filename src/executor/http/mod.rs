//! `http`: one request to a service. Facts are what came back; expectations judge them.

pub(super) mod api;
pub(super) mod client;

use std::collections::BTreeMap;
use std::time::Instant;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Request, Response, Url};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::net::certificate::Described;
use super::net::{Endpoint, handshake, trust};
use super::output::beginning;
use super::value::{SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::clock::Timestamp;
use crate::domain::digest::sha256;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

pub use client::client;
pub(super) use client::url as client_url;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "http",
    summary: "Sends one HTTP request; status, headers, text, JSON and certificate are facts.",
    example: "url: https://api.example.com/health\nheaders: {Authorization: {secret: api_token, prefix: 'Bearer '}}\n\
              tls: true\n",
    schema: schema_of::<Http>,
    parse: |with| {
        let http: Http = read(with)?;
        http.check()?;
        Ok(Box::new(http))
    },
};

/// Bytes of a body that are read.
const READ: usize = 1024 * 1024;
/// Bytes of it that the `text` fact holds.
const SHOWN: usize = 64 * 1024;
/// Headers of an answer that are facts; the rest may hold sessions and keys.
const HEADERS: &[&str] = &[
    "age",
    "allow",
    "cache-control",
    "content-length",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "via",
    "x-request-id",
];

text_enum! {
    /// A request's method.
    Method {
        /// Looks.
        Get = "GET",
        /// Looks at the headers.
        Head = "HEAD",
        /// Looks at what is allowed.
        Options = "OPTIONS",
        /// Adds or does something.
        Post = "POST",
        /// Replaces something.
        Put = "PUT",
        /// Changes something.
        Patch = "PATCH",
        /// Takes something away.
        Delete = "DELETE",
    }
}

/// A request. Facts: `status`, `headers`, `text`, `json` where the body is JSON, `ms`, `truncated`, and with
/// `tls: true` the certificate: `tls.days_left`, `tls.not_after`, `tls.subject`, `tls.issuer`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Http {
    /// Where to, http or https. Link-local addresses are refused.
    url: Text,
    /// GET without.
    #[serde(default = "get")]
    method: Method,
    /// Headers to send.
    #[serde(default)]
    headers: BTreeMap<String, SecretText>,
    /// Text to send.
    #[serde(default)]
    body: Option<SecretText>,
    /// JSON to send; not together with `body`.
    #[serde(default)]
    json: Option<Value>,
    /// Whether to follow redirects on the same host. Without, a redirect is an answer like any other.
    #[serde(default)]
    follow: bool,
    /// Whether to look at the server's certificate.
    #[serde(default)]
    tls: bool,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// A PEM file with a certificate to show to the server, an absolute path; with `client_key`.
    #[serde(default)]
    client_certificate: Option<Text>,
    /// The PEM file with its key.
    #[serde(default)]
    client_key: Option<Text>,
    /// Statuses that are no failure. Without: any for a step that only reads, 200 to 299 for one that changes.
    #[serde(default)]
    ok: Option<Vec<u16>>,
}

fn get() -> Method {
    Method::Get
}

/// Why there is no answer.
enum Fault {
    /// Nothing has left this machine that a server could have acted on.
    Before(Sentence),
    /// It may have arrived.
    After(Sentence),
}

#[async_trait]
impl Action for Http {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        Ok(declared.unwrap_or(if self.looks() { Effect::Read } else { Effect::Change }))
    }

    fn secrets(&self) -> Vec<String> {
        self.headers.values().chain(&self.body).filter_map(SecretText::secret).map(str::to_owned).collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let url = client::url(&self.url.0)?;
        let authority = trust::authority(self.authority.as_ref()).await?;
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read, // at least; a POST may be a search, so the step says it
            target: Sentence::plain(url.host_str().unwrap_or_default()),
            line: Sentence::Plain(format!("{} {url}", self.method)),
            exact: json!({
                "method": self.method,
                "url": url.as_str(),
                "headers": self.headers.iter().map(|(name, text)| (name.to_lowercase(), text.shown())).collect::<Map<_, _>>(),
                "body": self.body.as_ref().map(SecretText::shown),
                "json": self.json,
                "follow": self.follow,
                "tls": self.tls,
                "authority_sha256": authority.as_deref().map(sha256),
                "client_certificate": self.client_certificate.as_ref().map(|path| &path.0),
                "client_key": self.client_key.as_ref().map(|path| &path.0),
                "ok": self.ok,
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let mut facts = Map::new();
        let stopped = tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(Fault::After(sentence!("action.cancelled"))),
            done = tokio::time::timeout(cx.timeout, self.exchange(cx, &mut facts)) => done.unwrap_or_else(|_| {
                Err(Fault::After(sentence!("action.http_no_answer", seconds => cx.timeout.as_secs())))
            }),
        };
        let status = facts.get("status").and_then(Value::as_u64).unwrap_or_default();
        let report = |line| Report::new(Value::Object(facts), line);
        match stopped {
            Ok(()) if self.is_ok(cx.effect, status) => Outcome::Done(report(sentence!("action.http_status", status))),
            // These two say that nothing was done; of other server errors nobody knows how far it came.
            Ok(()) if status < 500 || matches!(status, 501 | 503) => {
                Outcome::Failed(report(sentence!("action.http_refused", status)))
            }
            Ok(()) => cx.half_way(report(sentence!("action.http_failed", status))),
            Err(Fault::Before(why)) => Outcome::Failed(report(why)),
            Err(Fault::After(why)) => cx.half_way(report(why)),
        }
    }
}

impl Http {
    fn looks(&self) -> bool {
        matches!(self.method, Method::Get | Method::Head | Method::Options)
    }

    /// What can be told without a network.
    fn check(&self) -> Result<(), Sentence> {
        if self.body.is_some() && self.json.is_some() {
            return Err(sentence!("action.http_two_bodies"));
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            return Err(sentence!("action.tls_half_identity"));
        }
        // Only what is a URL for certain; the rest may come from an argument, and is judged by the plan.
        if self.url.0.contains("://") {
            client::url(&self.url.0)?;
        }
        for (name, text) in &self.headers {
            header_name(name)?;
            if let SecretText::Plain(Text(text)) = text {
                header_value(name, text)?;
            }
        }
        Ok(())
    }

    fn is_ok(&self, effect: Effect, status: u64) -> bool {
        match &self.ok {
            Some(listed) => listed.iter().any(|code| u64::from(*code) == status),
            None => effect == Effect::Read || (200..300).contains(&status),
        }
    }

    async fn exchange(&self, cx: &StepContext, facts: &mut Map<String, Value>) -> Result<(), Fault> {
        let url = client::url(&self.url.0).map_err(Fault::Before)?;
        let request = self.request(url.clone(), cx).map_err(Fault::Before)?;
        let authority = trust::authority(self.authority.as_ref()).await.map_err(Fault::Before)?;
        let identity = trust::identity(self.client_certificate.as_ref(), self.client_key.as_ref()).await;
        let client = match (authority, identity.map_err(Fault::Before)?) {
            (None, None) if !self.follow => client().clone(),
            (authority, identity) => {
                client::build(self.follow, &authority.unwrap_or_default(), identity).map_err(Fault::Before)?
            }
        };
        if self.tls && url.scheme() == "https" {
            facts.insert("tls".to_owned(), certificate(&url, cx.started_at).await.map_err(Fault::Before)?);
        }
        let start = Instant::now();
        let response =
            client.execute(request).await.map_err(|error| match error.is_connect() || error.is_builder() {
                true => Fault::Before(client::why(error, "action.http_not_reached")),
                false => Fault::After(client::why(error, "action.http_broken")),
            })?;
        facts.insert("status".to_owned(), response.status().as_u16().into());
        facts.insert("headers".to_owned(), safe_headers(response.headers()));
        let body = self.body(response, cx, facts).await;
        facts.insert("ms".to_owned(), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        body
    }

    fn request(&self, url: Url, cx: &StepContext) -> Result<Request, Sentence> {
        let method = self.method.as_str().parse().map_err(|_| sentence!("action.http_method"))?;
        let mut request = Request::new(method, url);
        if !self.looks() {
            let key = header_value("idempotency-key", &cx.idempotency_key)?;
            request.headers_mut().insert("idempotency-key", key);
        }
        if let Some(json) = &self.json {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(json.to_string().into());
        }
        if let Some(body) = &self.body {
            *request.body_mut() = Some(body.reveal(&cx.tools)?.into());
        }
        for (name, text) in &self.headers {
            let header = header_name(name)?;
            let mut value = header_value(name, &text.reveal(&cx.tools)?)?;
            value.set_sensitive(text.secret().is_some());
            request.headers_mut().insert(header, value);
        }
        Ok(request)
    }

    async fn body(
        &self,
        mut response: Response,
        cx: &StepContext,
        facts: &mut Map<String, Value>,
    ) -> Result<(), Fault> {
        let (bytes, truncated) = read_body(&mut response).await.map_err(Fault::After)?;
        // Redacted before it is cut: half a secret would not be known.
        let text = cx.tools.redactor.text(&String::from_utf8_lossy(&bytes));
        facts.insert("text".to_owned(), beginning(&text, SHOWN).into());
        facts.insert("truncated".to_owned(), truncated.into());
        if let Ok(json) = serde_json::from_slice(&bytes) {
            facts.insert("json".to_owned(), json);
        }
        Ok(())
    }
}

/// What the server's own certificate says.
async fn certificate(url: &Url, now: Timestamp) -> Result<Value, Sentence> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let server = Endpoint { host: host.clone(), port: url.port_or_known_default().unwrap_or(443) };
    let shown = handshake::look(&server, &host, None).await?;
    match (shown.chain.first(), shown.refused) {
        (Some(leaf), None) => Ok(Described::read(leaf, now)?.facts()),
        (_, Some(why)) => Err(sentence!("action.http_not_reached", why)),
        (None, None) => Err(sentence!("action.http_no_certificate")),
    }
}

/// A body's beginning, and whether there is more.
async fn read_body(response: &mut Response) -> Result<(Vec<u8>, bool), Sentence> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| client::why(error, "action.http_broken"))? {
        let room = chunk.len().min(READ - bytes.len());
        bytes.extend_from_slice(&chunk[..room]);
        if room < chunk.len() {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

fn safe_headers(headers: &HeaderMap) -> Value {
    let safe = headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
    safe.map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
        .collect::<Map<_, _>>()
        .into()
}

fn header_name(name: &str) -> Result<HeaderName, Sentence> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| sentence!("action.http_header_name", name))
}

fn header_value(name: &str, text: &str) -> Result<HeaderValue, Sentence> {
    HeaderValue::from_str(text).map_err(|_| sentence!("action.http_header_value", name))
}
