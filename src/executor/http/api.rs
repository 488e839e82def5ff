//! Calls of JSON interfaces over HTTP, for the actions that speak with one kind of server: with the client, the caps and
//! the refusals of `http`. Knows nothing of what is asked.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::{Map, Value, json};

use super::{client, header_name, header_value, read_body};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::StepContext;
use crate::executor::attempt::{Fault, Sent};
use crate::executor::net::trust;
use crate::executor::output::beginning;
use crate::executor::value::{SecretText, Text};

/// Bytes of a refusal that are told.
const TOLD: usize = 300;

/// A server, as a step's fields name it.
#[derive(Debug, Clone)]
pub(in crate::executor) struct Server {
    /// What paths are added to.
    pub(in crate::executor) url: Text,
    /// Headers of every call.
    pub(in crate::executor) headers: BTreeMap<String, SecretText>,
    /// A PEM file with further authorities.
    pub(in crate::executor) authority: Option<Text>,
}

/// What came back.
pub(in crate::executor) struct Answer {
    pub(in crate::executor) status: u64,
    /// The body as JSON; null where it is none.
    pub(in crate::executor) json: Value,
    text: String,
}

impl Server {
    /// Refuses what is certainly no server, without a network.
    pub(in crate::executor) fn check(&self) -> Result<(), Sentence> {
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

    /// Secrets in its headers.
    pub(in crate::executor) fn secrets(&self) -> Vec<String> {
        self.headers.values().filter_map(SecretText::secret).map(str::to_owned).collect()
    }

    /// Its host, as people know it.
    ///
    /// # Errors
    /// When its URL is none.
    pub(in crate::executor) fn host(&self) -> Result<String, Sentence> {
        Ok(client::url(&self.url.0)?.host_str().unwrap_or_default().to_owned())
    }

    /// As plans hold it.
    pub(in crate::executor) fn exact(&self) -> Value {
        let headers: Map<_, _> = self.headers.iter().map(|(name, text)| (name.to_lowercase(), text.shown())).collect();
        json!({ "url": self.url.0, "headers": headers, "authority": self.authority.as_ref().map(|path| &path.0) })
    }

    /// Asks for what is at a path.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub(in crate::executor) async fn get(
        &self,
        cx: &StepContext,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Answer, Sentence> {
        let request = Request::new(Method::GET, self.at(path, query)?);
        self.send(cx, request, &Sent::default()).await.map_err(|fault| match fault {
            Fault::Failed(why) | Fault::Lost(why) => why,
        })
    }

    /// Changes what is at a path.
    ///
    /// # Errors
    /// When there is no complete answer; Lost where the server may have acted.
    pub(in crate::executor) async fn change(
        &self,
        cx: &StepContext,
        (method, path): (Method, &str),
        body: Option<&Value>,
        sent: &Sent,
    ) -> Result<Answer, Fault> {
        let mut request = Request::new(method, self.at(path, &[])?);
        if let Some(body) = body {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.to_string().into());
        }
        self.send(cx, request, sent).await
    }

    fn at(&self, path: &str, query: &[(&str, String)]) -> Result<Url, Sentence> {
        let mut url = client::url(&self.url.0)?;
        let full = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&full);
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, cx: &StepContext, mut request: Request, sent: &Sent) -> Result<Answer, Fault> {
        add_headers(request.headers_mut(), &self.headers, cx)?;
        let client = match trust::authority(self.authority.as_ref()).await? {
            None => client::client().clone(),
            Some(authority) => client::build(false, &authority, None)?,
        };
        exchange(&client, request, cx, sent).await
    }
}

/// Adds a step's own headers, secrets revealed.
pub(in crate::executor) fn add_headers(
    to: &mut HeaderMap,
    headers: &BTreeMap<String, SecretText>,
    cx: &StepContext,
) -> Result<(), Sentence> {
    for (name, text) in headers {
        let mut value = header_value(name, &text.reveal(&cx.tools)?)?;
        value.set_sensitive(text.secret().is_some());
        to.insert(header_name(name)?, value);
    }
    Ok(())
}

/// One request and its whole answer.
pub(in crate::executor) async fn exchange(
    client: &reqwest::Client,
    request: Request,
    cx: &StepContext,
    sent: &Sent,
) -> Result<Answer, Fault> {
    sent.now();
    let mut response =
        client.execute(request).await.map_err(|error| match error.is_connect() || error.is_builder() {
            true => Fault::Failed(client::why(error, "action.http_not_reached")),
            false => Fault::Lost(client::why(error, "action.http_broken")),
        })?;
    let status = u64::from(response.status().as_u16());
    let (bytes, truncated) = read_body(&mut response).await.map_err(Fault::Lost)?;
    if truncated {
        return Err(Fault::Lost(sentence!("action.http_too_long")));
    }
    let text = cx.tools.redactor.text(&String::from_utf8_lossy(&bytes));
    Ok(Answer { status, json: serde_json::from_slice(&bytes).unwrap_or_default(), text })
}

impl Answer {
    /// The JSON of a 2xx.
    ///
    /// # Errors
    /// What the server says against it.
    pub(in crate::executor) fn good(self) -> Result<Value, Sentence> {
        match self.status {
            200..=299 => Ok(self.json),
            _ => Err(self.refusal()),
        }
    }

    /// The JSON of a 2xx to a change. Of some server errors nobody knows how far it came.
    ///
    /// # Errors
    /// What the server says against it.
    pub(in crate::executor) fn changed(self) -> Result<Value, Fault> {
        match self.status {
            200..=299 => Ok(self.json),
            ..=499 | 501 | 503 => Err(Fault::Failed(self.refusal())),
            _ => Err(Fault::Lost(self.refusal())),
        }
    }

    /// What the server says against it: its `error` or `message`, or the body's beginning.
    fn refusal(&self) -> Sentence {
        let said = match &self.json {
            Value::String(text) => Some(text.as_str()),
            other => other["error"].as_str().or(other["message"].as_str()),
        };
        let said = beginning(said.unwrap_or(&self.text).trim(), TOLD);
        match said.is_empty() {
            true => sentence!("action.http_refused", status => self.status),
            false => sentence!("action.api_refused", status => self.status, said),
        }
    }
}
