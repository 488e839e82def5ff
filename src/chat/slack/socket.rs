//! Socket Mode: connections that we open, envelopes that Slack sends, acknowledgements that we send back once what is in
//! them is stored. What an envelope means is the business of `inbound`. See docs/decisions/0013-our-own-socket.md.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
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
/// Until the next try to connect; twice as long after each failure, up to the second one.
const AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));
/// A connection that lasted so long was well.
const LASTED: Duration = Duration::from_secs(10);
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
    let told = Told::default();
    let keep = (0..CONNECTIONS).map(|_| keep(inbound, api, &told, stop));
    futures_util::future::join_all(keep).await;
}

/// Keeps one connection: when it ends, the next one is opened.
async fn keep(inbound: &Inbound, api: &Api, told: &Told, stop: &CancellationToken) {
    let mut again = Again::default();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let opened = tokio::select! {
            opened = open(api) => opened,
            () = stop.cancelled() => return,
        };
        let end = match opened {
            Ok(link) => {
                let connection = Connection { link, work: JoinSet::new(), heard: Instant::now(), told };
                connection.serve(inbound, stop).await
            }
            Err(error) => End::Lost(error),
        };
        match end {
            End::Stopped => return,
            End::Refresh => tracing::debug!("Slack renews a connection"),
            End::Lost(why) => {
                if told.lost() {
                    tracing::warn!(
                        why,
                        "a connection to Slack is lost or does not open; it is tried again until it does"
                    );
                }
                metrics::counter!("sereno_slack_connections_lost_total").increment(1);
            }
        }
        tokio::select! {
            () = sleep(jittered(again.after(began.elapsed()))) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// How long until the next try.
struct Again(Duration);

impl Default for Again {
    fn default() -> Self {
        Self(AGAIN.0)
    }
}

impl Again {
    /// After a connection, or a try at one, that took so long. One that lasted was well: its successor is wanted at once.
    fn after(&mut self, lasted: Duration) -> Duration {
        let wait = if lasted > LASTED { AGAIN.0 } else { self.0 };
        self.0 = (wait * 2).min(AGAIN.1);
        wait
    }
}

/// Something from the half of a span to the whole, so that connections and replicas do not come back all at once.
fn jittered(span: Duration) -> Duration {
    let mut byte = [0];
    let _ = SystemRandom::new().fill(&mut byte); // without randomness it is the half
    span / 2 + span * u32::from(byte[0]) / 510
}

/// Whether the log was told that there is trouble: once when it begins and once when it ends, for all connections.
#[derive(Default)]
struct Told(AtomicBool);

impl Told {
    /// There is; tells whether that is news.
    fn lost(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// There is none any more; tells whether that is news.
    fn back(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Opens a connection. Its address is a secret, and stays out of errors.
async fn open(api: &Api) -> Result<Link, String> {
    let url = api.connect().await.map_err(|fault| fault.to_string())?;
    let way = &api.wire().map_err(|fault| fault.to_string())?.way;
    let config = WebSocketConfig::default().max_message_size(Some(ENVELOPE)).max_frame_size(Some(ENVELOPE));
    let opening = async {
        let stream = way.to(&url).await.map_err(|error| error.to_string())?;
        client_async_tls_with_config(url, stream, Some(config), None).await.map_err(|error| error.to_string())
    };
    match timeout(PATIENCE, opening).await {
        Ok(Ok((link, _))) => Ok(link),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}

/// One open connection. Dropped, it ends whatever is under way on it: not acknowledged, it comes again.
struct Connection<'t> {
    link: Link,
    work: JoinSet<Option<String>>,
    heard: Instant,
    told: &'t Told,
}

impl Connection<'_> {
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
                    let why = "Socket Mode is switched off for this app: switch it on at api.slack.com/apps";
                    Some(End::Lost(why.to_owned()))
                }
                Some("too_many_websockets") => {
                    let why = "the app has too many connections: Slack allows ten, and each replica takes two";
                    Some(End::Lost(why.to_owned()))
                }
                _ => Some(End::Refresh),
            },
            (_, Some(_)) => {
                self.work.spawn(take(inbound.clone(), said));
                None
            }
            ("hello", None) => {
                if self.told.back() {
                    tracing::info!("connected to Slack again");
                }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_comes_back_ever_more_seldom_and_who_was_well_at_once() {
        let (mut again, at_once) = (Again::default(), Duration::ZERO);
        let waits: Vec<u64> = (0..12).map(|_| again.after(at_once).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 3, 6, 12, 25, 51, 60, 60, 60]);
        assert_eq!(again.after(Duration::from_secs(3600)), AGAIN.0);
        assert_eq!(again.after(at_once), AGAIN.0 * 2);
    }

    #[test]
    fn no_two_come_back_at_the_same_moment() {
        let minute = Duration::from_secs(60);
        let spans: Vec<Duration> = (0..100).map(|_| jittered(minute)).collect();
        assert!(spans.iter().all(|span| (minute / 2..=minute).contains(span)), "{spans:?}");
        assert!(spans.iter().any(|span| *span != spans[0]), "{spans:?}");
    }

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_ends() {
        let told = Told::default();
        assert!(!told.back(), "the first connection is no news");
        assert_eq!([told.lost(), told.lost(), told.back(), told.back(), told.lost()], [true, false, true, false, true]);
    }
}
