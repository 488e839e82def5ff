//! Monitors: when each looks again, and how its looks have gone. Whoever moves `due_at` on is the one who looks.

use std::collections::BTreeMap;

use super::sql::{exec, fetch_all, fetch_optional, row};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::monitor::Streak;

const ALL: &str = "SELECT name, due_at, failing, passing, since, found FROM monitors";
const CLAIM: &str = "INSERT INTO monitors (name, due_at, failing, passing, since, found)
    VALUES ($1, $2, 0, 0, NULL, '[]')
    ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at WHERE monitors.due_at <= $3";
const GET: &str = "SELECT failing, passing, since, found FROM monitors WHERE name = $1";
const RECORD: &str = "UPDATE monitors SET failing = $1, passing = $2, since = $3, found = $4 WHERE name = $5";

pub(super) const STATEMENTS: &[&str] = &[ALL, CLAIM, GET, RECORD];

row!(Named { name: String, due_at: i64, failing: i64, passing: i64, since: Option<i64>, found: String });
row!(Row { failing: i64, passing: i64, since: Option<i64>, found: String });

impl TryFrom<Row> for Streak {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let count = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Self {
            failing: count(row.failing),
            passing: count(row.passing),
            since: row.since.map(Timestamp),
            found: serde_json::from_str(&row.found)?,
        })
    }
}

/// Every monitor that has ever looked: when it looks again, and how its looks have gone.
///
/// # Errors
/// The database's.
pub async fn all(db: &mut Db) -> Result<BTreeMap<String, (Timestamp, Streak)>> {
    let rows: Vec<Named> = fetch_all!(db, Named, ALL)?;
    let known = rows.into_iter().map(|row| {
        let Named { name, due_at, failing, passing, since, found } = row;
        Ok((name, (Timestamp(due_at), Row { failing, passing, since, found }.try_into()?)))
    });
    known.collect()
}

/// Takes a monitor's look that is due `now`, and sets when the next is; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &mut Tx, name: &str, now: Timestamp, next: Timestamp) -> Result<bool> {
    Ok(exec!(tx, CLAIM, name, next.0, now.0)? == 1)
}

/// How a monitor's looks have gone.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, name: &str) -> Result<Option<Streak>> {
    fetch_optional!(db, Row, GET, name)?.map(Streak::try_from).transpose()
}

/// Writes down how they have gone.
///
/// # Errors
/// The database's.
pub async fn record(tx: &mut Tx, name: &str, streak: &Streak) -> Result<()> {
    let found = serde_json::to_string(&streak.found)?;
    let (failing, passing) = (i64::from(streak.failing), i64::from(streak.passing));
    exec!(tx, RECORD, failing, passing, streak.since.map(|at| at.0), found, name).map(drop)
}
