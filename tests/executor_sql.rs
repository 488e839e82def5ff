//! `sql` on a real PostgreSQL: what is read, what is changed, and what is said when nobody knows.

mod executor_support;
mod parts;
mod sql_support;
mod support;

use std::time::Duration;

use executor_support::{Said, action, context, done, failed, unknown};
use parts::Wire;
use serde_json::json;
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::executor::{self, Tools, find};
use sql_support::{LONG, Shop, at, run, step};
use sqlx::Executor as _;

#[tokio::test]
async fn a_query_finds_rows_of_any_type() {
    let Some(shop) = Shop::new().await else { return };
    let text = "SELECT 7::bigint AS z, 1.50::numeric AS a, 'calm'::mood AS mood, '10.0.0.0/8'::inet AS net,
                interval '1 day' AS span, ARRAY[1, 2] AS list, '{\"k\": [1]}'::jsonb AS doc, NULL::int AS none,
                '\\x0aff'::bytea AS bytes, '2026-03-01 12:00:00+00'::timestamptz AT TIME ZONE 'UTC' AS at,
                'NaN'::float8 AS odd, true AS yes -- all of them;";
    let report = done(shop.run(json!({ "query": text })).await);
    let row = &report.facts["rows"][0];
    assert_eq!(row["a"], 1.5);
    assert_eq!((&row["mood"], &row["net"], &row["span"]), (&json!("calm"), &json!("10.0.0.0/8"), &json!("1 day")));
    assert_eq!((&row["list"], &row["doc"], &row["none"]), (&json!([1, 2]), &json!({"k": [1]}), &json!(null)));
    assert_eq!((&row["bytes"], &row["at"]), (&json!("\\x0aff"), &json!("2026-03-01T12:00:00")));
    assert_eq!((&row["odd"], &row["yes"]), (&json!("NaN"), &json!(true)));
    assert_eq!(report.facts["value"], 7, "the first column, not the first name");
    assert_eq!((&report.facts["count"], report.line.en().as_str()), (&json!(1), "1 row"));
    for (text, value) in [
        ("SHOW server_encoding", json!("UTF8")),
        ("VALUES (3), (4)", json!(3)),
        ("TABLE orders", json!(1)),
        ("(SELECT 5)", json!(5)),
        ("WITH n AS (SELECT 6) SELECT * FROM n;", json!(6)),
        ("SELECT id FROM orders WHERE false", json!(null)),
    ] {
        assert_eq!(done(shop.run(json!({ "query": text })).await).facts["value"], value, "{text}");
    }
    let plan = done(shop.run(json!({"query": "EXPLAIN SELECT * FROM orders"})).await).facts;
    assert!(plan["value"].as_str().unwrap().starts_with("Seq Scan on orders"), "{plan}");
    let plan = done(shop.run(json!({"query": "EXPLAIN (FORMAT JSON) SELECT 1"})).await).facts;
    assert!(plan["value"][0]["Plan"].is_object(), "{plan}");
}

#[tokio::test]
async fn values_are_bound_by_type_and_never_read_as_sql() {
    let Some(shop) = Shop::new().await else { return };
    let hostile = "x'; DROP TABLE orders; -- $1 {{ env }} \u{1f600}";
    let text = "SELECT $1 AS text, $2::int + 1 AS number, $3 AS truth, $4::uuid AS none, $5 AS real, $6::mood AS mood";
    let with = json!({"query": text, "params": [hostile, 41, true, null, 1.25, "tense"]});
    let row = done(shop.run(with).await).facts["rows"][0].clone();
    let same = json!({"text": hostile, "number": 42, "truth": true, "none": null, "real": 1.25, "mood": "tense"});
    assert_eq!(row, same);
    assert_eq!(shop.count("true").await, 3);
    let with =
        json!({"query": "SELECT id FROM orders WHERE id = $1 AND state = $2 LIMIT $3", "params": [2, "pending", 9]});
    assert_eq!(done(shop.run(with).await).facts["value"], 2);
    let report = failed(shop.run(json!({"query": "SELECT $1::int", "params": ["many"]})).await);
    assert!(report.line.en().contains("invalid input syntax for type integer"), "{}", report.line.en());
}

#[tokio::test]
async fn a_query_cannot_change_anything() {
    let Some(shop) = Shop::new().await else { return };
    let function = "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'DELETE FROM orders RETURNING id'";
    shop.connect().await.execute(function).await.unwrap();
    for text in [
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "SELECT sneak()",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "SELECT id FROM orders FOR UPDATE",
        "SELECT 1) q; DELETE FROM orders; SELECT (1",
        "SELECT * INTO copy FROM orders",
    ] {
        let Ok(action) = (find("sql").unwrap().parse)(&step(json!({ "query": text }))) else { continue };
        let outcome = executor::run(&*action, &at(&shop.url(), LONG)).await;
        assert!(failed(outcome).line.en().starts_with("PostgreSQL says: "), "{text}");
    }
    assert_eq!(shop.count("true").await, 3);
}

#[tokio::test]
async fn rows_and_cells_are_capped() {
    let Some(shop) = Shop::new().await else { return };
    let report = done(shop.run(json!({"query": "SELECT * FROM generate_series(1, 1000000) n"})).await);
    assert_eq!((&report.facts["count"], &report.facts["truncated"]), (&json!(200), &json!(true)));
    assert_eq!(report.line.en(), "the first 200 rows; there are more");
    let report = done(shop.run(json!({"query": "SELECT n FROM generate_series(1, 200) n"})).await);
    assert_eq!((&report.facts["count"], &report.facts["truncated"]), (&json!(200), &json!(false)));
    let report = done(shop.run(json!({"query": "SELECT repeat('x', 10000) AS text"})).await);
    assert_eq!(report.facts["value"].as_str().unwrap().len(), 4096);
    let report = done(shop.run(json!({"query": "SELECT repeat('x', 4000) FROM generate_series(1, 150)"})).await);
    assert_eq!(report.facts["truncated"], true);
    let report = failed(shop.run(json!({"query": "SELECT 1 AS n, repeat('x', 100000000) AS text"})).await);
    assert!(report.line.en().contains("row 1 cannot be shown: it is longer than 65536"), "{}", report.line.en());
}

#[tokio::test]
async fn known_secrets_are_not_found_in_rows() {
    let Some(shop) = Shop::new().await else { return };
    let report = done(shop.run(json!({"query": "SELECT repeat('x', 4090) || 'hunter2hunter2' AS text"})).await);
    assert!(!report.facts.to_string().contains("hunter2"), "{}", report.facts);
    let report = failed(shop.run(json!({"query": "SELECT 'hunter2hunter2'::int"})).await);
    assert!(report.line.en().contains("[redacted token]"), "{}", report.line.en());
}

#[tokio::test]
async fn a_statement_is_kept_only_when_it_did_what_was_expected() {
    let Some(shop) = Shop::new().await else { return };
    let text = "UPDATE orders SET state = $1 WHERE id <= $2";
    let report = done(shop.run(json!({"statement": text, "params": ["paid", 2], "expect_rows": 2})).await);
    assert_eq!((&report.facts["affected"], shop.count("state = 'paid'").await), (&json!(2), 2));
    let report = failed(shop.run(json!({"statement": text, "params": ["lost", 3], "expect_rows": 2})).await);
    assert_eq!(report.line.en(), "3 rows, where 2 were expected: rolled back");
    assert_eq!((&report.facts["affected"], shop.count("state = 'lost'").await), (&json!(3), 0));
    let report = done(shop.run(json!({"statement": text, "params": ["sent", 0]})).await);
    assert_eq!(report.facts["affected"], 0);
    let report = failed(shop.run(json!({"statement": "INSERT INTO orders VALUES (1, 'again')"})).await);
    assert!(report.line.en().contains("duplicate key") && report.line.en().contains("23505"), "{}", report.line.en());
    // An error that only the COMMIT brings.
    let late = "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (state) DEFERRABLE INITIALLY DEFERRED";
    done(shop.run(json!({"statement": "DELETE FROM orders WHERE id > 1"})).await);
    done(shop.run(json!({ "statement": late })).await);
    let report = failed(shop.run(json!({"statement": "INSERT INTO orders VALUES (9, 'paid')"})).await);
    assert!(report.line.en().contains("duplicate key"), "{}", report.line.en());
    assert_eq!(shop.count("true").await, 1);
}

#[tokio::test]
async fn what_refuses_a_transaction_runs_without_one() {
    let Some(shop) = Shop::new().await else { return };
    let report = failed(shop.run(json!({"statement": "VACUUM orders"})).await);
    assert!(report.line.en().contains("cannot run inside a transaction block"), "{}", report.line.en());
    done(shop.run(json!({"statement": "VACUUM orders", "transaction": false})).await);
    let text = "CREATE INDEX CONCURRENTLY by_state ON orders (state)";
    done(shop.run(json!({"statement": text, "transaction": false})).await);
}

#[tokio::test]
async fn the_server_ends_what_takes_too_long_and_nothing_stays() {
    let Some(shop) = Shop::new().await else { return };
    let short = at(&shop.url(), Duration::from_secs(2));
    let report = failed(run(&short, json!({"query": "SELECT pg_sleep(60)"})).await);
    assert!(report.line.en().contains("statement timeout (57014)"), "{}", report.line.en());
    let text = "UPDATE orders SET state = 'late' WHERE pg_sleep(60) IS NOT NULL";
    failed(run(&short, json!({ "statement": text })).await);
    // Waiting for somebody else's lock is no different.
    let mut other = shop.connect().await;
    other.execute("BEGIN; UPDATE orders SET state = 'mine'").await.unwrap();
    let report = failed(run(&short, json!({"statement": "UPDATE orders SET state = 'yours'"})).await);
    assert!(report.line.en().contains("statement timeout"), "{}", report.line.en());
    drop(other);
    assert_eq!(shop.count("state = 'pending'").await, 3);
}

#[tokio::test]
async fn cancel_stops_the_statement_on_the_server() {
    let Some(shop) = Shop::new().await else { return };
    let cx = at(&shop.url(), LONG);
    let text = "UPDATE orders SET state = 'late' WHERE pg_sleep(60) IS NOT NULL";
    let (outcome, ()) = tokio::join!(run(&cx, json!({ "statement": text })), async {
        shop.running().await;
        cx.cancel.cancel();
    });
    assert!(failed(outcome).line.en().contains("user request (57014)"));
    assert_eq!(shop.count("state = 'pending'").await, 3);
    let report = failed(run(&cx, json!({"statement": "UPDATE orders SET state = 'late'"})).await);
    assert_eq!((report.line.en().as_str(), shop.count("state = 'late'").await), ("stopped: cancelled", 0));
}

#[tokio::test]
async fn a_lost_commit_is_unknown_and_not_failed() {
    let Some(shop) = Shop::new().await else { return };
    let wire = Wire::to(&shop.host(), "COMMIT").await;
    let cx = at(&shop.url_at(wire.port), LONG);
    let report = unknown(run(&cx, json!({"statement": "UPDATE orders SET state = 'paid' WHERE id = 1"})).await);
    assert!(report.line.en().contains("the connection was lost"), "{}", report.line.en());
    assert_eq!((&report.facts["affected"], shop.count("state = 'paid'").await), (&json!(1), 1));
    assert!(wire.said().contains("COMMIT"));
    done(run(&cx, json!({"query": "SELECT count(*) FROM orders"})).await);
}

#[tokio::test]
async fn a_statement_whose_answer_is_lost_is_unknown_and_a_query_is_not() {
    let Some(shop) = Shop::new().await else { return };
    let wire = Wire::to(&shop.host(), "id = 1").await;
    let mut cx = at(&shop.url_at(wire.port), LONG);
    unknown(run(&cx, json!({"statement": "UPDATE orders SET state = 'paid' WHERE id = 1"})).await);
    cx.effect = Effect::Read;
    failed(run(&cx, json!({"query": "SELECT * FROM orders WHERE id = 1"})).await);
    cx = at(&shop.url(), LONG);
    let text = "UPDATE orders SET state = 'late' WHERE pg_sleep(60) IS NOT NULL";
    let (outcome, ()) = tokio::join!(run(&cx, json!({ "statement": text })), async {
        let pid = shop.running().await;
        sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(&mut shop.connect().await).await.unwrap();
    });
    assert!(unknown(outcome).line.en().contains("57P01"));
    assert_eq!(shop.count("state = 'pending'").await, 3);
}

#[tokio::test]
async fn a_database_that_is_away_changes_nothing_and_its_address_stays_a_secret() {
    let nowhere = at("postgres://ana:hunter3hunter3@127.0.0.1:1/shop", LONG);
    let report = failed(run(&nowhere, json!({"statement": "DELETE FROM orders"})).await);
    assert!(
        report.line.en().contains("cannot be reached") && !report.line.en().contains("hunter3"),
        "{}",
        report.line.en()
    );
    for wrong in ["mysql://ana:hunter3hunter3@db/shop", "hunter3hunter3", "postgres://ana:hunter3hunter3@[db/shop"] {
        let report = failed(run(&at(wrong, LONG), json!({"query": "SELECT 1"})).await);
        assert!(report.line.en().contains("no address of a PostgreSQL database"), "{}", report.line.en());
        assert!(!report.line.en().contains("hunter3"), "{}", report.line.en());
    }
    let cx = context(&Tools::default(), Effect::Read, LONG);
    assert!(failed(run(&cx, json!({"query": "SELECT 1"})).await).line.en().contains("no secret “shop_db”"));
    let Some(shop) = Shop::new().await else { return };
    let report =
        failed(run(&at(&format!("{}_nope", shop.url()), LONG), json!({"statement": "DELETE FROM orders"})).await);
    assert!(report.line.en().contains("does not exist (3D000)"), "{}", report.line.en());
}

#[tokio::test]
async fn activity_and_sizes_are_shown_without_writing_sql() {
    let Some(shop) = Shop::new().await else { return };
    let mut other = shop.connect().await;
    other.execute("BEGIN; SELECT 'somebody is here'").await.unwrap();
    let facts = done(shop.run(json!({"show": "activity"})).await).facts;
    let [row] = facts["rows"].as_array().unwrap().as_slice() else { panic!("{facts}") };
    assert_eq!((&row["state"], &row["user"]), (&json!("idle in transaction"), &json!("postgres")));
    assert!(row["query"].as_str().unwrap().contains("somebody is here"), "{row}");
    let facts = done(shop.run(json!({"show": "sizes"})).await).facts;
    assert_eq!((&facts["rows"][0]["kind"], &facts["rows"][0]["name"]), (&json!("database"), &json!(shop.name)));
    assert_eq!(facts["rows"][1]["name"], "public.orders");
    assert!(facts["value"].as_u64().unwrap() > 1_000_000, "the database's bytes: {facts}");
}

#[tokio::test]
async fn the_plan_holds_every_byte_and_no_address() {
    let cx = at("postgres://ana:hunter3hunter3@db/shop", LONG);
    let with = step(json!({"statement": "DELETE FROM t\nWHERE a = $1;", "params": ["x"], "expect_rows": 1}));
    let sql = action("sql", &with);
    assert_eq!((sql.effect(None), sql.secrets()), (Ok(Effect::Destroy), vec!["shop_db".to_owned()]));
    assert!(sql.effect(Some(Effect::Change)).unwrap_err().en().contains("declare destroy"));
    let plan = executor::plan(&*sql, &cx.tools, Effect::Read).await.unwrap();
    assert_eq!(plan.line.en(), r#"DELETE FROM t WHERE a = $1 with $1 = "x""#);
    assert_eq!((plan.effect, plan.target.en().as_str()), (Effect::Destroy, "database shop_db"));
    let exact = json!({"database": "shop_db", "statement": "DELETE FROM t\nWHERE a = $1", "params": ["x"],
        "expect_rows": 1, "transaction": true});
    assert_eq!(plan.exact, exact);
    let mut other = with.clone();
    other["params"] = json!(["y"]);
    let other = executor::plan(&*action("sql", &other), &cx.tools, Effect::Read).await.unwrap();
    assert_ne!(digest::of(&other), digest::of(&plan));
}

#[test]
fn the_text_of_sql_takes_no_placeholder() {
    let schema = (find("sql").unwrap().schema)();
    for field in ["query", "statement", "explain"] {
        assert_eq!(schema["properties"][field]["x-literal"], true, "{field}");
    }
}
