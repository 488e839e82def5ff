//! Steps of runs. Every change is a compare-and-set on the state and owner that were read.

use super::sql::{column, count, each, exec, fetch_all, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::step::{StepRun, StepState};
use crate::id::{ApprovalId, ReplicaId, RunId};

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT run, position, state, attempt, owner, lease_until, not_before, approval, body FROM steps ",
            $tail
        )
    };
}

const INSERT: &str = "INSERT INTO steps
    (run, position, state, attempt, owner, lease_until, not_before, approval, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const OF_RUN: &str = select!("WHERE run = $1 ORDER BY position");
const GET: &str = select!("WHERE run = $1 AND position = $2");
const UPDATE: &str = "UPDATE steps
    SET state = $3, attempt = $4, owner = $5, lease_until = $6, not_before = $7, approval = $8, body = $9
    WHERE run = $1 AND position = $2 AND state = $10 AND attempt = $11";
const RENEW: &str = "UPDATE steps SET lease_until = $1
    WHERE run = $2 AND position = $3 AND state = $4 AND owner = $5";
const LOST: &str = select!("WHERE state = $1 AND (lease_until < $2 OR owner <> $3) ORDER BY run, position");
const IN_STATE: &str = select!("WHERE state = $1 ORDER BY run, position");

pub(super) const STATEMENTS: &[&str] = &[INSERT, OF_RUN, GET, UPDATE, RENEW, LOST, IN_STATE];

row!(Row {
    run: String,
    position: i64,
    state: String,
    attempt: i64,
    owner: Option<String>,
    lease_until: Option<i64>,
    not_before: Option<i64>,
    approval: Option<String>,
    body: String,
});

impl TryFrom<Row> for StepRun {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            run: row.run.into(),
            position: count(row.position)?,
            state: word(&row.state)?,
            attempt: count(row.attempt)?,
            owner: row.owner.map(Into::into),
            lease_until: row.lease_until.map(Timestamp),
            not_before: row.not_before.map(Timestamp),
            approval: row.approval.map(Into::into),
            body: serde_json::from_str(&row.body)?,
        })
    }
}

/// Adds a step.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, step: &StepRun) -> Result<()> {
    let body = serde_json::to_string(&step.body)?;
    exec!(
        tx,
        INSERT,
        step.run.as_str(),
        column(step.position),
        step.state.as_str(),
        i64::from(step.attempt),
        step.owner.as_ref().map(ReplicaId::as_str),
        step.lease_until.map(|at| at.0),
        step.not_before.map(|at| at.0),
        step.approval.as_ref().map(ApprovalId::as_str),
        body,
    )?;
    Ok(())
}

/// A run's steps, in order.
///
/// # Errors
/// The database's.
pub async fn of_run(db: &mut Db, run: &RunId) -> Result<Vec<StepRun>> {
    each(fetch_all!(db, Row, OF_RUN, run.as_str())?)
}

/// One step.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, run: &RunId, position: usize) -> Result<Option<StepRun>> {
    fetch_optional!(db, Row, GET, run.as_str(), column(position))?.map(StepRun::try_from).transpose()
}

/// Writes a step if it still is in state `from`, on attempt `attempt`; false if it is not.
///
/// # Errors
/// The database's.
pub async fn update(tx: &mut Tx, step: &StepRun, from: StepState, attempt: u32) -> Result<bool> {
    let body = serde_json::to_string(&step.body)?;
    let updated = exec!(
        tx,
        UPDATE,
        step.run.as_str(),
        column(step.position),
        step.state.as_str(),
        i64::from(step.attempt),
        step.owner.as_ref().map(ReplicaId::as_str),
        step.lease_until.map(|at| at.0),
        step.not_before.map(|at| at.0),
        step.approval.as_ref().map(ApprovalId::as_str),
        body,
        from.as_str(),
        i64::from(attempt),
    )?;
    Ok(updated == 1)
}

/// Prolongs the lease of a step that `owner` runs; false if it is not its any more.
///
/// # Errors
/// The database's.
pub async fn renew(
    tx: &mut Tx,
    owner: &ReplicaId,
    (run, position): (&RunId, usize),
    lease_until: Timestamp,
) -> Result<bool> {
    let running = StepState::Running.as_str();
    Ok(exec!(tx, RENEW, lease_until.0, run.as_str(), column(position), running, owner.as_str())? == 1)
}

/// Steps that run under a lease that ended before `now`, or, with `alone`, under any owner but that one: on SQLite a
/// process that starts knows that every other owner is dead.
///
/// # Errors
/// The database's.
pub async fn lost(db: &mut Db, now: Timestamp, alone: Option<&ReplicaId>) -> Result<Vec<StepRun>> {
    // Without `alone` the comparison with it is NULL, which is not true.
    each(fetch_all!(db, Row, LOST, StepState::Running.as_str(), now.0, alone.map(ReplicaId::as_str))?)
}

/// Steps in a state, oldest run first, for handoffs and health.
///
/// # Errors
/// The database's.
pub async fn in_state(db: &mut Db, state: StepState) -> Result<Vec<StepRun>> {
    each(fetch_all!(db, Row, IN_STATE, state.as_str())?)
}
