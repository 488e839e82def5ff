//! What an `sql` step may say: one database, and one of a query, a statement and a ready-made look. Knows nothing of
//! connections.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::Statement;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;

/// Words that a query begins with, and whether what follows may stand in a FROM clause.
const READS: &[(&str, bool)] = &[
    ("select", true),
    ("with", true),
    ("values", true),
    ("table", true),
    ("(", true),
    ("show", false),
    ("explain", false),
];
/// Words that would end or leave the transaction around a statement, or wait for data that never comes.
const REFUSED: &[&str] =
    &["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare", "copy", "listen"];
/// Words of what takes something away.
const DESTROYS: &[&str] = &["delete", "drop", "truncate"];

text_enum! {
    /// A ready-made look at a database.
    Show {
        /// Who is connected and what they run.
        Activity = "activity",
        /// How large the database and its largest tables are, in bytes.
        Sizes = "sizes",
    }
}

/// One query or one statement on a PostgreSQL database. Facts of a query and of `show`: `rows` (objects by column, at
/// most 200), `count`, `value` (the first cell), `truncated`. Facts of a statement: `affected`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// The database, a secret of the configuration that holds a `postgres://` URL.
    database: Database,
    /// SQL that only reads. It runs in a read-only transaction. Takes no placeholder: values go in `params`.
    #[serde(default)]
    #[schemars(extend("x-literal" = true))]
    query: Option<String>,
    /// SQL that changes something. It runs in a transaction. Takes no placeholder: values go in `params`.
    #[serde(default)]
    #[schemars(extend("x-literal" = true))]
    statement: Option<String>,
    /// A ready-made look.
    #[serde(default)]
    show: Option<Show>,
    /// The values of `$1`, `$2`, …: texts, numbers, true, false, null. Where the column is of another type, cast, as
    /// in `$1::uuid`.
    #[serde(default)]
    params: Vec<Param>,
    /// `statement`: how many rows it must affect; with any other number it is rolled back.
    #[serde(default)]
    expect_rows: Option<u64>,
    /// `statement`: false for what refuses a transaction, such as VACUUM and CREATE INDEX CONCURRENTLY.
    #[serde(default)]
    transaction: Option<bool>,
}

/// A database by the name of its secret.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Database {
    /// The secret's name under `secrets:`.
    secret: String,
}

/// A value, bound by its type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "expected a text, a number, true, false or null")]
pub(super) enum Param {
    Null(()),
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
}

/// A step that fits together.
#[derive(Debug)]
pub(super) struct Sql {
    /// The secret's name.
    pub(super) database: String,
    pub(super) work: Work,
    pub(super) params: Vec<Param>,
}

/// What to do with the database.
#[derive(Debug)]
pub(super) enum Work {
    /// `nests` tells whether it may stand in a FROM clause.
    Query {
        statement: Statement,
        nests: bool,
    },
    Statement {
        statement: Statement,
        expect_rows: Option<u64>,
        transaction: bool,
    },
    Show(Show),
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Sql, Sentence> {
        if self.statement.is_none() && (self.expect_rows.is_some() || self.transaction.is_some()) {
            return Err(sentence!("action.sql_stray"));
        }
        let work = match (&self.query, &self.statement, self.show) {
            (Some(text), None, None) => query(text)?,
            (None, Some(text), None) => statement(text, self.expect_rows, self.transaction.unwrap_or(true))?,
            (None, None, Some(show)) => Work::Show(show),
            _ => return Err(sentence!("action.sql_one_of")),
        };
        let (wanted, given) = (work.values(), self.params.len());
        if wanted != given {
            return Err(sentence!("action.sql_values", wanted, given));
        }
        Ok(Sql { database: self.database.secret, work, params: self.params })
    }
}

fn query(text: &str) -> Result<Work, Sentence> {
    let statement = Statement::new(text)?;
    match READS.iter().find(|(word, _)| *word == statement.first) {
        Some((_, nests)) => Ok(Work::Query { statement, nests: *nests }),
        None => Err(sentence!("action.sql_no_query", word => statement.first)),
    }
}

fn statement(text: &str, expect_rows: Option<u64>, transaction: bool) -> Result<Work, Sentence> {
    let statement = Statement::new(text)?;
    if REFUSED.contains(&statement.first.as_str()) {
        return Err(sentence!("action.sql_no_step", word => statement.first));
    }
    if expect_rows.is_some() && !transaction {
        return Err(sentence!("action.sql_needs_transaction"));
    }
    Ok(Work::Statement { statement, expect_rows, transaction })
}

impl Work {
    /// How many values it takes.
    fn values(&self) -> usize {
        match self {
            Self::Query { statement, .. } | Self::Statement { statement, .. } => statement.values,
            Self::Show(_) => 0,
        }
    }

    /// What it does at least.
    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Query { .. } | Self::Show(_) => Effect::Read,
            Self::Statement { statement, .. } if DESTROYS.contains(&statement.first.as_str()) => Effect::Destroy,
            Self::Statement { .. } => Effect::Change,
        }
    }
}

impl Sql {
    /// One line that shows the text and the values.
    pub(super) fn line(&self) -> Sentence {
        let statement = match &self.work {
            Work::Query { statement, .. } | Work::Statement { statement, .. } => statement,
            Work::Show(Show::Activity) => return sentence!("action.sql_activity"),
            Work::Show(Show::Sizes) => return sentence!("action.sql_sizes"),
        };
        let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = |(at, param): (usize, &Param)| format!("${} = {}", at + 1, json!(param));
        let values = self.params.iter().enumerate().map(value).collect::<Vec<_>>().join(", ");
        if values.is_empty() { Sentence::Plain(text) } else { sentence!("action.sql_with", text, values) }
    }

    /// Everything that will be used.
    pub(super) fn exact(&self) -> Value {
        let mut exact = match &self.work {
            Work::Query { statement, .. } => json!({ "query": statement.text }),
            Work::Statement { statement, expect_rows, transaction } => {
                json!({ "statement": statement.text, "expect_rows": expect_rows, "transaction": transaction })
            }
            Work::Show(show) => json!({ "show": show }),
        };
        exact["database"] = json!(self.database);
        exact["params"] = json!(self.params);
        exact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut with: Value) -> Result<Sql, Sentence> {
        with["database"] = json!({"secret": "shop_db"});
        crate::executor::read::<Fields>(&with)?.check()
    }

    #[test]
    fn what_does_not_fit_together_is_refused_in_words() {
        for (with, says) in [
            (json!({}), "sql_one_of"),
            (json!({"query": "SELECT 1", "show": "sizes"}), "sql_one_of"),
            (json!({"query": "DELETE FROM t"}), "sql_no_query"),
            (json!({"query": "SELECT 1; SELECT 2"}), "sql_several"),
            (json!({"query": "SELECT $1"}), "sql_values"),
            (json!({"query": "SELECT 1", "params": [1]}), "sql_values"),
            (json!({"query": "SELECT $1", "params": [[1]]}), "expected a text, a number"),
            (json!({"query": "SELECT 1", "expect_rows": 1}), "sql_stray"),
            (json!({"statement": "COMMIT"}), "sql_no_step"),
            (json!({"statement": "VACUUM", "transaction": false, "expect_rows": 1}), "sql_needs_transaction"),
            (json!({"show": "locks"}), "unknown variant `locks`"),
        ] {
            let error = format!("{:?}", check(with.clone()).map(|_| ()).unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
        let plain = json!({"database": "postgres://ana:hunter2@db/shop", "show": "sizes"});
        assert!(serde_json::from_value::<Fields>(plain).is_err(), "an address in the open is no secret");
    }

    #[test]
    fn what_takes_something_away_is_known_by_its_word() {
        let effect = |text: &str| check(json!({ "statement": text })).unwrap().work.effect();
        assert_eq!(effect("UPDATE t SET a = 1"), Effect::Change);
        for text in ["delete FROM t", "DROP TABLE t", "/* x */ TRUNCATE t"] {
            assert_eq!(effect(text), Effect::Destroy, "{text}");
        }
    }

    #[test]
    fn a_person_reads_text_and_values_on_one_line() {
        let with = json!({"query": "SELECT *\n  FROM t\n WHERE a = $1 AND b = $2", "params": ["x y", null]});
        let text = "SELECT * FROM t WHERE a = $1 AND b = $2";
        let said = sentence!("action.sql_with", text, values => r#"$1 = "x y", $2 = null"#);
        assert_eq!(check(with).unwrap().line(), said);
        assert_eq!(check(json!({"query": "SELECT  1"})).unwrap().line(), Sentence::plain("SELECT 1"));
    }
}
