//! Mini Market's pack on a real engine, PostgreSQL, Redis, Prometheus and Alertmanager: the morning's table, the ways out of
//! a breakdown, a restore while somebody else is connected, and what only people do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use serde_json::json;
use sereno::clock::Clock;
use sereno_fakes::app::{App, Health};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::docker_support::Stack;
use crate::harness::{Heard, Story, minutes};
use crate::program;
use crate::sql_support::Shop;
use crate::world::{Here, approved_by, approved_by_typing, asks, comes_to, done};

mod data;
mod policy;
mod services;
pub mod thresholds;
mod watching;

const TABLES: &str = "DROP TABLE orders; CREATE EXTENSION IF NOT EXISTS pgcrypto;
    CREATE TABLE productos (id int PRIMARY KEY, sku text); INSERT INTO productos SELECT n, 'S' || n FROM generate_series(1, 1000) n;
    CREATE FUNCTION decrypt_data(bytea, text) RETURNS text LANGUAGE sql AS 'SELECT pgp_sym_decrypt($1, $2)';
    CREATE TABLE system_config (api_key_encrypted bytea)";
/// The key with which the market's data is encrypted.
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SERVICES: [&str; 5] = ["dashboard", "agente-deposito", "agente-negocio", "postgres", "redis"];
/// What compose makes of the market: the same containers as the tests do by hand.
const COMPOSE: &str = "version: '2.4'\nservices:\n";

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// It is as late in the story as in the world: Prometheus keeps the system's time.
pub fn catches_up(s: &Story) {
    let behind = u64::try_from(Clock::System.now().0 - s.clock.now().0).unwrap();
    s.clock.forward(Duration::from_millis(behind));
}

/// A certificate that is good until March of that year.
pub fn dates(year: i32) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2025, 1, 1), rcgen::date_time_ymd(year, 3, 12));
    params
}

/// Waits until a server answers this address with a body that fits.
pub async fn until_says(url: &str, fits: impl Fn(&str) -> bool) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..600 {
        if let Ok(answer) = client.get(url).send().await
            && answer.status() == 200
            && fits(&answer.text().await.unwrap_or_default())
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // a real process is at work beside us
    }
    panic!("{url} never said so");
}

/// Prometheus, and what it watches: a service whose counters stand still, or run when it is hot.
pub struct Watcher {
    pub url: String,
    pub hot: Arc<AtomicBool>,
    _process: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl Watcher {
    pub async fn new(job: &str) -> Option<Self> {
        let (hot, began) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let heat = Arc::clone(&hot);
        let body = move || metrics(if heat.load(Ordering::Relaxed) { began.elapsed().as_millis() } else { 0 });
        Self::of(job, hot, body).await
    }

    /// Of a service that has been doing this for more than five minutes, so that rates are exact to a few percent (what
    /// is divided by each other is exact): what it counted in so many seconds. Each scrape tells of a moment eight seconds
    /// later, until now.
    pub async fn steady(job: &str, counted: impl Fn(f64) -> String + Send + Sync + 'static) -> Option<Self> {
        let (began, turn) = (Clock::System.now().0, AtomicI64::new(0));
        let body = move || {
            let at = (began - 320_000 + 8_000 * turn.fetch_add(1, Ordering::Relaxed)).min(Clock::System.now().0);
            #[allow(clippy::cast_precision_loss)] // minutes of milliseconds
            let seconds = (at - began + 320_000) as f64 / 1_000.0;
            counted(seconds).lines().map(|line| format!("{line} {at}\n")).collect()
        };
        let watcher = Self::of(job, Arc::default(), body).await?;
        watcher.finds("min(count_over_time(process_cpu_seconds_total[5m]))>36").await;
        Some(watcher)
    }

    async fn of(job: &str, hot: Arc<AtomicBool>, body: impl Fn() -> String + Send + Sync + 'static) -> Option<Self> {
        let prometheus = program::find("SERENO_TEST_PROMETHEUS", "/usr/bin/prometheus")?;
        let (folder, body) = (tempfile::tempdir().unwrap(), Arc::new(body));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = listener.local_addr().unwrap();
        let metrics = get(move || std::future::ready(body()));
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", metrics)).await });
        let config = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms }}\nscrape_configs:\n  - {{ job_name: {job}, \
             static_configs: [{{ targets: [\"{service}\"] }}] }}\n"
        );
        let (path, port) = (|name: &str| folder.path().join(name), free_port());
        std::fs::write(path("prometheus.yaml"), config).unwrap();
        let args = [
            format!("--config.file={}", path("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", path("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let process = program::start(&prometheus, &args, &path("log"));
        let url = format!("http://127.0.0.1:{port}");
        let watcher = Self { url, hot, _process: process, _folder: folder };
        watcher.finds("min(up)==1").await;
        Some(watcher)
    }

    /// Waits until a query finds something.
    pub async fn finds(&self, query: &str) {
        let query = query.replace('+', "%2B").replace(' ', "%20").replace('>', "%3E").replace('=', "%3D");
        until_says(&format!("{}/api/v1/query?query={query}", self.url), |body| body.contains("\"value\"")).await;
    }
}

fn metrics(n: u128) -> String {
    format!(
        "http_requests_total{{endpoint=\"/api/inventory\",status=\"200\"}} {n}\n\
         http_requests_total{{endpoint=\"/api/inventory\",status=\"500\"}} {n}\n\
         http_request_duration_seconds_bucket{{endpoint=\"/api/inventory\",le=\"0.1\"}} 0\n\
         http_request_duration_seconds_bucket{{endpoint=\"/api/inventory\",le=\"1\"}} {n}\n\
         http_request_duration_seconds_bucket{{endpoint=\"/api/inventory\",le=\"+Inf\"}} {n}\n\
         http_request_duration_seconds_count{{endpoint=\"/api/inventory\"}} {n}\n\
         process_cpu_seconds_total {n}\npg_up 1\npg_stat_activity_count{{state=\"active\"}} 2\n\
         redis_memory_used_bytes 1000\nredis_keyspace_hits_total 90\nredis_keyspace_misses_total 10\n"
    )
}

/// The whole market.
struct Market {
    app: App,
    db: Shop,
    stack: Stack,
    watch: Watcher,
    redis: u16,
    alerts: String,
    dir: tempfile::TempDir,
    _processes: [tokio::process::Child; 2],
}

impl Market {
    async fn new() -> Option<Self> {
        let (db, stack, watch) = (Shop::new().await?, Stack::new()?, Watcher::new("dashboard").await?);
        let redis = program::find("SERENO_TEST_REDIS", "/usr/bin/redis-server")?;
        let manager = program::find("SERENO_TEST_ALERTMANAGER", "/usr/bin/prometheus-alertmanager")?;
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        db.connect().await.execute(AssertSqlSafe(TABLES)).await.unwrap();
        let encrypted = format!("INSERT INTO system_config VALUES (pgp_sym_encrypt('api key', '{KEY}'))");
        db.connect().await.execute(AssertSqlSafe(encrypted)).await.unwrap();
        let (port, web) = (free_port(), free_port());
        let own = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned);
        let cache = program::start(&redis, &own, &path("redis.log"));
        std::fs::write(path("am.yaml"), "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n").unwrap();
        let own = [
            format!("--config.file={}", path("am.yaml").display()),
            format!("--storage.path={}", path("am").display()),
            format!("--web.listen-address=127.0.0.1:{web}"),
            "--cluster.listen-address=".to_owned(),
        ];
        let manager = program::start(&manager, &own, &path("am.log"));
        let alerts = format!("http://127.0.0.1:{web}");
        until_says(&format!("{alerts}/-/ready"), |_| true).await;
        for folder in ["backups", "tls", "market"] {
            std::fs::create_dir(path(folder)).unwrap();
        }
        let app = App::start().await;
        Some(Self { app, db, stack, watch, redis: port, alerts, dir, _processes: [cache, manager] })
    }

    /// With its five services up.
    async fn up() -> Option<Self> {
        let market = Self::new().await?;
        for service in SERVICES {
            market.stack.up(service, 1).await;
        }
        Some(market)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The compose file of the application, and its environment.
    fn files(&self) {
        let service = |name: &&str| {
            format!(
                "  {name}: {{ image: sereno-test/busybox, network_mode: none, env_file: [.env.production], command: \
                 ['sh', '-c', 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'] }}\n"
            )
        };
        let text: String = SERVICES.iter().map(service).collect();
        self.write("market/docker-compose.production.yml", &format!("{COMPOSE}{text}"));
        self.write("market/.env.production", &format!("DATABASE_ENCRYPTION_KEY={KEY}\n"));
    }

    fn here(&self) -> Here {
        let path = |name: &str| self.path(name).display().to_string();
        Here::of("minimarket")
            .value("project", &self.stack.project)
            .value("observability", &self.stack.project)
            .value("dir", path("market"))
            .value("observability_dir", path("market"))
            .value("observability_file", "docker-compose.production.yml")
            .value("dashboard", &self.app.url)
            .value("api", &self.app.url)
            .value("grafana", &self.app.url)
            .value("loki", &self.app.url)
            .value("prometheus", &self.watch.url)
            .value("alertmanager", &self.alerts)
            .value("postgres", self.db.host())
            .value("database", &self.db.name)
            .value("backups", path("backups"))
            .value("tls", path("tls"))
            .value("tls_script", path("tls/generate_certs.sh"))
            .value("image", "sereno-test/busybox")
            .value("watch", "1s")
            .value("follow", "1s")
            .secret("db", self.db.url())
            .secret("redis", format!("redis://127.0.0.1:{}", self.redis))
            .secret("api_key", "dev-0123456789")
            .secret("encryption_key", KEY)
            .more(&format!("docker: {{ host: \"{}\", allow_run: true }}", self.stack.host))
    }

    async fn count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM productos").fetch_one(&mut self.db.connect().await).await.unwrap()
    }

    async fn started(&self, service: &str) -> String {
        self.stack.started_at(&self.stack.name(service, 1)).await
    }
}

/// What a run and its thread say.
pub async fn told(s: &Story, run: &Heard) -> String {
    s.thread(&run.id).await.iter().map(|line| line.card.text() + "\n").collect()
}

/// Ana asks, whoever must agrees and types, somebody checks off, time passes: until it is over.
pub async fn through(s: &Story, line: &str, typed: &str) -> Heard {
    let run = asks(s, line).await;
    to_the_end(s, &run, typed).await
}

/// The same of a run that was asked for already.
pub async fn to_the_end(s: &Story, run: &Heard, typed: &str) -> Heard {
    for turn in 0..40 {
        let now = s.message(&run.id).await;
        match now.card.state.as_str() {
            "done" | "failed" | "undone" => return now,
            "awaiting_approval" => {
                let typed: &[(&str, &str)] = if typed.is_empty() { &[] } else { &[("confirm", typed)] };
                s.person(["leo", "eva"][turn % 2]).presses_with(&now, "approve", typed).await;
            }
            "holding" if now.buttons().contains(&"check") => {
                s.person(["ana", "leo"][turn % 2]).presses_with(&now, "check", &[("evidence", "visto")]).await;
            }
            _ => s.waits(minutes(1)).await,
        }
    }
    panic!("it never ends: {}", told(s, run).await);
}

/// One command, one table, one verdict: five services, two doors, database, cache, observability, alerts and disk.
/// Proves: M36, Y26.
#[tokio::test(flavor = "multi_thread")]
async fn the_morning_table_has_a_line_for_everything_and_a_verdict() {
    let Some(market) = Market::up().await else { return };
    market
        .here()
        .value("disk", "/dev/shm")
        .tell_everywhere(async |s| {
            market.app.turns(Health::Ok);
            // As the channel's people type it who know no Spanish.
            let run = asks(s, "health prod").await;
            let card = s.message(&run.id).await.card;
            assert!(card.title.contains("minimarket/salud prod"), "{}", card.title);
            let text = card.text();
            for row in SERVICES.map(|service| format!("{service} en marcha | OK")) {
                assert!(text.contains(&row), "{row}: {text}");
            }
            for row in [
                "dashboard /health",
                "inventario",
                "base lista",
                "Redis",
                "objetivos de Prometheus",
                "Grafana",
                "alertas activas",
                "disco libre (%)",
            ] {
                assert!(text.contains(&format!("{row} | OK")), "{row}: {text}");
            }
            assert_eq!(card.state, "done", "all of it well is a verdict: {text}");
            assert!(card.table.is_some_and(|table| table.rows.len() >= 14), "all of it in one table: {text}");
            market.app.turns(Health::Error);
            let run = asks(s, "salud prod").await;
            let card = s.message(&run.id).await.card;
            let text = card.text();
            assert!(text.contains("not as expected"), "the verdict: {text}");
            assert!(text.contains("dashboard /health | not OK"), "{text}");
            assert!(text.contains("inventario | OK"), "one bad answer does not hide the others: {text}");
            assert!(!told(s, &run).await.contains("postgres://"), "the URL is a secret");
        })
        .await;
}
