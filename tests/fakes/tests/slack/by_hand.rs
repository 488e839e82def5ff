//! Used by hand: the page, its endpoints, the program.

use std::process::Command;

use serde_json::{Value, json};
use sereno_fakes::http;

use crate::app::{Link, Receiver, button, modal, ok, post, slack};

#[tokio::test]
async fn what_a_page_offers_reaches_the_app() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let at = |path: &str| format!("{}{path}", slack.url());
    let act = async |path: &str, fields: &[(&str, &str)]| http::post_form(&at(path), &[], fields).await.unwrap().status;

    let command = [("user", "U1"), ("channel", "C1"), ("text", "/ops health prod")];
    let (status, envelope) = tokio::join!(act("/_/slash", &command), link.take(Value::Null));
    assert_eq!((status, &envelope["payload"]["text"]), (303, &json!("health prod")));
    let view = modal(json!([{"type": "input", "block_id": "b", "label": {"type": "plain_text", "text": "L"},
        "element": {"type": "plain_text_input", "action_id": "a"}}]));
    ok(&slack, "views.open", json!({"trigger_id": envelope["payload"]["trigger_id"], "view": view})).await;
    let ts = post(&slack, json!({"channel": "C1", "text": "<b>", "blocks": [button("yes")]})).await;

    let page = http::get(&at("/")).await.unwrap().text();
    assert!(page.contains("action=\"/_/click\"") && page.contains("action=\"/_/submit\"") && page.contains(">Go<"));
    let click = [("user", "U1"), ("channel", "C1"), ("ts", ts.as_str()), ("action_id", "yes")];
    let (_, envelope) = tokio::join!(act("/_/click", &click), link.take(Value::Null));
    assert_eq!(envelope["payload"]["actions"][0]["action_id"], "yes");
    let view = slack.person("U1").views().pop().unwrap();
    let submit = [("user", "U1"), ("view", view.id.as_str()), ("a", "because")];
    let (_, envelope) = tokio::join!(act("/_/submit", &submit), link.take(Value::Null));
    assert_eq!(envelope["payload"]["view"]["state"]["values"]["b"]["a"]["value"], "because");
    act("/_/trouble", &[("method", "*"), ("count", "2"), ("kind", "429")]).await;
    assert_eq!(slack.with(|world| world.troubles.len()), 2);
    act("/_/disconnect", &[]).await;
    assert_eq!(link.next().await.unwrap()["reason"], "refresh_requested");
    let state = http::get(&at("/_/state")).await.unwrap().json();
    assert_eq!(state["channels"]["C1"][0]["ts"], ts);
}

#[tokio::test]
async fn who_sends_a_form_by_hand_learns_what_is_wrong_with_it() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let url = format!("{}/_/submit", slack.url());
    let send = async |view: &str, text: &str| {
        http::post_form(&url, &[], &[("user", "U1"), ("view", view), ("a", text)]).await.unwrap()
    };
    let open = async || {
        let state = http::get(&format!("{}/_/state", slack.url())).await.unwrap().json();
        state["views"].as_array().unwrap().len()
    };
    let person = slack.person("U1");
    let (heard, _) = tokio::join!(person.slash("C1", "/ops health"), link.take(Value::Null));
    let view = modal(json!([{"type": "input", "block_id": "b", "label": {"type": "plain_text", "text": "L"},
        "element": {"type": "plain_text_input", "action_id": "a"}}]));
    ok(&slack, "views.open", json!({"trigger_id": heard.trigger(), "view": view})).await;
    let view = person.views().pop().unwrap().id;

    assert_eq!(send("V404", "x").await.status, 422);
    let slip = send(&view, "").await;
    assert_eq!(slip.status, 422);
    assert!(slip.json()["problem"].as_str().unwrap().contains("required"), "{}", slip.text());
    let refused = json!({"response_action": "errors", "errors": {"b": "No such node."}});
    let (answer, _) = tokio::join!(send(&view, "node-x"), link.take(refused));
    assert_eq!((answer.status, &answer.json()["errors"]), (422, &json!({"b": "No such node."})));
    assert_eq!(open().await, 1, "the form stays");
    let (answer, _) = tokio::join!(send(&view, "node-3"), link.take(Value::Null));
    assert_eq!((answer.status, open().await), (303, 0), "a form that is closed is not on the screen");
}

#[tokio::test]
async fn a_slip_of_the_hand_does_not_end_the_page() {
    let receiver = Receiver::start().await;
    let slack = slack().await;
    let url = format!("{}/_/slash", slack.url());
    let fields = [("user", "nobody"), ("channel", "C1"), ("text", "/ops x")];
    assert_eq!(http::post_form(&url, &[], &fields).await.unwrap().status, 303);
    assert!(receiver.got().is_empty());
    assert_eq!(http::get(slack.url()).await.unwrap().status, 200);
}

#[test]
#[allow(clippy::disallowed_methods)] // the program is what is tested
fn the_program_says_how_it_is_used() {
    let told = Command::new(env!("CARGO_BIN_EXE_fake-slack")).arg("--help").output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.contains("--http URL") && text.contains("/_/slash"), "{text}");
    assert!(!Command::new(env!("CARGO_BIN_EXE_fake-slack")).arg("--nonsense").output().unwrap().status.success());
}
