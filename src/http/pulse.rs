//! What one connection is doing, and since when, so that a client that does nothing can be shown the door. Wraps the
//! socket and the answer's body; knows nothing of requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is on its way.
    Head,
    /// A request is being answered.
    Answer,
    /// Between two requests.
    Idle,
}

/// One connection's present doings.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    phase: Phase,
    since: Instant,
    stalled: Option<Instant>,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Beat { phase: Phase::Head, since: Instant::now(), stalled: None })))
    }

    /// A request's head is complete; the guard notes the end of its answer.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.enter(Phase::Answer);
        Answering(Arc::clone(self))
    }

    /// Whether the client took longer than it may.
    pub(super) fn overdue(&self, limits: &Limits) -> bool {
        let beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = beat.stalled.is_some_and(|since| since.elapsed() > limits.stall);
        stalled
            || match beat.phase {
                Phase::Head => beat.since.elapsed() > limits.head,
                Phase::Idle => beat.since.elapsed() > limits.idle,
                Phase::Answer => false,
            }
    }

    fn enter(&self, phase: Phase) {
        let mut beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (beat.phase, beat.since) = (phase, Instant::now());
    }

    fn received(&self) {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).phase == Phase::Idle;
        if idle {
            self.enter(Phase::Head);
        }
    }

    fn sent(&self, pending: bool) {
        let mut beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beat.stalled = if pending { beat.stalled.or_else(|| Some(Instant::now())) } else { None };
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
