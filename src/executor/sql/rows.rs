//! Rows as facts: the server turns each into JSON, so that every type there is can be shown; here they are counted,
//! cut and put under their names.

use futures_util::TryStreamExt as _;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgRow;
use sqlx::{Column as _, PgConnection, Row as _, TypeInfo as _};

use super::fields::Param;
use super::session::{Fault, Progress, bound};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::output::beginning;
use crate::executor::redact::{Redactor, map_text};

/// Rows that are kept.
pub(super) const ROWS: usize = 200;
/// Bytes of one text in a row that are kept.
const CELL: usize = 4 * 1024;
/// Characters of one row that are read.
const ROW: usize = 64 * 1024;
/// Bytes of all rows together that are kept.
const ALL: usize = 256 * 1024;

/// A row's columns in their order.
struct Columns(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Columns;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Columns(columns))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

/// What is to be read.
pub(super) struct Wanted<'t> {
    /// One query.
    pub(super) text: &'t str,
    /// Whether it may stand in a FROM clause.
    pub(super) nests: bool,
    pub(super) params: &'t [Param],
    /// Most rows, [`ROWS`] at most.
    pub(super) limit: usize,
}

/// Reads what a query finds, as facts.
pub(super) async fn read(
    connection: &mut PgConnection,
    wanted: &Wanted<'_>,
    progress: &Progress,
    redactor: &Redactor,
) -> Result<Map<String, Value>, Fault> {
    let &Wanted { text, nests, params, limit } = wanted;
    let text = match nests {
        true => format!("SELECT left(row_to_json(q)::text, {ROW}) FROM (\n{text}\n) q LIMIT {}", limit + 1),
        false => text.to_owned(),
    };
    let query = bound(text, params);
    let (mut rows, mut first, mut size, mut truncated) = (Vec::new(), Value::Null, 0, false);
    let mut found = query.fetch(connection);
    while let Some(row) = found.try_next().await.map_err(|error| progress.fault(error))? {
        let Columns(columns) = if nests { nested(&row, rows.len())? } else { plain(&row) };
        let columns: Vec<(String, Value)> =
            columns.into_iter().map(|(name, value)| (name, cut(redactor, &value))).collect();
        size += json!(columns).to_string().len();
        truncated = rows.len() == limit || size > ALL;
        if truncated {
            break;
        }
        if rows.is_empty() {
            first = columns.first().map(|(_, value)| value.clone()).unwrap_or_default();
        }
        rows.push(Value::Object(columns.into_iter().collect()));
    }
    let facts =
        [("count", json!(rows.len())), ("value", first), ("truncated", json!(truncated)), ("rows", json!(rows))];
    Ok(facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect())
}

/// A row that the server made JSON of.
fn nested(row: &PgRow, number: usize) -> Result<Columns, Fault> {
    let text: String = row.try_get(0).map_err(|error| Fault::Failed(Sentence::plain(error)))?;
    serde_json::from_str(&text).map_err(|error| {
        let row = number + 1;
        Fault::Failed(match text.chars().count() {
            ROW.. => sentence!("action.sql_long_row", row, limit => ROW),
            _ => sentence!("action.sql_odd_row", row, why => error.to_string()),
        })
    })
}

/// A row of SHOW or EXPLAIN, whose columns are text or JSON.
fn plain(row: &PgRow) -> Columns {
    let value = |at: usize| match row.try_get::<Option<String>, _>(at) {
        Ok(text) => json!(text),
        Err(_) => row.try_get::<Value, _>(at).unwrap_or_else(|_| json!(row.column(at).type_info().name())),
    };
    Columns(row.columns().iter().map(|column| (column.name().to_owned(), value(column.ordinal()))).collect())
}

/// Redacted before it is cut: half a secret would not be known.
fn cut(redactor: &Redactor, value: &Value) -> Value {
    map_text(value, &|text| beginning(&redactor.text(text), CELL).to_owned())
}
