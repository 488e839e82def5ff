//! An AWS on loopback for what moto lets pass: it checks every signature, refuses stale revisions, reads all filter
//! patterns, streams logs live, is asked too much when a test says so, and has functions that fail.

mod lambda;
mod live;
mod logs;
mod others;
mod signature;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use lambda::Behaviour;
pub use live::End;

/// The account that everybody is in who is not put into another one.
pub const ACCOUNT: &str = "123456789012";
/// Larger bodies are not read.
const BODY: usize = 16 << 20;

/// The service. It ends when it is dropped.
pub struct Aws {
    /// Where it is, as `http://127.0.0.1:port`.
    pub endpoint: String,
    world: Shared,
    task: JoinHandle<()>,
}

type Shared = Arc<Mutex<World>>;

/// Everything that it knows.
#[derive(Default)]
struct World {
    key: String,
    /// Accounts of keys, by their id.
    accounts: BTreeMap<String, String>,
    lambda: lambda::Functions,
    logs: logs::Groups,
    /// How many requests are still refused because too much is asked.
    throttled: usize,
    /// Requests that were let in, by operation or by method and path.
    calls: Vec<String>,
    moved: Vec<String>,
}

/// A request that was signed well.
struct Asked {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
    service: String,
    /// The id of the key that it was signed with.
    key_id: String,
}

impl Asked {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The operation, where a header or the form names it; else method and path.
    fn call(&self) -> String {
        let form =
            || form_urlencoded::parse(&self.body).find(|(name, _)| name == "Action").map(|(_, it)| it.into_owned());
        match self.header("x-amz-target").rsplit('.').next().filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => form().unwrap_or_else(|| format!("{} {}", self.method, self.path)),
        }
    }
}

impl Aws {
    /// One that knows a secret access key, whatever its id.
    pub async fn start(key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let world = Shared::default();
        world.lock().expect("nobody panicked").key = key.to_owned();
        let router = Router::new().fallback(answer).with_state(world.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { endpoint, world, task }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nobody panicked")
    }

    /// Puts the key with this id into another account.
    pub fn key_is_in(&self, key_id: &str, account: &str) {
        self.world().accounts.insert(key_id.to_owned(), account.to_owned());
    }

    /// Refuses the next requests because too much is asked.
    pub fn throttle(&self, requests: usize) {
        self.world().throttled = requests;
    }

    /// What was asked so far, by operation or by method and path; throttled requests too.
    pub fn calls(&self) -> Vec<String> {
        self.world().calls.clone()
    }

    /// Dead-letter queues whose messages were sent back, with where to if that was said.
    pub fn moved(&self) -> Vec<String> {
        self.world().moved.clone()
    }

    /// Has a function with an alias that leads to a version.
    pub fn alias(&self, function: &str, alias: &str, version: &str) {
        self.world().lambda.point(function, alias, version);
    }

    /// Where an alias leads.
    pub fn alias_version(&self, function: &str, alias: &str) -> String {
        self.world().lambda.version(function, alias)
    }

    /// What a function does when it is called.
    pub fn behaves(&self, function: &str, behaviour: Behaviour) {
        self.world().lambda.behave(function, behaviour);
    }

    /// Writes a line into a log, at a moment in milliseconds.
    pub fn log(&self, group: &str, at: i64, message: &str) {
        self.world().logs.write(group, at, message);
    }

    /// Refuses to stream logs live, with this status and code.
    pub fn refuses_live(&self, status: u16, code: &str) {
        self.world().logs.no_live = Some((status, code.to_owned()));
    }

    /// Streams logs live again.
    pub fn streams_live(&self) {
        self.world().logs.no_live = None;
    }

    /// From now on live sessions say that they leave events out.
    pub fn samples(&self) {
        self.world().logs.sampled = true;
    }

    /// How many follow logs live just now.
    pub fn following(&self) -> usize {
        self.world().logs.sessions.iter().filter(|session| session.open()).count()
    }

    /// Ends all live sessions.
    pub fn ends_live(&self, how: End) {
        self.world().logs.sessions.drain(..).for_each(|session| session.end(how));
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else { return refused(413, "RequestTooLarge", "") };
    let mut asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_vec(),
        service: String::new(),
        key_id: String::new(),
    };
    let mut world = shared.lock().expect("nobody panicked");
    match signature::check(&asked, &world.key) {
        Ok((service, key_id)) => (asked.service, asked.key_id) = (service, key_id),
        Err(why) => return refused(403, "SignatureDoesNotMatch", &why),
    }
    world.calls.push(asked.call());
    if world.throttled > 0 {
        world.throttled -= 1;
        return match asked.service.as_str() {
            "lambda" => refused(429, "TooManyRequestsException", "Rate exceeded"),
            "s3" => (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>").into_response(),
            _ => refused(400, "ThrottlingException", "Rate exceeded"),
        };
    }
    match asked.service.as_str() {
        "lambda" => lambda::answer(&mut world.lambda, &asked),
        "logs" => logs::answer(&mut world.logs, &asked),
        _ => others::answer(&mut world, &asked),
    }
}

/// JSON with a status.
fn say(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, [("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
}

/// An error as the JSON protocols have it.
fn refused(status: u16, code: &str, message: &str) -> Response {
    let mut response = say(status, &json!({ "__type": code, "message": message, "Message": message }));
    if let Ok(code) = code.parse() {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
