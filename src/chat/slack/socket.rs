//! Socket Mode: connections that we open, envelopes that Slack sends, acknowledgements that we send back once what is in
//! them is stored. What an envelope means is the business of `inbound`. See docs/decisions/0013-our-own-socket.md.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::door::came_again;
use super::inbound::Inbound;
use crate::chat::Away;

/// Connections of this process. Slack lets an app have ten.
const CONNECTIONS: usize = 2;
/// Between two pings.
const PING: Duration = Duration::from_secs(5);
/// A link on which nothing was heard for so long is lost.
const SILENCE: Duration = Duration::from_secs(11);
/// For opening a connection, for saying one thing on it, and for what is under way when it ends.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until the next try to connect; longer after each failure, up to the second one.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Envelopes that are dealt with side by side on one connection; the others wait in it.
const SIDE_BY_SIDE: usize = 64;
/// Largest envelope, in bytes.
const ENVELOPE: usize = 1024 * 1024;

type Link = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What Slack says on a connection.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    envelope_id: Option<String>,
    #[serde(default)]
    accepts_response_payload: bool,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    retry_attempt: u32,
    #[serde(default)]
    retry_reason: Option<String>,
}

/// How a connection ended.
enum End {
    /// Slack wants another one in its place.
    Refresh,
    /// It broke, or Slack closed it.
    Lost(String),
    /// We stop.
    Stopped,
}

/// Keeps the connections until `stop`.
pub(super) async fn listen(inbound: &Inbound, api: &Api, stop: &CancellationToken) {
    let keep = (0..CONNECTIONS).map(|_| keep(inbound, api, stop));
    futures_util::future::join_all(keep).await;
}

/// Keeps one connection: when it ends, the next one is opened.
async fn keep(inbound: &Inbound, api: &Api, stop: &CancellationToken) {
    let mut wait = AGAIN.0;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let opened = tokio::select! {
            opened = open(api) => opened,
            () = stop.cancelled() => return,
        };
        let end = match opened {
            Ok(link) => Connection { link, work: JoinSet::new(), heard: Instant::now() }.serve(inbound, stop).await,
            Err(error) => End::Lost(error),
        };
        match end {
            End::Stopped => return,
            End::Refresh => tracing::debug!("Slack renews a connection"),
            End::Lost(why) => {
                tracing::warn!(why, "no connection to Slack; it is opened again");
                metrics::counter!("sereno_slack_connections_lost_total").increment(1);
            }
        }
        // One that lasted was well, and its successor is wanted at once.
        if began.elapsed() > AGAIN.1 {
            wait = AGAIN.0;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => {}
        }
        wait = (wait * 2).min(AGAIN.1);
    }
}

/// Opens a connection. Its address is a secret, and stays out of errors.
async fn open(api: &Api) -> Result<Link, String> {
    let url = api.connect().await.map_err(|fault| fault.to_string())?;
    let config = WebSocketConfig::default().max_message_size(Some(ENVELOPE)).max_frame_size(Some(ENVELOPE));
    match timeout(PATIENCE, connect_async_with_config(url, Some(config), true)).await {
        Ok(Ok((link, _))) => Ok(link),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

/// One open connection. Dropped, it ends whatever is under way on it: not acknowledged, it comes again.
struct Connection {
    link: Link,
    work: JoinSet<Option<String>>,
    heard: Instant,
}

impl Connection {
    async fn serve(mut self, inbound: &Inbound, stop: &CancellationToken) -> End {
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            // While there is no room nothing is read, and so nothing is heard: that is not the link's fault.
            let room = self.work.len() < SIDE_BY_SIDE;
            if !room {
                self.heard = Instant::now();
            }
            let said = tokio::select! {
                frame = self.link.next(), if room => match self.hear(frame, inbound) {
                    Some(end) => break end,
                    None => true,
                },
                Some(done) = self.work.join_next() => self.acknowledge(done.ok().flatten()).await,
                _ = ping.tick() => self.say(Message::Ping(Bytes::new())).await,
                () = sleep_until(self.heard + SILENCE) => break End::Lost("nothing was heard on it".to_owned()),
                () = stop.cancelled() => break End::Stopped,
            };
            if !said {
                break End::Lost("nothing can be said on it".to_owned());
            }
        };
        if !matches!(end, End::Lost(_)) {
            self.finish().await;
        }
        end
    }

    /// Takes what was read; gives why the connection is over, if it is.
    fn hear(
        &mut self,
        frame: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
        inbound: &Inbound,
    ) -> Option<End> {
        let text = match frame {
            None | Some(Ok(Message::Close(_))) => return Some(End::Lost("Slack closed it".to_owned())),
            Some(Err(_)) => return Some(End::Lost("it broke".to_owned())),
            Some(Ok(frame)) => {
                self.heard = Instant::now();
                match frame {
                    Message::Text(text) => text,
                    _ => return None, // pings are answered by the library
                }
            }
        };
        let said: Said = match serde_json::from_str(&text) {
            Ok(said) => said,
            Err(error) => {
                tracing::warn!(%error, "Slack said something that cannot be read");
                return None;
            }
        };
        match (said.kind.as_str(), &said.envelope_id) {
            ("disconnect", _) => match said.reason.as_deref() {
                Some("warning") => None,
                Some("link_disabled") => {
                    tracing::error!("Socket Mode is switched off for this app: switch it on at api.slack.com/apps");
                    Some(End::Lost("Socket Mode is switched off".to_owned()))
                }
                Some("too_many_websockets") => Some(End::Lost("the app has too many connections".to_owned())),
                _ => Some(End::Refresh),
            },
            (_, Some(_)) => {
                self.work.spawn(take(inbound.clone(), said));
                None
            }
            (kind, None) => {
                tracing::debug!(kind, "Slack speaks of the connection");
                None
            }
        }
    }

    /// Says what a finished piece of work gave to say, if anything; false where the link is lost.
    async fn acknowledge(&mut self, acknowledgement: Option<String>) -> bool {
        match acknowledgement {
            Some(text) => self.say(Message::text(text)).await,
            None => true,
        }
    }

    async fn say(&mut self, message: Message) -> bool {
        matches!(timeout(PATIENCE, self.link.send(message)).await, Ok(Ok(())))
    }

    /// Ends in order: Slack sends nothing new, and what is under way is acknowledged.
    async fn finish(mut self) {
        let rest = async {
            while let Some(done) = self.work.join_next().await {
                if !self.acknowledge(done.ok().flatten()).await {
                    return;
                }
            }
            let _ = self.link.close(None).await;
        };
        let _ = timeout(PATIENCE, rest).await;
    }
}

/// Deals with an envelope; gives its acknowledgement, or nothing where it must come again.
async fn take(inbound: Inbound, said: Said) -> Option<String> {
    let envelope = said.envelope_id?;
    if said.retry_attempt > 0 {
        came_again(said.retry_reason.as_deref().unwrap_or_default());
    }
    let taken = match said.kind.as_str() {
        "slash_commands" => inbound.commands(said.payload).await,
        "interactive" => inbound.interactions(said.payload).await,
        "events_api" => inbound.events(said.payload).await.map(|()| None),
        kind => {
            tracing::warn!(kind, "an envelope that cannot be ours");
            Ok(None)
        }
    };
    match taken {
        Ok(Some(payload)) if said.accepts_response_payload => {
            Some(json!({"envelope_id": envelope, "payload": payload}).to_string())
        }
        Ok(_) => Some(json!({"envelope_id": envelope}).to_string()),
        Err(Away(error)) => {
            tracing::warn!(error, kind = said.kind, "something from Slack was not stored; it must come again");
            None
        }
    }
}
