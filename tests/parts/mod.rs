//! The real parts that `tests/parts/up` started, for the tests that need them, and a wire that can be cut.

#![allow(dead_code)] // each test uses some of it

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::support::skipped;

/// A part's address or path. None, said by name, where it is missing; with CI=true that is a failure.
#[allow(clippy::disallowed_methods)] // the environment says where parts are
pub fn part(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        skipped(&format!("{variable} is not set; tests/parts/up starts what is missing"));
    }
    found
}

/// A loopback port in front of a part. It passes everything on, and writes down what clients say, until a client
/// says the word: that still arrives, the part answers, and the answer never comes back.
pub struct Wire {
    pub port: u16,
    said: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Wire {
    /// A wire to `unix:///path` or `host:port` that is cut at `word`; an empty one never comes.
    pub async fn to(part: &str, word: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (part, word, log) = (part.to_owned(), word.as_bytes().to_vec(), said.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (word, log) = (word.clone(), log.clone());
                match part.strip_prefix("unix://") {
                    Some(path) => {
                        tokio::spawn(pass(client, UnixStream::connect(path.to_owned()).await.unwrap(), word, log))
                    }
                    None => tokio::spawn(pass(client, TcpStream::connect(&part).await.unwrap(), word, log)),
                };
            }
        });
        Self { port, said, task }
    }

    /// What clients said, as text.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut client: TcpStream,
    part: impl AsyncRead + AsyncWrite + Unpin,
    word: Vec<u8>,
    log: Arc<Mutex<Vec<u8>>>,
) {
    let (mut from_part, mut to_part) = tokio::io::split(part);
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                log.lock().unwrap().extend_from_slice(&up[..read]);
                let said = !word.is_empty() && up[..read].windows(word.len()).any(|part| part == word);
                if to_part.write_all(&up[..read]).await.is_err() {
                    return;
                }
                if said {
                    let _ = from_part.read(&mut down).await;
                    return;
                }
            }
            read = from_part.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
