//! A storm: every alert a body of its own, as fast as 64 clients can, on SQLite, as in production; until everything is
//! worked off and delivered.

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::database;
use crate::load;
use crate::requests::Door;
use crate::server::{Kind, Server};
use crate::setting;

const CLIENTS: usize = 64;
const INBOX: &str = "SELECT COUNT(*) FROM inbox WHERE state IN ('new', 'taken')";
const OUTBOX: &str = "SELECT COUNT(*) FROM messages WHERE posted_version < version";

/// Measures and prints.
pub async fn measure() -> Result<()> {
    let alerts = setting("SERENO_BENCH_ALERTS", 10_000);
    for incidents in [640, 64] {
        storm(alerts, incidents).await?;
    }
    Ok(())
}

async fn storm(alerts: usize, incidents: usize) -> Result<()> {
    let database = database::Kind::Sqlite.create().await?;
    let server = Server::start(Kind::Whole, &database.url, None).await?;
    println!("\nStorm: {alerts} alert bodies by {CLIENTS} clients, SQLite, {incidents} incidents");
    let started = Instant::now();
    let report = load::send(server.address, Door::Hook.requests(alerts, incidents), CLIENTS).await?;
    println!(
        "acknowledged {:.0}/s in {:.1} s, p99 {:.0} ms, {} times put off",
        report.per_second,
        report.took.as_secs_f64(),
        report.p99.as_secs_f64() * 1e3,
        report.put_off
    );
    let mut db = SqliteConnectOptions::from_str(&database.url)?.read_only(true).connect().await?;
    until_none(&mut db, INBOX).await?;
    println!("inbox empty after {:.1} s", started.elapsed().as_secs_f64());
    until_none(&mut db, OUTBOX).await?;
    println!("all messages delivered after {:.1} s", started.elapsed().as_secs_f64());
    println!("peak memory of the server {} MiB", server.peak_memory()?);
    db.close().await?;
    server.end().await?;
    database.end().await
}

async fn until_none(db: &mut SqliteConnection, count: &'static str) -> Result<()> {
    while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *db).await? > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
