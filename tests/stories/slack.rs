//! What only Slack can do to a story: clicks that come twice or too late, people from elsewhere, Slack away in the middle.

use sereno::store::messages;
use sereno_fakes::slack::{Message, Person};

use crate::approvals::world;
use crate::books::ALL;
use crate::harness::{Heard, Story, minutes, only, story_on};
use crate::stage::{SLACK, Town};

/// Ana asks for a rollback in prod.
async fn asks(s: &Story) -> (Heard, Message) {
    let ask = only(s.person("ana").says("#infra", "/ops rollback api prod").await);
    let shown = shown(s, &ask).await;
    assert_eq!(buttons(&shown), ["approve", "refuse", "cancel"]);
    (ask, shown)
}

/// A message as Slack shows it.
pub async fn shown(s: &Story, heard: &Heard) -> Message {
    let mut db = s.database.read().await.unwrap();
    let ts = messages::get(&mut db, &heard.id).await.unwrap().unwrap().external.unwrap();
    town(s).slack.channel("C1").message(&ts).unwrap()
}

fn town(s: &Story) -> &Town {
    s.town.as_ref().expect("the story is told in Slack")
}

fn buttons(message: &Message) -> Vec<String> {
    message.buttons().into_iter().map(|(id, _)| id).collect()
}

/// How many requests there are.
async fn requests(s: &Story) -> i64 {
    let mut db = s.database.read().await.unwrap();
    sereno::store::inbox::counts(&mut db).await.unwrap().iter().map(|(_, count)| count).sum()
}

/// Somebody clicks on what they have before them, and is told something alone: this line.
async fn is_told(s: &Story, who: &Person, message: &Message, button: &str) -> String {
    let before = who.ephemerals().len();
    town(s).keeps_time();
    let heard = who.click_stale(message, button).await;
    assert!(heard.acked, "{heard:?}");
    s.settles().await;
    town(s).slack.wait_for("a word alone", |_| (who.ephemerals().len() > before).then_some(())).await;
    who.ephemerals().pop().unwrap().words().lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_that_reaches_two_replicas_is_one_start_and_one_edit() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        let other = s.replica().await;
        let (ask, card) = asks(s).await;
        let before = requests(s).await;
        let town = town(s);
        town.slack.with(|world| world.twice = 1);
        let heard = town.person("leo").click(&card, "approve").await;
        assert!(heard.sent.len() == 2 && heard.sent.iter().all(|sent| sent.acked), "{heard:?}");
        assert_eq!(requests(s).await, before + 1);

        let (one, two) = tokio::join!(s.engine.settle(), other.settle());
        one.unwrap();
        two.unwrap();
        s.settles().await;
        assert_eq!(s.effects(), ["rollback api"], "one start");
        let done = s.message(&ask.id).await;
        assert_eq!((done.card.state.as_str(), done.field("Approval")), ("done", "approved by Leo"));
        let card = shown(s, &ask).await;
        assert!(card.words().contains("approved by Leo"), "{}", card.words());
        let written: Vec<_> =
            town.slack.calls_of("chat.update").into_iter().filter(|call| call.args["ts"] == *card.ts).collect();
        let mut states: Vec<_> = written.iter().map(|call| call.args["blocks"].to_string()).collect();
        states.dedup();
        assert_eq!(states.len(), written.len(), "no state is written twice");
        assert_eq!(card.edits.len(), written.len());
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_slack_is_away_the_console_goes_on_and_afterwards_the_thread_is_the_same() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        std::fs::write(s.file("health"), "down\n").unwrap();
        s.alert("ServiceDown", "critical", true).await;
        let root = s.hears("#infra").await;
        let ask = only(s.person("ana").presses(&root, "ask-1").await);
        let before = town(s).slack.channel("C1").all().len();

        town(s).outage(true).await;
        s.waits(minutes(2)).await;
        std::fs::write(s.file("health"), "ok\n").unwrap();
        s.person_at_console("leo").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["rollback api"], "the console is enough");
        let noted = only(s.person_at_console("ana").says_in(&root, "@sereno note the cache was cold").await);
        s.waits(minutes(3)).await;
        s.alert("ServiceDown", "critical", false).await;
        s.waits(minutes(5)).await;
        assert_eq!(s.message(&root.id).await.card.state, "resolved");
        assert_eq!(town(s).slack.channel("C1").all().len(), before, "Slack was away");

        town(s).outage(false).await;
        s.settles().await; // and Slack shows what the store says, each message once and in order
        let thread: Vec<Heard> = s.thread(&root.id).await.into_iter().skip(1).collect();
        let root = shown(s, &root).await;
        let replies = town(s).slack.channel("C1").thread(&root.ts);
        let ours: Vec<_> = thread.iter().filter(|heard| heard.whisper_to.is_none()).collect();
        let ours: Vec<_> = ours.into_iter().filter(|heard| heard.card.state != "said").collect();
        assert_eq!(replies.len(), ours.len());
        for (reply, heard) in replies.iter().zip(ours) {
            assert!(reply.words().contains(&heard.card.title), "{} in {}", heard.card.title, reply.words());
        }
        assert_eq!(replies.iter().filter(|reply| reply.words().contains(&noted.card.title)).count(), 1);
        assert!(shown(s, &ask).await.words().contains("approved by Leo"));
        assert!(buttons(&root).is_empty(), "it is resolved in Slack too: {}", root.words());
        // And Slack is heard again.
        let answer = only(s.person("ana").says("#infra", "/ops rollback web dev").await);
        assert_eq!(answer.card.state, "done", "{}", answer.card.text());
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_is_told_alone_and_the_message_says_who_decided() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        s.gives_roles("ana", &["operator", "lead"]);
        let slack = &town(s).slack;
        slack.with(|world| {
            world.person("T1", "UXAN", "xan");
            world.person("T2", "ULEO", "another-leo");
            world.channels.get_mut("C1").unwrap().members.insert("UXAN".into());
        });
        let (ask, card) = asks(s).await;
        let before = requests(s).await;

        let told = is_told(s, &town(s).person("ana"), &card, "approve").await;
        assert_eq!(told, "You asked for it, so somebody else must approve it.");
        let told = is_told(s, &town(s).person("vic"), &card, "approve").await;
        assert_eq!(told, "Not counted: it takes one of these roles: lead.");
        assert_eq!(requests(s).await, before + 2);
        let told = is_told(s, &slack.person("UXAN"), &card, "approve").await;
        assert!(told.contains("T1/UXAN"), "{told}");
        let told = is_told(s, &slack.person_of("T2", "ULEO"), &card, "approve").await;
        assert!(told.contains("T2/ULEO"), "{told}");
        assert_eq!(requests(s).await, before + 2, "strangers reach nothing");
        assert!(s.effects().is_empty());
        assert_eq!(buttons(&shown(s, &ask).await), buttons(&card), "nothing is decided");

        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["rollback api"]);
        let done = shown(s, &ask).await;
        assert!(done.words().contains("approved by Leo"), "{}", done.words());
        let decided = s.message(&ask.id).await.field("Decided at").to_owned();
        assert!(decided.starts_with("10:0") && done.words().contains(&decided), "and when: {}", done.words());
        let left = buttons(&done);
        assert!(["approve", "refuse", "cancel"].iter().all(|id| !left.contains(&(*id).to_owned())), "{left:?}");
        let told = is_told(s, &town(s).person("leo"), &card, "approve").await;
        assert_eq!(told, "Nothing to do: it was already approved by Leo.");
        let told = is_told(s, &town(s).person("eva"), &card, "approve").await;
        assert_eq!(told, "Nothing to do: it was already approved by Leo.");
        assert_eq!(s.effects(), ["rollback api"]);
        let channel = slack.channel("C1").all();
        assert!(channel.iter().all(|message| !message.words().contains("Nothing to do")), "told to nobody else");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_after_expiry_is_told_alone_and_the_message_says_that_it_expired() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        let (ask, card) = asks(s).await;
        s.waits(minutes(16)).await;
        let dead = shown(s, &ask).await;
        assert!(dead.words().contains("expired at 10:15"), "{}", dead.words());
        assert!(!buttons(&dead).contains(&"approve".to_owned()), "{:?}", buttons(&dead));
        let told = is_told(s, &town(s).person("leo"), &card, "approve").await;
        assert_eq!(told, "Not counted: it has expired. Ask for it again.");
        assert!(s.effects().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_who_when_and_why() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        let (ask, _) = asks(s).await;
        s.waits(minutes(2)).await;
        s.person("leo").presses_with(&ask, "refuse", &[("reason", "the backup runs")]).await;
        let refused = shown(s, &ask).await;
        for part in ["refused by Leo: the backup runs", "10:02:"] {
            assert!(refused.words().contains(part), "{part} in {}", refused.words());
        }
        assert!(!buttons(&refused).contains(&"approve".to_owned()), "{:?}", buttons(&refused));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_that_lacks_something_is_answered_with_a_button_that_opens_the_form() {
    story_on(SLACK, ALL, async |s| {
        world(s);
        let card = only(s.person("ana").says("#infra", "@sereno rollback").await);
        assert_eq!((card.card.state.as_str(), card.whisper_to.as_deref()), ("missing", Some("ana")));
        s.person("ana").presses_with(&card, "fill", &[("service", "api"), ("env", "dev")]).await;
        assert_eq!(s.effects(), ["rollback api"]);
        assert_eq!(s.hears("#infra").await.card.title, "shop/rollback api dev: done");
    })
    .await;
}
