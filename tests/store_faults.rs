//! Bad days: the disk is full, a second process comes, a replica's connection is cut.
#![allow(clippy::disallowed_methods)] // mounts a small disk and asks for a lock from outside

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sereno::clock::Timestamp;
use sereno::id::{DeliveryId, ReplicaId};
use sereno::store::inbox::{self, Input, NewDelivery};
use sereno::store::wake::{Listener, Wake};
use sereno::store::{Store, StoreError};
use support::each_database;
use tokio_util::sync::CancellationToken;

/// A disk of two megabytes, for as long as it is held.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn hook(key: usize) -> NewDelivery {
    let input = Input::Hook { hook: "alertmanager".into(), body: "x".repeat(3000) };
    NewDelivery { key: key.to_string(), input, at: Timestamp(1) }
}

async fn stored(store: &Store) -> BTreeSet<DeliveryId> {
    let mut tx = store.begin().await.unwrap();
    let all = inbox::claim(&mut tx, &ReplicaId::new(), Timestamp(2), Timestamp(3), 100_000).await.unwrap();
    all.into_iter().map(|delivery| delivery.id).collect()
}

/// The files as a process that is killed now leaves them.
async fn as_if_killed(database: &Path) -> BTreeSet<DeliveryId> {
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        std::fs::copy(format!("{}{suffix}", database.display()), copy.path().join(format!("x.db{suffix}"))).unwrap();
    }
    stored(&Store::open(&format!("sqlite://{}/x.db", copy.path().display())).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_answered() {
    for failures in 1..=6 {
        let Some(disk) = SmallDisk::mount() else {
            // `store::intake` has the same story with a limit of pages, for whoever may not mount.
            eprintln!("skipped: a full disk (mounting needs root)");
            return;
        };
        let database = disk.path().join("test.db");
        let store = Store::open(&format!("sqlite://{}", database.display())).unwrap();
        store.migrate().await.unwrap();
        let mut answered = BTreeSet::new();
        let (mut key, mut failed) = (0, 0);
        while failed < failures {
            key += 1;
            match inbox::accept(&store, hook(key)).await {
                Ok(id) => assert!(answered.insert(id)),
                Err(error) => {
                    assert!(matches!(error, StoreError::Away(_)), "{error}");
                    failed += 1;
                }
            }
            assert!(key < 10_000, "the disk never filled up");
        }
        let full = Command::new("mount").args(["-o", "remount,size=8m"]).arg(disk.path()).status();
        assert!(full.unwrap().success());
        for key in 20_000..20_005 {
            answered.insert(inbox::accept(&store, hook(key)).await.unwrap());
        }
        assert!(answered.is_subset(&as_if_killed(&database).await), "after {failures} failures");
        assert!(answered.is_subset(&stored(&store).await), "after {failures} failures");
    }
}

#[tokio::test]
async fn a_second_process_is_refused_while_the_first_serves() {
    each_database(async |database| {
        database.claim_alone().unwrap();
        database.claim_alone().unwrap();
        let second = database.another();
        if !database.is_sqlite() {
            second.claim_alone().unwrap();
            return;
        }
        let refused = second.claim_alone();
        assert!(matches!(&refused, Err(StoreError::Unusable(why)) if why.contains("another process")), "{refused:?}");
        let lock = format!("{}.lock", database.url.strip_prefix("sqlite://").unwrap());
        let outside = || Command::new("flock").args(["-n", &lock, "true"]).status().unwrap().success();
        assert!(!outside());
        // Who only reads needs no leave.
        second.ping().await.unwrap();
        drop(database);
        assert!(outside());
        second.claim_alone().unwrap();
    })
    .await;
}

async fn hears(listener: &mut Listener) {
    tokio::time::timeout(Duration::from_secs(20), listener.woken()).await.expect("nobody woke this replica");
}

#[tokio::test]
async fn replicas_wake_each_other_also_after_a_cut_connection() {
    each_database(async |database| {
        let (here, there) = (Wake::default(), Wake::default());
        let (mut near, mut far) = (here.listener(), there.listener());
        let (stop, other) = (CancellationToken::new(), database.another());
        let story = async {
            here.wake();
            hears(&mut near).await;
            if !database.is_sqlite() {
                hears(&mut far).await; // it listens
                here.wake();
                hears(&mut far).await;
                database
                    .tamper("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
                    .await;
                hears(&mut far).await; // it may have missed something
                here.wake();
                hears(&mut far).await;
            }
            stop.cancel();
        };
        tokio::join!(database.watch(&here, stop.clone()), other.watch(&there, stop.clone()), story);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be_away() {
    let store = Store::open("postgres://nobody@127.0.0.1:1/none").unwrap();
    assert!(matches!(store.ping().await, Err(StoreError::Away(_))));
    assert!(matches!(store.migrate().await, Err(StoreError::Away(_))));
    let store = Store::open("sqlite:///nowhere/at/all.db").unwrap();
    assert!(matches!(inbox::accept(&store, hook(1)).await, Err(StoreError::Away(_))));
    assert!(matches!(store.claim_alone(), Err(StoreError::Unusable(_))));
}
