//! `compose` with the real program on the real engine.
#![cfg(feature = "docker")]

mod docker_support;
mod executor_support;
mod parts;
mod support;

use std::time::Duration;

use docker_support::Stack;
use executor_support::{Said, action, context, done, failed, unknown};
use parts::part;
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::step::Outcome;
use sereno::executor::live::Live;
use sereno::executor::{self, StepContext};

const FILE: &str = "
version: '2.4'
services:
  api:
    image: sereno-test/busybox
    command: ['sh', '-c', 'trap \"exit 0\" TERM; while :; do sleep 0.1; done']
    network_mode: none
    env_file: [api.env]
    environment: {WHO: '${WHO}'}
    depends_on: [db]
  db:
    image: sereno-test/busybox
    command: ['sh', '-c', 'trap \"exit 0\" TERM; while :; do sleep 0.1; done']
    network_mode: none
  other:
    image: sereno-test/busybox
    command: ['true']
    network_mode: none
";

/// A project with its files, gone with the test.
struct Shop {
    stack: Stack,
    dir: tempfile::TempDir,
}

impl Shop {
    fn new() -> Option<Self> {
        part("SERENO_TEST_COMPOSE")?;
        let (stack, dir) = (Stack::new()?, tempfile::tempdir().unwrap());
        let shop = Self { stack, dir };
        shop.write("docker-compose.yml", FILE);
        shop.write("api.env", "KEY=one-secret-value\n");
        Some(shop)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn step(&self, mut with: Value) -> Value {
        with["project"] = json!(self.stack.project);
        with["dir"] = json!(self.dir.path());
        with
    }

    async fn plan(&self, with: Value) -> Result<Plan, Sentence> {
        executor::plan(&*action("compose", &self.step(with)), &self.stack.tools(), Effect::Read).await
    }

    async fn run(&self, with: Value) -> (Plan, Outcome) {
        let step = action("compose", &self.step(with));
        let effect = step.effect(None).unwrap();
        let plan = executor::plan(&*step, &self.stack.tools(), effect).await.unwrap();
        let cx = StepContext { planned: plan.exact.clone(), ..self.stack.context(effect) };
        (plan, executor::run(&*step, &cx).await)
    }

    async fn ids(&self, service: &str) -> Vec<String> {
        let with = json!({"do": "ps", "service": service});
        let names = done(self.stack.run(Effect::Read, with).await).facts["names"].clone();
        let mut ids = Vec::new();
        for name in names.as_array().unwrap() {
            let name = name.as_str().unwrap();
            ids.push(self.stack.docker.inspect_container(name, None).await.unwrap().id.unwrap());
        }
        ids
    }

    /// What a variable is in a service's first container.
    async fn variable(&self, service: &str, name: &str) -> String {
        let argv = ["sh".to_owned(), "-c".to_owned(), format!("echo ${name}")];
        let with = json!({"do": "exec", "container": self.stack.name(service, 1), "argv": argv});
        let step = action("docker", &with);
        let cx = context(&self.stack.tools(), Effect::Read, Duration::from_secs(30));
        done(executor::run(&*step, &cx).await).facts["stdout"].as_str().unwrap().trim().to_owned()
    }
}

#[tokio::test]
async fn up_makes_what_is_missing_and_its_plan_says_so() {
    let Some(shop) = Shop::new() else { return };
    let up = json!({"do": "up", "service": "api", "env": {"WHO": {"secret": "token"}}});
    let (plan, outcome) = shop.run(up.clone()).await;
    let line = plan.line.en();
    assert!(line.contains("create api (0 → 1), db (0 → 1);"), "with a service comes what it needs: {line}");
    let text = digest::canonical(&plan);
    assert!(text.contains("sha256") && text.contains("docker-compose.yml") && !text.contains("hunter2"), "{text}");
    assert!(!text.contains("one-secret-value"), "{text}");
    let report = done(outcome);
    assert_eq!(report.facts["running"], json!({"api": 1, "db": 1}));
    assert_eq!(report.facts["previous"], json!({"api": 0, "db": 0}));
    assert_eq!(shop.variable("api", "WHO").await, "[redacted token]");
    let again = shop.plan(up).await.unwrap();
    assert!(again.line.en().ends_with("leave api, db"), "{}", again.line.en());
}

#[tokio::test]
async fn a_restart_does_not_read_variables_again_and_recreate_does() {
    let Some(shop) = Shop::new() else { return };
    done(shop.run(json!({"do": "up", "service": ["api", "db"]})).await.1);
    let db = shop.ids("db").await;
    shop.write("api.env", "KEY=two\n");
    done(shop.stack.run(Effect::Change, json!({"do": "restart", "service": "api", "stop_timeout": "1s"})).await);
    assert_eq!(shop.variable("api", "KEY").await, "one-secret-value");
    let plan = shop.plan(json!({"do": "up", "service": "api"})).await.unwrap();
    assert!(plan.line.en().contains("make anew api;"), "the file changed: {}", plan.line.en());
    let report = done(shop.run(json!({"do": "recreate", "service": "api"})).await.1);
    assert_eq!(report.facts["changed"], json!(["api"]));
    assert_eq!(shop.variable("api", "KEY").await, "two");
    assert_eq!(shop.ids("db").await, db, "what it needs was left alone");
}

#[tokio::test]
async fn a_service_grows_and_its_undo_is_the_same_step() {
    let Some(shop) = Shop::new() else { return };
    done(shop.run(json!({"do": "up", "service": "db"})).await.1);
    let first = shop.ids("db").await;
    let scale = |replicas: &Value| json!({"do": "scale", "service": "db", "replicas": replicas});
    let (plan, outcome) = shop.run(scale(&json!(3))).await;
    assert!(plan.line.en().contains("scale db (1 → 3);"), "{}", plan.line.en());
    let facts = done(outcome).facts;
    assert_eq!((&facts["running"]["db"], &facts["previous_replicas"]), (&json!(3), &json!(1)));
    assert!(shop.ids("db").await.contains(&first[0]), "the one that ran goes on");
    let facts = done(shop.run(scale(&facts["previous_replicas"])).await.1).facts;
    assert_eq!(facts["running"], json!({"db": 1}));
}

#[tokio::test]
async fn a_file_that_changed_since_the_plan_is_not_used() {
    let Some(shop) = Shop::new() else { return };
    for change in ["docker-compose.yml", "api.env"] {
        let step = action("compose", &shop.step(json!({"do": "up", "service": "api"})));
        let plan = executor::plan(&*step, &shop.stack.tools(), Effect::Change).await.unwrap();
        let text = std::fs::read_to_string(shop.dir.path().join(change)).unwrap();
        shop.write(change, &format!("{text}{}", if change == "api.env" { "MORE=1\n" } else { "# more\n" }));
        let cx = StepContext { planned: plan.exact, ..shop.stack.context(Effect::Change) };
        let report = failed(executor::run(&*step, &cx).await);
        assert!(report.line.en().contains("not what was planned"), "{change}: {}", report.line.en());
        assert_eq!(shop.ids("api").await, [""; 0]);
    }
}

#[tokio::test]
async fn what_files_describe_is_told_without_values() {
    let Some(shop) = Shop::new() else { return };
    let (_, outcome) = shop.run(json!({"do": "config"})).await;
    let report = done(outcome);
    assert_eq!(report.facts["names"], json!(["api", "db", "other"]));
    assert_eq!(report.facts["unset"], json!(["WHO"]));
    let api = &report.facts["services"][0];
    assert_eq!((&api["variables"], &api["depends_on"]), (&json!(["KEY", "WHO"]), &json!(["db"])));
    assert!(!format!("{report:?}").contains("one-secret-value"));
    shop.write("docker-compose.yml", "services: [1");
    let error = shop.plan(json!({"do": "config"})).await.unwrap_err().en();
    assert!(error.starts_with("docker"), "{error}");
    shop.write("docker-compose.yml", FILE);
    let error = shop.plan(json!({"do": "up", "service": "nobody"})).await.unwrap_err().en();
    assert!(error.contains("no service nobody"), "{error}");
}

#[tokio::test]
async fn stopped_half_way_nobody_knows() {
    let Some(shop) = Shop::new() else { return };
    let step = action("compose", &shop.step(json!({"do": "up", "service": "db"})));
    done(shop.run(json!({"do": "up", "service": "db"})).await.1);
    // One that ignores its end keeps compose waiting.
    let deaf = FILE.replace("trap \"exit 0\" TERM", "trap \"\" TERM; true");
    shop.write("docker-compose.yml", &deaf);
    done(shop.run(json!({"do": "up", "service": "db"})).await.1);
    shop.write("docker-compose.yml", FILE);
    let (live, watched) = Live::watched();
    let cx = StepContext { live, ..shop.stack.context(Effect::Change) };
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), async {
        while !watched.borrow().text().contains("Recreating") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cx.cancel.cancel();
    });
    let report = unknown(outcome);
    assert!(report.line.en().contains("cancelled; the engine may still"), "{}", report.line.en());
}

#[test]
fn names_cannot_be_options() {
    let parse = executor::find("compose").unwrap().parse;
    for (with, says) in [
        (json!({"do": "up", "project": "-H", "dir": "/srv"}), "no project's name"),
        (json!({"do": "up", "project": "shop", "dir": "/srv", "service": "--build"}), "no service's name"),
        (json!({"do": "up", "project": "shop", "dir": "/srv", "file": "-"}), "no file"),
        (json!({"do": "scale", "project": "shop", "dir": "/srv", "service": "a"}), "`replicas`"),
        (json!({"do": "up", "project": "shop", "dir": "/srv", "replicas": 2}), "`replicas` goes with"),
        (json!({"do": "down", "project": "shop", "dir": "/srv"}), "unknown variant"),
    ] {
        let error = parse(&with).err().unwrap_or_else(|| panic!("{with} was taken")).en();
        assert!(error.contains(says), "{with}: {error}");
    }
}
