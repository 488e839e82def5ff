//! The journal points around commits do what the kill harness relies on. One test, because they belong to the process.
#![cfg(feature = "faults")]

mod support;

use sereno::clock::Timestamp;
use sereno::id::RunId;
use sereno::store::inbox::{self, Input, NewDelivery};
use sereno::store::{Store, journal_points, locks};
use support::each_database;

async fn take(store: &Store, key: &str) -> bool {
    let mut tx = store.begin().await.unwrap();
    locks::take(&mut tx, key, &RunId::new(), Timestamp(1)).await.unwrap().unwrap();
    tx.commit().await.is_ok()
}

async fn accept(store: &Store, key: &str) -> bool {
    let input = Input::Hook { hook: "h".into(), body: "{}".into() };
    inbox::accept(store, NewDelivery { key: key.into(), input, at: Timestamp(1) }).await.is_ok()
}

#[tokio::test]
async fn a_point_before_the_commit_undoes_and_one_after_it_only_hides_the_answer() {
    each_database(async |database| {
        let (mut held, mut accepted) = (0, 0);
        for (i, point) in journal_points().iter().enumerate() {
            let key = i.to_string();
            fail::cfg(*point, "return").unwrap();
            let (taken, answered) = (take(&database, &key).await, accept(&database, &key).await);
            fail::remove(point);
            let (inbox, after) = (point.starts_with("inbox."), point.ends_with(".after_commit"));
            assert_eq!(taken, inbox, "{point}");
            // A request is a statement that is a transaction by itself, with points of its own.
            assert_eq!(answered, !inbox, "{point}");
            held += usize::from(taken || after);
            accepted += i64::from(answered || after);
            let mut db = database.read().await.unwrap();
            assert_eq!(locks::held(&mut db).await.unwrap().len(), held, "{point}");
            let stored: i64 = inbox::counts(&mut db).await.unwrap().iter().map(|(_, count)| count).sum();
            assert_eq!(stored, accepted, "{point}");
        }
    })
    .await;
}
