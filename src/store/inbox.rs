//! The inbox: everything that came in, stored before it is acknowledged, once an idempotency key. Many requests share
//! one transaction on SQLite (group commit); each is answered after its own commit.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::db::Inner;
use super::sql::{count, exec, fetch_all, fetch_one, fetch_optional, journal_point, word};
use super::{Db, Result, Store, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::{PersonId, Place};
use crate::faults::seeded;
use crate::id::{DeliveryId, MessageId, ReplicaId};

// The update changes nothing; it makes the statement give the first one's id.
const ACCEPT: &str = "INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
    VALUES ($1, $2, $3, $4, $5, 0, 0)
    ON CONFLICT (request_key) DO UPDATE SET request_key = excluded.request_key
    RETURNING id";
// One state and the index's own order: however long the queue is, only its first rows are looked at. The condition
// stands outside, too: PostgreSQL checks only that again after it waited for another replica.
const CLAIM: &str = "UPDATE inbox SET state = $1, owner = $2, due_at = $3, attempt = attempt + 1
    FROM (SELECT id AS next FROM inbox WHERE state = $4 AND due_at <= $5 ORDER BY due_at, id LIMIT $6) AS queue
    WHERE id = queue.next AND state = $4 AND due_at <= $5
    RETURNING id, input, at, attempt";
const LEASE_OVER: &str = "UPDATE inbox SET state = $1, owner = NULL, due_at = 0 WHERE state = $2 AND due_at <= $3";
const FINISH: &str = "UPDATE inbox SET state = $1 WHERE id = $2 AND state = $3";
const RELEASE: &str = "UPDATE inbox SET state = $1, owner = NULL, due_at = $2
    WHERE id = $3 AND state = $4 AND owner = $5";
const RELEASE_ALL: &str = "UPDATE inbox SET state = $1, owner = NULL, due_at = $2 + attempt * $3
    WHERE state = $4 AND owner = $5";
const TAKE_OVER: &str = "UPDATE inbox SET state = $1, owner = NULL, due_at = 0 WHERE state = $2 AND owner <> $3";
const STATE: &str = "SELECT state FROM inbox WHERE id = $1";
const COUNTS: &str = "SELECT state, COUNT(*) FROM inbox GROUP BY state ORDER BY state";

const HANDLED_AFTER: &str = "SELECT input FROM inbox WHERE state IN ($1, $2) AND id > $3 ORDER BY id LIMIT $4";
const DUE: &str = "SELECT COUNT(*) FROM (SELECT id FROM inbox WHERE state IN ($1, $2) AND due_at <= $3 LIMIT 1) AS due";

pub(super) const STATEMENTS: &[&str] =
    &[ACCEPT, DUE, HANDLED_AFTER, CLAIM, LEASE_OVER, FINISH, RELEASE, RELEASE_ALL, TAKE_OVER, STATE, COUNTS];

/// What came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// A line of chat that is meant for us, without the slash command's word.
    Text {
        /// Who, already known by their identity.
        by: PersonId,
        /// Where.
        place: Place,
        /// What.
        text: String,
    },
    /// A pressed button, with the values of its form.
    Press {
        /// Who.
        by: PersonId,
        /// Where.
        place: Place,
        /// On which message.
        message: MessageId,
        /// Which button, by id or label.
        button: String,
        /// The form's values.
        values: std::collections::BTreeMap<String, Value>,
    },
    /// An alert body, as it was sent, from a source that proved itself.
    Hook {
        /// The hook's name.
        hook: String,
        /// The body; text, because it was checked to be JSON.
        body: String,
    },
}

/// One accepted request, not yet stored.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// The platform's id for it, with the door's name before it; the same key twice is the same request.
    pub key: String,
    /// What came in.
    pub input: Input,
    /// When.
    pub at: Timestamp,
}

/// One stored request.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// What came in.
    pub input: Input,
    /// When.
    pub at: Timestamp,
    /// How often its handling was begun, this time included.
    pub attempt: u32,
}

crate::domain::text_enum! {
    /// What became of a request.
    DeliveryState {
        /// Not looked at.
        New = "new",
        /// A replica is at it until its lease ends.
        Taken = "taken",
        /// Dealt with.
        Done = "done",
        /// Given up on: its handling failed again and again. Listed by `doctor`.
        Failed = "failed",
    }
}

/// Stores a request durably and gives its id, or the id of the one that came before with the same key.
///
/// # Errors
/// When it is not certain that it is stored; the sender is told to try again.
pub async fn accept(store: &Store, delivery: NewDelivery) -> Result<DeliveryId> {
    let row = Row {
        id: DeliveryId::new(),
        key: delivery.key,
        input: serde_json::to_string(&delivery.input)?,
        at: delivery.at,
    };
    if seeded("defect.acknowledge_before_commit") {
        let (store, id) = (store.clone(), row.id.clone());
        tokio::spawn(async move { put(&store, row).await });
        return Ok(id);
    }
    put(store, row).await
}

async fn put(store: &Store, row: Row) -> Result<DeliveryId> {
    match &*store.inner {
        Inner::Sqlite { intake, .. } => intake.put(store, row).await,
        // It gathers the commits of many connections by itself: a statement is a transaction.
        Inner::Postgres { .. } => {
            let mut db = store.read().await?;
            journal_point!("inbox.before_commit");
            let id = insert(&mut db, &row).await?;
            journal_point!("inbox.after_commit");
            Ok(id)
        }
    }
}

/// A request as it will be stored.
pub(super) struct Row {
    pub id: DeliveryId,
    pub key: String,
    pub input: String,
    pub at: Timestamp,
}

/// Stores a row unless its key is there, and gives the id of the one that is.
async fn insert(db: &mut Db, row: &Row) -> Result<DeliveryId> {
    let new = DeliveryState::New.as_str();
    let (id,) = fetch_one!(db, (String,), ACCEPT, row.id.as_str(), &row.key, &row.input, row.at.0, new)?;
    Ok(id.into())
}

/// Whether [`claim`] would find something: only a look, so that nobody waits for it who has something to write.
///
/// # Errors
/// The database's.
pub async fn is_due(db: &mut Db, now: Timestamp) -> Result<bool> {
    let (new, taken) = (DeliveryState::New.as_str(), DeliveryState::Taken.as_str());
    Ok(fetch_one!(db, (i64,), DUE, new, taken, now.0)?.0 > 0)
}

/// Takes up to `limit` requests that are new or whose lease is over at `now`; oldest first, those that were given back
/// behind those that were never tried.
///
/// # Errors
/// The database's.
pub async fn claim(
    tx: &mut Tx,
    by: &ReplicaId,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let (new, taken) = (DeliveryState::New.as_str(), DeliveryState::Taken.as_str());
    exec!(tx, LEASE_OVER, new, taken, now.0)?;
    let (by, until) = (by.as_str(), lease_until.0);
    let mut rows = fetch_all!(tx, (String, String, i64, i64), CLAIM, taken, by, until, new, now.0, limit)?;
    // RETURNING promises no order.
    rows.sort_unstable();
    let delivery = |(id, input, at, attempt): (String, String, i64, i64)| {
        let input = serde_json::from_str(&input)?;
        Ok(Delivery { id: id.into(), input, at: Timestamp(at), attempt: count(attempt)? })
    };
    rows.into_iter().map(delivery).collect()
}

/// Ends a request's handling; false if it was not taken any more. Called in the transaction that holds its effects,
/// so that a request is dealt with exactly once.
///
/// # Errors
/// The database's.
pub async fn finish(tx: &mut Tx, id: &DeliveryId, state: DeliveryState) -> Result<bool> {
    Ok(exec!(tx, FINISH, state.as_str(), id.as_str(), DeliveryState::Taken.as_str())? == 1)
}

/// Takes a request back that nobody has begun with; false if somebody has.
///
/// # Errors
/// The database's.
pub async fn withdraw(tx: &mut Tx, id: &DeliveryId) -> Result<bool> {
    Ok(exec!(tx, FINISH, DeliveryState::Done.as_str(), id.as_str(), DeliveryState::New.as_str())? == 1)
}

/// Gives a request that is still `by`'s back after an error, to be taken again from `not_before` on.
///
/// # Errors
/// The database's.
pub async fn release(tx: &mut Tx, by: &ReplicaId, id: &DeliveryId, not_before: Timestamp) -> Result<()> {
    let (new, taken) = (DeliveryState::New.as_str(), DeliveryState::Taken.as_str());
    exec!(tx, RELEASE, new, not_before.0, id.as_str(), taken, by.as_str())?;
    Ok(())
}

/// Gives back whatever is `by`'s, for a replica that handles nothing at this moment; gives how many. Each may be taken
/// again after `pause` for every try that it has behind it.
///
/// # Errors
/// The database's.
pub async fn release_all(tx: &mut Tx, by: &ReplicaId, now: Timestamp, pause: Duration) -> Result<u64> {
    let (new, taken) = (DeliveryState::New.as_str(), DeliveryState::Taken.as_str());
    let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    exec!(tx, RELEASE_ALL, new, now.0, pause, taken, by.as_str())
}

/// Gives back what others have taken: for a process that has just started on a database of its own, so that nobody
/// waits for the leases of one that is gone.
///
/// # Errors
/// The database's.
pub async fn take_over(tx: &mut Tx, by: &ReplicaId) -> Result<()> {
    let (new, taken) = (DeliveryState::New.as_str(), DeliveryState::Taken.as_str());
    exec!(tx, TAKE_OVER, new, taken, by.as_str())?;
    Ok(())
}

/// What has become of a request so far.
///
/// # Errors
/// The database's.
pub async fn state(db: &mut Db, id: &DeliveryId) -> Result<Option<DeliveryState>> {
    fetch_optional!(db, (String,), STATE, id.as_str())?.map(|(state,)| word(&state)).transpose()
}

/// Up to `limit` requests that came after this one and that somebody has begun to handle, or has handled.
///
/// # Errors
/// The database's.
pub async fn handled_after(db: &mut Db, id: &DeliveryId, limit: i64) -> Result<Vec<Input>> {
    let (done, taken) = (DeliveryState::Done.as_str(), DeliveryState::Taken.as_str());
    let rows = fetch_all!(db, (String,), HANDLED_AFTER, done, taken, id.as_str(), limit)?;
    rows.into_iter().map(|(input,)| Ok(serde_json::from_str(&input)?)).collect()
}

/// How many requests are in each state, for health, metrics and `doctor`.
///
/// # Errors
/// The database's.
pub async fn counts(db: &mut Db) -> Result<Vec<(DeliveryState, i64)>> {
    let rows = fetch_all!(db, (String, i64), COUNTS)?;
    rows.into_iter().map(|(state, count)| Ok((word(&state)?, count))).collect()
}
