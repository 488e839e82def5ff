//! What `sql_maintain` does, and what it finds of it. Knows the job and the connection, and nothing of plans.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::sleep;

use super::fields::{Job, Verb};
use super::{Maintain, execute, relation};
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::sql::ident::quoted;
use crate::executor::sql::session::{Broken, Fault, Progress, nothing};

/// How often, and how many times, it is looked whether a session is gone.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 100;

const INVALID: &str = "SELECT coalesce(json_agg(n.nspname || '.' || c.relname ORDER BY 1), '[]') FROM pg_index i \
     JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid \
     AND n.nspname NOT LIKE 'pg\\_toast%'";

impl Maintain {
    /// Says its statements to the server, and measures what came of it.
    pub(super) async fn say(
        &self,
        connection: &mut PgConnection,
        found: &Value,
        progress: &Progress,
    ) -> Result<Report, Broken> {
        let lock = self.lock.unwrap_or(0).saturating_mul(1000).min(86_400_000);
        let lock = format!("SET lock_timeout = {lock}");
        execute(connection, lock).await.map_err(|error| nothing(progress.fault(error)))?;
        let before = self.bytes(connection).await.map_err(|error| nothing(progress.fault(error)))?;
        progress.sending();
        for text in self.statements(found) {
            if let Err(error) = execute(connection, text).await {
                let fault = progress.fault(error);
                return Err(self.left_over(connection, fault).await);
            }
        }
        let after = self.bytes(connection).await.map_err(|error| nothing(progress.fault(error)))?;
        self.done(connection, (before, after)).await.map_err(|error| nothing(progress.fault(error)))
    }

    /// How much the table, the index or the database takes; none where that says nothing.
    pub(super) async fn bytes(&self, connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
        let name = match &self.job {
            Job::Vacuum { table, .. } | Job::Analyze { table } => table.clone(),
            Job::Reindex { table, index } => table.clone().or_else(|| index.clone()),
            Job::CreateIndex { index, .. } => Some(index.clone()),
            Job::DropIndex { .. } | Job::Session { .. } | Job::CountNulls { .. } => return Ok(None),
        };
        let Some(name) = name else {
            let size = "SELECT pg_database_size(current_database())";
            return sqlx::query_scalar(size).fetch_one(connection).await.map(Some);
        };
        let Some(there) = relation(connection, &self.schema, &name).await? else { return Ok(None) };
        let size = "SELECT pg_total_relation_size($1::bigint::oid)";
        sqlx::query_scalar(size).bind(there.oid).fetch_optional(connection).await
    }

    /// A build of an index that failed beside the traffic leaves it there, invalid: it is written to and never read.
    async fn left_over(&self, connection: &mut PgConnection, fault: Fault) -> Broken {
        let (Job::CreateIndex { index, .. }, Fault::Failed(why)) = (&self.job, &fault) else { return nothing(fault) };
        match relation(connection, &self.schema, index).await {
            Ok(Some(left)) if !left.valid => {
                let line = sentence!("action.sql_left_invalid", index, why => why.clone());
                (json!({ "index": index, "valid": false }), Fault::Failed(line))
            }
            _ => nothing(fault),
        }
    }

    async fn done(
        &self,
        connection: &mut PgConnection,
        (before, after): (Option<i64>, Option<i64>),
    ) -> Result<Report, sqlx::Error> {
        let freed = before.zip(after).map(|(before, after)| before - after);
        let sizes = json!({ "bytes_before": before, "bytes_after": after, "freed": freed });
        Ok(match &self.job {
            Job::CreateIndex { index, .. } => {
                let valid = relation(connection, &self.schema, index).await?.is_some_and(|there| there.valid);
                let facts = json!({ "index": index, "valid": valid, "bytes": after });
                Report::new(facts, sentence!("action.sql_index_made", index, bytes => after.unwrap_or(0)))
            }
            Job::DropIndex { index } => {
                let gone = relation(connection, &self.schema, index).await?.is_none();
                Report::new(json!({ "index": index, "dropped": gone }), sentence!("action.sql_index_dropped", index))
            }
            Job::Reindex { .. } => {
                let invalid: Value = sqlx::query_scalar(INVALID).fetch_one(connection).await?;
                let mut facts = sizes;
                facts["invalid"] = invalid;
                Report::new(facts, freed_line(freed))
            }
            Job::Vacuum { .. } => Report::new(sizes, freed_line(freed)),
            _ => Report::new(sizes, sentence!("action.sql_analyzed")),
        })
    }

    /// Ends the session that was seen when this was planned, or what it runs.
    pub(super) async fn end_session(
        &self,
        connection: &mut PgConnection,
        (pid, found): (i32, &Value),
        progress: &Progress,
    ) -> Result<Report, Broken> {
        // Number and beginning together are one session; its number alone may be somebody else's by now.
        let text = match self.verb {
            Verb::Cancel => {
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2"
            }
            _ => "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
        };
        let since = found["since"].as_str().unwrap_or_default();
        progress.sending();
        let sent: Option<bool> = sqlx::query_scalar(text)
            .bind(pid)
            .bind(since)
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| nothing(progress.fault(error)))?;
        if sent != Some(true) {
            return Err(nothing(Fault::Failed(sentence!("action.sql_no_session", pid))));
        }
        let there = match self.verb {
            Verb::Cancel => {
                "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2 AND state = 'active'"
            }
            _ => "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
        };
        let mut left = 1_i64;
        for _ in 0..LOOKS {
            let looked = sqlx::query_scalar(there).bind(pid).bind(since).fetch_one(&mut *connection).await;
            left = looked.map_err(|error| nothing(progress.fault(error)))?;
            if left == 0 {
                break;
            }
            sleep(LOOK).await;
        }
        let facts = json!({ "pid": pid, "ended": left == 0 });
        match left {
            0 => Ok(Report::new(facts, sentence!("action.sql_ended", pid))),
            _ => Err((facts, Fault::Failed(sentence!("action.sql_not_ended", pid)))),
        }
    }

    /// Rows without a value, table by table.
    pub(super) async fn count_nulls(
        &self,
        connection: &mut PgConnection,
        (tables, column): (&[String], &str),
        progress: &Progress,
    ) -> Result<Report, Broken> {
        let mut counts = Map::new();
        let mut total = 0;
        for table in tables {
            let (schema, table_name, column) = (quoted(&self.schema), quoted(table), quoted(column));
            let text = format!("SELECT count(*) FROM {schema}.{table_name} WHERE {column} IS NULL");
            let count = sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut *connection).await;
            let count: i64 = count.map_err(|error| nothing(progress.fault(error)))?;
            total += count;
            counts.insert(table.clone(), json!(count));
        }
        let headings = ["action.sql_col_table", "action.sql_col_missing"].map(Sentence::new).into();
        let rows = counts.iter().map(|(table, count)| vec![table.clone(), count.to_string()]);
        let table = Some(Grid::new(headings, rows));
        let line = sentence!("action.sql_nulls", total, column, tables => tables.len());
        Ok(Report { table, ..Report::new(json!({ "tables": counts, "total": total }), line) })
    }
}

fn freed_line(freed: Option<i64>) -> Sentence {
    sentence!("action.sql_freed", bytes => freed.unwrap_or(0).max(0))
}
