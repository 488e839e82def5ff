//! `sql_maintain` on a real PostgreSQL: indexes, vacuum, sessions and checks.

mod executor_support;
mod parts;
mod sql_support;
mod support;

use std::time::Duration;

use executor_support::{Said, action, done, failed};
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext};
use sql_support::{LONG, Shop, at, run_planned, step};
use sqlx::Executor as _;

async fn maintain(shop: &Shop, with: Value) -> Outcome {
    run_planned(&at(&shop.url(), LONG), "sql_maintain", &step(with)).await
}

async fn refused(shop: &Shop, with: Value) -> String {
    let cx = at(&shop.url(), LONG);
    executor::plan(&*action("sql_maintain", &step(with)), &cx.tools, Effect::Read).await.unwrap_err().en()
}

async fn line(shop: &Shop, with: Value) -> String {
    let cx = at(&shop.url(), LONG);
    executor::plan(&*action("sql_maintain", &step(with)), &cx.tools, Effect::Read).await.unwrap().line.en()
}

#[tokio::test]
async fn an_index_is_built_beside_the_traffic_and_dropped_by_its_undo() {
    let Some(shop) = Shop::new().await else { return };
    let with = json!({"do": "create_index", "table": "orders", "columns": ["state", "at"]});
    let said = line(&shop, with.clone()).await;
    let text =
        "CREATE INDEX CONCURRENTLY \"orders_state_at_idx\" ON \"public\".\"orders\" USING btree (\"state\", \"at\")";
    assert_eq!(said, text);
    let facts = done(maintain(&shop, with.clone()).await).facts;
    assert_eq!((&facts["index"], &facts["valid"]), (&json!("orders_state_at_idx"), &json!(true)));
    assert!(facts["bytes"].as_i64().unwrap() > 0);
    assert!(refused(&shop, with).await.contains("is taken"));
    let facts = done(maintain(&shop, json!({"do": "drop_index", "index": "orders_state_at_idx"})).await).facts;
    assert_eq!(facts["dropped"], true);
    assert!(refused(&shop, json!({"do": "drop_index", "index": "orders"})).await.contains("no index"));
}

#[tokio::test]
async fn a_build_that_fails_says_what_it_left_and_the_next_one_replaces_it() {
    let Some(shop) = Shop::new().await else { return };
    let with = json!({"do": "create_index", "table": "orders", "columns": ["state"], "unique": true});
    let report = failed(maintain(&shop, with.clone()).await);
    assert_eq!(report.facts, json!({"index": "orders_state_idx", "valid": false}));
    assert!(report.line.en().contains("is left invalid: drop it"), "{}", report.line.en());
    assert_eq!(
        done(shop.run(json!({"show": "indexes"})).await).facts["invalid_names"],
        json!(["public.orders_state_idx"])
    );
    shop.connect().await.execute("UPDATE orders SET state = state || id").await.unwrap();
    assert!(
        line(&shop, with.clone()).await.starts_with("DROP INDEX CONCURRENTLY \"public\".\"orders_state_idx\"; CREATE")
    );
    assert_eq!(done(maintain(&shop, with).await).facts["valid"], true);
    assert_eq!(done(shop.run(json!({"show": "indexes"})).await).facts["invalid"], 0);
}

#[tokio::test]
async fn names_are_names_whatever_is_in_them() {
    let Some(shop) = Shop::new().await else { return };
    shop.connect().await.execute("CREATE TABLE \"Sale\"\"; DROP TABLE orders; --\" (\"tenantId\" uuid)").await.unwrap();
    let sly = "Sale\"; DROP TABLE orders; --";
    let with = json!({"do": "create_index", "table": sly, "columns": ["tenantId"], "index": "by \"tenant\""});
    assert_eq!(done(maintain(&shop, with).await).facts["index"], "by \"tenant\"");
    done(maintain(&shop, json!({"do": "vacuum", "table": sly, "analyze": true})).await);
    done(maintain(&shop, json!({"do": "reindex", "index": "by \"tenant\""})).await);
    let report = done(maintain(&shop, json!({"do": "count_nulls", "tables": [sly], "column": "tenantId"})).await);
    assert_eq!(report.facts, json!({"tables": {sly: 0}, "total": 0}));
    assert!(refused(&shop, json!({"do": "vacuum", "table": "orders; DROP TABLE orders"})).await.contains("no table"));
    assert!(refused(&shop, json!({"do": "vacuum", "table": "Orders"})).await.contains("capitals included"));
    assert_eq!(shop.count("true").await, 3);
}

/// D5: `vacuum full` and `reindex` are statements, and not programs in a container.
#[tokio::test]
async fn vacuum_frees_what_is_dead_and_waits_for_nobody_for_long() {
    let Some(shop) = Shop::new().await else { return };
    let mut db = shop.connect().await;
    db.execute("INSERT INTO orders SELECT n, repeat('x', 500) FROM generate_series(10, 5000) n").await.unwrap();
    db.execute("DELETE FROM orders WHERE id > 10").await.unwrap();
    done(maintain(&shop, json!({"do": "vacuum"})).await);
    done(maintain(&shop, json!({"do": "analyze", "table": "orders"})).await);
    let full = json!({"do": "vacuum_full", "table": "orders", "lock_timeout": "1s"});
    assert_eq!(action("sql_maintain", &step(full.clone())).effect(None), Ok(Effect::Destroy));
    db.execute("BEGIN; SELECT * FROM orders").await.unwrap();
    let report = failed(maintain(&shop, full.clone()).await);
    assert!(report.line.en().contains("lock timeout"), "{}", report.line.en());
    db.execute("ROLLBACK").await.unwrap();
    let facts = done(maintain(&shop, full).await).facts;
    assert!(facts["freed"].as_i64().unwrap() > 100_000, "{facts}");
    for with in [json!({"do": "reindex", "table": "orders"}), json!({"do": "reindex"})] {
        assert_eq!(done(maintain(&shop, with.clone()).await).facts["invalid"], json!([]), "{with}");
    }
    assert_eq!(shop.count("true").await, 4);
}

#[tokio::test]
async fn the_session_that_was_seen_is_ended_and_no_other() {
    let Some(shop) = Shop::new().await else { return };
    let mut other = shop.connect().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    let with = json!({"do": "terminate", "pid": pid});
    let said = line(&shop, with.clone()).await;
    assert!(said.starts_with(&format!("end the session {pid} of postgres")) && said.contains(&shop.name), "{said}");
    let cx = at(&shop.url(), LONG);
    let sql = action("sql_maintain", &step(with.clone()));
    let mut planned = executor::plan(&*sql, &cx.tools, Effect::Read).await.unwrap().exact;
    // The same number, and another session: the one that was seen is long gone.
    planned["found"]["since"] = json!("2026-03-01 12:00:00+00");
    let reused = StepContext { planned, ..cx.clone() };
    assert!(failed(executor::run(&*sql, &reused).await).line.en().contains("is not what was planned"));
    other.execute("SELECT 1").await.unwrap();
    let report = done(maintain(&shop, with.clone()).await);
    assert_eq!(report.facts, json!({"pid": pid, "ended": true}));
    assert!(other.execute("SELECT 1").await.is_err());
    assert!(refused(&shop, with).await.contains("is gone"));
}

#[tokio::test]
async fn a_statement_is_stopped_and_its_session_stays() {
    let Some(shop) = Shop::new().await else { return };
    let mut other = shop.connect().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut other).await.unwrap();
    let busy = tokio::spawn(async move {
        let stopped = other.execute("SELECT pg_sleep(600)").await;
        (stopped.is_err(), other.execute("SELECT 1").await.is_ok())
    });
    let mut watch = shop.connect().await;
    let active =
        "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND query LIKE '%pg_sleep%' AND state = 'active'";
    while sqlx::query_scalar::<_, i64>(active).bind(pid).fetch_one(&mut watch).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(done(maintain(&shop, json!({"do": "cancel", "pid": pid})).await).facts["ended"], true);
    assert_eq!(busy.await.unwrap(), (true, true));
}

#[tokio::test]
async fn rows_without_a_tenant_are_counted_table_by_table() {
    let Some(shop) = Shop::new().await else { return };
    let text = "CREATE TABLE \"Sale\" (\"tenantId\" uuid); CREATE TABLE \"Product\" (\"tenantId\" uuid); \
                INSERT INTO \"Sale\" VALUES (NULL), (NULL), (gen_random_uuid())";
    shop.connect().await.execute(text).await.unwrap();
    let with = json!({"do": "count_nulls", "tables": ["Sale", "Product"], "column": "tenantId"});
    assert_eq!(action("sql_maintain", &step(with.clone())).effect(None), Ok(Effect::Read));
    let report = done(maintain(&shop, with).await);
    assert_eq!(report.facts, json!({"tables": {"Sale": 2, "Product": 0}, "total": 2}));
    assert_eq!(report.line.en(), "2 rows without tenantId in 2 tables");
    let report = failed(maintain(&shop, json!({"do": "count_nulls", "tables": ["Sale"], "column": "tenant"})).await);
    assert!(report.line.en().contains("does not exist"), "{}", report.line.en());
}

#[tokio::test]
async fn a_build_that_is_cancelled_says_so_and_is_stopped_on_the_server() {
    let Some(shop) = Shop::new().await else { return };
    // It waits for every older transaction.
    let mut old = shop.connect().await;
    old.execute("BEGIN; UPDATE orders SET price = 1").await.unwrap();
    let cx = at(&shop.url(), LONG);
    let with = step(json!({"do": "create_index", "table": "orders", "columns": ["price"]}));
    let mut watch = shop.connect().await;
    let (outcome, ()) = tokio::join!(run_planned(&cx, "sql_maintain", &with), async {
        let building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND datname = $1 \
                        AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(building).bind(&shop.name).fetch_one(&mut watch).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cx.cancel.cancel();
    });
    let report = failed(outcome);
    assert!(report.line.en().contains("user request") && report.facts["valid"] == false, "{}", report.line.en());
    old.execute("ROLLBACK").await.unwrap();
    done(maintain(&shop, json!({"do": "drop_index", "index": "orders_price_idx"})).await);
}

#[tokio::test]
async fn a_table_of_somebody_else_is_not_called_vacuumed() {
    let Some(shop) = Shop::new().await else { return };
    let role = format!("{}_reader", shop.name);
    let mut owner = shop.connect().await;
    for text in [format!("CREATE ROLE {role} LOGIN"), format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")] {
        owner.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    }
    let cx = at(&shop.url().replace("postgres@", &format!("{role}@")), LONG);
    for verb in ["vacuum", "vacuum_full", "analyze"] {
        let with = step(json!({"do": verb, "table": "orders"}));
        let plan = executor::plan(&*action("sql_maintain", &with), &cx.tools, Effect::Read).await;
        assert!(plan.unwrap_err().en().contains("belongs to somebody else"), "{verb}");
    }
    for text in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        owner.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
    }
}
