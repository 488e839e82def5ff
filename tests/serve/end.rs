//! How it ends, and what it finds when it starts again: politely within 15 seconds whatever clients do, with no child
//! left behind; killed in the middle of a change, it asks people what became of that.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::install::{Install, Server, eventually, has_button, http, runs, token};

/// Starts a change that takes its time; its card, and the process that does it.
async fn start_slow_change(install: &Install) -> (Value, String) {
    let said = install.sereno(&["say", "--as", "ana", "#infra", "/ops migrate 5 dev", "--wait", "0s", "--json"]).await;
    let card = match said.cards().into_iter().next() {
        Some(card) => card,
        None => eventually("the run's card", async || newest(install).await).await,
    };
    let pid = eventually("the step's process", async || install.read("slow").lines().last().map(str::to_owned)).await;
    (card, pid)
}

async fn newest(install: &Install) -> Option<Value> {
    let cards = install.get("ana", "channels/infra/messages").await;
    cards.as_array()?.iter().rev().find(|card| card["author"] == "sereno").cloned()
}

/// The card as it is now.
async fn look(install: &Install, card: &Value) -> Value {
    install.get("ana", &format!("messages/{}", card["id"].as_str().unwrap())).await
}

#[tokio::test]
async fn it_ends_in_time_whatever_clients_do_and_leaves_no_child() {
    let install = Install::new();
    let mut server = install.serve().await;
    let (card, pid) = start_slow_change(&install).await;
    assert!(runs(&pid));

    let address = format!("127.0.0.1:{}", install.port);
    let mut sockets = Vec::new();
    for text in [
        String::new(),
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
        "POST /hooks/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer hook-secret\r\nContent-Length: 9000\r\n\r\n{"
            .to_owned(),
        "GET /live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", token("leo")),
    ] {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    let live = http().get(install.url("/api/v1/events")).bearer_auth(token("ana")).send().await.unwrap();

    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended(Duration::from_secs(15)).await, Some(0), "{}", server.log());
    assert!(!runs(&pid), "the step's process is gone");
    drop((sockets, live));

    let _again = install.serve().await;
    let after = eventually("the run's state after the end", async || {
        let card = look(&install, &card).await;
        (card["state"] != "running").then_some(card)
    })
    .await;
    let state = after["state"].as_str().unwrap();
    assert!(matches!(state, "unknown" | "failed"), "{after:#}");
    assert!(after["buttons"].as_array().is_some_and(|buttons| !buttons.is_empty()), "what to do next: {after:#}");
}

/// Applies a plan that takes this many seconds in a step that may take as long as `timeout`, and waits until a provider
/// works; the run's card.
async fn start_slow_apply(seconds: u32, timeout: &str) -> (Install, Server, Value) {
    let install = Install::new();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand_ins/terraform/terraform");
    install.configure("language: en", &format!("language: en\nprograms: {{ terraform: {program} }}"));
    install.write("commands/ops/apply.yaml", &APPLY.replace("TIMEOUT", timeout));
    install.write("infra/scenario", "create");
    let server = install.serve().await;
    install.write("infra/making", &seconds.to_string());
    install.sereno(&["say", "--as", "ana", "#infra", "/ops apply dev", "--wait", "0s", "--json"]).await;
    eventually("a provider at work", async || install.path("infra/begun").exists().then_some(())).await;
    let card = eventually("the run's card", async || newest(&install).await).await;
    (install, server, card)
}

const APPLY: &str = r#"name: apply
summary: Apply what is planned
environments: [dev]
allow: [{ roles: [operator] }]
steps:
  - { id: prepare, title: Prepare, action: terraform, with: { do: init, dir: "DIR/infra" }, timeout: 30s }
  - { id: plan, title: Plan, action: terraform, with: { do: plan, dir: "DIR/infra" }, timeout: 30s }
  - id: apply
    title: Apply
    action: terraform
    with: { do: apply, dir: "DIR/infra", plan_file: "{{ steps.plan.plan_file }}" }
    timeout: TIMEOUT
"#;

#[tokio::test]
async fn terraform_ends_its_work_and_saves_it_when_the_process_must_end() {
    // Longer than other steps may take to end.
    let (install, mut server, card) = start_slow_apply(8, "5m").await;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended(Duration::from_secs(75)).await, Some(0), "{}", server.log());
    assert!(install.path("infra/made").exists() && install.path("infra/saved").exists(), "{}", server.log());
    let _again = install.serve().await;
    let card = look(&install, &card).await;
    assert!(card["state"] == "unknown" && card.to_string().contains("cancelled"), "{card:#}");
}

#[tokio::test]
async fn terraform_ends_its_work_and_saves_it_when_its_time_is_up() {
    // Longer than the engine waits for other steps beyond their deadline.
    let (install, _server, card) = start_slow_apply(19, "1s").await;
    let card = eventually("its end", async || {
        let card = look(&install, &card).await;
        (card["state"] != "running").then_some(card)
    })
    .await;
    assert!(card["state"] == "unknown" && card.to_string().contains("not finished after 1 s"), "{card:#}");
    assert!(install.path("infra/made").exists() && install.path("infra/saved").exists());
}

/// A change with its way back, and a long look after it that would call for that.
const LOOKED_AFTER: &str = "name: ship\nsummary: Ships\nenvironments: [dev]\nallow: [{ roles: [operator] }]\nsteps:
  - id: ship
    title: Ship it
    action: shell
    effect: change
    with: { argv: [/bin/sh, \"DIR/effect.sh\", shipped, dev] }
    undo: { title: Take it back, action: shell, with: { argv: [/bin/sh, \"DIR/effect.sh\", back, dev] } }
  - id: look
    title: Look at it
    action: shell
    effect: read
    with: { argv: [/bin/sh, \"DIR/slow.sh\"] }
    timeout: 60s
    on_fail: undo
";

#[tokio::test]
async fn a_look_that_a_polite_end_cut_short_takes_nothing_back() {
    let install = Install::new();
    install.write("commands/ops/ship.yaml", LOOKED_AFTER);
    let mut server = install.serve().await;
    install.sereno(&["say", "--as", "ana", "#infra", "/ops ship dev", "--wait", "0s"]).await;
    eventually("the look", async || (!install.read("slow").is_empty()).then_some(())).await;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.ended(Duration::from_secs(15)).await, Some(0), "{}", server.log());
    install.write("release", "");
    let server = install.serve().await;
    let card = eventually("the end of the run", async || {
        newest(&install).await.filter(|card| card["state"] == "done" || card["state"] == "failed")
    })
    .await;
    assert_eq!((card["state"].as_str(), install.effects()), (Some("done"), vec!["shipped dev".to_owned()]), "{card:#}");
    server.stop().await;
}

#[tokio::test]
async fn a_change_that_was_cut_off_is_unknown_and_never_starts_again_by_itself() {
    let install = Install::new();
    let server = install.serve().await;
    let (card, pid) = start_slow_change(&install).await;
    server.kill().await;

    let server = install.serve().await;
    let started = std::time::Instant::now();
    let after = eventually("unknown", async || {
        let card = look(&install, &card).await;
        (card["state"] == "unknown").then_some(card)
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(10), "within ten seconds of its start");
    let id = |what: &str| {
        let buttons = after["buttons"].as_array().unwrap();
        let found = buttons.iter().find(|button| button["id"].as_str().unwrap().starts_with(what));
        found.unwrap_or_else(|| panic!("{what} on {after:#}"))["id"].as_str().unwrap().to_owned()
    };
    let (confirm, _) = (id("confirm"), id("rerun"));
    assert!(!has_button(&after, "approve"));
    assert_eq!(install.read("slow").lines().count(), 1, "started once");

    let settled = install.press("ana", &card, &confirm).await;
    assert_eq!(settled.code, 0, "{settled:#?}");
    assert_eq!(look(&install, &card).await["state"], "done");
    assert_eq!(install.read("slow").lines().collect::<Vec<_>>(), [pid], "and never again");
    install.write("release", "");
    server.stop().await;
    assert_eq!(install.sereno(&["audit", "verify"]).await.code, 0);
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    let install = Install::new();
    let mut accepted = Vec::new();
    for round in 0..5 {
        let server = install.serve().await;
        for number in 0..20 {
            let labels = serde_json::json!({"alertname": "Noise", "number": format!("{round}-{number}")});
            let body = crate::install::alert_body(&format!("noise {round} {number}"), &labels, true);
            if install.alert(&body).await.status().is_success() {
                accepted.push(format!("{round}-{number}"));
            }
        }
        server.kill().await;
    }
    let _server = install.serve().await;
    assert_eq!(accepted.len(), 100);
    eventually("an incident for each", async || {
        let incidents = install.get("ana", "incidents").await;
        (incidents.as_array()?.len() == accepted.len()).then_some(())
    })
    .await;
}
