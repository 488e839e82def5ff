//! A YAML text as a tree that remembers where each key and value stands, so that whatever is found wrong later can be
//! pointed at. Knows nothing of what the keys mean.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Location, Spanned};

/// A value and where it stands; `P` is what its reader makes of a range of bytes. No Debug: it may hold secrets.
#[derive(Clone, Default)]
pub struct Node<P> {
    /// What.
    pub content: Content<P>,
    /// Where.
    pub at: P,
}

/// A value.
#[derive(Clone, Default)]
pub enum Content<P> {
    /// Nothing after the colon.
    #[default]
    Null,
    /// The text as typed: whether `0123` is a number is for its key to say. Then what YAML takes it for; none for what
    /// is text, or a number that JSON does not have.
    Scalar(String, Option<Value>),
    /// A list.
    List(Vec<Node<P>>),
    /// A map, in the order written.
    Map(Vec<Entry<P>>),
}

/// One line of a map.
#[derive(Clone)]
pub struct Entry<P> {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: P,
    /// Its value.
    pub value: Node<P>,
}

/// Why a text is not YAML, or more than we want.
#[derive(Debug)]
pub struct Broken {
    /// What is wrong, without any value of the text.
    pub message: String,
    /// Where, in bytes.
    pub at: Range<usize>,
}

/// Reads one document; `place` makes a place of a range of bytes.
///
/// # Errors
/// The first mistake.
pub fn read<P>(text: &str, place: impl Fn(Range<usize>) -> P) -> Result<Node<P>, Broken> {
    let options = serde_saphyr::options! {
        // Aliases count as often as they are used; the depth is what a thread's stack holds.
        budget: serde_saphyr::budget! { max_depth: 40, max_nodes: 100_000 },
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let raw = serde_saphyr::from_str_with_options(text, options).map_err(|error| Broken {
        message: plain(&error.without_snippet().to_string()),
        at: error.location().map_or(0..0, |location| range(location, text)),
    })?;
    Ok(build(raw, text, &place))
}

impl<P> Node<P> {
    /// The child under a key, or a list's element by its number.
    #[must_use]
    pub fn child(&self, key: &str) -> Option<&Self> {
        self.under(key).map(|(_, child)| child)
    }

    /// As [`Node::child`], with the place of its key.
    #[must_use]
    pub fn under(&self, key: &str) -> Option<(Option<&P>, &Self)> {
        match &self.content {
            Content::Map(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| (Some(&entry.at), &entry.value))
            }
            Content::List(items) => Some((None, items.get(key.parse::<usize>().ok()?)?)),
            _ => None,
        }
    }

    /// What a path leads to, or the nearest thing above it, with the place of its key.
    pub fn nearest(&self, path: impl IntoIterator<Item: AsRef<str>>) -> (Option<&P>, &Self) {
        let mut at = (None, self);
        for step in path {
            let Some(next) = at.1.under(step.as_ref()) else { break };
            at = next;
        }
        at
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The content alone.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Scalar(text, typed) => typed.clone().unwrap_or_else(|| text.as_str().into()),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
        }
    }
}

/// The reader's sentence without the position, which is drawn, and without its advice to programmers.
fn plain(message: &str) -> String {
    let end = [" at line ", ", set ", "; use "].iter().filter_map(|tail| message.find(tail)).min();
    message[..end.unwrap_or(message.len())].to_owned()
}

/// A location in bytes. Of a mistake that it finds before it has a value, the reader gives only line and column.
fn range(location: Location, text: &str) -> Range<usize> {
    let bytes = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
    let before = |count: u64| bytes(count.checked_sub(1)).unwrap_or(0);
    let span = location.span();
    let start = bytes(span.byte_offset()).unwrap_or_else(|| {
        let line: usize = text.split_inclusive('\n').take(before(location.line())).map(str::len).sum();
        line + text[line..].chars().take(before(location.column())).map(char::len_utf8).sum::<usize>()
    });
    start..start.saturating_add(bytes(span.byte_len()).unwrap_or(0))
}

fn build<P>(raw: Spanned<Raw>, text: &str, place: &impl Fn(Range<usize>) -> P) -> Node<P> {
    let content = match raw.value {
        Raw::Null => Content::Null,
        Raw::Typed(value) => {
            let typed = text.get(range(raw.defined, text)).unwrap_or_default().trim();
            Content::Scalar(typed.to_owned(), value)
        }
        Raw::Text(text) => Content::Scalar(text, None),
        Raw::List(items) => Content::List(items.into_iter().map(|item| build(item, text, place)).collect()),
        Raw::Map(entries) => Content::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    at: place(range(key.referenced, text)),
                    key: key.value,
                    value: build(value, text, place),
                })
                .collect(),
        ),
    };
    Node { content, at: place(range(raw.referenced, text)) }
}

/// A value while it is read.
enum Raw {
    Null,
    /// A number or a truth, whose text is still to be cut from the source; none for what JSON does not have.
    Typed(Option<Value>),
    Text(String),
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
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(Some(value.into())))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(Some(value.into())))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(Some(value.into())))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(Number::from_f64(value).map(Value::Number)))
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
        let mut entries: Vec<(Spanned<String>, _)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, _>()? {
            // The reader tells `1` from `"1"`; nothing after it does.
            if entries.iter().any(|(known, _)| known.value == key.value) {
                return Err(A::Error::custom(format!("duplicate mapping key: {}", key.value)));
            }
            entries.push((key, value));
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Broken {
        read(text, |at| at).err().unwrap_or_else(|| panic!("{text:?} was read"))
    }

    fn dump(text: &str) -> String {
        fn go(node: &Node<&str>, out: &mut String) {
            match &node.content {
                Content::Null => out.push('~'),
                Content::Scalar(value, _) => out.push_str(&format!("{value:?}<{}>", node.at)),
                Content::List(items) => items.iter().for_each(|item| {
                    out.push_str("- ");
                    go(item, out);
                }),
                Content::Map(entries) => entries.iter().for_each(|entry| {
                    out.push_str(&format!("{}<{}>=", entry.key, entry.at));
                    go(&entry.value, out);
                    out.push(';');
                }),
            }
        }
        let mut out = String::new();
        go(&read(text, |at| &text[at]).unwrap(), &mut out);
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
    fn every_value_and_key_has_its_place() {
        let text =
            "name: rollback # ñ\nsteps:\n  - { id: look, with: { url: \"http://x/á\" } }\n  - id: go\n    n: 3\n";
        let tree = read(text, |at| &text[at]).unwrap();
        assert_eq!(tree.to_json()["steps"][1]["n"], 3);
        let place = |path: &str| {
            let (key, node) = tree.nearest(path.split('/'));
            (key.copied(), node.at)
        };
        assert_eq!(place("steps/0/with/url"), (Some("url"), "\"http://x/á\""));
        assert_eq!(place("steps/0/with/url/more"), (Some("url"), "\"http://x/á\""));
        assert_eq!(place("steps/1/id").1, "go");
        assert_eq!(place("steps").0, Some("steps"));
        assert_eq!(place("steps/0").0, None);
    }

    #[test]
    fn what_is_not_yaml_is_told_with_its_place() {
        assert!(broken("name: x\nsteps: [\n").at.start > 0);
        let twice = broken("name: x\nsummary: y\nname: z\n");
        assert!(twice.message.contains("name"), "{twice:?}");
        assert_eq!(twice.at.start, 19, "{twice:?}");
        assert!(broken("1: x\n\"1\": y\n").message.contains("duplicate"));
        broken("a: 1\n---\nb: 2\n");
    }

    #[test]
    fn a_mistake_is_told_without_values() {
        for text in ["a: [hunter2", "a: hunter2\na: x\n", "a: \"hunter2", "a: hunter2: x"] {
            let broken = broken(text);
            assert!(broken.at.start > 0, "{text:?}");
            assert!(!broken.message.contains("hunter2"), "{}", broken.message);
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let prev = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![prev; 9].join(",")));
        }
        broken(&bomb);
        broken(&"[".repeat(200));
        broken(&("[".repeat(60) + &"]".repeat(60)));
    }

    #[test]
    fn words_that_look_like_booleans_and_what_json_has_no_number_for_stay_words() {
        let tree = read("[yes, no, on, true, .inf, 1e999, 0x1F]", |at| at).unwrap();
        assert_eq!(tree.to_json(), serde_json::json!(["yes", "no", "on", true, ".inf", "1e999", 31]));
    }
}
