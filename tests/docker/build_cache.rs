//! What builds leave behind: the engine builds something with what a port of ours serves, and that is pruned.

use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};

use crate::docker_support::Stack;
use crate::executor_support::{Said, done};

/// Serves whatever is asked for: a Dockerfile that adds two other things, one upon the other.
async fn serves() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let file = format!("FROM scratch\nADD {url}/one /one\nADD {url}/two /two\n");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let file = file.clone();
            tokio::spawn(async move {
                let mut asked = vec![0; 4096];
                let read = stream.read(&mut asked).await.unwrap_or_default();
                let dockerfile = asked[..read].windows(11).any(|part| part == b"/Dockerfile");
                let body = if dockerfile { file } else { "x".repeat(5000) };
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n", body.len());
                let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await;
            });
        }
    });
    url
}

/// Builds it with BuildKit, which needs neither a client of its own nor a file of this machine's.
async fn build(shop: &Stack, url: &str) {
    let socket = shop.host.strip_prefix("unix://").expect("the engine of the tests has a socket");
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let ask = format!("POST /build?version=2&networkmode=none&remote={url}/Dockerfile HTTP/1.0\r\nHost: d\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(said.contains("moby.image.id"), "{said}");
}

#[tokio::test]
async fn what_builds_left_is_previewed_and_goes_piece_by_piece() {
    let Some(shop) = Stack::new() else { return };
    let url = serves().await;
    build(&shop, &url).await;
    let room = async || done(shop.planned(Effect::Read, json!({"do": "df"})).await.1).facts["build_cache"].clone();
    let before = room().await;
    // Two things that were fetched, and two layers, of which one stands on the other.
    assert!(before["unused"].as_u64() >= Some(4) && before["reclaimable"].as_u64() >= Some(20_000), "{before}");
    let prune = json!({"do": "prune", "what": ["build_cache"]});
    let (plan, outcome) = shop.planned(Effect::Destroy, prune).await;
    let line = plan.line.en();
    assert!(line.contains("build_cache (") && line.contains(&url), "the card names what goes: {line}");
    let planned = plan.exact["targets"].as_array().unwrap();
    assert!(planned.iter().all(|target| target["kind"] == "build_cache" && target["bytes"].is_number()));
    let report = done(outcome);
    let ours = |list: &str| {
        let all = report.facts[list].as_array().unwrap().iter();
        all.filter(|one| one["name"].as_str().is_some_and(|name| name.contains(&url))).cloned().collect::<Vec<Value>>()
    };
    assert_eq!((ours("removed").len(), ours("kept").len()), (3, 0), "{}", report.facts);
    assert_eq!(report.facts["kept"], json!([]), "what others stand on goes after them");
    let after = room().await;
    assert!(after["bytes"].as_u64() < before["bytes"].as_u64(), "{before} {after}");
}
