//! Arguments of a call: form, JSON or query, as each method takes them, and the ways to refuse a call.
//! Page: <https://docs.slack.dev/apis/web-api/using-the-web-api>.

use serde_json::{Map, Value, json};

/// Why a call is not done: `error`, and what is told beside it.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub error: String,
    pub more: Map<String, Value>,
}

/// What a method answers.
pub type Reply = Result<Value, Refusal>;

/// This error and nothing more.
pub fn refuse<T>(error: &str) -> Result<T, Refusal> {
    Err(error.into())
}

impl From<&str> for Refusal {
    fn from(error: &str) -> Self {
        Self { error: error.to_owned(), more: Map::new() }
    }
}

impl Refusal {
    /// With `response_metadata.messages`.
    pub fn explained(error: &str, messages: Vec<String>) -> Self {
        let mut refusal = Self::from(error);
        refusal.more.insert("response_metadata".into(), json!({"messages": messages}));
        refusal
    }

    /// `missing_scope`, with what was needed and what the token has.
    pub fn missing_scope(needed: &str, provided: &str) -> Self {
        let mut refusal = Self::from("missing_scope");
        refusal.more.insert("needed".into(), json!(needed));
        refusal.more.insert("provided".into(), json!(provided));
        refusal
    }

    /// `{ok: false, …}`.
    pub fn json(self) -> Value {
        let mut json = self.more;
        json.insert("ok".into(), json!(false));
        json.insert("error".into(), json!(self.error));
        Value::Object(json)
    }
}

/// Arguments, as strings from a form or as values from JSON.
#[derive(Debug, Clone, Default)]
pub struct Args(pub Map<String, Value>);

impl Args {
    /// From pairs of a form or query.
    pub fn from_form(bytes: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(bytes);
        Self(pairs.map(|(name, value)| (name.into_owned(), json!(value))).collect())
    }

    /// A string; numbers count as such.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A string that must be there.
    pub fn need(&self, name: &str) -> Result<String, Refusal> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
    }

    /// A flag: `true`, `1`, and their strings.
    pub fn flag(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text == "true" || text == "1",
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// A value of JSON, also where it comes as a string of it; `Err` where that is none.
    pub fn json(&self, name: &str) -> Result<Option<Value>, ()> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some).map_err(|_| ()),
            Some(value) => Ok(Some(value.clone())),
        }
    }

    /// A list that comes with commas or as JSON.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(list)) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            Some(Value::String(text)) => text.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// `invalid_arguments` for an argument that is missing.
pub fn missing(name: &str) -> Refusal {
    Refusal::explained("invalid_arguments", vec![format!("[ERROR] missing required field: {name}")])
}

/// A page of a list, and the cursor of the next one.
pub fn page(args: &Args, all: &[Value]) -> Result<(Vec<Value>, Value), Refusal> {
    let limit = args.number("limit").filter(|limit| *limit > 0).unwrap_or(100).min(1000);
    let start = match args.text("cursor").filter(|cursor| !cursor.is_empty()) {
        None => 0,
        Some(cursor) => cursor.strip_prefix("next:").and_then(|at| at.parse().ok()).ok_or("invalid_cursor")?,
    };
    let end = (start + limit).min(all.len());
    let next = if end < all.len() { format!("next:{end}") } else { String::new() };
    Ok((all.get(start..end).unwrap_or_default().to_vec(), json!({"next_cursor": next})))
}
