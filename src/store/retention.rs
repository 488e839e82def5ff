//! Forgets what nobody needs any more, a few rows at a time. What something open still refers to stays, however old it
//! is; the timeline is never touched: it is the proof.

use serde_json::Value;

use super::sql::{exec, fetch_all, fetch_one};
use super::{Db, Result, Tx, messages, steps};
use crate::clock::Timestamp;
use crate::domain::run::RunState;
use crate::domain::step::Outcome;
use crate::domain::text;
use crate::id::RunId;
use crate::store::inbox::DeliveryState;

/// Characters of a text among facts that stay.
const LONGEST_FACT: usize = 200;

const LAST: &str = "SELECT value FROM counters WHERE name = 'retention'";
const TURN: &str = "UPDATE counters SET value = $1 WHERE name = 'retention' AND value <= $2";
// A request that is done keeps the end of its last lease.
const REQUESTS: &str = "DELETE FROM inbox
    WHERE id IN (SELECT id FROM inbox WHERE state = $1 AND due_at < $2 ORDER BY due_at, id LIMIT $3)";
// The last one of a schedule says what has been fired; an escalation is not due again after a day.
const FIRINGS: &str = "DELETE FROM firings WHERE (schedule, at) IN (
        SELECT old.schedule, old.at FROM firings AS old
        WHERE old.at < $1 AND (old.schedule LIKE 'escalation %' OR EXISTS (
            SELECT 1 FROM firings AS newer WHERE newer.schedule = old.schedule AND newer.at > old.at))
        ORDER BY old.at, old.schedule LIMIT $2)";
const SESSIONS: &str = "DELETE FROM sessions
    WHERE digest IN (SELECT digest FROM sessions WHERE expires_at <= $1 ORDER BY expires_at, digest LIMIT $2)";
const LINKS: &str = "DELETE FROM links
    WHERE digest IN (SELECT digest FROM links WHERE expires_at <= $1 ORDER BY expires_at, digest LIMIT $2)";
// A root goes after its last reply. The body of a run names its card and the thread it stands in.
const MESSAGES: &str = "DELETE FROM messages WHERE id IN (
        SELECT old.id FROM messages AS old
        WHERE old.at < $1 AND (old.posted_version >= old.version OR old.not_before = $2)
            AND NOT EXISTS (SELECT 1 FROM messages AS reply WHERE reply.thread = old.id)
            AND NOT EXISTS (
                SELECT 1 FROM incidents WHERE resolved_at IS NULL AND message IN (old.id, old.thread))
            AND NOT EXISTS (
                SELECT 1 FROM reviews WHERE closed_at IS NULL AND message IN (old.id, old.thread))
            AND NOT EXISTS (
                SELECT 1 FROM runs WHERE state IN ($3, $4)
                    AND (body LIKE '%' || old.id || '%' OR body LIKE '%' || old.thread || '%'))
        ORDER BY old.at, old.id LIMIT $5)";
const RUNS: &str = "SELECT id FROM runs
    WHERE outputs_kept AND ended_at IS NOT NULL AND ended_at < $1
        AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = runs.incident AND resolved_at IS NULL)
    ORDER BY ended_at, id LIMIT $2";
const FORGOTTEN: &str = "UPDATE runs SET outputs_kept = FALSE WHERE id = $1 AND outputs_kept";

pub(super) const STATEMENTS: &[&str] = &[LAST, TURN, REQUESTS, FIRINGS, SESSIONS, LINKS, MESSAGES, RUNS, FORGOTTEN];

/// When somebody last took a turn at forgetting.
///
/// # Errors
/// The database's.
pub async fn last(db: &mut Db) -> Result<Timestamp> {
    Ok(Timestamp(fetch_one!(db, (i64,), LAST)?.0))
}

/// Takes a turn, unless somebody has taken one after `before`.
///
/// # Errors
/// The database's.
pub async fn turn(tx: &mut Tx, now: Timestamp, before: Timestamp) -> Result<bool> {
    Ok(exec!(tx, TURN, now.0, before.0)? == 1)
}

/// Forgets up to `limit` requests that were dealt with before a moment; gives how many. Their keys are then new again.
///
/// # Errors
/// The database's.
pub async fn requests(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    exec!(tx, REQUESTS, DeliveryState::Done.as_str(), before.0, limit)
}

/// Forgets up to `limit` firings of schedules before a moment, the last of each apart; gives how many.
///
/// # Errors
/// The database's.
pub async fn firings(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    exec!(tx, FIRINGS, before.0, limit)
}

/// Forgets up to `limit` sessions and as many links that are over by `now`; gives how many.
///
/// # Errors
/// The database's.
pub async fn sessions(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64> {
    Ok(exec!(tx, SESSIONS, now.0, limit)? + exec!(tx, LINKS, now.0, limit)?)
}

/// Forgets up to `limit` messages that were said before a moment and that their platform has, or never will have; gives
/// how many. Those of open incidents, runs and reviews stay, and their threads.
///
/// # Errors
/// The database's.
pub async fn messages(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    let (active, cancelling) = (RunState::Active.as_str(), RunState::Cancelling.as_str());
    exec!(tx, MESSAGES, before.0, messages::NEVER.0, active, cancelling, limit)
}

/// Forgets what the steps of up to `limit` runs printed that were over before a moment; gives how many runs. Lengths
/// and digests stay, and the outputs of open incidents' runs.
///
/// # Errors
/// The database's.
pub async fn outputs(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<usize> {
    let runs = fetch_all!(tx, (String,), RUNS, before.0, limit)?;
    for (run,) in &runs {
        for mut step in steps::of_run(tx, &RunId::from(run.clone())).await? {
            let report = match &mut step.body.outcome {
                Some(Outcome::Done(report) | Outcome::Failed(report) | Outcome::Unknown(report)) => report,
                Some(Outcome::Hold(_)) | None => continue,
            };
            shorten(&mut report.facts);
            if let Some(output) = &mut report.output {
                (output.head, output.tail, output.left_out) = (String::new(), String::new(), output.bytes);
            }
            steps::update(tx, &step, step.state, step.attempt).await?;
        }
        exec!(tx, FORGOTTEN, run)?;
    }
    Ok(runs.len())
}

/// Cuts the long texts among facts: most of what a program prints is one.
fn shorten(facts: &mut Value) {
    match facts {
        Value::String(said) => *said = text::cut(said, LONGEST_FACT),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
