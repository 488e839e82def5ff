//! Unknown ends looked into: what an action says of its own attempt before it ran, and what after it.
#![cfg(all(feature = "aws", feature = "docker"))]

mod aws_support;
mod docker_support;
mod executor_support;
mod parts;
mod sql_support;
mod support;

use aws_support::{Cloud, function, zip};
use docker_support::{LONG, Stack};
use executor_support::{Said, action, done, unknown};
use parts::Wire;
use serde_json::{Value, json};
use sereno::clock::Clock;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Report;
use sereno::executor::{self, Probe, StepContext};
use sql_support::{Shop, at, step};
use sqlx::Executor as _;

async fn look(name: &str, with: &Value, cx: &StepContext) -> Probe {
    executor::probe(&*action(name, with), cx, LONG).expect("it can tell").await
}

async fn seen(name: &str, with: &Value, cx: &StepContext) -> String {
    match look(name, with, cx).await {
        Probe::Seen(line) => line.en(),
        Probe::Happened(report) => panic!("nothing was done yet: {report:?}"),
    }
}

async fn happened(name: &str, with: &Value, cx: &StepContext) -> Report {
    match look(name, with, cx).await {
        Probe::Happened(report) => *report,
        Probe::Seen(line) => panic!("it was done: {}", line.en()),
    }
}

/// The context of an attempt that starts now, with its plan.
async fn planned(name: &str, with: &Value, cx: StepContext) -> StepContext {
    let plan = executor::plan(&*action(name, with), &cx.tools, Effect::Read).await;
    let exact = plan.unwrap_or_else(|why| panic!("{with}: {}", why.en())).exact;
    StepContext { planned: exact, started_at: Clock::System.now(), ..cx }
}

/// Runs a step: a look before it sees `before`; a look after it tells what the attempt told, but for some facts.
async fn tells(name: &str, with: &Value, cx: StepContext, (before, less): (&str, &[&str])) -> Value {
    let cx = planned(name, with, cx).await;
    let line = seen(name, with, &cx).await;
    assert!(line.contains(before), "{line}");
    let told = done(executor::run(&*action(name, with), &cx).await);
    let found = happened(name, with, &cx).await;
    let (told, found) = (told.facts.as_object().unwrap(), found.facts.as_object().unwrap());
    let missing: Vec<&str> = told.keys().filter(|fact| !found.contains_key(*fact)).map(String::as_str).collect();
    assert_eq!(missing, less, "{with}");
    for (fact, value) in told.iter().filter(|(fact, _)| found.contains_key(*fact)) {
        assert_eq!(&found[fact], value, "{with}: {fact}");
    }
    Value::Object(told.clone())
}

#[tokio::test]
async fn containers_tell_whether_they_were_stopped_started_restarted_or_removed() {
    let Some(shop) = Stack::new() else { return };
    let network = shop.network("default").await;
    shop.up("api", 1).await;
    shop.up("api", 2).await;
    let of = |with: Value| shop.step(with);
    let cx = || shop.context(Effect::Change);
    let listed = ["containers", "names", "running", "services", "total", "unhealthy"];
    for (verb, before) in [("restart", "nothing of it"), ("stop", "nothing of it"), ("start", "nothing of it")] {
        let facts = tells("docker", &of(json!({"do": verb, "service": "api"})), cx(), (before, &listed)).await;
        assert_eq!(facts["changed"].as_array().unwrap().len(), 2, "{verb}");
    }
    // Half of it is not it.
    let stop = of(json!({"do": "stop", "service": "api"}));
    let half = planned("docker", &stop, cx()).await;
    shop.docker.stop_container(&shop.name("api", 2), None).await.unwrap();
    let said = seen("docker", &stop, &half).await;
    assert!(said.contains(&format!("done at {}", shop.name("api", 2))), "{said}");
    assert!(said.ends_with(&shop.name("api", 1)), "{said}");
    tells("docker", &of(json!({"do": "scale_down", "service": "api", "replicas": 1})), cx(), ("nothing of it", &[]))
        .await;
    let facts = tells("docker", &of(json!({"do": "down"})), cx(), ("nothing of it", &[])).await;
    assert_eq!(facts["removed"], json!([shop.name("api", 1), network]));
}

#[tokio::test]
async fn lambda_tells_where_an_alias_leads_and_what_code_there_is() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let of = |mut with: Value| {
        with["function"] = json!(cloud.name);
        with
    };
    let cx = || cloud.context(Effect::Change);
    let shift = of(json!({"do": "shift", "alias": "live", "version": "1"}));
    tells("lambda", &shift, cx(), ("as before: live leads to version 2", &[])).await;
    let part = of(json!({"do": "shift", "alias": "live", "version": "2", "percent": 10}));
    tells("lambda", &part, cx(), ("as before: live leads to version 1", &[])).await;
    // Somebody leads it elsewhere meanwhile: that is neither.
    let all = planned("lambda", &of(json!({"do": "shift", "alias": "live", "version": "2"})), cx()).await;
    cloud.facts("lambda", of(json!({"do": "shift", "alias": "live", "version": "1"}))).await;
    let said = seen("lambda", &of(json!({"do": "shift", "alias": "live", "version": "2"})), &all).await;
    assert_eq!(said, "live leads to version 1");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.zip");
    std::fs::write(&path, zip("three")).unwrap();
    let update = of(json!({"do": "update_code", "zip": path.display().to_string(), "publish": true}));
    let facts = tells("lambda", &update, cx(), ("as before: ", &[])).await;
    assert_eq!(facts["version"], "3");
    std::fs::write(&path, zip("four")).unwrap();
    let update = of(json!({"do": "update_code", "zip": path.display().to_string()}));
    let cut = planned("lambda", &update, cx()).await;
    tells("lambda", &update, cx(), ("as before: ", &[])).await;
    let publish = of(json!({"do": "update_code", "zip": path.display().to_string(), "publish": true}));
    let said = seen("lambda", &publish, &cut).await;
    assert!(said.contains("no version of it is published"), "the process died between the two: {said}");
    let limit = of(json!({"do": "concurrency", "reserved": 5}));
    tells("lambda", &limit, cx(), ("as before: ", &[])).await;
}

#[tokio::test]
async fn an_alias_whose_answer_was_lost_is_found_where_it_was_led() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let shift = json!({"do": "shift", "function": cloud.name, "alias": "live", "version": "1"});
    let cx = planned("lambda", &shift, cloud.context(Effect::Change)).await;
    let part = cloud.endpoint.trim_start_matches("http://").to_owned();
    let wire = Wire::to(&part, "PUT ").await;
    let cut = Cloud { endpoint: format!("http://127.0.0.1:{}", wire.port), name: cloud.name.clone() };
    let lost = StepContext { tools: cut.tools(), ..cx.clone() };
    unknown(executor::run(&*action("lambda", &shift), &lost).await);
    let found = happened("lambda", &shift, &cx).await;
    assert_eq!((&found.facts["before"], &found.facts["after"]), (&json!("2"), &json!("1")), "an undo needs them");
    // While AWS is away nothing is said to have happened.
    let away = Cloud { endpoint: "http://127.0.0.1:9".to_owned(), name: cloud.name.clone() };
    let away = StepContext { tools: away.tools(), ..cx };
    assert!(seen("lambda", &shift, &away).await.contains("cannot be reached"));
}

#[tokio::test]
async fn a_database_tells_of_its_indexes_sessions_and_backups() {
    let Some(shop) = Shop::new().await else { return };
    let cx = || at(&shop.url(), LONG);
    let create = step(json!({"do": "create_index", "table": "orders", "columns": ["state"]}));
    tells("sql_maintain", &create, cx(), ("no index orders_state_idx", &[])).await;
    let drop = step(json!({"do": "drop_index", "index": "orders_state_idx"}));
    tells("sql_maintain", &drop, cx(), ("as before: index orders_state_idx", &[])).await;
    // One that is not valid is not built.
    let unique = step(json!({"do": "create_index", "table": "orders", "columns": ["state"], "unique": true}));
    let failing = planned("sql_maintain", &unique, cx()).await;
    executor_support::failed(executor::run(&*action("sql_maintain", &unique), &failing).await);
    assert!(seen("sql_maintain", &unique, &failing).await.contains("not valid"));

    let mut session = shop.connect().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await.unwrap();
    let end = step(json!({"do": "terminate", "pid": pid}));
    let dead = planned("sql_maintain", &end, cx()).await;
    tells("sql_maintain", &end, cx(), ("", &[])).await;
    assert!(session.execute("SELECT 1").await.is_err());
    // A server that does not answer says nothing of the session.
    let away = StepContext { tools: at(&shop.url_at(9), LONG).tools, ..dead };
    assert!(seen("sql_maintain", &end, &away).await.contains("cannot be reached"));

    let dir = tempfile::tempdir().unwrap();
    let dump = step(json!({"do": "dump", "dir": dir.path(), "file": "shop.dump"}));
    tells("sql_backup", &dump, cx(), ("there is no ", &[])).await;
    // A later attempt's is not this one's.
    let earlier = planned("sql_backup", &step(json!({"do": "dump", "dir": dir.path(), "file": "x.dump"})), cx()).await;
    assert!(seen("sql_backup", &dump, &earlier).await.contains("no note of this backup"));
}

#[tokio::test]
async fn a_restore_tells_which_database_is_in_service() {
    let Some(shop) = Shop::new().await else { return };
    let cx = || at(&shop.url(), LONG);
    let dir = tempfile::tempdir().unwrap();
    let dump = step(json!({"do": "dump", "dir": dir.path(), "file": "shop.dump"}));
    let noted = planned("sql_backup", &dump, cx()).await;
    done(executor::run(&*action("sql_backup", &dump), &noted).await);
    let restore = step(json!({"do": "restore", "dir": dir.path(), "file": "shop.dump"}));
    let before = ("the same database as before, untouched", ["seconds", "sessions_ended"].as_slice());
    let facts = tells("sql_restore", &restore, cx(), before).await;
    let copy = facts["safety_copy"].as_str().unwrap();
    let back = step(json!({"do": "swap_back", "copy": copy}));
    let before = ("the same database as before, untouched", ["sessions_ended"].as_slice());
    let facts = tells("sql_restore", &back, cx(), before).await;
    let drop = step(json!({"do": "drop_copy", "copy": facts["set_aside"]}));
    tells("sql_restore", &drop, cx(), ("as before: ", &["bytes"])).await;
}

#[tokio::test]
async fn a_copy_whose_end_nobody_heard_is_found_gone() {
    let Some(shop) = Shop::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let dump = step(json!({"do": "dump", "dir": dir.path(), "file": "shop.dump"}));
    let cx = planned("sql_backup", &dump, at(&shop.url(), LONG)).await;
    done(executor::run(&*action("sql_backup", &dump), &cx).await);
    let restore = step(json!({"do": "restore", "dir": dir.path(), "file": "shop.dump"}));
    let cx = planned("sql_restore", &restore, at(&shop.url(), LONG)).await;
    let copy = done(executor::run(&*action("sql_restore", &restore), &cx).await).facts["safety_copy"].clone();
    let drop = step(json!({"do": "drop_copy", "copy": copy}));
    let cx = planned("sql_restore", &drop, at(&shop.url(), LONG)).await;
    let wire = Wire::to(&shop.host(), "DROP DATABASE").await;
    let lost = StepContext { tools: at(&shop.url_at(wire.port), LONG).tools, ..cx.clone() };
    unknown(executor::run(&*action("sql_restore", &drop), &lost).await);
    happened("sql_restore", &drop, &cx).await;
}

#[tokio::test]
async fn what_leaves_no_trace_has_nothing_to_look_at() {
    let Some(shop) = Shop::new().await else { return };
    let cx = at(&shop.url(), LONG);
    for (name, with) in [
        ("shell", json!({"argv": ["/bin/true"]})),
        ("sql", step(json!({"query": "SELECT 1"}))),
        ("sql_maintain", step(json!({"do": "vacuum", "table": "orders"}))),
        ("docker", json!({"do": "prune", "what": ["images"]})),
        ("lambda", json!({"do": "invoke", "function": "api"})),
    ] {
        assert!(executor::probe(&*action(name, &with), &cx, LONG).is_none(), "{name}");
    }
}
