//! YAML text -> a value, and where each part of it stands in the text. Knows YAML; nothing of runbooks.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

/// Longest file that is read, in bytes.
pub const LONGEST_FILE: u64 = 256 * 1024;

/// A file's content. Places are JSON pointers, as in `/steps/0/with/url`.
#[derive(Debug, Default)]
pub struct Tree {
    /// The content.
    pub value: Value,
    /// Where each value stands, in bytes; of a list or a map, where it starts.
    pub values: BTreeMap<String, Range<usize>>,
    /// Where each key stands, by its value's pointer.
    pub keys: BTreeMap<String, Range<usize>>,
}

/// Why a text is not YAML, or more than we want.
#[derive(Debug)]
pub struct Unreadable {
    /// What the reader says.
    pub message: String,
    /// Where, in bytes.
    pub at: Range<usize>,
}

/// Reads one document.
///
/// # Errors
/// What is wrong, and where.
pub fn read(text: &str) -> Result<Tree, Unreadable> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 50_000,
            max_aliases: 500,
            max_anchors: 100,
            max_depth: 40,
            max_documents: 1,
            max_nodes: 25_000,
        },
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => {
            let mut tree = Tree::default();
            tree.value = tree.take(root, String::new(), text);
            Ok(tree)
        }
        Err(error) => {
            let at = error.location().map_or(0..0, |location| range(&location, text));
            let message = error.to_string();
            // The position is drawn; it need not be said too.
            let plain = message.split_once(": ").filter(|(start, _)| start.contains("line ")).map(|(_, rest)| rest);
            Err(Unreadable { message: plain.unwrap_or(&message).to_owned(), at })
        }
    }
}

/// The pointer of a field or an element.
#[must_use]
pub fn child(at: &str, key: impl fmt::Display) -> String {
    let key = key.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{key}")
}

impl Tree {
    fn take(&mut self, node: Spanned<Raw>, at: String, text: &str) -> Value {
        let mut place = range(&node.referenced, text);
        if !matches!(node.value, Raw::Scalar(_)) {
            place.end = place.start;
        }
        self.values.insert(at.clone(), place);
        match node.value {
            Raw::Scalar(value) => value,
            Raw::List(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(items.map(|(index, item)| self.take(item, child(&at, index), text)).collect())
            }
            Raw::Map(fields) => {
                let mut map = Map::new();
                for (key, field) in fields {
                    let place = child(&at, &key.value);
                    self.keys.insert(place.clone(), range(&key.referenced, text));
                    map.insert(key.value, self.take(field, place, text));
                }
                Value::Object(map)
            }
        }
    }
}

/// A location as bytes of the text, whatever the reader knows of it.
fn range(location: &Location, text: &str) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().and_then(|offset| usize::try_from(offset).ok()).unwrap_or_else(|| {
        let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
        let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = text.get(before..).unwrap_or("");
        before + rest.chars().take(column).map(char::len_utf8).sum::<usize>()
    });
    let length = span.byte_len().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let start = floor(text, start.min(text.len()));
    // A caret under one line is enough: a block or a list is pointed at by its start.
    let line_end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..floor(text, (start + length).min(line_end)).max(start)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A YAML node, its children with their places.
enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false, a list or a map")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("this number has no finite value"))?;
        Ok(Raw::Scalar(number.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut fields: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some((key, field)) = map.next_entry::<Spanned<String>, _>()? {
            if fields.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format!("duplicate key {:?}", key.value)));
            }
            fields.push((key, field));
        }
        Ok(Raw::Map(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
        &text[range.clone()]
    }

    #[test]
    fn every_value_and_key_has_its_place() {
        let text =
            "name: rollback # ñ\nsteps:\n  - { id: look, with: { url: \"http://x/á\" } }\n  - id: go\n    n: 3\n";
        let tree = read(text).unwrap();
        assert_eq!(tree.value["steps"][1]["n"], 3);
        assert_eq!(at(text, &tree.values["/steps/0/with/url"]), "\"http://x/á\"");
        assert_eq!(at(text, &tree.keys["/steps/0/with/url"]), "url");
        assert_eq!(at(text, &tree.values["/steps/1/id"]), "go");
        assert_eq!(at(text, &tree.keys["/steps"]), "steps");
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_place() {
        let broken = read("name: x\nsteps: [\n").unwrap_err();
        assert!(broken.at.start > 0, "{broken:?}");
        let twice = read("name: x\nsummary: y\nname: z\n").unwrap_err();
        assert!(twice.message.contains("name"), "{twice:?}");
        assert_eq!(twice.at.start, 19, "{twice:?}");
        assert!(read("a: 1\n---\nb: 2\n").is_err(), "two documents");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let prev = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![prev; 9].join(",")));
        }
        assert!(read(&bomb).is_err());
        assert!(read(&"[".repeat(200)).is_err());
    }

    #[test]
    fn words_that_look_like_booleans_stay_words() {
        assert_eq!(read("choices: [yes, no, on, true]\n").unwrap().value["choices"][1], "no");
    }
}
