//! Databases of every age come up to the present schema with what they hold; newer ones are refused.

mod support;

use std::path::Path;

use sereno::store::{StoreError, inbox, newest_schema, timeline};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use support::{Database, each_empty_database};

/// Applies the migrations up to `version` by the driver's own means, and rows as a program of that age left them.
async fn apply(database: &Database, version: i64) {
    let migrator = Migrator::new(Path::new("migrations")).await.unwrap();
    let rows = std::fs::read_to_string(format!("tests/samples/{version:04}.sql")).unwrap();
    if database.is_sqlite() {
        let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url)).await.unwrap();
        migrator.run_to(version, &mut connection).await.unwrap();
        connection.execute(AssertSqlSafe(rows)).await.unwrap();
    } else {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        migrator.run_to(version, &mut connection).await.unwrap();
        connection.execute(AssertSqlSafe(rows)).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_grows_one_migration_at_a_time_and_keeps_its_rows() {
    each_empty_database(async |database| {
        assert_eq!(database.schema_version().await.unwrap(), 0);
        for version in 1..=newest_schema() {
            apply(&database, version).await;
            assert_eq!(database.schema_version().await.unwrap(), version);
        }
        database.migrate().await.unwrap();
        database.ping().await.unwrap();
        let mut db = database.read().await.unwrap();
        assert_eq!(inbox::counts(&mut db).await.unwrap(), [(inbox::DeliveryState::New, newest_schema())]);
        timeline::verify(&mut db, &[]).await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn processes_that_start_together_migrate_once() {
    each_empty_database(async |database| {
        let starts = (0..8).map(|_| {
            let store = database.another();
            tokio::spawn(async move { store.migrate().await })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap().unwrap();
        }
        assert_eq!(database.schema_version().await.unwrap(), newest_schema());
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_an_altered_migration_too() {
    each_empty_database(async |database| {
        assert!(database.ping().await.is_err());
        database.migrate().await.unwrap();
        database.tamper("UPDATE _sqlx_migrations SET version = 999 WHERE version = 1").await;
        let refused = database.migrate().await;
        assert!(matches!(&refused, Err(StoreError::Unusable(why)) if why.contains("schema 999")), "{refused:?}");
        database.tamper("UPDATE _sqlx_migrations SET version = 1, checksum = 'x' WHERE version = 999").await;
        let refused = database.migrate().await;
        assert!(matches!(&refused, Err(StoreError::Unusable(why)) if why.contains("another text")), "{refused:?}");
    })
    .await;
}
