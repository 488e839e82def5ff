//! Databases for tests: each test runs on SQLite in a folder of its own and, where `SERENO_TEST_POSTGRES` names a server
//! on which databases may be created, again on PostgreSQL in a database of its own.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::disallowed_methods)] // the environment says where the server is

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::str::FromStr;

use futures_util::FutureExt;
use sereno::store::Store;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

/// A database with a store on it; used like the store.
pub struct Database {
    store: Store,
    /// What `store.url` would say.
    pub url: String,
}

impl Deref for Database {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Database {
    /// A second store on the same database, as another replica or process has.
    pub fn another(&self) -> Store {
        Store::open(&self.url).unwrap()
    }

    /// Executes SQL behind the store's back.
    pub async fn tamper(&self, sql: &'static str) {
        if self.is_sqlite() {
            SqliteConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
        } else {
            PgConnection::connect(&self.url).await.unwrap().execute(sql).await.unwrap();
        }
    }

    /// The first text that a query finds with this value, behind the store's back.
    pub async fn look(&self, sql: &'static str, value: &str) -> Option<String> {
        if self.is_sqlite() {
            let mut db = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).bind(value).fetch_optional(&mut db).await.unwrap()
        } else {
            let mut db = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query_scalar(sql).bind(value).fetch_optional(&mut db).await.unwrap()
        }
    }
}

/// Runs a test on each database, with the tables in place.
pub async fn each_database(test: impl AsyncFn(Database)) {
    each_empty_database(async |database| {
        database.migrate().await.unwrap();
        test(database).await;
    })
    .await;
}

/// Runs a test on SQLite alone, with the tables in place.
pub async fn on_sqlite(test: impl AsyncFn(Database)) {
    let folder = tempfile::tempdir().unwrap();
    let database = open(format!("sqlite://{}/test.db", folder.path().display()));
    database.migrate().await.unwrap();
    test(database).await;
}

/// Runs a test on each database, before any table is made.
pub async fn each_empty_database(test: impl AsyncFn(Database)) {
    let folder = tempfile::tempdir().unwrap();
    eprintln!("on SQLite");
    test(open(format!("sqlite://{}/test.db", folder.path().display()))).await;
    let Some(server) = postgres_server() else { return };
    eprintln!("on PostgreSQL");
    let name = format!("sereno_test_{}", sereno::id::ReplicaId::new().as_str().to_lowercase());
    let url = PgConnectOptions::from_str(&server).unwrap().database(&name).to_url_lossy().to_string();
    let mut admin = PgConnection::connect(&server).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let result = AssertUnwindSafe(test(open(url))).catch_unwind().await;
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

/// The server's URL; without one the test says that it is skipped, and fails where everything must run.
fn postgres_server() -> Option<String> {
    let server = std::env::var("SERENO_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
    if server.is_none() {
        skipped("PostgreSQL (SERENO_TEST_POSTGRES is not set)");
    }
    server
}

/// Says that a part is missing; with `CI=true` that is a failure.
pub fn skipped(part: &str) {
    eprintln!("skipped: {part}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{part} must be here");
}

fn open(url: String) -> Database {
    Database { store: Store::open(&url).unwrap(), url }
}
