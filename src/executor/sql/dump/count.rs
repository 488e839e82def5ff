//! How many rows each table of a database has, counted in the transaction that is open.

use sqlx::{AssertSqlSafe, PgConnection};

use super::manifest::Rows;

/// Tables that a dump holds the rows of: those of people, not of the system, of extensions or of sessions.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text, format('%I.%I', n.nspname, c.relname) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' \
     AND n.nspname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_depend d \
     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2";

/// Counts them one by one.
pub(in crate::executor::sql) async fn rows(connection: &mut PgConnection) -> Result<Rows, sqlx::Error> {
    let tables: Vec<(String, String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let mut rows = Rows::new();
    for (schema, table, quoted) in tables {
        // The server quoted the names itself.
        let text = AssertSqlSafe(format!("SELECT count(*) FROM ONLY {quoted}"));
        let count: i64 = sqlx::query_scalar(text).fetch_one(&mut *connection).await?;
        rows.entry(schema).or_default().insert(table, count);
    }
    Ok(rows)
}
