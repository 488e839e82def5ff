//! What an `sql` step may say: one database, and one of a query, a statement and a ready-made look. Knows nothing of
//! connections.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::looks::look;
use super::rows::ROWS;
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
/// Words of what changes rows, and has a plan.
const WRITES: &[&str] = &["insert", "update", "delete", "merge"];
/// Words of what takes something away.
const DESTROYS: &[&str] = &["delete", "drop", "truncate"];

text_enum! {
    /// A ready-made look at a database.
    Show {
        /// Who is connected and what they run.
        Activity = "activity",
        /// How large the database and its largest tables and their indexes are, in bytes.
        Sizes = "sizes",
        /// How many sessions in which state on the whole server, against the most that it takes.
        Sessions = "sessions",
        /// Which statements took most time, by the extension `pg_stat_statements`.
        Slow = "slow",
        /// Who waits for whose lock.
        Locks = "locks",
        /// Replicas and slots, and how far behind they are.
        Replication = "replication",
        /// Indexes: their sizes, whether they are used and whether they are valid.
        Indexes = "indexes",
        /// Dead rows, and when tables were vacuumed and analyzed.
        Vacuum = "vacuum",
        /// Whether it answers, and with which version.
        Ready = "ready",
        /// Every database of the server.
        Databases = "databases",
    }
}

/// One query or one statement on a PostgreSQL database. Facts of a query and of `show`: `rows` (objects by column, at
/// most 200), `count`, `value` (the first cell), `truncated`. Facts of a statement: `affected`. Beside its rows a look
/// finds: `sessions` total, active, idle, idle_in_transaction, waiting, here, longest_query_seconds,
/// longest_transaction_seconds, max_connections, used_percent; `sizes` database_bytes, tables; `slow` enabled; `locks`
/// waiting, longest_seconds; `replication` role, replicas, inactive_slots, lag_seconds, lag_bytes; `indexes` total,
/// invalid, invalid_names, unused; `vacuum` dead, worst_percent, xid_age, autovacuum; `ready` ready, version,
/// version_number, role, read_only, uptime; `databases` total, total_bytes. `explain`: node, total_cost, rows,
/// actual_rows, planning_ms, execution_ms, seq_scans (tables), plan.
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
    /// A statement whose plan is shown. It is not run, unless `analyze` says so. Takes no placeholder.
    #[serde(default)]
    #[schemars(extend("x-literal" = true))]
    explain: Option<String>,
    /// `explain`: true runs the statement to measure it. A query runs read-only; what changes something has that effect,
    /// and is rolled back.
    #[serde(default)]
    analyze: Option<bool>,
    /// `show`: how many rows. 50 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
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
pub(super) struct Database {
    /// The secret's name under `secrets:`.
    pub(super) secret: String,
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
    Show {
        show: Show,
        limit: usize,
    },
    Explain {
        statement: Statement,
        analyze: bool,
    },
}

/// Rows of a look where nothing is said.
const LIMIT: usize = 50;
/// Words of functions that act although a transaction only reads.
const ACTS: &[&str] = &[
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_promote",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_create_restore_point",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_drop_replication_slot",
    "pg_replication_slot_advance",
    "pg_stat_reset",
    "pg_stat_statements_reset",
    "dblink",
    "dblink_exec",
    "lo_export",
    "pg_file_write",
];

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Sql, Sentence> {
        if self.statement.is_none() && (self.expect_rows.is_some() || self.transaction.is_some()) {
            return Err(sentence!("action.sql_stray"));
        }
        if self.explain.is_none() && self.analyze.is_some() {
            return Err(sentence!("action.sql_stray_field", field => "analyze", of => "explain"));
        }
        if self.show.is_none() && self.limit.is_some() {
            return Err(sentence!("action.sql_stray_field", field => "limit", of => "show"));
        }
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=ROWS).contains(&limit) {
            return Err(sentence!("action.sql_limit", most => ROWS, limit));
        }
        let work = match (&self.query, &self.statement, self.show, &self.explain) {
            (Some(text), None, None, None) => query(text)?,
            (None, Some(text), None, None) => statement(text, self.expect_rows, self.transaction.unwrap_or(true))?,
            (None, None, Some(show), None) => Work::Show { show, limit },
            (None, None, None, Some(text)) => explained(text, self.analyze.unwrap_or(false))?,
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
    only_reads(&statement)?;
    match READS.iter().find(|(word, _)| *word == statement.first) {
        Some((_, nests)) => Ok(Work::Query { statement, nests: *nests }),
        None => Err(sentence!("action.sql_no_query", word => statement.first)),
    }
}

/// A read-only transaction keeps these from nothing.
fn only_reads(statement: &Statement) -> Result<(), Sentence> {
    match ACTS.iter().find(|name| statement.calls(name)) {
        Some(name) => Err(sentence!("action.sql_acts", name => *name)),
        None => Ok(()),
    }
}

/// What may be explained: what PostgreSQL plans.
fn explained(text: &str, analyze: bool) -> Result<Work, Sentence> {
    let statement = Statement::new(text)?;
    let nests = READS.iter().any(|(word, nests)| *nests && *word == statement.first);
    if !nests && !WRITES.contains(&statement.first.as_str()) {
        return Err(sentence!("action.sql_not_explained", word => statement.first));
    }
    if analyze && nests {
        only_reads(&statement)?;
    }
    Ok(Work::Explain { statement, analyze })
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
            Self::Query { statement, .. } | Self::Statement { statement, .. } | Self::Explain { statement, .. } => {
                statement.values
            }
            Self::Show { .. } => 0,
        }
    }

    /// What it does at least.
    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Query { .. } | Self::Show { .. } | Self::Explain { analyze: false, .. } => Effect::Read,
            Self::Explain { statement, .. } if !WRITES.contains(&statement.first.as_str()) => Effect::Read,
            Self::Statement { statement, .. } | Self::Explain { statement, .. }
                if DESTROYS.contains(&statement.first.as_str()) =>
            {
                Effect::Destroy
            }
            Self::Statement { .. } | Self::Explain { .. } => Effect::Change,
        }
    }

    /// What opens its transaction; none where it has none. What only reads is held to that by the server.
    pub(super) fn begin(&self) -> Option<&'static str> {
        match self {
            Self::Statement { transaction: false, .. } => None,
            work if work.effect() == Effect::Read => Some("BEGIN READ ONLY"),
            _ => Some("BEGIN"),
        }
    }
}

impl Sql {
    /// One line that shows the text and the values.
    pub(super) fn line(&self) -> Sentence {
        let statement = match &self.work {
            Work::Query { statement, .. } | Work::Statement { statement, .. } | Work::Explain { statement, .. } => {
                statement
            }
            Work::Show { show, .. } => return Sentence::new(look(*show).plan),
        };
        let text = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = |(at, param): (usize, &Param)| format!("${} = {}", at + 1, json!(param));
        let values = self.params.iter().enumerate().map(value).collect::<Vec<_>>().join(", ");
        let line = if values.is_empty() { Sentence::Plain(text) } else { sentence!("action.sql_with", text, values) };
        match self.work {
            Work::Explain { analyze: false, .. } => sentence!("action.sql_explain", text => line),
            Work::Explain { analyze: true, .. } => sentence!("action.sql_explain_run", text => line),
            _ => line,
        }
    }

    /// Everything that will be used.
    pub(super) fn exact(&self) -> Value {
        let mut exact = match &self.work {
            Work::Query { statement, .. } => json!({ "query": statement.text }),
            Work::Statement { statement, expect_rows, transaction } => {
                json!({ "statement": statement.text, "expect_rows": expect_rows, "transaction": transaction })
            }
            Work::Show { show, limit } => json!({ "show": show, "limit": limit }),
            Work::Explain { statement, analyze } => json!({ "explain": statement.text, "analyze": analyze }),
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
            (json!({"show": "gossip"}), "unknown variant `gossip`"),
            (json!({"show": "locks", "limit": 0}), "sql_limit"),
            (json!({"query": "SELECT 1", "limit": 5}), "sql_stray_field"),
            (json!({"query": "SELECT 1", "analyze": true}), "sql_stray_field"),
            (json!({"query": "SELECT pg_catalog.pg_terminate_backend (7)"}), "sql_acts"),
            (json!({"query": "SELECT \"pg_promote\"()"}), "sql_acts"),
            (json!({"explain": "SELECT dblink('', 'x')", "analyze": true}), "sql_acts"),
            (json!({"explain": "VACUUM"}), "sql_not_explained"),
            (json!({"explain": "ANALYZE DELETE FROM t"}), "sql_not_explained"),
            (json!({"explain": "(ANALYZE) DELETE FROM t; SELECT 1"}), "sql_several"),
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
    fn measuring_a_statement_is_as_dangerous_as_running_it() {
        let work = |text: &str, analyze: bool| check(json!({"explain": text, "analyze": analyze})).unwrap().work;
        for (text, effect) in
            [("SELECT 1", Effect::Read), ("DELETE FROM t", Effect::Destroy), ("UPDATE t SET a = 1", Effect::Change)]
        {
            assert_eq!((work(text, false).effect(), work(text, true).effect()), (Effect::Read, effect), "{text}");
        }
        // What hides behind a query's first word meets a transaction that only reads.
        let hidden = work("WITH gone AS (DELETE FROM t RETURNING 1) SELECT * FROM gone", true);
        assert_eq!((hidden.effect(), hidden.begin()), (Effect::Read, Some("BEGIN READ ONLY")));
        assert_eq!(work("DELETE FROM t", true).begin(), Some("BEGIN"));
    }

    #[test]
    fn a_name_in_a_text_is_no_call() {
        for text in ["SELECT * FROM log WHERE line LIKE '%pg_promote(%'", "SELECT pg_promote_count(1)", "SELECT dblink"]
        {
            assert!(check(json!({ "query": text })).is_ok(), "{text}");
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
