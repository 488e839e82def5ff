//! A whole server on a free port, with its own SQLite file, and a client that can also send what no client would.
//! The engine's loops do not run: what was accepted stays in the inbox, and messages are put there by the tests.

#![allow(dead_code)] // each test file uses a part of it

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sereno::catalog::Catalog;
use sereno::chat::card::Card;
use sereno::chat::console::Console;
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::domain::actor::{Place, Platform};
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::http::{self, Limits, State};
use sereno::id::MessageId;
use sereno::store::messages::{self, NewMessage};
use sereno::store::wake::Wake;
use sereno::store::{Store, inbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub const ANA: &str = "token-of-ana-0123456789";
pub const LEO: &str = "token-of-leo-0123456789";
pub const SECRET: &str = "secret-of-alertmanager-0123456789";

const CONFIG: &str = r##"
people:
  - { id: ana, name: Ana, roles: [operator], console: { token: "token-of-ana-0123456789" } }
  - { id: leo, name: Leo, roles: [lead], console: { token: "token-of-leo-0123456789" } }
roles:
  operator: Runs.
  lead: { about: Approves., includes: [operator] }
environments: { prod: { approvals: 1 } }
channels: { "#infra": { console: true }, "#shop": { console: true } }
hooks:
  alertmanager: { dialect: alertmanager, secret: "secret-of-alertmanager-0123456789", channel: "#infra" }
"##;

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub engine: Arc<Engine>,
    pub console: Arc<Console>,
    pub clock: Clock,
    pub stop: CancellationToken,
    pub ended: tokio::task::JoinHandle<std::io::Result<()>>,
    _files: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server with the real limits.
pub async fn server() -> Server {
    server_with(Limits::default()).await
}

pub async fn server_with(limits: Limits) -> Server {
    let files = tempfile::tempdir().unwrap();
    let config = Config::read("test.yaml", CONFIG, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let store = Store::open(&format!("sqlite://{}", files.path().join("sereno.db").display())).unwrap();
    store.migrate().await.unwrap();
    let clock = Clock::manual(Timestamp(1_772_334_720_000));
    let console = Arc::new(Console::default());
    let engine = Engine::new(Parts {
        store,
        clock: clock.clone(),
        settings: config.settings.clone(),
        catalog: Catalog::default(),
        chats: vec![console.clone()],
        tools: Tools::default(),
        wake: Wake::default(),
    });
    let state = State::new(engine.clone(), console.clone(), &config, sereno::telemetry::metrics(), limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let ended = tokio::spawn(http::serve(listener, state, stop.clone()));
    Server { address, engine, console, clock, stop, ended, _files: files }
}

impl Server {
    /// Sends a request as it stands and reads the answer to its end.
    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // A server that answers early stops reading; what it said is still read.
        let _ = socket.write_all(request).await;
        read(&mut socket).await
    }

    /// A request with these headers and this body.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.send(request.as_bytes()).await
    }

    /// A request of the API by a person's token.
    pub async fn api(&self, token: &str, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.ask(method, path, &[("authorization", &bearer), ("content-type", "application/json")], body).await
    }

    /// An alert body with Alertmanager's secret.
    pub async fn hook(&self, body: &str) -> Answer {
        self.ask("POST", "/hooks/alertmanager", &[("authorization", &format!("Bearer {SECRET}"))], body).await
    }

    /// The session cookie of a person who signs in with their token.
    pub async fn sign_in(&self, token: &str) -> String {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = self.ask("POST", "/sign-in", &form, &format!("token={token}")).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    /// A page as this cookie's owner sees it.
    pub async fn page(&self, cookie: &str, path: &str) -> Answer {
        self.ask("GET", path, &[("cookie", cookie)], "").await
    }

    /// Posts a form as a browser does from one of our pages.
    pub async fn form(&self, cookie: &str, path: &str, fields: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.ask("POST", path, &[("cookie", cookie), ("origin", &origin), kind], fields).await
    }

    /// Puts a message into a channel or thread.
    pub async fn says(&self, place: &Place, whisper_to: Option<&str>, card: &Card) -> MessageId {
        let id = MessageId::new();
        let message = NewMessage {
            id: id.clone(),
            place: place.clone(),
            author: None,
            whisper_to: whisper_to.map(str::to_owned),
            reply_to: None,
            card: serde_json::to_value(card).unwrap(),
            at: self.clock.now(),
        };
        let mut tx = self.engine.store.begin().await.unwrap();
        messages::insert(&mut tx, &message).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Requests in the inbox.
    pub async fn accepted(&self) -> i64 {
        let mut db = self.engine.store.read().await.unwrap();
        inbox::counts(&mut db).await.unwrap().iter().map(|(_, count)| count).sum()
    }

    /// A connection of one's own.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

pub fn infra() -> Place {
    Place::channel(Platform::Console, "#infra")
}

/// A card with a title.
pub fn card(title: &str) -> Card {
    Card { title: title.to_owned(), ..Card::default() }
}

/// Reads one answer until the server closes.
pub async fn read(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut bytes)).await.expect("an answer");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, head: head.to_owned(), body: if chunked { unchunk(body) } else { body.to_owned() } }
}

/// Whether the server closes a connection by itself.
pub async fn is_closed(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut rest)).await.is_ok()
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        out.push_str(rest.get(..size).unwrap_or_default());
        body = rest.get(size + 2..).unwrap_or_default();
    }
    out
}
