//! A stream that breaks once more has come out of it than anybody would read: whatever the other side sends, memory
//! stays flat. Knows nothing of what is spoken.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of which at most so many bytes are read.
#[derive(Debug)]
pub(in crate::executor) struct Capped<S> {
    stream: S,
    left: usize,
    peer: Option<SocketAddr>,
}

impl<S> Capped<S> {
    /// At most `limit` bytes of `stream`.
    pub(in crate::executor) fn new(stream: S, limit: usize) -> Self {
        Self { stream, left: limit, peer: None }
    }

    /// The same, with the address that it leads to.
    pub(in crate::executor) fn to(self, peer: Option<SocketAddr>) -> Self {
        Self { peer, ..self }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Capped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match self.left.checked_sub(buffer.filled().len() - before) {
            Some(left) => {
                self.left = left;
                read
            }
            None => Poll::Ready(Err(io::Error::other("the answer is longer than anybody would read"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Capped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug>
    lettre::transport::smtp::client::AsyncTokioStream for Capped<S>
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.peer.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
