//! A YAML text as a tree that remembers where each value was written, so that the environment can be laid over it and
//! every later problem still points at its place. Knows nothing of what the keys mean.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// At these bytes of the file.
    File(Range<usize>),
    /// In this environment variable.
    Env(String),
}

/// A value and where it was written.
#[derive(Clone)]
pub struct Node {
    /// What.
    pub content: Content,
    /// Where.
    pub origin: Origin,
}

/// A value. Scalars keep the text that was typed: whether `0123` is a number is for its key to say.
#[derive(Clone)]
pub enum Content {
    /// Nothing after the colon.
    Null,
    /// Text, number or truth.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub at: Origin,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The child under a key, or a list's element by its number.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            Content::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// Why a text is no YAML.
#[derive(Debug)]
pub struct Broken {
    /// What is wrong, without any value of the text.
    pub message: String,
    /// Where.
    pub at: Range<usize>,
}

/// Reads a YAML text.
///
/// # Errors
/// The first mistake, without any value of the text.
pub fn parse(text: &str) -> Result<Node, Broken> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| Broken {
        at: error.location().map_or(0..0, |location| around(location, text)),
        message: plain(&error.without_snippet().to_string()),
    })?;
    Ok(build(raw, text))
}

/// The reader's sentence without the position, which is drawn, and without its advice to programmers.
fn plain(message: &str) -> String {
    let end = [" at line ", ", set "].iter().filter_map(|tail| message.find(tail)).min();
    message[..end.unwrap_or(message.len())].to_owned()
}

/// The bytes of a mistake: the reader gives only line and column of those that it finds before it has a value.
fn around(location: Location, text: &str) -> Range<usize> {
    let lines = usize::try_from(location.line().saturating_sub(1)).unwrap_or(0);
    let column = usize::try_from(location.column().saturating_sub(1)).unwrap_or(0);
    let start = text.split_inclusive('\n').take(lines).map(str::len).sum::<usize>();
    let offset = text[start..].char_indices().nth(column).map_or(text.len() - start, |(at, _)| at);
    start + offset..start + offset + 1
}

enum Raw {
    Null,
    /// A number or a truth, whose text is still to be cut from the source.
    Typed,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn build(raw: Spanned<Raw>, source: &str) -> Node {
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Typed => Content::Scalar(source.get(span(raw.defined)).unwrap_or_default().trim().to_owned()),
        Raw::Text(text) => Content::Scalar(text),
        Raw::List(items) => Content::List(items.into_iter().map(|item| build(item, source)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    at: Origin::File(span(key.referenced)),
                    key: key.value,
                    value: build(value, source),
                })
                .collect(),
        ),
    };
    Node { content, origin: Origin::File(span(raw.referenced)) }
}

fn span(location: Location) -> Range<usize> {
    let span = location.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let len = span.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    start..start.saturating_add(len)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
                Ok(Raw::Typed)
            }
            fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
                Ok(Raw::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(RawVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(text: &str) -> String {
        fn go(node: &Node, text: &str, out: &mut String) {
            let Origin::File(at) = &node.origin else { unreachable!() };
            match &node.content {
                Content::Null => out.push('~'),
                Content::Scalar(value) => out.push_str(&format!("{value:?}<{}>", &text[at.clone()])),
                Content::List(items) => items.iter().for_each(|item| {
                    out.push_str("- ");
                    go(item, text, out);
                }),
                Content::Map(entries) => entries.iter().for_each(|entry| {
                    let Origin::File(key) = &entry.at else { unreachable!() };
                    out.push_str(&format!("{}<{}>=", entry.key, &text[key.clone()]));
                    go(&entry.value, text, out);
                    out.push(';');
                }),
            }
        }
        let mut out = String::new();
        go(&parse(text).map_err(|broken| broken.message).unwrap(), text, &mut out);
        out
    }

    #[test]
    fn scalars_keep_what_was_typed_and_where() {
        let text = "ñ: 0123\n\"#infra\": {a: 1e5, b: [no, 0x1F, 'it''s', .nan]}\nn:\nd: 2026-01-05T09:00\n";
        let wanted = [
            r##"ñ<ñ>="0123"<0123>;#infra<"#infra">=a<a>="1e5"<1e5>;"##,
            r#"b<b>=- "no"<no>- "0x1F"<0x1F>- "it's"<'it''s'>- ".nan"<.nan>;;"#,
            r#"n<n>=~;d<d>="2026-01-05T09:00"<2026-01-05T09:00>;"#,
        ];
        assert_eq!(dump(text), wanted.concat());
    }

    #[test]
    fn a_mistake_is_told_without_values() {
        for text in ["a: [hunter2", "a: hunter2\na: x\n", "a: \"hunter2", "a: hunter2: x"] {
            let Err(broken) = parse(text) else { panic!("{text:?} was read") };
            assert!(broken.at.start > 0, "{text:?}");
            assert!(!broken.message.contains("hunter2"), "{}", broken.message);
        }
    }
}
