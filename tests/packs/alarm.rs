//! From a real alert to three replicas: Prometheus sees that Paw Paw's backend is slow, Alertmanager calls the webhook,
//! the diagnosis runs by itself, and what it proposes waits for somebody to agree. On every stage.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde_json::{Value, json};
use sereno::id::DeliveryId;
use sereno::store::inbox::Input;
use sereno_fakes::app::App;
use tokio::net::TcpListener;
use tokio::process::Child;

use crate::docker_support::Stack;
use crate::harness::{Heard, Story, only};
use crate::minimarket::{catches_up, free_port, through};
use crate::parts::part;
use crate::program;
use crate::world::{Here, comes_to};

const PROMETHEUS: &str = r#"
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: ["DIR/rules.yaml"]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:MANAGER"] }] }] }
scrape_configs: [{ job_name: backend, static_configs: [{ targets: ["127.0.0.1:TARGET"] }] }]
"#;
const RULES: &str = r#"
groups:
  - name: pawpaw
    rules:
      - alert: HighLatency
        expr: histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m]))) > 0.3
        labels: { severity: warning, service: backend, env: prod }
        annotations: { summary: "P95 over 300 ms" }
"#;
const MANAGER: &str = r#"
route: { receiver: sereno, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }
receivers: [{ name: sereno, webhook_configs: [{ url: "http://127.0.0.1:HOOK/hooks/alertmanager" }] }]
"#;
const SERVICE: &str = "{ image: sereno-test/busybox, network_mode: none, command: ['sh', '-c', 'trap \"exit 0\" TERM; \
                       echo \"GET / HTTP/1.1\\\" 502 7\"; while :; do sleep 0.1; done'] }";

/// What a backend says of itself that has been busy for so long: most answers take longer than 300 ms.
fn metrics(busy: Duration, share: f64) -> String {
    let seconds = busy.as_secs_f64();
    let bucket = |le: &str, count: f64| format!("http_request_duration_seconds_bucket{{le=\"{le}\"}} {count}\n");
    format!(
        "process_cpu_seconds_total {}\n{}{}{}",
        seconds * share,
        bucket("0.3", seconds),
        bucket("1", seconds * 100.0),
        bucket("+Inf", seconds * 100.0),
    )
}

/// Prometheus that watches a backend, and Alertmanager whose webhook we are.
struct Monitoring {
    prometheus: String,
    /// Bodies that Alertmanager sent.
    sent: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    _programs: [Child; 2],
}

impl Monitoring {
    /// Of a backend that takes this much of a processor. It is new: a minute's average has seconds of it so far.
    async fn of(share: f64) -> Option<Self> {
        let prometheus = program::find("SERENO_TEST_PROMETHEUS", "/usr/bin/prometheus")?;
        let manager = program::find("SERENO_TEST_ALERTMANAGER", "/usr/bin/prometheus-alertmanager")?;
        let (folder, begun, sent) =
            (tempfile::tempdir().unwrap(), Instant::now(), Arc::<Mutex<Vec<String>>>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let take = async |State(sent): State<Arc<Mutex<Vec<String>>>>, body: String| sent.lock().unwrap().push(body);
        let routes = Router::new()
            .route("/metrics", get(async move || metrics(begun.elapsed(), share)))
            .route("/hooks/alertmanager", post(take))
            .with_state(Arc::clone(&sent));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let (port, door) = (free_port(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let fill = |text: &str| {
            let text = text.replace("DIR", &folder.path().display().to_string()).replace("MANAGER", &door.to_string());
            text.replace("TARGET", &own.to_string()).replace("HOOK", &own.to_string())
        };
        for (name, text) in [("prometheus.yaml", PROMETHEUS), ("rules.yaml", RULES), ("manager.yaml", MANAGER)] {
            std::fs::write(path(name), fill(text)).unwrap();
        }
        let option = |name: &str, value: String| format!("--{name}={value}");
        let address = |port: u16| format!("127.0.0.1:{port}");
        let manager = program::start(
            &manager,
            &[
                option("config.file", path("manager.yaml")),
                option("storage.path", path("manager")),
                option("web.listen-address", address(door)),
                option("cluster.listen-address", String::new()),
            ],
            &folder.path().join("manager.log"),
        );
        let watcher = program::start(
            &prometheus,
            &[
                option("config.file", path("prometheus.yaml")),
                option("storage.tsdb.path", path("data")),
                option("web.listen-address", address(port)),
            ],
            &folder.path().join("prometheus.log"),
        );
        let prometheus = format!("http://{}", address(port));
        Some(Self { prometheus, sent, _folder: folder, _programs: [manager, watcher] })
    }

    /// The body that tells of an alert, once Alertmanager has sent it.
    async fn alert(&self, name: &str) -> String {
        for _ in 0..1200 {
            let sent = self.sent.lock().unwrap().clone();
            let tells = |body: &&String| {
                let body: Value = serde_json::from_str(body).unwrap();
                body["status"] == "firing" && body["alerts"][0]["labels"]["alertname"] == name
            };
            if let Some(body) = sent.iter().find(tells) {
                return body.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // real programs are at work beside us
        }
        panic!("Alertmanager never told of {name}");
    }
}

/// A compose project with a backend and Nginx, as its file describes them.
struct Project {
    stack: Stack,
    dir: tempfile::TempDir,
    app: App,
}

impl Project {
    async fn new() -> Option<Self> {
        part("SERENO_TEST_COMPOSE")?;
        let (stack, dir) = (Stack::new()?, tempfile::tempdir().unwrap());
        let file = format!("version: '2.4'\nservices:\n  backend: {SERVICE}\n  nginx: {SERVICE}\n");
        std::fs::write(dir.path().join("docker-compose.prod.yml"), file).unwrap();
        std::fs::write(dir.path().join(".env"), "JWT_SECRET=one\nPOSTGRES_PASSWORD=two\n").unwrap();
        Some(Self { stack, dir, app: App::start().await })
    }

    fn here(&self, monitoring: &Monitoring) -> Here {
        Here::of("pawpaw")
            .value("project", &self.stack.project)
            .value("dir", self.dir.path().display())
            .value("prometheus", &monitoring.prometheus)
            .value("api", &self.app.url)
            .secret("db", "postgres://nobody@127.0.0.1:1/nothing")
            .secret("old_token", "a-token-from-before")
            .secret("login", "{}")
            .more(&format!("docker: {{ host: {} }}", json!(self.stack.host)))
    }

    /// How many containers of the backend run.
    async fn backends(&self) -> Value {
        let with = json!({"do": "ps", "service": "backend"});
        let outcome = self.stack.run(sereno::domain::runbook::Effect::Read, with).await;
        crate::executor_support::done(outcome).facts["running"].clone()
    }
}

/// What Alertmanager sent comes in at the door; the incident that opens.
async fn arrives(s: &Story, body: &str) -> Heard {
    let input = Input::Hook { hook: "alertmanager".into(), body: body.to_owned() };
    s.engine.accept(format!("hook:{}", DeliveryId::new()), input).await.unwrap();
    s.settles().await;
    let open = |heard: &Heard| heard.card.title.contains("P95 over 300 ms");
    s.channel("#infra").await.into_iter().find(open).expect("an incident")
}

/// The headline story, on the console and in Slack.
/// Proves: P09, P10, Y46.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_backend_gets_three_replicas_by_one_button() {
    let (Some(project), Some(monitoring)) = (Project::new().await, Monitoring::of(60.0).await) else { return };
    let body = monitoring.alert("HighLatency").await;
    let here = project.here(&monitoring);
    here.tell(async |s| assert_eq!(through(s, "desplegar prod", "").await.card.state, "done")).await;
    here.tell_everywhere(async |s| {
        catches_up(s);
        let incident = arrives(s, &body).await;
        let diagnosis = s.thread(&incident.id).await.swap_remove(1);
        let text = diagnosis.card.text();
        assert!(text.contains("CPU del backend | not OK"), "{text}");
        assert!(text.contains("5xx en Nginx | not OK"), "{text}");
        let verdicts = diagnosis.card.table.expect("a table of verdicts in the thread");
        assert!(verdicts.rows.len() >= 2 && diagnosis.thread == Some(incident.id.clone()), "{verdicts:?}");
        assert_eq!(project.backends().await, 1, "a diagnosis only reads");

        let label = "latencia prod";
        let button = incident.card.buttons.iter().find(|button| button.label == label);
        let button = button.unwrap_or_else(|| panic!("{:?}", incident.card)).id.clone();
        let run = only(s.person("ana").presses(&incident, &button).await);
        let ask = comes_to(s, &run, "awaiting_approval").await;
        assert!(ask.card.text().contains("backend (1 → 3)"), "{}", ask.card.text());
        assert!(ask.buttons().contains(&"approve"), "{:?}", ask.buttons());
        let undo = format!("undo: {}: create -; make anew -; start -; scale -; leave backend", project.stack.project);
        assert!(ask.card.text().contains(&undo), "back to the one there is: {}", ask.card.text());
        s.person("leo").presses(&ask, "approve").await;
        let over = comes_to(s, &run, "done").await;
        assert!(over.card.text().contains("réplicas | OK | at least 3 | 3"), "{}", over.card.text());
        assert_eq!(project.backends().await, 3);
        for number in 1..=3 {
            project.stack.started_at(&project.stack.name("backend", number)).await;
        }
        assert!(over.buttons().contains(&"undo"), "{:?}", over.buttons());

        let undo = only(s.person("ana").presses(&over, "undo").await);
        s.person("eva").presses(&undo, "approve").await;
        assert_eq!(project.backends().await, 1, "back to what it was");
        s.audit_is_whole().await;
    })
    .await;
}

/// Whoever is slow and has processor left is not helped by replicas.
/// Proves: P09, Y46.
#[tokio::test(flavor = "multi_thread")]
async fn with_processor_left_nothing_is_proposed() {
    let (Some(project), Some(monitoring)) = (Project::new().await, Monitoring::of(0.1).await) else { return };
    monitoring.alert("HighLatency").await;
    project
        .here(&monitoring)
        .tell(async |s| {
            catches_up(s);
            assert_eq!(through(s, "desplegar prod", "").await.card.state, "done");
            let run = only(s.person("ana").says("#infra", "/ops latencia prod").await);
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("CPU del backend | OK"), "{}", over.card.text());
            assert_eq!(project.backends().await, 1);
        })
        .await;
}
