//! `prometheus` and `alertmanager` on the real ones, `loki` on a strict fake: none can be had.
#![allow(clippy::disallowed_methods)] // tests ask what time it is

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::StepContext;

use super::executor_support::{NOON, context};
use super::{
    LONG, SHORT, attempt, done, endless, eventually, failed, free_port, look, program, silent, tools, unknown,
};

/// What an attempt is given that starts now: real servers know what time it is.
fn now(effect: Effect) -> StepContext {
    StepContext { started_at: jiff::Timestamp::now().into(), ..context(&tools(&[]), effect, LONG) }
}

async fn ready(url: &str) {
    let url = format!("{url}/-/ready");
    let client = reqwest::Client::builder().no_proxy();
    let _ = tools(&[]);
    let client = client.build().unwrap();
    eventually("it is ready", async || client.get(&url).send().await.ok().filter(|said| said.status() == 200)).await;
}

/// A Prometheus that watches a service and a port that nothing listens on.
async fn prometheus(folder: &tempfile::TempDir) -> Option<(String, tokio::process::Child)> {
    let program = program::find("SERENO_TEST_PROMETHEUS", "/usr/bin/prometheus")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, service) = (free_port(), listener.local_addr().unwrap());
    let metrics = "latency_seconds{service=\"api\"} 0.25\nlatency_seconds{service=\"web\"} 1.5\nodd NaN\n";
    let routes = Router::new().route("/metrics", get(async move || metrics));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - {{ job_name: shop, static_configs: \
         [{{ targets: [\"{service}\"] }}] }}\n  - {{ job_name: gone, static_configs: [{{ targets: [\"127.0.0.1:1\"] }}] }}\n"
    );
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("prometheus.yaml"), config).unwrap();
    let args = [
        format!("--config.file={}", path("prometheus.yaml").display()),
        format!("--storage.tsdb.path={}", path("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let child = program::start(&program, &args, &path("log"));
    let url = format!("http://127.0.0.1:{port}");
    ready(&url).await;
    Some((url, child))
}

/// A replica's clock is a minute behind, and what is asked is a sample of this very second.
#[tokio::test]
async fn now_is_what_the_server_says() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, _program)) = prometheus(&folder).await else { return };
    let behind = || StepContext { started_at: NOON, ..context(&tools(&[]), Effect::Read, LONG) };
    let with = json!({ "do": "instant", "query": "latency_seconds{service='web'}", "server": server });
    eventually("the first value is there", async || {
        let report = done(attempt("prometheus", &with, behind()).await);
        (report.facts["value"] == 1.5).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_query_has_values_now_and_over_time_and_targets_are_up_or_down() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, _program)) = prometheus(&folder).await else { return };
    let ask = async |mut with: Value| {
        with["server"] = json!(server);
        attempt("prometheus", &with, now(Effect::Read)).await
    };
    let query = "latency_seconds{service=$service}";
    let instant = json!({ "do": "instant", "query": query, "values": { "service": "web" } });
    let report = eventually("the first value is there", async || {
        let report = done(ask(instant.clone()).await);
        (report.facts["count"] == 1).then_some(report)
    })
    .await;
    assert_eq!((&report.facts["value"], &report.facts["max"]), (&json!(1.5), &json!(1.5)));
    let hostile = json!({ "do": "instant", "query": query, "values": { "service": "web\"} or vector(7) or x{a=\"" } });
    assert_eq!(done(ask(hostile).await).facts, json!({ "count": 0, "series": [] }), "a value is never part of a query");
    let both = done(ask(json!({ "do": "instant", "query": "latency_seconds" })).await);
    assert_eq!((&both.facts["count"], &both.facts["min"], &both.facts["sum"]), (&json!(2), &json!(0.25), &json!(1.75)));
    assert_eq!(both.table.unwrap().rows.len(), 2);
    assert_eq!(done(ask(json!({ "do": "instant", "query": "odd" })).await).facts.get("value"), None);

    // Blanks, braces and `by (…)` arrive as they are written.
    let grouped = json!({ "do": "instant", "query": "sum(latency_seconds) by (service) > 1" });
    assert_eq!(done(ask(grouped).await).facts["series"][0]["labels"], json!({ "service": "web" }));
    let wrong = json!({ "do": "instant", "query": "histogram_quantile(0.95, x) by (le)" });
    let refused = failed(ask(wrong).await);
    assert!(refused.contains("parse error"), "what is no PromQL is refused in the server's words: {refused}");
    let span = failed(ask(json!({ "do": "instant", "query": "up[5m]" })).await);
    assert!(span.contains("do: range"), "{span}");

    let range = eventually("a second value is there", async || {
        let with = json!({ "do": "range", "query": "latency_seconds", "since": "1m", "step": "1s" });
        let report = done(ask(with).await);
        (report.facts["series"][0]["points"].as_u64() > Some(1)).then_some(report)
    })
    .await;
    assert_eq!((&range.facts["latest"], &range.facts["max"]), (&json!(0.25), &json!(1.5)));
    assert!(range.facts["series"][0]["values"][0][0].as_f64() > Some(1.7e9), "{:#}", range.facts);

    let targets = eventually("both were looked at", async || {
        let report = done(ask(json!({ "do": "targets" })).await);
        (report.facts["up"] == 1 && report.facts["down"] == 1).then_some(report)
    })
    .await;
    assert_eq!(targets.facts["names_down"], json!(["gone/127.0.0.1:1"]));
    assert!(targets.table.unwrap().rows[0][3].contains("refused"));
}

#[tokio::test]
async fn a_prometheus_that_is_none_is_said_to_be() {
    let ask = async |port: u16, timeout| {
        let with = json!({ "do": "targets", "server": format!("http://127.0.0.1:{port}") });
        failed(attempt("prometheus", &with, context(&tools(&[]), Effect::Read, timeout)).await)
    };
    let gone = ask(free_port(), LONG).await;
    assert!(gone.contains("cannot be reached"), "{gone}");
    let quiet = ask(silent(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await, SHORT).await;
    assert!(quiet.contains("not finished"), "{quiet}");
    let long = ask(endless(b"HTTP/1.1 200 OK\r\n\r\n").await, LONG).await;
    assert!(long.contains("1 MiB"), "{long}");
    let odd = ask(silent(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await, LONG).await;
    assert!(odd.contains("not what such a server answers"), "{odd}");
}

async fn alertmanager(folder: &tempfile::TempDir) -> Option<(String, tokio::process::Child)> {
    let program = program::find("SERENO_TEST_ALERTMANAGER", "/usr/bin/prometheus-alertmanager")?;
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("alertmanager.yaml"), "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n").unwrap();
    let port = free_port();
    let args = [
        format!("--config.file={}", path("alertmanager.yaml").display()),
        format!("--storage.path={}", path("data").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let child = program::start(&program, &args, &path("log"));
    let url = format!("http://127.0.0.1:{port}");
    ready(&url).await;
    Some((url, child))
}

#[tokio::test]
async fn an_alert_is_silenced_for_half_an_hour_and_the_undo_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, _program)) = alertmanager(&folder).await else { return };
    let alerts = json!([
        { "labels": { "alertname": "HighLatency", "env": "prod" }, "annotations": { "summary": "slow" } },
        { "labels": { "alertname": "DiskFull", "env": "prod" } },
    ]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(format!("{server}/api/v2/alerts")).json(&alerts).send().await.unwrap();
    let ask = async |effect: Effect, mut with: Value| {
        with["server"] = json!(server);
        attempt("alertmanager", &with, now(effect)).await
    };
    let listed = async |with: Value| done(ask(Effect::Read, with).await).facts;
    let all = eventually("both alerts are there", async || {
        let all = listed(json!({ "do": "alerts" })).await;
        (all["count"] == 2).then_some(all)
    })
    .await;
    assert_eq!(all["names"], json!(["DiskFull", "HighLatency"]));
    let one = listed(json!({ "do": "alerts", "matchers": { "alertname": "HighLatency" } })).await;
    assert_eq!((&one["active"], &one["alerts"][0]["summary"]), (&json!(1), &json!("slow")));

    let silence = json!({
        "do": "silence", "matchers": { "alertname": "HighLatency", "env": "prod" }, "for": "30m", "by": "ana",
        "comment": "Scaling out",
    });
    let made = done(ask(Effect::Change, silence.clone()).await).facts;
    let end: jiff::Timestamp = made["ends_at"].as_str().unwrap().parse().unwrap();
    let minutes = (end - jiff::Timestamp::now()).get_seconds() / 60;
    assert!((28..=30).contains(&minutes), "{made}");
    let again = done(ask(Effect::Change, silence).await).facts;
    assert_eq!((&again["id"], &again["already"]), (&made["id"], &json!(true)), "a second attempt makes no second one");
    let kept: Value = client
        .get(format!("{server}/api/v2/silence/{}", made["id"].as_str().unwrap()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(kept["createdBy"], "ana");
    assert!(kept["comment"].as_str().unwrap().starts_with("Scaling out ["));
    eventually("the alert is silenced", async || {
        let left = listed(json!({ "do": "alerts" })).await;
        (left["names"] == json!(["DiskFull"])).then_some(())
    })
    .await;
    let with_silenced = listed(json!({ "do": "alerts", "silenced": true })).await;
    assert_eq!((&with_silenced["count"], &with_silenced["silenced"]), (&json!(2), &json!(1)));

    let expire = json!({ "do": "expire", "id": made["id"] });
    assert_eq!(done(ask(Effect::Change, expire.clone()).await).facts["was"], "active");
    assert_eq!(done(ask(Effect::Change, expire).await).facts["was"], "expired");
    eventually("the alert is back", async || (listed(json!({ "do": "alerts" })).await["count"] == 2).then_some(()))
        .await;
    let nobody = json!({ "do": "expire", "id": "00000000-0000-0000-0000-000000000000" });
    assert!(failed(ask(Effect::Change, nobody).await).contains("there is no silence"));
    let past = json!({
        "do": "silence", "matchers": { "a": "b" }, "until": "2020-01-01T00:00:00Z", "by": "ana", "comment": "late",
    });
    assert!(failed(ask(Effect::Change, past).await).contains("has passed"));
    let status = listed(json!({ "do": "status" })).await;
    assert!(status["version"].as_str().unwrap().starts_with("0.") && status["uptime_seconds"].is_u64(), "{status}");
}

/// A replica's clock is three minutes ahead of the server's, and the alert is silent from now on, not in three minutes.
#[tokio::test]
async fn a_silence_begins_at_once_whatever_our_clock_says() {
    let folder = tempfile::tempdir().unwrap();
    let Some((server, _program)) = alertmanager(&folder).await else { return };
    let ahead = |effect: Effect| {
        let cx = now(effect);
        StepContext { started_at: cx.started_at.after(Duration::from_secs(180)), ..cx }
    };
    let silence = json!({
        "do": "silence", "server": server, "matchers": { "alertname": "HighLatency" }, "for": "30m", "by": "ana",
        "comment": "Scaling out",
    });
    let made = done(attempt("alertmanager", &silence, ahead(Effect::Change)).await).facts;
    let expire = json!({ "do": "expire", "server": server, "id": made["id"] });
    assert_eq!(done(attempt("alertmanager", &expire, ahead(Effect::Change)).await).facts["was"], "active");
}

/// A replica's clock is half a minute behind, and the newest line is of this very second.
#[tokio::test]
async fn the_newest_line_is_read_whatever_our_clock_says() {
    let newest = NOON.after(Duration::from_secs(30)).0;
    let line = ([("service".to_owned(), "api".to_owned())].into(), i128::from(newest) * 1_000_000, "ERROR".to_owned());
    let server = sereno_fakes::loki::serve(Some("shop"), vec![line]).await.unwrap();
    let with = json!({ "server": server, "query": "{service=\"api\"}", "headers": { "X-Scope-OrgID": "shop" } });
    assert_eq!(done(look("loki", with).await).facts["lines"], json!(["ERROR"]));
}

#[tokio::test]
async fn a_silence_that_nobody_confirmed_is_unknown() {
    // Lists no silences, takes the new one, and hangs up before it says so.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut head).await.unwrap_or(0);
            if head[..read].starts_with(b"GET") {
                let nothing = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, nothing).await;
            }
        }
    });
    let with = json!({
        "do": "silence", "server": server, "matchers": { "a": "b" }, "for": "1m", "by": "ana", "comment": "c",
    });
    let why = unknown(attempt("alertmanager", &with, context(&tools(&[]), Effect::Change, LONG)).await);
    assert!(why.contains("no complete answer"), "{why}");
}

#[tokio::test]
async fn the_newest_lines_that_a_logql_query_finds_are_read() {
    let line = |service: &str, before: i64, text: &str| {
        let at = NOON.before(Duration::from_secs(u64::try_from(before).unwrap())).0;
        ([("service".to_owned(), service.to_owned())].into(), i128::from(at) * 1_000_000, text.to_owned())
    };
    let lines = vec![
        line("api", 7200, "ERROR long ago"),
        line("api", 50, "ERROR first"),
        line("api", 40, "INFO fine"),
        line("api", 30, "ERROR second canary-api-token"),
        line("web", 20, "ERROR elsewhere"),
        line("api", 10, "ERROR third \u{1b}[31m"),
    ];
    let server = sereno_fakes::loki::serve(Some("shop"), lines).await.unwrap();
    let tools = tools(&[("api", "canary-api-token")]);
    let ask = async |more: Value| -> Outcome {
        let mut with = json!({ "server": server, "headers": { "X-Scope-OrgID": "shop" } });
        with.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        attempt("loki", &with, context(&tools, Effect::Read, LONG)).await
    };
    let query = "{service=$service} |= \"ERROR\"";
    let report = done(ask(json!({ "query": query, "values": { "service": "api" }, "since": "15m" })).await);
    assert_eq!(report.facts["lines"], json!(["ERROR first", "ERROR second [redacted api]", "ERROR third "]));
    assert_eq!((&report.facts["count"], &report.facts["truncated"]), (&json!(3), &json!(false)));
    assert!(report.output.unwrap().head.starts_with("ERROR first\n"));
    let two = done(ask(json!({ "query": query, "values": { "service": "api" }, "limit": 2 })).await);
    assert_eq!(two.facts["lines"], json!(["ERROR second [redacted api]", "ERROR third "]));
    assert_eq!(two.facts["truncated"], true);
    let hostile = json!({ "query": query, "values": { "service": "api\"} or {service=\"web" } });
    assert_eq!(done(ask(hostile).await).facts["count"], 0);
    let wrong = failed(ask(json!({ "query": "service=api" })).await);
    assert!(wrong.contains("400") && wrong.contains("parse error"), "{wrong}");
    let numbers = failed(ask(json!({ "query": "count_over_time({service=\"api\"}[1m])" })).await);
    assert!(numbers.contains("numbers"), "{numbers}");
    let tenant = failed(look("loki", json!({ "server": server, "query": "{service=\"api\"}" })).await);
    assert!(tenant.contains("no org id"), "{tenant}");
}
