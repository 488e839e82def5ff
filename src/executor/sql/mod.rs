//! `sql`: one query or one statement on a PostgreSQL database. The text is the author's, values are bound; nothing
//! that is typed in chat ever becomes SQL.

mod fields;
mod rows;
mod session;
mod text;

use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, timeout};

pub use self::fields::Show;
use self::fields::{Fields, Sql, Work};
use self::session::{Fault, Progress};
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

/// How long a cancelled statement has to say how it ended.
const LAST_WORD: Duration = Duration::from_secs(5);
/// How long a goodbye may take; nothing hangs on it.
const GOODBYE: Duration = Duration::from_secs(1);

#[async_trait]
impl Action for Sql {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        let least = self.work.effect();
        match declared {
            Some(declared) if declared < least => {
                Err(sentence!("action.sql_effect", declared => declared.as_str(), least => least.as_str()))
            }
            declared => Ok(declared.unwrap_or(least)),
        }
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
        let mut work = pin!(self.work(cx, &progress));
        let ended = tokio::select! {
            biased;
            () = cx.cancel.cancelled() => None,
            ended = timeout(cx.timeout, &mut work) => Some(ended),
        };
        let ended = match ended {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(stopped(&progress, cx.not_finished())),
            None => {
                if let Ok(options) = session::address(&cx.tools, &self.database) {
                    session::stop(&options, &progress).await;
                }
                // It may have ended by itself in the meantime: then that is what happened.
                timeout(LAST_WORD, work)
                    .await
                    .unwrap_or_else(|_| Err(stopped(&progress, sentence!("action.cancelled"))))
            }
        };
        match ended {
            Ok(report) => Outcome::Done(report),
            Err((facts, Fault::Failed(line))) => Outcome::Failed(Report::new(facts, line)),
            Err((facts, Fault::Lost(line))) => cx.half_way(Report::new(facts, line)),
        }
    }
}

/// What was found before the fault, and the fault.
type Broken = (Value, Fault);

fn stopped(progress: &Progress, why: Sentence) -> Broken {
    (Value::Null, if progress.sent() { Fault::Lost(why) } else { Fault::Failed(why) })
}

fn nothing(fault: Fault) -> Broken {
    (Value::Null, fault)
}

impl Sql {
    async fn work(&self, cx: &StepContext, progress: &Progress) -> Result<Report, Broken> {
        let begin = match self.work {
            Work::Query { .. } | Work::Show(_) => Some("BEGIN READ ONLY"),
            Work::Statement { transaction: true, .. } => Some("BEGIN"),
            Work::Statement { transaction: false, .. } => None,
        };
        let deadline = Instant::now() + cx.timeout;
        let options = session::address(&cx.tools, &self.database).map_err(nothing)?;
        let opened = session::open(&options, begin, deadline, progress).await;
        let mut connection = opened.map_err(|error| nothing(progress.fault(error)))?;
        if cx.cancel.is_cancelled() {
            return Err(stopped(progress, sentence!("action.cancelled")));
        }
        progress.sending();
        let report = match &self.work {
            Work::Query { .. } | Work::Show(_) => {
                let facts = rows::read(&mut connection, (&self.work, &self.params), progress, &cx.tools.redactor).await;
                found(facts.map_err(nothing)?)
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
