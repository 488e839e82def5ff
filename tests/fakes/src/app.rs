//! A team's application, as their runbooks know it: health with three states, metrics, a login, guarded routes, the
//! health pages of the services beside it. Tests turn its health and its answers, and read what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The bearer token that guarded routes take.
pub const TOKEN: &str = "app-token-0123456789";

/// The token of another tenant, to whom one sale belongs.
pub const OTHER: &str = "app-token-of-another-tenant";

/// How the application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Ok,
    /// Redis and the queues are down.
    Degraded,
    /// The database is down.
    Error,
}

/// One request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// As in `GET /health`.
    pub what: String,
    /// The body, as text.
    pub body: String,
}

struct World {
    health: Health,
    answers: BTreeMap<String, (u16, Value)>,
    seen: Vec<Seen>,
}

/// A running application, gone when it is dropped.
pub struct App {
    /// `http://127.0.0.1:port`.
    pub url: String,
    /// Its port.
    pub port: u16,
    world: Arc<Mutex<World>>,
    task: JoinHandle<()>,
}

impl Drop for App {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl App {
    /// Starts a healthy one on a free port.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start() -> Self {
        let world = World { health: Health::Ok, answers: BTreeMap::new(), seen: Vec::new() };
        let world = Arc::new(Mutex::new(world));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, world, task }
    }

    /// From now on it is so.
    pub fn turns(&self, health: Health) {
        self.lock().health = health;
    }

    /// From now on it answers a request, as in `GET /api/inventory`, like this.
    pub fn answers(&self, what: &str, status: u16, body: Value) {
        self.lock().answers.insert(what.to_owned(), (status, body));
    }

    /// What it was asked, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// How often it was asked this.
    #[must_use]
    pub fn asked(&self, what: &str) -> usize {
        self.lock().seen.iter().filter(|seen| seen.what == what).count()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let what = format!("{method} {}", uri.path());
    world.seen.push(Seen { what: what.clone(), body: String::from_utf8_lossy(&body).into_owned() });
    if let Some((status, answer)) = world.answers.get(&what) {
        return (StatusCode::from_u16(*status).unwrap_or(StatusCode::OK), axum::Json(answer.clone())).into_response();
    }
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    let known = bearer == Some(&format!("Bearer {TOKEN}"));
    if what == "GET /sales/venta-de-otro-tenant" && bearer == Some(&format!("Bearer {OTHER}")) {
        return (StatusCode::OK, axum::Json(json!({"id": 9}))).into_response();
    }
    usual(&what, world.health, known, &body)
}

fn usual(what: &str, health: Health, known: bool, body: &[u8]) -> Response {
    let ok = |value: Value| (StatusCode::OK, axum::Json(value)).into_response();
    let guarded = |value: Value| if known { ok(value) } else { refused() };
    match what {
        "GET /health" => {
            let status = if health == Health::Error { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            (status, axum::Json(health_of(health))).into_response()
        }
        // The pages by which the services beside it say that they live.
        "GET /-/healthy" | "GET /ready" | "GET /minio/health/live" => (StatusCode::OK, "OK").into_response(),
        "GET /api/health" => ok(json!({"database": "ok", "version": "11.0.0"})),
        "GET /_localstack/health" => ok(json!({"services": {"sqs": "running", "s3": "available"}})),
        "GET /api/inventory" => ok(json!([{"sku": "A-1", "stock": 3}])),
        "GET /metrics/prometheus" if known => (StatusCode::OK, "# TYPE app_up gauge\napp_up 1\n").into_response(),
        "GET /metrics/prometheus" => refused(),
        "GET /metrics" => guarded(json!({"requests": 10, "errors": 0})),
        "GET /auth/me" => guarded(json!({"id": 1})),
        "GET /api/reporting/records" | "GET /api/products" | "GET /api/sales" | "GET /sales" => {
            guarded(json!([{"id": 1}]))
        }
        "POST /ingestion/trigger" => (StatusCode::ACCEPTED, axum::Json(json!({"accepted": 5}))).into_response(),
        "POST /auth/register" => (StatusCode::CREATED, axum::Json(json!({"id": 1}))).into_response(),
        "POST /auth/login" | "POST /api/auth/login" => {
            let given: Value = serde_json::from_slice(body).unwrap_or_default();
            let right = given["email"].is_string() && given["password"].is_string();
            if right { ok(json!({"token": TOKEN})) } else { refused() }
        }
        _ => (StatusCode::NOT_FOUND, axum::Json(json!({"error": "no such route"}))).into_response(),
    }
}

fn refused() -> Response {
    (StatusCode::UNAUTHORIZED, axum::Json(json!({"error": "unauthorized"}))).into_response()
}

fn health_of(health: Health) -> Value {
    let (status, database, redis) = match health {
        Health::Ok => ("ok", "connected", "connected"),
        Health::Degraded => ("degraded", "connected", "disconnected"),
        Health::Error => ("error", "disconnected", "connected"),
    };
    let queue = json!({"status": redis, "waiting": 0, "active": 0, "failed": if redis == "connected" { 0 } else { 7 }});
    json!({
        "status": status,
        "timestamp": "2026-11-22T08:00:00.000Z",
        "uptime": 4711,
        "environment": "production",
        "services": {
            "database": database,
            "redis": redis,
            "queues": {"dian": queue, "backup": queue, "reports": queue},
        },
        "responseTime": 12,
    })
}
