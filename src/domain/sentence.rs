//! A sentence still to be said in somebody's language: a key of `words` and its values, or plain text that came from
//! outside. Stored, compared and hashed in this form, whatever the language. Knows nothing of the words themselves.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

/// What there is to say. As JSON a text, or `{"key": "action.http_status", "with": {"status": 200}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sentence {
    /// Text as it came: what people or programs wrote, or what is the same in every language.
    Plain(String),
    /// One of our own sentences. The macro `sentence!` makes it.
    Ours {
        /// Its key, as in `action.http_status`.
        key: Cow<'static, str>,
        /// Its values by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        with: BTreeMap<Cow<'static, str>, Part>,
    },
}

/// A value in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// A count.
    Number(i64),
    /// A text, or another sentence that this one quotes.
    Sentence(Sentence),
}

impl Sentence {
    /// One of our own sentences, still without values.
    #[must_use]
    pub fn new(key: impl Into<Cow<'static, str>>) -> Self {
        Self::Ours { key: key.into(), with: BTreeMap::new() }
    }

    /// Text from outside, such as an operating system's error.
    #[must_use]
    pub fn plain(text: impl Display) -> Self {
        Self::Plain(text.to_string())
    }

    /// The same with one value more. Plain text takes none.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Part>) -> Self {
        if let Self::Ours { with, .. } = &mut self {
            with.insert(name.into(), value.into());
        }
        self
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(text) if text.is_empty())
    }

    /// A copy with `change` applied to every text in it that came from outside.
    #[must_use]
    pub fn map_text(&self, change: &dyn Fn(&str) -> String) -> Self {
        let part = |part: &Part| match part {
            Part::Number(number) => Part::Number(*number),
            Part::Sentence(sentence) => Part::Sentence(sentence.map_text(change)),
        };
        match self {
            Self::Plain(text) => Self::Plain(change(text)),
            Self::Ours { key, with } => {
                let with = with.iter().map(|(name, value)| (name.clone(), part(value))).collect();
                Self::Ours { key: key.clone(), with }
            }
        }
    }
}

/// Nothing to say.
impl Default for Sentence {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl From<Sentence> for Part {
    fn from(sentence: Sentence) -> Self {
        Self::Sentence(sentence)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Sentence(Sentence::Plain(text))
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Part {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

macro_rules! numbers {
    ($($kind:ty)+) => {
        $(impl From<$kind> for Part {
            fn from(number: $kind) -> Self {
                Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
            }
        })+
    };
}
numbers!(i32 i64 u32 u64 usize);

/// A sentence in one line: `sentence!("action.sql_values", wanted, given => params.len())`.
macro_rules! sentence {
    (@value $name:ident) => { $name };
    (@value $name:ident => $value:expr) => { $value };
    ($key:expr $(, $name:ident $(=> $value:expr)?)* $(,)?) => {
        $crate::domain::sentence::Sentence::new($key)
            $(.with(stringify!($name), $crate::domain::sentence::sentence!(@value $name $(=> $value)?)))*
    };
}
pub(crate) use sentence;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_of_before_is_read_as_plain() {
        let old: Sentence = serde_json::from_value(json!("exit code 3")).unwrap();
        assert_eq!(old, Sentence::plain("exit code 3"));
    }

    #[test]
    fn what_is_stored_is_what_was_there_byte_for_byte() {
        let inner = sentence!("action.exit", code => 3_i32);
        let sentence = sentence!("card.plan_failed", why => inner, at => "here");
        let text = serde_json::to_string(&sentence).unwrap();
        assert_eq!(
            text,
            r#"{"key":"card.plan_failed","with":{"at":"here","why":{"key":"action.exit","with":{"code":3}}}}"#
        );
        let again: Sentence = serde_json::from_str(&text).unwrap();
        assert_eq!((serde_json::to_string(&again).unwrap(), again), (text, sentence));
    }

    #[test]
    fn texts_are_changed_wherever_they_stand_and_keys_are_not() {
        let inner = sentence!("secret", of => "secret", code => 7_u64);
        let changed = sentence!("secret", why => inner).map_text(&|text| text.replace("secret", "…"));
        assert_eq!(changed, sentence!("secret", why => sentence!("secret", of => "…", code => 7_u64)));
    }
}
