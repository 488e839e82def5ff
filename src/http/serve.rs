//! The accept loop: a cap on connections, deadlines for every silence, a stop that ends in time. `axum::serve` has none
//! of these (measured: half-sent heads stayed open for ever and kept a graceful stop from ending).

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::errno::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::Limits;
use super::crowd::{Crowd, Place};
use super::pulse::{Counted, Watched};

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
    let crowd = Crowd::new(limits.connections);
    let mut open = JoinSet::new();
    while let Some(accepted) = accept(&listener, &crowd, &stop).await? {
        while open.try_join_next().is_some() {}
        let (app, stop) = (app.clone(), stop.clone());
        open.spawn(async move {
            let pulse = Arc::clone(&accepted.place.pulse);
            tokio::select! {
                biased;
                () = pulse.dismissed() => {}
                () = connection(accepted, app, limits, stop) => {}
            }
        });
    }
    drop(listener);
    let all_ended = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all_ended).await.is_err() {
        tracing::warn!(connections = open.len(), "connections did not end in time and are dropped");
    }
    Ok(())
}

/// A connection.
struct Accepted {
    socket: TcpStream,
    peer: IpAddr,
    place: Place,
}

/// The address that a request comes from: its connection's, until a trusted proxy names another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

impl Peer {
    /// That of a request; every one that [`run`] serves has it.
    pub(super) fn of(parts: &Parts) -> Self {
        parts.extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The next connection; none at the stop.
async fn accept(
    listener: &TcpListener,
    crowd: &Arc<Crowd>,
    stop: &CancellationToken,
) -> std::io::Result<Option<Accepted>> {
    let next = async {
        loop {
            match listener.accept().await {
                // Only somebody who is there takes another's place.
                Ok((socket, peer)) => {
                    return Ok(Some(Accepted { socket, peer: peer.ip(), place: crowd.enter().await }));
                }
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
async fn connection(accepted: Accepted, app: Router, limits: Limits, stop: CancellationToken) {
    let Accepted { socket, peer, place } = accepted;
    let _ = socket.set_nodelay(true);
    let pulse = &place.pulse;
    let io = TokioIo::new(Watched { socket, pulse: Arc::clone(pulse) });
    let answering = Arc::clone(pulse);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
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
