//! An engine that is stopped and comes back while a step waits for it. The engine is one of the test's own, so that nobody else
//! loses theirs.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bollard::Docker;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::live::Live;
use sereno::executor::{self, StepContext, process};

use crate::docker_support::Stack;
use crate::executor_support::{Said, action, done, failed, unknown};
use crate::parts::part;
use crate::support::skipped;

/// An engine of its own, gone with the test.
struct Engine {
    dir: tempfile::TempDir,
    child: Child,
    host: String,
}

impl Engine {
    /// With the image of the shared one; none where this user may not start one.
    async fn start() -> Option<Self> {
        let shared = part("SERENO_TEST_DOCKER")?;
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if !root || process::find("dockerd").is_none() || process::find("docker").is_none() {
            skipped("an engine of its own takes root, dockerd and docker");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let host = format!("unix://{}/docker.sock", dir.path().display());
        let engine = Self { child: Self::spawn(&dir, &host), dir, host };
        engine.answers().await;
        let script = format!("docker -H {shared} save sereno-test/busybox | docker -H {} load", engine.host);
        assert!(command("sh").args(["-c", &script]).stdout(Stdio::null()).status().unwrap().success());
        Some(engine)
    }

    fn spawn(dir: &tempfile::TempDir, host: &str) -> Child {
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut dockerd = command("dockerd");
        dockerd.args([
            "--host",
            host,
            "--shutdown-timeout",
            "1",
            "--bridge",
            "none",
            "--iptables=false",
            "--ip6tables=false",
        ]);
        for name in ["data-root", "exec-root", "pidfile"] {
            dockerd.args([format!("--{name}"), path(name)]);
        }
        dockerd.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    async fn answers(&self) {
        for _ in 0..600 {
            let reached = Docker::connect_with_host(&self.host);
            if let Ok(docker) = reached
                && docker.version().await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the engine never answered");
    }

    /// It is stopped, as for a new version: its containers end with it, and whoever waits for it is left alone.
    fn stops(&mut self) {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }

    async fn comes_back(&mut self) {
        self.child = Self::spawn(&self.dir, &self.host);
        self.answers().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

#[allow(clippy::disallowed_methods)] // a test starts an engine
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Says that it has begun, leaves a trace, and does not end by itself.
const WORK: [&str; 3] = ["sh", "-c", "touch /tmp/began; echo began; exec sleep 60"];

/// Runs a step, and stops the engine once the step has shown that it waits.
async fn interrupted(engine: &mut Engine, shop: &Stack, effect: Effect, with: Value, waits: &str) -> Outcome {
    let step = action("docker", &shop.step(with));
    let planned = executor::plan(&*step, &shop.tools(), effect).await.unwrap().exact;
    let (live, watched) = Live::watched();
    let cx = StepContext { planned, live, ..shop.context(effect) };
    let dies = async {
        while !watched.borrow().text().contains(waits) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        engine.stops();
    };
    tokio::join!(executor::run(&*step, &cx), dies).0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looked_has_failed_and_what_changed_something_is_unknown_until_somebody_looks() {
    let Some(mut engine) = Engine::start().await else { return };
    let shop = Stack {
        docker: Docker::connect_with_host(&engine.host).unwrap(),
        host: engine.host.clone(),
        project: "shop".to_owned(),
    };
    shop.up("api", 1).await;
    let follow = json!({"do": "logs", "service": "api", "follow": "1m"});
    // Whichever goes first: the containers, whose logs end with them, or the connection, which breaks.
    let report = match interrupted(&mut engine, &shop, Effect::Read, follow, "INFO up").await {
        Outcome::Done(report) | Outcome::Failed(report) => report,
        other => panic!("it only looked: {other:?}"),
    };
    assert!(report.output.unwrap().head.contains("INFO up"), "what it had seen stays");
    // While it is away nothing is begun.
    let gone = failed(shop.run(Effect::Change, json!({"do": "restart", "service": "api"})).await);
    assert!(gone.line.en().contains("see that it runs"), "{}", gone.line.en());
    engine.comes_back().await;
    done(shop.run(Effect::Change, json!({"do": "start", "service": "api"})).await);

    let look = json!({"do": "exec", "service": "api", "argv": WORK});
    failed(interrupted(&mut engine, &shop, Effect::Read, look.clone(), "began").await);
    engine.comes_back().await;
    done(shop.run(Effect::Change, json!({"do": "start", "service": "api"})).await);
    let report = unknown(interrupted(&mut engine, &shop, Effect::Change, look, "began").await);
    assert!(report.line.en().contains("shop_api_1"), "{}", report.line.en());
    engine.comes_back().await;
    // A look tells how it stands, and goes on as if nothing had been.
    let facts = done(shop.run(Effect::Read, json!({"do": "inspect", "service": "api"})).await).facts;
    assert_eq!(facts["containers"][0]["state"], "exited");
    done(shop.run(Effect::Change, json!({"do": "start", "service": "api"})).await);
    let look = json!({"do": "exec", "service": "api", "argv": ["cat", "/tmp/began"]});
    assert_eq!(done(shop.run(Effect::Read, look).await).facts["exit"], 0, "it had begun");

    let own = json!({"do": "run", "image": "sereno-test/busybox", "argv": WORK});
    let step = action("docker", &own);
    let planned = executor::plan(&*step, &shop.tools(), Effect::Change).await.unwrap().exact;
    let (live, watched) = Live::watched();
    let cx = StepContext { planned, live, ..shop.context(Effect::Change) };
    let dies = async {
        while !watched.borrow().text().contains("began") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        engine.stops();
    };
    let report = unknown(tokio::join!(executor::run(&*step, &cx), dies).0);
    assert_eq!(report.facts["left_behind"], true, "it says what it could not remove");
    engine.comes_back().await;
}
