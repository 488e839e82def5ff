//! The accept loop: a cap on connections, deadlines for every silence, a stop that ends in time. `axum::serve` has none
//! of these (measured: half-sent heads stayed open for ever and kept a graceful stop from ending).

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::errno::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Limits;
use super::pulse::{Counted, Pulse, Watched};

/// Largest head of a request.
const HEAD_BYTES: usize = 32 * 1024;
/// Rest after which we do not accept at once when the system has no socket to give.
const BREATH: Duration = Duration::from_millis(50);
/// What we still take from a client whose body nobody wants, so that it can read our answer: bytes, and how long.
const LINGER: (u64, Duration) = (8 * 1024 * 1024, Duration::from_secs(2));

/// Serves `app` until `stop`.
///
/// # Errors
/// When the listener is none that anybody could connect to any more.
pub(super) async fn run(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut open = JoinSet::new();
    while let Some((socket, slot)) = accept(&listener, &slots, &stop).await? {
        while open.try_join_next().is_some() {}
        let (app, stop) = (app.clone(), stop.clone());
        open.spawn(async move {
            connection(socket, app, limits, stop).await;
            drop(slot);
        });
    }
    drop(listener);
    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all_ended).await.is_err() {
        tracing::warn!(connections = open.len(), "connections did not end in time and are dropped");
    }
    Ok(())
}

/// A connection and its place among all.
type Accepted = (TcpStream, OwnedSemaphorePermit);

/// The next connection; none at the stop.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> std::io::Result<Option<Accepted>> {
    let next = async {
        let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
        loop {
            match listener.accept().await {
                Ok((socket, _)) => return Ok(Some((socket, slot))),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        accepted = next => accepted,
    }
}

/// Whether an error is the listener's own. All others are a client's or the system's, and pass.
fn is_final(error: &std::io::Error) -> bool {
    error
        .raw_os_error()
        .map(Errno::from_raw)
        .is_some_and(|code| matches!(code, Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK))
}

/// Serves one connection to its end.
async fn connection(socket: TcpStream, app: Router, limits: Limits, stop: CancellationToken) {
    let _ = socket.set_nodelay(true);
    let pulse = Pulse::new();
    let io = TokioIo::new(Watched { socket, pulse: Arc::clone(&pulse) });
    let answering = Arc::clone(&pulse);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (app, answering) = (app.clone(), answering.answering());
        Box::pin(async move {
            let response = app.oneshot(request).await?;
            Ok::<_, Infallible>(response.map(|body| Counted::new(body, answering)))
        })
    });
    let mut served = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(io, service);
    let mut look = tokio::time::interval((limits.head / 10).max(Duration::from_millis(10)));
    let mut stopped = false;
    loop {
        tokio::select! {
            _ = poll_fn(|cx| served.poll_without_shutdown(cx)) => break,
            () = stop.cancelled(), if !stopped => {
                stopped = true;
                std::pin::Pin::new(&mut served).graceful_shutdown();
            }
            _ = look.tick() => if pulse.overdue(&limits) { return },
        }
    }
    linger(served.into_parts().io.into_inner().socket).await;
}

/// Closes a socket so that the client can read the answer even if it was still sending: closing with unread bytes
/// would reset the connection and take the answer with it.
async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_ok() {
        let rest = async { tokio::io::copy(&mut (&mut socket).take(LINGER.0), &mut tokio::io::sink()).await };
        let _ = tokio::time::timeout(LINGER.1, rest).await;
    }
}
