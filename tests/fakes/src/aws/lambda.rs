//! Functions: aliases with revisions that count, and calls that may fail.

use std::collections::BTreeMap;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Asked, refused, say};

/// What a function does when it is called.
#[derive(Clone)]
pub enum Behaviour {
    /// It answers with what it was given.
    Echo,
    /// It fails with this message.
    Error(String),
    /// It answers with this.
    Answer(Value),
}

#[derive(Default)]
pub(super) struct Functions {
    aliases: BTreeMap<(String, String), Alias>,
    behaviours: BTreeMap<String, Behaviour>,
    /// Grows with every change.
    serial: u64,
}

struct Alias {
    version: String,
    routing: Value,
    revision: u64,
}

impl Functions {
    pub(super) fn point(&mut self, function: &str, alias: &str, version: &str) {
        self.serial += 1;
        let led = Alias { version: version.to_owned(), routing: Value::Null, revision: self.serial };
        self.aliases.insert((function.to_owned(), alias.to_owned()), led);
    }

    pub(super) fn version(&self, function: &str, alias: &str) -> String {
        let found = self.aliases.get(&(function.to_owned(), alias.to_owned()));
        found.map(|alias| alias.version.clone()).unwrap_or_default()
    }

    pub(super) fn behave(&mut self, function: &str, behaviour: Behaviour) {
        self.behaviours.insert(function.to_owned(), behaviour);
    }
}

/// A revision as AWS writes it.
fn revision(serial: u64) -> String {
    format!("00000000-0000-4000-8000-{serial:012}")
}

pub(super) fn answer(functions: &mut Functions, asked: &Asked) -> Response {
    let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", [_, "functions", function, "aliases", name]) => show(functions, function, name),
        ("PUT", [_, "functions", function, "aliases", name]) => {
            let key = ((*function).to_owned(), (*name).to_owned());
            let body = asked.json();
            let serial = functions.serial + 1;
            let Some(alias) = functions.aliases.get_mut(&key) else { return none() };
            if body["RevisionId"].as_str().is_some_and(|sent| sent != revision(alias.revision)) {
                let message = "The Revision Id provided does not match the latest Revision Id.";
                return refused(412, "PreconditionFailedException", message);
            }
            if let Some(version) = body["FunctionVersion"].as_str() {
                alias.version = version.to_owned();
            }
            alias.routing = body["RoutingConfig"].clone();
            alias.revision = serial;
            functions.serial = serial;
            show(functions, function, name)
        }
        ("POST", [_, "functions", function, "invocations"]) => match functions.behaviours.get(*function) {
            None => none(),
            Some(behaviour) => called(behaviour, asked),
        },
        _ => refused(400, "UnknownOperationException", &asked.path),
    }
}

fn none() -> Response {
    refused(404, "ResourceNotFoundException", "Function not found")
}

fn show(functions: &Functions, function: &str, name: &str) -> Response {
    let Some(alias) = functions.aliases.get(&(function.to_owned(), name.to_owned())) else { return none() };
    let mut body = json!({ "Name": name, "FunctionVersion": alias.version, "RevisionId": revision(alias.revision) });
    if alias.routing.is_object() {
        body["RoutingConfig"] = alias.routing.clone();
    }
    say(200, &body)
}

fn called(behaviour: &Behaviour, asked: &Asked) -> Response {
    let (body, failed) = match behaviour {
        Behaviour::Echo => (asked.json(), false),
        Behaviour::Answer(answer) => (answer.clone(), false),
        Behaviour::Error(message) => (json!({ "errorMessage": message, "errorType": "RuntimeError" }), true),
    };
    let mut response = say(200, &body);
    let log = "START RequestId: 1\nERROR disk full\nREPORT Duration: 3 ms\n";
    let headers = [("x-amz-function-error", "Unhandled".to_owned()), ("x-amz-log-result", STANDARD.encode(log))];
    for (name, value) in headers.into_iter().skip(usize::from(!failed)) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
