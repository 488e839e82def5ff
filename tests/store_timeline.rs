//! The hash chain: every alteration, cut and reordering behind our back is found and named.

mod support;

use serde_json::json;
use sereno::clock::Timestamp;
use sereno::domain::timeline::{ChainFault, EntryKind, NewEntry};
use sereno::store::{Store, timeline};
use support::{Database, each_database};

fn noted(stream: &str, at: i64) -> NewEntry {
    let body = json!({"text": "looked at it", "b": 1, "a": [at]});
    NewEntry { stream: stream.into(), at: Timestamp(at), actor: "ana".into(), kind: EntryKind::Noted, body }
}

async fn append(store: &Store, entries: Vec<NewEntry>) {
    let mut tx = store.begin().await.unwrap();
    timeline::append(&mut tx, entries).await.unwrap();
    tx.commit().await.unwrap();
}

async fn verify(store: &Store) -> Result<(i64, String), ChainFault> {
    timeline::verify(&mut store.read().await.unwrap(), &[]).await.unwrap()
}

/// A chain of ten, with something done to it.
async fn tampered(database: &Database, sql: &[&'static str]) -> Result<(i64, String), ChainFault> {
    database.tamper("DELETE FROM timeline").await;
    database
        .tamper("UPDATE chain SET seq = 0, hash = '0000000000000000000000000000000000000000000000000000000000000000'")
        .await;
    append(database, (1..=10).map(|at| noted("system", at)).collect()).await;
    assert_eq!(verify(database).await.unwrap().0, 10);
    for sql in sql {
        database.tamper(sql).await;
    }
    verify(database).await
}

#[tokio::test]
async fn altered_cut_and_reordered_entries_are_named() {
    each_database(async |database| {
        use ChainFault::{Altered, Broken, Rewritten, Short};
        let cases: [(&[&'static str], ChainFault); 10] = [
            (&["UPDATE timeline SET body = '{}' WHERE seq = 4"], Altered(4)),
            (&["UPDATE timeline SET actor = 'leo' WHERE seq = 10"], Altered(10)),
            (&["UPDATE timeline SET at = at + 1 WHERE seq = 1"], Altered(1)),
            (&["UPDATE timeline SET kind = 'nothing' WHERE seq = 5"], Altered(5)),
            (&["DELETE FROM timeline WHERE seq = 1"], Broken(2, 0)),
            (&["DELETE FROM timeline WHERE seq = 6"], Broken(7, 5)),
            (&["DELETE FROM timeline WHERE seq > 8"], Short(8, 10)),
            (&["DELETE FROM timeline"], Short(0, 10)),
            (
                &[
                    "UPDATE timeline SET seq = 99 WHERE seq = 3",
                    "UPDATE timeline SET seq = 3 WHERE seq = 4",
                    "UPDATE timeline SET seq = 4 WHERE seq = 99",
                ],
                Broken(3, 2),
            ),
            (&["UPDATE chain SET hash = 'another'"], Rewritten(10)),
        ];
        for (sql, fault) in cases {
            assert_eq!(tampered(&database, sql).await, Err(fault), "{sql:?}");
        }
        let hidden =
            "INSERT INTO timeline SELECT -1, stream, at, actor, kind, body, prev, hash FROM timeline WHERE seq = 1";
        assert_eq!(tampered(&database, &[hidden]).await, Err(Broken(-1, 0)));
    })
    .await;
}

#[tokio::test]
async fn a_chain_whose_recorded_head_was_cut_too_is_found_by_its_anchor() {
    each_database(async |database| {
        append(&database, vec![noted("system", 1), noted("system", 2)]).await;
        let mut db = database.read().await.unwrap();
        let early = timeline::head(&mut db).await.unwrap();
        append(&database, vec![noted("system", 3)]).await;
        let anchors = [early.clone(), timeline::head(&mut db).await.unwrap()];
        assert_eq!(timeline::verify(&mut db, &anchors).await.unwrap(), Ok(anchors[1].clone()));
        database.tamper("DELETE FROM timeline WHERE seq = 3").await;
        database.tamper("UPDATE chain SET seq = 2, hash = (SELECT hash FROM timeline WHERE seq = 2)").await;
        assert_eq!(timeline::verify(&mut db, &[]).await.unwrap(), Ok(early.clone()));
        assert_eq!(timeline::verify(&mut db, &anchors).await.unwrap(), Err(ChainFault::Short(2, 3)));
        append(&database, vec![noted("system", 4)]).await;
        assert_eq!(timeline::verify(&mut db, &anchors).await.unwrap(), Err(ChainFault::Rewritten(3)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_many_writers_make_one_chain_without_gaps() {
    each_database(async |database| {
        let writers = (0..8).map(|writer| {
            let store = if database.is_sqlite() { (*database).clone() } else { database.another() };
            tokio::spawn(async move {
                let stream = format!("run/{writer}");
                for at in 0..15 {
                    append(&store, vec![noted(&stream, at), noted("system", at)]).await;
                    // What is not committed leaves no gap.
                    let mut undone = store.begin().await.unwrap();
                    timeline::append(&mut undone, vec![noted("system", at)]).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(verify(&database).await.unwrap().0, 240);
        let mut db = database.read().await.unwrap();
        assert_eq!(timeline::stream(&mut db, "run/3").await.unwrap().len(), 15);
        assert_eq!(timeline::between(&mut db, Timestamp(3), Timestamp(5)).await.unwrap().len(), 32);
        let page = timeline::page(&mut db, 100, 10).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (101..=110).collect::<Vec<_>>());
    })
    .await;
}
