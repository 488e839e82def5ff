//! Runs: locks, undo, cancel, waits, people's steps, other runbooks, schedules.

use crate::approvals::{program, world};
use crate::books::ALL;
use crate::harness::{minutes, only, story, story_on};
use crate::stage::CONSOLE;

#[tokio::test(flavor = "multi_thread")]
async fn a_held_lock_is_explained_and_given_back() {
    story(ALL, async |s| {
        world(s);
        let first = only(s.person("ana").says("#infra", "/ops rollback api prod").await);
        s.clock.forward(minutes(4));
        let told = only(s.person("eva").says("#infra", "/ops rollback api prod").await);
        assert_eq!(told.whisper_to.as_deref(), Some("eva"));
        assert_eq!(
            told.card.title,
            "prod/api is held by Ana: shop/rollback api prod, step 2 of 3, for 4 min. Wait for it, or cancel that run."
        );
        let other = only(s.person("eva").says("#infra", "/ops rollback web prod").await);
        assert_eq!(other.card.state, "awaiting_approval", "another target is another lock");
        s.person("leo").presses(&first, "approve").await;
        let again = only(s.person("eva").says("#infra", "/ops rollback api prod").await);
        assert_eq!(again.card.state, "awaiting_approval");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_step_undoes_what_was_done_and_nothing_else() {
    story(ALL, async |s| {
        world(s);
        let ask = only(s.person("ana").says("#infra", "/ops migrate prod").await);
        s.person("leo").presses(&ask, "approve").await;
        let failed = s.message(&ask.id).await;
        assert_eq!(failed.card.state, "failed", "{}", failed.card.text());
        assert_eq!(s.effects(), ["stop writers", "start writers"], "one approval covered the undo that it showed");
        assert!(!failed.buttons().contains(&"undo"), "what went back by itself is not taken back again");
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_be_planned_has_failed_and_the_run_goes_on() {
    let book =
        "name: lost\nsummary: Runs what is not there\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: a, title: Gone, action: shell, effect: read, on_fail: continue, with: { argv: [/no/such/program] } }
  - { id: b, title: There, action: note, with: { text: still here } }\n";
    story_on(CONSOLE, &[("shop/lost.yaml", book)], async |s| {
        let card = only(s.person("ana").says("#infra", "/ops lost dev").await);
        let text = s.message(&card.id).await.card.text();
        assert!(text.contains("It cannot be planned: there is no program “/no/such/program”"), "{text}");
        assert!(text.contains("There | done |  | still here"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_that_nobody_could_see_beforehand_is_asked_for_by_itself() {
    let book = (
        "shop/shift.yaml",
        "name: swap\nsummary: Swaps the release\nenvironments: [prod]\nallow: [{ roles: [operator] }]\nsteps:
  - id: swap
    title: Swap it
    action: shell
    effect: change
    with: { argv: [\"${dir}/deploy\", swap] }
    undo: { title: Swap it back, action: shell, with: { argv: [\"${dir}/deploy\", back, \"{{ steps.swap.lines.0 }}\"] } }
  - { id: check, title: Is it well?, action: shell, effect: read, on_fail: undo, with: { argv: [/bin/false] } }\n",
    );
    story_on(CONSOLE, &[book], async |s| {
        program(s, "deploy", "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/effects\"\necho v7\n");
        let run = only(s.person("ana").says("#infra", "/ops swap prod").await);
        s.person("leo").presses(&run, "approve").await;
        let ask = s.message(&run.id).await;
        assert_eq!(ask.card.state, "awaiting_approval", "{}", ask.card.text());
        assert_eq!(s.effects(), ["swap"]);
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["swap", "back v7"]);
        assert_eq!(s.message(&run.id).await.card.state, "failed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_undo_button_proposes_the_inverse_through_the_same_approvals() {
    story(ALL, async |s| {
        world(s);
        let ask = only(s.person("ana").says("#infra", "/ops rollback api prod").await);
        s.person("leo").presses(&ask, "approve").await;
        let told = only(s.person("vic").presses(&ask, "undo").await);
        assert_eq!(told.card.state, "denied");
        let undo = only(s.person("ana").presses(&ask, "undo").await);
        assert_eq!(undo.card.state, "awaiting_approval", "{}", undo.card.text());
        assert_eq!(s.effects(), ["rollback api"]);
        s.person("eva").presses(&undo, "approve").await;
        assert_eq!(s.effects(), ["rollback api", "forward api"]);
        let over = s.message(&ask.id).await;
        assert!(!over.buttons().contains(&"undo"), "it is not taken back twice: {:?}", over.buttons());
        assert!(over.card.text().contains("Put it back | done, and taken back"), "{}", over.card.text());
        let told = only(s.person("ana").presses(&ask, "undo").await);
        assert!(told.card.title.contains("already"), "by an old click, either: {}", told.card.text());
        assert_eq!(s.effects(), ["rollback api", "forward api"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_the_way_back_of_an_earlier_one_are_never_at_once() {
    let book =
        "name: close\nsummary: Close the shop for a while\nenvironments: [prod]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: a, title: Close it, action: shell, effect: change, with: { argv: [/bin/touch, '${dir}/closed'] },
      undo: { title: Open it, action: shell, with: { argv: [/bin/rm, '${dir}/closed'] } } }\n";
    story_on(CONSOLE, &[("shop/close.yaml", book)], async |s| {
        let run = only(s.person("ana").says("#infra", "/ops close prod").await);
        s.person("leo").presses(&run, "approve").await;
        let undo = only(s.person("ana").presses(&run, "undo").await);
        assert_eq!(undo.card.state, "awaiting_approval", "{}", undo.card.text());
        let told = only(s.person("ana").says("#infra", "/ops close prod").await);
        assert_eq!(told.card.state, "locked", "{}", told.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_stops_the_step_that_runs_and_says_so() {
    story(ALL, async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nsleep 600\n");
        s.person("ana").sends("#infra", None, "/ops slow dev").await;
        s.until(async |s| s.effects() == ["started"]).await;
        let card = s.hears("#infra").await;
        assert_eq!(card.card.state, "running");
        let told = s.person("vic").clicks(&card, "cancel", &[]).await;
        s.until(async |s| {
            let mut db = s.database.read().await.unwrap();
            !sereno::store::messages::replies_to(&mut db, &told).await.unwrap().is_empty()
        })
        .await;
        assert_eq!(s.message(&card.id).await.card.state, "running", "a viewer may not cancel it");
        s.person("ana").clicks(&card, "cancel", &[]).await;
        s.settles().await;
        let card = s.message(&card.id).await;
        assert_eq!(card.card.state, "cancelled", "{}", card.card.text());
        assert_eq!(card.field("Cancelled by"), "Ana");
        assert!(!alive("sleep 600"), "no child is left");
        s.audit_is_whole().await;
    })
    .await;
}

/// Runbooks that run the slow one inside another, all on one target.
const NESTED: &[(&str, &str)] = &[
    (
        "shop/outer.yaml",
        "name: outer\nsummary: All of it\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nlock: target\nsteps:
  - { id: touch, title: Begin, action: shell, effect: change, with: { argv: [/bin/true] } }
  - { id: inner, title: A part, action: run, with: { runbook: shop/inner } }\n",
    ),
    (
        "shop/inner.yaml",
        "name: inner\nsummary: A part of it\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nlock: part\nsteps:
  - { id: touch, title: Begin, action: shell, effect: change, with: { argv: [/bin/true] } }
  - { id: slow, title: The long part, action: run, with: { runbook: shop/slow } }\n",
    ),
    (
        "shop/slow.yaml",
        "name: slow\nsummary: Takes its time\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nlock: target\nsteps:
  - { id: slow, title: Take long, action: shell, effect: change, with: { argv: ['${dir}/slow'] }, timeout: 60s }\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_a_run_cancels_the_runs_that_it_waits_for() {
    story(NESTED, async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nsleep 601\n");
        s.person("ana").sends("#infra", None, "/ops outer dev").await;
        s.until(async |s| s.effects() == ["started"]).await;
        let outer = s.hears("#infra").await;
        assert_eq!(outer.card.title, "shop/outer dev: waiting", "{}", outer.card.text());
        s.person("ana").clicks(&outer, "cancel", &[]).await;
        s.until(async |s| s.message(&outer.id).await.card.state == "cancelled").await;
        assert!(!alive("sleep 601"), "what it waited for is stopped");
        for run in s.channel("#infra").await.iter().filter(|heard| heard.card.title.starts_with("shop/")) {
            assert_eq!(run.card.state, "cancelled", "{}", run.card.text());
            assert_eq!(run.field("Cancelled by"), "Ana");
        }
        let locks = only(s.person("ana").says("#infra", "/ops locks").await);
        assert!(!locks.card.text().contains("target"), "{}", locks.card.text());
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_starts_goes_all_the_way_down() {
    let outer = NESTED[0].1.replace("lock: target", "schedule: [{ cron: '0 12 * * *', channel: '#infra', env: dev }]");
    story_on(CONSOLE, &[("shop/outer.yaml", &outer), NESTED[1], NESTED[2]], async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho done >> \"$(dirname \"$0\")/effects\"\n");
        s.waits(minutes(120)).await;
        assert_eq!(s.effects(), ["done"], "{:#?}", s.channel("#infra").await);
        assert_eq!(s.hears("#infra").await.card.state, "done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_a_right_loses_it_for_the_runs_below_too() {
    let in_prod = |text: &str| {
        text.replace("[dev]", "[prod]")
            .replace("effect: change, with: { argv: [/bin/true] }", "with: { argv: [/bin/true] }, effect: read")
    };
    let [outer, inner, slow] = [0, 1, 2].map(|n| in_prod(NESTED[n].1));
    let books = [("shop/outer.yaml", outer.as_str()), ("shop/inner.yaml", &inner), ("shop/slow.yaml", &slow)];
    story_on(CONSOLE, &books, async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho done >> \"$(dirname \"$0\")/effects\"\n");
        let outer = only(s.person("ana").says("#infra", "/ops outer prod").await);
        let all = s.thread(&outer.id).await;
        let ask =
            all.iter().find(|heard| heard.card.state == "awaiting_approval").unwrap_or_else(|| panic!("{all:#?}"));
        s.gives_roles("ana", &["viewer"]);
        s.person("leo").presses(ask, "approve").await;
        assert!(s.effects().is_empty(), "who asked for all of it may no longer run it");
        assert_eq!(s.message(&outer.id).await.card.state, "failed");
    })
    .await;
}

/// What was done by then may be what must not stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_half_way_can_be_undone_from_its_card() {
    let book =
        "name: close\nsummary: Close the shop for a while\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: a, title: Close it, action: shell, effect: change, with: { argv: [/bin/touch, '${dir}/closed'] },
      undo: { title: Open it, action: shell, with: { argv: [/bin/rm, '${dir}/closed'] } } }
  - { id: b, title: Look, action: ask, with: { instructions: Look around } }\n";
    story(&[("shop/close.yaml", book)], async |s| {
        let run = only(s.person("ana").says("#infra", "/ops close dev").await);
        let held = s.message(&run.id).await;
        assert!(held.card.state == "holding" && !held.buttons().contains(&"undo"), "{}", held.card.text());
        s.person("ana").presses(&held, "cancel").await;
        let over = s.message(&run.id).await;
        assert_eq!((over.card.state.as_str(), s.file("closed").exists()), ("cancelled", true));
        s.person("ana").presses(&over, "undo").await;
        assert!(!s.file("closed").exists(), "{}", s.hears("#infra").await.card.text());
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_long_step_prints_is_followed_in_one_message_that_then_tells_what_it_came_to() {
    story(ALL, async |s| {
        world(s);
        program(
            s,
            "slow",
            "#!/bin/sh\necho one\necho two\nwhile [ ! -e \"$(dirname \"$0\")/go\" ]; do sleep 0.05; done\necho three\n",
        );
        s.person("ana").sends("#infra", None, "/ops slow dev").await;
        s.until(async |s| !s.channel("#infra").await.is_empty()).await;
        let card = s.hears("#infra").await;
        s.until(async |s| s.thread(&card.id).await.len() > 1).await;
        let live = s.thread(&card.id).await.pop().unwrap();
        assert_eq!(live.card.state, "running", "{}", live.card.text());
        assert_eq!(live.card.output.as_deref(), Some("one\ntwo"));
        assert!(live.card.text().contains("Still running; 2 lines so far"), "{}", live.card.text());
        std::fs::write(s.file("go"), "").unwrap();
        s.settles().await;
        let over = s.message(&live.id).await;
        assert_eq!((over.card.state.as_str(), over.card.output.as_deref()), ("done", Some("one\ntwo\nthree\n")));
        assert!(!over.card.text().contains("Still running"), "{}", over.card.text());
    })
    .await;
}

/// Whether a process with this command line runs.
fn alive(command: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").trim() == command
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checklist_waits_asks_runs_another_runbook_and_notes() {
    story(ALL, async |s| {
        world(s);
        let card = only(s.person("ana").says("#infra", "/ops shift dev").await);
        assert_eq!(card.card.state, "waiting");
        s.waits(minutes(9)).await;
        let waiting = s.message(&card.id).await;
        assert_eq!(waiting.card.state, "waiting");
        assert!(!waiting.buttons().contains(&"check"), "it still waits: {}", waiting.card.text());
        s.waits(minutes(1)).await;
        let card = s.message(&card.id).await;
        assert!(card.card.body.iter().any(|line| line == "Open the dashboard."), "{}", card.card.text());
        let told = only(s.person("ana").presses_with(&card, "check", &[("evidence", " ")]).await);
        assert_eq!(told.card.title, "Say what you saw; this step asks for evidence.");
        s.restarts().await;
        s.person("ana").presses_with(&card, "check", &[("evidence", "all green")]).await;
        let done = s.message(&card.id).await;
        assert_eq!(done.card.state, "done", "{}", done.card.text());
        let thread = s.thread(&card.id).await;
        assert!(
            thread.iter().any(|heard| heard.card.title == "shop/health dev: done, as expected"),
            "the other run answers in the thread"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_fires_once_a_moment_on_however_many_replicas() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let other = s.replica().await;
        s.waits(minutes(119)).await;
        assert!(s.channel("#infra").await.is_empty());
        s.clock.forward(minutes(1));
        let (one, two) = tokio::join!(s.engine.settle(), other.settle());
        one.unwrap();
        two.unwrap();
        s.settles().await;
        let heard = s.channel("#infra").await;
        assert_eq!(heard.len(), 1, "{heard:#?}");
        assert_eq!(heard[0].field("Asked by"), "its schedule");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_runbook_that_fails_is_tried_again_like_any_step() {
    let outer = "name: outer\nsummary: All of it\nallow: [{ roles: [operator] }]\nsteps:
  - { id: inner, title: A part, action: run, with: { runbook: shop/inner }, retry: { times: 1, delay: 1m } }\n";
    let inner = "name: inner\nsummary: A part\nallow: [{ roles: [operator] }]\nsteps:
  - { id: look, title: Look, action: shell, effect: read, with: { argv: [/bin/cat, '${dir}/there'] } }\n";
    story_on(CONSOLE, &[("shop/outer.yaml", outer), ("shop/inner.yaml", inner)], async |s| {
        let run = only(s.person("ana").says("#infra", "/ops outer").await);
        assert!(s.thread(&run.id).await.iter().any(|heard| heard.card.title.starts_with("shop/inner: failed")));
        std::fs::write(s.file("there"), "ok").unwrap();
        s.waits(minutes(1)).await;
        let over = s.message(&run.id).await;
        assert_eq!(over.card.state, "done", "{}", over.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_everything_and_touches_nothing() {
    story(ALL, async |s| {
        world(s);
        let plan = only(s.person("ana").says("#infra", "/ops plan migrate prod").await);
        let text = plan.card.text();
        for part in ["deploy stop writers", "deploy start writers", "/bin/false", "deploy never reached"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(s.effects().is_empty());
        let denied = only(s.person("vic").says("#infra", "/ops plan migrate prod").await);
        assert_eq!(denied.card.state, "denied");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_is_tried_again_after_its_delay() {
    let retry = (
        "shop/retry.yaml",
        r##"
name: retry
summary: Fails twice
allow: [ { roles: [viewer] } ]
steps:
  - id: third-time
    title: Third time
    action: shell
    effect: read
    with: { argv: ["${dir}/third"] }
    retry: { times: 2, delay: 30s }
"##,
    );
    story_on(CONSOLE, &[retry], async |s| {
        program(s, "third", "#!/bin/sh\nd=$(dirname \"$0\")\necho x >> $d/effects\ntest $(wc -l < $d/effects) -ge 3\n");
        let card = only(s.person("vic").says("#infra", "/ops retry").await);
        assert_eq!((card.card.state.as_str(), s.effects().len()), ("running", 1));
        s.waits(std::time::Duration::from_secs(29)).await;
        assert_eq!(s.effects().len(), 1);
        s.waits(std::time::Duration::from_secs(1)).await;
        s.waits(std::time::Duration::from_secs(30)).await;
        assert_eq!((s.message(&card.id).await.card.state.as_str(), s.effects().len()), ("done", 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_chosen_among_what_an_earlier_step_found() {
    story(ALL, async |s| {
        world(s);
        std::fs::write(s.file("versions"), "v7\nv8\n").unwrap();
        let card = only(s.person("ana").says("#infra", "/ops pick dev").await);
        assert_eq!(card.card.state, "holding", "{}", card.card.text());
        assert_eq!(card.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices, ["v7", "v8"]);
        s.person("ana").presses_with(&card, "choose", &[("choice", "v9")]).await;
        assert_eq!(s.message(&card.id).await.card.state, "holding");
        s.person("ana").presses_with(&card, "choose", &[("choice", "v7")]).await;
        assert_eq!(s.message(&card.id).await.card.title, "shop/pick v7 dev: done");
        assert_eq!(s.effects(), ["put v7"]);

        let wrong = only(s.person("ana").says("#infra", "/ops pick v9 dev").await);
        assert_eq!(wrong.card.state, "failed");
        assert!(
            wrong.card.text().contains("version cannot be “v9”: the choices found are v7, v8."),
            "{}",
            wrong.card.text()
        );
        let right = only(s.person("ana").says("#infra", "/ops pick v8 prod").await);
        assert!(right.card.text().contains("deploy put v8"), "{}", right.card.text());
        assert_eq!(s.effects(), ["put v7"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_no_plan_card_journal_or_run() {
    story(ALL, async |s| {
        world(s);
        let tell = "#!/bin/sh\nprintf %s \"$TOKEN\" | cut -c1-9 | tr -d '\\n'\nprintf %s \"$TOKEN\" | cut -c10-\n\
                    printf '%s' \"$TOKEN\" | base64\nprintf '{\"token\":\"%s\"}' \"$TOKEN\" >&2\n\
                    echo got ${#TOKEN} >> \"$(dirname \"$0\")/effects\"\n";
        program(s, "tell", tell);
        only(s.person("ana").says("#infra", "/ops plan leak prod").await);
        let ask = only(s.person("ana").says("#infra", "/ops leak prod").await);
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(s.effects(), ["got 19"], "the program was given the secret");
        let mut everything = everything_stored(s).await;
        if let Some(town) = &s.town {
            everything += &format!("{:?}", town.slack.calls());
        }
        assert!(everything.contains("[redacted canary]"), "what it told is there, without the secret");
        for form in ["canary-7f3a/sec+ret", "Y2FuYXJ5LTdmM2Evc2VjK3JldA", "canary-7f3a%2Fsec%2Bret"] {
            assert!(!everything.contains(form), "{form} leaked");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_within_a_run_works_under_the_lock_that_it_has() {
    let book = |name: &str, step: &str| {
        format!(
            "name: {name}\nsummary: Under one lock\nenvironments: [dev]\nallow: [ {{ roles: [operator] }} ]\n\
             lock: \"one lock\"\nsteps:\n  - {{ id: first, title: First, action: shell, effect: change, \
             with: {{ argv: [\"${{dir}}/deploy\", {name}, first] }} }}\n{step}"
        )
    };
    let (inner, outer) =
        (book("inner", ""), book("outer", "  - { id: inner, title: Inner, action: run, with: { runbook: inner } }\n"));
    story_on(CONSOLE, &[("shop/inner.yaml", &inner), ("shop/outer.yaml", &outer)], async |s| {
        world(s);
        let card = only(s.person("ana").says("#infra", "/ops outer dev").await);
        assert_eq!(card.card.state, "done", "{}", card.card.text());
        assert_eq!(s.effects(), ["outer first", "inner first"]);
        let locks = only(s.person("ana").says("#infra", "/ops locks").await);
        assert_eq!(locks.card.title, "Nothing is locked.");
    })
    .await;
}

/// Every text that the database holds about messages, runs, steps, approvals and the journal.
async fn everything_stored(s: &crate::harness::Story) -> String {
    use sereno::store::{approvals, messages, runs, steps, timeline};
    let mut db = s.database.read().await.unwrap();
    let mut all = Vec::new();
    all.extend(messages::changed(&mut db, 0, 10_000).await.unwrap().into_iter().map(|message| format!("{message:?}")));
    all.extend(timeline::page(&mut db, 0, 10_000).await.unwrap().into_iter().map(|entry| format!("{entry:?}")));
    for run in runs::latest(&mut db, 1_000).await.unwrap() {
        all.push(format!("{run:?}"));
        all.push(format!("{:?}", steps::of_run(&mut db, &run.id).await.unwrap()));
        all.push(format!("{:?}", approvals::of_run(&mut db, &run.id).await.unwrap()));
    }
    all.join("\n")
}
