//! Crashes: what was under way when the process died is shown as unknown, and a person decides.

use std::time::Duration;

use crate::approvals::{program, world};
use crate::books::ALL;
use crate::harness::{Heard, Story, only, story_on};
use crate::stage::CONSOLE;

/// A slow change whose process dies while it runs.
async fn dies_in_mid_step(s: &mut Story) -> Heard {
    world(s);
    program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nexec sleep 5\n");
    s.person("ana").sends("#infra", None, "/ops slow prod").await;
    s.until(async |s| s.hears("#infra").await.card.state == "awaiting_approval").await;
    let ask = s.hears("#infra").await;
    s.person("leo").clicks(&ask, "approve", &[]).await;
    s.until(async |s| s.effects() == ["started"]).await;
    s.clock.forward(Duration::from_secs(10));
    s.restarts().await;
    s.settles().await;
    s.message(&ask.id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_lost_in_a_crash_is_unknown_until_a_person_has_looked() {
    story_on(CONSOLE, ALL, async |s| {
        let card = dies_in_mid_step(s).await;
        assert_eq!(card.card.state, "unknown", "{}", card.card.text());
        assert_eq!(card.buttons(), ["confirm", "rerun", "cancel"]);
        assert_eq!(s.effects(), ["started"], "it is not run again by itself");
        let told = only(s.person("vic").presses(&card, "confirm").await);
        assert_eq!(told.card.state, "not_known_here");
        s.person("ana").presses(&card, "confirm").await;
        let done = s.message(&card.id).await;
        assert_eq!(done.card.state, "done", "{}", done.card.text());
        assert_eq!(s.effects(), ["started"]);
        s.audit_is_whole().await;
    })
    .await;
}

/// A step after which one always goes on elsewhere.
const FORK: (&str, &str) = (
    "shop/slow.yaml",
    r##"
name: slow
summary: Takes its time, and goes its way
environments: [prod]
allow:
  - { roles: [operator] }
steps:
  - { id: way, title: Which way, action: note, with: { text: slow }, branches: [{ when: [{ fact: text, is: fast }], goto: there }] }
  - { id: slow, title: Take long, action: shell, effect: change, with: { argv: ["${dir}/slow"] }, branches: [{ goto: here }] }
  - { id: there, title: The other way, action: note, with: { text: the other way } }
  - { id: here, title: This way, action: note, with: { text: this way } }
"##,
);

#[tokio::test(flavor = "multi_thread")]
async fn what_has_happened_goes_on_the_way_that_its_step_says() {
    story_on(CONSOLE, &[FORK], async |s| {
        let card = dies_in_mid_step(s).await;
        s.person("ana").presses(&card, "confirm").await;
        let done = s.message(&card.id).await.card;
        assert_eq!(done.state, "done", "{}", done.text());
        let steps = done.text();
        assert!(steps.contains("this way") && !steps.contains("the other way"), "{steps}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_it_again_takes_a_new_approval() {
    story_on(CONSOLE, ALL, async |s| {
        let card = dies_in_mid_step(s).await;
        s.person("ana").presses(&card, "rerun").await;
        let ask = s.message(&card.id).await;
        assert_eq!(ask.card.state, "awaiting_approval", "{}", ask.card.text());
        assert_eq!(s.effects(), ["started"]);
        program(s, "slow", "#!/bin/sh\necho again >> \"$(dirname \"$0\")/effects\"\n");
        s.person("leo").presses(&ask, "approve").await;
        // The program is another one than the one that was shown.
        assert_eq!(s.message(&card.id).await.card.state, "refused");
        assert_eq!(s.effects(), ["started"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_lost_again_and_again_is_not_repeated_for_ever() {
    let book = ("shop/slow.yaml", crate::books::SLOW.1.replace("effect: change", "effect: read"));
    story_on(CONSOLE, &[(book.0, &book.1)], async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nexec sleep 5\n");
        s.person("ana").sends("#infra", None, "/ops slow dev").await;
        for time in 1..=4 {
            s.until(async |s| s.effects().len() == time).await;
            s.clock.forward(Duration::from_secs(10));
            s.restarts().await;
        }
        s.settles().await;
        let card = s.hears("#infra").await;
        assert_eq!(s.effects().len(), 4, "three times by itself, and then a person is asked");
        assert_eq!((card.card.state.as_str(), card.buttons()), ("unknown", vec!["confirm", "rerun", "cancel"]));
    })
    .await;
}

/// A press that a replica took with it, and that comes back once its lease is over.
async fn presses_and_is_not_heard(s: &Story, who: &'static str, card: &Heard, button: &str) {
    s.person(who).clicks(card, button, &[]).await;
    s.loses_what_came().await;
    s.clock.forward(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_press_on_an_unknown_step_says_nothing_of_a_later_attempt() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nexec sleep 5\n");
        s.person("ana").sends("#infra", None, "/ops slow dev").await;
        s.until(async |s| s.effects().len() == 1).await;
        s.clock.forward(Duration::from_secs(10));
        s.restarts().await;
        s.settles().await;
        let card = s.hears("#infra").await;
        assert_eq!(card.card.state, "unknown", "{}", card.card.text());
        presses_and_is_not_heard(s, "ana", &card, "rerun").await;
        s.person("ana").clicks(&card, "rerun", &[]).await;
        s.until(async |s| s.effects().len() == 2).await;
        s.clock.forward(Duration::from_secs(60));
        s.restarts().await;
        s.settles().await;
        assert_eq!(s.message(&card.id).await.card.state, "unknown");
        assert_eq!(s.effects().len(), 2, "nobody looked after the second attempt");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_approval_says_nothing_of_a_later_plan() {
    story_on(CONSOLE, ALL, async |s| {
        let card = dies_in_mid_step(s).await;
        presses_and_is_not_heard(s, "eva", &card, "approve").await;
        s.person("ana").presses(&card, "rerun").await;
        s.waits(Duration::from_secs(60)).await;
        assert_eq!(s.message(&card.id).await.card.state, "awaiting_approval");
        assert_eq!(s.effects(), ["started"], "the second plan was approved by nobody");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_were_accepted_outlive_a_crash() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        for _ in 0..5 {
            s.person("vic").sends("#infra", None, "/ops health prod").await;
        }
        s.restarts().await;
        s.settles().await;
        let heard = s.channel("#infra").await;
        assert_eq!(heard.iter().filter(|heard| heard.card.title == "shop/health prod: done, as expected").count(), 5);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trails_head_is_posted_while_it_moves() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let mut settings = (*s.engine.settings.load_full()).clone();
        settings.audit_channel = Some("#all".into());
        s.engine.settings.store(std::sync::Arc::new(settings));
        s.person("vic").says("#infra", "/ops health prod").await;
        s.waits(Duration::from_secs(3600)).await;
        let head = s.hears("#all").await.card.title;
        let posted = head.split("--head ").nth(1).unwrap().split('`').next().unwrap().to_owned();
        let (seq, hash) = posted.split_once(':').unwrap();
        let anchor = sereno::audit::Anchor { seq: seq.parse().unwrap(), hash: hash.to_owned() };
        s.person("vic").says("#infra", "/ops health prod").await;
        sereno::audit::verify(&s.database, std::slice::from_ref(&anchor)).await.unwrap();
        let forged = sereno::audit::Anchor { hash: "0".repeat(64), ..anchor };
        assert!(sereno::audit::verify(&s.database, &[forged]).await.is_err());
    })
    .await;
}
