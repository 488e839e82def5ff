//! Connections and transactions over both databases. One writer on SQLite; a connection is thrown away after any
//! error in a write transaction, because a failed COMMIT can leave a driver's idea of the transaction behind the
//! database's (measured: later commits then answered Ok for rows that were never stored). For the same reason the
//! driver's own transactions are not used: BEGIN and COMMIT are statements, and their answers are the database's.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres, Sqlite};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::intake::Intake;
use super::sql::{exec, journal_point, timed};
use super::{Result, StoreError};

/// One of two things, by database.
pub enum Backend<S, P> {
    /// For SQLite.
    Sqlite(S),
    /// For PostgreSQL.
    Postgres(P),
}

/// Longest time that one statement, or waiting for a connection, may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// Readers on SQLite; on PostgreSQL twice as many connections.
const CONNECTIONS: u32 = 8;
/// A connection that was used so shortly before is not asked whether its server is still there.
const FRESH: Duration = Duration::from_secs(1);
/// The oldest SQLite without the corruption race of its write-ahead log (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// The database.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) enum Inner {
    Sqlite {
        options: Box<SqliteConnectOptions>,
        writer: Arc<AsyncMutex<Option<SqliteConnection>>>,
        /// Where all but the intake wait for the writer, so that the intake waits for one of them at the most.
        line: Arc<AsyncMutex<()>>,
        readers: SqlitePool,
        intake: Intake,
        /// The lock file, while this process holds it.
        alone: Mutex<Option<File>>,
    },
    Postgres {
        options: Box<PgConnectOptions>,
        pool: PgPool,
    },
}

/// A connection, to read with.
pub struct Db {
    held: Held,
    /// Set while a statement runs and after one failed: then nothing more is done on this connection.
    spoiled: bool,
}

enum Held {
    Writer(Turn),
    Reader(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// SQLite's writer for one transaction, and the head of the line, unless it came from elsewhere.
struct Turn {
    connection: OwnedMutexGuard<Option<SqliteConnection>>,
    _head_of_line: Option<OwnedMutexGuard<()>>,
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
    /// A URL that names neither, or one in memory, which every connection would have for itself.
    pub fn open(url: &str) -> Result<Self> {
        let inner = if url.starts_with("sqlite:") {
            if url.contains(":memory:") || url.contains("mode=memory") {
                return Err(StoreError::Unusable("store.url must name a file: nothing is kept in memory".to_owned()));
            }
            sqlite(url)?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            postgres(url)?
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
            Inner::Sqlite { readers, .. } => Held::Reader(timed(readers.acquire()).await?),
            Inner::Postgres { pool, .. } => Held::Postgres(timed(pool.acquire()).await?),
        };
        Ok(Db { held, spoiled: false })
    }

    /// Begins a write transaction; on SQLite it is the only one.
    ///
    /// # Errors
    /// [`StoreError::Away`] when its turn does not come in time.
    pub async fn begin(&self) -> Result<Tx> {
        let mut tx = Tx { db: self.writer(true).await?, open: true };
        exec!(&mut tx, if self.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN" })?;
        Ok(tx)
    }

    /// A connection for one statement that changes something and is a transaction by itself, because somebody waits for
    /// it at a door: on SQLite ahead of all that stand in line.
    pub(super) async fn write_next(&self) -> Result<Db> {
        self.writer(false).await
    }

    async fn writer(&self, stands_in_line: bool) -> Result<Db> {
        let held = match &*self.inner {
            Inner::Sqlite { options, writer, line, .. } => {
                let turn = async {
                    let _head_of_line = if stands_in_line { Some(Arc::clone(line).lock_owned().await) } else { None };
                    Turn { connection: Arc::clone(writer).lock_owned().await, _head_of_line }
                };
                let turn = tokio::time::timeout(DEADLINE, turn).await;
                let mut turn = turn.map_err(|_| StoreError::Away("another write takes too long".to_owned()))?;
                if turn.connection.is_none() {
                    *turn.connection = Some(connect(options).await?);
                }
                Held::Writer(turn)
            }
            Inner::Postgres { pool, .. } => Held::Postgres(timed(pool.acquire()).await?),
        };
        Ok(Db { held, spoiled: false })
    }

    /// Whether it is SQLite, where one process is alone with its file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(&*self.inner, Inner::Sqlite { .. })
    }
}

fn sqlite(url: &str) -> Result<Inner> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(DEADLINE)
        .disable_statement_logging();
    let readers = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(DEADLINE)
        .test_before_acquire(false) // a file does not go away
        .connect_lazy_with(options.clone().pragma("query_only", "ON"));
    Ok(Inner::Sqlite {
        options: Box::new(options),
        writer: Arc::default(),
        line: Arc::default(),
        readers,
        intake: Intake::default(),
        alone: Mutex::default(),
    })
}

fn postgres(url: &str) -> Result<Inner> {
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
        .test_before_acquire(false)
        .before_acquire(|connection, seen| {
            Box::pin(async move { Ok(seen.idle_for < FRESH || connection.ping().await.is_ok()) })
        })
        .after_connect(|connection, _| Box::pin(durable(connection)))
        .connect_lazy_with(options.clone());
    Ok(Inner::Postgres { options: Box::new(options), pool })
}

/// A commit that was answered must be on disk, whatever the server's default for new sessions is.
async fn durable(connection: &mut PgConnection) -> std::result::Result<(), sqlx::Error> {
    let on = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    sqlx::query(on).execute(connection).await.map(|_| ())
}

/// Connects to a SQLite file to write to it, if the library is not too old for that.
pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let mut connection = timed(options.connect()).await?;
    let (library,): (String,) = timed(sqlx::query_as("SELECT sqlite_version()").fetch_one(&mut connection)).await?;
    if is_too_old(&library) {
        let [major, minor, patch] = OLDEST_SQLITE;
        return Err(StoreError::Unusable(format!(
            "this program was built with SQLite {library}, which can corrupt a database: build it with \
             {major}.{minor}.{patch} or newer"
        )));
    }
    Ok(connection)
}

fn is_too_old(library: &str) -> bool {
    let numbers: Vec<u32> = library.split('.').map_while(|number| number.parse().ok()).collect();
    numbers < OLDEST_SQLITE.to_vec()
}

impl Tx {
    /// Makes it durable.
    ///
    /// # Errors
    /// When the database did not say that it is; then it may or may not be, and the caller repeats under the same id.
    pub async fn commit(mut self) -> Result<()> {
        journal_point!("store.before_commit");
        exec!(&mut self, "COMMIT")?;
        self.open = false;
        journal_point!("store.after_commit");
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
    /// The driver's connection, for one statement; spoiled until [`Db::take_back`] says that it ended well. So nothing
    /// can follow a failed statement: PostgreSQL would answer COMMIT with a silent ROLLBACK, and SQLite, which may have
    /// undone the transaction by itself, would store the rest without it.
    pub(super) fn lend(&mut self) -> Result<Backend<&mut SqliteConnection, &mut PgConnection>> {
        if std::mem::replace(&mut self.spoiled, true) {
            return Err(StoreError::Refused("an earlier statement on this connection failed".to_owned()));
        }
        match &mut self.held {
            Held::Writer(turn) => {
                let lost = || StoreError::Away("the connection was lost".to_owned());
                turn.connection.as_mut().map(Backend::Sqlite).ok_or_else(lost)
            }
            Held::Reader(connection) => Ok(Backend::Sqlite(connection)),
            Held::Postgres(connection) => Ok(Backend::Postgres(connection)),
        }
    }

    /// Notes that the statement ended well.
    pub(super) fn take_back(&mut self) {
        self.spoiled = false;
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if !self.spoiled {
            return;
        }
        match &mut self.held {
            Held::Writer(turn) => drop(turn.connection.take()),
            Held::Reader(connection) => connection.close_on_drop(),
            Held::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_with_the_corruption_race_is_too_old() {
        for old in ["3.46.0", "3.51.2", "2.8.17", "3.9.99", ""] {
            assert!(is_too_old(old), "{old}");
        }
        for sound in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(!is_too_old(sound), "{sound}");
        }
    }

    #[test]
    fn only_a_file_or_a_server_will_do() {
        for url in ["mysql://x", "sereno.db", "sqlite::memory:", "sqlite://x?mode=memory"] {
            assert!(matches!(Store::open(url), Err(StoreError::Unusable(_))), "{url}");
        }
    }
}
