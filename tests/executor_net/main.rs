//! The actions on single services, on this machine and its files: each on the real thing where there is one.

mod broken;
#[path = "../executor_support/mod.rs"]
mod executor_support;
mod machine;
mod metrics;
#[cfg(feature = "mongo")]
mod mongo;
mod names;
mod notify;
#[path = "../support/program.rs"]
mod program;
mod redis;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::time::Duration;

use executor_support::{Said as _, action, context};
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::{self, StepContext, Tools};
use sereno::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

/// Tools with these secrets.
fn tools(secrets: &[(&str, &str)]) -> Tools {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let secrets = secrets.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text)));
    Tools::new(secrets.collect(), &[], None)
}

/// What an attempt with these secrets is given; what it was planned with is filled in.
async fn attempt(name: &str, with: &Value, mut cx: StepContext) -> Outcome {
    let action = action(name, with);
    if let Ok(plan) = executor::plan(&*action, &cx.tools, cx.effect).await {
        cx.planned = plan.exact;
    }
    executor::run(&*action, &cx).await
}

/// A look without secrets.
async fn look(name: &str, with: Value) -> Outcome {
    attempt(name, &with, context(&tools(&[]), Effect::Read, LONG)).await
}

/// What a look that was done found.
async fn found(name: &str, with: Value) -> Report {
    done(look(name, with).await)
}

fn done(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        Outcome::Failed(report) => panic!("failed: {}", report.line.en()),
        other => panic!("not done: {other:?}"),
    }
}

/// Why it failed, in English.
fn failed(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(report) => report.line.en(),
        other => panic!("not failed: {other:?}"),
    }
}

/// Why nobody knows, in English.
fn unknown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unknown(report) => report.line.en(),
        other => panic!("not unknown: {other:?}"),
    }
}

/// A port that nothing listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for something that another program does.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: never");
}

/// Says how it begins; what answers in HTTP is asked first.
async fn begin(stream: &mut TcpStream, begins: &[u8]) {
    if begins.starts_with(b"HTTP") {
        let _ = stream.read(&mut [0; 4096]).await;
    }
    let _ = stream.write_all(begins).await;
}

/// A server that takes connections, says this, and nothing more.
async fn silent(says: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            begin(&mut stream, says).await;
            open.push(stream);
        }
    });
    port
}

/// A server that talks for ever.
async fn endless(begins: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                begin(&mut stream, begins).await;
                while stream.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
            });
        }
    });
    port
}

#[tokio::test]
async fn whoever_cancels_a_look_is_heard() {
    let port = silent(b"").await;
    for (name, with) in [
        ("redis", json!({ "do": "ping", "server": format!("redis://127.0.0.1:{port}") })),
        ("prometheus", json!({ "do": "targets", "server": format!("http://127.0.0.1:{port}") })),
        ("tls", json!({ "server": format!("127.0.0.1:{port}") })),
    ] {
        let cx = context(&tools(&[]), Effect::Read, LONG);
        let cancel = cx.cancel.clone();
        let run = attempt(name, &with, cx);
        let (outcome, ()) = tokio::join!(run, async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        });
        assert!(failed(outcome).contains("cancelled"), "{name}");
    }
}
