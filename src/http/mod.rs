//! The HTTP server: alert hooks, health, metrics, the console's pages and its JSON API. Knows the engine's doors and
//! the store's views; never how a runbook is run.

mod access;
mod api;
mod body;
mod client;
mod crowd;
mod edge;
mod fault;
mod guard;
mod health;
mod hooks;
mod pages;
mod platforms;
mod pulse;
mod serve;
mod sign_in;
mod view;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::Router;
use governor::{DefaultKeyedRateLimiter, Quota};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::chat::console::Console;
use crate::config::Config;
use crate::domain::settings::Settings;
use crate::engine::Engine;

pub use access::Access;

/// How long a client may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From a connection's first byte, or its beginning, to the end of a request's head.
    pub head: Duration,
    /// For the whole body of a request.
    pub body: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For a client that does not take its answer.
    pub stall: Duration,
    /// From the stop to the last connection's end.
    pub drain: Duration,
    /// Open connections; when there are so many, the idlest one makes room for the next.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            head: seconds(10),
            body: seconds(15),
            idle: seconds(60),
            stall: seconds(30),
            drain: seconds(10),
            connections: 1024,
        }
    }
}

/// Alert bodies that one source may send in a second, and at once.
const HOOK_RATE: (u32, u32) = (200, 1000);

/// What the server works with.
pub struct State {
    engine: Arc<Engine>,
    console: Arc<Console>,
    access: ArcSwap<Access>,
    metrics: PrometheusHandle,
    sources: DefaultKeyedRateLimiter<String>,
    guard: guard::Guard,
    /// What bodies of senders who are not known yet may hold together.
    unproved: Semaphore,
    /// Whose word on where a request comes from counts.
    proxies: Vec<ipnet::IpNet>,
    limits: Limits,
    stopping: CancellationToken,
    /// Why the last change of configuration or runbooks was not taken.
    refused: ArcSwapOption<String>,
}

impl State {
    /// A server's state. `console` must be the one that the engine posts to.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        console: Arc<Console>,
        config: &Config,
        metrics: PrometheusHandle,
        limits: Limits,
    ) -> Arc<Self> {
        let nonzero = |number| std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN);
        let quota = Quota::per_second(nonzero(HOOK_RATE.0)).allow_burst(nonzero(HOOK_RATE.1));
        Arc::new(Self {
            engine,
            console,
            access: ArcSwap::from_pointee(Access::of(config)),
            metrics,
            sources: DefaultKeyedRateLimiter::keyed(quota),
            guard: guard::Guard::default(),
            unproved: Semaphore::new(body::UNPROVED),
            proxies: config.trusted_proxies.clone(),
            limits,
            stopping: CancellationToken::new(),
            refused: ArcSwapOption::empty(),
        })
    }

    /// Tells in `/health` that what was read again is wrong; none when it is right.
    pub fn refused(&self, why: Option<String>) {
        self.refused.store(why.map(Arc::new));
    }

    /// Takes tokens and hook secrets from a configuration that was read again.
    pub fn reload(&self, config: &Config) {
        self.access.store(Arc::new(Access::of(config)));
    }
}

/// Messages as the API shows them to a person, for those who have no server.
#[must_use]
pub fn cards_json(
    messages: Vec<crate::store::messages::Message>,
    person: &str,
    settings: &Settings,
) -> Vec<serde_json::Value> {
    let shown = view::cards(messages, person, settings);
    shown.iter().filter_map(|card| serde_json::to_value(card).ok()).collect()
}

/// Serves until `stop` is cancelled; then answers what was begun, and ends within [`Limits::drain`] whatever clients do.
///
/// # Errors
/// When the listener cannot be used at all.
pub async fn serve(listener: TcpListener, state: Arc<State>, stop: CancellationToken) -> std::io::Result<()> {
    let limits = state.limits;
    let stopping = state.stopping.clone();
    let serving = serve::run(listener, router(state), limits, stop.clone());
    let tell = async {
        stop.cancelled().await;
        stopping.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = serving => result,
        () = tell => Ok(()),
    }
}

/// Every route.
fn router(state: Arc<State>) -> Router {
    let routes = Router::new()
        .merge(hooks::routes())
        .merge(health::routes())
        .merge(api::routes())
        .merge(sign_in::routes())
        .merge(pages::routes())
        .merge(platforms::routes())
        .fallback(fault::missing)
        .method_not_allowed_fallback(fault::wrong_method);
    edge::layers(routes, &state).with_state(state)
}
