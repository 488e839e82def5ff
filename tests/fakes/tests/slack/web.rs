//! The Web API: who may call, how, and what calls do.

use serde_json::{Value, json};
use sereno_fakes::http;
use sereno_fakes::slack::{Setup, Slack, World};

use crate::app::{APP, BOT, button, call, ok, post, raw, refused, slack};

#[tokio::test]
async fn a_call_needs_the_right_token() {
    let slack = slack().await;
    let auth = async |header: &str| {
        let url = format!("{}auth.test", slack.api_url());
        let headers = [("authorization", header)];
        http::post_form(&url, if header.is_empty() { &[] } else { &headers }, &[]).await.unwrap().json()["error"]
            .clone()
    };
    assert_eq!(auth(BOT).await, Value::Null);
    assert_eq!(auth("").await, "not_authed");
    assert_eq!(auth("Bearer xoxb-other").await, "invalid_auth");
    assert_eq!(auth(APP).await, "not_allowed_token_type");
    slack.with(|world| world.app.revoked.insert("xoxb-fake-bot".into()));
    assert_eq!(auth(BOT).await, "token_revoked");
}

#[tokio::test]
async fn a_token_may_come_as_an_argument_and_says_who_it_is() {
    let slack = slack().await;
    let url = format!("{}auth.test?token=xoxb-fake-bot", slack.api_url());
    let answer = http::get(&url).await.unwrap();
    let who = answer.json();
    assert_eq!((&who["team_id"], &who["user_id"], &who["bot_id"]), (&json!("T1"), &json!("UBOT"), &json!("B1")));
    assert!(answer.header("x-oauth-scopes").contains("chat:write"), "scopes are told with every answer");
}

#[tokio::test]
async fn unknown_methods_and_arguments_are_refused() {
    let slack = slack().await;
    assert_eq!(refused(&slack, "chat.postMassage", json!({})).await, "unknown_method");
    assert_eq!(refused(&slack, "files.upload", json!({})).await, "unknown_method");
    assert_eq!(refused(&slack, "chat.postMessage", json!({"channel": "C1", "txt": "hi"})).await, "invalid_arguments");
    assert_eq!(refused(&slack, "chat.postMessage", json!({"text": "hi"})).await, "invalid_arguments");
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let slack = Slack::start(Setup::default().scopes(&["commands", "im:history"])).await.unwrap();
    let answer = call(&slack, "chat.postMessage", json!({"channel": "C1", "text": "hi"})).await;
    assert_eq!(answer["error"], "missing_scope");
    assert_eq!((&answer["needed"], &answer["provided"]), (&json!("chat:write"), &json!("commands,im:history")));
    let direct = slack.with(|world| world.direct("U1"));
    ok(&slack, "conversations.history", json!({"channel": direct})).await;
    let answer = call(&slack, "conversations.info", json!({"channel": "C1"})).await;
    assert_eq!((&answer["error"], &answer["needed"]), (&json!("missing_scope"), &json!("channels:read")));
    let answer = call(&slack, "conversations.history", json!({"channel": "C1"})).await;
    assert_eq!(
        answer["needed"], "channels:history",
        "history of a channel is another scope than that of a direct message"
    );
}

#[tokio::test]
async fn json_is_read_where_a_method_takes_it() {
    let slack = slack().await;
    let json = async |method: &str, kind: &str, body: &str| {
        let url = format!("{}{method}", slack.api_url());
        let headers = [("authorization", BOT), ("content-type", kind)];
        http::send("POST", &url, &headers, body.into()).await.unwrap().json()
    };
    let body = json!({"channel": "C1", "blocks": [button("go")], "text": "hi"}).to_string();
    assert_eq!(json("chat.postMessage", "application/json; charset=utf-8", &body).await["warning"], Value::Null);
    assert_eq!(json("chat.postMessage", "application/json", &body).await["warning"], "missing_charset");
    assert_eq!(json("chat.postMessage", "application/json", "{").await["error"], "invalid_json");
    assert_eq!(json("chat.postMessage", "application/json", "[]").await["error"], "json_not_object");
    assert_eq!(json("chat.postMessage", "text/plain", "hi").await["error"], "invalid_post_type");
    let upload = r#"{"filename": "log", "length": 3}"#;
    assert_eq!(json("files.getUploadURLExternal", "application/json", upload).await["error"], "invalid_arguments");
}

#[tokio::test]
async fn a_message_is_posted_edited_threaded_and_read_again() {
    let slack = slack().await;
    let metadata = json!({"event_type": "entry", "event_payload": {"seq": 7}});
    let parent = post(&slack, json!({"channel": "C1", "text": "up", "metadata": metadata})).await;
    let reply = post(&slack, json!({"channel": "C1", "text": "more", "thread_ts": parent})).await;
    let loud = json!({"channel": "C1", "text": "resolved", "thread_ts": parent, "reply_broadcast": true});
    let loud = post(&slack, loud).await;
    assert!(parent < reply && reply < loud, "each has a ts of its own");
    ok(&slack, "chat.update", json!({"channel": "C1", "ts": parent, "text": "down"})).await;

    let plain = ok(&slack, "conversations.history", json!({"channel": "C1"})).await;
    assert_eq!(plain["messages"].as_array().unwrap().len(), 2, "the parent and the broadcast reply");
    assert_eq!(plain["messages"][1]["text"], "down");
    assert_eq!(plain["messages"][1]["reply_count"], 2);
    assert_eq!(plain["messages"][1]["metadata"], Value::Null, "metadata only where it is asked for");
    let replies =
        ok(&slack, "conversations.replies", json!({"channel": "C1", "ts": parent, "include_all_metadata": true})).await;
    let texts: Vec<&str> =
        replies["messages"].as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["down", "more", "resolved"]);
    assert_eq!(replies["messages"][0]["metadata"], metadata);
    let page = ok(&slack, "conversations.replies", json!({"channel": "C1", "ts": parent, "limit": 2})).await;
    assert_eq!(page["has_more"], true);
    let next = json!({"channel": "C1", "ts": parent, "limit": 2, "cursor": page["response_metadata"]["next_cursor"]});
    assert_eq!(ok(&slack, "conversations.replies", next).await["messages"][0]["text"], "resolved");

    let message = slack.channel("C1").message(&parent).unwrap();
    assert_eq!((message.edits.len(), message.text.as_str()), (1, "down"));
    assert_eq!(slack.channel("C1").thread(&parent).len(), 2);
    ok(&slack, "chat.delete", json!({"channel": "C1", "ts": reply})).await;
    assert_eq!(slack.channel("C1").thread(&parent).len(), 1);
    assert_eq!(slack.calls_of("chat.postMessage").len(), 3);
}

#[tokio::test]
async fn a_new_text_alone_takes_the_blocks_away() {
    let slack = slack().await;
    let ts = post(&slack, json!({"channel": "C1", "text": "a", "blocks": [button("go")]})).await;
    let answer = ok(&slack, "chat.update", json!({"channel": "C1", "ts": ts, "attachments": []})).await;
    assert_eq!(slack.channel("C1").message(&ts).unwrap().buttons(), [("go".to_owned(), "Go".to_owned())]);
    assert!(answer["message"]["edited"].is_object());
    let both = json!({"channel": "C1", "ts": ts, "text": "b", "blocks": [button("stop")]});
    let answer = ok(&slack, "chat.update", both).await;
    assert_eq!(slack.channel("C1").message(&ts).unwrap().buttons()[0].0, "stop");
    assert_eq!(answer["message"]["edited"], Value::Null, "no mark where blocks were changed");
    ok(&slack, "chat.update", json!({"channel": "C1", "ts": ts, "text": "b"})).await;
    assert!(slack.channel("C1").message(&ts).unwrap().buttons().is_empty());
    assert_eq!(slack.channel("C1").message(&ts).unwrap().edits.len(), 3);
}

#[tokio::test]
async fn only_the_own_and_the_existing_can_be_changed() {
    let slack = slack().await;
    let (theirs, _) = slack.person("U1").say("C1", "hello").await;
    let own = json!({"channel": "C1", "ts": theirs.ts, "text": "x"});
    assert_eq!(refused(&slack, "chat.update", own).await, "cant_update_message");
    assert_eq!(refused(&slack, "chat.delete", json!({"channel": "C1", "ts": theirs.ts})).await, "cant_delete_message");
    let none = json!({"channel": "C1", "ts": "1.000001", "text": "x"});
    assert_eq!(refused(&slack, "chat.update", none).await, "message_not_found");
    let reply = json!({"channel": "C1", "thread_ts": "1.000001", "text": "x"});
    assert_eq!(refused(&slack, "chat.postMessage", reply).await, "cannot_reply_to_message");
    assert_eq!(refused(&slack, "chat.postMessage", json!({"channel": "C1"})).await, "no_text");
}

#[tokio::test]
async fn channels_are_open_to_the_bot_or_not() {
    let slack = slack().await;
    let say = |channel: &str| json!({"channel": channel, "text": "hi"});
    assert_eq!(refused(&slack, "chat.postMessage", say("C4")).await, "channel_not_found", "private, and not in it");
    assert_eq!(refused(&slack, "chat.postMessage", say("C99")).await, "channel_not_found");
    post(&slack, say("C5")).await;
    slack.with(|world| world.app.scopes.remove("chat:write.public"));
    assert_eq!(refused(&slack, "chat.postMessage", say("C5")).await, "not_in_channel");
    ok(&slack, "conversations.join", json!({"channel": "C5"})).await;
    post(&slack, say("C5")).await;
    slack.with(|world| world.channels.get_mut("C5").unwrap().archived = true);
    assert_eq!(refused(&slack, "chat.postMessage", say("C5")).await, "is_archived");
    post(&slack, say("#infra")).await;
    let direct = ok(&slack, "chat.postMessage", say("U1")).await["channel"].clone();
    assert_eq!(ok(&slack, "conversations.open", json!({"users": "U1"})).await["channel"]["id"], direct);
}

#[tokio::test]
async fn a_message_for_one_person_is_seen_by_nobody_else() {
    let slack = slack().await;
    let args = json!({"channel": "C1", "user": "U1", "text": "only you"});
    ok(&slack, "chat.postEphemeral", args).await;
    assert_eq!(slack.person("U1").ephemerals()[0].text, "only you");
    assert!(slack.person("U2").ephemerals().is_empty() && slack.channel("C1").all().is_empty());
    let outside = json!({"channel": "C3", "user": "U3", "text": "x"});
    assert_eq!(refused(&slack, "chat.postEphemeral", outside).await, "user_not_in_channel");
}

#[tokio::test]
async fn people_and_groups_are_told_as_the_scopes_allow() {
    let slack = slack().await;
    let ana = ok(&slack, "users.info", json!({"user": "U1"})).await["user"].clone();
    assert_eq!((&ana["profile"]["email"], &ana["tz"]), (&json!("ana@acme.example"), &json!("Europe/Madrid")));
    assert_eq!(ok(&slack, "users.info", json!({"user": "U9"})).await["user"]["is_stranger"], true);
    assert_eq!(ok(&slack, "users.info", json!({"user": "U8"})).await["user"]["is_restricted"], true);
    let found = ok(&slack, "users.lookupByEmail", json!({"email": "ben@acme.example"})).await;
    assert_eq!(found["user"]["id"], "U2");
    slack.with(|world| world.app.scopes.remove("users:read.email"));
    assert_eq!(ok(&slack, "users.info", json!({"user": "U1"})).await["user"]["profile"]["email"], Value::Null);

    ok(&slack, "usergroups.users.update", json!({"usergroup": "S1", "users": "U2,U3"})).await;
    assert_eq!(ok(&slack, "usergroups.users.list", json!({"usergroup": "S1"})).await["users"], json!(["U2", "U3"]));
    slack.with(|world| world.deactivate("U2"));
    assert_eq!(ok(&slack, "usergroups.users.list", json!({"usergroup": "S1"})).await["users"], json!(["U3"]));
    let update = json!({"usergroup": "S1", "users": "U2"});
    assert_eq!(refused(&slack, "usergroups.users.update", update).await, "invalid_users");
    let empty = json!({"usergroup": "S1", "users": ""});
    assert_eq!(refused(&slack, "usergroups.users.update", empty).await, "no_users_provided");
    slack.with(|world: &mut World| world.leave_group("S2", "U3"));
    let all = ok(&slack, "usergroups.list", json!({"include_users": true})).await;
    assert_eq!(all["usergroups"][1]["users"], json!([]));
    let users = ok(&slack, "users.list", json!({"limit": 2})).await;
    assert_eq!(users["members"].as_array().unwrap().len(), 2);
    assert_ne!(users["response_metadata"]["next_cursor"], "");
}

#[tokio::test]
async fn channels_are_listed_made_and_named() {
    let slack = slack().await;
    let listed = ok(&slack, "conversations.list", json!({"types": "public_channel,private_channel"})).await;
    let names: Vec<&str> =
        listed["channels"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["infra", "incidents", "partners", "general"], "private ones only where the bot is in");
    assert_eq!(ok(&slack, "conversations.info", json!({"channel": "C3"})).await["channel"]["is_ext_shared"], true);
    for (unknown, what) in [("C404", "nothing"), ("#infra", "a name"), ("U1", "a person"), ("C4", "a private one")] {
        let error = refused(&slack, "conversations.info", json!({"channel": unknown})).await;
        assert_eq!(error, "channel_not_found", "{what} is no channel that the bot sees");
    }
    let made = ok(&slack, "conversations.create", json!({"name": "inc-42"})).await["channel"]["id"].clone();
    ok(&slack, "conversations.setTopic", json!({"channel": made, "topic": "db down"})).await;
    assert_eq!(ok(&slack, "conversations.members", json!({"channel": made})).await["members"], json!(["UBOT"]));
    assert_eq!(refused(&slack, "conversations.create", json!({"name": "inc-42"})).await, "name_taken");
    assert_eq!(refused(&slack, "conversations.create", json!({"name": "Inc 42"})).await, "invalid_name_specials");
}

#[tokio::test]
async fn what_hangs_on_messages_is_kept() {
    let slack = slack().await;
    let ts = post(&slack, json!({"channel": "C1", "text": "hi"})).await;
    let react = json!({"channel": "C1", "timestamp": ts, "name": "eyes"});
    ok(&slack, "reactions.add", react.clone()).await;
    assert_eq!(refused(&slack, "reactions.add", react).await, "already_reacted");
    let got = ok(&slack, "reactions.get", json!({"channel": "C1", "timestamp": ts})).await;
    assert_eq!(got["message"]["reactions"][0], json!({"name": "eyes", "users": ["UBOT"], "count": 1}));
    ok(&slack, "pins.add", json!({"channel": "C1", "timestamp": ts})).await;
    assert_eq!(refused(&slack, "pins.add", json!({"channel": "C1", "timestamp": ts})).await, "already_pinned");
    let link = json!({"channel_id": "C1", "title": "Runbook", "type": "link", "link": "https://example.org"});
    ok(&slack, "bookmarks.add", link).await;
    let found = ok(&slack, "chat.getPermalink", json!({"channel": "C1", "message_ts": ts})).await;
    assert!(found["permalink"].as_str().unwrap().contains("/archives/C1/p"));
    let unfurls = json!({"https://x/": {"blocks": [{"type": "divider"}]}});
    ok(&slack, "chat.unfurl", json!({"channel": "C1", "ts": ts, "unfurls": unfurls})).await;
    assert!(slack.channel("C1").message(&ts).unwrap().unfurls.is_some());
    assert_eq!(ok(&slack, "team.info", json!({})).await["team"]["domain"], "acme");
}

#[tokio::test]
async fn an_enterprise_shows_in_payloads() {
    let slack = slack().await;
    slack.with(|world| world.teams.get_mut("T1").unwrap().enterprise = Some(("E1".into(), "Grid".into())));
    let heard = slack.person("U1").slash("C1", "/ops help").await;
    assert_eq!((&heard.payload["enterprise_id"], &heard.payload["team_id"]), (&json!("E1"), &json!("T1")));
    assert!(!heard.acked, "nobody is connected");
    assert_eq!(heard.problem.as_deref(), Some("no_connection"));
    assert_eq!(raw(&slack, "team.info", &json!({})).await.json()["team"]["enterprise_id"], "E1");
}

#[tokio::test]
async fn what_is_live_in_a_message_is_seen() {
    let slack = slack().await;
    let text = json!({"type": "mrkdwn", "text": "<!channel> &lt;!here&gt; <https://x.example|x>"});
    let plain = json!({"type": "plain_text", "text": "<!everyone>"});
    let blocks = json!([{"type": "section", "text": text}, {"type": "section", "text": plain}]);
    let ts = post(&slack, json!({"channel": "C1", "text": "fallback", "blocks": blocks})).await;
    assert_eq!(slack.channel("C1").message(&ts).unwrap().live(), ["!channel", "https://x.example|x"]);
}
