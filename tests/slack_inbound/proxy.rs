//! Slack behind an HTTP proxy: a tiny one on loopback, which notes what it was asked for.

use std::sync::{Arc, Mutex};

use sereno::chat;
use sereno::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::town::town_behind;

/// A proxy that leads everything to one address.
pub struct Proxy {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    leads_to: String,
    heads: Vec<String>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, Arc::clone(&noted)));
            }
        });
        Self { address, seen }
    }

    /// What is at the other end from now on.
    pub fn leads_to(&self, url: &str) {
        self.seen.lock().unwrap().leads_to = url.trim_start_matches("http://").to_owned();
    }

    /// As the environment would name it.
    pub fn setting(&self) -> chat::Proxy {
        let url = Secret::new(format!("http://user:secret@{}", self.address));
        chat::Proxy { url, except: "internal.example".to_owned() }
    }
}

/// Reads a head, and leads what follows to the other end.
async fn lead(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).to_lowercase();
    let to = {
        let mut seen = seen.lock().unwrap();
        seen.heads.push(text.clone());
        seen.leads_to.clone()
    };
    let mut other = TcpStream::connect(to).await?;
    if text.starts_with("connect ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        other.write_all(&head).await?;
    }
    tokio::io::copy_bidirectional(&mut stream, &mut other).await.map(drop)
}

#[tokio::test]
async fn everything_that_goes_to_slack_goes_through_the_proxy() {
    let proxy = Proxy::start().await;
    town_behind(&proxy, async |town| {
        assert!(town.ana().slash("C1", "/ops health prod").await.acked);
        town.says("C1", &["shop/health prod", "done"]).await;
        town.ana().open_home().await;
        town.slack.wait_for("a page", |_| town.ana().home()).await;
    })
    .await;
    let heads = proxy.seen.lock().unwrap().heads.clone();
    assert!(heads.iter().any(|head| head.starts_with("connect slack.test:")), "{heads:#?}");
    // `user:secret` in Base64, and in small letters here.
    assert!(heads.iter().all(|head| head.contains("proxy-authorization: basic dxnlcjpzzwnyzxq=")), "{heads:#?}");
}
