//! The ready-made looks: for each its query, what it sums up to, its table's columns and its line. Column names follow
//! the server's version. Knows nothing of connections.

use serde_json::{Map, Value};

use super::fields::Show;
use super::queries as sql;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};

/// A ready-made look.
pub(super) struct Look {
    /// Its rows.
    pub(super) rows: &'static str,
    /// One row of facts beside them; empty without.
    pub(super) summary: &'static str,
    /// What it does, for the plan.
    pub(super) plan: &'static str,
    /// The table's columns: the fact in a row, and the heading.
    columns: &'static [(&'static str, &'static str)],
}

/// PostgreSQL 13, which renamed the columns of `pg_stat_statements`.
const RENAMED: i64 = 130_000;

impl Look {
    /// The rows' query for a server of this version (`server_version_num`).
    pub(super) fn rows_on(&self, version: i64) -> String {
        match version {
            ..RENAMED => self.rows.replace("_exec_time", "_time"),
            _ => self.rows.to_owned(),
        }
    }

    /// What was found as a table.
    pub(super) fn grid(&self, facts: &Map<String, Value>) -> Option<Grid> {
        let rows = facts.get("rows").and_then(Value::as_array)?;
        let cell = |row: &Value, name: &str| match &row[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let columns = self.columns.iter().map(|(_, heading)| Sentence::new(*heading)).collect();
        let cells = rows.iter().map(|row| self.columns.iter().map(|(name, _)| cell(row, name)).collect());
        (!rows.is_empty()).then(|| Grid::new(columns, cells))
    }
}

const PID: (&str, &str) = ("pid", "action.sql_col_pid");
const USER: (&str, &str) = ("user", "action.sql_col_user");
const STATE: (&str, &str) = ("state", "action.sql_col_state");
const SECONDS: (&str, &str) = ("seconds", "action.sql_col_seconds");
const QUERY: (&str, &str) = ("query", "action.sql_col_query");
const NAME: (&str, &str) = ("name", "action.sql_col_name");
const KIND: (&str, &str) = ("kind", "action.sql_col_kind");
const SIZE: (&str, &str) = ("size", "action.sql_col_size");
const SESSIONS: (&str, &str) = ("sessions", "action.sql_col_sessions");
const TABLE: (&str, &str) = ("table", "action.sql_col_table");
const DATABASE: (&str, &str) = ("database", "action.sql_col_database");
const LAG_BYTES: (&str, &str) = ("lag_bytes", "action.sql_col_lag_bytes");
const LAG_SECONDS: (&str, &str) = ("lag_seconds", "action.sql_col_lag_seconds");

/// The look of this name.
#[rustfmt::skip] // one line a column reads worse than one line a look
pub(super) const fn look(show: Show) -> Look {
    match show {
        Show::Activity => Look { rows: sql::ACTIVITY, summary: "", plan: "action.sql_activity", columns: &[
            PID, USER, ("application", "action.sql_col_application"), STATE, ("waits_for", "action.sql_col_waits"),
            SECONDS, QUERY] },
        Show::Sizes => Look { rows: sql::SIZES, summary: sql::SIZES_SUM, plan: "action.sql_sizes", columns: &[
            KIND, NAME, SIZE, ("table_bytes", "action.sql_col_table_bytes"),
            ("index_bytes", "action.sql_col_index_bytes"), ("live_rows", "action.sql_col_live")] },
        Show::Sessions => Look { rows: sql::SESSIONS, summary: sql::SESSIONS_SUM, plan: "action.sql_sessions",
            columns: &[DATABASE, STATE, SESSIONS, ("longest_seconds", "action.sql_col_longest")] },
        Show::Slow => Look { rows: sql::SLOW, summary: "", plan: "action.sql_slow", columns: &[
            ("total_ms", "action.sql_col_total_ms"), ("calls", "action.sql_col_calls"),
            ("mean_ms", "action.sql_col_mean_ms"), ("percent", "action.sql_col_percent"), QUERY] },
        Show::Locks => Look { rows: sql::LOCKS, summary: sql::LOCKS_SUM, plan: "action.sql_locks", columns: &[
            PID, USER, SECONDS, ("relation", "action.sql_col_relation"), QUERY,
            ("blocked_by", "action.sql_col_blocked_by"), ("blocker_state", "action.sql_col_state"),
            ("blocker_query", "action.sql_col_blocker_query")] },
        Show::Replication => Look { rows: sql::REPLICATION, summary: sql::REPLICATION_SUM,
            plan: "action.sql_replication", columns: &[KIND, NAME, STATE, LAG_BYTES, LAG_SECONDS] },
        Show::Indexes => Look { rows: sql::INDEXES, summary: sql::INDEXES_SUM, plan: "action.sql_indexes", columns: &[
            NAME, TABLE, SIZE, ("scans", "action.sql_col_scans"), ("valid", "action.sql_col_valid")] },
        Show::Vacuum => Look { rows: sql::VACUUM, summary: sql::VACUUM_SUM, plan: "action.sql_vacuum_state",
            columns: &[TABLE, ("live", "action.sql_col_live"), ("dead", "action.sql_col_dead"),
                ("dead_percent", "action.sql_col_percent"), ("vacuum_age", "action.sql_col_vacuum_age"),
                ("analyze_age", "action.sql_col_analyze_age")] },
        Show::Ready => Look { rows: sql::READY, summary: sql::READY, plan: "action.sql_ready", columns: &[
            ("version", "action.sql_col_version"), ("role", "action.sql_col_role"), DATABASE,
            ("uptime", "action.sql_col_uptime")] },
        Show::Databases => Look { rows: sql::DATABASES, summary: sql::DATABASES_SUM, plan: "action.sql_databases",
            columns: &[NAME, ("owner", "action.sql_col_owner"), SIZE, SESSIONS,
                ("encoding", "action.sql_col_encoding"), ("connections_allowed", "action.sql_col_allowed")] },
    }
}

/// The line about what a look found; none where the number of rows says it all.
pub(super) fn line(show: Show, facts: &Map<String, Value>) -> Option<Sentence> {
    let text = |name: &str| match facts.get(name) {
        None | Some(Value::Null) => "?".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Some(match show {
        Show::Sessions => sentence!("action.sql_sessions_are", total => text("total"), max => text("max_connections"),
            percent => text("used_percent"), active => text("active"), waiting => text("waiting"),
            longest => text("longest_transaction_seconds")),
        Show::Sizes => sentence!("action.sql_sizes_are", size => text("database_size"), tables => text("tables")),
        Show::Locks => {
            sentence!("action.sql_locks_are", waiting => text("waiting"), longest => text("longest_seconds"))
        }
        Show::Replication => sentence!("action.sql_replication_is", role => text("role"), replicas => text("replicas"),
            slots => text("inactive_slots")),
        Show::Indexes => sentence!("action.sql_indexes_are", total => text("total"), invalid => text("invalid"),
            unused => text("unused")),
        Show::Vacuum => sentence!("action.sql_vacuum_is", dead => text("dead"), percent => text("worst_percent"),
            age => text("xid_age")),
        Show::Ready => sentence!("action.sql_is_ready", version => text("version"), role => text("role")),
        Show::Databases => sentence!("action.sql_databases_are", total => text("total"), size => text("total_size")),
        Show::Activity | Show::Slow => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_statements_have_the_names_of_the_servers_version() {
        let slow = look(Show::Slow);
        assert!(slow.rows_on(150_018).contains("total_exec_time") && slow.rows_on(130_000).contains("mean_exec_time"));
        let old = slow.rows_on(120_022);
        assert!(old.contains("total_time") && old.contains("mean_time") && !old.contains("exec_time"), "{old}");
    }
}
