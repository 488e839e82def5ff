//! Approvals and their votes; one vote a person, decided by a primary key.

use super::sql::{each, exec, fetch_all, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::approval::{Approval, ApprovalState, Vote};
use crate::id::{ApprovalId, RunId};

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT id, run, state, plan_digest, created_at, expires_at, body FROM approvals ", $tail)
    };
}

const INSERT: &str = "INSERT INTO approvals (id, run, state, plan_digest, created_at, expires_at, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const GET: &str = select!("WHERE id = $1");
const UPDATE: &str = "UPDATE approvals SET state = $1, body = $2 WHERE id = $3 AND state = $4";
const VOTE: &str = "INSERT INTO votes (approval, person, yes, at, platform, position)
    VALUES ($1, $2, $3, $4, $5, (SELECT COUNT(*) FROM votes WHERE approval = $1))
    ON CONFLICT (approval, person) DO NOTHING";
const VOTES: &str = "SELECT person, yes, at, platform FROM votes WHERE approval = $1 ORDER BY position, at";
const IN_STATE: &str = select!("WHERE state = $1 ORDER BY created_at, id");
const OF_RUN: &str = select!("WHERE run = $1 ORDER BY created_at, id");
const EXPIRED: &str = select!("WHERE state = $1 AND expires_at <= $2 ORDER BY expires_at, id");

pub(super) const STATEMENTS: &[&str] = &[INSERT, GET, UPDATE, VOTE, VOTES, IN_STATE, OF_RUN, EXPIRED];

row!(Row {
    id: String,
    run: String,
    state: String,
    plan_digest: String,
    created_at: i64,
    expires_at: i64,
    body: String,
});

impl TryFrom<Row> for Approval {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            run: row.run.into(),
            state: word(&row.state)?,
            plan_digest: row.plan_digest,
            created_at: Timestamp(row.created_at),
            expires_at: Timestamp(row.expires_at),
            body: serde_json::from_str(&row.body)?,
        })
    }
}

/// Adds an approval.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, approval: &Approval) -> Result<()> {
    let body = serde_json::to_string(&approval.body)?;
    exec!(
        tx,
        INSERT,
        approval.id.as_str(),
        approval.run.as_str(),
        approval.state.as_str(),
        &approval.plan_digest,
        approval.created_at.0,
        approval.expires_at.0,
        body,
    )?;
    Ok(())
}

/// One approval.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &ApprovalId) -> Result<Option<Approval>> {
    fetch_optional!(db, Row, GET, id.as_str())?.map(Approval::try_from).transpose()
}

/// Writes an approval's state and body if it still is in state `from`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(tx: &mut Tx, approval: &Approval, from: ApprovalState) -> Result<bool> {
    let body = serde_json::to_string(&approval.body)?;
    Ok(exec!(tx, UPDATE, approval.state.as_str(), body, approval.id.as_str(), from.as_str())? == 1)
}

/// Counts a vote; false if that person already voted. Take the approval by [`update`] first: then votes follow one
/// another, and the last voter sees them all.
///
/// # Errors
/// The database's.
pub async fn vote(tx: &mut Tx, id: &ApprovalId, vote: &Vote) -> Result<bool> {
    Ok(exec!(tx, VOTE, id.as_str(), &vote.by, vote.yes, vote.at.0, vote.platform.as_str())? == 1)
}

/// The votes, in order.
///
/// # Errors
/// The database's.
pub async fn votes(db: &mut Db, id: &ApprovalId) -> Result<Vec<Vote>> {
    let rows = fetch_all!(db, (String, bool, i64, String), VOTES, id.as_str())?;
    let vote = |(by, yes, at, platform): (_, _, _, String)| {
        Ok(Vote { by, yes, at: Timestamp(at), platform: word(&platform)? })
    };
    rows.into_iter().map(vote).collect()
}

/// Approvals that are pending, oldest first.
///
/// # Errors
/// The database's.
pub async fn pending(db: &mut Db) -> Result<Vec<Approval>> {
    each(fetch_all!(db, Row, IN_STATE, ApprovalState::Pending.as_str())?)
}

/// A run's approvals, oldest first.
///
/// # Errors
/// The database's.
pub async fn of_run(db: &mut Db, run: &RunId) -> Result<Vec<Approval>> {
    each(fetch_all!(db, Row, OF_RUN, run.as_str())?)
}

/// Pending approvals that die by `now`.
///
/// # Errors
/// The database's.
pub async fn expired(db: &mut Db, now: Timestamp) -> Result<Vec<Approval>> {
    each(fetch_all!(db, Row, EXPIRED, ApprovalState::Pending.as_str(), now.0)?)
}
