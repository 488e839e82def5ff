//! The shape of the configuration, drawn from its JSON Schema: which keys there are, and what each holds. The check of
//! the file, the environment variables and the docs' test all walk it, so none of them can forget a key.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a key holds.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Known keys; those that must be there.
    Struct(BTreeMap<String, Shape>, Vec<String>),
    /// Names that people choose.
    Map(Box<Shape>),
    /// A list.
    List(Box<Shape>),
    /// A text, of these if there are any.
    Text(Vec<String>),
    /// A text that nobody may see.
    Secret,
    /// A whole number, not negative.
    Whole,
    /// True or false.
    Flag,
    /// One of these, told apart by what is written.
    Any(Vec<Shape>),
}

impl Shape {
    /// The shape that a schema describes. Knows the part of JSON Schema that `schemars` writes for our types.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        Self::read(schema, &schema["$defs"])
    }

    fn read(schema: &Value, defs: &Value) -> Self {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return Self::read(&defs[name], defs);
        }
        if let Some(choices) = choices(schema) {
            return Self::Text(choices);
        }
        if let Some(options) = schema["anyOf"].as_array() {
            let mut options: Vec<Self> = options
                .iter()
                .filter(|option| option["type"] != "null")
                .map(|option| Self::read(option, defs))
                .collect();
            return if options.len() == 1 { options.remove(0) } else { Self::Any(options) };
        }
        match kind(schema) {
            "object" if schema["properties"].is_object() => Self::read_struct(schema, defs),
            "object" => Self::Map(Box::new(Self::read(&schema["additionalProperties"], defs))),
            "array" => Self::List(Box::new(Self::read(&schema["items"], defs))),
            "integer" => Self::Whole,
            "boolean" => Self::Flag,
            _ if schema["writeOnly"] == true => Self::Secret,
            _ => Self::Text(Vec::new()),
        }
    }

    fn read_struct(schema: &Value, defs: &Value) -> Self {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let required = schema["required"].as_array().into_iter().flatten();
        Self::Struct(
            fields.map(|(name, field)| (name.clone(), Self::read(field, defs))).collect(),
            required.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        )
    }

    /// What is written, without its secrets and whatever does not fit.
    #[must_use]
    pub fn without_secrets(&self, value: &Value) -> Value {
        match (self, value) {
            (Self::Struct(fields, _), Value::Object(map)) => {
                let known = map.iter().filter_map(|(key, value)| Some((key, fields.get(key)?.without_secrets(value))));
                known.map(|(key, value)| (key.clone(), value)).collect()
            }
            (Self::Map(inner), Value::Object(map)) => {
                map.iter().map(|(key, value)| (key.clone(), inner.without_secrets(value))).collect()
            }
            (Self::List(inner), Value::Array(items)) => items.iter().map(|item| inner.without_secrets(item)).collect(),
            (Self::Any(options), value) => {
                let mut fitting = options.iter().map(|option| option.without_secrets(value));
                fitting.find(|value| !value.is_null()).unwrap_or_default()
            }
            (Self::Text(_), Value::String(_)) | (Self::Whole, Value::Number(_)) | (Self::Flag, Value::Bool(_)) => {
                value.clone()
            }
            _ => Value::Null,
        }
    }

    /// Every path to a value, as in `people.[].console.token`, `hooks.*.secret`.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let under = |step: &str, shape: &Self| -> Vec<String> {
            let below = shape.paths();
            if below.is_empty() {
                return vec![step.to_owned()];
            }
            below.into_iter().map(|path| format!("{step}.{path}")).collect()
        };
        match self {
            Self::Struct(fields, _) => fields.iter().flat_map(|(name, field)| under(name, field)).collect(),
            Self::Map(inner) => under("*", inner),
            Self::List(inner) => match inner.as_ref() {
                Self::Struct(..) => under("[]", inner),
                _ => Vec::new(),
            },
            Self::Any(options) => options.iter().flat_map(Self::paths).collect(),
            _ => Vec::new(),
        }
    }
}

fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default(),
        other => other.as_str().unwrap_or_default(),
    }
}

fn choices(schema: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(word).collect();
    }
    schema["oneOf"].as_array()?.iter().map(|option| word(&option["const"])).collect()
}
