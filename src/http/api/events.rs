//! Messages as they appear and change, as server-sent events. A revision is an event's id, so that a browser that lost
//! the connection gets what it missed. A stream ends after a while: coming back proves again who is asking.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::http::State;
use crate::http::access::Who;
use crate::http::fault::Fault;
use crate::http::view::{self, CardView};
use crate::store::messages;

/// How often the store is asked although nobody told of news: other replicas write, too.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing may be sent: proxies close silent connections.
const SILENCE: Duration = Duration::from_secs(15);
/// How long one stream lasts.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Changes that are read at once.
const BATCH: i64 = 200;

#[derive(Deserialize)]
pub(super) struct From {
    after: Option<i64>,
}

/// A stream's place.
struct Reader {
    state: Arc<State>,
    who: Who,
    after: i64,
    news: watch::Receiver<u64>,
    born: Instant,
    spoke: Instant,
    greeted: bool,
}

pub(super) async fn stream(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let after = match resumed.or(from.after) {
        Some(after) => after,
        None => messages::revision(&mut state.engine.store.read().await?).await?,
    };
    let (news, now) = (state.console.news(), Instant::now());
    let reader = Reader { state, who, after, news, born: now, spoke: now, greeted: false };
    let body = axum::body::Body::from_stream(stream::unfold(reader, next));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let proxies = (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([kind, proxies], body).into_response())
}

/// The next piece of the stream, or its end.
async fn next(mut reader: Reader) -> Option<(Result<String, std::convert::Infallible>, Reader)> {
    if !reader.greeted {
        reader.greeted = true;
        return Some((Ok("retry: 1000\n: here\n\n".to_owned()), reader));
    }
    loop {
        if reader.born.elapsed() > LIFE || reader.state.stopping.is_cancelled() {
            return None;
        }
        let events = reader.events().await?;
        if !events.is_empty() {
            reader.spoke = Instant::now();
            return Some((Ok(events), reader));
        }
        if reader.spoke.elapsed() > SILENCE {
            reader.spoke = Instant::now();
            return Some((Ok(": still here\n\n".to_owned()), reader));
        }
        let stopping = reader.state.stopping.clone();
        tokio::select! {
            _ = reader.news.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stopping.cancelled() => return None,
        }
    }
}

impl Reader {
    /// What changed since the last look, for this person's eyes; none ends the stream: they are no longer one
    /// of us, or the database is away and the browser comes back later.
    async fn events(&mut self) -> Option<String> {
        let settings = self.state.engine.settings.load_full();
        if !settings.knows(&self.who.0) {
            return None;
        }
        let mut db = self.state.engine.store.read().await.ok()?;
        let changed = messages::changed(&mut db, self.after, BATCH).await.ok()?;
        drop(db);
        let mut text = String::new();
        for message in changed {
            self.after = self.after.max(message.revision);
            if view::is_for(&message, &self.who.0) {
                text.push_str(&event(&CardView::of(message, &settings)));
            }
        }
        Some(text)
    }
}

/// One event. JSON holds no line ends, so that a card is one `data` line.
fn event(card: &CardView) -> String {
    let data = serde_json::to_string(card).unwrap_or_default();
    format!("id: {}\nevent: card\ndata: {data}\n\n", card.revision)
}
