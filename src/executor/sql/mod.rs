//! `sql`: one query or one statement on a PostgreSQL database. The text is the author's, values are bound; nothing
//! that is typed in chat ever becomes SQL.

pub mod backup;
mod dump;
mod explain;
mod fields;
mod ident;
mod looks;
pub mod maintain;
mod queries;
pub mod restore;
mod rows;
mod session;
mod text;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, timeout};

pub(super) use self::backup::SPEC as BACKUP;
pub use self::dump::tools::versions;
pub use self::fields::Show;
use self::fields::{Fields, Sql, Work};
pub(super) use self::maintain::SPEC as MAINTAIN;
pub(super) use self::restore::SPEC as RESTORE;
use self::rows::{ROWS, Wanted};
use self::session::{Broken, Fault, Progress, nothing};
use super::attempt::at_least;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "sql",
    summary: "Asks a PostgreSQL database one question, or changes it with one statement; values are bound.",
    example: "database: {secret: shop_db}\n\
              query: SELECT count(*) AS late FROM orders WHERE state = $1\n\
              params: [pending]\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// How long a goodbye may take; nothing hangs on it.
const GOODBYE: Duration = Duration::from_secs(1);

#[async_trait]
impl Action for Sql {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(self.work.effect(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.database.clone()]
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: self.work.effect(),
            target: sentence!("action.sql_database", name => &self.database),
            line: self.line(),
            exact: self.exact(),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let progress = Progress::default();
        session::attend(cx, &self.database, &progress, self.work(cx, &progress)).await
    }
}

impl Sql {
    async fn work(&self, cx: &StepContext, progress: &Progress) -> Result<Report, Broken> {
        let deadline = Instant::now() + cx.timeout;
        let options = session::address(&cx.tools, &self.database).map_err(nothing)?;
        let opened = session::open(&options, self.work.begin(), deadline, progress).await;
        let facts = match self.work {
            Work::Show { show: Show::Ready, .. } => json!({ "ready": false }),
            _ => Value::Null,
        };
        let mut connection = opened.map_err(|error| (facts, progress.fault(error)))?;
        if cx.cancel.is_cancelled() {
            return Err(progress.stopped(sentence!("action.cancelled")));
        }
        progress.sending();
        let report = match &self.work {
            Work::Query { statement, nests } => {
                let wanted = Wanted { text: &statement.text, nests: *nests, params: &self.params, limit: ROWS };
                let facts = rows::read(&mut connection, &wanted, progress, &cx.tools.redactor).await;
                found(facts.map_err(nothing)?)
            }
            Work::Show { show, limit } => look_at(&mut connection, (*show, *limit), progress, cx).await?,
            Work::Explain { statement, analyze } => {
                let of = (statement.text.as_str(), self.params.as_slice());
                let report = explain::explain(&mut connection, of, *analyze, progress).await.map_err(nothing)?;
                // Whatever it did to be measured is taken back; closing the connection would do the same.
                let _ = timeout(GOODBYE, connection.execute("ROLLBACK")).await;
                report
            }
            Work::Statement { statement, expect_rows, transaction } => {
                let done = session::bound(statement.text.clone(), &self.params).execute(&mut connection).await;
                let affected = done.map_err(|error| nothing(progress.fault(error)))?.rows_affected();
                if *transaction {
                    settle(&mut connection, (affected, *expect_rows), cx, progress).await?;
                }
                Report::new(json!({ "affected": affected }), rows_of(affected))
            }
        };
        let _ = timeout(GOODBYE, connection.close()).await;
        Ok(report)
    }
}

/// A ready-made look.
async fn look_at(
    connection: &mut PgConnection,
    (show, limit): (Show, usize),
    progress: &Progress,
    cx: &StepContext,
) -> Result<Report, Broken> {
    let look = looks::look(show);
    let faulty = |error| nothing(progress.fault(error));
    let version: i64 = sqlx::query_scalar("SELECT current_setting('server_version_num')::bigint")
        .fetch_one(&mut *connection)
        .await
        .map_err(faulty)?;
    let mut text = look.rows_on(version);
    if show == Show::Slow {
        let schema: Option<String> =
            sqlx::query_scalar(queries::EXTENSION).fetch_optional(&mut *connection).await.map_err(faulty)?;
        let off = || (json!({ "enabled": false }), Fault::Failed(sentence!("action.sql_no_statistics")));
        text = text.replace("{extension}", &schema.ok_or_else(off)?);
    }
    let wanted = Wanted { text: &text, nests: true, params: &[], limit };
    let mut facts = match rows::read(connection, &wanted, progress, &cx.tools.redactor).await {
        // The extension is there, and the server was started without its library.
        Err(Fault::Failed(why)) if show == Show::Slow => {
            let line = sentence!("action.sql_statistics_off", why);
            return Err((json!({ "enabled": false }), Fault::Failed(line)));
        }
        facts => facts.map_err(nothing)?,
    };
    let table = look.grid(&facts);
    if !look.summary.is_empty() {
        let wanted = Wanted { text: look.summary, nests: true, params: &[], limit: 1 };
        let sum = rows::read(connection, &wanted, progress, &cx.tools.redactor).await.map_err(nothing)?;
        let row = sum.get("rows").and_then(|rows| rows.get(0)).and_then(Value::as_object);
        row.into_iter().flatten().for_each(|(name, value)| {
            facts.entry(name.clone()).or_insert_with(|| value.clone());
        });
    }
    if show == Show::Slow {
        facts.insert("enabled".to_owned(), json!(true));
    }
    let line = looks::line(show, &facts);
    let report = found(facts);
    Ok(Report { line: line.unwrap_or_else(|| report.line.clone()), table, ..report })
}

/// Commits, or rolls back what affected another number of rows than expected.
async fn settle(
    connection: &mut PgConnection,
    (affected, expected): (u64, Option<u64>),
    cx: &StepContext,
    progress: &Progress,
) -> Result<(), Broken> {
    let facts = json!({ "affected": affected });
    let wrong = match expected {
        Some(expected) if expected != affected => {
            sentence!("action.sql_other_rows", rows => rows_of(affected), expected)
        }
        _ if cx.cancel.is_cancelled() => sentence!("action.sql_rolled_back"),
        _ => {
            let committed = connection.execute("COMMIT").await;
            return committed.map(|_| ()).map_err(|error| (facts, progress.fault(error)));
        }
    };
    // Without this the server does the same when the connection closes.
    let _ = timeout(GOODBYE, connection.execute("ROLLBACK")).await;
    Err((facts, Fault::Failed(wrong)))
}

fn found(facts: Map<String, Value>) -> Report {
    let count = facts.get("rows").and_then(Value::as_array).map_or(0, Vec::len);
    let line = match facts.get("truncated") {
        Some(Value::Bool(true)) => sentence!("action.sql_first_rows", count),
        _ => rows_of(count as u64),
    };
    Report::new(Value::Object(facts), line)
}

fn rows_of(count: u64) -> Sentence {
    sentence!("action.sql_rows", count)
}
