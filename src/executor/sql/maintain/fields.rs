//! What an `sql_maintain` step may say: one verb, and the fields of that verb and no other. Knows nothing of
//! connections.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Maintain;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::{Field, only};
use crate::executor::sql::fields::Database;
use crate::executor::sql::ident;
use crate::executor::value::{Span, Text};

/// How long a lock is waited for where nothing is said, in seconds: whoever waits holds up everybody behind.
const LOCK: u64 = 5;
/// Most tables of one check.
const TABLES: usize = 100;

text_enum! {
    /// What to do.
    Verb {
        /// Builds an index beside the traffic.
        CreateIndex = "create_index",
        /// Drops one beside the traffic.
        DropIndex = "drop_index",
        /// Marks dead rows as free; with `analyze` the planner's figures, too.
        Vacuum = "vacuum",
        /// Brings the planner's figures up to date.
        Analyze = "analyze",
        /// Writes a table anew, without its dead rows. Nobody reads it meanwhile.
        VacuumFull = "vacuum_full",
        /// Builds an index, a table's indexes or all of the database's anew.
        Reindex = "reindex",
        /// Ends a session.
        Terminate = "terminate",
        /// Stops what a session runs now.
        Cancel = "cancel",
        /// Counts rows whose column is null, as a tenant's must not be.
        CountNulls = "count_nulls",
    }
}

impl Verb {
    /// What it does at least.
    pub(super) fn effect(self) -> Effect {
        match self {
            Self::CountNulls => Effect::Read,
            Self::CreateIndex | Self::DropIndex | Self::Vacuum | Self::Analyze | Self::Cancel => Effect::Change,
            // No row is lost, but they hold locks that stop a service, and none can be undone half-way.
            Self::VacuumFull | Self::Reindex | Self::Terminate => Effect::Destroy,
        }
    }
}

/// How an index finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Method {
    /// Equal, smaller, greater.
    Btree,
    /// Equal.
    Hash,
    /// What is in a document, an array or a text.
    Gin,
    /// Shapes and ranges.
    Gist,
    /// Large tables in the order of the column.
    Brin,
}

impl Method {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Btree => "btree",
            Self::Hash => "hash",
            Self::Gin => "gin",
            Self::Gist => "gist",
            Self::Brin => "brin",
        }
    }
}

/// Looks after a PostgreSQL database. Names are names: quoted, and looked up when the step is planned. Facts:
/// `create_index`: index, valid, bytes. `drop_index`: index, dropped. `vacuum`, `analyze`, `vacuum_full`: tables,
/// bytes_before, bytes_after, freed. `reindex`: bytes_before, bytes_after, freed, invalid (indexes left invalid).
/// `terminate`, `cancel`: pid, ended. `count_nulls`: tables (rows without a value, by table), total.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The database, a secret of the configuration that holds a `postgres://` URL.
    database: Database,
    /// The schema of what is named. `public` without.
    #[serde(default)]
    schema: Option<Text>,
    /// `create_index`, `vacuum`, `analyze`, `vacuum_full`, `reindex`: the table, in its exact spelling. `vacuum` and
    /// `analyze` without one take the whole database.
    #[serde(default)]
    table: Option<Text>,
    /// `create_index`, `drop_index`, `reindex`: the index. Without, `create_index` makes a name of table and columns.
    #[serde(default)]
    index: Option<Text>,
    /// `create_index`: the columns, in order.
    #[serde(default)]
    #[schemars(length(min = 1))]
    columns: Option<Vec<Text>>,
    /// `create_index`: how it finds. `btree` without.
    #[serde(default)]
    method: Option<Method>,
    /// `create_index`: true refuses equal values.
    #[serde(default)]
    unique: Option<bool>,
    /// `vacuum`: true brings the planner's figures up to date, too.
    #[serde(default)]
    analyze: Option<bool>,
    /// `vacuum`, `analyze`, `vacuum_full`: how long a lock is waited for. 5s without. What is done beside the traffic
    /// holds nobody up while it waits.
    #[serde(default)]
    lock_timeout: Option<Span>,
    /// `terminate`, `cancel`: the session, as in `{{ steps.look.rows.0.pid }}`.
    #[serde(default)]
    pid: Option<i32>,
    /// `count_nulls`: the tables.
    #[serde(default)]
    #[schemars(length(min = 1))]
    tables: Option<Vec<Text>>,
    /// `count_nulls`: the column that must have a value in each of them.
    #[serde(default)]
    column: Option<Text>,
}

/// A verb with its own fields.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Job {
    CreateIndex { table: String, index: String, columns: Vec<String>, method: Method, unique: bool },
    DropIndex { index: String },
    Vacuum { table: Option<String>, analyze: bool, full: bool },
    Analyze { table: Option<String> },
    Reindex { table: Option<String>, index: Option<String> },
    Session { pid: i32 },
    CountNulls { tables: Vec<String>, column: String },
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<Maintain, Sentence> {
        self.strays()?;
        let lock = match self.r#do {
            Verb::Vacuum | Verb::Analyze | Verb::VacuumFull => {
                Some(self.lock_timeout.as_ref().map(Span::seconds).transpose()?.unwrap_or(LOCK))
            }
            _ => None,
        };
        let schema = self.schema.as_ref().map_or_else(|| "public".to_owned(), |Text(schema)| schema.clone());
        let job = self.job()?;
        for name in job.names().chain([schema.as_str()]) {
            if !ident::fits(name) {
                return Err(sentence!("action.sql_bad_name", name));
            }
        }
        Ok(Maintain { secret: self.database.secret, verb: self.r#do, schema, lock, job })
    }

    fn job(&self) -> Result<Job, Sentence> {
        let verb = self.r#do;
        let needs = |field: &'static str| sentence!("action.needs", verb => verb.as_str(), field);
        let text = |text: &Option<Text>| text.as_ref().map(|Text(text)| text.clone());
        let list = |list: &Option<Vec<Text>>| -> Vec<String> {
            list.iter().flatten().map(|Text(text)| text.clone()).collect()
        };
        Ok(match verb {
            Verb::CreateIndex => {
                let (table, columns) = (text(&self.table).ok_or_else(|| needs("table"))?, list(&self.columns));
                if columns.is_empty() {
                    return Err(needs("columns"));
                }
                let index = text(&self.index).unwrap_or_else(|| named(&table, &columns));
                let (method, unique) = (self.method.unwrap_or(Method::Btree), self.unique.unwrap_or(false));
                Job::CreateIndex { table, index, columns, method, unique }
            }
            Verb::DropIndex => Job::DropIndex { index: text(&self.index).ok_or_else(|| needs("index"))? },
            Verb::Vacuum => {
                Job::Vacuum { table: text(&self.table), analyze: self.analyze.unwrap_or(false), full: false }
            }
            Verb::VacuumFull => {
                let table = Some(text(&self.table).ok_or_else(|| needs("table"))?);
                Job::Vacuum { table, analyze: true, full: true }
            }
            Verb::Analyze => Job::Analyze { table: text(&self.table) },
            Verb::Reindex => match (text(&self.table), text(&self.index)) {
                (Some(_), Some(_)) => return Err(sentence!("action.sql_table_or_index")),
                (table, index) => Job::Reindex { table, index },
            },
            Verb::Terminate | Verb::Cancel => Job::Session { pid: self.pid.ok_or_else(|| needs("pid"))? },
            Verb::CountNulls => {
                let tables = list(&self.tables);
                if tables.is_empty() || tables.len() > TABLES {
                    return Err(needs("tables"));
                }
                Job::CountNulls { tables, column: text(&self.column).ok_or_else(|| needs("column"))? }
            }
        })
    }

    /// A field of another verb.
    fn strays(&self) -> Result<(), Sentence> {
        use Verb::{Analyze, Cancel, CountNulls, CreateIndex, DropIndex, Reindex, Terminate, Vacuum, VacuumFull};
        let of =
            |given: bool, field: &'static str, verbs: &'static [Verb]| -> Field<'_, Verb> { (given, field, verbs) };
        let fields = [
            of(self.table.is_some(), "table", &[CreateIndex, Vacuum, Analyze, VacuumFull, Reindex]),
            of(self.index.is_some(), "index", &[CreateIndex, DropIndex, Reindex]),
            of(self.columns.is_some(), "columns", &[CreateIndex]),
            of(self.method.is_some(), "method", &[CreateIndex]),
            of(self.unique.is_some(), "unique", &[CreateIndex]),
            of(self.analyze.is_some(), "analyze", &[Vacuum]),
            of(self.lock_timeout.is_some(), "lock_timeout", &[Vacuum, Analyze, VacuumFull]),
            of(self.pid.is_some(), "pid", &[Terminate, Cancel]),
            of(self.tables.is_some(), "tables", &[CountNulls]),
            of(self.column.is_some(), "column", &[CountNulls]),
            of(
                self.schema.is_some(),
                "schema",
                &[CreateIndex, DropIndex, Vacuum, Analyze, VacuumFull, Reindex, CountNulls],
            ),
        ];
        only(&self.r#do, &fields)
    }
}

/// An index's name where its author gives none, as PostgreSQL would name it.
fn named(table: &str, columns: &[String]) -> String {
    let whole = format!("{table}_{}_idx", columns.join("_"));
    match whole.len() {
        ..=63 => whole,
        _ => format!("{}_idx", &whole[..whole.floor_char_boundary(59)]),
    }
}

impl Job {
    fn names(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&String> = match self {
            Self::CreateIndex { table, index, columns, .. } => [table, index].into_iter().chain(columns).collect(),
            Self::DropIndex { index } => vec![index],
            Self::Vacuum { table, .. } | Self::Analyze { table } => table.iter().collect(),
            Self::Reindex { table, index } => table.iter().chain(index).collect(),
            Self::Session { .. } => Vec::new(),
            Self::CountNulls { tables, column } => tables.iter().chain([column]).collect(),
        };
        names.into_iter().map(String::as_str)
    }

    /// Its own fields, as the plan holds them.
    pub(super) fn exact(&self) -> Value {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (mut with, says) in [
            (json!({"do": "create_index", "table": "t"}), "columns"),
            (json!({"do": "create_index", "table": "t", "columns": [""]}), "sql_bad_name"),
            (json!({"do": "vacuum", "pid": 3}), "action.stray"),
            (json!({"do": "vacuum_full"}), "table"),
            (json!({"do": "reindex", "table": "t", "index": "i"}), "sql_table_or_index"),
            (json!({"do": "terminate"}), "pid"),
            (json!({"do": "terminate", "pid": 3, "schema": "x"}), "action.stray"),
            (json!({"do": "count_nulls", "tables": ["t"]}), "column"),
            (json!({"do": "count_nulls", "tables": [], "column": "c"}), "tables"),
        ] {
            with["database"] = json!({"secret": "shop_db"});
            let read = |with: &Value| crate::executor::read::<Fields>(with)?.check();
            let error = format!("{:?}", read(&with).map(|_| ()).unwrap_err());
            assert!(error.contains(says), "{with}: {error}");
        }
        assert_eq!(named("Sale", &["tenantId".to_owned(), "at".to_owned()]), "Sale_tenantId_at_idx");
        assert_eq!(named(&"ñ".repeat(31), &["a".to_owned()]).len(), 62);
    }
}
