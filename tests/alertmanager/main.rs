//! A service that is watched by a real Prometheus goes down and comes back; a real Alertmanager tells Sereno, which opens
//! an incident, looks by itself, and closes it.
#![allow(clippy::disallowed_methods)] // tests ask what time it is

#[path = "../support/install.rs"]
mod install;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

use axum::Router;
use axum::routing::get;
use install::{Install, SECRET, eventually, free_port, has_button, status};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PROMETHEUS: &str = r#"
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: ["DIR/rules.yaml"]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:ALERTMANAGER"] }] }] }
scrape_configs: [{ job_name: api, static_configs: [{ targets: ["127.0.0.1:TARGET"] }] }]
"#;

const RULES: &str = r#"
groups:
  - name: api
    rules:
      - alert: ServiceDown
        expr: up{job="api"} == 0
        labels: { severity: critical, service: api, env: prod }
        annotations: { summary: "The API does not answer", description: "Prometheus cannot reach it." }
"#;

const ALERTMANAGER: &str = r#"
route: { receiver: sereno, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers:
  - name: sereno
    webhook_configs:
      - url: "http://127.0.0.1:PORT/hooks/alertmanager"
        send_resolved: true
        http_config: { authorization: { type: Bearer, credentials: "SECRET" } }
"#;

/// A tiny service with metrics, which answers until it is dropped.
struct Service(JoinHandle<()>);

impl Service {
    async fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let routes = Router::new().route("/metrics", get(|| async { "api_requests_total 7\n" }));
        Self(tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts Alertmanager and Prometheus before an installation; both end when the answer is dropped.
async fn watch(install: &Install, target: u16) -> Option<[tokio::process::Child; 2]> {
    let prometheus = program::find("SERENO_TEST_PROMETHEUS", "/usr/bin/prometheus");
    let alertmanager = program::find("SERENO_TEST_ALERTMANAGER", "/usr/bin/prometheus-alertmanager");
    let (prometheus, alertmanager) = (prometheus?, alertmanager?);
    let (prometheus_port, alertmanager_port) = (free_port(), free_port());
    let fill = |text: &str| {
        let text = text.replace("TARGET", &target.to_string()).replace("SECRET", SECRET);
        text.replace("ALERTMANAGER", &alertmanager_port.to_string())
    };
    install.write("prometheus.yaml", &fill(PROMETHEUS));
    install.write("rules.yaml", RULES);
    install.write("alertmanager.yaml", &fill(ALERTMANAGER));
    let option = |name: &str, value: String| format!("--{name}={value}");
    let path = |name: &str| install.path(name).display().to_string();
    let address = |port: u16| format!("127.0.0.1:{port}");
    let alertmanager = program::start(
        &alertmanager,
        &[
            option("config.file", path("alertmanager.yaml")),
            option("storage.path", path("alertmanager")),
            option("web.listen-address", address(alertmanager_port)),
            option("cluster.listen-address", String::new()),
        ],
        &install.path("alertmanager.log"),
    );
    let prometheus = program::start(
        &prometheus,
        &[
            option("config.file", path("prometheus.yaml")),
            option("storage.tsdb.path", path("prometheus")),
            option("web.listen-address", address(prometheus_port)),
        ],
        &install.path("prometheus.log"),
    );
    for port in [alertmanager_port, prometheus_port] {
        let url = format!("http://127.0.0.1:{port}/-/ready");
        eventually("monitoring is ready", async || (status(&url).await == Some(200)).then_some(())).await;
    }
    Some([alertmanager, prometheus])
}

/// The incident's card in `#infra`, once it is in this state.
async fn incident_card(install: &Install, state: &str) -> Value {
    eventually(&format!("the incident is {state}"), async || {
        let cards = install.get("ana", "channels/infra/messages").await;
        cards.as_array()?.iter().find(|card| card["state"] == state).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_goes_down_and_comes_back() {
    let install = Install::new();
    install.write("state", "nothing answers\n");
    let target = free_port();
    let service = Service::on(target).await;
    let Some(_monitoring) = watch(&install, target).await else { return };
    let server = install.serve().await;

    drop(service);
    let root = incident_card(&install, "open").await;
    let title = root["title"].as_str().unwrap();
    assert!(title.contains("The API does not answer") && title.contains("P1"), "{root:#}");
    assert!(has_button(&root, "acknowledge") && has_button(&root, "ask-1"), "{root:#}");
    let diagnosis = eventually("the diagnosis in the thread", async || {
        let replies = install.thread(&root).await;
        replies.into_iter().find(|card| card["text"].as_str().unwrap().contains("ops/health prod"))
    })
    .await;
    assert_eq!(diagnosis["thread"], root["id"]);
    eventually("its verdict", async || {
        let replies = install.thread(&root).await;
        let card = replies.into_iter().find(|card| card["id"] == diagnosis["id"])?;
        (card["state"] == "failed").then_some(())
    })
    .await;

    let asked = install.press("ana", &root, "ask-1").await;
    let plan = asked.cards().into_iter().find(|card| card["state"] == "awaiting_approval");
    let plan = plan.unwrap_or_else(|| panic!("the proposed rollback waits: {asked:#?}"));
    assert!(plan["text"].as_str().unwrap().contains("rollback api prod"), "the alert's labels fill it in: {plan:#}");
    assert_eq!(install.press("leo", &plan, "approve").await.code, 0);
    assert_eq!(install.effects(), ["api prod"]);

    let _service = Service::on(target).await;
    let closed = incident_card(&install, "resolved").await;
    assert_eq!(closed["id"], root["id"]);
    assert!(install.get("ana", "incidents").await[0]["resolved_at"].is_string());
    server.stop().await;
    assert_eq!(install.sereno(&["audit", "verify"]).await.code, 0);
}
