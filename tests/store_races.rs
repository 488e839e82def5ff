//! Whoever comes second finds out: steps, locks, votes, incidents and everything else that only one may have.

#[path = "support/nouns.rs"]
mod nouns;
mod support;

use nouns::{alert, approval, incident, run, step};
use sereno::clock::Timestamp;
use sereno::domain::actor::Platform;
use sereno::domain::approval::{ApprovalState, Vote};
use sereno::domain::incident::IncidentState;
use sereno::domain::run::RunState;
use sereno::domain::step::StepState;
use sereno::id::{HandoffId, MessageId, ReplicaId, ReviewId, RunId};
use sereno::store::handoffs::{self, Handoff};
use sereno::store::incidents::{self, AlertChange};
use sereno::store::reviews::{self, Review};
use sereno::store::{Store, StoreError, approvals, locks, runs, schedules, sessions, steps};
use support::{Database, each_database};

/// Two replicas: two stores on PostgreSQL; on SQLite, where one process is alone, two tasks.
fn replicas(database: &Database) -> [Store; 2] {
    let other = if database.is_sqlite() { (*database).clone() } else { database.another() };
    [(*database).clone(), other]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_an_incident_has_seen_what_others_changed() {
    each_database(async |database| {
        let incident = incident("one");
        let mut tx = database.begin().await.unwrap();
        incidents::open(&mut tx, &incident).await.unwrap();
        tx.commit().await.unwrap();
        let [one, two] = replicas(&database);
        // An alert makes it worse while a person takes it.
        let mut alert = one.begin().await.unwrap();
        let mut worse = incidents::of_group(&mut alert, &incident.group_key).await.unwrap().unwrap();
        let id = incident.id.clone();
        let person = tokio::spawn(async move {
            let mut tx = two.begin().await.unwrap();
            let mut taken = incidents::take(&mut tx, &id).await.unwrap().unwrap();
            taken.state = IncidentState::Acknowledged;
            assert!(incidents::update(&mut tx, &taken, IncidentState::Open).await.unwrap());
            tx.commit().await.unwrap();
        });
        // The other one is at it by now: a real database decides.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        worse.severity = sereno::domain::severity::Severity::P1;
        assert!(incidents::update(&mut alert, &worse, IncidentState::Open).await.unwrap());
        alert.commit().await.unwrap();
        person.await.unwrap();
        let now = incidents::get(&mut database.read().await.unwrap(), &incident.id).await.unwrap().unwrap();
        assert_eq!((now.state, now.severity), (IncidentState::Acknowledged, worse.severity));

        // A person closes it while an alert comes: that one finds nothing open.
        let mut person = one.begin().await.unwrap();
        let mut closed = incidents::take(&mut person, &incident.id).await.unwrap().unwrap();
        (closed.state, closed.resolved_at) = (IncidentState::Resolved, Some(Timestamp(9000)));
        let other = replicas(&database)[1].clone();
        let key = incident.group_key.clone();
        let alert = tokio::spawn(async move {
            let mut tx = other.begin().await.unwrap();
            incidents::of_group(&mut tx, &key).await.unwrap()
        });
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(incidents::update(&mut person, &closed, IncidentState::Acknowledged).await.unwrap());
        person.commit().await.unwrap();
        assert_eq!(alert.await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_start_a_step_one_wins_200_times() {
    each_database(async |database| {
        let run = run();
        let mut tx = database.begin().await.unwrap();
        runs::insert(&mut tx, &run).await.unwrap();
        for position in 0..200 {
            steps::insert(&mut tx, &step(&run.id, position)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let racers = replicas(&database).map(|store| {
            let run = run.id.clone();
            tokio::spawn(async move {
                let (me, mut won) = (ReplicaId::new(), 0);
                for position in 0..200 {
                    let mut tx = store.begin().await.unwrap();
                    let mut step = step(&run, position);
                    (step.state, step.attempt) = (StepState::Running, 1);
                    (step.owner, step.lease_until) = (Some(me.clone()), Some(Timestamp(5000)));
                    won += usize::from(steps::update(&mut tx, &step, StepState::Ready, 0).await.unwrap());
                    tx.commit().await.unwrap();
                }
                (me, won)
            })
        });
        let mut won = Vec::new();
        for racer in racers {
            won.push(racer.await.unwrap());
        }
        let mut tx = database.begin().await.unwrap();
        assert_eq!(steps::of_run(&mut tx, &run.id).await.unwrap().len(), 200);
        for (me, won) in &won {
            let mut renewed = 0;
            for position in 0..200 {
                let mine = steps::renew(&mut tx, me, (&run.id, position), Timestamp(6000)).await.unwrap();
                renewed += usize::from(mine);
            }
            assert_eq!(renewed, *won);
        }
        assert_eq!(won[0].1 + won[1].1, 200);
        // A lease ends at its moment; a process that is alone knows at once that the other owner is dead.
        assert_eq!(steps::lost(&mut tx, Timestamp(6000), None).await.unwrap(), []);
        assert_eq!(steps::lost(&mut tx, Timestamp(6001), None).await.unwrap().len(), 200);
        assert_eq!(steps::lost(&mut tx, Timestamp(0), Some(&won[0].0)).await.unwrap().len(), won[1].1);
        assert_eq!(steps::in_state(&mut tx, StepState::Running).await.unwrap().len(), 200);
        assert_eq!(steps::get(&mut tx, &run.id, 7).await.unwrap().unwrap().attempt, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_has_one_holder_and_the_others_learn_who() {
    each_database(async |database| {
        for _ in 0..50 {
            let racers = replicas(&database).map(|store| {
                tokio::spawn(async move {
                    let mut tx = store.begin().await.unwrap();
                    let me = RunId::new();
                    let taken = locks::take(&mut tx, "shop/api prod", &me, Timestamp(1)).await.unwrap();
                    tx.commit().await.unwrap();
                    (me, taken)
                })
            });
            let [first, second] = racers;
            let (first, second) = (first.await.unwrap(), second.await.unwrap());
            let (winner, loser) = if first.1.is_ok() { (first, second) } else { (second, first) };
            assert_eq!((&winner.1, &loser.1), (&Ok(()), &Err(winner.0.clone())));
            let mut tx = database.begin().await.unwrap();
            assert_eq!(locks::take(&mut tx, "shop/api prod", &winner.0, Timestamp(2)).await.unwrap(), Ok(()));
            let held = vec![("shop/api prod".to_owned(), winner.0.clone(), Timestamp(1))];
            assert_eq!(locks::held(&mut tx).await.unwrap(), held);
            locks::release(&mut tx, &loser.0).await.unwrap();
            assert_eq!(locks::held(&mut tx).await.unwrap().len(), 1);
            locks::release(&mut tx, &winner.0).await.unwrap();
            tx.commit().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_votes_once_however_often_they_press() {
    each_database(async |database| {
        let (run, mut tx) = (run(), database.begin().await.unwrap());
        let mut asked = approval(&run.id);
        runs::insert(&mut tx, &run).await.unwrap();
        approvals::insert(&mut tx, &asked).await.unwrap();
        tx.commit().await.unwrap();
        let presses = (0..20).map(|i| {
            let (store, asked) = (replicas(&database)[i % 2].clone(), asked.clone());
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                assert!(approvals::update(&mut tx, &asked, ApprovalState::Pending).await.unwrap());
                let vote = Vote {
                    by: ["leo", "eva"][i % 2].into(),
                    yes: true,
                    at: Timestamp(1500),
                    platform: Platform::Console,
                };
                let counted = approvals::vote(&mut tx, &asked.id, &vote).await.unwrap();
                let seen = approvals::votes(&mut tx, &asked.id).await.unwrap().len();
                tx.commit().await.unwrap();
                counted.then_some(seen)
            })
        });
        let mut counted = Vec::new();
        for press in presses.collect::<Vec<_>>() {
            counted.extend(press.await.unwrap());
        }
        // The last voter sees both votes, so that the quorum is never missed.
        counted.sort_unstable();
        assert_eq!(counted, [1, 2]);
        let mut tx = database.begin().await.unwrap();
        assert_eq!(approvals::pending(&mut tx).await.unwrap(), [asked.clone()]);
        assert_eq!(approvals::expired(&mut tx, Timestamp(1999)).await.unwrap(), []);
        assert_eq!(approvals::expired(&mut tx, Timestamp(2000)).await.unwrap(), [asked.clone()]);
        asked.state = ApprovalState::Granted;
        assert!(approvals::update(&mut tx, &asked, ApprovalState::Pending).await.unwrap());
        assert!(!approvals::update(&mut tx, &asked, ApprovalState::Pending).await.unwrap());
        assert_eq!(approvals::pending(&mut tx).await.unwrap(), []);
        assert_eq!(approvals::of_run(&mut tx, &run.id).await.unwrap(), [asked.clone()]);
        assert_eq!(approvals::get(&mut tx, &asked.id).await.unwrap(), Some(asked));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_alerts_of_one_group_opens_one_incident() {
    each_database(async |database| {
        let deliveries = (0..40).map(|i| {
            let store = replicas(&database)[i % 2].clone();
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let (open, new) = incidents::open(&mut tx, &incident("alertmanager:checkout")).await.unwrap();
                let mut alert = alert(1000, None);
                alert.fingerprint = format!("f{}", i / 2);
                let change = incidents::upsert_alert(&mut tx, &open.id, &alert, Timestamp(1)).await.unwrap();
                tx.commit().await.unwrap();
                (open, new, change)
            })
        });
        let (mut opened, mut arrived, mut found) = (0, 0, None);
        for delivery in deliveries.collect::<Vec<_>>() {
            let (open, new, change) = delivery.await.unwrap();
            opened += usize::from(new);
            arrived += usize::from(change == AlertChange::New);
            found = Some(open);
        }
        assert_eq!((opened, arrived), (1, 20));
        let mut open = found.unwrap();
        let mut tx = database.begin().await.unwrap();
        assert_eq!(incidents::unresolved(&mut tx).await.unwrap(), [open.clone()]);
        assert_eq!(incidents::of_thread(&mut tx, &open.body.message).await.unwrap(), Some(open.clone()));
        assert_eq!(incidents::alerts(&mut tx, &open.id).await.unwrap().len(), 20);
        (open.state, open.resolved_at) = (IncidentState::Resolved, Some(Timestamp(9)));
        assert!(!incidents::update(&mut tx, &open, IncidentState::Acknowledged).await.unwrap());
        assert!(incidents::update(&mut tx, &open, IncidentState::Open).await.unwrap());
        assert_eq!(incidents::of_group(&mut tx, "alertmanager:checkout").await.unwrap(), None);
        assert_eq!(incidents::get(&mut tx, &open.id).await.unwrap(), Some(open.clone()));
        assert!(incidents::open(&mut tx, &incident("alertmanager:checkout")).await.unwrap().1);
        assert_eq!(incidents::between(&mut tx, Timestamp(1000), Timestamp(1001)).await.unwrap().len(), 2);
        assert_eq!(incidents::between(&mut tx, Timestamp(0), Timestamp(1000)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn late_and_repeated_alerts_change_nothing() {
    each_database(async |database| {
        use AlertChange::{New, Same, Turned};
        let mut tx = database.begin().await.unwrap();
        let (open, _) = incidents::open(&mut tx, &incident("alertmanager:checkout")).await.unwrap();
        let deliveries = [
            (alert(1000, None), New),
            (alert(1000, None), Same),
            (alert(900, Some(950)), Same),
            (alert(1000, Some(2000)), Turned),
            (alert(1000, Some(2000)), Same),
            (alert(1000, None), Same),
            (alert(1500, None), Same),
            (alert(3000, None), Turned),
            (alert(1000, Some(2000)), Same),
            (alert(4000, None), Turned),
            (alert(4000, Some(4000)), Turned),
            (alert(4000, None), Same),
        ];
        for (i, (alert, change)) in deliveries.iter().enumerate() {
            let now = Timestamp(10_000);
            assert_eq!(incidents::upsert_alert(&mut tx, &open.id, alert, now).await.unwrap(), *change, "{i}");
        }
        assert_eq!(incidents::alerts(&mut tx, &open.id).await.unwrap(), [alert(4000, Some(4000))]);
    })
    .await;
}

#[tokio::test]
async fn a_run_changes_only_from_the_state_that_was_read() {
    each_database(async |database| {
        let (mut ours, mut tx) = (run(), database.begin().await.unwrap());
        runs::insert(&mut tx, &ours).await.unwrap();
        assert_eq!(runs::open(&mut tx).await.unwrap(), [ours.clone()]);
        (ours.state, ours.ended_at) = (RunState::Done, Some(Timestamp(2000)));
        assert!(!runs::update(&mut tx, &ours, RunState::Cancelling).await.unwrap());
        assert!(runs::update(&mut tx, &ours, RunState::Active).await.unwrap());
        assert!(!runs::update(&mut tx, &ours, RunState::Active).await.unwrap());
        let mut later = run();
        later.incident = Some("i1".into());
        runs::insert(&mut tx, &later).await.unwrap();
        assert_eq!(runs::open(&mut tx).await.unwrap(), [later.clone()]);
        assert_eq!(runs::latest(&mut tx, 9).await.unwrap(), [later.clone(), ours.clone()]);
        assert_eq!(
            runs::between(&mut tx, Timestamp(1000), Timestamp(1001)).await.unwrap(),
            [ours.clone(), later.clone()]
        );
        assert_eq!(runs::of_incident(&mut tx, &"i1".into()).await.unwrap(), [later]);
        assert_eq!(runs::get(&mut tx, &ours.id).await.unwrap(), Some(ours));
    })
    .await;
}

#[tokio::test]
async fn nothing_follows_a_failed_statement_of_a_transaction() {
    each_database(async |database| {
        let (run, mut tx) = (run(), database.begin().await.unwrap());
        runs::insert(&mut tx, &run).await.unwrap();
        assert!(runs::insert(&mut tx, &run).await.is_err());
        let after = locks::take(&mut tx, "k", &run.id, Timestamp(1)).await;
        assert!(matches!(after, Err(StoreError::Refused(_))));
        assert!(tx.commit().await.is_err());
        let mut db = database.read().await.unwrap();
        assert_eq!(runs::get(&mut db, &run.id).await.unwrap(), None);
        drop(db);
        let mut tx = database.begin().await.unwrap();
        runs::insert(&mut tx, &run).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn schedules_fire_handoffs_happen_and_reviews_close_once() {
    each_database(async |database| {
        let mut tx = database.begin().await.unwrap();
        assert_eq!(schedules::last(&mut tx, "nightly").await.unwrap(), None);
        assert!(schedules::claim(&mut tx, "nightly", Timestamp(1)).await.unwrap());
        assert!(!schedules::claim(&mut tx, "nightly", Timestamp(1)).await.unwrap());
        assert!(schedules::claim(&mut tx, "nightly", Timestamp(2)).await.unwrap());
        assert_eq!(schedules::last(&mut tx, "nightly").await.unwrap(), Some(Timestamp(2)));

        let shift = || Handoff {
            id: HandoffId::new(),
            team: "infra".into(),
            at: Timestamp(5),
            outgoing: None,
            incoming: "leo".into(),
            message: MessageId::new(),
            accepted_at: None,
            accepted_by: None,
        };
        let mut first = shift();
        assert!(handoffs::insert(&mut tx, &first).await.unwrap());
        assert!(!handoffs::insert(&mut tx, &shift()).await.unwrap());
        assert!(handoffs::accept(&mut tx, &first.id, "leo", Timestamp(6)).await.unwrap());
        assert!(!handoffs::accept(&mut tx, &first.id, "ana", Timestamp(7)).await.unwrap());
        (first.accepted_at, first.accepted_by) = (Some(Timestamp(6)), Some("leo".into()));
        assert_eq!(handoffs::at(&mut tx, "infra", Timestamp(5)).await.unwrap(), Some(first.clone()));
        assert_eq!(handoffs::get(&mut tx, &first.id).await.unwrap(), Some(first));

        let mut review = Review {
            id: ReviewId::new(),
            run: RunId::new(),
            opened_by: "ana".into(),
            opened_at: Timestamp(1),
            reason: "all is down".into(),
            message: MessageId::new(),
            closed_by: None,
            closed_at: None,
            note: None,
        };
        reviews::insert(&mut tx, &review).await.unwrap();
        assert_eq!(reviews::open(&mut tx).await.unwrap(), [review.clone()]);
        assert!(reviews::close(&mut tx, &review.id, "leo", "right so", Timestamp(2)).await.unwrap());
        assert!(!reviews::close(&mut tx, &review.id, "eva", "again", Timestamp(3)).await.unwrap());
        assert_eq!(reviews::open(&mut tx).await.unwrap(), []);
        (review.closed_by, review.closed_at) = (Some("leo".into()), Some(Timestamp(2)));
        review.note = Some("right so".into());
        assert_eq!(reviews::get(&mut tx, &review.id).await.unwrap(), Some(review));
    })
    .await;
}

#[tokio::test]
async fn a_link_signs_in_once_and_a_session_ends_at_its_time() {
    each_database(async |database| {
        let mut tx = database.begin().await.unwrap();
        sessions::offer(&mut tx, "d1", "ana", Timestamp(100)).await.unwrap();
        sessions::offer(&mut tx, "d2", "leo", Timestamp(100)).await.unwrap();
        assert_eq!(sessions::redeem(&mut tx, "nobody's", Timestamp(50)).await.unwrap(), None);
        assert_eq!(sessions::redeem(&mut tx, "d1", Timestamp(50)).await.unwrap(), Some("ana".into()));
        assert_eq!(sessions::redeem(&mut tx, "d1", Timestamp(50)).await.unwrap(), None);
        sessions::begin(&mut tx, "s1", "ana", Timestamp(200)).await.unwrap();
        assert_eq!(sessions::redeem(&mut tx, "d2", Timestamp(100)).await.unwrap(), None);
        assert_eq!(sessions::person(&mut tx, "s1", Timestamp(199)).await.unwrap(), Some("ana".into()));
        assert_eq!(sessions::person(&mut tx, "s1", Timestamp(200)).await.unwrap(), None);
        sessions::end(&mut tx, "s1").await.unwrap();
        assert_eq!(sessions::person(&mut tx, "s1", Timestamp(199)).await.unwrap(), None);
    })
    .await;
}
