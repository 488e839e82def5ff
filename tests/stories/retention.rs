//! What is over is forgotten after a while; what is open stays, however old, and so does the trail.

use std::time::Duration;

use sereno::clock::Timestamp;
use sereno::id::{DeliveryId, RunId};
use sereno::store::inbox::{self, DeliveryState};
use sereno::store::{messages, retention, runs, schedules, steps};

use crate::approvals::{program, world};
use crate::books::ALL;
use crate::harness::{Heard, Story, only, story_on};
use crate::stage::CONSOLE;

/// So many days pass, and there is time to forget in.
async fn days(s: &Story, count: u64) {
    s.clock.forward(Duration::from_secs(count * 24 * 3600));
    for _ in 0..3 {
        s.waits(Duration::from_secs(11)).await;
    }
}

async fn stored(s: &Story, heard: &Heard) -> bool {
    messages::get(&mut s.database.read().await.unwrap(), &heard.id).await.unwrap().is_some()
}

async fn known(s: &Story, request: &DeliveryId) -> Option<DeliveryState> {
    inbox::state(&mut s.database.read().await.unwrap(), request).await.unwrap()
}

/// What the first step of the first run printed.
async fn printed(s: &Story, run: &RunId) -> (String, u64, String) {
    let all = steps::of_run(&mut s.database.read().await.unwrap(), run).await.unwrap();
    let output = all[0].body.report().unwrap().output.clone().unwrap();
    (output.head, output.left_out, output.sha256)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_forgotten_and_what_is_open_stays() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let request = s.person("vic").sends("#infra", None, "/ops health dev").await;
        s.settles().await;
        let health = s.hears("#infra").await;
        let run = runs::latest(&mut s.database.read().await.unwrap(), 1).await.unwrap().remove(0).id;
        let (head, left_out, digest) = printed(s, &run).await;
        assert!(head.contains("ok") && left_out == 0, "{head}");

        days(s, 6).await;
        assert_eq!(known(s, &request).await, Some(DeliveryState::Done));
        days(s, 2).await;
        assert_eq!(known(s, &request).await, None);
        assert!(stored(s, &health).await);
        days(s, 81).await;
        assert!(stored(s, &health).await, "the 90 days are not over");
        assert_eq!(printed(s, &run).await.0, head);
        days(s, 2).await;
        assert!(!stored(s, &health).await);
        let (forgotten, left_out, same) = printed(s, &run).await;
        assert!(forgotten.is_empty() && left_out == head.len() as u64 && same == digest, "{forgotten} {left_out}");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_incident_and_an_unknown_step_outlive_every_limit() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        s.alert("ServiceDown", "critical", true).await;
        let root = only(s.channel("#infra").await);
        let thread = s.thread(&root.id).await;
        assert!(thread.len() > 1);
        let diagnosis = runs::latest(&mut s.database.read().await.unwrap(), 1).await.unwrap().remove(0).id;
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nexec sleep 5\n");
        s.person("ana").sends("#infra", None, "/ops slow dev").await;
        s.until(async |s| s.effects().len() == 1).await;
        s.clock.forward(Duration::from_secs(10));
        s.restarts().await;
        s.settles().await;
        let unknown = s.hears("#infra").await;
        assert_eq!(unknown.card.state, "unknown");

        days(s, 400).await;
        for message in &thread {
            assert!(stored(s, message).await, "{}", message.card.text());
        }
        assert!(printed(s, &diagnosis).await.0.contains("v2"), "its incident is open");
        assert_eq!(s.message(&unknown.id).await.buttons(), ["confirm", "rerun", "cancel"]);

        s.person("ana").presses(&unknown, "confirm").await;
        s.alert("ServiceDown", "critical", false).await;
        assert_eq!(s.message(&root.id).await.card.state, "resolved");
        days(s, 91).await;
        days(s, 1).await;
        for message in thread.iter().chain([&unknown]) {
            assert!(!stored(s, message).await, "{}", message.card.text());
        }
        assert_eq!(printed(s, &diagnosis).await.0, "");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_bounded_and_one_replica_takes_it_at_a_time() {
    story_on(CONSOLE, ALL, async |s| {
        for _ in 0..25 {
            s.person("vic").sends("#infra", None, "/ops runs").await;
        }
        s.settles().await;
        let later = Timestamp(s.clock.now().0 + 60_000);
        let mut tx = s.database.begin().await.unwrap();
        for (schedule, at) in [("nightly", 1), ("nightly", 2), ("nightly", 3), ("weekly", 1)] {
            schedules::claim(&mut tx, schedule, Timestamp(at)).await.unwrap();
        }
        assert!(retention::turn(&mut tx, later, later).await.unwrap());
        assert!(!retention::turn(&mut tx, later, Timestamp(later.0 - 1)).await.unwrap());
        for rest in [10, 10, 5, 0] {
            assert_eq!(retention::requests(&mut tx, later, 10).await.unwrap(), rest);
        }
        assert!(retention::messages(&mut tx, later, 10).await.unwrap() == 10);
        for rest in [1, 1, 0] {
            assert_eq!(retention::firings(&mut tx, later, 1).await.unwrap(), rest);
        }
        assert_eq!(schedules::last(&mut tx, "nightly").await.unwrap(), Some(Timestamp(3)));
        assert_eq!(schedules::last(&mut tx, "weekly").await.unwrap(), Some(Timestamp(1)));
        tx.commit().await.unwrap();
    })
    .await;
}
