//! A request to AWS in one of its protocols before it is signed, and the answer after it came. Knows nothing of single
//! services.

use std::fmt::Write as _;

use futures_util::stream;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::fault::Fault;
use super::xml;
use crate::domain::digest::hex;
use crate::domain::sentence::{Sentence, sentence};

/// Bytes of a file that are in memory at a time.
const CHUNK: usize = 64 * 1024;

/// A request before it is signed.
#[derive(Clone)]
pub(super) struct Wire {
    /// The service's name in signatures.
    pub(super) service: &'static str,
    /// The first part of its host name.
    pub(super) host: &'static str,
    /// Whether it has one address for all regions.
    pub(super) global: bool,
    pub(super) method: Method,
    /// Encoded.
    path: String,
    query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// What is sent.
#[derive(Clone)]
pub(super) enum Body {
    Bytes(Vec<u8>),
    File(LocalFile),
}

impl Wire {
    /// A request by path, as S3, CloudFront, Route 53, API Gateway and X-Ray take them. `segments` are encoded here.
    pub(super) fn rest(service: &'static str, method: Method, segments: &[&str]) -> Self {
        let path = segments.iter().fold(String::new(), |path, segment| format!("{path}/{}", encoded(segment, true)));
        let path = if path.is_empty() { "/".to_owned() } else { path };
        let body = Body::Bytes(Vec::new());
        let global = matches!(service, "cloudfront" | "route53");
        Self { service, host: service, global, method, path, query: Vec::new(), headers: Vec::new(), body }
    }

    /// A request of the JSON protocols: `target` is the operation with its prefix.
    pub(super) fn json(service: &'static str, version: &str, target: &str, body: &Value) -> Self {
        let wire = Self::rest(service, Method::POST, &[]).header("x-amz-target", target);
        wire.header("content-type", &format!("application/x-amz-json-{version}")).bytes(body.to_string())
    }

    /// A request of the query protocol.
    pub(super) fn query(service: &'static str, action: &str, version: &str, values: &[(&str, &str)]) -> Self {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in values {
            let _ = write!(body, "&{}={}", encoded(name, true), encoded(value, true));
        }
        let host = if service == "monitoring" { "monitoring" } else { service };
        let wire = Self { host, ..Self::rest(service, Method::POST, &[]) };
        wire.header("content-type", "application/x-www-form-urlencoded; charset=utf-8").bytes(body)
    }

    /// The same with a path that keeps its slashes after `segments`, as keys of S3 do.
    pub(super) fn key(mut self, key: &str) -> Self {
        let _ = write!(self.path, "/{}", encoded(key, false));
        self
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: Body::Bytes(bytes.into()), ..self }
    }

    pub(super) fn file(self, file: LocalFile) -> Self {
        Self { body: Body::File(file), ..self }
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        let mut target = self.path.clone();
        for (at, (name, value)) in self.query.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            let _ = write!(target, "{mark}{}={}", encoded(name, true), encoded(value, true));
        }
        target
    }
}

/// Percent-encoded as signatures want it.
pub(super) fn encoded(text: &str, slash: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            b'/' if !slash => out.push('/'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

/// A file of this machine that is sent as it was when it was looked at.
#[derive(Debug, Clone)]
pub(super) struct LocalFile {
    path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl LocalFile {
    /// Reads it once, for its length and digest.
    pub(super) async fn look(path: &str) -> Result<Self, Sentence> {
        if !path.starts_with('/') {
            return Err(sentence!("aws.no_absolute", path));
        }
        let unreadable = |error: std::io::Error| sentence!("aws.no_file", path, why => error.to_string());
        let mut file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let (mut digest, mut bytes) = (ring::digest::Context::new(&ring::digest::SHA256), 0);
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk).await.map_err(unreadable)? {
                0 => break,
                read => {
                    digest.update(&chunk[..read]);
                    bytes += read as u64;
                }
            }
        }
        Ok(Self { path: path.to_owned(), bytes, sha256: hex(digest.finish().as_ref()) })
    }

    /// As plans hold it.
    pub(super) fn exact(&self) -> Value {
        json!({ "path": self.path, "bytes": self.bytes, "sha256": self.sha256 })
    }

    /// Its bytes, piece by piece. AWS compares them with the digest.
    pub(super) async fn stream(&self) -> Result<reqwest::Body, Sentence> {
        let unreadable = |error: std::io::Error| sentence!("aws.no_file", path => &self.path, why => error.to_string());
        let file = tokio::fs::File::open(&self.path).await.map_err(unreadable)?;
        Ok(reqwest::Body::wrap_stream(stream::try_unfold(file, async |mut file| {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk).await?;
            chunk.truncate(read);
            Ok::<_, std::io::Error>((read > 0).then_some((chunk, file)))
        })))
    }
}

/// What came back, all of it.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    /// Itself if it is a success.
    pub(super) fn checked(self) -> Result<Self, Fault> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let (code, message) = self.error();
        Err(Fault::answered(self.status, &code, &message))
    }

    fn error(&self) -> (String, String) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if let Ok(json) = serde_json::from_slice::<Value>(&self.bytes) {
            let code = [&json["__type"], &json["code"]].into_iter().find(|value| value.is_string());
            let code = code.map_or_else(|| self.header("x-amzn-errortype").unwrap_or_default(), text);
            let message = [&json["message"], &json["Message"]].into_iter().find(|value| value.is_string());
            return (code, message.map(text).unwrap_or_default());
        }
        let xml = self.xml().unwrap_or_default();
        // Of S3 the error itself, of others inside of a response.
        let error = [&xml["Error"], &xml["Errors"]["Error"], &xml].into_iter().find(|value| value["Code"].is_string());
        let error = error.cloned().unwrap_or_default();
        let named = |status| match status {
            404 => "NotFound".to_owned(),
            403 => "AccessDenied".to_owned(),
            _ => String::new(),
        };
        let code = error["Code"].as_str().map_or_else(|| named(self.status), str::to_owned);
        (code, text(&error["Message"]))
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    /// As JSON; nothing at all is an empty object.
    pub(super) fn json(&self) -> Result<Value, Fault> {
        if self.bytes.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.bytes).map_err(|error| garbage(&error.to_string()))
    }

    /// XML as JSON, without its outermost element; nothing at all is an empty object.
    pub(super) fn xml(&self) -> Result<Value, Fault> {
        if self.bytes.is_empty() {
            return Ok(json!({}));
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|error| garbage(&error.to_string()))?;
        xml::read(text).map_err(|why| garbage(&why))
    }
}

/// A success whose body says nothing: what was asked for may have been done.
fn garbage(why: &str) -> Fault {
    Fault::Lost(sentence!("aws.garbage", why))
}
