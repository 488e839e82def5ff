//! Modals: opened by a trigger, filled in by people, answered by the app.

use std::time::Duration;

use serde_json::{Value, json};
use sereno_fakes::slack::{Person, Slack, View};

use crate::app::{Link, button, modal, ok, refused, slack};

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

fn input(id: &str, element: Value) -> Value {
    json!({"type": "input", "block_id": format!("{id}-block"), "label": plain(id), "element": element})
}

/// A form with one field of each kind that a runbook asks for.
fn form() -> Value {
    let option = |name: &str| json!({"text": plain(name), "value": name});
    let number = json!({"type": "number_input", "action_id": "count", "is_decimal_allowed": false, "max_value": "9"});
    let mut why = input("why", json!({"type": "plain_text_input", "action_id": "why", "max_length": 10}));
    why["optional"] = json!(true);
    modal(json!([
        input("env", json!({"type": "static_select", "action_id": "env", "options": [option("prod"), option("test")]})),
        input("service", json!({"type": "external_select", "action_id": "service", "min_query_length": 0})),
        input("count", number),
        why,
        button("more"),
    ]))
}

async fn trigger(slack: &Slack, link: &mut Link) -> String {
    let ana = slack.person("U1");
    tokio::join!(ana.slash("C1", "/ops"), link.take(Value::Null)).0.trigger().to_owned()
}

/// A form on Ana's screen.
async fn opened(view: Value) -> (Slack, Link, Person, View) {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let trigger = trigger(&slack, &mut link).await;
    ok(&slack, "views.open", json!({"trigger_id": trigger, "view": view})).await;
    let ana = slack.person("U1");
    let view = ana.views().pop().unwrap();
    (slack, link, ana, view)
}

#[tokio::test]
async fn a_trigger_is_good_once_and_for_three_seconds() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let open = |trigger: &str| json!({"trigger_id": trigger, "view": form()});
    let once = trigger(&slack, &mut link).await;
    ok(&slack, "views.open", open(&once)).await;
    assert_eq!(refused(&slack, "views.open", open(&once)).await, "exchanged_trigger_id");
    let late = trigger(&slack, &mut link).await;
    slack.clock().advance(Duration::from_millis(3_001));
    assert_eq!(refused(&slack, "views.open", open(&late)).await, "expired_trigger_id");
    assert_eq!(refused(&slack, "views.open", open("made.up")).await, "invalid_trigger_id");
    let many: Value = (0..90).map(|_| json!({"type": "section", "text": plain(&"x".repeat(3000))})).collect();
    let large = json!({"trigger_id": "x", "view": modal(many)});
    assert_eq!(refused(&slack, "views.open", large).await, "view_too_large");
    let nameless = json!({"trigger_id": "x", "view": {"type": "modal", "blocks": []}});
    assert_eq!(refused(&slack, "views.open", nameless).await, "invalid_arguments");
}

#[tokio::test]
async fn a_form_is_sent_with_its_state_and_closes() {
    let (slack, mut link, ana, view) = opened(form()).await;
    let options = json!({"options": [{"text": plain("API"), "value": "api"}]});
    let (found, said) = tokio::join!(ana.suggest(&view, "service", "a"), link.take(options));
    assert_eq!((&said["payload"]["type"], &said["payload"]["value"]), (&json!("block_suggestion"), &json!("a")));
    assert!(found.problem.is_none());
    let entries = [("env", "prod"), ("service", "api"), ("count", "3")];
    let (heard, said) = tokio::join!(ana.submit(&view, &entries), link.take(Value::Null));
    assert_eq!(heard.problem, None);
    let payload = &said["payload"];
    assert_eq!((&payload["type"], &payload["view"]["callback_id"]), (&json!("view_submission"), &json!("form")));
    let values = &payload["view"]["state"]["values"];
    assert_eq!(values["env-block"]["env"]["selected_option"]["value"], "prod");
    assert_eq!(values["service-block"]["service"]["selected_option"]["value"], "api");
    assert_eq!(values["count-block"]["count"], json!({"type": "number_input", "value": "3"}));
    assert_eq!(values["why-block"]["why"], json!({"type": "plain_text_input", "value": null}));
    assert!(ana.views().is_empty() && slack.complaints().is_empty());
}

#[tokio::test]
async fn the_own_slips_of_a_person_never_reach_the_app() {
    let (_slack, _link, ana, view) = opened(form()).await;
    for (entries, problem) in [
        (vec![("env", "prod"), ("count", "3")], "service-block: Please complete"),
        (vec![("env", "moon")], "moon is not offered"),
        (vec![("service", "api")], "api is not offered"),
        (vec![("count", "ten")], "Enter a number"),
        (vec![("count", "10")], "out of bounds"),
        (vec![("count", "1.5")], "whole number"),
        (vec![("why", "far too long a reason")], "too long"),
    ] {
        let heard = ana.submit(&view, &entries).await;
        assert!(heard.problem.as_ref().unwrap().contains(problem), "{entries:?}: {:?}", heard.problem);
        assert!(heard.sent.is_empty());
    }
}

#[tokio::test]
async fn the_app_answers_with_errors_another_view_or_an_end() {
    let (slack, mut link, ana, view) =
        opened(modal(json!([input("a", json!({"type": "plain_text_input", "action_id": "a"}))]))).await;
    let send = [("a", "x")];
    let errors = json!({"response_action": "errors", "errors": {"a-block": "Not this one."}});
    let (heard, _) = tokio::join!(ana.submit(&view, &send), link.take(errors));
    assert_eq!((heard.errors(), ana.views().len()), (vec![("a-block".to_owned(), "Not this one.".to_owned())], 1));
    let stray = json!({"response_action": "errors", "errors": {"b-block": "?"}});
    let (heard, _) = tokio::join!(ana.submit(&view, &send), link.take(stray));
    assert!(heard.problem.unwrap().contains("belong to no input"));
    let (heard, _) = tokio::join!(ana.submit(&view, &send), link.take(json!({"ok": true})));
    assert!(heard.problem.unwrap().contains("without response_action"));

    let update = json!({"response_action": "update", "view": modal(json!([{"type": "divider"}]))});
    tokio::join!(ana.submit(&view, &send), link.take(update));
    let now = ana.views().pop().unwrap();
    assert_eq!((now.id.as_str(), now.updates), (view.id.as_str(), 1));
    let push = json!({"response_action": "push", "view": modal(json!([{"type": "divider"}]))});
    tokio::join!(ana.submit(&now, &[]), link.take(push));
    assert_eq!(ana.views().len(), 2);
    let top = ana.views().pop().unwrap();
    assert_eq!(top.json["previous_view_id"], view.id);
    tokio::join!(ana.submit(&top, &[]), link.take(json!({"response_action": "clear"})));
    assert!(ana.views().is_empty());
    assert!(slack.complaints().is_empty());
}

#[tokio::test]
async fn views_are_updated_by_id_and_hash() {
    let (slack, _link, ana, view) = opened(form()).await;
    let args = |hash: &str| json!({"view_id": view.id, "hash": hash, "view": modal(json!([{"type": "divider"}]))});
    ok(&slack, "views.update", args(&view.hash)).await;
    assert_eq!(refused(&slack, "views.update", args(&view.hash)).await, "hash_conflict");
    assert_eq!(ana.views()[0].updates, 1);
    let none = json!({"view_id": "V0", "view": modal(json!([]))});
    assert_eq!(refused(&slack, "views.update", none).await, "not_found");
}

#[tokio::test]
async fn forms_are_stacked_three_high() {
    let (slack, mut link, ana, _) = opened(modal(json!([button("more")]))).await;
    for stacked in [2, 3, 4] {
        let top = ana.views().pop().unwrap();
        let (heard, _) = tokio::join!(ana.act_in(&top, "more", None, &[]), link.take(Value::Null));
        assert_eq!(heard.payload["container"], json!({"type": "view", "view_id": top.id}));
        let args = json!({"trigger_id": heard.trigger(), "view": modal(json!([button("more")]))});
        if stacked <= 3 {
            ok(&slack, "views.push", args).await;
            assert_eq!(ana.views().len(), stacked);
        } else {
            assert_eq!(refused(&slack, "views.push", args).await, "push_limit_reached");
        }
    }
}

#[tokio::test]
async fn the_end_of_a_form_is_told_where_that_is_asked() {
    let mut view = modal(json!([{"type": "divider"}]));
    view["notify_on_close"] = json!(true);
    let (_slack, mut link, ana, view) = opened(view).await;
    let (heard, _) = tokio::join!(ana.close(&view), link.take(Value::Null));
    assert_eq!((&heard.payload["type"], &heard.payload["is_cleared"]), (&json!("view_closed"), &json!(false)));
    assert!(ana.views().is_empty());
}

#[tokio::test]
async fn offers_are_held_to_their_limits() {
    let (_slack, mut link, ana, view) = opened(form()).await;
    let many: Value = (0..101).map(|at| json!({"text": plain("x"), "value": at.to_string()})).collect();
    let (heard, _) = tokio::join!(ana.suggest(&view, "service", ""), link.take(json!({"options": many})));
    assert!(heard.problem.unwrap().contains("no more than 100"));
    let (heard, _) = tokio::join!(ana.suggest(&view, "service", ""), link.take(json!({"options": []})));
    assert_eq!(heard.problem, None, "nothing found is an answer too");
}
