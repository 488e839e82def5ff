//! Monitors, escalation, schedules: what happens without anybody asking.

use sereno::clock::Timestamp;
use sereno::domain::timeline::EntryKind;
use sereno::store::timeline;

use crate::approvals::world;
use crate::books::{HEALTH, ROLLBACK};
use crate::harness::{Heard, Story, minutes, only, story, story_on};
use crate::stage::CONSOLE;

const PACK: (&str, &str) = (
    "shop/pack.yaml",
    r##"
about: The shop
severities:
  P1: { means: Nobody can buy, respond: 5m, resolve: 2h }
  P2: { means: It is slow, respond: 15m, resolve: 2h }
objectives: [{ name: Data lost, rto: 2h, rpo: 24h }]
contacts: [{ who: Night watch, how: "#all", when: nights }]
escalation:
  - { after: 2m, say: Go on with the next page. }
  - { after: 5m, severities: [P1], say: Wake the lead., on_call: true, roles: [lead] }
monitors:
  - { name: up, runbook: health, env: prod, every: 1m, failures: 3, successes: 2, severity: P1, title: The shop is down }
"##,
);

const BOOKS: &[(&str, &str)] = &[PACK, HEALTH, ROLLBACK];

fn health(s: &Story, text: &str) {
    std::fs::write(s.file("health"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_opens_an_incident_after_three_failures_and_closes_it_after_two_successes() {
    story(BOOKS, async |s| {
        world(s);
        s.settles().await;
        health(s, "error\n");
        s.waits(minutes(1)).await;
        s.waits(minutes(1)).await;
        assert!(s.channel("#infra").await.is_empty(), "twice may be chance");
        health(s, "ok\n");
        s.waits(minutes(1)).await;
        health(s, "error\n");
        for _ in 0..3 {
            s.waits(minutes(1)).await;
        }
        let incident = only(s.channel("#infra").await);
        assert_eq!(incident.card.title, "P1 The shop is down: open");
        let text = incident.card.text();
        assert!(text.contains("Its health health: error (expected: contains ok)"), "{text}");
        assert_eq!(incident.field("P1"), "Nobody can buy");
        assert!(incident.field("Answer by").contains("10:11"), "{text}");
        assert_eq!(incident.field("RTO / RPO"), "Data lost: 2h / 24h".replace("24h", "1d"));
        assert_eq!(incident.field("Call"), "Night watch (#all, nights)");
        let told = only(s.person("vic").says("#infra", "/ops monitors").await).card.text();
        assert!(told.contains("1 of 1 monitors sees something wrong"), "{told}");
        assert!(told.contains("shop/up | wrong, 3 in a row | Its health health: error"), "{told}");
        health(s, "melted\n");
        s.waits(minutes(1)).await;
        let thread = s.thread(&incident.id).await;
        assert!(thread.iter().any(|line| line.card.title.contains("melted")), "it tells what has changed: {thread:#?}");
        health(s, "ok\n");
        s.waits(minutes(1)).await;
        assert_eq!(s.message(&incident.id).await.card.state, "open", "once may be chance");
        s.waits(minutes(1)).await;
        assert_eq!(s.message(&incident.id).await.card.state, "resolved");
        let runs = s.channel("#infra").await.iter().filter(|heard| heard.card.state == "done").count();
        assert_eq!(runs, 0, "looks leave no messages behind");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_look_once_and_a_restart_forgets_nothing() {
    story_on(CONSOLE, BOOKS, async |s| {
        world(s);
        s.settles().await;
        health(s, "error\n");
        let other = s.replica().await;
        for _ in 0..2 {
            s.clock.forward(minutes(1));
            let (one, two) = tokio::join!(s.engine.settle(), other.settle());
            one.and(two).unwrap();
        }
        assert!(s.channel("#infra").await.is_empty(), "two looks, whoever looked");
        s.restarts().await;
        s.waits(minutes(1)).await;
        assert_eq!(only(s.channel("#infra").await).card.state, "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_and_others_are_called_once() {
    story(BOOKS, async |s| {
        world(s);
        s.alert("PaymentsDown", "critical", true).await;
        let incident = only(s.channel("#infra").await);
        let said = async |s: &Story, what: &str| {
            s.thread(&incident.id).await.iter().filter(|line| line.card.title.contains(what)).count()
        };
        s.waits(minutes(2)).await;
        assert_eq!(said(s, "next page").await, 1);
        s.waits(minutes(3)).await;
        let thread = s.thread(&incident.id).await;
        let call = thread.iter().find(|line| line.card.title.contains("Wake the lead")).expect("it escalates");
        assert_eq!(call.card.mentions, ["ana", "eva", "leo"], "the on-call, and who leads");
        let mut db = s.engine.store.read().await.unwrap();
        let written = timeline::between(&mut db, Timestamp(0), Timestamp(i64::MAX)).await.unwrap();
        let last = written.iter().rev().find(|entry| entry.kind == EntryKind::Escalated).unwrap();
        assert!(last.body.contains(&call.card.title), "the timeline has what was said: {}", last.body);
        drop(db);
        s.waits(minutes(30)).await;
        assert_eq!((said(s, "next page").await, said(s, "Wake the lead").await), (1, 1));
        s.audit_is_whole().await;
    })
    .await;
}

/// The pack's escalation says nothing at these moments: a severity's own clocks do.
#[tokio::test(flavor = "multi_thread")]
async fn the_thread_is_told_when_a_clock_has_run_out() {
    story(BOOKS, async |s| {
        world(s);
        let (said, card) = (
            async |s: &Story, incident: &Heard, what: &str| {
                let thread = s.thread(&incident.id).await;
                thread.iter().filter(|line| line.card.title.contains(what)).cloned().collect::<Vec<_>>()
            },
            async |s: &Story, incident: &Heard| s.message(&incident.id).await.card,
        );
        s.person("vic").says("#infra", "/ops incident P2 Slow searches").await;
        let incident = only(s.channel("#infra").await.into_iter().filter(|heard| heard.card.state == "open").collect());
        s.waits(minutes(14)).await;
        assert_eq!(said(s, &incident, "is over").await.len(), 0);
        assert!(!card(s, &incident).await.text().contains(", over"), "{}", card(s, &incident).await.text());
        s.waits(minutes(1)).await;
        let told = only(said(s, &incident, "The time to answer a P2, 15m, is over").await);
        assert!(told.card.title.contains("Called: Ana"), "{}", told.card.title);
        assert_eq!(told.card.mentions, ["ana"], "the on-call");
        let now = card(s, &incident).await;
        assert!(now.fields.iter().any(|field| field.name == "Answer by" && field.value.ends_with(", over")), "{now:?}");
        s.person("leo").presses(&s.message(&incident.id).await, "acknowledge").await;
        s.waits(minutes(105)).await;
        let told = only(said(s, &incident, "The time to resolve a P2, 2h, is over").await);
        assert!(told.card.title.contains("open for 2 h"), "{}", told.card.title);
        assert_eq!(told.card.mentions, ["ana", "leo"], "the on-call, and who took it");
        s.waits(minutes(60)).await;
        assert_eq!(said(s, &incident, "is over").await.len(), 2, "each once");
        s.audit_is_whole().await;
    })
    .await;
}

/// Whoever acknowledges and resolves in time hears of no clock.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_in_time_runs_out_of_no_clock() {
    story_on(CONSOLE, BOOKS, async |s| {
        world(s);
        s.person("vic").says("#infra", "/ops incident P2 Slow searches").await;
        let incident = only(s.channel("#infra").await.into_iter().filter(|heard| heard.card.state == "open").collect());
        s.waits(minutes(14)).await;
        s.person("leo").presses(&incident, "acknowledge").await;
        s.waits(minutes(60)).await;
        s.person("leo").presses(&s.message(&incident.id).await, "resolve").await;
        s.waits(minutes(120)).await;
        assert!(s.thread(&incident.id).await.iter().all(|line| !line.card.title.contains("is over")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_in_time_is_left_in_peace() {
    story_on(CONSOLE, BOOKS, async |s| {
        world(s);
        s.alert("PaymentsDown", "critical", true).await;
        let incident = only(s.channel("#infra").await);
        s.person("ana").presses(&incident, "acknowledge").await;
        let before = s.thread(&incident.id).await.len();
        s.waits(minutes(30)).await;
        assert_eq!(s.thread(&incident.id).await.len(), before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_look_takes_one_line_when_all_is_well_and_tells_all_when_it_is_not() {
    let morning = HEALTH.1.replace("next: [rollback]", "schedule: [{ cron: '0 11,12 * * *', env: prod }]");
    story_on(CONSOLE, &[("shop/pack.yaml", "about: The shop\n"), (HEALTH.0, &morning)], async |s| {
        world(s);
        s.waits(minutes(60)).await;
        let well = only(s.channel("#infra").await);
        assert!(well.card.table.is_none() && well.card.fields.is_empty(), "{}", well.card.text());
        assert!(well.card.title.contains("shop/health prod"), "{}", well.card.title);
        health(s, "error\n");
        s.waits(minutes(60)).await;
        let ill = s.hears("#infra").await;
        assert!(ill.card.text().contains("error"), "{}", ill.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_could_not_be_made_is_never_called_well() {
    let blind = "  - { id: disk, title: Is there room?, action: shell, effect: read, on_fail: continue, with: { argv: [/bin/false] } }\n";
    let morning = HEALTH.1.replace("next: [rollback]", "schedule: [{ cron: '0 11 * * *', env: prod }]") + blind;
    story_on(CONSOLE, &[("shop/pack.yaml", "about: The shop\n"), (HEALTH.0, &morning)], async |s| {
        world(s);
        s.waits(minutes(60)).await;
        let said = only(s.channel("#infra").await);
        assert!(said.card.title.ends_with("done, 1 of 2 not as expected"), "{}", said.card.title);
        assert!(said.card.text().contains("Is there room?"), "{}", said.card.text());
    })
    .await;
}
