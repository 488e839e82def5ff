//! Documents as facts and as a table: capped, and without what is to be hidden. Knows nothing of connections.

use bson::RawDocument;
use serde_json::{Map, Value, json};

use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;

/// Bytes of one document that is shown.
const ONE: usize = 64 * 1024;
/// Bytes of all of them.
const ALL: usize = 256 * 1024;
/// Columns of the table.
const COLUMNS: usize = 8;
/// What stands for a value that is not to be seen.
const HIDDEN: &str = "[hidden]";

/// What was found so far.
pub(super) struct Found<'h> {
    hide: &'h [String],
    rows: Vec<Value>,
    bytes: usize,
    truncated: bool,
}

impl<'h> Found<'h> {
    /// Nothing yet; fields of these names are hidden.
    pub(super) fn new(hide: &'h [String]) -> Self {
        Self { hide, rows: Vec::new(), bytes: 0, truncated: false }
    }

    /// Takes the next document; false when there is no room for it.
    ///
    /// # Errors
    /// When it is too long to be shown, or cannot be read.
    pub(super) fn take(&mut self, document: &RawDocument) -> Result<bool, Sentence> {
        let length = document.as_bytes().len();
        if length > ONE {
            return Err(sentence!("action.mongo_long", row => self.rows.len() + 1, limit => ONE));
        }
        self.bytes += length;
        self.truncated = self.bytes > ALL;
        if self.truncated {
            return Ok(false);
        }
        let read = bson::Document::try_from(document);
        let read = read.map_err(|error| sentence!("action.mongo_lost", why => error.to_string()))?;
        let mut row = plain(bson::Bson::Document(read).into_relaxed_extjson());
        mask(&mut row, self.hide, "");
        self.rows.push(row);
        Ok(true)
    }

    /// All of it.
    pub(super) fn report(self) -> Report {
        let count = self.rows.len();
        let mut columns: Vec<String> = Vec::new();
        for key in self.rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
            if columns.len() < COLUMNS && !columns.contains(key) {
                columns.push(key.clone());
            }
        }
        let cell = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| columns.iter().map(|column| cell(&row[column])).collect()).collect();
        let table = (count > 0).then(|| Grid::new(columns.iter().map(Sentence::plain).collect(), rows));
        let facts = json!({ "rows": self.rows, "count": count, "truncated": self.truncated });
        Report { table, ..Report::new(facts, sentence!("action.mongo_documents", count)) }
    }
}

/// Ids, dates and decimals as texts, not as the objects that stand for them.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.len() == 1 => {
            let marked = ["$oid", "$date", "$numberDecimal"].iter().find_map(|mark| fields.get(*mark));
            match marked {
                Some(Value::String(text)) => Value::String(text.clone()),
                _ => fields.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>().into(),
            }
        }
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, plain(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        other => other,
    }
}

/// Hides fields by their name, wherever they are, or by their dotted path.
fn mask(value: &mut Value, hide: &[String], at: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                match hide.iter().any(|hidden| hidden == key || *hidden == path) {
                    true => *value = HIDDEN.into(),
                    false => mask(value, hide, &path),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, hide, at)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_are_hidden_at_any_depth_and_ids_are_texts() {
        let mut row = plain(json!({
            "_id": {"$oid": "65f0"}, "email": "a@x", "who": {"email": "b@x", "city": "Lima"},
            "lines": [{"email": "c@x", "n": 1}],
        }));
        mask(&mut row, &["email".to_owned(), "who.city".to_owned()], "");
        assert_eq!(
            row,
            json!({
                "_id": "65f0", "email": HIDDEN, "who": {"email": HIDDEN, "city": HIDDEN},
                "lines": [{"email": HIDDEN, "n": 1}],
            })
        );
    }
}
