//! `docker` on the real engine: what is followed, measured and waited for, and what is told of networks, variables and
//! room.
#![cfg(feature = "docker")]

mod docker_support;
mod executor_support;
mod parts;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use docker_support::{LONG, SERVE, Stack};
use executor_support::{Said, action, context, done, failed};
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::executor::live::Live;
use sereno::executor::{self};

/// Says a line a tenth of a second.
const CHATTER: &str =
    "trap 'exit 0' TERM; n=0; while :; do n=$((n+1)); echo line $n of hunter2hunter2; sleep 0.1; done";

async fn start(shop: &Stack, service: &str, script: &str, more: ContainerCreateBody) {
    shop.create(service, 1, script, more).await;
    shop.docker.start_container(&shop.name(service, 1), None).await.unwrap();
}

#[tokio::test]
async fn logs_of_several_services_are_followed_for_a_while_and_watched_meanwhile() {
    let Some(shop) = Stack::new() else { return };
    for service in ["api", "worker", "quiet"] {
        let script = if service == "quiet" { SERVE } else { CHATTER };
        start(&shop, service, script, ContainerCreateBody::default()).await;
    }
    let with = json!({"do": "logs", "service": ["api", "worker"], "follow": "2s", "tail": 1, "pattern": "line"});
    let step = action("docker", &shop.step(with));
    let (live, watched) = Live::watched();
    let cx = executor::StepContext { live, ..context(&shop.tools(), Effect::Read, LONG) };
    let report = done(executor::run(&*step, &cx).await);
    let lines: Vec<&str> = report.facts["lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for service in ["api", "worker"] {
        let own = lines.iter().filter(|line| line.starts_with(&format!("{} | line ", shop.name(service, 1)))).count();
        assert!(own > 2, "{service}: {lines:?}");
    }
    assert!(!lines.iter().any(|line| line.contains("quiet") || line.contains("hunter2")), "{lines:?}");
    assert_eq!(watched.borrow().total, lines.len() as u64, "each line was seen as it came");
    assert!(watched.borrow().text().contains("[redacted token]"));
}

#[tokio::test]
async fn a_container_that_ends_ends_what_follows_it() {
    let Some(shop) = Stack::new() else { return };
    start(&shop, "job", "echo one; sleep 0.3; echo two", ContainerCreateBody::default()).await;
    let report = done(shop.run(Effect::Read, json!({"do": "logs", "follow": "15m"})).await);
    assert_eq!(report.facts["lines"], json!(["one", "two"]));
}

#[tokio::test]
async fn use_is_measured_over_a_while_beside_the_limit() {
    let Some(shop) = Stack::new() else { return };
    let host = HostConfig { memory: Some(64 << 20), nano_cpus: Some(1_500_000_000), ..HostConfig::default() };
    let busy = "while :; do :; done";
    start(&shop, "api", busy, ContainerCreateBody { host_config: Some(host), ..Default::default() }).await;
    let report = done(shop.run(Effect::Read, json!({"do": "stats", "for": "3s"})).await);
    let api = &report.facts["containers"][0];
    assert!(api["samples"].as_u64().unwrap() >= 2, "{api}");
    assert_eq!(api["memory_limit"], 64 << 20);
    assert!(api["cpu_percent_max"].as_f64().unwrap() > 1.0 && api["memory_percent_max"].as_f64().is_some(), "{api}");
    assert_eq!(report.facts["cpu_percent_max"], api["cpu_percent_max"]);
    let table = report.table.unwrap();
    assert_eq!((table.rows[0][0].as_str(), table.rows[0][3].as_str()), (shop.name("api", 1).as_str(), "67 MB"));
    let facts = done(shop.run(Effect::Read, json!({"do": "inspect"})).await).facts;
    let api = &facts["containers"][0];
    assert_eq!((&api["memory_limit"], &api["cpus"]), (&json!(64 << 20), &json!(1.5)));
}

#[tokio::test]
async fn variables_are_told_by_name_and_never_by_value() {
    let Some(shop) = Stack::new() else { return };
    let env = ["KEY=s3cret-value", "EMPTY=", "KEYRING=x"].map(str::to_owned).to_vec();
    shop.create("api", 1, SERVE, ContainerCreateBody { env: Some(env), ..Default::default() }).await;
    let report = done(shop.run(Effect::Read, json!({"do": "env", "names": ["KEY", "EMPTY", "NONE"]})).await);
    let facts = &report.facts;
    assert_eq!(
        (&facts["set"], &facts["empty"], &facts["missing"]),
        (&json!(["KEY"]), &json!(["EMPTY"]), &json!(["NONE"]))
    );
    assert_eq!(facts["complete"], false);
    assert!(report.line.en().ends_with(": EMPTY, NONE"), "{}", report.line.en());
    assert!(!format!("{report:?}").contains("s3cret-value"));
    let facts = done(shop.run(Effect::Read, json!({"do": "env", "names": ["KEY", "KEYRING"]})).await).facts;
    assert_eq!(facts["complete"], true);
}

#[tokio::test]
async fn containers_share_a_network_or_do_not() {
    let Some(shop) = Stack::new() else { return };
    let inside = |network: &str| ContainerCreateBody {
        host_config: Some(HostConfig { network_mode: Some(network.to_owned()), ..HostConfig::default() }),
        ..Default::default()
    };
    let (front, back) = (shop.network("front").await, shop.network("back").await);
    start(&shop, "web", SERVE, inside(&front)).await;
    start(&shop, "api", SERVE, inside(&front)).await;
    start(&shop, "db", SERVE, inside(&back)).await;
    start(&shop, "alone", SERVE, ContainerCreateBody::default()).await;
    let between =
        async |services: Value| done(shop.run(Effect::Read, json!({"do": "network", "service": services})).await);
    let facts = between(json!(["web", "api"])).await.facts;
    assert_eq!((&facts["connected"], &facts["shared"]), (&json!(true), &json!([front])));
    assert_eq!(between(json!(["web", "db"])).await.facts["connected"], false);
    assert_eq!(between(json!(["alone"])).await.facts["connected"], false, "`none` is no network");
    let members = action("docker", &json!({"do": "network", "network": front}));
    let report = done(executor::run(&*members, &context(&shop.tools(), Effect::Read, LONG)).await);
    assert_eq!(report.facts["members"], json!([shop.name("api", 1), shop.name("web", 1)]));
    let nowhere = action("docker", &json!({"do": "network", "network": "no-such-network"}));
    failed(executor::run(&*nowhere, &context(&shop.tools(), Effect::Read, LONG)).await);
}

fn check(test: &str) -> HealthConfig {
    HealthConfig {
        test: Some(vec!["CMD-SHELL".to_owned(), test.to_owned()]),
        interval: Some(100_000_000),
        retries: Some(1),
        ..HealthConfig::default()
    }
}

#[tokio::test]
async fn a_restart_is_over_when_everything_is_healthy_again() {
    let Some(shop) = Stack::new() else { return };
    // Healthy a second after its start.
    let script = "trap 'exit 0' TERM; rm -f /tmp/up; sleep 1; touch /tmp/up; while :; do sleep 0.1; done";
    let health = |test: &str| ContainerCreateBody { healthcheck: Some(check(test)), ..Default::default() };
    start(&shop, "api", script, health("test -e /tmp/up || exit 1")).await;
    let wait = json!({"do": "wait_healthy", "within": "30s"});
    done(shop.run(Effect::Read, wait.clone()).await);
    done(shop.run(Effect::Change, json!({"do": "restart", "stop_timeout": "1s"})).await);
    let report = done(shop.run(Effect::Read, wait).await);
    assert_eq!((&report.facts["healthy"], &report.facts["total"]), (&json!(true), &json!(1)));
    start(&shop, "db", SERVE, health("false")).await;
    let report = failed(shop.run(Effect::Read, json!({"do": "wait_healthy", "within": "2s"})).await);
    assert_eq!(report.facts["healthy"], false);
    let line = report.line.en();
    assert!(line.contains(&shop.name("db", 1)) && !line.contains(&shop.name("api", 1)), "{line}");
    failed(shop.run(Effect::Read, json!({"do": "wait_healthy", "service": "nobody", "within": "1s"})).await);
}

#[tokio::test]
async fn waiting_ends_when_it_is_cancelled() {
    let Some(shop) = Stack::new() else { return };
    shop.create("api", 1, "true", ContainerCreateBody::default()).await;
    let step = action("docker", &shop.step(json!({"do": "wait_healthy", "within": "10m"})));
    let cx = context(&shop.tools(), Effect::Read, Duration::from_secs(900));
    let cancel = cx.cancel.clone();
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    assert_eq!(failed(outcome).line.en(), "stopped: cancelled");
}

#[tokio::test]
async fn room_is_told_by_kind() {
    let Some(shop) = Stack::new() else { return };
    let volume = shop.volume("data").await;
    let labels = HashMap::from([("com.docker.compose.project".to_owned(), shop.project.clone())]);
    shop.create("api", 1, "true", ContainerCreateBody { labels: Some(labels), ..Default::default() }).await;
    let step = action("docker", &json!({"do": "df"}));
    let report = done(executor::run(&*step, &context(&shop.tools(), Effect::Read, LONG)).await);
    for kind in ["images", "containers", "volumes", "build_cache"] {
        let of = &report.facts[kind];
        assert!(["count", "unused", "bytes", "reclaimable"].iter().all(|fact| of[fact].is_number()), "{kind}: {of}");
    }
    assert!(report.facts["images"]["bytes"].as_i64().unwrap() > 1_000_000, "{}", report.facts);
    assert!(report.facts["volumes"]["unused"].as_i64().unwrap() >= 1, "{volume}: {}", report.facts);
    assert_eq!(report.table.unwrap().rows.len(), 4);
}
