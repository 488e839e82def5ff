//! The note beside a backup: what it is a backup of, and how many rows each table had in the very snapshot that was
//! dumped, so that a restore can be compared with it.

use std::collections::BTreeMap;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::place::Place;
use super::source::Format;
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};

/// Rows by schema and table.
pub(in crate::executor::sql) type Rows = BTreeMap<String, BTreeMap<String, i64>>;

/// Most bytes of a note.
const LONGEST: u64 = 16 * 1024 * 1024;
/// Tables that facts name.
const NAMED: usize = 200;

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::executor::sql) struct Manifest {
    /// The layout of this note.
    pub(in crate::executor::sql) sereno_backup: u32,
    pub(in crate::executor::sql) database: String,
    pub(in crate::executor::sql) format: Format,
    pub(in crate::executor::sql) server_version: String,
    /// When it was begun.
    pub(in crate::executor::sql) taken_at: Timestamp,
    pub(in crate::executor::sql) bytes: u64,
    pub(in crate::executor::sql) sha256: String,
    pub(in crate::executor::sql) rows: Rows,
}

impl Manifest {
    /// The note beside a backup; none where there is none.
    pub(in crate::executor::sql) fn beside(place: &Place) -> Result<Option<Self>, Sentence> {
        let path = place.manifest();
        if !path.exists() {
            return Ok(None);
        }
        let said = |why: String| sentence!("action.sql_bad_note", file => path.display().to_string(), why);
        let noted = Place { file: format!("{}.manifest.json", place.file), ..place.clone() };
        let mut text = Vec::new();
        noted.open()?.take(LONGEST).read_to_end(&mut text).map_err(|error| said(error.to_string()))?;
        serde_json::from_slice(&text).map(Some).map_err(|error| said(error.to_string()))
    }
}

/// Rows as facts: by schema and table, as many as facts take, and what they add up to.
pub(in crate::executor::sql) fn facts(rows: &Rows) -> Vec<(&'static str, Value)> {
    let all =
        || rows.iter().flat_map(|(schema, tables)| tables.iter().map(move |(table, count)| (schema, table, count)));
    let mut named = Rows::new();
    for (schema, table, count) in all().take(NAMED) {
        named.entry(schema.clone()).or_default().insert(table.clone(), *count);
    }
    let total: i64 = all().map(|(_, _, count)| *count).sum();
    vec![("rows", json!(named)), ("tables", json!(all().count())), ("rows_total", json!(total))]
}

/// Where two counts differ.
pub(in crate::executor::sql) fn differences(wanted: &Rows, found: &Rows) -> Vec<Value> {
    let count = |rows: &Rows, schema: &str, table: &str| rows.get(schema).and_then(|tables| tables.get(table)).copied();
    let names = wanted.iter().chain(found).flat_map(|(schema, tables)| tables.keys().map(move |table| (schema, table)));
    let names: std::collections::BTreeSet<_> = names.collect();
    let differing = names.into_iter().filter_map(|(schema, table)| {
        let (expected, found) = (count(wanted, schema, table), count(found, schema, table));
        let name = format!("{schema}.{table}");
        (expected != found).then(|| json!({ "table": name, "expected": expected, "found": found }))
    });
    differing.take(NAMED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(list: &[(&str, &str, i64)]) -> Rows {
        let mut rows = Rows::new();
        for (schema, table, count) in list {
            rows.entry((*schema).into()).or_default().insert((*table).into(), *count);
        }
        rows
    }

    #[test]
    fn a_table_too_many_too_few_or_of_another_size_is_a_difference() {
        let wanted = rows(&[("public", "a", 1), ("public", "b", 2)]);
        assert_eq!(differences(&wanted, &wanted), Vec::<Value>::new());
        let found = rows(&[("public", "a", 3), ("other", "c", 0)]);
        assert_eq!(
            differences(&wanted, &found),
            [
                json!({"table": "other.c", "expected": null, "found": 0}),
                json!({"table": "public.a", "expected": 1, "found": 3}),
                json!({"table": "public.b", "expected": 2, "found": null}),
            ]
        );
        let many: Rows = rows(&(0..300).map(|_| ("s", "t", 1)).collect::<Vec<_>>());
        assert_eq!(facts(&many)[2].1, 1);
    }
}
