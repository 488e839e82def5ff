//! Compose as a plugin of Docker's command, where only the older one is installed: a stand-in that takes version 2's
//! arguments and no others, and answers in version 2's form; containers are the real engine's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::models::ContainerCreateBody;
use serde_json::{Value, json};
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext, Tools};

use crate::docker_support::{SERVE, Stack};
use crate::executor_support::{Said, action, done, failed};

/// The digest that the stand-in computes for `api`.
const HASH: &str = "8d5ac2bbcc1d3e0a0f2b3f5a0a5c1a1e6f7d8b9c0a1b2c3d4e5f60718293a4b5";

fn stand_in(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins/compose").join(name)
}

struct Shop {
    stack: Stack,
    dir: tempfile::TempDir,
}

impl Shop {
    fn new() -> Option<Self> {
        let shop = Self { stack: Stack::new()?, dir: tempfile::tempdir().unwrap() };
        std::fs::write(shop.dir.path().join("compose.yaml"), "services: {}\n").unwrap();
        std::fs::write(shop.dir.path().join(".env"), "KEY=one-secret-value\n").unwrap();
        Some(shop)
    }

    fn tools(&self) -> Tools {
        let programs = [("docker".to_owned(), stand_in("docker"))];
        Tools { programs: Arc::new(programs.into()), ..self.stack.tools() }
    }

    async fn run(&self, with: &Value) -> (Plan, Outcome) {
        let mut with = with.clone();
        with["project"] = json!(self.stack.project);
        with["dir"] = json!(self.dir.path());
        let step = action("compose", &with);
        let effect = step.effect(None).unwrap();
        let plan = executor::plan(&*step, &self.tools(), effect).await.unwrap();
        let cx = StepContext { tools: self.tools(), planned: plan.exact.clone(), ..self.stack.context(effect) };
        (plan, executor::run(&*step, &cx).await)
    }

    /// The last call that was no question.
    fn called(&self) -> String {
        let calls = std::fs::read_to_string(self.dir.path().join("calls")).unwrap();
        calls.lines().rfind(|call| !call.starts_with("config")).unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn the_plugin_is_taken_before_the_older_program() {
    let programs = [("docker", "docker"), ("docker-compose", "nothing-is-here")];
    let programs = programs.map(|(name, file)| (name.to_owned(), stand_in(file)));
    let tools = Tools { programs: Arc::new(programs.into()), ..Tools::default() };
    assert_eq!(executor::compose_version(&tools).await.unwrap(), "docker compose 2.39.1");
    // A command without the plugin: the older program is asked.
    let programs = [("docker", "/bin/false"), ("docker-compose", "/bin/echo")];
    let programs = programs.map(|(name, file)| (name.to_owned(), PathBuf::from(file)));
    let tools = Tools { programs: Arc::new(programs.into()), ..Tools::default() };
    assert_eq!(executor::compose_version(&tools).await.unwrap(), "docker-compose version --short");
}

#[tokio::test]
async fn each_verb_is_a_call_that_version_2_understands() {
    let Some(shop) = Shop::new() else { return };
    for (with, call) in [
        (json!({"do": "up", "service": "api"}), "up -d api"),
        (json!({"do": "up"}), "up -d"),
        (json!({"do": "up", "service": "api", "build": true}), "up -d --build api"),
        (json!({"do": "recreate", "service": "api"}), "up -d --force-recreate --no-deps api"),
        (json!({"do": "scale", "service": "db", "replicas": 3}), "up -d --no-recreate --no-deps --scale db=3 db"),
        (json!({"do": "build", "service": "api"}), "build api"),
    ] {
        let (_, outcome) = shop.run(&with).await;
        let report = done(outcome);
        assert_eq!(shop.called(), call, "{with}");
        assert!(report.output.unwrap().head.contains("Started"), "{with}: what it tells on standard error is shown");
    }
    let (_, outcome) = shop.run(&json!({"do": "config"})).await;
    let report = done(outcome);
    assert_eq!((&report.facts["names"], &report.facts["unset"]), (&json!(["api", "db"]), &json!(["WHO"])));
    let [api, db] = [0, 1].map(|index| &report.facts["services"][index]);
    assert_eq!((&api["variables"], &api["depends_on"]), (&json!(["KEY", "WHO"]), &json!(["db"])));
    assert_eq!((&api["image"], &db["replicas"]), (&json!("shop/api:7"), &json!(2)));
    assert!(!format!("{report:?}").contains("one-secret-value"));
    let refused = failed(shop.run(&json!({"do": "recreate", "service": "db"})).await.1);
    assert!(refused.line.en().contains("exit code 1"), "nobody taught it this: {}", refused.line.en());
    std::fs::write(shop.dir.path().join("broken"), "").unwrap();
    let broken = failed(shop.run(&json!({"do": "up", "service": "api"})).await.1);
    assert!(broken.output.unwrap().head.contains("driver failed"), "{}", broken.line.en());
}

#[tokio::test]
async fn what_version_2_says_decides_what_becomes_of_each_service() {
    let Some(shop) = Shop::new() else { return };
    let made = |hash: &str| {
        let labels = HashMap::from([("com.docker.compose.config-hash".to_owned(), hash.to_owned())]);
        ContainerCreateBody { labels: Some(labels), ..ContainerCreateBody::default() }
    };
    shop.stack.create("api", 1, SERVE, made(HASH)).await;
    shop.stack.docker.start_container(&shop.stack.name("api", 1), None).await.unwrap();
    let up = json!({"do": "up", "service": "api"});
    let (plan, _) = shop.run(&up).await;
    assert!(
        plan.line.en().contains("create db (0 → 2);") && plan.line.en().ends_with("leave api"),
        "{}",
        plan.line.en()
    );
    assert_eq!(plan.exact["version"], "2.39.1");
    assert!(!format!("{plan:?}").contains("one-secret-value"));
    shop.stack.remove(&shop.stack.name("api", 1)).await;
    shop.stack.create("api", 1, SERVE, made("another")).await;
    let (plan, outcome) = shop.run(&up).await;
    assert!(plan.line.en().contains("make anew api;"), "{}", plan.line.en());
    assert_eq!(plan.effect, Effect::Change);
    done(outcome);
}
