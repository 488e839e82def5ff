//! Connections and transactions over both databases. One writer on SQLite; a connection is thrown away after any
//! error in a write transaction, because a failed COMMIT can leave a driver's idea of the transaction behind the
//! database's (measured: later commits then answered Ok for rows that were never stored).

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, PgConnection, Postgres, Sqlite};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Result, StoreError};

/// One of two things, by database.
pub enum Backend<S, P> {
    /// For SQLite.
    Sqlite(S),
    /// For PostgreSQL.
    Postgres(P),
}

/// Awaits one future, written once, against whichever database it is: the compiler checks it for both. It has a
/// deadline, and after an error the connection is not used again.
macro_rules! on {
    ($db:expr, |$c:ident| $future:expr) => {{
        let db: &mut $crate::store::Db = $db;
        let result = match db.backend()? {
            $crate::store::db::Backend::Sqlite($c) => $crate::store::db::timed($future).await,
            $crate::store::db::Backend::Postgres($c) => $crate::store::db::timed($future).await,
        };
        if result.is_err() {
            db.spoil();
        }
        result
    }};
}
pub(super) use on;

/// Executes a statement with its values, and gives how many rows it touched.
macro_rules! exec {
    ($db:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        $crate::store::db::on!($db, |c| async {
            sqlx::query($sql)$(.bind($value))*.execute(c).await.map(|done| done.rows_affected())
        })
    };
}
pub(super) use exec;

/// Longest time that one statement, or waiting for a connection, may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Readers on SQLite, connections on PostgreSQL.
const CONNECTIONS: u32 = 8;
/// The oldest SQLite without the corruption race of its write-ahead log (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

enum Inner {
    Sqlite { options: SqliteConnectOptions, writer: Arc<Mutex<Option<SqliteConnection>>>, readers: SqlitePool },
    Postgres { pool: PgPool },
}

/// A connection, to read with.
pub struct Db {
    held: Held,
    spoiled: bool,
}

enum Held {
    Writer(OwnedMutexGuard<Option<SqliteConnection>>),
    Reader(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A write transaction. Dropped without [`Tx::commit`], it is undone and its connection thrown away.
pub struct Tx {
    db: Db,
    open: bool,
}

impl Store {
    /// Opens the database that `url` names: `sqlite://file.db` or `postgres://…`. Connects when it is first used.
    ///
    /// # Errors
    /// A URL that names neither.
    pub fn open(url: &str) -> Result<Self> {
        let inner = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(DEADLINE)
                .disable_statement_logging();
            let reading = options.clone().pragma("query_only", "ON");
            let readers = SqlitePoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(DEADLINE)
                .connect_lazy_with(reading);
            Inner::Sqlite { options, writer: Arc::default(), readers }
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let deadline = DEADLINE.as_millis().to_string();
            let options = PgConnectOptions::from_str(url)?
                .application_name("sereno")
                .options([
                    ("statement_timeout", deadline.as_str()),
                    ("lock_timeout", deadline.as_str()),
                    ("idle_in_transaction_session_timeout", "15000"),
                ])
                .disable_statement_logging();
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS * 2)
                .acquire_timeout(DEADLINE)
                .connect_lazy_with(options);
            Inner::Postgres { pool }
        } else {
            return Err(StoreError::Unusable("store.url must begin with sqlite:// or postgres://".to_owned()));
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// [`StoreError::Away`] when none can be had in time.
    pub async fn read(&self) -> Result<Db> {
        let held = match &*self.inner {
            Inner::Sqlite { readers, .. } => Held::Reader(readers.acquire().await?),
            Inner::Postgres { pool } => Held::Postgres(timed(pool.acquire()).await?),
        };
        Ok(Db { held, spoiled: false })
    }

    /// Begins a write transaction; on SQLite it is the only one.
    ///
    /// # Errors
    /// [`StoreError::Away`] when its turn does not come in time.
    pub async fn begin(&self) -> Result<Tx> {
        let held = match &*self.inner {
            Inner::Sqlite { options, writer, .. } => {
                let turn = tokio::time::timeout(DEADLINE, Arc::clone(writer).lock_owned()).await;
                let mut guard = turn.map_err(|_| StoreError::Away("another write takes too long".to_owned()))?;
                if guard.is_none() {
                    *guard = Some(timed(options.connect()).await?);
                }
                Held::Writer(guard)
            }
            Inner::Postgres { pool } => Held::Postgres(timed(pool.acquire()).await?),
        };
        let mut tx = Tx { db: Db { held, spoiled: false }, open: true };
        let begin = if matches!(tx.db.held, Held::Writer(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" };
        exec!(&mut tx, begin)?;
        Ok(tx)
    }

    /// Whether it is SQLite, where one process is alone with its file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(&*self.inner, Inner::Sqlite { .. })
    }
}

impl Tx {
    /// Makes it durable.
    ///
    /// # Errors
    /// When the database did not say that it is; then it may or may not be, and the caller repeats under the same id.
    pub async fn commit(mut self) -> Result<()> {
        exec!(&mut self, "COMMIT")?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        self.db.spoiled |= self.open;
    }
}

impl Deref for Tx {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.db
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Db {
        &mut self.db
    }
}

impl Db {
    /// The driver's connection.
    pub(super) fn backend(&mut self) -> Result<Backend<&mut SqliteConnection, &mut PgConnection>> {
        match &mut self.held {
            Held::Writer(guard) => {
                let connection =
                    guard.as_mut().ok_or_else(|| StoreError::Away("the connection was lost".to_owned()))?;
                Ok(Backend::Sqlite(connection))
            }
            Held::Reader(connection) => Ok(Backend::Sqlite(connection)),
            Held::Postgres(connection) => Ok(Backend::Postgres(connection)),
        }
    }

    /// Notes that the connection must not be used again.
    pub(super) fn spoil(&mut self) {
        self.spoiled = true;
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if !self.spoiled {
            return;
        }
        match &mut self.held {
            Held::Writer(guard) => drop(guard.take()),
            Held::Reader(connection) => connection.close_on_drop(),
            Held::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

/// Gives a driver's future a deadline: drivers have none of their own.
pub(super) async fn timed<T>(future: impl Future<Output = std::result::Result<T, sqlx::Error>>) -> Result<T> {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::Away(format!("no answer in {} s", DEADLINE.as_secs()))),
    }
}
