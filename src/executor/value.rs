//! The values that fields of actions are made of: texts that may have come from a typed parameter, texts that may
//! be a secret, spans of time. Knows nothing of single actions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Tools;
use crate::domain::sentence::{Sentence, sentence};

/// A text. A number or a truth value is taken too, as its text: a placeholder that fills a whole field keeps its
/// parameter's type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Scalar")]
pub struct Text(pub String);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, a number, true or false")]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
}

impl From<Scalar> for Text {
    fn from(scalar: Scalar) -> Self {
        Self(match scalar {
            Scalar::Text(text) => text,
            Scalar::Number(number) => number.to_string(),
            Scalar::Bool(truth) => truth.to_string(),
        })
    }
}

impl schemars::JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A text, or a secret of the configuration by its name. A secret is looked up when the step runs; plans show its
/// name alone.
#[derive(Debug, Clone, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(untagged)]
pub enum SecretText {
    /// A text that everybody may see.
    Plain(Text),
    /// A secret.
    Secret(SecretRef),
}

/// A secret of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// Its name under `secrets:`.
    pub secret: String,
    /// Text to put before it, as in `"Bearer "`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

/// By hand, because derived code would take a list for a secret and would not name a field that it does not know.
impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = match value {
            Value::Object(_) => SecretRef::deserialize(value).map(Self::Secret),
            other => Text::deserialize(other).map(Self::Plain),
        };
        read.map_err(|error| serde::de::Error::custom(format!("{error} (a text, or {{secret: name}})")))
    }
}

impl SecretText {
    /// The name of the secret, if it is one.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(reference) => Some(&reference.secret),
        }
    }

    /// As plans show it: the text, or the secret's name.
    #[must_use]
    pub fn shown(&self) -> Value {
        match self {
            Self::Plain(Text(text)) => json!(text),
            Self::Secret(reference) => json!(reference),
        }
    }

    /// As people name what it leads to: the text, or the secret's name.
    #[must_use]
    pub fn named(&self) -> &str {
        match self {
            Self::Plain(Text(text)) => text,
            Self::Secret(reference) => &reference.secret,
        }
    }

    /// The text itself. Only for the moment of use.
    ///
    /// # Errors
    /// When the configuration has no such secret.
    pub fn reveal(&self, tools: &Tools) -> Result<String, Sentence> {
        match self {
            Self::Plain(Text(text)) => Ok(text.clone()),
            Self::Secret(SecretRef { secret, prefix }) => tools
                .secrets
                .get(secret)
                .map(|found| format!("{prefix}{}", found.reveal()))
                .ok_or_else(|| sentence!("action.no_secret", secret)),
        }
    }
}

/// A span of time as it was written: whole seconds, or a number with its unit as in `90s`, `15m`, `2h`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Span(Text);

impl Span {
    /// In seconds.
    ///
    /// # Errors
    /// When what is written is no span.
    pub fn seconds(&self) -> Result<u64, Sentence> {
        let Text(text) = &self.0;
        let (digits, unit) = match text.char_indices().last() {
            Some((at, 's')) => (&text[..at], 1),
            Some((at, 'm')) => (&text[..at], 60),
            Some((at, 'h')) => (&text[..at], 3600),
            _ => (text.as_str(), 1),
        };
        let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
        seconds.ok_or_else(|| sentence!("action.no_span", text))
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "integer"], "pattern": "^[0-9]+[smh]?$|\\{\\{" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn text(value: Value) -> Result<SecretText, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_typed_parameter_becomes_text_and_a_list_does_not() {
        assert_eq!(text(json!(3)).unwrap(), SecretText::Plain(Text("3".into())));
        assert_eq!(text(json!(true)).unwrap(), SecretText::Plain(Text("true".into())));
        assert!(text(json!(["a"])).unwrap_err().contains("{secret: name}"));
        assert!(text(json!({"secret": "a", "sufix": "b"})).unwrap_err().contains("sufix"));
    }

    #[test]
    fn a_secret_is_named_in_plans_and_revealed_at_use() {
        let tools = Tools::new([("api".to_owned(), Secret::new("s3cr3t!"))].into(), &[], None);
        let header = text(json!({"secret": "api", "prefix": "Bearer "})).unwrap();
        assert_eq!(header.shown(), json!({"secret": "api", "prefix": "Bearer "}));
        assert_eq!(header.reveal(&tools).unwrap(), "Bearer s3cr3t!");
        assert_eq!(header.secret(), Some("api"));
        assert!(header.reveal(&Tools::default()).is_err());
    }

    #[test]
    fn spans_are_seconds_or_have_a_unit() {
        let span = |value: Value| serde_json::from_value::<Span>(value).ok()?.seconds().ok();
        for (written, seconds) in [(json!(90), 90), (json!("90"), 90), (json!("90s"), 90), (json!("15m"), 900)] {
            assert_eq!(span(written), Some(seconds));
        }
        for wrong in [json!("h"), json!(""), json!("1.5h"), json!("-1s"), json!("9999999999999999999h"), json!(-1)] {
            assert_eq!(span(wrong.clone()), None, "{wrong}");
        }
    }
}
