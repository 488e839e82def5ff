//! Every SQL statement of the store is listed, and both databases understand it.

mod support;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor, SqlSafeStr};

#[tokio::test]
async fn every_statement_is_prepared_by_both_databases() {
    support::each_database(async |database| {
        for sql in sereno::store::statements() {
            let prepared = if database.is_sqlite() {
                let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
                connection.prepare(sql.into_sql_str()).await.map(|_| ())
            } else {
                let mut connection = PgConnection::connect(&database.url).await.unwrap();
                connection.prepare(sql.into_sql_str()).await.map(|_| ())
            };
            assert!(prepared.is_ok(), "{sql}\n{prepared:?}");
        }
    })
    .await;
}

#[test]
fn every_constant_that_is_a_statement_is_listed() {
    let mut seen = 0;
    for file in std::fs::read_dir("src/store").unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let Some((_, list)) = text.split_once("const STATEMENTS: ") else { continue };
        let list = &list[..list.find("];").unwrap()];
        let names: Vec<&str> = list.split(|c: char| !c.is_ascii_uppercase() && c != '_').collect();
        for line in text.lines().filter(|line| line.starts_with("const ") && line.contains(": &str =")) {
            let name = line["const ".len()..].split(':').next().unwrap();
            assert!(names.contains(&name), "{}: {name} is not in STATEMENTS", path.display());
            seen += 1;
        }
        let bare = ["sqlx::query(", "sqlx::query_as", "exec!(tx, \"", "exec!(db, \""];
        assert!(!bare.iter().any(|sql| text.contains(sql)), "{}: a statement that is no constant", path.display());
    }
    assert_eq!(seen, sereno::store::statements().len());
}
