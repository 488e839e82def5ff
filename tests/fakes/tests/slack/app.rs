//! The least app that can stand against the fake: calls, a socket, an HTTP receiver. Written by hand, so that nothing
//! of the product is needed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sereno_fakes::http::{self, Answer};
use sereno_fakes::slack::{Setup, Slack};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub const BOT: &str = "Bearer xoxb-fake-bot";
pub const APP: &str = "Bearer xapp-fake-app";

/// A fake in its town, in Socket Mode.
pub async fn slack() -> Slack {
    Slack::start(Setup::default()).await.unwrap()
}

/// A call with the bot's token, as the method takes it.
pub async fn call(slack: &Slack, method: &str, args: Value) -> Value {
    let answer = raw(slack, method, &args).await;
    assert_eq!(answer.status, 200, "{method} {args}: {}", answer.text());
    answer.json()
}

/// The same, with all of the answer.
pub async fn raw(slack: &Slack, method: &str, args: &Value) -> Answer {
    let url = format!("{}{method}", slack.api_url());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields: Vec<(String, String)> =
        args.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    http::post_form(&url, &[("authorization", BOT)], &pairs).await.unwrap()
}

/// A call that must be done.
pub async fn ok(slack: &Slack, method: &str, args: Value) -> Value {
    let answer = call(slack, method, args.clone()).await;
    assert_eq!(answer["ok"], true, "{method} {args}: {answer}");
    answer
}

/// A call that must be refused: its error.
pub async fn refused(slack: &Slack, method: &str, args: Value) -> String {
    let answer = call(slack, method, args.clone()).await;
    assert_eq!(answer["ok"], false, "{method} {args}: {answer}");
    answer["error"].as_str().unwrap().to_owned()
}

/// Posts, and returns the message's ts.
pub async fn post(slack: &Slack, args: Value) -> String {
    ok(slack, "chat.postMessage", args).await["ts"].as_str().unwrap().to_owned()
}

/// A button in a row.
pub fn button(action: &str) -> Value {
    json!({"type": "actions", "elements": [
        {"type": "button", "action_id": action, "value": "v", "text": {"type": "plain_text", "text": "Go"}}]})
}

/// A modal with these blocks.
pub fn modal(blocks: Value) -> Value {
    json!({"type": "modal", "callback_id": "form", "title": {"type": "plain_text", "text": "Form"},
        "submit": {"type": "plain_text", "text": "Send"}, "blocks": blocks})
}

/// An app's connection in Socket Mode.
pub struct Link(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Link {
    /// Opens one, and takes the hello.
    pub async fn open(slack: &Slack) -> (Self, Value) {
        let url = ticket(slack).await;
        let mut link = Self(tokio_tungstenite::connect_async(&url).await.unwrap().0);
        let hello = link.next().await.unwrap();
        (link, hello)
    }

    /// The next thing said; none where the connection ended. A test that would wait in vain fails instead.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(30), self.0.next()).await;
            match frame.expect("nothing was said for long")? {
                Ok(Frame::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Frame::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Acknowledges, with a payload or none.
    pub async fn ack(&mut self, envelope: &Value, payload: Value) {
        let mut said = json!({"envelope_id": envelope["envelope_id"]});
        if !payload.is_null() {
            said["payload"] = payload;
        }
        self.0.send(Frame::Text(said.to_string().into())).await.unwrap();
    }

    /// Takes the next envelope and acknowledges it at once.
    pub async fn take(&mut self, payload: Value) -> Value {
        let envelope = self.next().await.expect("an envelope");
        self.ack(&envelope, payload).await;
        envelope
    }
}

/// A URL for one connection.
pub async fn ticket(slack: &Slack) -> String {
    let url = format!("{}apps.connections.open", slack.api_url());
    let answer = http::post_json(&url, &[("authorization", APP)], &json!({})).await.unwrap().json();
    answer["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What came to an address: path, headers, body.
pub type Request = (String, Vec<(String, String)>, String);

/// What a receiver answers: status, headers, body.
type Says = (u16, Vec<(&'static str, &'static str)>, String);

/// An app that is reached by HTTP, and answers as it is told.
pub struct Receiver {
    pub url: String,
    got: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Says>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (got, answer) = (Arc::default(), Arc::new(Mutex::new((200, vec![], String::new()))));
        let (log, says): (Arc<Mutex<Vec<Request>>>, _) = (Arc::clone(&got), Arc::clone(&answer));
        let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
            let (log, says) = (log.clone(), says.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let headers =
                    parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
                let body = String::from_utf8(body.to_vec()).unwrap();
                log.lock().unwrap().push((parts.uri.path().to_owned(), headers.collect(), body));
                let (status, headers, body): Says = says.lock().unwrap().clone();
                let mut response = axum::response::Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(axum::body::Body::from(body)).unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, got, answer }
    }

    pub fn say(&self, status: u16, headers: &[(&'static str, &'static str)], body: &str) {
        *self.answer.lock().unwrap() = (status, headers.to_vec(), body.to_owned());
    }

    pub fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }
}

/// A header of a request.
pub fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.1.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}
