//! Socket Mode.

use std::time::Duration;

use serde_json::{Value, json};
use sereno_fakes::http;

use crate::app::{Link, slack, ticket};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_connection_begins_with_hello_and_its_url_is_good_once() {
    let slack = slack().await;
    let url = ticket(&slack).await;
    let mut first = Link(tokio_tungstenite::connect_async(&url).await.unwrap().0);
    let hello = first.next().await.unwrap();
    assert_eq!(
        (&hello["type"], &hello["num_connections"], &hello["connection_info"]["app_id"]),
        (&json!("hello"), &json!(1), &json!("A1"))
    );
    assert!(hello["debug_info"]["approximate_connection_time"].is_number());
    assert!(tokio_tungstenite::connect_async(&url).await.is_err(), "the second use of the same URL");
    assert_eq!(Link::open(&slack).await.1["num_connections"], 2);
    let stale = ticket(&slack).await;
    slack.clock().advance(Duration::from_secs(61));
    assert!(tokio_tungstenite::connect_async(&stale).await.is_err());
    let open = format!("{}apps.connections.open", slack.api_url());
    let by_get = http::send("GET", &open, &[("authorization", crate::app::APP)], Vec::new()).await.unwrap().json();
    assert_eq!(by_get["error"], "insecure_request");
}

#[tokio::test]
async fn a_command_comes_in_an_envelope_and_its_answer_is_shown() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let ana = slack.person("U1");
    let (heard, envelope) = tokio::join!(ana.slash("C1", "/ops health prod"), link.take(json!({"text": "on it"})));
    assert_eq!((&envelope["type"], &envelope["accepts_response_payload"]), (&json!("slash_commands"), &json!(true)));
    let payload = &envelope["payload"];
    for (name, value) in [
        ("command", "/ops"),
        ("text", "health prod"),
        ("user_id", "U1"),
        ("channel_name", "infra"),
        ("team_id", "T1"),
        ("team_domain", "acme"),
        ("api_app_id", "A1"),
        ("is_enterprise_install", "false"),
    ] {
        assert_eq!(payload[name], value, "{name}");
    }
    assert!(payload["trigger_id"].is_string() && payload["response_url"].as_str().unwrap().starts_with("http://"));
    assert!(heard.acked && heard.problem.is_none());
    assert_eq!(heard.shown[0].text, "on it");
    assert!(slack.complaints().is_empty());
}

#[tokio::test]
async fn an_answer_for_all_is_posted_in_the_channel() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let ana = slack.person("U1");
    tokio::join!(ana.slash("C1", "/ops x"), link.take(json!({"response_type": "in_channel", "text": "all"})));
    assert_eq!(slack.channel("C1").messages()[0].text, "all");
    let (heard, _) = tokio::join!(ana.slash("C1", "/ops x"), link.take(json!({"blocks": [{"type": "nope"}]})));
    assert!(heard.problem.unwrap().contains("unsupported type"));
}

#[tokio::test]
async fn connections_take_turns() {
    let slack = slack().await;
    let ((mut one, _), (mut two, _)) = (Link::open(&slack).await, Link::open(&slack).await);
    let ana = slack.person("U1");
    tokio::join!(ana.slash("C1", "/ops a"), one.take(Value::Null));
    tokio::join!(ana.slash("C1", "/ops b"), two.take(Value::Null));
    tokio::join!(ana.slash("C1", "/ops c"), one.take(Value::Null));
}

#[tokio::test]
async fn who_is_late_is_too_late() {
    let slack = slack().await;
    let (mut link, _) = Link::open(&slack).await;
    let ana = slack.person("U1");
    let (heard, envelope) = tokio::join!(ana.slash("C1", "/ops x"), async {
        let envelope = link.next().await.unwrap();
        slack.clock().advance(3 * SECOND);
        envelope
    });
    assert_eq!((heard.acked, heard.problem.as_deref(), heard.latency), (false, Some("timeout"), 3 * SECOND));
    link.ack(&envelope, Value::Null).await;
    let complaint = slack.wait_for("the complaint", |slack| slack.complaints().pop()).await;
    assert!(complaint.starts_with("acknowledged too late"), "{complaint}");
}

#[tokio::test]
async fn an_event_is_brought_again_to_another_connection() {
    let slack = slack().await;
    let ((mut one, _), (mut two, _)) = (Link::open(&slack).await, Link::open(&slack).await);
    slack.sockets().first().inspect(|id| slack.with(|world| world.sockets.silence(**id)));
    let ana = slack.person("U1");
    let (heard, again) = tokio::join!(ana.mention("C1", "status"), async {
        slack.clock().advance(3 * SECOND);
        two.take(Value::Null).await
    });
    assert!(!heard.acked, "the silent connection does not answer");
    assert_eq!((&again["retry_attempt"], &again["retry_reason"]), (&json!(1), &json!("timeout")));
    assert_eq!(again["payload"]["event_id"], heard.payload["event_id"], "the same event in another envelope");
    assert_eq!(again["payload"]["event"]["text"], "<@UBOT> status");
    assert_eq!(again["payload"]["authorizations"][0]["user_id"], "UBOT");
    let silent = tokio::time::timeout(Duration::from_millis(50), one.next()).await;
    assert!(silent.is_err(), "it is still connected and says nothing");
}

#[tokio::test]
async fn what_was_on_a_connection_that_ends_goes_to_another() {
    let slack = slack().await;
    let ((mut one, _), (mut two, _)) = (Link::open(&slack).await, Link::open(&slack).await);
    let ana = slack.person("U1");
    let (heard, (first, second)) = tokio::join!(ana.slash("C1", "/ops x"), async {
        let first = one.next().await.unwrap();
        slack.with(|world| world.sockets.cut(1));
        (first, two.take(Value::Null).await)
    });
    assert!(heard.acked);
    assert_eq!(first["envelope_id"], second["envelope_id"]);
    assert!(one.next().await.is_none(), "it was cut without a word");
}

#[tokio::test]
async fn a_refresh_is_announced_and_takes_its_time() {
    let slack = slack().await;
    let ((mut old, _), (mut new, _)) = (Link::open(&slack).await, Link::open(&slack).await);
    slack.with(|world| world.sockets.disconnect(1, "warning"));
    assert_eq!(old.next().await.unwrap()["reason"], "warning");
    slack.with(|world| world.sockets.disconnect(1, "refresh_requested"));
    let said = old.next().await.unwrap();
    assert_eq!((&said["type"], &said["reason"]), (&json!("disconnect"), &json!("refresh_requested")));
    let ana = slack.person("U1");
    for _ in 0..2 {
        tokio::join!(ana.slash("C1", "/ops x"), new.take(Value::Null));
    }
    assert_eq!(slack.sockets(), [1, 2]);
    slack.clock().advance(10 * SECOND);
    assert!(old.next().await.is_none());
    slack.wait_for("its end", |slack| (slack.sockets() == [2]).then_some(())).await;
}

#[tokio::test]
async fn ten_connections_are_the_most() {
    let slack = slack().await;
    let mut links = Vec::new();
    for _ in 0..10 {
        links.push(Link::open(&slack).await.0);
    }
    let (mut over, said) = Link::open(&slack).await;
    assert_eq!(said["reason"], "too_many_websockets");
    assert!(over.next().await.is_none());
}

#[tokio::test]
async fn one_delivery_may_reach_two_replicas() {
    let slack = slack().await;
    let ((mut one, _), (mut two, _)) = (Link::open(&slack).await, Link::open(&slack).await);
    slack.with(|world| world.twice = 1);
    let ana = slack.person("U1");
    let (heard, a, b) = tokio::join!(ana.slash("C1", "/ops x"), one.take(Value::Null), two.take(Value::Null));
    assert_eq!(a, b, "the same envelope, the same trigger");
    assert_eq!(heard.sent.len(), 2);
    assert!(slack.complaints().is_empty());
    two.ack(&b, Value::Null).await;
    let complaint = slack.wait_for("the complaint", |slack| slack.complaints().pop()).await;
    assert!(complaint.starts_with("acknowledged twice"), "{complaint}");
}
