//! Pages made of sample cards: every text from outside stays text, in both languages, on every page.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde_json::{Value as Json, json};

use super::templates;
use crate::chat::card::{Card, Press};
use crate::chat::cards::samples::{button, full, settings};
use crate::domain::actor::{Place, Platform};
use crate::domain::settings::Language;
use crate::http::view::CardView;
use crate::id::{MessageId, RunId};
use crate::store::messages::Message;
use crate::words::Words;

const HOSTILE: &str = "</pre><script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7*7 }} javascript:x";

fn view(card: Card, author: Option<&str>, whisper: bool) -> Json {
    let message = Message {
        id: MessageId::new(),
        seq: 1,
        revision: 7,
        place: Place::channel(Platform::Console, "#infra"),
        author: author.map(str::to_owned),
        whisper_to: whisper.then(|| "ana".to_owned()),
        reply_to: None,
        card: serde_json::to_value(card).unwrap(),
        presses: json!({}),
        version: 1,
        posted_version: 0,
        external: None,
        attempts: 0,
        not_before: None,
        again: false,
        error: None,
        at: crate::clock::Timestamp(1_772_334_720_000),
    };
    json!(CardView::of(message, &settings()))
}

fn frame(text: &str) -> Value {
    let channel = |name: &str| json!({"name": name, "platform": "console", "environment": null, "team": null});
    context! {
        name => text, revision => 7, open_incidents => 1,
        channels => Serde(json!([channel("#infra"), channel("#<b>shop")])),
    }
}

fn run(text: &str) -> Json {
    let step = |position: usize, state: &str, output: Json| {
        json!({"position": position, "title": text, "action": text, "effect": "change", "state": state, "attempt": 2,
            "undoes": 0, "line": text, "output": output, "started_at": "2026-03-01T03:12:00Z", "ended_at": null,
            "verdicts": [{"what": text, "expected": text, "observed": text, "holds": false}]})
    };
    json!({"id": "1", "state": "active", "command": text, "summary": text, "env": text, "by": "ana", "by_name": text,
        "cause": "asked", "created_at": "2026-03-01T03:12:00Z", "ended_at": null, "incident": "2", "channel": text,
        "message": "3", "about": text,
        "steps": [step(0, "done", json!(text)), step(1, "awaiting_approval", Json::Null)]})
}

fn incident(text: &str) -> Json {
    let entry = |seq: i64, kind: &str| {
        json!({"seq": seq, "at": "2026-03-01T03:12:00Z", "actor": "ana",
        "actor_name": text, "kind": kind, "line": text, "body": {"line": text}, "hash": "ab".repeat(32)})
    };
    json!({"id": "2", "state": "open", "severity": "P1", "title": text, "channel": text, "message": "3",
        "commander": text, "opened_at": "2026-03-01T03:12:00Z", "acknowledged_at": null, "resolved_at": null,
        "alerts": [{"name": text, "title": text, "firing": true, "labels": {text: text},
            "starts_at": "2026-03-01T03:12:00Z", "ends_at": null, "link": "http://prom:9090/g"}],
        "runs": [run(text)], "timeline": [entry(1, "opened"), entry(2, "step_started"), entry(3, "approved")]})
}

fn command(text: &str) -> Json {
    let param = |name: &str, kind: &str, choices: Json| {
        json!({"name": name, "kind": kind, "about": text,
        "required": true, "default": text, "choices": choices, "min": 1, "max": 9, "pattern": text, "longest": 64})
    };
    json!({"full_name": "shop/scale", "pack": "shop", "name": text, "aliases": [text], "summary": text, "about": text, "changes": true,
        "environments": [text, "prod"], "channels": [text], "steps": [text],
        "params": [param("service", "choice", json!([text])), param("replicas", "integer", json!([])),
            param("note", "text", json!([])), param("for", "duration", json!([]))]})
}

/// Every page with `text` wherever text from outside can be.
fn pages(text: &str) -> Vec<(&'static str, Value)> {
    let waiting = json!([{"id": "1", "run": "1", "command": text, "requester": "ana", "requester_name": text,
        "expires_at": "2026-03-01T03:12:00Z", "plan_digest": "", "short_digest": "", "steps": [], "message": "3",
        "agreed": 0, "needed": 1}]);
    let mut card = view(full(text), None, true);
    card["replies"] = json!(3);
    card["last_reply"] = json!("2026-03-01T03:12:00Z");
    let said = view(Card { title: text.to_owned(), ..Card::default() }, Some(text), false);
    let cards = json!([said, card]);
    let channel = context! { frame => frame(text), channel => text, path => "/c/infra", waiting => Serde(&waiting), cards => Serde(&cards) };
    vec![
        ("channel.html", channel),
        (
            "thread.html",
            context! { frame => frame(text), channel => text, path => "/c/infra", root => "1", title => text, cards => Serde(&cards) },
        ),
        ("card.html", context! { card => Serde(&card), back => "/" }),
        ("waiting.html", context! { waiting => Serde(&waiting) }),
        ("run.html", context! { frame => frame(text), run => Serde(run(text)) }),
        ("runs.html", context! { frame => frame(text), runs => Serde(json!([run(text)])) }),
        ("incident.html", context! { frame => frame(text), incident => Serde(incident(text)) }),
        ("incidents.html", context! { frame => frame(text), incidents => Serde(json!([incident(text)])) }),
        ("runbooks.html", context! { frame => frame(text), packs => Serde(json!({"shop": [command(text)]})) }),
        ("runbook.html", context! { frame => frame(text), command => Serde(command(text)) }),
        ("sign_in.html", context! { next => text, link => text, problem => text }),
        ("sign_in.html", context! { next => text, link => "", problem => text }),
        ("fault.html", context! { message => text, hint => text }),
        ("again.html", context! {}),
    ]
}

#[test]
fn text_from_outside_stays_text_on_every_page() {
    for language in Language::ALL {
        for (name, values) in pages(HOSTILE) {
            let html = templates::render(Words(*language), name, values).unwrap_or_else(|error| panic!("{error:#}"));
            assert!(!html.contains("<script>"), "{name}");
            assert!(!html.contains("<img src=x"), "{name}");
            assert!(!html.contains("\"'>"), "{name}");
            assert!(!html.contains("href=\"javascript"), "{name}");
            assert!(!html.contains("49 javascript"), "{name}: a text was read as a template");
            assert!(html.contains("&lt;script&gt;") || name == "again.html", "{name} shows the text");
        }
    }
}

#[test]
fn pages_name_their_language_and_keep_scripts_in_files() {
    for (name, values) in pages("plain") {
        let html = templates::render(Words(Language::Es), name, values).unwrap();
        if html.contains("<html") {
            assert!(html.contains("<html lang=\"es\">"), "{name}");
        }
        for forbidden in [" onclick", " onload", " style=", "<style", "javascript:"] {
            assert!(!html.contains(forbidden), "{name} has {forbidden}, which the policy forbids");
        }
    }
}

#[test]
fn a_press_never_leaves_the_house() {
    let card = Card { buttons: vec![button("stop", "Stop", false, Press::Cancel(RunId::new()))], ..full("x") };
    let run = match &card.buttons[0].press {
        Press::Cancel(run) => run.to_string(),
        _ => unreachable!(),
    };
    assert!(!view(card, None, false).to_string().contains(&run));
}
