//! Orion's pack: its health from outside, its database, its tenants, deploys and restores, on a real PostgreSQL, Redis,
//! Docker engine, git and npm. What Orion itself answers is the fixture application.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use sereno::clock::Timestamp;
use sereno_fakes::app::{App, OTHER, TOKEN};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::net::TcpListener;

use crate::executor_support::NOON;
use crate::harness::{Heard, Story};
use crate::program;
use crate::sql_support::Shop;
use crate::world::{Here, checks_off, stand_in, write_file};

mod care;
mod ship;
mod watch;

const TABLES: &str = r#"DROP TABLE orders; CREATE TABLE "Tenant" (id int PRIMARY KEY);
    CREATE TABLE "User" (id int PRIMARY KEY, email text, role text, "tenantId" int);
    CREATE TABLE "Sale" (id int PRIMARY KEY, "tenantId" int); CREATE TABLE "Product" (id int PRIMARY KEY, "tenantId" int);
    CREATE TABLE "AuditLog" (id int PRIMARY KEY, "createdAt" timestamp(3) NOT NULL);
    INSERT INTO "Tenant" SELECT generate_series(1, 3); INSERT INTO "User" VALUES (1, 'root@orion.test', 'PLATFORM_ADMIN', NULL);
    INSERT INTO "Sale" SELECT n, 1 FROM generate_series(1, 5) n; INSERT INTO "Product" SELECT n, 1 FROM generate_series(1, 5) n;
    INSERT INTO "AuditLog" SELECT n, now() - make_interval(days => n * 100) FROM generate_series(1, 9) n"#;

/// A server with Orion on it: application, database, cache, logs, backups, a checkout.
struct Server {
    app: App,
    db: Shop,
    redis: u16,
    dir: tempfile::TempDir,
    _redis: tokio::process::Child,
    /// What is shown at `door`, where the API has its TLS.
    certificate: Arc<Mutex<Arc<ServerConfig>>>,
    door: u16,
}

impl Server {
    async fn new() -> Option<Self> {
        let (db, redis) = (Shop::new().await?, program::find("SERENO_TEST_REDIS", "/usr/bin/redis-server")?);
        let dir = tempfile::tempdir().unwrap();
        db.connect().await.execute(AssertSqlSafe(TABLES)).await.unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned);
        let process = program::start(&redis, &own, &dir.path().join("redis.log"));
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await; // a real process is starting beside us
        }
        let certificate = Arc::new(Mutex::new(lasts(NOON, 500)));
        let door = shows(certificate.clone()).await;
        let server = Self { app: App::start().await, db, redis: port, dir, _redis: process, certificate, door };
        for folder in ["app/apps/api", "logs", "backups", "scripts"] {
            std::fs::create_dir_all(server.path(folder)).unwrap();
        }
        let set = "DATABASE_URL=x\nREDIS_URL=x\nSTRIPE_SECRET_KEY=x\nSTRIPE_WEBHOOK_SECRET=whsec_hunter2\nJWT_SECRET=x\n\
                   ALERTS_ENABLED=true\nALERT_EMAIL=x\nSMTP_HOST=x\nSMTP_PORT=587\nSMTP_USER=x\nSMTP_PASS=hunter2\nSMTP_FROM=x\n";
        server.write("app/.env", set);
        server.write("logs/logs.txt", "INFO up\n");
        server.write("backups/backup-2026-03-01.sql", "-- a backup\n");
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write_file(&self.path(name), text);
    }

    /// A program in place of one that is not here; it notes how it was called.
    fn program(&self, name: &str) -> String {
        stand_in(self.dir.path(), name, "echo INFO up\n")
    }

    fn calls(&self) -> String {
        std::fs::read_to_string(self.path("calls")).unwrap_or_default()
    }

    fn here(&self) -> Here {
        let path = |name: &str| self.path(name).display().to_string();
        let host = self.db.host();
        Here::of("orion")
            .value("api", &self.app.url)
            .value("staging", &self.app.url)
            .value("certificate", format!("127.0.0.1:{}", self.door))
            .value("app", path("app"))
            .value("logs", path("logs"))
            .value("backups", path("backups"))
            .value("scripts", path("scripts"))
            // Of memory: how full this machine's disks are is not the story's.
            .value("disk", "/dev/shm")
            .value("database", &self.db.name)
            .value("pghost", host.split(':').next().unwrap())
            .value("pgport", host.split(':').next_back().unwrap())
            .value("pguser", "postgres")
            .value("pm2", self.program("pm2"))
            .value("systemctl", self.program("systemctl"))
            .value("journalctl", self.program("journalctl"))
            .value("follow", "1s")
            .secret("db", self.db.url())
            .secret("db_password", "not-asked-for")
            .secret("redis", format!("redis://127.0.0.1:{}", self.redis))
            .secret("api_token", TOKEN)
            .secret("tenant_a_token", TOKEN)
            .secret("tenant_b_token", OTHER)
            .secret("login", r#"{"email":"test@test.com","password":"test"}"#)
    }

    async fn sql(&self, text: &str) {
        self.db.connect().await.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    }

    async fn number(&self, text: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(text.to_owned())).fetch_one(&mut self.db.connect().await).await.unwrap()
    }
}

/// A server that shows the certificate that is there now.
async fn shows(certificate: Arc<Mutex<Arc<ServerConfig>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            let acceptor = tokio_rustls::TlsAcceptor::from(certificate.lock().unwrap().clone());
            tokio::spawn(async move { acceptor.accept(caller).await.map(drop) });
        }
    });
    port
}

/// A certificate that lasts for so many days after a moment.
fn lasts(Timestamp(now): Timestamp, days: i64) -> Arc<ServerConfig> {
    let at = |days: i64| {
        let seconds = u64::try_from(now / 1000 + days * 24 * 3600).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(-60), at(days));
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own], key).unwrap())
}

/// What a run and its thread say.
async fn told(s: &Story, run: &Heard) -> String {
    s.thread(&run.id).await.iter().map(|line| line.card.text() + "\n").collect()
}

/// Checks everything off, and gives the run as it is then.
async fn ticked(s: &Story, run: &Heard, questions: usize) -> Heard {
    assert_eq!(checks_off(s, run).await, questions, "{}", told(s, run).await);
    s.message(&run.id).await
}
