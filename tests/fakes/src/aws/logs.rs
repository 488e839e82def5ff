//! Logs: events that come while somebody looks, pages that may be empty, every kind of filter pattern, and who follows
//! them live.

use std::collections::BTreeMap;

use axum::response::Response;
use regex::Regex;
use serde_json::{Value, json};

use super::live::{Session, begin};
use super::{Asked, refused, say};

/// Events of one page.
const PAGE: usize = 3;

#[derive(Default)]
pub(super) struct Groups {
    pub(super) events: BTreeMap<String, Vec<(i64, String)>>,
    pub(super) sessions: Vec<Session>,
    /// Status and code by which live sessions are refused.
    pub(super) no_live: Option<(u16, String)>,
    /// Whether sessions say that they leave some out.
    pub(super) sampled: bool,
}

impl Groups {
    pub(super) fn write(&mut self, group: &str, at: i64, message: &str) {
        self.events.entry(group.to_owned()).or_default().push((at, message.to_owned()));
        for session in &self.sessions {
            session.tell(group, at, message, self.sampled);
        }
    }
}

pub(super) fn answer(groups: &mut Groups, asked: &Asked) -> Response {
    let body = asked.json();
    match asked.call().as_str() {
        "FilterLogEvents" => filter(groups, &body),
        "StartLiveTail" => match &groups.no_live {
            Some((status, code)) => refused(*status, code, "no live tail"),
            None => begin(groups, &body),
        },
        other => refused(400, "UnknownOperationException", other),
    }
}

fn filter(groups: &Groups, body: &Value) -> Response {
    let group = body["logGroupName"].as_str().unwrap_or_default();
    let Some(events) = groups.events.get(group) else {
        return refused(400, "ResourceNotFoundException", "The specified log group does not exist.");
    };
    let Some(pattern) = Pattern::read(body["filterPattern"].as_str().unwrap_or_default()) else {
        return refused(400, "InvalidParameterException", "Invalid filter pattern");
    };
    let since = body["startTime"].as_i64().unwrap_or_default();
    let from: usize = body["nextToken"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
    let page = events.iter().enumerate().skip(from).take(PAGE);
    let matching = page.filter(|(_, (at, message))| *at >= since && pattern.matches(message));
    let found: Vec<Value> = matching
        .map(|(serial, (at, message))| {
            json!({
                "eventId": format!("{group}-{serial}"), "logStreamName": "2026/03/01/[$LATEST]abc", "timestamp": at,
                "ingestionTime": at, "message": message,
            })
        })
        .collect();
    // Where nothing matches, a page is empty and there may still be a next one.
    let mut answer = json!({ "events": found, "searchedLogStreams": [] });
    if from + PAGE < events.len() {
        answer["nextToken"] = (from + PAGE).to_string().into();
    }
    say(200, &answer)
}

/// A filter pattern.
pub(super) enum Pattern {
    All,
    Regex(Regex),
    /// A field of a JSON message, compared.
    Field {
        path: Vec<String>,
        compare: String,
        with: String,
    },
    /// Every term is in it; those with a dash in front are not; of those with a question mark one.
    Terms(Vec<String>),
}

impl Pattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::All);
        }
        if let Some(regex) = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
            return Regex::new(regex).ok().map(Self::Regex);
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let parts: Vec<&str> = inner.split_whitespace().collect();
            let [path, compare, with] = parts.as_slice() else { return None };
            let path = path.strip_prefix("$.")?.split('.').map(str::to_owned).collect();
            return Some(Self::Field { path, compare: (*compare).to_owned(), with: with.trim_matches('"').to_owned() });
        }
        let terms = Regex::new(r#"[-?]?"[^"]*"|\S+"#).ok()?;
        let terms = terms.find_iter(text).map(|term| term.as_str().replace('"', ""));
        Some(Self::Terms(terms.collect()))
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Regex(regex) => regex.is_match(message),
            Self::Field { path, compare, with } => {
                let Ok(json) = serde_json::from_str::<Value>(message) else { return false };
                let found = path.iter().fold(&json, |value, name| &value[name.as_str()]);
                let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
                let numbers = text.parse::<f64>().ok().zip(with.parse::<f64>().ok());
                match (compare.as_str(), numbers) {
                    ("=", _) => text == *with,
                    ("!=", _) => text != *with,
                    (">", Some((found, with))) => found > with,
                    (">=", Some((found, with))) => found >= with,
                    ("<", Some((found, with))) => found < with,
                    ("<=", Some((found, with))) => found <= with,
                    _ => false,
                }
            }
            Self::Terms(terms) => {
                let any: Vec<&str> = terms.iter().filter_map(|term| term.strip_prefix('?')).collect();
                let one = any.is_empty() || any.iter().any(|term| message.contains(term));
                one && terms.iter().filter(|term| !term.starts_with('?')).all(|term| match term.strip_prefix('-') {
                    Some(term) => !message.contains(term),
                    None => message.contains(term.as_str()),
                })
            }
        }
    }
}
