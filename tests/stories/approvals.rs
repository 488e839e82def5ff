//! Approvals: who may, until when, for what.

use sereno::domain::approval::ApprovalState;

use crate::books::ALL;
use crate::harness::{Heard, Story, minutes, only, story, story_on};
use crate::stage::CONSOLE;

/// The outside world: a service with two releases, and a deploy program that counts.
pub fn world(s: &Story) {
    std::fs::write(s.file("release"), "v2\n").unwrap();
    std::fs::write(s.file("health"), "ok\n").unwrap();
    program(s, "deploy", "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/effects\"\n");
}

/// A program in the story's folder.
pub fn program(s: &Story, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(s.file(name), text).unwrap();
    std::fs::set_permissions(s.file(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

async fn asks(s: &Story, line: &str) -> Heard {
    let card = only(s.person("ana").says("#infra", line).await);
    assert_eq!(card.card.state, "awaiting_approval", "{}", card.card.text());
    card
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_is_approved_by_typing_its_name() {
    let wipe = "name: wipe\nsummary: Starts again from nothing
params: [{ name: base, type: text, pattern: '[a-z_]+' }]
environments: [prod]
allow: [{ roles: [operator] }]
approval: [{ count: 1, confirm: '{{ base }}@{{ env }}' }]
steps:
  - { id: a, title: Wipe it, action: shell, effect: destroy, with: { argv: [\"${dir}/deploy\", wipe, '{{ base }}'] } }\n";
    story(&[("shop/wipe.yaml", wipe)], async |s| {
        world(s);
        let ask = only(s.person("ana").says("#infra", "/ops wipe shop prod").await);
        let form = ask.card.button("approve").unwrap().asks.clone().expect("it asks");
        assert_eq!(form.inputs[0].label, "Type shop@prod to approve");
        let told = only(s.person("leo").presses_with(&ask, "approve", &[("confirm", "shop")]).await);
        assert_eq!(told.card.title, "Not counted: this is approved by typing shop@prod, exactly.");
        assert!(s.effects().is_empty());
        s.person("leo").presses_with(&ask, "approve", &[("confirm", " shop@prod ")]).await;
        assert_eq!(s.effects(), ["wipe shop"]);
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_asked_approved_done_and_checked() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops rollback api prod").await;
        assert_eq!(ask.buttons(), ["approve", "refuse", "cancel"]);
        assert!(ask.card.text().contains("deploy rollback api"), "{}", ask.card.text());
        assert!(s.effects().is_empty(), "nothing happens before an approval");

        s.person("leo").presses(&ask, "approve").await;
        let done = s.message(&ask.id).await;
        assert_eq!(done.card.state, "done", "{}", done.card.text());
        assert_eq!(done.field("Approval"), "approved by Leo");
        let thread = s.thread(&ask.id).await;
        let call = thread.iter().find(|said| said.card.state == "granted").expect("the call says that it is over");
        assert!(call.card.title.starts_with("shop/rollback api prod: approved by Leo. Digest "), "{}", call.card.title);
        assert!(call.card.mentions.is_empty());
        assert_eq!(done.buttons(), ["undo", "ask-1"], "the deciding buttons are gone");
        assert_eq!(s.effects(), ["rollback api"]);
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requester_may_not_approve() {
    story(ALL, async |s| {
        world(s);
        s.gives_roles("ana", &["operator", "lead"]);
        let ask = asks(s, "/ops rollback api prod").await;
        let told = only(s.person("ana").presses(&ask, "approve").await);
        assert_eq!(told.whisper_to.as_deref(), Some("ana"));
        assert_eq!(told.card.title, "You asked for it, so somebody else must approve it.");
        assert_eq!(s.message(&ask.id).await.card.state, "awaiting_approval");
        assert!(s.effects().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_to_the_role_may_not_approve_nor_refuse() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops rollback api prod").await;
        for button in ["approve", "refuse"] {
            let told = only(s.person("vic").presses(&ask, button).await);
            assert_eq!(told.card.title, "Not counted: it takes one of these roles: lead.");
        }
        assert!(s.effects().is_empty());
        assert_eq!(s.message(&ask.id).await.card.state, "awaiting_approval");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_dies_at_its_expiry_whether_or_not_anybody_looked() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops rollback api prod").await;
        s.clock.forward(minutes(15));
        // The click comes before the clock's own pass.
        let told = only(s.person("leo").presses(&ask, "approve").await);
        assert!(told.card.title.starts_with("Not counted: it "), "{}", told.card.title);
        let dead = s.message(&ask.id).await;
        assert_eq!(dead.card.state, "refused");
        assert!(dead.field("Approval").starts_with("expired at 10:15"), "{}", dead.field("Approval"));
        assert!(s.effects().is_empty());

        let told = only(s.person("leo").presses(&dead, "approve").await);
        assert_eq!(told.card.title, "Not counted: it has expired. Ask for it again.");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_are_two_people_however_often_one_clicks() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops wipe prod").await;
        s.person("leo").presses(&ask, "approve").await;
        let told = only(s.person("leo").presses(&ask, "approve").await);
        assert_eq!(told.card.title, "You have already approved it; it waits for somebody else.");
        assert!(s.effects().is_empty());
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["wipe cache"]);
        assert_eq!(s.message(&ask.id).await.field("Approval"), "approved by Leo, Eva");

        let told = only(s.person("eva").presses(&ask, "approve").await);
        assert_eq!(told.card.title, "Nothing to do: it was already approved by Leo, Eva.");
        assert_eq!(s.effects().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destructive_step_needs_somebody_also_where_changes_do_not() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops wipe dev").await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["wipe cache"]);
        let free = only(s.person("ana").says("#infra", "/ops rollback api dev").await);
        assert_eq!(free.card.state, "done", "{}", free.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_run_now_is_not_what_was_approved() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops wipe prod").await;
        s.person("leo").presses(&ask, "approve").await;
        program(s, "deploy", "#!/bin/sh\necho worse >> \"$(dirname \"$0\")/effects\"\n");
        s.person("eva").presses(&ask, "approve").await;
        let void = s.message(&ask.id).await;
        assert_eq!(void.card.state, "refused");
        assert!(void.field("Approval").starts_with("void"), "{}", void.field("Approval"));
        assert!(s.effects().is_empty());
        let thread = s.thread(&ask.id).await;
        assert!(thread.iter().any(|heard| heard.card.title.contains("is not what was approved")));
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_never_changes_a_pending_plan() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops wipe prod").await;
        assert!(!s.edits("shop/wipe.yaml", "name: wipe\nsteps: nonsense\n"), "a broken file is refused");
        s.person("leo").presses(&ask, "approve").await;
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["wipe cache"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_read_at_the_click_and_again_at_the_start() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops wipe prod").await;
        s.person("leo").presses(&ask, "approve").await;
        s.gives_roles("leo", &["viewer"]);
        s.person("eva").presses(&ask, "approve").await;
        let void = s.message(&ask.id).await;
        assert_eq!(void.card.state, "refused", "{}", void.card.text());
        assert!(void.field("Approval").contains("no longer holds the role"), "{}", void.field("Approval"));
        assert!(s.effects().is_empty());

        let ask = asks(s, "/ops rollback api prod").await;
        s.gives_roles("ana", &["viewer"]);
        s.person("eva").presses(&ask, "approve").await;
        assert!(s.effects().is_empty(), "the requester may no longer run it");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_it_with_its_reason() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops rollback api prod").await;
        s.person("leo").presses_with(&ask, "refuse", &[("reason", "the backup runs")]).await;
        let refused = s.message(&ask.id).await;
        assert_eq!(refused.card.state, "refused");
        assert_eq!(refused.field("Approval"), "refused by Leo: the backup runs");
        assert!(s.effects().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_delivered_to_two_replicas_starts_once() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let other = s.replica().await;
        for round in 1..=10 {
            let ask = asks(s, "/ops rollback api prod").await;
            s.person("leo").clicks(&ask, "approve", &[]).await;
            s.person("eva").clicks(&ask, "approve", &[]).await;
            let (one, two) = tokio::join!(s.engine.settle(), other.settle());
            one.unwrap();
            two.unwrap();
            s.settles().await;
            assert_eq!(s.effects().len(), round);
            assert_eq!(s.message(&ask.id).await.card.state, "done");
        }
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_twice_is_one_request() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        use sereno::domain::actor::{Place, Platform};
        use sereno::store::inbox::Input;
        let place = Place::channel(Platform::Console, "#infra");
        let input = Input::Text { by: "ana".into(), place, text: "/ops rollback api dev".into() };
        for _ in 0..4 {
            s.engine.accept("slack:trigger-1".into(), input.clone()).await.unwrap();
            s.settles().await;
        }
        assert_eq!(s.effects(), ["rollback api"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_glass_is_broken_by_the_on_call_alone_with_a_reason_and_a_review() {
    story(ALL, async |s| {
        world(s);
        s.alert("ServiceDown", "critical", true).await;
        let root = s.hears("#infra").await;
        let ask = only(s.person("ana").presses(&root, "ask-1").await);
        assert!(!ask.buttons().contains(&"break-glass"));

        s.waits(minutes(5)).await;
        let ask = s.message(&ask.id).await;
        assert!(ask.buttons().contains(&"break-glass"), "{:?}", ask.buttons());
        let told = only(s.person("vic").presses_with(&ask, "break-glass", &[("reason", "because")]).await);
        assert_eq!(told.card.title, "Break-glass is for whoever is on call: Ana.");
        let told = only(s.person("ana").presses_with(&ask, "break-glass", &[("reason", "  ")]).await);
        assert!(told.card.title.contains("needs a reason"));
        assert!(s.effects().is_empty());

        let announced =
            s.person("ana").presses_with(&ask, "break-glass", &[("reason", "all is down, nobody answers")]).await;
        assert_eq!(announced.iter().map(|heard| heard.channel.as_str()).collect::<Vec<_>>(), ["#infra", "#all"]);
        assert_eq!(s.effects(), ["rollback api"]);
        assert!(s.message(&ask.id).await.field("Approval").starts_with("BREAK-GLASS by Ana"));

        let review = s.hears("#infra").await;
        assert_eq!(review.card.state, "review");
        let told = only(s.person("ana").presses_with(&review, "close-review", &[("note", "fine")]).await);
        assert_eq!(told.card.title, "You broke the glass, so somebody else must close the review.");
        s.person("leo").presses_with(&review, "close-review", &[("note", "it was right")]).await;
        assert_eq!(s.message(&review.id).await.card.state, "reviewed");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_survives_a_restart_and_so_does_its_deadline() {
    story(ALL, async |s| {
        world(s);
        let ask = asks(s, "/ops rollback api prod").await;
        s.restarts().await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["rollback api"]);

        let ask = asks(s, "/ops rollback api prod").await;
        s.restarts().await;
        s.waits(minutes(16)).await;
        assert_eq!(s.message(&ask.id).await.card.state, "refused");
        let mut db = s.database.read().await.unwrap();
        let pending = sereno::store::approvals::pending(&mut db).await.unwrap();
        assert!(pending.iter().all(|approval| approval.state != ApprovalState::Pending));
    })
    .await;
}
