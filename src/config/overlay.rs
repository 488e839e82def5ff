//! Lays environment variables over the tree: `SERENO_HOOKS__ALERTMANAGER__SECRET` is `hooks.alertmanager.secret`.
//! A variable that fits no key is a problem: a misspelt secret must not pass in silence.

use std::collections::BTreeMap;

use minijinja::context;

use super::findings::Findings;
use super::shape::Shape;
use super::tree::{Content, Entry, Node, Origin};
use crate::domain::nearest::nearest;
use crate::yaml;

const PREFIX: &str = "SERENO_";

/// Whether a variable is to be a key: not those that the command line and tests read, nor those that Kubernetes sets
/// in every container beside a service called `sereno`.
fn is_ours(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let other = matches!(rest, "TOKEN" | "CONFIG" | "LOG") || rest.starts_with("TEST_");
    let linked = rest.starts_with("PORT") && (value.contains("://") || rest.contains("_TCP") || rest.contains("_UDP"));
    let service = rest == "SERVICE_HOST" || rest.starts_with("SERVICE_PORT");
    !(other || linked || service)
}

/// A variable that could not be laid over.
pub struct Refused {
    name: String,
    why: Why,
}

enum Why {
    /// It fits no key.
    NoKey,
    /// Its value is no YAML.
    NoYaml(String),
}

/// Lays every variable over the tree, shorter names first, so that a section is set before its keys.
pub fn overlay(root: &mut Node, shape: &Shape, env: &BTreeMap<String, String>) -> Vec<Refused> {
    let mut refused = Vec::new();
    for (name, value) in env.iter().filter(|(name, value)| is_ours(name, value)) {
        let steps: Vec<&str> = name[PREFIX.len()..].split("__").collect();
        let mut trial = root.clone();
        match set(&mut trial, shape, &steps, &Given { name, value }) {
            Ok(()) => *root = trial,
            Err(why) => refused.push(Refused { name: name.clone(), why }),
        }
    }
    refused
}

/// Tells what was refused, with the names that may have been meant.
pub fn report(refused: &[Refused], shape: &Shape, findings: &mut Findings) {
    for Refused { name, why } in refused {
        let origin = Origin::Env(name.clone());
        match why {
            Why::NoYaml(message) => findings.error_at(&origin, "variable_yaml", context! { name, message }),
            Why::NoKey => {
                let known = variables(findings.root(), shape);
                let near = nearest(name, known.iter().map(String::as_str));
                findings.error_at(&origin, "unknown_variable", context! { name, near });
            }
        }
    }
}

/// Every variable that fits a key of this tree, names that people chose included.
fn variables(root: &Node, shape: &Shape) -> Vec<String> {
    let mut names = Vec::new();
    collect(Some(root), shape, PREFIX.trim_end_matches('_'), "_", &mut names);
    names
}

fn collect(node: Option<&Node>, shape: &Shape, name: &str, joint: &str, names: &mut Vec<String>) {
    let below = |step: &str| format!("{name}{joint}{}", normal(step));
    match shape {
        Shape::Struct(fields, _) => {
            for (key, field) in fields {
                collect(node.and_then(|node| node.child(key)), field, &below(key), "__", names);
            }
        }
        Shape::Map(inner) => {
            if let Some(Content::Map(entries)) = node.map(|node| &node.content) {
                entries.iter().for_each(|entry| collect(Some(&entry.value), inner, &below(&entry.key), "__", names));
            }
        }
        Shape::List(inner) => {
            names.push(name.to_owned());
            if let Some(Content::List(items)) = node.map(|node| &node.content) {
                for (item, id) in items.iter().filter_map(|item| Some((item, item.child("id")?.text()?))) {
                    collect(Some(item), inner, &below(id), "__", names);
                }
            }
        }
        _ => names.push(name.to_owned()),
    }
}

/// A name as it can stand in a variable: `#infra` is `INFRA`, `ana-maria` is `ANA_MARIA`.
fn normal(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    plain.trim_matches('_').to_owned()
}

struct Given<'a> {
    name: &'a str,
    value: &'a str,
}

impl Given<'_> {
    fn node(&self, content: Content) -> Node {
        Node { content, at: Origin::Env(self.name.to_owned()) }
    }

    /// The value as its key wants it. A secret is taken as it is; whatever else is YAML.
    fn read(&self, shape: &Shape) -> Result<Node, Why> {
        let quoted = self.value.starts_with(['"', '\'']);
        match shape {
            Shape::Secret => return Ok(self.node(Content::Scalar(self.value.to_owned(), None))),
            Shape::Text(_) | Shape::Whole | Shape::Flag if !quoted => {
                return Ok(self.node(Content::Scalar(self.value.trim().to_owned(), None)));
            }
            _ => {}
        }
        let place = |_| Origin::Env(self.name.to_owned());
        yaml::read(self.value, place).map_err(|broken| Why::NoYaml(broken.message))
    }
}

fn set(node: &mut Node, shape: &Shape, steps: &[&str], given: &Given<'_>) -> Result<(), Why> {
    let Some((step, rest)) = steps.split_first() else {
        *node = given.read(shape)?;
        return Ok(());
    };
    match shape {
        Shape::Struct(fields, _) => {
            let (key, field) = fields.iter().find(|(key, _)| normal(key) == *step).ok_or(Why::NoKey)?;
            let entries = entries(node, given);
            set(entry(entries, key, given), field, rest, given)?;
            let twin = key.strip_suffix("_file").map_or_else(|| format!("{key}_file"), str::to_owned);
            entries.retain(|entry| entry.key != twin || !fields.contains_key(&twin) || !rest.is_empty());
            Ok(())
        }
        Shape::Map(inner) => {
            if normal(step).is_empty() {
                return Err(Why::NoKey);
            }
            let entries = entries(node, given);
            let known = entries.iter().find(|entry| normal(&entry.key) == *step).map(|entry| entry.key.clone());
            set(entry(entries, &known.unwrap_or_else(|| step.to_lowercase()), given), inner, rest, given)
        }
        Shape::List(inner) => {
            let Content::List(items) = &mut node.content else { return Err(Why::NoKey) };
            let named = |item: &Node| item.child("id").and_then(Node::text).is_some_and(|id| normal(id) == *step);
            let index = items.iter().position(named).or_else(|| step.parse().ok());
            let item = index.and_then(|index| items.get_mut(index)).ok_or(Why::NoKey)?;
            set(item, inner, rest, given)
        }
        Shape::Any(options) => {
            let inner = options.iter().find(|option| matches!(option, Shape::Struct(..))).ok_or(Why::NoKey)?;
            set(node, inner, steps, given)
        }
        Shape::Text(_) | Shape::Secret | Shape::Whole | Shape::Flag => Err(Why::NoKey),
    }
}

/// The node's entries; whatever else it was makes room for a map.
fn entries<'n>(node: &'n mut Node, given: &Given<'_>) -> &'n mut Vec<Entry> {
    if !matches!(node.content, Content::Map(_)) {
        *node = given.node(Content::Map(Vec::new()));
    }
    match &mut node.content {
        Content::Map(entries) => entries,
        _ => unreachable!("it was just made a map"),
    }
}

fn entry<'n>(entries: &'n mut Vec<Entry>, key: &str, given: &Given<'_>) -> &'n mut Node {
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let at = Origin::Env(given.name.to_owned());
        entries.push(Entry { key: key.to_owned(), at, value: given.node(Content::Null) });
        entries.len() - 1
    });
    &mut entries[index].value
}
