//! Review tasks that a break of glass leaves behind.

use super::sql::{exec, fetch_all, fetch_optional, row};
use super::{Db, Result, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::PersonId;
use crate::id::{MessageId, ReviewId, RunId};

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT id, run, opened_by, opened_at, reason, message, closed_by, closed_at, note FROM reviews ",
            $tail
        )
    };
}

const INSERT: &str = "INSERT INTO reviews
    (id, run, opened_by, opened_at, reason, message, closed_by, closed_at, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const GET: &str = select!("WHERE id = $1");
const CLOSE: &str = "UPDATE reviews SET closed_by = $1, note = $2, closed_at = $3 WHERE id = $4 AND closed_at IS NULL";
const OPEN: &str = select!("WHERE closed_at IS NULL ORDER BY opened_at, id");

pub(super) const STATEMENTS: &[&str] = &[INSERT, GET, CLOSE, OPEN];

/// One review task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The run that went on alone.
    pub run: RunId,
    /// Who went on alone; may not close it.
    pub opened_by: PersonId,
    /// When.
    pub opened_at: Timestamp,
    /// The reason they typed.
    pub reason: String,
    /// Its card.
    pub message: MessageId,
    /// Who looked at it.
    pub closed_by: Option<PersonId>,
    /// When.
    pub closed_at: Option<Timestamp>,
    /// What they wrote.
    pub note: Option<String>,
}

row!(Row {
    id: String,
    run: String,
    opened_by: String,
    opened_at: i64,
    reason: String,
    message: String,
    closed_by: Option<String>,
    closed_at: Option<i64>,
    note: Option<String>,
});

impl From<Row> for Review {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            run: row.run.into(),
            opened_by: row.opened_by,
            opened_at: Timestamp(row.opened_at),
            reason: row.reason,
            message: row.message.into(),
            closed_by: row.closed_by,
            closed_at: row.closed_at.map(Timestamp),
            note: row.note,
        }
    }
}

/// Adds a review task.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, review: &Review) -> Result<()> {
    exec!(
        tx,
        INSERT,
        review.id.as_str(),
        review.run.as_str(),
        &review.opened_by,
        review.opened_at.0,
        &review.reason,
        review.message.as_str(),
        &review.closed_by,
        review.closed_at.map(|at| at.0),
        &review.note,
    )?;
    Ok(())
}

/// One review task.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &ReviewId) -> Result<Option<Review>> {
    Ok(fetch_optional!(db, Row, GET, id.as_str())?.map(Review::from))
}

/// Closes it; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn close(tx: &mut Tx, id: &ReviewId, by: &str, note: &str, at: Timestamp) -> Result<bool> {
    Ok(exec!(tx, CLOSE, by, note, at.0, id.as_str())? == 1)
}

/// Review tasks that are open, oldest first.
///
/// # Errors
/// The database's.
pub async fn open(db: &mut Db) -> Result<Vec<Review>> {
    Ok(fetch_all!(db, Row, OPEN)?.into_iter().map(Review::from).collect())
}
