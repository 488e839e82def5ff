//! A container's log of a gigabyte, as an engine sends it: it passes through and is not kept.

use serde_json::json;
use sereno::domain::runbook::Effect;
use sereno::executor::{self, Tools};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::docker_support::LONG;
use crate::executor_support::{action, context, done};

const ID: &str = "4f5ce7d9b4f7a1b8e0d9c3b2a1908f7e6d5c4b3a29180716253443526170f1e2";
const FRAMES: usize = 16 * 1024;
const FRAME: usize = 64 * 1024;

/// An engine with one container, whose log is FRAMES frames long.
async fn engine() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    format!("tcp://{address}")
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut asked = vec![0; 8192];
    let read = stream.read(&mut asked).await?;
    let line = String::from_utf8_lossy(&asked[..read]).lines().next().unwrap_or_default().to_owned();
    let path = line.split(['?', ' ']).nth(1).unwrap_or_default();
    let body = match path.rsplit('/').next() {
        Some("version") => json!({"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}),
        Some("json") if path.ends_with("containers/json") => json!([{"Id": ID, "Names": ["/shop_api_1"],
            "Image": "shop/api", "ImageID": "sha256:1", "State": "running", "Status": "Up", "Labels": {}}]),
        Some("json") => json!({"Id": ID, "Config": {"Tty": false}}),
        Some("logs") => return log(stream).await,
        _ => panic!("nobody asks this: {line}"),
    };
    let (body, kind) = (body.to_string(), "Content-Type: application/json");
    let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

async fn log(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n").await?;
    let mut frame = vec![1, 0, 0, 0];
    frame.extend(u32::try_from(FRAME).unwrap().to_be_bytes());
    let line = b"2026-03-01T12:00:00Z INFO one of very many lines, each as long as lines of logs usually are....\n";
    frame.extend(line.iter().cycle().take(FRAME));
    for _ in 0..FRAMES {
        stream.write_all(&frame).await?;
    }
    stream.shutdown().await
}

/// A line of this process's status, in bytes.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_log_takes_no_memory() {
    let tools = Tools::new([].into(), &[], Some(engine().await));
    let with = json!({"do": "logs", "container": "shop_api_1", "pattern": "INFO", "follow": "15m"});
    let before = memory("VmRSS");
    let cx = context(&tools, Effect::Read, LONG * 10);
    let report = done(executor::run(&*action("docker", &with), &cx).await);
    assert_eq!((&report.facts["bytes"], &report.facts["truncated"]), (&json!(FRAMES * FRAME), &json!(true)));
    assert!(report.facts["lines"].as_array().unwrap().len() <= 1000);
    let grown = memory("VmHWM").saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more at the highest");
}
