//! Group commit for SQLite: requests that arrive together are one statement, one transaction and one fsync, and each is
//! answered after that. Knows how to queue and to answer, nothing of what a request is about.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{mpsc, oneshot};

use super::db::{DEADLINE, Inner};
use super::inbox::{DeliveryState, Row};
use super::sql::{fetch_all, journal_point};
use super::{Result, Store, StoreError};
use crate::id::DeliveryId;

// All of a batch at once: the way to the driver's thread and back takes longer than a row. Alone, a statement is a
// transaction. The update changes nothing; it makes the statement give the first one's id.
const ACCEPT_ALL: &str = "INSERT INTO inbox (id, request_key, input, at, state, attempt, due_at)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, $2, 0, 0 FROM json_each($1) WHERE true
    ON CONFLICT (request_key) DO UPDATE SET request_key = excluded.request_key
    RETURNING request_key, id";

/// Most requests in one transaction.
const BATCH: usize = 256;
/// Most requests that wait for the next one; more are turned away at once.
const QUEUE: usize = 1024;

/// The queue in front of the writer; the writer is started when it is first needed.
#[derive(Default)]
pub(super) struct Intake(Mutex<Option<mpsc::Sender<Waiting>>>);

struct Waiting {
    row: Row,
    answer: oneshot::Sender<Result<DeliveryId>>,
}

impl Intake {
    /// Stores a row with the next batch, and gives the id under which its request is stored. A caller that is gone
    /// before the answer does not disturb the others.
    pub(super) async fn put(&self, store: &Store, row: Row) -> Result<DeliveryId> {
        let (answer, answered) = oneshot::channel();
        let full = |_| StoreError::Away("too many requests wait to be stored".to_owned());
        self.queue(store).try_send(Waiting { row, answer }).map_err(full)?;
        match tokio::time::timeout(DEADLINE, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::Away("the writer stopped".to_owned())),
            Err(_) => Err(StoreError::Away(format!("not stored in {} s", DEADLINE.as_secs()))),
        }
    }

    /// The queue; with a new writer if there is none, or its runtime is gone.
    fn queue(&self, store: &Store) -> mpsc::Sender<Waiting> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref() {
            Some(open) if !open.is_closed() => open.clone(),
            _ => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                tokio::spawn(write(Arc::downgrade(&store.inner), receiver));
                queue.insert(sender).clone()
            }
        }
    }
}

/// The writer: ends when the store is dropped, which it does not keep alive.
async fn write(store: Weak<Inner>, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let Some(inner) = store.upgrade() else { return };
        let (rows, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|waiting| (waiting.row, waiting.answer)).unzip();
        match commit(&Store { inner }, &rows).await {
            Ok(ids) => {
                for (answer, id) in answers.into_iter().zip(ids) {
                    let _ = answer.send(Ok(id));
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(StoreError::Away(error.to_string())));
                }
            }
        }
    }
}

async fn commit(store: &Store, rows: &[Row]) -> Result<Vec<DeliveryId>> {
    let batch: Vec<_> = rows.iter().map(|row| (&row.id, &row.key, &row.input, row.at.0)).collect();
    let batch = serde_json::to_string(&batch)?;
    let mut db = store.write_next().await?;
    journal_point!("inbox.before_commit");
    let stored = fetch_all!(&mut db, (String, String), ACCEPT_ALL, batch, DeliveryState::New.as_str())?;
    journal_point!("inbox.after_commit");
    drop(db);
    let ids: HashMap<String, String> = stored.into_iter().collect();
    let id = |row: &Row| ids.get(&row.key).map(|id| DeliveryId::from(id.as_str()));
    let lost = || StoreError::Unreadable("the database did not give the id of what it stored".to_owned());
    rows.iter().map(|row| id(row).ok_or_else(lost)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sql::{exec, fetch_one};
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::inbox::{Input, NewDelivery, accept};

    fn hook(key: usize) -> NewDelivery {
        let input = Input::Hook { hook: "alertmanager".into(), body: "x".repeat(3000) };
        NewDelivery { key: key.to_string(), input, at: Timestamp(1) }
    }

    /// Lets the file grow no further, until the connection is thrown away.
    async fn fill_up(store: &Store) {
        let mut tx = store.begin().await.unwrap();
        exec!(&mut tx, "PRAGMA max_page_count = 1").unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_full_database_loses_nothing_that_was_answered() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let store = Store::open(&url).unwrap();
        store.migrate().await.unwrap();
        let (mut answered, mut key) = (Vec::new(), 0);
        for failures in 1..=6 {
            for _ in 0..failures {
                fill_up(&store).await;
                loop {
                    key += 1;
                    match accept(&store, hook(key)).await {
                        Ok(id) => answered.push(id.to_string()),
                        Err(StoreError::Away(_)) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            for _ in 0..5 {
                key += 1;
                answered.push(accept(&store, hook(key)).await.unwrap().to_string());
            }
            let mut other = Store::open(&url).unwrap().read().await.unwrap();
            let stored = fetch_all!(&mut other, (String,), "SELECT id FROM inbox ORDER BY id").unwrap();
            assert_eq!(stored.into_iter().map(|(id,)| id).collect::<Vec<_>>(), answered);
        }
    }

    #[tokio::test]
    async fn what_is_stored_together_is_stored_as_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/test.db", folder.path().display())).unwrap();
        store.migrate().await.unwrap();
        let row = |key: &str, input: &str| Row {
            id: DeliveryId::new(),
            key: key.to_owned(),
            input: input.to_owned(),
            at: Timestamp(i64::MAX),
        };
        let hostile = ["1", "a\0b", "a\0c", "\"]',", "\\u0000", "ñ\u{2028}\u{1f525}", "null", "[1]", ""];
        let rows: Vec<Row> = hostile.iter().map(|text| row(text, text)).chain([row("1", "again")]).collect();
        let ids = commit(&store, &rows).await.unwrap();
        assert_eq!(ids.last(), ids.first(), "the same key in one batch is the same request");
        for (row, id) in rows.iter().zip(&ids).take(hostile.len()) {
            assert_eq!(*id, row.id, "{:?} is a request of its own", row.key);
            let mut db = store.read().await.unwrap();
            let sql = "SELECT request_key, input, at FROM inbox WHERE id = $1";
            let (key, input, at) = fetch_one!(&mut db, (String, String, i64), sql, id.as_str()).unwrap();
            assert_eq!((key, input, at), (row.key.clone(), row.input.clone(), row.at.0));
        }
    }

    #[tokio::test]
    async fn a_full_queue_turns_away_at_once_and_stores_the_rest_together() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/test.db", folder.path().display())).unwrap();
        store.migrate().await.unwrap();
        let busy = store.begin().await.unwrap();
        let requests = (0..2 * QUEUE).map(|key| {
            let store = store.clone();
            tokio::spawn(async move { accept(&store, hook(key)).await })
        });
        let requests: Vec<_> = requests.collect();
        while requests.iter().filter(|request| request.is_finished()).count() < QUEUE - BATCH {
            tokio::task::yield_now().await;
        }
        drop(busy);
        let (mut stored, mut away) = (0, 0);
        for request in requests {
            match request.await.unwrap() {
                Ok(_) => stored += 1,
                Err(StoreError::Away(_)) => away += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(stored >= QUEUE && away >= QUEUE - BATCH, "{stored} stored, {away} turned away");
    }
}
