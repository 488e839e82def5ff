//! Alerts and incidents: the thread that opens itself.

use std::time::Duration;

use crate::approvals::world;
use crate::books::ALL;
use crate::harness::{only, story, story_on};
use crate::stage::CONSOLE;

#[tokio::test(flavor = "multi_thread")]
async fn a_diagnosis_ends_before_what_waits_for_a_person_or_is_another_run() {
    let other = "name: other\nsummary: Another\nallow: [{ roles: [viewer] }]\nsteps: [{ id: a, title: A, action: note, with: { text: a } }]\n";
    for waits in ["action: ask, with: { instructions: Look around }", "action: run, with: { runbook: other }"] {
        let book = format!(
            "name: look\nsummary: Looks\nallow: [{{ roles: [operator] }}]\nalerts: [{{ alertname: ServiceDown }}]\nsteps:
  - {{ id: read, title: Read, action: shell, effect: read, with: {{ argv: [/bin/cat, '${{dir}}/health'] }} }}
  - {{ id: more, title: More, {waits} }}\n"
        );
        story_on(CONSOLE, &[("shop/look.yaml", &book), ("shop/other.yaml", other)], async |s| {
            world(s);
            s.alert("ServiceDown", "critical", true).await;
            let thread = s.thread(&only(s.channel("#infra").await).id).await;
            let found = &thread[1].card;
            assert!(found.title.starts_with("Diagnosis") && found.state == "done", "{}", found.text());
            assert!(!found.text().contains("More"), "{}", found.text());
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_alert_to_the_approved_rollback_and_the_closed_incident() {
    story(ALL, async |s| {
        world(s);
        std::fs::write(s.file("health"), "down\n").unwrap();
        s.alert("ServiceDown", "critical", true).await;
        let root = only(s.channel("#infra").await);
        assert_eq!(root.card.title, "P1 ServiceDown is firing: open");
        assert_eq!(root.buttons(), ["acknowledge", "ask-1", "ask-2"]);
        assert_eq!(root.card.buttons[1].label, "rollback api prod");
        let diagnosis = s.thread(&root.id).await.swap_remove(1);
        assert_eq!(diagnosis.field("Asked by"), "the alert (read-only diagnosis)");
        assert!(diagnosis.card.title.starts_with("Diagnosis by the reading steps of "), "{}", diagnosis.card.title);
        assert!(diagnosis.card.title.ends_with(": done, as expected"), "{}", diagnosis.card.title);
        assert!(s.effects().is_empty(), "a diagnosis only reads");

        let on_it = only(s.person("ana").presses(&root, "acknowledge").await);
        assert_eq!(on_it.card.title, "Ana is on it.");
        let ask = only(s.person("ana").presses(&root, "ask-1").await);
        assert_eq!(ask.thread.as_ref(), Some(&root.id));
        std::fs::write(s.file("health"), "ok\n").unwrap();
        s.person("leo").presses(&ask, "Approve").await;
        assert_eq!(s.message(&ask.id).await.card.state, "done");
        assert_eq!(s.effects(), ["rollback api"]);

        s.alert("ServiceDown", "critical", false).await;
        let root = s.message(&root.id).await;
        assert_eq!(root.card.state, "resolved");
        assert!(root.buttons().is_empty());
        let last = s.thread(&root.id).await.pop().unwrap();
        assert_eq!(last.card.title, "All alerts are resolved; the incident is closed.");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_alert_again_changes_nothing_and_a_new_one_joins() {
    story(ALL, async |s| {
        world(s);
        s.alert("ServiceDown", "warning", true).await;
        let root = only(s.channel("#infra").await);
        let before = s.thread(&root.id).await.len();
        for _ in 0..5 {
            s.alert("ServiceDown", "warning", true).await;
        }
        assert_eq!(s.thread(&root.id).await.len(), before);
        s.alert("Slow", "critical", true).await;
        assert_eq!(s.channel("#infra").await.len(), 2, "another group is another incident");
        s.alert("ServiceDown", "warning", false).await;
        s.alert("ServiceDown", "warning", true).await;
        assert_eq!(s.channel("#infra").await.len(), 3, "after its end it is a new incident");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_its_own_end_overtook_does_not_stay_open() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        s.stores_alert("ServiceDown", "critical", true).await;
        s.loses_what_came().await;
        s.alert("ServiceDown", "critical", false).await;
        assert_eq!(s.channel("#infra").await.len(), 0, "nothing is open that could be closed");
        s.waits(Duration::from_secs(31)).await;
        let told = only(s.channel("#infra").await);
        assert_eq!(told.card.state, "resolved", "{}", told.card.text());
        // One that has not ended is open, however late it comes.
        s.stores_alert("DiskFull", "critical", true).await;
        s.loses_what_came().await;
        s.waits(Duration::from_secs(31)).await;
        assert_eq!(s.channel("#infra").await.last().unwrap().card.state, "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_replicas_and_duplicates_make_one_thread() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let other = s.replica().await;
        let body = |n: u32| {
            serde_json::json!({"version": "4", "groupKey": "one", "status": "firing", "alerts": [{
                "status": "firing", "fingerprint": format!("f{n}"), "startsAt": "2026-03-02T09:59:00Z",
                "endsAt": "0001-01-01T00:00:00Z", "labels": {"alertname": "Storm", "n": n.to_string()}, "annotations": {}}]})
        };
        for n in 0..40 {
            let input = sereno::store::inbox::Input::Hook { hook: "alertmanager".into(), body: body(n).to_string() };
            s.engine.accept(format!("hook:{n}"), input).await.unwrap();
        }
        let (one, two) = tokio::join!(s.engine.settle(), other.settle());
        one.unwrap();
        two.unwrap();
        // What a replica had to give back comes again.
        s.waits(std::time::Duration::from_secs(60)).await;
        assert_eq!(s.channel("#infra").await.len(), 1);
        let mut db = s.database.read().await.unwrap();
        let open = sereno::store::incidents::unresolved(&mut db).await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(sereno::store::incidents::alerts(&mut db, &open[0].id).await.unwrap().len(), 40);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_declare_note_and_close_incidents() {
    story(ALL, async |s| {
        world(s);
        let root = only(s.person("ana").says("#infra", "/ops incident P1 checkout is slow").await);
        assert_eq!(root.card.title, "P1 checkout is slow: open");
        let noted = only(s.person("leo").says_in(&root, "@sereno note the cache was cold").await);
        assert_eq!(noted.card.title, "Leo noted: the cache was cold");
        let told = only(s.person("leo").says("#infra", "/ops note nowhere").await);
        assert!(told.card.title.contains("in an incident's thread"));
        s.person("leo").says_in(&root, "/ops ack").await;
        let told = only(s.person("ana").says_in(&root, "/ops ack").await);
        assert_eq!(told.card.title, "Leo is already on it.");
        s.person("ana").says_in(&root, "/ops resolve").await;
        assert_eq!(s.message(&root.id).await.card.state, "resolved");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_incidents_thread_the_labels_fill_what_is_not_typed() {
    story(ALL, async |s| {
        world(s);
        s.alert("ServiceDown", "critical", true).await;
        let root = only(s.channel("#infra").await);
        let ask = only(s.person("ana").says_in(&root, "@sereno rollback").await);
        assert_eq!(ask.card.title, "shop/rollback api prod: waiting for approval");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_stays_text() {
    story(ALL, async |s| {
        world(s);
        let hostile = "{{ 7*7 }} <script>alert(1)</script> <!channel> `rm -rf` \u{202e}txt";
        let body = serde_json::json!({"version": "4", "groupKey": hostile, "status": "firing", "alerts": [{
            "status": "firing", "fingerprint": "f", "startsAt": "2026-03-02T09:59:00Z", "endsAt": "0001-01-01T00:00:00Z",
            "labels": {"alertname": "ServiceDown", "service": "$(reboot)", "env": "prod"},
            "annotations": {"summary": hostile}}]});
        let input = sereno::store::inbox::Input::Hook { hook: "alertmanager".into(), body: body.to_string() };
        s.engine.accept("hook:1".into(), input).await.unwrap();
        s.settles().await;
        let root = only(s.channel("#infra").await);
        assert!(root.card.title.contains("{{ 7*7 }}"), "{}", root.card.title);
        assert!(!root.card.title.contains('\u{202e}'), "no character turns the line round");
        // The label is no valid argument: whoever asks is told so, and nothing runs.
        let told = only(s.person("ana").presses(&root, "ask-1").await);
        assert_eq!(told.whisper_to.as_deref(), Some("ana"), "{}", told.card.text());
        assert!(s.effects().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_lacks_arguments_offers_nothing_that_would_run() {
    story(ALL, async |s| {
        world(s);
        s.alert("HighErrors", "critical", true).await;
        let root = s.hears("#infra").await;
        let before = s.thread(&root.id).await.len();
        for line in ["/ops plan rollback", "/ops why ana rollback", "/ops plan rolback"] {
            let told = only(s.person("ana").says_in(&root, line).await);
            assert_eq!(told.whisper_to.as_deref(), Some("ana"), "{}", told.card.text());
            assert_eq!(told.buttons(), [""; 0], "{line}: {}", told.card.text());
        }
        let said = s.thread(&root.id).await;
        assert_eq!(said.iter().filter(|heard| heard.card.state == "awaiting_approval").count(), 0);
        assert!(s.effects().is_empty() && said.len() >= before);
    })
    .await;
}
