//! Whether a value has the shape that a JSON Schema asks for: every misfit, not the first one. Covers the part of
//! JSON Schema that schemars writes. Repairs what it reports, so that the rest can still be looked at.

use serde_json::{Map, Value};

use super::report::child;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Misfit {
    /// Where, as a JSON pointer.
    pub at: String,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Flaw {
    /// A key that means nothing here; these do.
    Unknown(String, Vec<String>),
    /// A key that must be here.
    Missing(String),
    /// Something of another kind: any of these would do.
    Kind(Vec<String>),
    /// Not one of the words.
    Word(Vec<String>),
    /// A number out of its range.
    Range(Option<i64>, Option<i64>),
}

/// Compares a value with a schema and repairs what does not fit: unknown keys go, missing and wrong ones get a
/// stand-in, optional wrong ones go.
pub fn fit(value: &mut Value, schema: &Value) -> Vec<Misfit> {
    let mut fitting = Fitting { root: schema, found: Vec::new() };
    if !fitting.check(value, schema, "") {
        *value = fitting.stand_in(schema);
    }
    fitting.found
}

struct Fitting<'s> {
    root: &'s Value,
    found: Vec<Misfit>,
}

impl<'s> Fitting<'s> {
    /// False when the value as a whole has to be replaced.
    fn check(&mut self, value: &mut Value, schema: &'s Value, at: &str) -> bool {
        let schema = self.resolve(schema);
        if let Some(words) = words(schema) {
            return words.iter().any(|word| **word == *value)
                || self.miss(at, Flaw::Word(words.iter().map(|word| shown(word)).collect()));
        }
        if let Some(choices) = choices(schema) {
            return self.choose(value, choices, at);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if !self.check(value, part, at) {
                return false;
            }
        }
        let kinds = kinds(schema);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is(value, kind)) {
            return self
                .miss(at, Flaw::Kind(kinds.into_iter().filter(|kind| *kind != "null").map(Into::into).collect()));
        }
        match value {
            Value::Number(number) => {
                let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
                let number = number.as_f64().unwrap_or(0.0);
                let inside = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
                inside || self.miss(at, Flaw::Range(schema["minimum"].as_i64(), schema["maximum"].as_i64()))
            }
            Value::Array(items) => {
                let Some(each) = schema.get("items") else { return true };
                for (index, item) in items.iter_mut().enumerate() {
                    if !self.check(item, each, &child(at, index)) {
                        *item = self.stand_in(each);
                    }
                }
                true
            }
            Value::Object(fields) => {
                self.check_fields(fields, schema, at);
                true
            }
            _ => true,
        }
    }

    fn check_fields(&mut self, fields: &mut Map<String, Value>, schema: &'s Value, at: &str) {
        let known = schema["properties"].as_object();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            let place = child(at, &name);
            let known_field = known.and_then(|known| known.get(&name));
            let fits = match known_field.or_else(|| schema.get("additionalProperties")) {
                Some(Value::Bool(false)) => {
                    let known = known.into_iter().flatten().map(|(name, _)| name.clone()).collect();
                    self.miss(&place, Flaw::Unknown(name.clone(), known))
                }
                Some(field) => fields.get_mut(&name).is_none_or(|value| self.check(value, field, &place)),
                None => true,
            };
            let free = schema.get("additionalProperties").filter(|free| known_field.is_none() && free.is_object());
            match free.or(known_field.filter(|_| required.contains(&name.as_str()))) {
                _ if fits => {}
                Some(field) => drop(fields.insert(name, self.stand_in(field))),
                None => drop(fields.remove(&name)),
            }
        }
        for name in required {
            if !fields.contains_key(name) {
                self.miss(at, Flaw::Missing(name.to_owned()));
                let stand_in =
                    known.and_then(|known| known.get(name)).map_or(Value::Null, |field| self.stand_in(field));
                fields.insert(name.to_owned(), stand_in);
            }
        }
    }

    /// The first alternative that fits, or else the misfits of the one that comes nearest.
    fn choose(&mut self, value: &mut Value, choices: &'s [Value], at: &str) -> bool {
        let given: Vec<&Value> = choices.iter().filter(|choice| kinds(choice) != ["null"]).collect();
        if let ([only], false) = (given.as_slice(), value.is_null()) {
            return self.check(value, only, at);
        }
        let mut nearest: Option<(Vec<Misfit>, Value)> = None;
        for choice in choices {
            let mut attempt = Fitting { root: self.root, found: Vec::new() };
            let mut copy = value.clone();
            let kept = attempt.check(&mut copy, choice, at);
            if attempt.found.is_empty() {
                return true;
            }
            let count = attempt.found.len();
            if kept && nearest.as_ref().is_none_or(|(found, _)| count < found.len()) {
                nearest = Some((attempt.found, copy));
            }
        }
        if let Some((found, copy)) = nearest {
            self.found.extend(found);
            *value = copy;
            return true;
        }
        let mut wanted = Vec::new();
        for choice in choices {
            let choice = self.resolve(choice);
            match words(choice) {
                Some(words) => wanted.extend(words.iter().map(|word| shown(word))),
                None => wanted.extend(kinds(choice).into_iter().filter(|kind| *kind != "null").map(str::to_owned)),
            }
        }
        wanted.dedup();
        self.miss(at, Flaw::Kind(wanted))
    }

    fn miss(&mut self, at: &str, flaw: Flaw) -> bool {
        self.found.push(Misfit { at: at.to_owned(), flaw });
        false
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        while let Some(target) = schema["$ref"].as_str().and_then(|name| self.root.pointer(name.strip_prefix('#')?)) {
            schema = target;
        }
        schema
    }

    /// Something small that fits.
    fn stand_in(&self, schema: &'s Value) -> Value {
        let schema = self.resolve(schema);
        if let Some(word) = words(schema).and_then(|words| words.first().map(|word| (*word).clone())) {
            return word;
        }
        if let Some(first) = choices(schema).and_then(<[Value]>::first) {
            return self.stand_in(first);
        }
        match kinds(schema).first().copied() {
            Some("string") => Value::String(String::new()),
            Some("integer" | "number") => schema["minimum"].as_i64().unwrap_or(0).into(),
            Some("boolean") => false.into(),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => {
                let mut fields = Map::new();
                for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    fields.insert(name.to_owned(), self.stand_in(&schema["properties"][name]));
                }
                Value::Object(fields)
            }
            _ => Value::Null,
        }
    }
}

/// The words of an enumeration, however it is written.
fn words(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(word) = schema.get("const") {
        return Some(vec![word]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return Some(words.iter().collect());
    }
    let choices = choices(schema)?;
    let words: Vec<&Value> = choices.iter().filter_map(words).flatten().collect();
    (words.len() >= choices.len()).then_some(words)
}

fn choices(schema: &Value) -> Option<&[Value]> {
    schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()).map(Vec::as_slice)
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

fn shown(word: &Value) -> String {
    crate::domain::expect::show(word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "size": {"type": ["string", "null"], "enum": ["s", "m"]},
                "steps": {"type": "array", "items": {"$ref": "#/$defs/Step"}},
                "on_fail": {"oneOf": [
                    {"type": "string", "enum": ["stop"]},
                    {"const": "undo"},
                    {"type": "object", "properties": {"goto": {"type": "string"}}, "required": ["goto"],
                     "additionalProperties": false}
                ]}
            },
            "required": ["name"],
            "additionalProperties": false,
            "$defs": {"Step": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}}
        })
    }

    #[test]
    fn every_misfit_is_found_and_repaired() {
        let mut value =
            json!({"nam": "x", "size": "xl", "steps": [{"n": -1}, {"n": 2}, {}, 7], "on_fail": {"got": "x"}});
        let found: Vec<(String, Flaw)> = fit(&mut value, &schema()).into_iter().map(|m| (m.at, m.flaw)).collect();
        let has = |at: &str, flaw: Flaw| assert!(found.contains(&(at.to_owned(), flaw)), "{at} in {found:?}");
        has("/nam", Flaw::Unknown("nam".into(), vec!["name".into(), "on_fail".into(), "size".into(), "steps".into()]));
        has("", Flaw::Missing("name".into()));
        has("/size", Flaw::Word(vec!["s".into(), "m".into()]));
        has("/steps/0/n", Flaw::Range(Some(0), None));
        has("/steps/2", Flaw::Missing("n".into()));
        has("/steps/3", Flaw::Kind(vec!["object".into()]));
        has("/on_fail", Flaw::Missing("goto".into()));
        has("/on_fail/got", Flaw::Unknown("got".into(), vec!["goto".into()]));
        assert_eq!(fit(&mut value, &schema()), Vec::new(), "{value}");
    }

    #[test]
    fn a_choice_that_is_nothing_known_names_all_of_them() {
        let mut value = json!({"name": "x", "on_fail": 3});
        let found = fit(&mut value, &schema());
        assert_eq!(found[0].flaw, Flaw::Kind(vec!["stop".into(), "undo".into(), "object".into()]));
    }
}
