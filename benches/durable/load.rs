//! Clients on keep-alive connections, each with one request at a time, with as little work of their own as possible.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Rest before a request that was put off (503) is sent again.
const REST: Duration = Duration::from_millis(50);

/// What came of it.
pub struct Report {
    /// Acknowledged requests per second.
    pub per_second: f64,
    /// The time within which half were acknowledged, from the first try on.
    pub p50: Duration,
    /// The time within which 99 of 100 were acknowledged, from the first try on.
    pub p99: Duration,
    /// Answers 503.
    pub put_off: usize,
    pub took: Duration,
}

/// Sends all `requests` through `clients` connections.
pub async fn send(address: SocketAddr, requests: Vec<Vec<u8>>, clients: usize) -> Result<Report> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut sockets = Vec::new();
    for _ in 0..clients {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    let started = Instant::now();
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|socket| tokio::spawn(client(socket, Arc::clone(&requests), Arc::clone(&next))))
        .collect();
    let (mut times, mut put_off) = (Vec::with_capacity(requests.len()), 0);
    for task in tasks {
        let (mine, refused) = task.await??;
        times.extend(mine);
        put_off += refused;
    }
    let took = started.elapsed();
    times.sort_unstable();
    let within = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let (p50, p99) = (within(50), within(99));
    Ok(Report { per_second: times.len() as f64 / took.as_secs_f64(), p50, p99, put_off, took })
}

async fn client(
    mut socket: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> Result<(Vec<Duration>, usize)> {
    let (mut times, mut put_off, mut buffer) = (Vec::new(), 0, Vec::new());
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let began = Instant::now();
        loop {
            socket.write_all(request).await?;
            match answer(&mut socket, &mut buffer).await? {
                200 | 202 => break,
                503 => put_off += 1,
                status => bail!("answered {status}: {}", String::from_utf8_lossy(&buffer)),
            }
            tokio::time::sleep(REST).await;
        }
        times.push(began.elapsed());
    }
    Ok((times, put_off))
}

/// Reads one answer whole, and gives its status.
async fn answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16> {
    buffer.clear();
    loop {
        if socket.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(head) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
        if buffer.len() >= head + 4 + length.parse::<usize>()? {
            return Ok(text.get(9..12).context("no status")?.parse()?);
        }
    }
}
