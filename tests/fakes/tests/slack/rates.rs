//! Limits of frequency, and troubles on order.

use std::time::Duration;

use serde_json::{Value, json};
use sereno_fakes::http;
use sereno_fakes::slack::Trouble;

use crate::app::{APP, BOT, Link, post, raw, slack};

fn say(channel: &str) -> Value {
    json!({"channel": channel, "text": "hi"})
}

#[tokio::test]
async fn a_channel_takes_about_one_message_a_second() {
    let slack = slack().await;
    for _ in 0..4 {
        post(&slack, say("C1")).await;
    }
    let answer = raw(&slack, "chat.postMessage", &say("C1")).await;
    assert_eq!(
        (answer.status, answer.header("retry-after"), answer.json()["error"].clone()),
        (429, "1", json!("ratelimited"))
    );
    post(&slack, say("C2")).await;
    slack.clock().advance(Duration::from_secs(1));
    post(&slack, say("C1")).await;
    assert_eq!(raw(&slack, "chat.postMessage", &say("C1")).await.status, 429);
    slack.with(|world| world.rates.on = false);
    post(&slack, say("C1")).await;
}

#[tokio::test]
async fn other_methods_have_a_tier_by_the_minute() {
    let slack = slack().await;
    for _ in 0..20 {
        assert_eq!(raw(&slack, "users.list", &json!({})).await.status, 200);
    }
    let answer = raw(&slack, "users.list", &json!({})).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "3"));
    assert_eq!(raw(&slack, "users.info", &json!({"user": "U1"})).await.status, 200, "each method for itself");
    slack.with(|world| world.rates.tighter = 10.0);
    for _ in 0..5 {
        assert_eq!(raw(&slack, "conversations.info", &json!({"channel": "C1"})).await.status, 200);
    }
    assert_eq!(raw(&slack, "conversations.info", &json!({"channel": "C1"})).await.status, 429);
}

#[tokio::test]
async fn troubles_come_in_their_order() {
    let slack = slack().await;
    slack.trouble("chat.postMessage", 1, Trouble::RateLimited(7));
    slack.trouble("*", 1, Trouble::Status(503));
    slack.trouble("chat.postMessage", 1, Trouble::Error("fatal_error"));
    let answer = raw(&slack, "chat.postMessage", &say("C1")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    assert_eq!(raw(&slack, "auth.test", &json!({})).await.status, 503);
    assert_eq!(raw(&slack, "chat.postMessage", &say("C1")).await.json()["error"], "fatal_error");
    assert!(slack.channel("C1").all().is_empty(), "none of them did anything");
    post(&slack, say("C1")).await;
}

#[tokio::test]
async fn an_answer_may_be_lost_after_the_deed() {
    let slack = slack().await;
    let url = format!("{}chat.postMessage", slack.api_url());
    let send = || http::post_form(&url, &[("authorization", BOT)], &[("channel", "C1"), ("text", "hi")]);
    slack.trouble("chat.postMessage", 1, Trouble::Lost);
    assert!(send().await.is_err());
    assert_eq!(slack.channel("C1").all().len(), 1, "a blind retry would make it two");
    slack.trouble("chat.postMessage", 1, Trouble::Cut);
    assert!(send().await.is_err());
    assert_eq!(slack.channel("C1").all().len(), 1);
    slack.trouble("chat.postMessage", 1, Trouble::Hang);
    assert!(tokio::time::timeout(Duration::from_millis(100), send()).await.is_err());
    assert_eq!(slack.channel("C1").all().len(), 1);
    assert_eq!(slack.calls_of("chat.postMessage").iter().map(|call| call.status).collect::<Vec<_>>(), [0, 0, 0]);
}

#[tokio::test]
async fn an_outage_takes_calls_and_connections() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    slack.outage(true);
    assert!(link.next().await.is_none());
    let url = format!("{}apps.connections.open", slack.api_url());
    assert!(http::post_json(&url, &[("authorization", APP)], &json!({})).await.is_err());
    slack.outage(false);
    Link::open(&slack).await;
    post(&slack, say("C1")).await;
}
