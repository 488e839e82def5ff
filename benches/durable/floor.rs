//! The floor: a bare axum handler that stores the body durably and answers. It knows nobody, reads nothing, checks
//! nothing; the database is used as the product uses it: on SQLite one writer with group commit, on PostgreSQL one
//! autocommit statement through a pool of the same size.

use std::str::FromStr;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use sereno::id::DeliveryId;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const TABLE: &str = "CREATE TABLE floor (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO floor (id, body) VALUES ($1, $2)";
/// A batch is one statement, and so one commit.
const INSERT_ALL: &str = "INSERT INTO floor (id, body) SELECT value ->> 0, value ->> 1 FROM json_each($1)";
/// As in the product.
const BATCH: usize = 256;
const QUEUE: usize = 1024;
const POOL: u32 = 16;

type Waiting = (String, String, oneshot::Sender<()>);

#[derive(Clone)]
enum Insert {
    Sqlite(mpsc::Sender<Waiting>),
    Postgres(PgPool),
}

pub async fn serve(listener: TcpListener, url: &str) -> Result<()> {
    let insert = if url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        connection.execute(TABLE).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write(connection, receiver));
        Insert::Sqlite(sender)
    } else {
        let pool = PgPoolOptions::new().max_connections(POOL).connect(url).await?;
        pool.execute(TABLE).await?;
        Insert::Postgres(pool)
    };
    let app = Router::new().fallback(accept).with_state(insert);
    Ok(axum::serve(listener, app).await?)
}

async fn accept(State(insert): State<Insert>, body: String) -> (StatusCode, String) {
    let id = DeliveryId::new().to_string();
    let stored = match insert {
        Insert::Sqlite(queue) => {
            let (answer, answered) = oneshot::channel();
            queue.send((id.clone(), body, answer)).await.is_ok() && answered.await.is_ok()
        }
        Insert::Postgres(pool) => sqlx::query(INSERT).bind(&id).bind(body).execute(&pool).await.is_ok(),
    };
    (if stored { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE }, id)
}

/// Commits what waits, together. After an error nobody is answered, and the writer ends.
async fn write(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Waiting>) -> Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let rows: Vec<(&str, &str)> = batch.iter().map(|(id, body, _)| (id.as_str(), body.as_str())).collect();
        sqlx::query(INSERT_ALL).bind(serde_json::to_string(&rows)?).execute(&mut connection).await?;
        for (_, _, answer) in batch.drain(..) {
            let _ = answer.send(());
        }
    }
    Ok(())
}
