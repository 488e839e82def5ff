//! Fits the tree into the shape of the configuration: unknown and missing keys, wrong kinds of value. What fits becomes
//! JSON that the written types read; every value takes the type that its key asks for.

use std::collections::BTreeMap;

use minijinja::context;
use serde_json::{Map, Value};

use super::findings::Findings;
use super::shape::Shape;
use super::tree::{Content, Entry, Node};
use crate::domain::nearest::nearest;

/// Fits the whole tree, tells of all that does not fit, and gives JSON that the written types always read.
pub fn fit(root: &Node, shape: &Shape, findings: &mut Findings) -> Value {
    Fitter { findings, path: Vec::new() }.value(root, shape)
}

struct Fitter<'a> {
    findings: &'a mut Findings,
    path: Vec<String>,
}

impl Fitter<'_> {
    fn value(&mut self, node: &Node, shape: &Shape) -> Value {
        match (shape, &node.content) {
            (Shape::Struct(fields, required), Content::Map(entries)) => self.fields(node, fields, required, entries),
            (Shape::Struct(fields, required), Content::Null) => self.fields(node, fields, required, &[]),
            (Shape::Map(_), Content::Null) => Value::Object(Map::new()),
            (Shape::Map(inner), Content::Map(entries)) => {
                let entries = entries.iter();
                entries.map(|entry| (entry.key.clone(), self.under(&entry.key, &entry.value, inner))).collect()
            }
            (Shape::List(_), Content::Null) => Value::Array(Vec::new()),
            (Shape::List(inner), Content::List(items)) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.under(&index.to_string(), item, inner)).collect()
            }
            (Shape::Any(_), Content::Null) => Value::Null,
            (Shape::Any(options), content) => match options.iter().find(|option| takes(option, content)) {
                Some(option) => self.value(node, option),
                None => self.wrong(node, shape),
            },
            (_, Content::Scalar(text, _)) => self.scalar(node, text, shape),
            _ => self.wrong(node, shape),
        }
    }

    fn scalar(&mut self, node: &Node, text: &str, shape: &Shape) -> Value {
        match shape {
            Shape::Secret | Shape::Text(_) if text.trim().is_empty() => {
                let key = if matches!(shape, Shape::Secret) { "blank_secret" } else { "blank" };
                self.findings.error_at(&node.at, key, context! { key => self.name() });
                filler(shape)
            }
            Shape::Text(choices) if !choices.is_empty() && !choices.iter().any(|choice| choice == text) => {
                let near = nearest(text, choices.iter().map(String::as_str));
                self.findings.error_at(&node.at, "choice", context! { key => self.name(), text, choices, near });
                filler(shape)
            }
            Shape::Secret | Shape::Text(_) => Value::String(text.to_owned()),
            Shape::Whole => text.parse::<u32>().map_or_else(|_| self.wrong(node, shape), Value::from),
            Shape::Flag => text.parse::<bool>().map_or_else(|_| self.wrong(node, shape), Value::from),
            _ => self.wrong(node, shape),
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        fields: &BTreeMap<String, Shape>,
        required: &[String],
        entries: &[Entry],
    ) -> Value {
        let mut map = Map::new();
        for entry in entries {
            let Some(shape) = fields.get(&entry.key) else {
                self.unknown(entry, fields);
                continue;
            };
            if required.contains(&entry.key) || !matches!(entry.value.content, Content::Null) {
                map.insert(entry.key.clone(), self.under(&entry.key, &entry.value, shape));
            }
        }
        for key in required {
            if !map.contains_key(key) {
                self.findings.error_at(&node.at, "missing", context! { key, under => self.name() });
                map.insert(key.clone(), fields.get(key).map_or(Value::Null, filler));
            }
        }
        Value::Object(map)
    }

    fn under(&mut self, key: &str, node: &Node, shape: &Shape) -> Value {
        self.path.push(key.to_owned());
        let value = self.value(node, shape);
        self.path.pop();
        value
    }

    fn unknown(&mut self, entry: &Entry, fields: &BTreeMap<String, Shape>) {
        let near = nearest(&entry.key, fields.keys().map(String::as_str));
        let known: Vec<String> = fields.keys().cloned().collect();
        self.findings.error_at(&entry.at, "unknown_key", context! { key => entry.key.as_str(), near, known });
    }

    fn wrong(&mut self, node: &Node, shape: &Shape) -> Value {
        let wanted = match shape {
            Shape::Struct(..) | Shape::Map(_) => "a_map",
            Shape::List(_) => "a_list",
            Shape::Text(_) | Shape::Secret | Shape::Any(_) => "a_text",
            Shape::Whole => "a_whole_number",
            Shape::Flag => "a_flag",
        };
        self.findings.error_at(&node.at, wanted, context! { key => self.name() });
        filler(shape)
    }

    fn name(&self) -> String {
        self.path.join(".")
    }
}

/// What stands in for a value that is wrong and was told of, so that the rest can still be checked: the checks that
/// follow pass over an empty text.
fn filler(shape: &Shape) -> Value {
    match shape {
        Shape::Struct(fields, required) => {
            required.iter().map(|key| (key.clone(), fields.get(key).map_or(Value::Null, filler))).collect()
        }
        Shape::Map(_) => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Text(choices) => Value::String(choices.first().cloned().unwrap_or_default()),
        Shape::Secret => Value::String(String::new()),
        Shape::Whole => Value::from(0),
        Shape::Flag => Value::Bool(false),
        Shape::Any(_) => Value::Null,
    }
}

/// Whether a value of this kind can be read into the shape at all.
pub fn takes(shape: &Shape, content: &Content) -> bool {
    matches!(
        (shape, content),
        (Shape::Struct(..) | Shape::Map(_), Content::Map(_))
            | (Shape::List(_), Content::List(_))
            | (Shape::Text(_) | Shape::Secret | Shape::Whole | Shape::Flag, Content::Scalar(..))
    )
}
