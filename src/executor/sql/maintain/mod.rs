//! `sql_maintain`: indexes, vacuum, sessions and checks, without SQL of the author's. What a plan found is compared with
//! what is there when the step runs.

mod fields;
mod probe;
mod work;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::time::{Instant, timeout};

pub use self::fields::Verb;
use self::fields::{Fields, Job};
use super::dump::tools;
use super::ident::quoted;
use super::session::{self, Broken, Fault, Progress, nothing};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::executor::{Action, ActionSpec, Probe, StepContext, Tools, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "sql_maintain",
    summary: "Builds and drops indexes, vacuums, ends sessions and counts missing values on a PostgreSQL database.",
    example: "do: create_index\ndatabase: {secret: shop_db}\ntable: orders\ncolumns: [state, placed_at]\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// How long a plan waits for the database.
const PLANNING: Duration = Duration::from_secs(10);

/// A relation by schema and name: its number, its kind (`r`, `p`, `m`, `i`, `I`) and whether it is a valid index.
const RELATION: &str = "SELECT c.oid::bigint, c.relkind::text, coalesce(i.indisvalid, true), \
     coalesce(i.indrelid::bigint, 0) FROM pg_class c \
     JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid \
     WHERE n.nspname = $1 AND c.relname = $2";
/// Whether we may vacuum and analyze a table: as its owner or the database's, or as a superuser; from PostgreSQL 17 on
/// also with a privilege of its own, whose name earlier servers do not know.
const MAY: &str = "SELECT pg_has_role(c.relowner, 'USAGE') \
     OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) \
     OR CASE WHEN current_setting('server_version_num')::int >= 170000 \
        THEN has_table_privilege(c.oid, CASE WHEN current_setting('server_version_num')::int >= 170000 \
        THEN 'MAINTAIN' ELSE 'SELECT' END) ELSE false END FROM pg_class c WHERE c.oid = $1::bigint::oid";
/// A session that may be ended: somebody's, and not ours.
const SESSION: &str = "SELECT backend_start::text, coalesce(usename::text, ''), coalesce(application_name, ''), \
     coalesce(datname::text, ''), coalesce(state, '') FROM pg_stat_activity \
     WHERE pid = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid()";

/// A step that fits together.
#[derive(Debug)]
struct Maintain {
    /// The secret's name.
    secret: String,
    verb: Verb,
    schema: String,
    /// Seconds that a lock is waited for; none where nobody is held up meanwhile.
    lock: Option<u64>,
    job: Job,
}

/// A relation that is there.
#[derive(Clone, PartialEq)]
struct Relation {
    oid: i64,
    kind: String,
    valid: bool,
    /// An index's table.
    table: i64,
}

#[async_trait]
impl Action for Maintain {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        super::at_least(self.verb.effect(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.secret.clone()]
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let look = async {
            let options = tools::options(tools, &self.secret)?;
            let mut connection = PgConnection::connect_with(&options).await.map_err(told)?;
            self.found(&mut connection).await
        };
        let looked = timeout(PLANNING, look).await;
        let found = looked.map_err(|_| sentence!("action.sql_slow_plan", seconds => PLANNING.as_secs()))??;
        let mut exact = self.job.exact();
        exact["do"] = json!(self.verb);
        exact["database"] = json!(self.secret);
        exact["schema"] = json!(self.schema);
        exact["lock_timeout"] = json!(self.lock);
        exact["found"] = found.clone();
        let line = match &self.job {
            Job::Session { pid } => {
                let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
                let (user, application, database) = (text("user"), text("application"), text("database"));
                match self.verb {
                    Verb::Cancel => sentence!("action.sql_cancel_of", pid => *pid, user, application, database),
                    _ => sentence!("action.sql_terminate_of", pid => *pid, user, application, database),
                }
            }
            Job::CountNulls { tables, column } => {
                sentence!("action.sql_count_nulls", column, tables => tables.join(", "))
            }
            // What will be said to the server is what says it best.
            _ => Sentence::plain(self.statements(&found).join("; ")),
        };
        let target = sentence!("action.sql_database", name => &self.secret);
        Ok(Plan { action: SPEC.name.to_owned(), effect: self.verb.effect(), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let progress = Progress::default();
        session::attend(cx, &self.secret, &progress, self.work(cx, &progress)).await
    }

    fn probe<'p>(&'p self, cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        self.shows().then(|| self.look_back(cx).boxed())
    }
}

/// What an error means to a plan.
fn told(error: sqlx::Error) -> Sentence {
    match Progress::default().fault(error) {
        Fault::Failed(why) | Fault::Lost(why) => why,
    }
}

impl Maintain {
    /// What is there that the step is about.
    async fn found(&self, connection: &mut PgConnection) -> Result<Value, Sentence> {
        match &self.job {
            Job::Session { pid } => self.session(connection, *pid).await,
            Job::CreateIndex { table, index, .. } => {
                let on = self.table(connection, table).await?;
                let there = relation(connection, &self.schema, index).await.map_err(told)?;
                match there {
                    // What a build left that failed is built anew.
                    Some(left) if !left.valid && left.table == on.oid => {
                        Ok(json!({ "table": on.oid, "invalid": left.oid }))
                    }
                    Some(_) => Err(sentence!("action.sql_index_there", index)),
                    None => Ok(json!({ "table": on.oid })),
                }
            }
            Job::DropIndex { index } | Job::Reindex { index: Some(index), .. } => {
                let there = relation(connection, &self.schema, index).await.map_err(told)?;
                match there.filter(|there| matches!(there.kind.as_str(), "i" | "I")) {
                    Some(there) => Ok(json!({ "index": there.oid })),
                    None => Err(sentence!("action.sql_no_index", schema => &self.schema, index)),
                }
            }
            Job::Vacuum { table: Some(table), .. } | Job::Analyze { table: Some(table) } => {
                let oid = self.table(connection, table).await?.oid;
                // The server would only say that it skips it, and call that done.
                let may: bool = sqlx::query_scalar(MAY).bind(oid).fetch_one(connection).await.map_err(told)?;
                match may {
                    true => Ok(json!({ "table": oid })),
                    false => Err(sentence!("action.sql_not_owner", schema => &self.schema, table)),
                }
            }
            Job::Reindex { table: Some(table), .. } => Ok(json!({ "table": self.table(connection, table).await?.oid })),
            Job::CountNulls { tables, .. } => {
                for table in tables {
                    self.table(connection, table).await?;
                }
                Ok(Value::Null)
            }
            Job::Vacuum { .. } | Job::Analyze { .. } => Ok(Value::Null),
            Job::Reindex { .. } => {
                let name: String =
                    sqlx::query_scalar("SELECT current_database()::text").fetch_one(connection).await.map_err(told)?;
                Ok(json!({ "database": name }))
            }
        }
    }

    async fn table(&self, connection: &mut PgConnection, table: &str) -> Result<Relation, Sentence> {
        let found = relation(connection, &self.schema, table).await.map_err(told)?;
        let found = found.filter(|found| matches!(found.kind.as_str(), "r" | "p" | "m"));
        found.ok_or_else(|| sentence!("action.sql_no_table", schema => &self.schema, table))
    }

    async fn session(&self, connection: &mut PgConnection, pid: i32) -> Result<Value, Sentence> {
        let row = sqlx::query(SESSION).bind(pid).fetch_optional(connection).await.map_err(told)?;
        let row = row.ok_or_else(|| sentence!("action.sql_no_session", pid))?;
        let text = |at: usize| row.try_get::<String, _>(at).unwrap_or_default();
        // Not its state, which changes while somebody decides.
        Ok(json!({ "since": text(0), "user": text(1), "application": text(2), "database": text(3) }))
    }

    /// What is said to the server, one after the other and each on its own.
    fn statements(&self, found: &Value) -> Vec<String> {
        let of = |name: &str| format!("{}.{}", quoted(&self.schema), quoted(name));
        let maybe = |table: &Option<String>| table.as_ref().map_or_else(String::new, |table| format!(" {}", of(table)));
        match &self.job {
            Job::CreateIndex { table, index, columns, method, unique } => {
                let columns = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
                let unique = if *unique { "UNIQUE " } else { "" };
                let (name, on) = (quoted(index), of(table));
                let make =
                    format!("CREATE {unique}INDEX CONCURRENTLY {name} ON {on} USING {} ({columns})", method.as_str());
                let left = found.get("invalid").map(|_| format!("DROP INDEX CONCURRENTLY {}", of(index)));
                left.into_iter().chain([make]).collect()
            }
            Job::DropIndex { index } => vec![format!("DROP INDEX CONCURRENTLY {}", of(index))],
            Job::Vacuum { table, full: true, .. } => vec![format!("VACUUM (FULL, ANALYZE){}", maybe(table))],
            Job::Vacuum { table, analyze: true, .. } => vec![format!("VACUUM (ANALYZE){}", maybe(table))],
            Job::Vacuum { table, .. } => vec![format!("VACUUM{}", maybe(table))],
            Job::Analyze { table } => vec![format!("ANALYZE{}", maybe(table))],
            Job::Reindex { index: Some(index), .. } => vec![format!("REINDEX INDEX CONCURRENTLY {}", of(index))],
            Job::Reindex { table: Some(table), .. } => vec![format!("REINDEX TABLE CONCURRENTLY {}", of(table))],
            Job::Reindex { .. } => {
                let name = found["database"].as_str().unwrap_or_default();
                vec![format!("REINDEX DATABASE CONCURRENTLY {}", quoted(name))]
            }
            Job::Session { .. } | Job::CountNulls { .. } => Vec::new(),
        }
    }

    async fn work(&self, cx: &StepContext, progress: &Progress) -> Result<Report, Broken> {
        let deadline = Instant::now() + cx.timeout;
        let options = session::address(&cx.tools, &self.secret).map_err(nothing)?;
        let begin = (self.verb == Verb::CountNulls).then_some("BEGIN READ ONLY");
        let opened = session::open(&options, begin, deadline, progress).await;
        let mut connection = opened.map_err(|error| nothing(progress.fault(error)))?;
        let found = self.found(&mut connection).await.map_err(|why| nothing(Fault::Failed(why)))?;
        if cx.planned["found"] != cx.tools.redactor.value(&found) {
            return Err(nothing(Fault::Failed(sentence!("action.sql_moved_on"))));
        }
        if cx.cancel.is_cancelled() {
            return Err(progress.stopped(sentence!("action.cancelled")));
        }
        let report = match &self.job {
            Job::Session { pid } => self.end_session(&mut connection, (*pid, &found), progress).await?,
            Job::CountNulls { tables, column } => self.count_nulls(&mut connection, (tables, column), progress).await?,
            _ => self.say(&mut connection, &found, progress).await?,
        };
        let _ = timeout(Duration::from_secs(1), connection.close()).await;
        Ok(report)
    }
}

async fn relation(connection: &mut PgConnection, schema: &str, name: &str) -> Result<Option<Relation>, sqlx::Error> {
    let row = sqlx::query(RELATION).bind(schema).bind(name).fetch_optional(connection).await?;
    row.map(|row| {
        let (oid, kind) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Relation { oid, kind, valid: row.try_get(2)?, table: row.try_get(3)? })
    })
    .transpose()
}

/// One statement of ours; every name in it is quoted.
async fn execute(connection: &mut PgConnection, text: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map(drop)
}
