//! Slack's Web API: the one client, and the one function that every call goes through, with its deadline and its reading
//! of errors. The client's own rate control stays off: it keeps one pace for all channels and waits without bound.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use slack_morphism::ClientResult;
use slack_morphism::prelude::*;

use super::super::SlackApp;
use super::LOG;
use super::fault::Fault;
use super::own::Own;
use super::pace::Rests;
use super::token::{OPEN, Refused, Token};
use super::wire::{Client, Wire};
use crate::secret::Secret;

/// Longest wait for an answer; the client itself has none.
const DEADLINE: Duration = Duration::from_secs(10);

/// The Web API, for one app.
pub struct Api {
    pub(super) url: String,
    pub(super) bot: Secret,
    token: SlackApiToken,
    app_token: Option<SlackApiToken>,
    wire: Result<Wire, String>,
    rests: Rests,
    refused: Refused,
    pub(super) own: Mutex<Option<Arc<Own>>>,
}

impl Api {
    /// The API of this app. Where there is no way to it, every call says so.
    #[must_use]
    pub fn new(app: &SlackApp) -> Self {
        let token = |secret: &Secret| SlackApiToken::new(secret.reveal().to_owned().into());
        Self {
            url: app.api_url.clone(),
            bot: app.bot_token.clone(),
            token: token(&app.bot_token),
            app_token: app.app_token.as_ref().map(token),
            wire: Wire::new(&app.api_url, app.proxy.as_ref()),
            rests: Rests::new(app.clock.clone()),
            refused: Refused::default(),
            own: Mutex::default(),
        }
    }

    pub(super) fn wire(&self) -> Result<&Wire, Fault> {
        self.wire.as_ref().map_err(|why| Fault::Unavailable(why.clone()))
    }

    fn client(&self) -> Result<&Arc<Client>, Fault> {
        self.wire().map(|wire| &wire.client)
    }

    /// Calls a method with a JSON body. `T` should ask for no more of the answer than is needed.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn post<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        request: &(impl Serialize + Send + Sync),
    ) -> Result<T, Fault> {
        let session = self.client()?.open_session(&self.token);
        self.call(method, session.http_session_api.http_post(method, request, None)).await
    }

    /// Calls a method that reads its arguments from the URL.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn get<T: DeserializeOwned + Send>(
        &self,
        method: &'static str,
        arguments: &[(&'static str, &str)],
    ) -> Result<T, Fault> {
        let session = self.client()?.open_session(&self.token);
        let arguments: Vec<_> = arguments.iter().map(|(name, value)| (*name, Some(*value))).collect();
        self.call(method, session.http_session_api.http_get(method, &arguments, None)).await
    }

    /// Asks for the address of a connection of Socket Mode: a `wss:` URL, good once and for a short time.
    ///
    /// # Errors
    /// See [`Fault`]; [`Fault::Token`] also where there is no token of the app.
    pub async fn connect(&self) -> Result<String, Fault> {
        #[derive(serde::Deserialize)]
        struct Opened {
            url: String,
        }
        let none = || Fault::Token { token: Token::App, code: "not_given".to_owned() };
        let token = self.app_token.as_ref().ok_or_else(none)?;
        let session = self.client()?.open_session(token);
        let none = serde_json::json!({});
        let opened: Opened = self.call(OPEN, session.http_session_api.http_post(OPEN, &none, None)).await?;
        Ok(opened.url)
    }

    /// Answers at a `response_url`.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn respond(&self, response_url: &str, body: &(impl Serialize + Send + Sync)) -> Result<(), Fault> {
        self.plain("response_url", |http| http.post(response_url).json(body)).await.map(drop)
    }

    /// Sends bytes to an address that Slack gave for them.
    pub(super) async fn upload(&self, url: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let kind = "text/plain; charset=utf-8";
        self.plain("upload", |http| http.post(url).header("content-type", kind).body(bytes)).await.map(drop)
    }

    /// A request of which the typed client knows or shows too little: headers and body of what was answered.
    pub(super) async fn plain(
        &self,
        method: &'static str,
        request: impl FnOnce(&reqwest::Client) -> RequestBuilder + Send,
    ) -> Result<(HeaderMap, Vec<u8>), Fault> {
        let away = |error: reqwest::Error| Fault::away(method, Some(&error.without_url()));
        let request = request(&self.wire()?.plain);
        let work = async {
            let response = request.send().await.map_err(away)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = response.bytes().await.map_err(away)?;
            match status.as_u16() {
                200 => Ok((headers, body.to_vec())),
                429 => Err(Fault::rate_limited(headers.get("retry-after").and_then(|wait| wait.to_str().ok()))),
                _ => Err(Fault::Unavailable(format!("{method}: {status}"))),
            }
        };
        self.timed(method, work).await
    }

    async fn call<T>(
        &self,
        method: &'static str,
        work: impl Future<Output = ClientResult<T>> + Send,
    ) -> Result<T, Fault> {
        let answer = self.timed(method, async { work.await.map_err(|error| Fault::of(method, error)) }).await?;
        self.accepted(Token::of(method));
        Ok(answer)
    }

    /// The one function: every call goes through here.
    async fn timed<T>(
        &self,
        method: &'static str,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        self.rests.look(method)?;
        let late = |_| Err(Fault::Unavailable(format!("{method}: no answer in {} s", DEADLINE.as_secs())));
        let answer = tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(late);
        if let Err(fault) = &answer {
            self.note(method, fault);
        }
        answer
    }

    /// Draws the consequences of an error.
    pub(super) fn note(&self, method: &'static str, fault: &Fault) {
        match fault {
            Fault::RateLimited(wait) => self.rests.rest(method, *wait),
            Fault::Token { token, .. } => {
                if self.refused.add(*token) {
                    tracing::error!(method, "{}", fault.told(LOG));
                }
                self.forget();
            }
            fault if fault.is(&["missing_scope"]) => self.forget(),
            _ => {}
        }
    }

    /// Slack takes this token.
    pub(super) fn accepted(&self, token: Token) {
        if self.refused.remove(token) {
            tracing::info!("Slack accepts slack.{} again", token.key());
        }
    }

    /// Who we are and what we may do is looked up anew next time.
    fn forget(&self) {
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
