//! One connection to a Redis server: opened by us, plain, with TLS or on a socket of this machine, and capped. Knows
//! what the driver's errors mean.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::domain::sentence::{Sentence, sentence};
use crate::executor::net::capped::Capped;
use crate::executor::net::{Endpoint, connect, not_reached, trust};
use crate::executor::value::Text;

/// Bytes that a server may answer in one step.
const ANSWERS: usize = 1024 * 1024;

/// A connection; it ends with this.
pub(super) struct Session {
    connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects and signs in. Says nothing of what is in the address.
    ///
    /// # Errors
    /// When the server cannot be reached, or does not let us in.
    pub(super) async fn open(address: &str, authority: Option<&Text>) -> Result<Self, Sentence> {
        // The crate was built without TLS of its own: the address is read as a plain one, and ours is spoken on it.
        let secured = address.strip_prefix("rediss://").map(|rest| format!("redis://{rest}"));
        let read = secured.as_deref().unwrap_or(address).into_connection_info();
        let info = read.map_err(|_| sentence!("action.redis_no_address"))?;
        let settings = info.redis_settings();
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let to = Endpoint { host: host.clone(), port: *port };
                match secured.is_some() {
                    true => {
                        let authority = trust::authority(authority).await?.unwrap_or_default();
                        Self::speak(settings, trust::open(&to, &authority).await?).await
                    }
                    false => Self::speak(settings, connect(&to).await?).await,
                }
            }
            ConnectionAddr::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                Self::speak(settings, stream.map_err(|error| not_reached(&path.display(), &error))?).await
            }
            _ => Err(sentence!("action.redis_no_address")),
        }
    }

    async fn speak(
        settings: &RedisConnectionInfo,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Sentence> {
        // The step has a deadline; a second one here would be in its way.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let settings = settings.clone().set_skip_set_lib_name();
        let stream = Capped::new(stream, ANSWERS);
        let opened = MultiplexedConnection::new_with_config(&settings, stream, config).await;
        let (connection, driver) = opened.map_err(|error| says(&error))?;
        Ok(Self { connection, driver: tokio::spawn(driver) })
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// What the server says against it, or that it is gone.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &str, args: &[String]) -> Result<T, Sentence> {
        let mut ask = redis::cmd(command);
        args.iter().for_each(|arg| {
            ask.arg(arg);
        });
        let answer = ask.query_async(&mut self.connection).await;
        answer.map_err(|error| says(&error))
    }
}

/// What the server or the driver says against it.
fn says(error: &RedisError) -> Sentence {
    match (error.kind(), error.code(), error.detail()) {
        (ErrorKind::Io, ..) => sentence!("action.redis_gone", why => error.to_string()),
        (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, ..) => sentence!("action.redis_odd"),
        (_, Some(code), Some(detail)) => sentence!("action.redis_says", why => format!("{code} {detail}")),
        _ => sentence!("action.redis_says", why => error.to_string()),
    }
}
