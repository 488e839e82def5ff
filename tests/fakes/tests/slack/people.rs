//! What people do: clicks, shortcuts, reactions, home, answers by response_url; and what they cannot do.

use std::time::Duration;

use serde_json::{Value, json};
use sereno_fakes::http;
use sereno_fakes::slack::{Heard, Message, Slack};

use crate::app::{Link, button, ok, post, slack};

/// A fake with an app on its socket, and a message with a button.
async fn with_button() -> (Slack, Link, Message) {
    let slack = slack().await;
    let (link, _) = Link::open(&slack).await;
    let ts = post(&slack, json!({"channel": "C1", "text": "approve?", "blocks": [button("yes")]})).await;
    let message = slack.channel("C1").message(&ts).unwrap();
    (slack, link, message)
}

#[tokio::test]
async fn a_click_says_who_where_and_what() {
    let (slack, mut link, message) = with_button().await;
    let ben = slack.person("U2");
    let (heard, envelope) = tokio::join!(ben.click(&message, "yes"), link.take(Value::Null));
    assert!(heard.acked);
    assert_eq!(envelope["type"], "interactive");
    let payload = &envelope["payload"];
    assert_eq!(payload["type"], "block_actions");
    assert_eq!(payload["user"], json!({"id": "U2", "username": "ben", "name": "ben", "team_id": "T1"}));
    assert_eq!(payload["team"], json!({"id": "T1", "domain": "acme"}));
    assert_eq!(payload["container"]["message_ts"], message.ts);
    assert_eq!(payload["channel"], json!({"id": "C1", "name": "infra"}));
    assert_eq!(payload["message"]["ts"], message.ts);
    assert_eq!(payload["state"], json!({"values": {}}));
    let action = &payload["actions"][0];
    assert_eq!(
        (&action["action_id"], &action["value"], &action["type"]),
        (&json!("yes"), &json!("v"), &json!("button"))
    );
    assert!(action["action_ts"].is_string() && action["block_id"].is_string());
    for name in ["api_app_id", "token", "trigger_id", "response_url"] {
        assert!(payload[name].is_string(), "{name}");
    }
    assert_eq!((&payload["is_enterprise_install"], &payload["enterprise"]), (&json!(false), &Value::Null));
}

#[tokio::test]
#[should_panic(expected = "there is no yes")]
async fn a_button_that_is_gone_cannot_be_clicked() {
    let (slack, _link, message) = with_button().await;
    ok(&slack, "chat.update", json!({"channel": "C1", "ts": message.ts, "text": "done", "blocks": []})).await;
    slack.person("U2").click(&message, "yes").await;
}

#[tokio::test]
async fn a_click_may_have_been_under_way() {
    let (slack, mut link, message) = with_button().await;
    ok(&slack, "chat.update", json!({"channel": "C1", "ts": message.ts, "text": "done", "blocks": []})).await;
    let ben = slack.person("U2");
    let (heard, _) = tokio::join!(ben.click_stale(&message, "yes"), link.take(Value::Null));
    assert!(heard.acked);
}

#[tokio::test]
#[should_panic(expected = "is not in C1")]
async fn who_is_not_in_the_channel_cannot_click() {
    let (slack, _link, message) = with_button().await;
    slack.with(|world| world.channels.get_mut("C1").unwrap().members.remove("U3"));
    slack.person("U3").click(&message, "yes").await;
}

#[tokio::test]
#[should_panic(expected = "deactivated")]
async fn who_is_deactivated_can_do_nothing() {
    let (slack, _link, _) = with_button().await;
    slack.with(|world| world.deactivate("U2"));
    slack.person("U2").slash("C1", "/ops x").await;
}

#[tokio::test]
async fn the_app_hears_of_people_who_go() {
    let (slack, mut link, _) = with_button().await;
    slack.with(|world| world.deactivate("U2"));
    let event = link.take(Value::Null).await["payload"]["event"].clone();
    assert_eq!((&event["type"], &event["user"]["deleted"]), (&json!("user_change"), &json!(true)));
    slack.with(|world| world.leave_group("S2", "U3"));
    let event = link.take(Value::Null).await["payload"]["event"].clone();
    assert_eq!((&event["type"], &event["subteam"]["users"]), (&json!("subteam_updated"), &json!([])));
}

#[tokio::test]
async fn a_stranger_of_a_shared_channel_has_another_team() {
    let (slack, mut link, _) = with_button().await;
    let ts = post(&slack, json!({"channel": "C3", "text": "approve?", "blocks": [button("yes")]})).await;
    let message = slack.channel("C3").message(&ts).unwrap();
    let sam = slack.person_of("T2", "U9");
    let (heard, _) = tokio::join!(sam.click(&message, "yes"), link.take(Value::Null));
    let teams = (&heard.payload["user"]["team_id"], &heard.payload["team"]["id"]);
    assert_eq!(teams, (&json!("T2"), &json!("T1")), "only the user tells");
    let (heard, _) = tokio::join!(sam.mention("C3", "hi"), link.take(Value::Null));
    assert_eq!((&heard.payload["team_id"], &heard.payload["event"]["user_team"]), (&json!("T1"), &json!("T2")));
    assert_eq!(heard.payload["is_ext_shared_channel"], true);
    slack.with(|world| {
        world.person("T2", "U1", "not-ana");
    });
    let twin = slack.person_of("T2", "U1");
    let (heard, _) = tokio::join!(twin.slash("C3", "/ops x"), link.take(Value::Null));
    assert_eq!((&heard.payload["user_id"], &heard.payload["team_id"]), (&json!("U1"), &json!("T2")));
}

#[tokio::test]
async fn mentions_threads_and_direct_messages_are_told_apart() {
    let (slack, mut link, message) = with_button().await;
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.mention_in("C1", &message.ts, "status"), link.take(Value::Null));
    let event = &heard.payload["event"];
    assert_eq!((&event["type"], &event["thread_ts"]), (&json!("app_mention"), &json!(message.ts)));
    assert_eq!(slack.channel("C1").thread(&message.ts).len(), 1);
    let direct = slack.with(|world| world.direct("U1"));
    let ((_, heard), _) = tokio::join!(ana.say(&direct, "help"), link.take(Value::Null));
    let event = &heard.payload["event"];
    assert_eq!((&event["type"], &event["channel_type"]), (&json!("message"), &json!("im")));
    let (_, heard) = ana.say("C1", "among us").await;
    assert_eq!(heard.payload, Value::Null, "the app did not subscribe to channels");
    post(&slack, json!({"channel": direct, "text": "own words"})).await;
    assert_eq!(link.take(Value::Null).await["payload"]["event"]["bot_id"], "B1", "an app hears itself");
}

#[tokio::test]
async fn shortcuts_reactions_and_home_reach_the_app() {
    let (slack, mut link, message) = with_button().await;
    slack.with(|world| {
        world.app.shortcuts.insert("run".into());
        world.app.message_shortcuts.insert("timeline".into());
    });
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.shortcut("run"), link.take(Value::Null));
    assert_eq!((&heard.payload["type"], &heard.payload["callback_id"]), (&json!("shortcut"), &json!("run")));
    let (heard, _) = tokio::join!(ana.message_shortcut("timeline", &message), link.take(Value::Null));
    assert_eq!(
        (&heard.payload["type"], &heard.payload["message"]["ts"]),
        (&json!("message_action"), &json!(message.ts))
    );
    let (heard, _) = tokio::join!(ana.react(&message, "pushpin"), link.take(Value::Null));
    assert_eq!(heard.payload["event"]["item"], json!({"type": "message", "channel": "C1", "ts": message.ts}));
    let (heard, _) = tokio::join!(ana.open_home(), link.take(Value::Null));
    assert_eq!(
        (&heard.payload["event"]["type"], &heard.payload["event"]["view"]),
        (&json!("app_home_opened"), &Value::Null)
    );
    let view = json!({"type": "home", "blocks": [{"type": "divider"}]});
    ok(&slack, "views.publish", json!({"user_id": "U1", "view": view})).await;
    assert_eq!(ana.home().unwrap().json["type"], "home");
    assert!(slack.person("U2").home().is_none());
    let (heard, _) = tokio::join!(ana.open_home(), link.take(Value::Null));
    assert_eq!(heard.payload["event"]["view"]["id"], ana.home().unwrap().id);
}

async fn respond(heard: &Heard, body: Value) -> (u16, Value) {
    let answer = http::post_json(heard.response_url(), &[], &body).await.unwrap();
    (answer.status, answer.json()["error"].clone())
}

#[tokio::test]
async fn a_response_url_is_good_five_times_in_half_an_hour() {
    let (slack, mut link, _) = with_button().await;
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.slash("C1", "/ops x"), link.take(Value::Null));
    let (other, _) = tokio::join!(ana.slash("C1", "/ops x"), link.take(Value::Null));
    for at in 0..5 {
        assert_eq!(respond(&heard, json!({"text": format!("{at}")})).await.0, 200);
    }
    assert_eq!(respond(&heard, json!({"text": "6"})).await, (404, json!("used_url")));
    assert_eq!(ana.ephemerals().len(), 5);
    slack.clock().advance(Duration::from_secs(30 * 60 + 1));
    assert_eq!(respond(&other, json!({"text": "late"})).await, (404, json!("expired_url")));
}

#[tokio::test]
async fn a_response_may_replace_what_was_clicked() {
    let (slack, mut link, message) = with_button().await;
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.click(&message, "yes"), link.take(Value::Null));
    assert_eq!(respond(&heard, json!({"text": "no", "response_type": "ephemeral"})).await.0, 200);
    assert_eq!(ana.ephemerals()[0].text, "no");
    respond(&heard, json!({"text": "done", "blocks": [], "replace_original": true})).await;
    let now = slack.channel("C1").message(&message.ts).unwrap();
    assert_eq!((now.text.as_str(), now.buttons().len()), ("done", 0));
    assert_eq!(respond(&heard, json!({"txt": "x"})).await, (400, json!("invalid_payload")));
    respond(&heard, json!({"delete_original": true})).await;
    assert!(slack.channel("C1").message(&message.ts).is_none());
    assert_eq!(respond(&heard, json!({"text": "all", "response_type": "in_channel"})).await.0, 200);
    assert_eq!(slack.channel("C1").messages()[0].text, "all");
}

#[tokio::test]
async fn menus_on_messages_are_chosen_from() {
    let (slack, mut link, _) = with_button().await;
    let option = |name: &str| json!({"text": {"type": "plain_text", "text": name}, "value": name});
    let menu = json!({"type": "static_select", "action_id": "env", "options": [option("prod"), option("test")]});
    let ts = post(&slack, json!({"channel": "C1", "blocks": [{"type": "actions", "elements": [menu]}]})).await;
    let message = slack.channel("C1").message(&ts).unwrap();
    let ana = slack.person("U1");
    let (heard, _) = tokio::join!(ana.choose(&message, "env", "test"), link.take(Value::Null));
    assert_eq!(heard.payload["actions"][0]["selected_option"]["value"], "test");
}

#[tokio::test]
async fn a_link_of_the_apps_own_is_told_to_it() {
    let (slack, mut link, _) = with_button().await;
    slack.with(|world| world.app.unfurl_domains.insert("ops.example".into()));
    let (message, _) =
        slack.person("U1").say("C1", "see https://ops.example/incidents/7 and https://else.example").await;
    let event = link.take(Value::Null).await["payload"]["event"].clone();
    assert_eq!((&event["type"], &event["message_ts"]), (&json!("link_shared"), &json!(message.ts)));
    assert_eq!(event["links"], json!([{"url": "https://ops.example/incidents/7", "domain": "ops.example"}]));
}
