//! Signed HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use sereno_fakes::slack::{Badly, MONDAY, Setup, Slack, sign};

use crate::app::{Receiver, Request, header};

async fn both() -> (Slack, Receiver) {
    let receiver = Receiver::start().await;
    (Slack::start(Setup::default().http(&[&receiver.url])).await.unwrap(), receiver)
}

fn secret(slack: &Slack) -> String {
    slack.with(|world| world.app.signing_secret.clone())
}

/// The signature of a request is right for its own timestamp.
fn signed(request: &Request, secret: &str) -> bool {
    let timestamp = header(request, "x-slack-request-timestamp").parse().unwrap();
    header(request, "x-slack-signature") == sign(secret, timestamp, request.2.as_bytes())
}

#[test]
fn the_signature_is_that_of_slacks_own_page() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let wanted = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    assert_eq!(sign("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, body.as_bytes()), wanted);
}

#[tokio::test]
async fn deliveries_are_signed_and_go_to_their_addresses() {
    let (slack, receiver) = both().await;
    let ana = slack.person("U1");
    receiver.say(200, &[("content-type", "application/json")], r#"{"text": "on it"}"#);
    let heard = ana.slash("C1", "/ops health prod & more").await;
    assert_eq!((heard.acked, heard.shown[0].text.as_str()), (true, "on it"));
    receiver.say(200, &[], "");
    let (message, _) = ana.say("C1", "<@UBOT> hello").await;
    slack.with(|world| world.app.message_shortcuts.insert("incident".into()));
    ana.message_shortcut("incident", &message).await;
    let got = receiver.got();
    let paths: Vec<&str> = got.iter().map(|request| request.0.as_str()).collect();
    assert_eq!(paths, ["/slack/commands", "/slack/events", "/slack/interactions"]);
    assert!(got.iter().all(|request| signed(request, &secret(&slack))));
    assert_eq!(header(&got[0], "x-slack-request-timestamp"), (MONDAY / 1000).to_string());
    assert!(got[0].2.contains("text=health+prod+%26+more"), "{}", got[0].2);
    assert!(got[2].2.starts_with("payload=%7B"));
    let event: Value = serde_json::from_str(&got[1].2).unwrap();
    assert_eq!((&event["type"], &event["event"]["type"]), (&json!("event_callback"), &json!("app_mention")));
}

#[tokio::test]
async fn an_address_is_verified_by_a_challenge() {
    let (slack, receiver) = both().await;
    slack.url_verification().await;
    let body: Value = serde_json::from_str(&receiver.got()[0].2).unwrap();
    assert_eq!(body["type"], "url_verification");
    assert!(body["challenge"].is_string());
}

#[tokio::test]
async fn an_event_is_brought_four_times_at_most() {
    let (slack, receiver) = both().await;
    receiver.say(500, &[], "");
    let heard = slack.person("U1").mention("C1", "hello").await;
    assert_eq!((heard.acked, heard.problem.as_deref()), (false, Some("http_error")));
    for (tries, move_on) in [(2, 60), (3, 300), (4, 600)] {
        slack.wait_for("the next try", |_| (receiver.got().len() == tries).then_some(())).await;
        slack.clock().advance(Duration::from_secs(move_on));
    }
    slack.wait_for("the complaint", |slack| slack.complaints().pop()).await;
    let got = receiver.got();
    assert_eq!(got.len(), 4);
    for (at, request) in got.iter().enumerate().skip(1) {
        assert_eq!(header(request, "x-slack-retry-num"), at.to_string());
        assert_eq!(header(request, "x-slack-retry-reason"), "http_error");
        assert_eq!(request.2, got[0].2, "the same event, with the same id");
        assert!(signed(request, &secret(&slack)));
    }
}

#[tokio::test]
async fn an_app_can_ask_for_no_more_of_it() {
    let (slack, receiver) = both().await;
    receiver.say(500, &[("x-slack-no-retry", "1")], "");
    slack.person("U1").mention("C1", "hello").await;
    receiver.say(200, &[], "");
    slack.person("U1").mention("C1", "again").await;
    slack.clock().advance(Duration::from_secs(600));
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test]
async fn it_can_sign_as_an_attacker_would() {
    let (slack, receiver) = both().await;
    slack.with(|world| {
        world.badly =
            vec![Badly::WrongSecret, Badly::Old(301), Badly::Oversize(2_000_000), Badly::Header("v0=".into())];
    });
    let ana = slack.person("U1");
    for _ in 0..5 {
        ana.slash("C1", "/ops x").await;
    }
    let (got, secret) = (receiver.got(), secret(&slack));
    assert!(!signed(&got[0], &secret));
    assert!(signed(&got[1], &secret));
    assert_eq!(header(&got[1], "x-slack-request-timestamp"), (MONDAY / 1000 - 301).to_string());
    assert!(signed(&got[2], &secret) && got[2].2.len() > 2_000_000);
    assert_eq!(header(&got[3], "x-slack-signature"), "v0=");
    assert!(signed(&got[4], &secret), "then it is itself again");
}

#[tokio::test]
async fn replicas_take_turns_and_a_delivery_may_reach_two() {
    let (one, two) = (Receiver::start().await, Receiver::start().await);
    let slack = Slack::start(Setup::default().http(&[&one.url, &two.url])).await.unwrap();
    let ana = slack.person("U1");
    ana.slash("C1", "/ops a").await;
    ana.slash("C1", "/ops b").await;
    assert_eq!((one.got().len(), two.got().len()), (1, 1));
    slack.with(|world| world.twice = 1);
    ana.slash("C1", "/ops c").await;
    assert_eq!(one.got()[1].2, two.got()[1].2);
}

#[tokio::test]
async fn an_app_that_is_away_is_told_to_the_person() {
    let slack = Slack::start(Setup::default().http(&["http://127.0.0.1:9"])).await.unwrap();
    assert_eq!(slack.person("U1").slash("C1", "/ops x").await.problem.as_deref(), Some("connection_failed"));
}
