//! An empty database for each server, so that none works on what another left.

use std::str::FromStr;

use anyhow::Result;
use sereno::id::ReplicaId;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tempfile::TempDir;

/// Where to store.
#[derive(Clone, PartialEq)]
pub enum Kind {
    Sqlite,
    /// On the server with this URL.
    Postgres(String),
}

/// A database, gone when it is dropped (SQLite) or by [`Database::end`] (PostgreSQL).
pub struct Database {
    pub url: String,
    folder: Option<TempDir>,
    on: Option<(String, String)>,
}

impl Kind {
    /// SQLite, and PostgreSQL where `SERENO_TEST_POSTGRES` names a server.
    pub fn all() -> Vec<Self> {
        let server = std::env::var("SERENO_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        if server.is_none() {
            println!("skipped: PostgreSQL (SERENO_TEST_POSTGRES is not set)");
        }
        std::iter::once(Self::Sqlite).chain(server.map(Self::Postgres)).collect()
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub async fn create(&self) -> Result<Database> {
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir()?;
                let url = format!("sqlite://{}", folder.path().join("bench.db").display());
                Ok(Database { url, folder: Some(folder), on: None })
            }
            Self::Postgres(server) => {
                let name = format!("sereno_bench_{}", ReplicaId::new().as_str().to_lowercase());
                let url = PgConnectOptions::from_str(server)?.database(&name).to_url_lossy().to_string();
                let mut admin = PgConnection::connect(server).await?;
                admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
                Ok(Database { url, folder: None, on: Some((server.clone(), name)) })
            }
        }
    }
}

impl Database {
    pub async fn end(self) -> Result<()> {
        drop(self.folder);
        if let Some((server, name)) = self.on {
            let mut admin = PgConnection::connect(&server).await?;
            admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await?;
        }
        Ok(())
    }
}
