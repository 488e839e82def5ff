//! `say`, `press`, `thread`: a thin client of a running server's JSON API, as one person.

use std::process::ExitCode;
use std::time::Duration;

use minijinja::context;
use serde_json::{Value, json};

use super::Failure;
use super::args::{PressOptions, SayOptions, Server, ThreadOptions, shell_words};
use super::failure::{AWAY, CONFIG, DENIED, FAILED};
use super::render;
use super::serve::load;
use crate::executor;
use crate::secret::Secret;

/// How often an answer is asked for.
const EVERY: Duration = Duration::from_millis(150);

/// States of answers to who may not.
pub const REFUSED: &[&str] = &["denied", "not_counted"];

/// A person's connection to a server.
pub struct Client {
    http: reqwest::Client,
    server: String,
    token: String,
}

impl Client {
    /// A client as the options say. A token of the environment must be of the person who is named, if one is.
    pub async fn new(options: &Server) -> Result<Self, Failure> {
        let words = shell_words();
        let environment = crate::config::environment();
        let from_environment = environment.get("SERENO_TOKEN").cloned();
        let config = match (&options.server, &from_environment) {
            (Some(_), Some(_)) => None,
            _ => Some(load(options.config.config.as_deref())?),
        };
        let server =
            options.server.clone().or_else(|| config.as_ref().map(|config| format!("http://{}", config.listen)));
        let by_person = options.user.as_ref().zip(config.as_ref()).and_then(|(user, config)| config.tokens.get(user));
        let unproved = options.user.as_deref().filter(|_| by_person.is_none());
        let token = by_person.map(|token| token.reveal().to_owned()).or(from_environment);
        match (server, token) {
            (Some(server), Some(token)) => {
                let server = server.trim_end_matches('/').to_owned();
                let client = Self { http: executor::http::client().clone(), server, token };
                match unproved {
                    Some(user) => client.is(user).await,
                    None => Ok(client),
                }
            }
            _ => {
                let user = options.user.clone().unwrap_or_default();
                Err(Failure::new(CONFIG, words.say("cli.no_token", context! { user }), words.get("cli.hint_token")))
            }
        }
    }

    /// The same, if its token is this person's.
    async fn is(self, user: &str) -> Result<Self, Failure> {
        let owner = render::text(&self.call("me", None).await?, "id");
        if owner == user {
            return Ok(self);
        }
        let words = shell_words();
        Err(Failure::new(CONFIG, words.say("cli.other_person", context! { user, owner }), words.get("cli.hint_token")))
    }

    /// A client with a token of its own.
    pub fn as_person(server: &str, token: &Secret) -> Self {
        Self { http: executor::http::client().clone(), server: server.to_owned(), token: token.reveal().to_owned() }
    }

    /// One call; the answer's JSON.
    pub async fn call(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let url = format!("{}/api/v1/{path}", self.server);
        let request = match body {
            Some(body) => self.http.post(&url).json(body),
            None => self.http.get(&url),
        };
        let answer = request.bearer_auth(&self.token).send().await.map_err(|error| self.away(&error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.away(&error))?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let code = match status.as_u16() {
            401 | 403 => DENIED,
            503 => AWAY,
            _ => FAILED,
        };
        let said = |key: &str| value.pointer(&format!("/error/{key}")).and_then(Value::as_str).map(str::to_owned);
        let message = said("message").unwrap_or_else(|| format!("{status} {url}"));
        Err(Failure { code, message, hint: said("hint") })
    }

    fn away(&self, error: &reqwest::Error) -> Failure {
        let words = shell_words();
        let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::new(
            AWAY,
            words.say("cli.no_server", context! { server => self.server.clone(), why }),
            words.get("cli.hint_server"),
        )
    }

    /// The answers to a request, once it is handled and they will not change by themselves; or what there is when the
    /// time is up.
    pub async fn answers(&self, delivery: &str, also: Option<&str>, wait: Duration) -> Result<Vec<Value>, Failure> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let state = self.call(&format!("deliveries/{delivery}"), None).await?;
            let handled = matches!(render::text(&state, "state").as_str(), "done" | "failed");
            let mut cards = array(self.call(&format!("deliveries/{delivery}/replies"), None).await?);
            if let Some(also) = also {
                cards.push(self.call(&format!("messages/{also}"), None).await?);
            }
            let settled = handled && !cards.iter().any(render::is_unsettled);
            if settled || tokio::time::Instant::now() >= until {
                return Ok(cards);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// Says a line, and shows the answer.
pub async fn say(options: SayOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(&options.server).await?;
    let body = json!({"channel": options.channel, "text": options.text, "thread": options.thread});
    let accepted = client.call("messages", Some(&body)).await?;
    let cards = client.answers(&render::text(&accepted, "id"), None, options.server.wait).await?;
    render::print(&cards, options.server.json);
    Ok(exit_of(&cards))
}

/// Presses a button, and shows what came of it: the answer, and the message as it is now.
pub async fn press(options: PressOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(&options.server).await?;
    let mut values = serde_json::Map::new();
    for pair in &options.values {
        let Some((name, value)) = pair.split_once('=') else {
            let words = shell_words();
            return Err(Failure::new(2, words.say("cli.not_a_pair", context! { pair }), words.get("cli.hint_pair")));
        };
        values.insert(name.to_owned(), json!(value));
    }
    let body = json!({"button": options.button, "values": values});
    let accepted = client.call(&format!("messages/{}/press", options.message), Some(&body)).await?;
    let wait = options.server.wait;
    let cards = client.answers(&render::text(&accepted, "id"), Some(&options.message), wait).await?;
    render::print(&cards, options.server.json);
    Ok(exit_of(&cards))
}

/// Shows a thread.
pub async fn thread(options: ThreadOptions) -> Result<ExitCode, Failure> {
    let client = Client::new(&options.server).await?;
    let cards = array(client.call(&format!("messages/{}/thread", options.message), None).await?);
    render::print(&cards, options.server.json);
    Ok(ExitCode::SUCCESS)
}

/// What the answers mean for a script: a refusal is 3, a failure 1.
pub fn exit_of(cards: &[Value]) -> ExitCode {
    let states: Vec<String> = cards.iter().map(|card| render::text(card, "state")).collect();
    let any = |wanted: &[&str]| states.iter().any(|state| wanted.contains(&state.as_str()));
    if any(REFUSED) {
        ExitCode::from(DENIED)
    } else if any(&["failed", "unknown", "unclear", "missing"]) {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    }
}
