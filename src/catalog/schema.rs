//! The JSON Schema of a runbook file, which editors use: the keys as written, and each action's own fields.

use serde_json::{Map, Value, json};

use super::written::Written;
use crate::executor::{ACTIONS, ActionSpec};

/// What a text that is one placeholder looks like.
const PLACEHOLDER: &str = r"^\{\{ *[A-Za-z0-9_.-]+ *\}\}$";

/// The schema of a runbook file.
#[must_use]
pub fn schema() -> Value {
    schema_with(ACTIONS)
}

/// The keys as written, without actions.
#[must_use]
pub fn written() -> Value {
    schemars::schema_for!(Written).to_value()
}

/// The schema with these actions.
#[must_use]
pub fn schema_with(actions: &[ActionSpec]) -> Value {
    let mut schema = written();
    let rules: Vec<Value> = actions
        .iter()
        .map(|action| {
            let fields = fields_of(action, &mut schema);
            let is_it = json!({"properties": {"action": {"const": action.name}}, "required": ["action"]});
            json!({"if": is_it, "then": {"properties": {"with": fields}}})
        })
        .collect();
    let names = actions.iter().map(|action| json!({"const": action.name, "description": action.summary}));
    let names: Vec<Value> = names.collect();
    for holder in ["Step", "Undo"] {
        let holder = &mut schema["$defs"][holder];
        if !actions.is_empty() {
            holder["properties"]["action"]["oneOf"] = json!(names);
            holder["allOf"] = json!(rules);
        }
    }
    schema
}

/// An action's fields, its own definitions moved to the file's under the action's name.
fn fields_of(action: &ActionSpec, schema: &mut Value) -> Value {
    let mut fields = (action.schema)();
    let own = fields.as_object_mut().map(|fields| (fields.remove("$defs"), fields.remove("$schema")));
    if let Some((Some(Value::Object(definitions)), _)) = own {
        for (name, mut definition) in definitions {
            adapt(&mut definition, action.name);
            schema["$defs"][format!("{}.{name}", action.name)] = definition;
        }
    }
    adapt(&mut fields, action.name);
    fields
}

/// Points references at the moved definitions, and lets a placeholder stand where a number, a word or a truth value
/// is wanted.
fn adapt(schema: &mut Value, action: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(name) =
                fields.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"))
            {
                let moved = format!("#/$defs/{action}.{name}");
                fields.insert("$ref".to_owned(), moved.into());
            }
            fields.values_mut().for_each(|field| adapt(field, action));
            if is_leaf(fields) {
                let about = fields.remove("description");
                let plain = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([plain, {"type": "string", "pattern": PLACEHOLDER}]));
                fields.extend(about.map(|about| ("description".to_owned(), about)));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| adapt(item, action)),
        _ => {}
    }
}

fn is_leaf(fields: &Map<String, Value>) -> bool {
    let typed = |kind: &str| matches!(kind, "integer" | "number" | "boolean");
    let kind = match fields.get("type") {
        Some(Value::String(kind)) => typed(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(typed),
        _ => false,
    };
    kind || fields.contains_key("enum")
}
