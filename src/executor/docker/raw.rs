//! One question to the engine by hand, for answers that the client does not read. Knows nothing of what is asked.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::Body as _;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Largest answer, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// What the engine at this address answers to a GET, as JSON; an error says why there is none.
pub(super) async fn get(address: &str, path: &str) -> Result<Value, String> {
    let answer = match address.strip_prefix("unix://") {
        Some(socket) => ask(UnixStream::connect(socket).await.map_err(said)?, path).await,
        None => {
            let authority = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/');
            ask(TcpStream::connect(authority).await.map_err(said)?, path).await
        }
    };
    answer.map_err(said)
}

fn said(error: impl Into<Box<dyn Error + Send + Sync>>) -> String {
    error.into().to_string()
}

async fn ask<S>(stream: S, path: &str) -> Result<Value, Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header("Host", "docker").body(String::new())?;
    let read = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let (mut body, mut bytes) = (answer.into_body(), Vec::new());
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(data) = frame?.into_data() {
                if bytes.len() + data.len() > LARGEST {
                    return Err(format!("over {LARGEST} bytes").into());
                }
                bytes.extend_from_slice(&data);
            }
        }
        match status {
            StatusCode::OK => Ok(serde_json::from_slice(&bytes)?),
            status => Err(format!("{status}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)])).into()),
        }
    };
    // The connection lives as long as its one question.
    tokio::select! {
        answer = read => answer,
        Err(error) = connection => Err(error.into()),
    }
}
