//! What an `aws` step may say: one operation of the table, and the fields of that operation and no other. Knows nothing
//! of requests.

use serde_json::{Map, Value, json};

use super::{Operation, SERVICES};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::aws::Place;
use crate::executor::listed;
use crate::executor::value::{SecretText, Text};

/// A field of an operation.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it may be left out.
    pub(super) optional: bool,
    /// What it is.
    pub(super) about: &'static str,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    /// A whole number between these.
    Number(u64, u64),
    Flag,
    /// Always a secret of the configuration.
    Secret,
    /// Texts.
    List,
    /// Names with texts, numbers or truth values.
    Map,
    /// A list of objects.
    Rules,
}

/// A field that must be there.
pub(super) const fn must(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, optional: false, about }
}

/// A field that may be left out.
pub(super) const fn may(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, optional: true, about }
}

/// Fields that every operation takes.
const COMMON: &[Field] = &[
    may("region", Kind::Text, "The region; the configuration's without."),
    may("account", Kind::Text, "The account that it must be; in another one nothing is done."),
];

/// An operation with its fields, checked.
pub(super) struct Given {
    pub(super) operation: &'static Operation,
    pub(super) place: Place,
    values: Map<String, Value>,
}

fn operations() -> impl Iterator<Item = &'static Operation> {
    SERVICES.iter().copied().flatten()
}

impl Given {
    /// Reads the fields of a step.
    pub(super) fn read(with: &Value) -> Result<Self, Sentence> {
        let fields = with.as_object().ok_or_else(|| sentence!("action.no_fields"))?;
        let name = fields.get("do").and_then(Value::as_str).ok_or_else(|| sentence!("aws.no_do"))?;
        let operation = operations().find(|operation| operation.name == name);
        let operation = operation.ok_or_else(|| sentence!("aws.no_operation", name, known => known_like(name)))?;
        let known = || operation.fields.iter().chain(COMMON);
        if let Some(stray) = fields.keys().find(|key| *key != "do" && !known().any(|field| field.name == *key)) {
            let takes = listed(&known().map(|field| field.name).collect::<Vec<_>>());
            return Err(sentence!("aws.stray", field => stray, verb => name, takes));
        }
        let mut values = Map::new();
        for field in known() {
            match fields.get(field.name).filter(|value| !value.is_null()) {
                Some(value) => {
                    let value = field.kind.read(value).ok_or_else(|| field.misfit())?;
                    values.insert(field.name.to_owned(), value);
                }
                None if field.optional => {}
                None => return Err(sentence!("aws.missing", field => field.name, verb => name)),
            }
        }
        let common = |name: &str| values.get(name).and_then(Value::as_str).map(|text| Text(text.to_owned()));
        let place = Place::new(common("region").as_ref(), common("account").as_ref());
        let given = Self { operation, place, values };
        let keys = given.keys()?;
        Ok(Self { place: Place { keys, ..given.place }, ..given })
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.as_u64()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A secret, still by its name.
    pub(super) fn secret(&self, name: &str) -> Option<SecretText> {
        serde_json::from_value(self.value(name)?.clone()).ok()
    }

    /// Keys of its own, where the operation takes them: both or none.
    fn keys(&self) -> Result<Option<(SecretText, SecretText)>, Sentence> {
        // What others call `key` is a key of S3, or of a table.
        if !self.operation.fields.iter().any(|field| field.name == "key_id") {
            return Ok(None);
        }
        let missing = |field| Err(sentence!("aws.missing", field, verb => self.operation.name));
        match (self.secret("key_id"), self.secret("key")) {
            (Some(id), Some(key)) => Ok(Some((id, key))),
            (None, None) => Ok(None),
            (None, Some(_)) => missing("key_id"),
            (Some(_), None) => missing("key"),
        }
    }

    /// Names of the secrets.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secrets = self.operation.fields.iter().filter(|field| field.kind == Kind::Secret);
        secrets.filter_map(|field| Some(self.secret(field.name)?.secret()?.to_owned())).collect()
    }

    /// As plans hold it.
    pub(super) fn shown(&self) -> &Map<String, Value> {
        &self.values
    }

    /// What it acts on: its first field.
    pub(super) fn target(&self) -> String {
        let first = self.operation.fields.first().and_then(|field| self.text(field.name));
        first.unwrap_or(self.operation.name).to_owned()
    }

    /// Its fields in one line.
    pub(super) fn line(&self) -> String {
        let fields = self.operation.fields.iter().chain(COMMON);
        fields.filter_map(|field| Some((field.name, self.value(field.name)?))).fold(
            String::new(),
            |line, (name, it)| {
                let shown = it.as_str().map_or_else(|| it.to_string(), str::to_owned);
                format!("{line} {name}={shown}")
            },
        )
    }
}

/// Operations of the same service, or all services.
fn known_like(name: &str) -> String {
    let service = name.split('.').next().unwrap_or_default();
    let of = |operation: &Operation| operation.name.split('.').next() == Some(service);
    let same: Vec<&str> = operations().filter(|operation| of(operation)).map(|operation| operation.name).collect();
    if same.is_empty() {
        listed(&operations().map(|operation| operation.name).collect::<Vec<_>>())
    } else {
        listed(&same)
    }
}

impl Field {
    fn misfit(&self) -> Sentence {
        let field = self.name;
        match self.kind {
            Kind::Text => sentence!("aws.wants_text", field),
            Kind::Number(least, most) => sentence!("aws.wants_number", field, least, most),
            Kind::Flag => sentence!("aws.wants_flag", field),
            Kind::Secret => sentence!("aws.wants_secret", field),
            Kind::List => sentence!("aws.wants_list", field),
            Kind::Map => sentence!("aws.wants_map", field),
            Kind::Rules => sentence!("aws.wants_rules", field),
        }
    }

    fn schema(&self) -> Value {
        let mut schema = match self.kind {
            Kind::Text => json!({ "type": ["string", "number", "boolean"] }),
            Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Secret => json!({
                "type": "object",
                "properties": { "secret": { "type": "string" }, "prefix": { "type": "string" } },
                "required": ["secret"],
                "additionalProperties": false,
            }),
            Kind::List => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
            Kind::Map => json!({ "type": "object", "minProperties": 1 }),
            Kind::Rules => json!({ "type": "array", "items": { "type": "object" }, "minItems": 1 }),
        };
        schema["description"] = self.about.into();
        schema
    }
}

impl Kind {
    /// The value if it fits.
    fn read(self, value: &Value) -> Option<Value> {
        let text = |value: &Value| serde_json::from_value::<Text>(value.clone()).ok().map(|Text(text)| text);
        match self {
            // Control characters have no place in names, and would end a header's line.
            Self::Text => {
                text(value).filter(|text| !text.is_empty() && !text.contains(['\0', '\n', '\r'])).map(Value::from)
            }
            Self::Number(least, most) => {
                let number = text(value)?.parse::<u64>().ok()?;
                (least..=most).contains(&number).then(|| json!(number))
            }
            Self::Flag => text(value)?.parse::<bool>().ok().map(Value::from),
            Self::Secret => match serde_json::from_value(value.clone()).ok()? {
                secret @ SecretText::Secret(_) => Some(secret.shown()),
                SecretText::Plain(_) => None,
            },
            Self::List => {
                let items: Option<Vec<String>> = value.as_array()?.iter().map(text).collect();
                items.filter(|items| !items.is_empty()).map(Value::from)
            }
            Self::Map => value.as_object().filter(|map| !map.is_empty()).map(|_| value.clone()),
            Self::Rules => {
                let rules = value.as_array().filter(|rules| !rules.is_empty())?;
                rules.iter().all(Value::is_object).then(|| value.clone())
            }
        }
    }
}

/// The schema: a form of its own for each operation.
pub(super) fn schema() -> Value {
    let form = |operation: &Operation| {
        let properties: Map<String, Value> =
            operation.fields.iter().chain(COMMON).map(|field| (field.name.to_owned(), field.schema())).collect();
        let mut required = vec!["do"];
        required.extend(operation.fields.iter().filter(|field| !field.optional).map(|field| field.name));
        let mut form = json!({
            "type": "object",
            "description": operation.about,
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        form["properties"]["do"] = json!({ "const": operation.name });
        form
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fields",
        "description": "One operation of AWS. Its facts are in its description.",
        "type": "object",
        "oneOf": operations().map(form).collect::<Vec<_>>(),
    })
}
