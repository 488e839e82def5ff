//! A Slack that nobody here wrote: npm's `emulate` takes what we send. It answers only POST where Slack reads arguments
//! from the URL, so a shim in front of it turns one into the other.

#![cfg(feature = "slack")]

mod parts;
mod support;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::{Value, json};
use sereno::chat::card::Card;
use sereno::chat::{self, Chat, Outgoing, SlackApp};
use sereno::clock::{Clock, Timestamp};
use sereno::domain::actor::{Place, Platform};
use sereno::domain::settings::Language;
use sereno::id::MessageId;
use sereno::secret::Secret;
use sereno::words::Words;

const CHANNEL: &str = "C000000001";

/// Their Slack, and our app there.
struct Town {
    chat: Arc<dyn Chat>,
    clock: Clock,
    url: String,
    http: reqwest::Client,
    _process: tokio::process::Child,
    _dir: tempfile::TempDir,
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

impl Town {
    #[allow(clippy::disallowed_methods)] // a program of others
    async fn found() -> Option<Self> {
        let program = parts::part("SERENO_TEST_EMULATE")?;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port().await;
        let process = tokio::process::Command::new(program)
            .args(["start", "--service", "slack", "--port", &port.to_string()])
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::new();
        let theirs = format!("http://127.0.0.1:{port}");
        let mut tries = 0..200;
        while http.post(format!("{theirs}/api/auth.test")).send().await.is_err() {
            tries.next().expect("it starts within a while");
            tokio::time::sleep(Duration::from_millis(100)).await; // another program is starting
        }
        let url = shim(&theirs, http.clone()).await;
        let clock = Clock::manual(Timestamp(1_772_445_600_000));
        let app = SlackApp {
            socket: true,
            bot_token: Secret::new("xoxb-ours"),
            app_token: Some(Secret::new("xapp-ours")),
            signing_secret: None,
            api_url: format!("{url}/api"),
            proxy: None,
            clock: clock.clone(),
        };
        Some(Self { chat: chat::slack(app).unwrap(), clock, url, http, _process: process, _dir: dir })
    }

    async fn replies(&self, root: &str) -> Vec<Value> {
        let asked = format!("{}/api/conversations.replies?channel={CHANNEL}&ts={root}", self.url);
        let answer = self.http.get(asked).bearer_auth("xoxb-ours").send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer["messages"].as_array().unwrap().clone()
    }
}

/// Passes everything on; what reads its arguments from the URL goes on as a POST with the same as a form.
async fn shim(theirs: &str, http: reqwest::Client) -> String {
    let pass = async |State((theirs, http)): State<(String, reqwest::Client)>, request: Request| {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let mut sent = http.post(format!("{theirs}{}", head.uri.path()));
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        sent = match head.uri.query().filter(|_| body.is_empty()) {
            Some(query) => sent.header("content-type", "application/x-www-form-urlencoded").body(query.to_owned()),
            None => sent.header("content-type", header("content-type").unwrap_or_default()).body(body),
        };
        let sent = sent.header("authorization", header("authorization").unwrap_or_default());
        let answer = sent.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        Response::builder().status(status).header("content-type", "application/json").body(Body::from(bytes)).unwrap()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().fallback(pass).with_state((theirs.to_owned(), http));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

/// A message of ours, in the channel or under a root, perhaps sent before.
fn out<'a>(id: &'a MessageId, place: &'a Place, card: &'a Card, thread: Option<&'a str>) -> Outgoing<'a> {
    Outgoing {
        id,
        place,
        channel: CHANNEL,
        thread,
        whisper_to: None,
        mentions: &[],
        card,
        link: None,
        words: Words(Language::En),
        again: false,
    }
}

fn card(title: &str) -> Card {
    Card { title: title.to_owned(), ..Card::default() }
}

#[tokio::test]
async fn a_slack_of_others_takes_posts_replies_edits_and_files() {
    let Some(town) = Town::found().await else { return };
    let (id, reply, place) = (MessageId::new(), MessageId::new(), Place::channel(Platform::Slack, "#general"));
    let (open, resolved, detail) = (card("P1 Checkout: open"), card("P1 Checkout: resolved"), card("Ana is on it."));

    let ts = town.chat.post(out(&id, &place, &open, None)).await.unwrap();
    town.clock.forward(Duration::from_secs(2));
    let under = town.chat.post(out(&reply, &place, &detail, Some(&ts))).await.unwrap();
    town.clock.forward(Duration::from_secs(2));
    town.chat.edit(&ts, out(&id, &place, &resolved, None)).await.unwrap();
    let thread = town.replies(&ts).await;
    let texts: Vec<&str> = thread.iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert!(texts[0].starts_with("P1 Checkout: resolved") && texts[1].starts_with("Ana is on it."), "{texts:?}");
    assert_eq!(thread[1]["ts"], json!(under));
    assert!(thread[0]["blocks"].as_array().is_some_and(|blocks| !blocks.is_empty()), "{}", thread[0]);

    let long = Card { output: Some("a line of the log\n".repeat(10_000)), ..card("What it printed") };
    town.clock.forward(Duration::from_secs(60));
    let whole = MessageId::new();
    town.chat.post(out(&whole, &place, &long, Some(&ts))).await.unwrap();
    let thread = town.replies(&ts).await;
    let files = thread.iter().flat_map(|message| message["files"].as_array().into_iter().flatten()).count();
    assert_eq!(files, 1, "the whole of it is a file in the thread: {thread:#?}");
}
