//! Where two rules meet: undo and names, two choices of one look, waits under an approval, schedules that nobody may ask
//! for, locks that hold only other runs.

use std::sync::Arc;
use std::time::Duration;

use sereno::store::inbox::{self, DeliveryState};

use crate::approvals::{program, world};
use crate::books::{HEALTH, ROLLBACK};
use crate::harness::{Story, minutes, only, story_of, story_on};
use crate::stage::{CONSOLE, Stage};
use crate::support::on_sqlite;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_goes_by_the_names_of_the_run_that_did_it() {
    let book = "name: keep\nsummary: Keeps a copy\nenvironments: [prod]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: a, title: Keep it, action: shell, effect: change, with: { argv: [/bin/touch, '${dir}/kept-{{ run.id }}-{{ run.by }}'] },
      undo: { title: Drop it, action: shell, with: { argv: [/bin/rm, '${dir}/kept-{{ run.id }}-{{ run.by }}'] } } }\n";
    story_on(CONSOLE, &[("shop/keep.yaml", book)], async |s| {
        let kept = |s: &Story| {
            let names = std::fs::read_dir(s.file("")).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with("kept-")).count()
        };
        let run = only(s.person("ana").says("#infra", "/ops keep prod").await);
        s.person("leo").presses(&run, "approve").await;
        assert_eq!(kept(s), 1);
        let undo = only(s.person("eva").presses(&run, "undo").await);
        s.person("leo").presses(&undo, "approve").await;
        assert_eq!((s.message(&undo.id).await.card.state.as_str(), kept(s)), ("done", 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_values_are_chosen_among_what_one_look_found() {
    let book = "name: pick\nsummary: Picks two\nenvironments: [dev]\nallow: [{ roles: [operator] }]
params:
  - { name: service, type: from, step: look, path: json.services }
  - { name: version, type: from, step: look, path: json.versions }
steps:
  - { id: look, title: Look, action: shell, effect: read, with: { argv: [/bin/cat, '${dir}/found'] } }
  - { id: put, title: Put, action: shell, effect: change, with: { argv: ['${dir}/deploy', '{{ service }}', '{{ version }}'] } }\n";
    story_on(CONSOLE, &[("shop/pick.yaml", book)], async |s| {
        world(s);
        std::fs::write(s.file("found"), r#"{"services": ["api", "web"], "versions": ["v7", "v8"]}"#).unwrap();
        let card = only(s.person("ana").says("#infra", "/ops pick dev").await);
        for (choices, choice) in [(["api", "web"], "web"), (["v7", "v8"], "v8")] {
            let now = s.message(&card.id).await;
            assert_eq!(now.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices, choices, "{}", now.card.text());
            s.person("ana").presses_with(&now, "choose", &[("choice", choice)]).await;
        }
        assert_eq!(s.message(&card.id).await.card.state, "done");
        assert_eq!(s.effects(), ["web v8"]);
    })
    .await;
}

/// A change, a question to a person, and what does not come back; one approval is asked for both.
const CHECKED: (&str, &str) = (
    "shop/checked.yaml",
    "name: checked\nsummary: Changes, asks, destroys\nenvironments: [prod]\nallow: [{ roles: [operator] }]
approval: [{ count: 1, expires: 10m }]\nsteps:
  - { id: a, title: Stop it, action: shell, effect: change, with: { argv: ['${dir}/deploy', stop] } }
  - { id: b, title: Look, action: ask, with: { instructions: Is it quiet? } }
  - { id: c, title: Wipe it, action: shell, effect: destroy, with: { argv: ['${dir}/deploy', wipe] } }
  - { id: d, title: Start it, action: shell, effect: change, with: { argv: ['${dir}/deploy', start] } }\n",
);

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_waits_too_long_to_be_used_is_asked_for_again() {
    story_on(CONSOLE, &[CHECKED], async |s| {
        world(s);
        let run = only(s.person("ana").says("#infra", "/ops checked prod").await);
        s.person("leo").presses(&run, "approve").await;
        assert_eq!(s.effects(), ["stop"]);
        s.waits(minutes(60 * 24 * 4)).await;
        s.person("ana").presses(&run, "check").await;
        let again = s.message(&run.id).await;
        assert_eq!(again.card.state, "awaiting_approval", "{}", again.card.text());
        assert_eq!(s.effects(), ["stop"], "nobody has looked for four days");
        assert!(s.thread(&run.id).await.iter().any(|line| line.card.title.contains("too old by now")));
        s.person("leo").presses(&again, "approve").await;
        assert_eq!((s.message(&run.id).await.card.state.as_str(), s.effects().len()), ("done", 3));
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_covers_what_comes_after_a_short_question() {
    story_on(CONSOLE, &[CHECKED], async |s| {
        world(s);
        let run = only(s.person("ana").says("#infra", "/ops checked prod").await);
        s.person("leo").presses(&run, "approve").await;
        s.waits(minutes(9)).await;
        s.person("ana").presses(&run, "check").await;
        assert_eq!(s.effects(), ["stop", "wipe", "start"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schedule_left_unknown_is_settled_by_those_who_approve() {
    let book = "name: nightly\nsummary: Cleans at night\nenvironments: [dev]\nlock: shelf\nchannels: ['#all']
schedule: [{ cron: '0 12 * * *', channel: '#infra', env: dev }]\nsteps:
  - { id: slow, title: Clean, action: shell, effect: change, with: { argv: ['${dir}/slow'] }, timeout: 60s }\n";
    story_on(CONSOLE, &[("shop/nightly.yaml", book)], async |s| {
        world(s);
        program(s, "slow", "#!/bin/sh\necho started >> \"$(dirname \"$0\")/effects\"\nexec sleep 5\n");
        s.clock.forward(minutes(120));
        s.until(async |s| s.effects() == ["started"]).await;
        s.clock.forward(Duration::from_secs(10));
        s.restarts().await;
        s.settles().await;
        let card = s.hears("#infra").await;
        assert_eq!(card.card.state, "unknown", "{}", card.card.text());
        let told = only(s.person("vic").presses(&card, "confirm").await);
        assert_eq!(told.card.state, "not_known_here", "not by anybody");
        s.person("leo").presses(&card, "confirm").await;
        assert_eq!(s.message(&card.id).await.card.state, "done");
        let locks = only(s.person("ana").says("#infra", "/ops locks").await);
        assert_eq!(locks.card.title, "Nothing is locked.");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_that_only_starts_others_holds_the_lock_that_it_names() {
    let outer =
        "name: outer\nsummary: All of it\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nlock: target\nsteps:
  - { id: one, title: A part, action: run, with: { runbook: shop/part } }
  - { id: ask, title: Look, action: ask, with: { instructions: Is it quiet? } }
  - { id: two, title: Again, action: run, with: { runbook: shop/part } }\n";
    let part = "name: part\nsummary: A part\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nlock: target\nsteps:
  - { id: a, title: Do it, action: shell, effect: change, with: { argv: ['${dir}/deploy', part] } }\n";
    story_on(CONSOLE, &[("shop/outer.yaml", outer), ("shop/part.yaml", part)], async |s| {
        world(s);
        let run = only(s.person("ana").says("#infra", "/ops outer dev").await);
        assert_eq!(s.effects(), ["part"]);
        let told = only(s.person("leo").says("#infra", "/ops part dev").await);
        assert!(told.card.state == "locked" && told.card.title.contains("outer"), "{}", told.card.text());
        s.person("ana").presses(&run, "check").await;
        assert_eq!((s.message(&run.id).await.card.state.as_str(), s.effects().len()), ("done", 2));
    })
    .await;
}

/// An engine of containers that takes connections and never answers.
async fn black_hole() -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            all.push(stream);
        }
    });
    (address, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_hangs_holds_up_neither_other_requests_nor_other_runs() {
    let stuck = "name: stuck\nsummary: Restarts\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: a, title: Restart, action: docker, with: { do: restart, project: shop, service: api } }\n";
    on_sqlite(async |database| {
        let (address, hole) = black_hole().await;
        let config = Arc::new(move |text: &str| format!("{text}docker: {{ host: \"{address}\" }}\n"));
        let tell = async |s: &mut Story| {
            world(s);
            let plan = s.person("ana").sends("#infra", None, "/ops plan stuck dev").await;
            s.person("ana").sends("#infra", None, "/ops stuck dev").await;
            let title = |title: &'static str| {
                async move |s: &Story| s.channel("#infra").await.iter().any(|heard| heard.card.title.starts_with(title))
            };
            s.until(title("shop/stuck dev: running")).await;
            s.person("vic").sends("#infra", None, "/ops health prod").await;
            s.until(title("shop/health prod: done")).await;
            let state = inbox::state(&mut s.database.read().await.unwrap(), &plan).await.unwrap();
            assert_eq!(state, Some(DeliveryState::Taken), "nobody waited for the plan");
            assert!(title("shop/stuck dev: running")(s).await, "nor for the run");
            hole.abort(); // its connections break
            s.until(title("shop/stuck dev: failed")).await;
            s.settles().await;
            let state = inbox::state(&mut s.database.read().await.unwrap(), &plan).await.unwrap();
            assert_eq!(state, Some(DeliveryState::Done));
        };
        story_of(database, &[("shop/stuck.yaml", stuck), HEALTH, ROLLBACK], Stage::Console, config, &tell).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_means_the_button_that_was_seen() {
    let book = "name: walk\nsummary: Two looks\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nsteps:
  - { id: one, title: The door, action: ask, with: { instructions: Is the door shut?, evidence: true } }
  - { id: two, title: The backup, action: ask, with: { instructions: Is there a backup?, evidence: true } }\n";
    story_on(CONSOLE, &[("shop/walk.yaml", book)], async |s| {
        let card = only(s.person("ana").says("#infra", "/ops walk dev").await);
        let seen = card.card.button("check").unwrap().word();
        s.person("eva").presses_with(&card, "check", &[("evidence", "shut")]).await;
        // Leo had the form of the first one open.
        let told = only(s.person("leo").presses_with(&card, &seen, &[("evidence", "shut, too")]).await);
        assert_eq!(told.card.state, "step_moved_on", "{}", told.card.text());
        let now = s.message(&card.id).await;
        assert_eq!(now.card.state, "holding", "nobody has looked at the backup: {}", now.card.text());
        let seen = now.card.button("check").unwrap().word();
        s.person("leo").presses_with(&now, &seen, &[("evidence", "there is one")]).await;
        assert_eq!(s.message(&card.id).await.card.state, "done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedules_of_one_hour_are_two_and_one_that_finds_a_lock_says_so() {
    let book = "name: clean\nsummary: Cleans\nparams: [{ name: what, type: text }]\nenvironments: [dev]
allow: [{ roles: [operator] }]\nlock: \"{{ what }}\"
schedule:
  - { cron: '0 12 * * *', channel: '#infra', env: dev, args: { what: api } }
  - { cron: '0 12 * * *', channel: '#infra', env: dev, args: { what: web } }
  - { cron: '0 12 * * *', channel: '#infra', env: dev, args: { what: shop } }
steps:
  - { id: clean, title: Clean, action: shell, effect: change, with: { argv: ['${dir}/deploy', clean, '{{ what }}'] } }
  - { id: look, title: Look, action: ask, with: { instructions: Look around } }\n";
    story_on(CONSOLE, &[("shop/clean.yaml", book)], async |s| {
        world(s);
        let held = only(s.person("ana").says("#infra", "/ops clean shop dev").await);
        s.waits(minutes(120)).await;
        let mut effects = s.effects();
        effects.sort();
        assert_eq!(effects, ["clean api", "clean shop", "clean web"], "shop is Ana's");
        let heard = s.channel("#infra").await;
        let told: Vec<_> = heard.iter().filter(|heard| heard.card.state == "schedule_left_out").collect();
        assert_eq!(told.len(), 1, "{heard:#?}");
        let title = &told[0].card.title;
        assert!(title.starts_with("shop/clean shop dev did not start") && title.contains("held by Ana"), "{title}");
        s.person("ana").presses(&held, "cancel").await;
    })
    .await;
}
