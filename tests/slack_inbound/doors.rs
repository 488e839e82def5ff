//! Slack's requests by HTTP: signed, or refused.

use std::time::Duration;

use serde_json::Value;
use sereno_fakes::slack::{Badly, Door};

use crate::town::{Mode, town_by};

#[tokio::test]
async fn what_is_not_signed_now_by_slack_is_refused() {
    town_by(Mode::Http, async |town| {
        for badly in [
            Badly::WrongSecret,
            Badly::Old(301),
            Badly::Old(-302),
            Badly::Header(String::new()),
            Badly::Header("v0=".into()),
            Badly::Header(format!("v0={}", "0".repeat(64))),
        ] {
            town.slack.with(|world| world.badly = vec![badly.clone()]);
            let heard = town.ana().slash("C1", "/ops health prod").await;
            assert_eq!(heard.sent[0].status, Some(401), "{badly:?}: {heard:?}");
            let said = heard.sent[0].body.to_string();
            assert!(!said.contains("v0="), "the right signature is not told: {said}");
        }
        assert_eq!(town.requests().await, 0);
        assert!(town.ana().slash("C1", "/ops health prod").await.acked);
    })
    .await;
}

#[tokio::test]
async fn an_address_is_proved_only_to_slack() {
    town_by(Mode::Http, async |town| {
        let (challenge, sent) = town.slack.url_verification().await;
        assert_eq!(sent[0].body["challenge"], Value::String(challenge));
        town.slack.with(|world| world.badly = vec![Badly::WrongSecret]);
        let (_, sent) = town.slack.url_verification().await;
        assert_eq!(sent[0].status, Some(401));
    })
    .await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    town_by(Mode::Http, async |town| {
        town.slack.with(|world| world.badly = vec![Badly::Oversize(2 * 1024 * 1024)]);
        let heard = town.ana().slash("C1", "/ops health prod").await;
        assert!(!heard.acked && heard.sent[0].status != Some(200), "{heard:?}");
        assert_eq!(town.requests().await, 0);
    })
    .await;
}

#[tokio::test]
async fn by_socket_mode_the_doors_are_not_there() {
    town_by(Mode::Socket, async |town| {
        for door in [Door::Command, Door::Interaction, Door::Event] {
            let url = format!("{}{}", town.base, door.path());
            assert_eq!(sereno_fakes::http::send("POST", &url, &[], b"x".to_vec()).await.unwrap().status, 404);
        }
    })
    .await;
}

#[tokio::test]
async fn a_slow_slack_delays_nobodys_acknowledgement() {
    town_by(Mode::Http, async |town| {
        town.slack.trouble("views.open", 1, sereno_fakes::slack::Trouble::Hang);
        let heard = town.ana().slash("C1", "/ops drain prod").await;
        assert!(heard.acked && heard.latency < Duration::from_secs(1), "{heard:?}");
    })
    .await;
}
