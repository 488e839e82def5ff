//! `docker` on the real engine: containers with compose's labels from an imported image.
#![cfg(feature = "docker")]

mod docker_support;
mod executor_support;
mod parts;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HealthConfig};
use docker_support::{LONG, SERVE, Stack};
use executor_support::{Said, action, context, done, failed, unknown};
use parts::Wire;
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::{self, StepContext, Tools};

#[tokio::test]
async fn ps_lists_the_project_and_nothing_else() {
    let (Some(shop), Some(other)) = (Stack::new(), Stack::new()) else { return };
    shop.up("api", 1).await;
    shop.up("api", 2).await;
    shop.create("db", 1, "true", ContainerCreateBody::default()).await;
    let one_off = HashMap::from([("com.docker.compose.oneoff".to_owned(), "True".to_owned())]);
    shop.create("api", 9, "true", ContainerCreateBody { labels: Some(one_off), ..Default::default() }).await;
    other.up("api", 1).await;
    let facts = done(shop.run(Effect::Read, json!({"do": "ps"})).await).facts;
    assert_eq!(facts["names"], json!([shop.name("api", 1), shop.name("api", 2), shop.name("db", 1)]));
    assert_eq!((&facts["total"], &facts["running"], &facts["unhealthy"]), (&json!(3), &json!(2), &json!(0)));
    assert_eq!(facts["services"], json!(["api", "db"]));
    let db = &facts["containers"][2];
    assert_eq!((&db["state"], &db["health"], &db["service"]), (&json!("created"), &json!("none"), &json!("db")));
    let facts = done(shop.run(Effect::Read, json!({"do": "ps", "service": "db"})).await).facts;
    assert_eq!(facts["total"], 1);
    let facts = done(shop.run(Effect::Read, json!({"do": "ps", "service": "nope"})).await).facts;
    assert_eq!((&facts["total"], &facts["running"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_failing_health_check_is_seen() {
    let Some(shop) = Stack::new() else { return };
    let check = HealthConfig {
        test: Some(vec!["CMD".to_owned(), "false".to_owned()]),
        interval: Some(50_000_000),
        retries: Some(1),
        ..HealthConfig::default()
    };
    shop.create("api", 1, SERVE, ContainerCreateBody { healthcheck: Some(check), ..Default::default() }).await;
    shop.docker.start_container(&shop.name("api", 1), None).await.unwrap();
    for _ in 0..600 {
        let facts = done(shop.run(Effect::Read, json!({"do": "ps"})).await).facts;
        if facts["unhealthy"] == 1 {
            assert_eq!(facts["containers"][0]["health"], "unhealthy");
            let facts = done(shop.run(Effect::Read, json!({"do": "inspect"})).await).facts;
            assert_eq!(facts["containers"][0]["health"], "unhealthy");
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the engine never called it unhealthy");
}

#[tokio::test]
async fn restart_acts_on_what_was_planned_and_says_what_it_found() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    shop.up("api", 2).await;
    shop.up("db", 1).await;
    let with = json!({"do": "restart", "service": "api", "stop_timeout": "5s"});
    let plan = shop.plan(with.clone()).await.unwrap();
    let (one, two) = (shop.name("api", 1), shop.name("api", 2));
    assert_eq!((plan.effect, plan.line.en()), (Effect::Change, format!("restart {one}, {two}")));
    assert_eq!(plan.exact["targets"][0]["name"], one.as_str());
    assert!(plan.exact["targets"][0]["image"].as_str().unwrap().starts_with("sha256:"), "{:?}", plan.exact);
    let before = (shop.started_at(&one).await, shop.started_at(&shop.name("db", 1)).await);
    let facts = done(shop.run(Effect::Change, with.clone()).await).facts;
    assert_eq!((&facts["changed"], &facts["running"]), (&json!([one, two]), &json!(2)));
    assert_ne!(shop.started_at(&one).await, before.0);
    assert_eq!(shop.started_at(&shop.name("db", 1)).await, before.1, "another service was touched");
    assert_eq!(digest::of(&shop.plan(with.clone()).await.unwrap()), digest::of(&plan), "same containers, same plan");
    shop.remove(&two).await;
    shop.up("api", 2).await;
    assert_ne!(digest::of(&shop.plan(with).await.unwrap()), digest::of(&plan), "another container, another plan");
}

#[tokio::test]
async fn stop_and_start_may_be_repeated() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    for (verb, running) in [("stop", 0), ("stop", 0), ("start", 1), ("start", 1)] {
        let report = done(shop.run(Effect::Change, json!({"do": verb, "service": "api"})).await);
        assert_eq!(report.facts["running"], running, "{verb}: {report:?}");
    }
    let facts = done(shop.run(Effect::Read, json!({"do": "inspect"})).await).facts;
    let api = &facts["containers"][0];
    assert_eq!((&api["state"], &api["exit"], &api["restarts"]), (&json!("running"), &json!(0), &json!(0)));
    assert!(api["image_id"].as_str().unwrap().starts_with("sha256:"));
    assert!(api["started_at"].as_str().unwrap().starts_with("20"));
}

#[tokio::test]
async fn a_change_needs_targets_and_not_too_many() {
    let Some(shop) = Stack::new() else { return };
    let restart = json!({"do": "restart", "service": "api"});
    let error = shop.plan(restart.clone()).await.unwrap_err().en();
    assert!(error.contains("nothing matches service api of project shop"), "{error}");
    assert!(failed(shop.run(Effect::Change, restart.clone()).await).line.en().contains("nothing matches"));
    assert!(failed(shop.run(Effect::Read, json!({"do": "logs"})).await).line.en().contains("nothing matches"));
    for number in 0..21 {
        shop.create("api", number, "true", ContainerCreateBody::default()).await;
    }
    let error = shop.plan(restart).await.unwrap_err().en();
    assert!(error.contains("means 21 containers"), "{error}");
    assert_eq!(shop.plan(json!({"do": "ps"})).await.unwrap().effect, Effect::Read);
}

#[tokio::test]
async fn logs_are_filtered_redacted_and_told_apart() {
    let Some(shop) = Stack::new() else { return };
    let script = "echo INFO up; echo ERROR token hunter2hunter2 refused; seq 1 300";
    shop.create("api", 1, script, ContainerCreateBody::default()).await;
    shop.create("api", 2, "echo ERROR disk full >&2", ContainerCreateBody::default()).await;
    done(shop.run(Effect::Change, json!({"do": "start"})).await);
    let all = json!({"do": "logs", "pattern": "ERROR", "tail": 1000});
    let mut report = Report::default();
    for _ in 0..200 {
        report = done(shop.run(Effect::Read, all.clone()).await);
        if report.facts["matches"] == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lines = json!([
        format!("{} | ERROR token [redacted token] refused", shop.name("api", 1)),
        format!("{} | ERROR disk full", shop.name("api", 2)),
    ]);
    assert_eq!(report.facts["lines"], lines);
    assert_eq!(report.facts["truncated"], false);
    assert!(report.output.unwrap().head.ends_with("ERROR disk full\n"));
    let one = json!({"do": "logs", "container": shop.name("api", 1), "tail": 3});
    let outcome = executor::run(&*action("docker", &one), &context(&shop.tools(), Effect::Read, LONG)).await;
    assert_eq!(done(outcome).facts["lines"], json!(["298", "299", "300"]));
}

#[tokio::test]
async fn only_lines_of_the_asked_span_are_read() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    let mut cx = context(&shop.tools(), Effect::Read, LONG);
    let recent = action("docker", &shop.step(json!({"do": "logs", "since": "15m"})));
    // The step starts an hour after the container spoke.
    let spoke: jiff::Timestamp = shop.started_at(&shop.name("api", 1)).await.parse().unwrap();
    cx.started_at = sereno::clock::Timestamp::from(spoke).after(Duration::from_secs(3600));
    assert_eq!(done(executor::run(&*recent, &cx).await).facts["matches"], 0);
    let older = action("docker", &shop.step(json!({"do": "logs", "since": "2h"})));
    for _ in 0..200 {
        if done(executor::run(&*older, &cx).await).facts["matches"] == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the lines never came");
}

#[tokio::test]
async fn stats_measure_what_runs() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    shop.create("db", 1, "true", ContainerCreateBody::default()).await;
    let facts = done(shop.run(Effect::Read, json!({"do": "stats"})).await).facts;
    let [api] = facts["containers"].as_array().unwrap().as_slice() else { panic!("{facts}") };
    assert_eq!(api["name"], shop.name("api", 1));
    assert!(api["memory_bytes"].as_u64().unwrap() > 0 && api["cpu_percent"].as_f64().is_some(), "{api}");
    assert!(api["memory_limit"].as_u64() > api["memory_bytes"].as_u64());
}

#[tokio::test]
async fn exec_gives_its_arguments_as_they_are_and_its_exit_code_back() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    let exec = |argv: Value| json!({"do": "exec", "service": "api", "argv": argv});
    let hostile = "$(id); `id` && rm -rf / | > x 'y\" \\ \u{1f600}";
    let report = done(shop.run(Effect::Read, exec(json!(["echo", "-n", hostile]))).await);
    assert_eq!((&report.facts["stdout"], &report.facts["exit"]), (&json!(hostile), &json!(0)));
    let script = "echo out; echo hunter2hunter2 >&2; exit 3";
    let report = failed(shop.run(Effect::Read, exec(json!(["sh", "-c", script]))).await);
    assert_eq!((&report.facts["exit"], &report.facts["lines"]), (&json!(3), &json!(["out"])));
    let output = report.output.unwrap();
    assert!(output.head.contains("out\n") && output.head.contains("[redacted token]\n"), "{output:?}");
    let mut lenient = exec(json!(["sh", "-c", "exit 3"]));
    lenient["ok"] = json!([0, 3]);
    assert_eq!(done(shop.run(Effect::Read, lenient).await).facts["exit"], 3);
    let report = failed(shop.run(Effect::Change, exec(json!(["/no/such/program"]))).await);
    assert!(report.facts["exit"] == 126 && report.output.unwrap().head.contains("no such file"), "{}", report.facts);
    let plan = shop.plan(exec(json!(["echo", "a b"]))).await.unwrap();
    assert_eq!(plan.line.en(), format!("exec in {}: echo 'a b'", shop.name("api", 1)));
}

#[tokio::test]
async fn exec_is_for_one_running_container_whose_effect_is_declared() {
    let Some(shop) = Stack::new() else { return };
    let exec = json!({"do": "exec", "service": "api", "argv": ["id"]});
    let step = action("docker", &exec);
    assert!(step.effect(None).unwrap_err().en().contains("declare"));
    assert_eq!(step.effect(Some(Effect::Destroy)), Ok(Effect::Destroy));
    shop.create("api", 1, "true", ContainerCreateBody::default()).await;
    assert!(shop.plan(exec.clone()).await.unwrap_err().en().contains("nothing that runs"));
    shop.up("api", 2).await;
    shop.up("api", 3).await;
    let error = shop.plan(exec).await.unwrap_err().en();
    assert!(error.contains(&format!("{}, {}; name one", shop.name("api", 2), shop.name("api", 3))), "{error}");
}

#[tokio::test]
async fn a_program_that_outlasts_its_step_may_still_run() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    let step = action("docker", &shop.step(json!({"do": "exec", "argv": ["sh", "-c", "echo began; sleep 60"]})));
    let mut cx = context(&shop.tools(), Effect::Change, Duration::from_secs(2));
    let report = unknown(executor::run(&*step, &cx).await);
    assert!(report.line.en().contains("not finished after 2 s; the engine may still"), "{}", report.line.en());
    assert_eq!(report.output.unwrap().head, "began\n");
    cx.effect = Effect::Read;
    failed(executor::run(&*step, &cx).await);
    cx.timeout = LONG;
    cx.effect = Effect::Change;
    cx.cancel.cancel();
    assert_eq!(failed(executor::run(&*step, &cx).await).line.en(), "stopped: cancelled", "nothing was sent yet");
}

#[tokio::test]
async fn an_engine_that_is_away_changes_nothing() {
    for host in ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1"] {
        let tools = Tools::new([].into(), &[], Some(host.to_owned()));
        for (effect, verb) in [(Effect::Read, "ps"), (Effect::Change, "restart")] {
            let step = action("docker", &json!({"do": verb, "service": "api"}));
            let report = failed(executor::run(&*step, &context(&tools, effect, LONG)).await);
            assert!(
                report.line.en().contains(host) && report.line.en().contains("see that it runs"),
                "{}",
                report.line.en()
            );
        }
        let restart = action("docker", &json!({"do": "restart", "service": "api"}));
        assert!(executor::plan(&*restart, &tools, Effect::Change).await.unwrap_err().en().contains(host));
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_back_leaves_a_change_unknown() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    let before = shop.started_at(&shop.name("api", 1)).await;
    let wire = Wire::to(&shop.host, "/restart").await;
    let tools = Tools::new([].into(), &[], Some(format!("tcp://127.0.0.1:{}", wire.port)));
    let step = action("docker", &shop.step(json!({"do": "restart"})));
    let report = unknown(executor::run(&*step, &context(&tools, Effect::Change, LONG)).await);
    assert_eq!(report.facts["changed"], json!([]));
    assert_ne!(shop.started_at(&shop.name("api", 1)).await, before, "it did happen, and only nobody heard");
}

#[tokio::test]
async fn the_engine_hears_nothing_but_the_fixed_verbs() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    let wire = Wire::to(&shop.host, "").await;
    let tools = Tools::new([].into(), &[], Some(format!("tcp://127.0.0.1:{}", wire.port)));
    let tools = Tools { docker_run: true, ..tools };
    shop.network("default").await;
    let (one, project) = (json!({"container": shop.name("api", 1)}), json!({"project": shop.project}));
    let label = json!("com.docker.compose.project=nothing-has-this");
    for verb in sereno::executor::docker::Verb::ALL {
        let mut with = match verb.as_str() {
            "df" => json!({}),
            "prune" => json!({"label": label}),
            "run" => json!({"image": "sereno-test/busybox", "argv": ["true"]}),
            "scale_down" => json!({"project": shop.project, "service": "api", "replicas": 1}),
            "down" => project.clone(),
            "exec" => json!({"container": shop.name("api", 1), "argv": ["true"]}),
            "env" => json!({"container": shop.name("api", 1), "names": ["PATH"]}),
            "limit" => json!({"container": shop.name("api", 1), "memory": "64m"}),
            _ => one.clone(),
        };
        with["do"] = json!(verb);
        // Last, as nothing is left afterwards.
        if verb.as_str() != "down" {
            said_to(&shop, &tools, &with).await;
        }
    }
    said_to(&shop, &tools, &json!({"do": "down", "project": shop.project})).await;
    let id = "[0-9a-f]{64}";
    let get = format!(
        "version|containers/json|containers/{id}/(json|logs|stats)|exec/{id}/json|images/sereno-test/busybox/json|\
         networks|system/df"
    );
    let post =
        format!("containers/{id}/(restart|stop|start|exec|update|attach|wait)|exec/{id}/start|containers/create");
    let delete = format!("containers/{id}|networks/{id}");
    let version = r"/(v[0-9.]+/)?";
    let allowed = regex::Regex::new(&format!(
        r"^(GET {version}({get})|POST {version}({post})|DELETE {version}({delete}))(\?\S*)? HTTP/1.1$"
    ));
    let (said, allowed) = (wire.said(), allowed.unwrap());
    let request = regex::Regex::new(r"[A-Z]+ \S+ HTTP/1.1").unwrap();
    let requests: Vec<&str> = request.find_iter(&said).map(|found| found.as_str()).collect();
    assert!(requests.len() > 20, "{requests:?}");
    for request in requests {
        assert!(allowed.is_match(request), "{request}");
    }
    for never in ["\"Privileged\"", "\"Binds\"", "\"CapAdd\"", "\"Devices\"", "\"PidMode\"", "\"bind\""] {
        assert!(!said.contains(never), "{never}");
    }
}

/// Plans and runs a step that must be done.
async fn said_to(shop: &Stack, tools: &Tools, with: &Value) {
    let step = action("docker", with);
    let effect = step.effect(Some(Effect::Destroy)).unwrap();
    let mut cx = StepContext { tools: tools.clone(), ..shop.context(effect) };
    cx.planned = executor::plan(&*step, tools, effect).await.unwrap().exact;
    let outcome = executor::run(&*step, &cx).await;
    assert!(matches!(outcome, Outcome::Done(_)), "{with}: {outcome:?}");
}
