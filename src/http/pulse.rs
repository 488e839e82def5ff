//! What one connection is doing, and since when, so that a client that does nothing can be shown the door. Wraps the
//! socket and the answer's body; knows nothing of requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is on its way.
    Head,
    /// A request is being answered.
    Answer,
    /// Between two requests.
    Idle,
    /// It had to give up its place.
    Dismissed,
}

/// How long a connection may take to begin its first request before it counts as idle.
const NEWCOMER: Duration = Duration::from_secs(1);

/// One connection's present doings.
#[derive(Debug)]
pub(super) struct Pulse {
    beat: Mutex<Beat>,
    dismissed: CancellationToken,
}

#[derive(Debug)]
struct Beat {
    phase: Phase,
    since: Instant,
    stalled: Option<Instant>,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        let beat = Beat { phase: Phase::Head, since: Instant::now(), stalled: None };
        Arc::new(Self { beat: Mutex::new(beat), dismissed: CancellationToken::new() })
    }

    /// How idle it is, to be compared: first those between two requests, then those whose request does not get on, each
    /// by its beginning. None while a request is being answered.
    pub(super) fn leisure(&self) -> Option<(bool, Instant)> {
        self.lock().leisure()
    }

    /// Makes an idle connection give up its place; false if it is not idle any more.
    pub(super) fn dismiss(&self) -> bool {
        let mut beat = self.lock();
        let idle = beat.leisure().is_some();
        if idle {
            beat.phase = Phase::Dismissed;
            self.dismissed.cancel();
        }
        idle
    }

    /// Waits until it has to give up its place.
    pub(super) async fn dismissed(&self) {
        self.dismissed.cancelled().await;
    }

    fn lock(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's head is complete; the guard notes the end of its answer.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.enter(Phase::Answer);
        Answering(Arc::clone(self))
    }

    /// Whether the client took longer than it may.
    pub(super) fn overdue(&self, limits: &Limits) -> bool {
        let beat = self.lock();
        let stalled = beat.stalled.is_some_and(|since| since.elapsed() > limits.stall);
        stalled
            || match beat.phase {
                Phase::Head => beat.since.elapsed() > limits.head,
                Phase::Idle => beat.since.elapsed() > limits.idle,
                Phase::Answer | Phase::Dismissed => false,
            }
    }

    fn enter(&self, phase: Phase) {
        let mut beat = self.lock();
        (beat.phase, beat.since) = (phase, Instant::now());
    }

    fn received(&self) {
        let idle = self.lock().phase == Phase::Idle;
        if idle {
            self.enter(Phase::Head);
        }
    }

    fn sent(&self, pending: bool) {
        let mut beat = self.lock();
        beat.stalled = if pending { beat.stalled.or_else(|| Some(Instant::now())) } else { None };
    }
}

impl Beat {
    fn leisure(&self) -> Option<(bool, Instant)> {
        match self.phase {
            Phase::Idle => Some((false, self.since)),
            Phase::Head if self.since.elapsed() > NEWCOMER => Some((true, self.since)),
            Phase::Head | Phase::Answer | Phase::Dismissed => None,
        }
    }
}

/// Held while a request is being answered.
pub(super) struct Answering(Arc<Pulse>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// An answer's body, which ends the answering when it has been sent.
pub(super) struct Counted {
    body: Body,
    _answering: Answering,
}

impl Counted {
    pub(super) fn new(body: Body, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// A socket that feels its connection's pulse.
pub(super) struct Watched {
    pub(super) socket: TcpStream,
    pub(super) pulse: Arc<Pulse>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pulse.received();
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.pulse.sent(result.is_pending());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.pulse.sent(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
