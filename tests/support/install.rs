//! An installation for tests: a folder with a configuration, runbooks and what they leave behind, on a free port of
//! loopback, and the real program on it, from the shell and serving. Knows the program's fixed names, not its insides.
#![allow(dead_code)] // every test file uses a part of it
#![allow(clippy::disallowed_methods)] // tests start processes and ask what time it is

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

/// Longest that a test waits for one thing.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const EVERY: Duration = Duration::from_millis(25);

/// The token of a person of the installation.
pub fn token(person: &str) -> String {
    format!("{person}-token")
}

/// The alert hook's secret.
pub const SECRET: &str = "hook-secret";

/// The configuration that issue and documents promise, with values in capitals to be filled in.
const CONFIG: &str = r##"
server:   { listen: "127.0.0.1:PORT", public_url: "http://127.0.0.1:PORT" }
store:    { url: "STORE" }
catalog:  { path: "DIR/commands" }
language: en
environments: { prod: { approvals: 1 }, dev: {} }
people:
  - { id: ana, roles: [operator], console: { token: "ana-token" }, slack: "T1/U1", discord: "80351110224678912" }
  - { id: leo, roles: [lead, operator], console: { token: "leo-token" } }
  - { id: eva, roles: [viewer], console: { token: "eva-token" } }
roles:    { viewer: Looks., operator: { includes: [viewer] }, lead: Approves., admin: Everything. }
channels: { "#infra": { console: true } }
hooks:
  alertmanager: { dialect: alertmanager, secret: "hook-secret", channel: "#infra" }
"##;

/// The installation's runbooks: file and text.
const RUNBOOKS: &[(&str, &str)] = &[
    (
        "commands/ops/health.yaml",
        r#"name: health
summary: Is the service well?
environments: [prod, dev]
allow: [{ roles: [viewer] }]
alerts: [{ alertname: ServiceDown }]
next: [rollback]
steps:
  - id: look
    title: The service says
    action: shell
    effect: read
    with: { argv: [/bin/cat, "DIR/state"] }
    expect: [{ fact: stdout, contains: well, label: what it says }]
    timeout: 10s
"#,
    ),
    (
        "commands/ops/rollback.yaml",
        r#"name: rollback
summary: Put the release before back
about: The quickest way back after a bad release.
environments: [prod, dev]
params:
  - { name: service, type: text, pattern: "[a-z]+", about: Which service, from_label: service }
allow: [{ roles: [operator] }]
approval: [{ environments: [prod], count: 1, roles: [lead], expires: 10m }]
lock: "{{ env }}/{{ service }}"
steps:
  - id: swap
    title: Swap the release
    action: shell
    effect: change
    with: { argv: [/bin/sh, "DIR/effect.sh", "{{ service }}", "{{ env }}"] }
    timeout: 10s
"#,
    ),
    (
        "commands/ops/migrate.yaml",
        r#"name: migrate
summary: A change that takes its time
environments: [dev]
params:
  - { name: rows, type: integer, min: 1, max: 100, default: 10 }
allow: [{ roles: [operator] }]
steps:
  - id: move
    title: Move the rows
    action: shell
    effect: change
    with: { argv: [/bin/sh, "DIR/slow.sh", "{{ rows }}"] }
    timeout: 60s
"#,
    ),
];

/// Notes one effect, by its arguments.
const EFFECT: &str = "echo \"$1 $2\" >> \"DIR/effects\"\necho swapped\n";

/// Notes its process, and works until `release` is there, or half a minute: then it ends by itself.
const SLOW: &str =
    "echo $$ >> \"DIR/slow\"\ni=0\nwhile [ ! -e \"DIR/release\" ] && [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done\n";

/// An installation. Its folder goes when it is dropped.
pub struct Install {
    /// The folder.
    pub dir: tempfile::TempDir,
    /// The port of loopback that it listens on.
    pub port: u16,
}

impl Install {
    /// On SQLite in its own folder.
    pub fn new() -> Self {
        Self::on("sqlite://DIR/sereno.db")
    }

    /// On this database.
    pub fn on(store: &str) -> Self {
        let install = Self { dir: tempfile::tempdir().unwrap(), port: free_port() };
        install.write("sereno.yaml", &CONFIG.replace("STORE", store));
        for (path, text) in RUNBOOKS {
            install.write(path, text);
        }
        install.write("effect.sh", EFFECT);
        install.write("slow.sh", SLOW);
        install.write("state", "all is well\n");
        install
    }

    /// A second one beside it: the same files and database, another port.
    pub fn beside(other: &Self) -> Self {
        let install = Self { dir: tempfile::tempdir().unwrap(), port: free_port() };
        let text = other.read("sereno.yaml").replace(&other.port.to_string(), &install.port.to_string());
        install.write("sereno.yaml", &text);
        install
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, whole at once; `DIR` and `PORT` in it are filled in.
    pub fn write(&self, name: &str, text: &str) {
        let dir = self.dir.path().display().to_string();
        let (path, beside) = (self.path(name), self.path("beside.new"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&beside, text.replace("DIR", &dir).replace("PORT", &self.port.to_string())).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    /// A file's text; empty if it is not there.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Replaces a part of the configuration.
    pub fn configure(&self, from: &str, to: &str) {
        let text = self.read("sereno.yaml");
        assert!(text.contains(from), "{from} is in the configuration");
        self.write("sereno.yaml", &text.replace(from, to));
    }

    /// What the runbooks did, one line an effect.
    pub fn effects(&self) -> Vec<String> {
        self.read("effects").lines().map(str::to_owned).collect()
    }

    /// A URL of the server.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The program, not yet started: in an environment that says nothing of Sereno but what the test adds.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sereno"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("SERENO_CONFIG", self.path("sereno.yaml"))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end.
    pub async fn sereno(&self, args: &[&str]) -> Said {
        said(self.command(args)).await
    }

    /// Says a line in `#infra`; the answer's cards.
    pub async fn say(&self, person: &str, text: &str) -> Vec<Value> {
        self.sereno(&["say", "--as", person, "#infra", text, "--wait", "30s", "--json"]).await.cards()
    }

    /// Presses a button of a card.
    pub async fn press(&self, person: &str, card: &Value, button: &str) -> Said {
        let id = card["id"].as_str().unwrap();
        self.sereno(&["press", id, button, "--as", person, "--wait", "30s", "--json"]).await
    }

    /// The thread of a card.
    pub async fn thread(&self, card: &Value) -> Vec<Value> {
        self.sereno(&["thread", card["id"].as_str().unwrap(), "--as", "ana", "--json"]).await.cards()
    }

    /// Reads from the JSON API as a person.
    pub async fn get(&self, person: &str, path: &str) -> Value {
        let request = http().get(self.url(&format!("/api/v1/{path}"))).bearer_auth(token(person));
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Sends a body to the alert hook, with its secret.
    pub async fn alert(&self, body: &Value) -> reqwest::Response {
        http().post(self.url("/hooks/alertmanager")).bearer_auth(SECRET).json(body).send().await.unwrap()
    }

    /// Starts the server and waits until it is ready.
    pub async fn serve(&self) -> Server {
        let mut server = self.start(&[]);
        self.ready(&mut server).await;
        server
    }

    /// Starts the server with more in its environment, and does not wait.
    pub fn start(&self, environment: &[(&str, &str)]) -> Server {
        let log = self.path("log");
        let out = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["serve"]);
        command.envs(environment.iter().copied()).stdout(out.try_clone().unwrap()).stderr(out);
        Server { child: command.spawn().unwrap(), log }
    }

    /// Waits until a server is ready; fails with its log if it ends instead.
    pub async fn ready(&self, server: &mut Server) {
        let until = Instant::now() + PATIENCE;
        while status(&self.url("/ready")).await != Some(200) {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "not ready ({ended:?}):\n{}", server.log());
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Standard output as a list of cards.
    pub fn cards(&self) -> Vec<Value> {
        match self.json() {
            Value::Array(cards) => cards,
            other => panic!("cards are a list, not {other}"),
        }
    }
}

/// Runs a command to its end, which it must reach in time.
pub async fn said(mut command: Command) -> Said {
    let ended = tokio::time::timeout(PATIENCE * 2, command.output()).await;
    let Output { status, stdout, stderr } = ended.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
}

/// A serving program; killed when dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Kills it as a power cut would.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Waits for its end, this long at most; its exit code.
    pub async fn ended(&mut self, within: Duration) -> Option<i32> {
        let ended = tokio::time::timeout(within, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("it still runs after {within:?}:\n{}", self.log())).unwrap();
        status.code()
    }

    /// Ends it politely, and checks that it ended well.
    pub async fn stop(mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(self.ended(Duration::from_secs(15)).await, Some(0), "{}", self.log());
    }
}

/// The tests' HTTP client.
pub fn http() -> &'static reqwest::Client {
    sereno::executor::http::client()
}

/// The status that a URL answers; none when nobody answers.
pub async fn status(url: &str) -> Option<u16> {
    http().get(url).send().await.ok().map(|answer| answer.status().as_u16())
}

/// Looks again and again until there is something to see.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < until, "never seen: {what}");
        tokio::time::sleep(EVERY).await;
    }
}

/// A port of loopback that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether a process is there and not just waiting to be buried.
pub fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

/// Whether a card has this button.
pub fn has_button(card: &Value, id: &str) -> bool {
    card["buttons"].as_array().is_some_and(|buttons| buttons.iter().any(|button| button["id"] == id))
}

/// What Alertmanager sends for one alert of a group.
pub fn alert_body(group: &str, labels: &Value, firing: bool) -> Value {
    let status = if firing { "firing" } else { "resolved" };
    let ends_at = if firing { "0001-01-01T00:00:00Z" } else { "2026-01-05T10:05:00Z" };
    let summary = labels["summary"].as_str().unwrap_or("The service is down");
    json!({
        "version": "4", "groupKey": group, "truncatedAlerts": 0, "status": status, "receiver": "sereno",
        "groupLabels": {}, "commonLabels": labels, "commonAnnotations": {}, "externalURL": "http://alerts.example",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": summary},
            "startsAt": "2026-01-05T10:00:00Z", "endsAt": ends_at, "generatorURL": "http://prometheus.example/graph",
            "fingerprint": sereno::domain::digest::of(labels)[..16],
        }],
    })
}
