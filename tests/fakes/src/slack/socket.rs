//! Socket Mode: connections of the app, envelopes to one of them, acknowledgements from it, and the ways a connection
//! ends. Page: <https://docs.slack.dev/apis/events-api/using-socket-mode>.

use std::collections::{BTreeSet, HashMap};

use axum::extract::ws::{Message as Frame, WebSocket};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::deliver::{Door, Sent};

/// An app may hold so many connections.
pub const MOST: usize = 10;

/// The app's connections.
#[derive(Default)]
pub struct Sockets {
    /// One-use URLs that were handed out, and until when they are good.
    pub tickets: HashMap<String, i64>,
    /// How many were ever opened.
    pub opened: u64,
    open: Vec<Socket>,
    late: BTreeSet<String>,
}

struct Socket {
    id: u64,
    orders: mpsc::UnboundedSender<Order>,
    /// It was told to go: nothing new is sent on it.
    leaving: bool,
    /// Envelopes on it that wait for an acknowledgement.
    waiting: HashMap<String, oneshot::Sender<Value>>,
}

enum Order {
    Say(String),
    /// A close frame, then the end.
    Close,
    /// The end, without a word.
    Cut,
    /// Reads and says nothing any more, and keeps the connection.
    Silence,
}

impl Sockets {
    /// Ids of the connections that are open, oldest first.
    #[must_use]
    pub fn ids(&self) -> Vec<u64> {
        self.open.iter().map(|socket| socket.id).collect()
    }

    fn order(&self, id: u64, order: Order) {
        if let Some(socket) = self.open.iter().find(|socket| socket.id == id) {
            let _ = socket.orders.send(order);
        }
    }

    /// Ends a connection without a word.
    pub fn cut(&self, id: u64) {
        self.order(id, Order::Cut);
    }

    /// A connection that answers nothing any more, not even pings.
    pub fn silence(&self, id: u64) {
        self.order(id, Order::Silence);
    }

    /// Says `disconnect` with a reason: `warning`, `refresh_requested`, `link_disabled`. But for the warning, nothing
    /// new is sent on it and it ends 10 seconds later by the fake's clock.
    pub fn disconnect(&mut self, id: u64, reason: &str) {
        let said = json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}});
        self.order(id, Order::Say(said.to_string()));
        let leaves = reason != "warning";
        self.open.iter_mut().filter(|socket| socket.id == id).for_each(|socket| socket.leaving |= leaves);
    }

    /// Takes what the app said; `Err` is a complaint.
    fn acked(&mut self, id: u64, text: &str) -> Result<(), String> {
        let said: Value = serde_json::from_str(text).map_err(|_| format!("not JSON on the socket: {text}"))?;
        let envelope = said["envelope_id"].as_str().ok_or_else(|| format!("no envelope_id: {text}"))?;
        let socket = self.open.iter_mut().find(|socket| socket.id == id);
        match socket.and_then(|socket| socket.waiting.remove(envelope)) {
            Some(waits) => drop(waits.send(said["payload"].clone())),
            None if self.late.contains(envelope) => return Err(format!("acknowledged too late: {envelope}")),
            None => return Err(format!("acknowledged twice or never sent: {envelope}")),
        }
        Ok(())
    }
}

/// Sends an envelope to the connection whose turn it is; to another one where that ends before it acknowledged.
pub(crate) async fn send(
    shared: &Shared,
    turn: usize,
    door: Door,
    envelope: &str,
    payload: &Value,
    retry: (u32, &str),
) -> Sent {
    let start = shared.clock.now();
    let mut said = json!({"envelope_id": envelope, "type": door.envelope(), "payload": payload,
        "accepts_response_payload": door != Door::Event});
    if door == Door::Event {
        said["retry_attempt"] = json!(retry.0);
        said["retry_reason"] = json!(if retry.0 == 0 { "" } else { "timeout" });
    }
    let mut tried = BTreeSet::new();
    loop {
        let waits = shared.with(|world| {
            let sockets = &mut world.sockets;
            let mut ready: Vec<&mut Socket> =
                sockets.open.iter_mut().filter(|one| !one.leaving && !tried.contains(&one.id)).collect();
            let count = ready.len();
            let socket = ready.get_mut(turn.checked_rem(count)?)?;
            let (sender, waits) = oneshot::channel();
            socket.waiting.insert(envelope.to_owned(), sender);
            tried.insert(socket.id);
            let _ = socket.orders.send(Order::Say(said.to_string()));
            Some((socket.id, waits))
        });
        let Some((id, waits)) = waits else { return Sent::failed("no_connection", shared.clock.now() - start) };
        let sent = tokio::select! {
            answer = waits => match answer {
                Ok(body) => Sent::taken(body, shared.clock.now() - start),
                Err(_) => continue,
            },
            () = shared.late(start) => {
                shared.with(|world| world.sockets.forget(id, envelope));
                Sent::failed("timeout", shared.clock.now() - start)
            }
        };
        return Sent { envelope: Some(envelope.to_owned()), ..sent };
    }
}

impl Sockets {
    fn forget(&mut self, id: u64, envelope: &str) {
        self.open.iter_mut().filter(|one| one.id == id).for_each(|one| drop(one.waiting.remove(envelope)));
        self.late.insert(envelope.to_owned());
    }
}

/// One connection, from hello to its end.
pub(crate) async fn serve(mut link: WebSocket, shared: Shared) {
    let (orders, mut inbox) = mpsc::unbounded_channel();
    let id = shared.with(|world| {
        world.sockets.opened += 1;
        let id = world.sockets.opened;
        world.sockets.open.push(Socket { id, orders, leaving: false, waiting: HashMap::new() });
        let count = world.sockets.open.len();
        if count > MOST {
            world.sockets.disconnect(id, "too_many_websockets");
            world.sockets.order(id, Order::Close);
        } else {
            let hello = json!({"type": "hello", "num_connections": count, "connection_info": {"app_id": world.app.id},
                "debug_info": {"host": "applink-fake", "started": "2026-03-02 09:00:00.000", "build_number": 1,
                    "approximate_connection_time": 18_060}});
            world.sockets.order(id, Order::Say(hello.to_string()));
        }
        id
    });
    converse(&mut link, &shared, id, &mut inbox).await;
    shared.with(|world| world.sockets.open.retain(|socket| socket.id != id));
}

async fn converse(link: &mut WebSocket, shared: &Shared, id: u64, inbox: &mut mpsc::UnboundedReceiver<Order>) {
    let (mut silent, mut ends) = (false, i64::MAX);
    let mut ping = shared.clock.now() + 10_000;
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Say(_)) if silent => {}
                Some(Order::Say(text)) => {
                    let leaving = shared.with(|world| world.sockets.open.iter().any(|one| one.id == id && one.leaving));
                    if leaving && ends == i64::MAX {
                        ends = shared.clock.now() + 10_000;
                    }
                    if link.send(Frame::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Order::Silence) => silent = true,
                Some(Order::Close) => return drop(link.send(Frame::Close(None)).await),
                Some(Order::Cut) | None => return,
            },
            frame = link.recv(), if !silent => match frame {
                Some(Ok(Frame::Text(text))) => shared.with(|world| {
                    if let Err(complaint) = world.sockets.acked(id, &text) {
                        world.complaints.push(complaint);
                    }
                }),
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
            () = shared.clock.until(ping), if !silent => {
                ping = shared.clock.now() + 10_000;
                if link.send(Frame::Ping("fake".into())).await.is_err() {
                    return;
                }
            }
            () = shared.clock.until(ends) => return drop(link.send(Frame::Close(None)).await),
        }
    }
}
