//! `sql` on a real PostgreSQL: the ready-made looks, and plans of statements.

mod executor_support;
mod parts;
mod sql_support;
mod support;

use std::time::Duration;

use executor_support::{Said, action, done, failed};
use serde_json::json;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Report;
use sereno::executor::find;
use sql_support::{LONG, Shop, at, run, step};
use sqlx::Executor as _;

fn headings(report: &Report) -> Vec<String> {
    report.table.as_ref().expect("a table").columns.iter().map(Said::en).collect()
}

#[tokio::test]
async fn sessions_are_counted_by_state_against_what_the_server_takes() {
    let Some(shop) = Shop::new().await else { return };
    let mut other = shop.connect().await;
    other.execute("BEGIN; SELECT 1").await.unwrap();
    let report = done(shop.run(json!({"show": "sessions"})).await);
    let facts = &report.facts;
    assert!(facts["idle_in_transaction"].as_u64().unwrap() >= 1 && facts["total"].as_u64().unwrap() >= 2, "{facts}");
    assert_eq!((&facts["max_connections"], &facts["here"]), (&json!(300), &json!(1)));
    assert!(facts["used_percent"].as_f64().unwrap() > 0.0, "{facts}");
    let rows = facts["rows"].as_array().unwrap();
    let ours = |row: &&serde_json::Value| row["database"] == shop.name && row["state"] == "idle in transaction";
    assert_eq!(rows.iter().find(ours).unwrap()["sessions"], 1);
    assert_eq!(headings(&report), ["database", "state", "sessions", "longest, s"]);
    assert!(report.line.en().contains(" of 300 connections ("), "{}", report.line.en());
}

#[tokio::test]
async fn who_waits_for_whose_lock_is_seen_while_it_lasts() {
    let Some(shop) = Shop::new().await else { return };
    assert_eq!(done(shop.run(json!({"show": "locks"})).await).facts["waiting"], 0);
    let mut holder = shop.connect().await;
    holder.execute("BEGIN; UPDATE orders SET state = 'held' WHERE id = 1").await.unwrap();
    let mut waiter = shop.connect().await;
    let waiting = tokio::spawn(async move { waiter.execute("UPDATE orders SET state = 'late' WHERE id = 1").await });
    let mut report = Report::default();
    for _ in 0..200 {
        report = done(shop.run(json!({"show": "locks"})).await);
        if report.facts["waiting"] == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let row = &report.facts["rows"][0];
    assert!(row["query"].as_str().unwrap().contains("'late'"), "{}", report.facts);
    assert!(row["blocker_query"].as_str().unwrap().contains("'held'"), "{row}");
    assert_eq!(row["blocker_state"], "idle in transaction");
    holder.execute("ROLLBACK").await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn indexes_dead_rows_databases_replication_and_readiness_have_their_looks() {
    let Some(shop) = Shop::new().await else { return };
    shop.connect().await.execute("CREATE INDEX by_state ON orders (state)").await.unwrap();
    let indexes = done(shop.run(json!({"show": "indexes"})).await).facts;
    assert_eq!((&indexes["total"], &indexes["invalid"], &indexes["unused"]), (&json!(2), &json!(0), &json!(1)));
    let rows = indexes["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["name"] == "public.by_state" && row["valid"] == true), "{indexes}");
    let vacuum = done(shop.run(json!({"show": "vacuum"})).await).facts;
    assert!(vacuum["xid_age"].as_u64().is_some() && vacuum["autovacuum"] == true, "{vacuum}");
    let report = done(shop.run(json!({"show": "databases", "limit": 200})).await);
    let rows = report.facts["rows"].as_array().unwrap();
    let ours = rows.iter().find(|row| row["name"] == shop.name).unwrap();
    assert_eq!((&ours["owner"], &ours["encoding"]), (&json!("postgres"), &json!("UTF8")));
    assert!(report.facts["total_bytes"].as_u64() > ours["bytes"].as_u64());
    let replication = done(shop.run(json!({"show": "replication"})).await).facts;
    assert_eq!((&replication["role"], &replication["replicas"]), (&json!("primary"), &json!(0)));
    let report = done(shop.run(json!({"show": "ready"})).await);
    assert_eq!((&report.facts["ready"], &report.facts["role"]), (&json!(true), &json!("primary")));
    assert!(report.facts["version_number"].as_u64().unwrap() >= 130_000);
    assert!(report.line.en().starts_with("accepting connections: PostgreSQL "), "{}", report.line.en());
    let nowhere = at("postgres://ana@127.0.0.1:1/shop", LONG);
    assert_eq!(failed(run(&nowhere, json!({"show": "ready"})).await).facts, json!({"ready": false}));
}

#[tokio::test]
async fn a_look_has_as_many_rows_as_it_is_asked_for() {
    let Some(shop) = Shop::new().await else { return };
    let report = done(shop.run(json!({"show": "sizes", "limit": 1})).await);
    assert_eq!((&report.facts["count"], &report.facts["truncated"]), (&json!(1), &json!(true)));
    assert_eq!((&report.facts["tables"], &report.facts["rows"][0]["kind"]), (&json!(1), &json!("database")));
}

/// D6: the columns have other names since PostgreSQL 13.
#[tokio::test]
async fn slow_statements_are_shown_or_it_is_said_what_is_missing() {
    let Some(shop) = Shop::new().await else { return };
    let report = failed(shop.run(json!({"show": "slow"})).await);
    assert_eq!(report.facts, json!({"enabled": false}));
    assert!(report.line.en().contains("CREATE EXTENSION pg_stat_statements"), "{}", report.line.en());
    shop.connect().await.execute("CREATE SCHEMA \"My stats\"").await.unwrap();
    shop.connect().await.execute("CREATE EXTENSION pg_stat_statements SCHEMA \"My stats\"").await.unwrap();
    let loaded: String =
        sqlx::query_scalar("SHOW shared_preload_libraries").fetch_one(&mut shop.connect().await).await.unwrap();
    if !loaded.contains("pg_stat_statements") {
        let report = failed(shop.run(json!({"show": "slow"})).await);
        assert!(report.line.en().contains("shared_preload_libraries"), "{}", report.line.en());
        return;
    }
    shop.connect().await.execute("SELECT id FROM orders WHERE state = 'calm'").await.unwrap();
    let report = done(shop.run(json!({"show": "slow"})).await);
    let rows = report.facts["rows"].as_array().unwrap();
    let ours = |row: &&serde_json::Value| row["query"].as_str().unwrap().starts_with("SELECT id FROM orders");
    assert_eq!((&rows.iter().find(ours).unwrap()["calls"], &report.facts["enabled"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn a_plan_is_shown_and_nothing_is_run() {
    let Some(shop) = Shop::new().await else { return };
    let with = json!({"explain": "DELETE FROM orders WHERE state = $1", "params": ["pending"]});
    assert_eq!(action("sql", &step(with.clone())).effect(None), Ok(Effect::Read));
    let report = done(shop.run(with).await);
    assert_eq!((&report.facts["node"], &report.facts["seq_scans"]), (&json!("ModifyTable"), &json!(["orders"])));
    assert!(report.facts["total_cost"].as_f64().unwrap() > 0.0 && report.facts["actual_rows"].is_null());
    let table = report.table.unwrap();
    assert_eq!((table.rows[1][0].as_str(), table.rows[1][1].as_str()), ("· Seq Scan", "orders"));
    assert_eq!(shop.count("true").await, 3);
}

/// A measured fact: EXPLAIN ANALYZE of a DELETE deletes.
#[tokio::test]
async fn what_is_run_to_be_measured_is_rolled_back_and_classed_as_what_it_is() {
    let Some(shop) = Shop::new().await else { return };
    let delete = json!({"explain": "DELETE FROM orders", "analyze": true});
    let sql = action("sql", &step(delete.clone()));
    assert_eq!(sql.effect(None), Ok(Effect::Destroy));
    assert!(sql.effect(Some(Effect::Read)).unwrap_err().en().contains("declare destroy"));
    let report = done(shop.run(delete).await);
    assert!(report.facts["execution_ms"].as_f64().is_some() && report.line.en().ends_with("rolled back"));
    assert_eq!(shop.count("true").await, 3);
    let report = done(shop.run(json!({"explain": "SELECT * FROM orders", "analyze": true})).await);
    assert_eq!(report.facts["actual_rows"], 3);
    // What hides behind a query's first word is refused by the server.
    shop.connect()
        .await
        .execute("CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING id'")
        .await
        .unwrap();
    for text in ["WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", "SELECT sneak()"] {
        let with = json!({"explain": text, "analyze": true});
        assert_eq!(action("sql", &step(with.clone())).effect(None), Ok(Effect::Read));
        let report = failed(shop.run(with).await);
        assert!(report.line.en().contains("read-only transaction"), "{text}: {}", report.line.en());
    }
    assert_eq!(shop.count("true").await, 3);
}

#[test]
fn what_acts_whatever_the_transaction_is_no_query() {
    let with = step(json!({"query": "SELECT pg_terminate_backend(1)"}));
    let error = (find("sql").unwrap().parse)(&with).err().unwrap();
    assert!(error.en().contains("sql_maintain"), "{}", error.en());
}
