//! The outbox: what should be said, in each channel's order, and what a live view learns of it.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use sereno::clock::Timestamp;
use sereno::domain::actor::{Place, Platform};
use sereno::domain::digest;
use sereno::id::MessageId;
use sereno::store::messages::{self, NEVER, NewMessage};
use sereno::store::{Db, Tx};
use support::each_database;

const NOW: Timestamp = Timestamp(1000);

fn said(channel: &str, card: Value) -> NewMessage {
    NewMessage {
        id: MessageId::new(),
        place: Place::channel(Platform::Console, channel),
        author: None,
        whisper_to: None,
        reply_to: None,
        card,
        at: NOW,
    }
}

async fn say(tx: &mut Tx, channel: &str) -> MessageId {
    let message = said(channel, json!({"title": "hello"}));
    messages::insert(tx, &message).await.unwrap();
    message.id
}

async fn due(db: &mut Db, now: Timestamp) -> Vec<MessageId> {
    let due = messages::due(db, Platform::Console, now, 50).await.unwrap();
    due.into_iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn what_was_read_before_it_changed_is_not_claimed() {
    each_database(async |store| {
        let mut tx = store.begin().await.unwrap();
        let id = say(&mut tx, "#a").await;
        let read = messages::get(&mut tx, &id).await.unwrap().unwrap();
        // Another replica posts it, and it changes again, before this one claims what it read.
        messages::posted(&mut tx, &id, read.version, "x1").await.unwrap();
        messages::edit(&mut tx, &id, &json!({"title": "changed"})).await.unwrap();
        assert!(!messages::claim(&mut tx, &read, NOW, NOW.after(Duration::from_secs(30))).await.unwrap());
        let read = messages::get(&mut tx, &id).await.unwrap().unwrap();
        assert!(messages::claim(&mut tx, &read, NOW, NOW.after(Duration::from_secs(30))).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_was_put_off_or_given_back_stays_what_it_was() {
    each_database(async |store| {
        let mut tx = store.begin().await.unwrap();
        let id = say(&mut tx, "#a").await;
        let read = async |tx: &mut Tx| messages::get(tx, &id).await.unwrap().unwrap();
        let first = read(&mut tx).await;
        // The platform takes nothing until then, whatever there is to say meanwhile.
        messages::pause(&mut tx, &first, Timestamp(31_000)).await.unwrap();
        messages::edit(&mut tx, &id, &json!({"title": "changed"})).await.unwrap();
        assert_eq!(due(&mut tx, Timestamp(30_999)).await, []);
        assert_eq!(due(&mut tx, Timestamp(31_000)).await, std::slice::from_ref(&id));
        // One that was given up is tried anew when it changes.
        messages::postpone(&mut tx, &id, messages::NEVER, "no such channel").await.unwrap();
        assert_eq!(due(&mut tx, Timestamp(i64::MAX - 1)).await, []);
        messages::edit(&mut tx, &id, &json!({"title": "mended"})).await.unwrap();
        assert_eq!(due(&mut tx, NOW).await, std::slice::from_ref(&id));

        // A replica that died had it; who gives it back untried does not forget that.
        let id = say(&mut tx, "#b").await;
        let read = async |tx: &mut Tx| messages::get(tx, &id).await.unwrap().unwrap();
        let first = read(&mut tx).await;
        assert!(!first.again && messages::claim(&mut tx, &first, NOW, Timestamp(2000)).await.unwrap());
        let lost = read(&mut tx).await;
        assert!(lost.again && messages::claim(&mut tx, &lost, Timestamp(2001), Timestamp(3000)).await.unwrap());
        messages::give_back(&mut tx, &lost, Timestamp(3000)).await.unwrap();
        let again = read(&mut tx).await;
        assert!(again.again, "it may be there already");
        messages::pause(&mut tx, &again, Timestamp(4000)).await.unwrap();
        assert!(read(&mut tx).await.again);
        assert_eq!(due(&mut tx, Timestamp(4000)).await.last(), Some(&id));
    })
    .await;
}

#[tokio::test]
async fn first_posts_keep_their_channels_order_and_a_channel_waits_as_a_whole() {
    each_database(async |store| {
        let mut tx = store.begin().await.unwrap();
        let (a1, a2, b1) = (say(&mut tx, "#a").await, say(&mut tx, "#a").await, say(&mut tx, "#b").await);
        assert_eq!(due(&mut tx, NOW).await, [a1.clone(), a2.clone(), b1.clone()]);
        messages::postpone(&mut tx, &a1, Timestamp(2000), "too fast").await.unwrap();
        assert_eq!(due(&mut tx, Timestamp(1999)).await, std::slice::from_ref(&b1));
        assert_eq!(messages::undelivered(&mut tx).await.unwrap(), 1);
        assert_eq!(due(&mut tx, Timestamp(2000)).await, [a1.clone(), a2.clone(), b1.clone()]);
        // Nor does anything overtake what another replica is about to post.
        let read = messages::get(&mut tx, &a1).await.unwrap().unwrap();
        assert!(messages::claim(&mut tx, &read, Timestamp(2000), Timestamp(3000)).await.unwrap());
        assert_eq!(due(&mut tx, Timestamp(2000)).await, std::slice::from_ref(&b1));
        messages::give_back(&mut tx, &read, Timestamp(2999)).await.unwrap();
        assert_eq!(due(&mut tx, Timestamp(2000)).await, std::slice::from_ref(&b1), "it is another claim's");
        messages::give_back(&mut tx, &read, Timestamp(3000)).await.unwrap();
        assert_eq!(due(&mut tx, Timestamp(2000)).await, [a1.clone(), a2.clone(), b1.clone()]);
        messages::posted(&mut tx, &a1, 1, "x1").await.unwrap();
        assert_eq!(due(&mut tx, NOW).await, [a2.clone(), b1.clone()]);
        // An edit of what is posted already need not wait for what is not.
        messages::edit(&mut tx, &a1, &json!({"title": "changed"})).await.unwrap();
        assert_eq!(due(&mut tx, NOW).await, [a1.clone(), a2.clone(), b1.clone()]);
        // What will never be taken holds nobody up, until it is changed.
        let a3 = say(&mut tx, "#a").await;
        messages::postpone(&mut tx, &a2, NEVER, "refused").await.unwrap();
        assert_eq!(due(&mut tx, NOW).await, [a1.clone(), b1.clone(), a3.clone()]);
        messages::edit(&mut tx, &a2, &json!({"title": "shorter"})).await.unwrap();
        assert_eq!(due(&mut tx, NOW).await, [a1, a2, b1, a3]);
        assert_eq!(messages::due(&mut tx, Platform::Slack, NOW, 50).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_message_remembers_every_button_and_is_never_posted_backwards() {
    each_database(async |store| {
        let mut tx = store.begin().await.unwrap();
        let asked = json!({"title": "Approve?", "buttons": [
            {"id": "approve", "label": "Approve", "press": {"approve": "A"}},
            {"id": "refuse", "label": "Refuse", "press": {"refuse": "A"}}]});
        let message = said("#a", asked.clone());
        messages::insert(&mut tx, &message).await.unwrap();
        let before = messages::revision(&mut tx).await.unwrap();
        messages::edit(&mut tx, &message.id, &asked).await.unwrap();
        assert_eq!(messages::revision(&mut tx).await.unwrap(), before);
        let done = json!({"title": "Approved", "buttons": [
            {"id": "approve", "label": "Again", "press": {"approve": "B"}},
            {"id": "undo", "label": "Undo", "press": {"undo": "R"}}]});
        messages::edit(&mut tx, &message.id, &done).await.unwrap();
        messages::posted(&mut tx, &message.id, 2, "x2").await.unwrap();
        messages::posted(&mut tx, &message.id, 1, "x1").await.unwrap();
        let stored = messages::get(&mut tx, &message.id).await.unwrap().unwrap();
        assert_eq!((stored.version, stored.posted_version, stored.external.as_deref()), (2, 2, Some("x2")));
        assert_eq!(stored.revision, before + 1);
        assert_eq!(stored.card, done);
        // By its id a button is the one that has it now; by its word it is the one that was seen.
        for (id, was, now) in [("approve", "A", "B"), ("refuse", "A", "A")] {
            assert_eq!(stored.presses[id], json!({id: now}));
            let word = digest::marked(id, &digest::mark(&json!({id: was})));
            assert_eq!(stored.presses[&word], json!({id: was}));
        }
        assert_eq!(stored.presses["undo"], json!({"undo": "R"}));
        assert!(messages::edit(&mut tx, &MessageId::new(), &done).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn threads_channels_and_whispers_are_read_in_order_by_whom_they_are_for() {
    each_database(async |store| {
        let mut tx = store.begin().await.unwrap();
        let (first, root) = (say(&mut tx, "#a").await, say(&mut tx, "#a").await);
        let mut whisper = said("#a", json!({}));
        (whisper.whisper_to, whisper.reply_to) = (Some("ana".into()), Some("d1".into()));
        messages::insert(&mut tx, &whisper).await.unwrap();
        let mut reply = said("#a", json!({}));
        reply.place = reply.place.under(&root);
        messages::insert(&mut tx, &reply).await.unwrap();
        let ids = |found: Vec<messages::Message>| found.into_iter().map(|message| message.id).collect::<Vec<_>>();
        let channel =
            async |tx: &mut Tx, person: &str, limit| ids(messages::channel(tx, "#a", person, limit).await.unwrap());
        assert_eq!(channel(&mut tx, "ana", 9).await, [first.clone(), root.clone(), whisper.id.clone()]);
        assert_eq!(channel(&mut tx, "leo", 9).await, [first.clone(), root.clone()]);
        assert_eq!(channel(&mut tx, "leo", 1).await, std::slice::from_ref(&root));
        assert_eq!(ids(messages::thread(&mut tx, &root).await.unwrap()), [root.clone(), reply.id.clone()]);
        assert_eq!(ids(messages::replies_to(&mut tx, &"d1".into()).await.unwrap()), std::slice::from_ref(&whisper.id));
        let seen = messages::revision(&mut tx).await.unwrap();
        messages::edit(&mut tx, &root, &json!({"title": "new"})).await.unwrap();
        messages::edit(&mut tx, &first, &json!({"title": "new"})).await.unwrap();
        assert_eq!(ids(messages::changed(&mut tx, seen, 9).await.unwrap()), [root, first]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_view_misses_nothing_while_many_write() {
    each_database(async |store| {
        let writers = (0..8).map(|_| {
            let store = if store.is_sqlite() { store.clone() } else { store.another() };
            tokio::spawn(async move {
                for _ in 0..20 {
                    let mut tx = store.begin().await.unwrap();
                    let id = say(&mut tx, "#a").await;
                    messages::edit(&mut tx, &id, &json!({"title": "edited"})).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let (mut after, mut seen) = (0, 0);
        while seen < 160 {
            let mut db = store.read().await.unwrap();
            for message in messages::changed(&mut db, after, 7).await.unwrap() {
                assert!(message.revision > after);
                (after, seen) = (message.revision, seen + 1);
            }
            let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
            let nothing_left = messages::changed(&mut db, after, 1).await.unwrap().is_empty();
            assert!(!(over && nothing_left && seen < 160), "{seen} of 160 were seen");
        }
        for writer in writers {
            writer.await.unwrap();
        }
    })
    .await;
}
