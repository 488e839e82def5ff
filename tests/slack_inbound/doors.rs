//! Slack's requests by HTTP: signed, or refused.

use std::time::Duration;

use serde_json::Value;
use sereno_fakes::slack::{Badly, Door};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// Sends the head of a long request and a part of its body, and waits for an answer, which the rest would come before.
async fn half(base: &str, head: &str, bytes: usize) -> (TcpStream, String) {
    let at = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = format!("POST /slack/commands HTTP/1.1\r\nhost: {at}\r\ncontent-length: 1000000\r\n{head}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; bytes]).await;
    let mut answer = [0; 12];
    let read = tokio::time::timeout(Duration::from_millis(500), stream.read_exact(&mut answer)).await;
    let answer =
        if matches!(read, Ok(Ok(_))) { String::from_utf8_lossy(&answer[9..]).into_owned() } else { String::new() };
    (stream, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_only_behind_a_head_that_may_be_slacks() {
    town_by(Mode::Socket, async |town| {
        assert_eq!(half(&town.base, "", 1000).await.1, "404", "nobody waits for the rest");
    })
    .await;
    town_by(Mode::Http, async |town| {
        let now = town.clock.now().0 / 1000;
        let of =
            |at: i64, signature: &str| format!("x-slack-request-timestamp: {at}\r\nx-slack-signature: {signature}\r\n");
        let like = format!("v0={}", "0".repeat(64));
        for head in [String::new(), of(now, "v0=1"), of(now - 301, &like)] {
            assert_eq!(half(&town.base, &head, 1000).await.1, "401", "{head}");
        }
        assert_eq!(half(&town.base, &of(now, &like), 1000).await.1, "", "its signature can only be judged whole");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_send_much_share_little_and_hold_up_nobody() {
    town_by(Mode::Http, async |town| {
        let like = format!("v0={}", "0".repeat(64));
        let now = town.clock.now().0 / 1000;
        let head = format!("x-slack-request-timestamp: {now}\r\nx-slack-signature: {like}\r\n");
        let all = (0..30).map(|_| half(&town.base, &head, 900_000));
        let all = futures_util::future::join_all(all).await;
        let refused = all.iter().filter(|(_, answer)| answer == "503").count();
        assert!((10..30).contains(&refused), "13 fit into 12 MiB: {refused} were refused");
        assert!(town.ana().slash("C1", "/ops health prod").await.acked, "a command is short");
        drop(all);
    })
    .await;
}

#[tokio::test]
async fn a_slow_slack_delays_nobodys_acknowledgement() {
    town_by(Mode::Http, async |town| {
        town.slack.trouble("views.open", 1, sereno_fakes::slack::Trouble::Hang);
        let heard = town.ana().slash("C1", "/ops drain prod").await;
        assert!(heard.acked && heard.latency < Duration::from_secs(1), "{heard:?}");
        // The form did not come: who asked is told what is missing, with a button for it.
        town.whispers(&town.ana(), &["drain"]).await;
    })
    .await;
}
