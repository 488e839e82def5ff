//! What was accepted is stored, once a key, and handled once.

mod support;

use std::collections::BTreeSet;

use sereno::clock::Timestamp;
use sereno::id::ReplicaId;
use sereno::store::inbox::{self, DeliveryState, Input, NewDelivery};
use sereno::store::{Store, StoreError};
use support::each_database;

fn hook(key: &str) -> NewDelivery {
    let input = Input::Hook { hook: "alertmanager".into(), body: "{}".into() };
    NewDelivery { key: key.into(), input, at: Timestamp(1) }
}

async fn counts(store: &Store) -> Vec<(DeliveryState, i64)> {
    inbox::counts(&mut store.read().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_sent_64_times_at_once_is_stored_once() {
    each_database(async |store| {
        let other = store.another();
        let sent = (0..64).map(|i| {
            let store = if store.is_sqlite() || i % 2 == 0 { store.clone() } else { other.clone() };
            tokio::spawn(async move { inbox::accept(&store, hook("slack:1")).await.unwrap() })
        });
        let mut ids = BTreeSet::new();
        for sent in sent.collect::<Vec<_>>() {
            ids.insert(sent.await.unwrap());
        }
        assert_eq!(ids.len(), 1);
        assert_eq!(counts(&store.another()).await, [(DeliveryState::New, 1)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_request_is_seen_by_another_process_and_a_caller_that_left_disturbs_nobody() {
    each_database(async |store| {
        let accepts = (0..600).map(|i| {
            let store = store.clone();
            let task = tokio::spawn(async move { inbox::accept(&store, hook(&format!("k{i}"))).await });
            if i % 7 == 0 {
                task.abort();
            }
            task
        });
        let mut answered = BTreeSet::new();
        for accept in accepts.collect::<Vec<_>>() {
            match accept.await {
                Ok(Ok(id)) => assert!(answered.insert(id)),
                Ok(Err(error)) => assert!(matches!(error, StoreError::Away(_)), "{error}"),
                Err(aborted) => assert!(aborted.is_cancelled()),
            }
        }
        assert!(answered.len() > 400, "{}", answered.len());
        let other = store.another();
        let mut tx = other.begin().await.unwrap();
        let taken = inbox::claim(&mut tx, &ReplicaId::new(), Timestamp(2), Timestamp(3), 1000).await.unwrap();
        let stored: BTreeSet<_> = taken.iter().map(|delivery| delivery.id.clone()).collect();
        assert!(answered.is_subset(&stored));
        assert!(taken.is_sorted_by_key(|delivery| delivery.id.clone()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_claim_at_once_never_take_the_same_request() {
    each_database(async |store| {
        for i in 0..100 {
            inbox::accept(&store, hook(&format!("k{i}"))).await.unwrap();
        }
        let replicas = (0..4).map(|_| {
            let store = if store.is_sqlite() { store.clone() } else { store.another() };
            tokio::spawn(async move {
                let (me, mut mine) = (ReplicaId::new(), Vec::new());
                for _ in 0..50 {
                    let mut tx = store.begin().await.unwrap();
                    mine.extend(inbox::claim(&mut tx, &me, Timestamp(2), Timestamp(9), 5).await.unwrap());
                    tx.commit().await.unwrap();
                }
                mine
            })
        });
        let mut all = Vec::new();
        for replica in replicas.collect::<Vec<_>>() {
            all.extend(replica.await.unwrap());
        }
        assert_eq!(all.len(), 100);
        assert!(all.iter().all(|delivery| delivery.attempt == 1));
        assert_eq!(all.iter().map(|delivery| &delivery.id).collect::<BTreeSet<_>>().len(), 100);
    })
    .await;
}

#[tokio::test]
async fn a_request_is_finished_once_and_taken_again_after_its_lease_or_its_release() {
    each_database(async |store| {
        let me = ReplicaId::new();
        let id = inbox::accept(&store, hook("k")).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let claim =
            async |tx: &mut _, now| inbox::claim(tx, &me, Timestamp(now), Timestamp(now + 10), 9).await.unwrap();
        assert!(!inbox::finish(&mut tx, &id, DeliveryState::Done).await.unwrap());
        assert_eq!(claim(&mut tx, 100).await.len(), 1);
        assert_eq!(claim(&mut tx, 109).await, []);
        assert_eq!(claim(&mut tx, 110).await[0].attempt, 2);
        inbox::release(&mut tx, &ReplicaId::new(), &id, Timestamp(1)).await.unwrap();
        assert_eq!(claim(&mut tx, 119).await, [], "only whose it is may give it back");
        inbox::release(&mut tx, &me, &id, Timestamp(200)).await.unwrap();
        assert_eq!(claim(&mut tx, 199).await, []);
        assert_eq!(claim(&mut tx, 200).await[0].input, hook("k").input);
        assert!(inbox::finish(&mut tx, &id, DeliveryState::Done).await.unwrap());
        assert!(!inbox::finish(&mut tx, &id, DeliveryState::Done).await.unwrap());
        tx.commit().await.unwrap();
        // The platform sends it once more, long after.
        assert_eq!(inbox::accept(&store, hook("k")).await.unwrap(), id);
        assert_eq!(counts(&store).await, [(DeliveryState::Done, 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_process_alone_takes_over_what_the_one_before_had_taken() {
    each_database(async |store| {
        let (gone, me) = (ReplicaId::new(), ReplicaId::new());
        for key in ["k1", "k2", "k3"] {
            inbox::accept(&store, hook(key)).await.unwrap();
        }
        let claim = async |by: &ReplicaId, limit| {
            let mut tx = store.begin().await.unwrap();
            let taken = inbox::claim(&mut tx, by, Timestamp(10), Timestamp(1000), limit).await.unwrap();
            tx.commit().await.unwrap();
            taken.len()
        };
        assert_eq!((claim(&gone, 2).await, claim(&me, 1).await, claim(&me, 9).await), (2, 1, 0));
        let mut tx = store.begin().await.unwrap();
        inbox::take_over(&mut tx, &me).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&me, 9).await, 2, "not what it has taken itself");
    })
    .await;
}
