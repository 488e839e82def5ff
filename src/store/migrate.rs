//! Brings a database up to this program's schema, and refuses one that is ahead of it. Knows nothing of what the
//! tables mean.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType};
use sqlx::{ConnectOptions, SqlSafeStr};

use super::db::{self, Inner};
use super::sql::{fetch_one, timed};
use super::{Db, Result, Store, StoreError};

/// Every migration: number, name, text. A new one is a file and a line.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "tables", include_str!("../../migrations/0001_tables.sql")),
    (2, "retention", include_str!("../../migrations/0002_retention.sql")),
    (3, "monitors", include_str!("../../migrations/0003_monitors.sql")),
    (4, "vote_platform", include_str!("../../migrations/0004_vote_platform.sql")),
];
/// Where the driver keeps what was applied.
const APPLIED: &str = "_sqlx_migrations";
/// How often it is tried on SQLite, where processes that start together can disturb each other: each migration can be
/// lost to another one.
const TRIES: usize = MIGRATIONS.len() + 3;

impl Store {
    /// Creates or upgrades the tables.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the schema is newer than this program or an applied migration is not the one that
    /// this program has; else the database's.
    pub async fn migrate(&self) -> Result<()> {
        match &*self.inner {
            Inner::Sqlite { options, .. } => {
                let mut tried = 0;
                loop {
                    tried += 1;
                    let result = async { bring_up(&mut db::connect(options).await?).await }.await;
                    match result {
                        Err(StoreError::Away(_) | StoreError::Refused(_)) if tried < TRIES => {}
                        result => return result,
                    }
                }
            }
            Inner::Postgres { options, .. } => {
                // An upgrade, or waiting for another replica's, may take longer than a statement.
                let patient = options.as_ref().clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
                bring_up(&mut timed(patient.connect()).await?).await
            }
        }
    }

    /// The number of the last migration that was applied; 0 for an empty database.
    ///
    /// # Errors
    /// The database's.
    pub async fn schema_version(&self) -> Result<i64> {
        let mut db = self.read().await?;
        let exists = if self.is_sqlite() {
            "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'"
        } else {
            "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('_sqlx_migrations')"
        };
        let (tables,) = fetch_one!(&mut db, (i64,), exists)?;
        if tables == 0 { Ok(0) } else { applied(&mut db).await }
    }
}

/// The schema that this program knows.
#[must_use]
pub fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

async fn applied(db: &mut Db) -> Result<i64> {
    let (version,) = fetch_one!(db, (Option<i64>,), "SELECT MAX(version) FROM _sqlx_migrations")?;
    Ok(version.unwrap_or(0))
}

/// Applies what is missing, each migration in a transaction of its own. On PostgreSQL one replica at a time: the lock
/// ends with the connection, whatever happens.
async fn bring_up<C: Migrate>(connection: &mut C) -> Result<()> {
    connection.lock().await?;
    connection.ensure_migrations_table(APPLIED).await?;
    let applied = connection.list_applied_migrations(APPLIED).await?;
    let present = applied.iter().map(|migration| migration.version).max().unwrap_or(0);
    let known = newest();
    if present > known {
        return Err(StoreError::Unusable(format!(
            "the database has schema {present}, and this program knows only up to {known}: start the newer program \
             again, or restore a backup from before the upgrade"
        )));
    }
    for (version, name, text) in MIGRATIONS {
        let (kind, text) = (MigrationType::Simple, text.into_sql_str());
        let migration = Migration::new(*version, (*name).into(), kind, text, false);
        match applied.iter().find(|applied| applied.version == *version) {
            None => drop(connection.apply(APPLIED, &migration).await?),
            Some(applied) if applied.checksum == migration.checksum => {}
            Some(_) => {
                return Err(StoreError::Unusable(format!(
                    "migration {version} was applied to this database with another text: use the program that \
                     created it, or a backup"
                )));
            }
        }
    }
    Ok(())
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Unusable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_in_order() {
        let mut files: Vec<String> = std::fs::read_dir("migrations")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn only_the_types_that_both_databases_share_are_used() {
        for (_, name, text) in MIGRATIONS {
            for line in text.lines().filter(|line| line.starts_with("    ") && !line.trim_start().starts_with("--")) {
                let mut words = line.split_whitespace();
                let (column, kind) = (words.next().unwrap(), words.next().unwrap_or("").trim_end_matches(','));
                let constraint = ["PRIMARY", "UNIQUE"].iter().any(|word| column.starts_with(word));
                assert!(constraint || ["TEXT", "BIGINT", "BOOLEAN"].contains(&kind), "{name}: {line}");
            }
        }
    }
}
