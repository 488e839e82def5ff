//! Servers that go away in the middle: a proxy before a real one breaks every connection at a chosen reply.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sereno::domain::step::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{LONG, eventually, failed};

/// How a connection breaks after its whole replies.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// It is closed.
    Cut,
    /// Half of the next reply comes; then it is closed.
    Half,
    /// It stays open, and nothing comes any more.
    Silent,
}

/// Tries a step through proxies before this server that break after no reply, after one, and so on until the step is
/// done, in every way. Each try that failed must say what happened and what to do, without a secret (which holds
/// `canary`), and leave no connection behind. Says how many failed in each way, the fewest of them.
pub async fn everywhere(server: u16, step: impl AsyncFn(u16, Duration) -> Outcome) -> usize {
    let tries = [Then::Cut, Then::Half, Then::Silent].map(|then| until_done(server, then, &step));
    join_all(tries).await.into_iter().min().unwrap()
}

async fn until_done(server: u16, then: Then, step: &impl AsyncFn(u16, Duration) -> Outcome) -> usize {
    let silent = then == Then::Silent;
    for whole in 0..40 {
        let proxy = Proxy::before(server, whole, then).await;
        let run = step(proxy.port, if silent { Duration::from_secs(1) } else { LONG });
        let outcome = tokio::time::timeout(2 * LONG, run).await.expect("it ends");
        if let Outcome::Done(_) = outcome {
            return whole;
        }
        let why = failed(outcome);
        let heard = ["did not answer to the end", "the answer broke off"].iter().any(|text| why.contains(text));
        assert!(heard || (silent && why.contains("not finished after 1 s")), "{then:?} after {whole}: {why}");
        assert!(why.contains("look whether"), "it says what to do: {why}");
        assert!(!why.contains("canary") && !why.contains("labels") && !why.contains("Parse"), "in few words: {why}");
        eventually("no connection is left", async || (proxy.connections() == 0).then_some(())).await;
    }
    panic!("{then:?}: never done")
}

/// The proxy.
struct Proxy {
    port: u16,
    open: Arc<()>,
}

impl Proxy {
    /// Before a server on this machine. A reply is what comes from it at once.
    async fn before(server: u16, whole: usize, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(());
        let held = Arc::downgrade(&open);
        tokio::spawn(async move {
            while let (Ok((client, _)), Some(held)) = (listener.accept().await, held.upgrade()) {
                tokio::spawn(async move {
                    let _ = lead(client, server, whole, then).await;
                    drop(held);
                });
            }
        });
        Self { port, open }
    }

    /// Connections that are open.
    fn connections(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

/// Passes questions on, and replies until it breaks.
async fn lead(mut client: TcpStream, server: u16, whole: usize, then: Then) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    let (mut questions, mut to_client) = client.split();
    let (mut replies, mut to_server) = server.split();
    let breaks = async {
        let mut reply = vec![0; 256 * 1024];
        for _ in 0..whole {
            let read = replies.read(&mut reply).await?;
            to_client.write_all(&reply[..read]).await?;
        }
        match then {
            Then::Cut => Ok(()),
            Then::Half => {
                let read = replies.read(&mut reply).await?;
                to_client.write_all(&reply[..read / 2]).await
            }
            Then::Silent => std::future::pending().await,
        }
    };
    tokio::select! {
        asked = tokio::io::copy(&mut questions, &mut to_server) => asked.map(drop),
        broken = breaks => broken,
    }
}
