//! The least client that can send a request over plain HTTP to loopback, one connection each. For deliveries of fakes,
//! and for tests that speak to a fake directly.

use std::fmt;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header, empty where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Nothing came back: no connection, or it ended before the answer.
#[derive(Debug, Clone)]
pub struct NoAnswer(pub String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

/// Headers of a request.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// Sends `method` to `url` (`http://host:port/path`).
///
/// # Errors
/// When no answer came.
pub async fn send(method: &str, url: &str, headers: Headers<'_>, body: Vec<u8>) -> Result<Answer, NoAnswer> {
    exchange(method, url, headers, body).await.map_err(|error| NoAnswer(format!("{url}: {error}")))
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(method: &str, url: &str, headers: Headers<'_>, body: Vec<u8>) -> Result<Answer, AnyError> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is spoken here")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let stream = TcpStream::connect(host).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let task = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(if path.is_empty() { "/" } else { path });
    request = request.header("host", host).header("connection", "close");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender.send_request(request.body(Full::new(Bytes::from(body)))?).await?;
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    task.abort();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Fetches a page.
///
/// # Errors
/// When no answer came.
pub async fn get(url: &str) -> Result<Answer, NoAnswer> {
    send("GET", url, &[], Vec::new()).await
}

/// Posts JSON.
///
/// # Errors
/// When no answer came.
pub async fn post_json(url: &str, headers: Headers<'_>, body: &Value) -> Result<Answer, NoAnswer> {
    let mut all = vec![("content-type", "application/json; charset=utf-8")];
    all.extend_from_slice(headers);
    send("POST", url, &all, body.to_string().into_bytes()).await
}

/// Posts a form.
///
/// # Errors
/// When no answer came.
pub async fn post_form(url: &str, headers: Headers<'_>, fields: Headers<'_>) -> Result<Answer, NoAnswer> {
    let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
    all.extend_from_slice(headers);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    send("POST", url, &all, body.into_bytes()).await
}
