//! `docker` on the real engine: what is taken down, pruned, limited, and run in a container of its own. Everything here
//! carries the label of its test, as the engine is shared.
#![cfg(feature = "docker")]

mod docker_support;
mod executor_support;
mod parts;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListContainersOptions, ListContainersOptionsBuilder, RemoveImageOptions,
    RemoveVolumeOptions,
};
use docker_support::{LONG, SERVE, Stack};
use executor_support::{Said, action, context, done, failed, unknown};
use parts::Wire;
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext, Tools};
use sereno::secret::Secret;

fn on_volume(volume: &str, network: Option<&str>) -> ContainerCreateBody {
    let mount = Mount {
        source: Some(volume.to_owned()),
        target: Some("/data".to_owned()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    };
    let network_mode = network.map(str::to_owned);
    let host = HostConfig { mounts: Some(vec![mount]), network_mode, ..HostConfig::default() };
    ContainerCreateBody { host_config: Some(host), ..ContainerCreateBody::default() }
}

async fn start(shop: &Stack, service: &str, script: &str, more: ContainerCreateBody) {
    shop.create(service, 1, script, more).await;
    shop.docker.start_container(&shop.name(service, 1), None).await.unwrap();
}

fn names(facts: &Value, list: &str) -> Vec<String> {
    let listed = facts[list].as_array().unwrap_or_else(|| panic!("{facts}"));
    listed.iter().map(|one| one["name"].as_str().unwrap_or_else(|| one.as_str().unwrap()).to_owned()).collect()
}

/// A fraction of a second in which the engine ends what it was told to end.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came about");
}

#[tokio::test]
async fn prune_removes_what_the_plan_lists_and_nothing_that_came_later() {
    let Some(shop) = Stack::new() else { return };
    let (used, unused) = (shop.volume("used").await, shop.volume("unused").await);
    let (network, busy) = (shop.network("idle").await, shop.network("busy").await);
    start(&shop, "api", SERVE, on_volume(&used, Some(&busy))).await;
    shop.create("old", 1, "true", ContainerCreateBody::default()).await;
    let prune = json!({"do": "prune", "project": shop.project});
    let step = action("docker", &prune);
    let plan = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    let line = plan.line.en();
    for name in [&shop.name("old", 1), &unused, &network] {
        assert!(line.contains(name.as_str()), "{line}");
    }
    assert!(!line.contains(&used) && !line.contains(&busy) && !line.contains(&shop.name("api", 1)), "{line}");
    assert_eq!((plan.effect, plan.exact["targets"].as_array().unwrap().len()), (Effect::Destroy, 3));
    let again = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    assert_eq!(digest::of(&plan), digest::of(&again), "same world, same plan");
    // Between approval and start: one more container, and somebody takes the volume.
    shop.create("late", 1, "true", ContainerCreateBody::default()).await;
    shop.create("new", 1, "true", on_volume(&unused, None)).await;
    let mut cx = context(&shop.tools(), Effect::Destroy, LONG);
    cx.planned = plan.exact.clone();
    let report = done(executor::run(&*step, &cx).await);
    assert_eq!(names(&report.facts, "removed"), [shop.name("old", 1), network]);
    assert_eq!(names(&report.facts, "kept"), [unused]);
    let left = done(shop.run(Effect::Read, json!({"do": "ps"})).await).facts;
    assert_eq!(left["names"], json!([shop.name("api", 1), shop.name("late", 1), shop.name("new", 1)]));
    let report = done(executor::run(&*step, &cx).await);
    assert_eq!(names(&report.facts, "removed"), [""; 0], "a second time there is nothing left to do");
    let bare = context(&shop.tools(), Effect::Destroy, LONG);
    assert!(failed(executor::run(&*step, &bare).await).line.en().contains("only what a plan lists"));
}

#[tokio::test]
async fn a_volume_that_was_made_again_under_its_name_stays() {
    let Some(shop) = Stack::new() else { return };
    let volume = shop.volume("data").await;
    let step = action("docker", &json!({"do": "prune", "project": shop.project, "what": ["volumes"]}));
    let mut cx = context(&shop.tools(), Effect::Destroy, LONG);
    cx.planned = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap().exact;
    shop.docker.remove_volume(&volume, None::<RemoveVolumeOptions>).await.unwrap();
    // The engine writes down whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    shop.volume("data").await;
    let report = done(executor::run(&*step, &cx).await);
    assert_eq!(report.facts["kept"], json!([{"kind": "volumes", "name": volume, "why": "replaced"}]));
}

#[tokio::test]
async fn images_lose_the_names_that_were_planned_while_they_still_mean_them() {
    let Some(shop) = Stack::new() else { return };
    let label = format!("com.docker.compose.project={}", shop.project);
    shop.create("build", 1, "true", ContainerCreateBody::default()).await;
    let commit = async |tag: &str, word: &str| {
        let repo = format!("{}/app", shop.project);
        let options = CommitContainerOptionsBuilder::default().container(&shop.name("build", 1)).repo(&repo).tag(tag);
        let labels = HashMap::from([
            ("com.docker.compose.project".to_owned(), shop.project.clone()),
            ("word".to_owned(), word.to_owned()),
        ]);
        let config = ContainerConfig { labels: Some(labels), ..ContainerConfig::default() };
        shop.docker.commit_container(options.build(), config).await.unwrap();
        format!("{repo}:{tag}")
    };
    let (one, two) = (commit("1", "first").await, commit("2", "second").await);
    let step = action("docker", &json!({"do": "prune", "what": ["images"], "label": label}));
    let nameless = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    assert_eq!(nameless.exact["targets"], json!([]), "both have a name");
    let step = action("docker", &json!({"do": "prune", "what": ["images"], "label": label, "named_images": true}));
    let mut cx = context(&shop.tools(), Effect::Destroy, LONG);
    let plan = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    assert!(plan.line.en().contains(&one) && plan.line.en().contains(&two), "{}", plan.line.en());
    cx.planned = plan.exact;
    // A build gives the second name to another image meanwhile.
    let two_again = commit("2", "third").await;
    let facts = done(executor::run(&*step, &cx).await).facts;
    assert_eq!(names(&facts, "removed"), [one]);
    assert_eq!(facts["kept"][0]["why"], "replaced", "{facts}");
    shop.docker.inspect_image(&two_again).await.unwrap();
    shop.docker.remove_image(&two_again, None::<RemoveImageOptions>, None).await.unwrap();
    let left = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    for target in left.exact["targets"].as_array().unwrap() {
        let _ = shop.docker.remove_image(target["id"].as_str().unwrap(), None::<RemoveImageOptions>, None).await;
    }
}

#[tokio::test]
async fn down_takes_containers_and_networks_and_volumes_only_when_that_is_said() {
    let Some(shop) = Stack::new() else { return };
    let (volume, network) = (shop.volume("data").await, shop.network("default").await);
    let depends = HashMap::from([("com.docker.compose.depends_on".to_owned(), "db:service_started:false".to_owned())]);
    let api = ContainerCreateBody { labels: Some(depends), ..on_volume(&volume, Some(&network)) };
    start(&shop, "api", SERVE, api).await;
    start(&shop, "db", SERVE, on_volume(&volume, Some(&network))).await;
    let down = json!({"do": "down", "project": shop.project, "stop_timeout": "2s"});
    let step = action("docker", &down);
    assert_eq!(step.effect(None), Ok(Effect::Change));
    let (plan, outcome) = shop.planned(Effect::Change, down.clone()).await;
    assert!(plan.line.en().ends_with("volumes stay"), "{}", plan.line.en());
    let (db, api) = (shop.name("db", 1), shop.name("api", 1));
    assert_eq!(names(&done(outcome).facts, "removed"), [api.as_str(), &db, &network], "what depends on others first");
    shop.docker.inspect_volume(&volume).await.unwrap();
    assert!(executor::plan(&*step, &shop.tools(), Effect::Change).await.unwrap_err().en().contains("has nothing of"));
    start(&shop, "db", "echo 0123456789 > /data/table; sleep 60", on_volume(&volume, None)).await;
    let with_volumes = json!({"do": "down", "project": shop.project, "stop_timeout": "1s", "volumes": true});
    assert_eq!(action("docker", &with_volumes).effect(None), Ok(Effect::Destroy));
    assert!(action("docker", &with_volumes).effect(Some(Effect::Change)).is_err());
    let (plan, outcome) = shop.planned(Effect::Destroy, with_volumes).await;
    assert!(plan.line.en().contains(&format!("volumes {volume}")), "{}", plan.line.en());
    assert_eq!(names(&done(outcome).facts, "removed"), [db, volume.clone()]);
    shop.docker.inspect_volume(&volume).await.unwrap_err();
}

#[tokio::test]
async fn names_in_which_a_secret_is_seen_are_still_names() {
    let Some(shop) = Stack::new() else { return };
    let volume = shop.volume("pgservice_data").await;
    start(&shop, "pgservice", SERVE, on_volume(&volume, None)).await;
    // A password that is also what a service is called.
    let tools = Tools::new([("db".to_owned(), Secret::new("pgservice"))].into(), &[], Some(shop.host.clone()));
    let with = json!({"do": "down", "project": shop.project, "stop_timeout": "1s", "volumes": true});
    let step = action("docker", &with);
    let plan = executor::plan(&*step, &tools, Effect::Destroy).await.unwrap();
    assert!(plan.line.en().contains("[redacted db]"), "{}", plan.line.en());
    let cx = StepContext { planned: plan.exact, tools: tools.clone(), ..shop.context(Effect::Destroy) };
    done(executor::run(&*step, &cx).await);
    shop.docker.inspect_volume(&volume).await.unwrap_err();

    let unused = shop.volume("pgservice_old").await;
    let with = json!({"do": "prune", "project": shop.project, "what": ["volumes"]});
    let step = action("docker", &with);
    let plan = executor::plan(&*step, &tools, Effect::Destroy).await.unwrap();
    let cx = StepContext { planned: plan.exact, tools, ..shop.context(Effect::Destroy) };
    let report = done(executor::run(&*step, &cx).await);
    assert_eq!(report.facts["kept"], json!([]), "{}", report.facts);
    shop.docker.inspect_volume(&unused).await.unwrap_err();
}

#[tokio::test]
async fn a_volume_that_grows_until_somebody_approves_is_the_same_volume() {
    let Some(shop) = Stack::new() else { return };
    let volume = shop.volume("data").await;
    start(&shop, "db", SERVE, on_volume(&volume, None)).await;
    let with = json!({"do": "down", "project": shop.project, "volumes": true});
    let step = action("docker", &with);
    let before = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    let grow =
        json!({"do": "exec", "service": "db", "argv": ["dd", "if=/dev/zero", "of=/data/more", "bs=1M", "count=20"]});
    done(shop.run(Effect::Change, grow).await);
    let after = executor::plan(&*step, &shop.tools(), Effect::Destroy).await.unwrap();
    assert_eq!(digest::of(&before), digest::of(&after));
}

#[tokio::test]
async fn what_changed_since_its_plan_is_not_touched() {
    let Some(shop) = Stack::new() else { return };
    shop.up("api", 1).await;
    for with in [
        json!({"do": "down", "project": shop.project}),
        json!({"do": "stop", "project": shop.project}),
        json!({"do": "scale_down", "project": shop.project, "service": "api", "replicas": 0}),
        json!({"do": "exec", "project": shop.project, "argv": ["touch", "/tmp/x"]}),
    ] {
        let step = action("docker", &with);
        let mut cx = context(&shop.tools(), Effect::Change, LONG);
        cx.planned = executor::plan(&*step, &shop.tools(), Effect::Change).await.unwrap().exact;
        shop.remove(&shop.name("api", 1)).await;
        shop.up("api", 1).await;
        let report = failed(executor::run(&*step, &cx).await);
        assert!(report.line.en().contains("not what was planned"), "{with}: {}", report.line.en());
        let facts = done(shop.run(Effect::Read, json!({"do": "ps"})).await).facts;
        assert_eq!((&facts["total"], &facts["running"]), (&json!(1), &json!(1)));
    }
}

#[tokio::test]
async fn a_service_shrinks_from_its_highest_number() {
    let Some(shop) = Stack::new() else { return };
    for number in 1..=3 {
        let label = HashMap::from([("com.docker.compose.container-number".to_owned(), number.to_string())]);
        let more = ContainerCreateBody { labels: Some(label), ..ContainerCreateBody::default() };
        shop.create("api", number, SERVE, more).await;
        shop.docker.start_container(&shop.name("api", number), None).await.unwrap();
    }
    let to = |replicas: u32| json!({"do": "scale_down", "project": shop.project, "service": "api", "replicas": replicas, "stop_timeout": "1s"});
    let (plan, outcome) = shop.planned(Effect::Change, to(1)).await;
    assert!(plan.line.en().contains("from 3 to 1"), "{}", plan.line.en());
    let facts = done(outcome).facts;
    assert_eq!((&facts["previous"], &facts["replicas"]), (&json!(3), &json!(1)));
    assert_eq!(facts["changed"], json!([shop.name("api", 3), shop.name("api", 2)]));
    let error = executor::plan(&*action("docker", &to(2)), &shop.tools(), Effect::Change).await.unwrap_err().en();
    assert!(error.contains("`do: scale` makes more"), "{error}");
    assert_eq!(done(shop.planned(Effect::Change, to(1)).await.1).facts["changed"], json!([]));
}

#[tokio::test]
async fn a_limit_is_set_and_what_it_was_is_told() {
    let Some(shop) = Stack::new() else { return };
    let host = HostConfig { memory: Some(64 << 20), memory_swap: Some(64 << 20), ..HostConfig::default() };
    start(&shop, "api", SERVE, ContainerCreateBody { host_config: Some(host), ..Default::default() }).await;
    let limit = |memory: &Value| json!({"do": "limit", "memory": memory});
    let facts = done(shop.run(Effect::Change, limit(&json!("128m"))).await).facts;
    assert_eq!(facts["previous_memory"], 64 << 20);
    let now = async || done(shop.run(Effect::Read, json!({"do": "inspect"})).await).facts["containers"][0].clone();
    assert_eq!(now().await["memory_limit"], 128 << 20);
    done(shop.run(Effect::Change, limit(&facts["previous_memory"])).await);
    assert_eq!(now().await["memory_limit"], 64 << 20, "the undo is the same step with the fact");
}

#[tokio::test]
async fn one_that_ignores_its_end_is_killed_after_its_grace() {
    let Some(shop) = Stack::new() else { return };
    start(&shop, "deaf", "trap '' TERM; while :; do sleep 0.1; done", ContainerCreateBody::default()).await;
    let (_, outcome) =
        shop.planned(Effect::Change, json!({"do": "down", "project": shop.project, "stop_timeout": "1s"})).await;
    assert_eq!(names(&done(outcome).facts, "removed"), [shop.name("deaf", 1)]);
}

// --- containers of their own

fn one_off(argv: &[&str]) -> Value {
    json!({"do": "run", "image": "sereno-test/busybox", "argv": argv})
}

fn used_by(volume: &str) -> ListContainersOptions {
    let filters = HashMap::from([("volume", vec![volume.to_owned()])]);
    ListContainersOptionsBuilder::default().all(true).filters(&filters).build()
}

/// What is left of an attempt.
async fn leftovers(shop: &Stack, step: &str) -> usize {
    let filters = HashMap::from([("label", vec![format!("sereno.step={step}")])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    shop.docker.list_containers(Some(options)).await.unwrap().len()
}

#[tokio::test]
async fn a_volume_is_backed_up_by_a_container_that_is_gone_afterwards() {
    let Some(shop) = Stack::new() else { return };
    let (data, backup) = (shop.volume("data").await, shop.volume("backup").await);
    let seed = json!({"do": "run", "image": "sereno-test/busybox", "argv": ["sh", "-c", "echo rows > /data/table"],
        "mounts": [{"volume": data, "at": "/data", "write": true}]});
    done(shop.planned(Effect::Change, seed.clone()).await.1);
    let tar = json!({"do": "run", "image": "sereno-test/busybox",
        "argv": ["tar", "-czf", "/backup/data.tar.gz", "-C", "/data", "."],
        "mounts": [{"volume": data, "at": "/data"}, {"volume": backup, "at": "/backup", "write": true}]});
    let (plan, outcome) = shop.planned(Effect::Change, tar).await;
    let line = plan.line.en();
    assert!(line.contains(&format!("{data} → /data (ro), {backup} → /backup (rw)")), "{line}");
    assert!(plan.exact["image_id"].as_str().unwrap().starts_with("sha256:"));
    done(outcome);
    let list = json!({"do": "run", "image": "sereno-test/busybox", "argv": ["tar", "-tzf", "/backup/data.tar.gz"],
        "mounts": [{"volume": backup, "at": "/backup"}]});
    let facts = done(shop.planned(Effect::Read, list).await.1).facts;
    assert!(facts["lines"].as_array().unwrap().contains(&json!("./table")), "{facts}");
    assert_eq!(shop.docker.list_containers(Some(used_by(&data))).await.unwrap().len(), 0);
    let writes = action("docker", &seed);
    assert!(writes.effect(Some(Effect::Read)).unwrap_err().en().contains("does not only read"));
    assert!(action("docker", &one_off(&["id"])).effect(None).is_err(), "only the author knows");
}

#[tokio::test]
async fn it_has_what_it_was_given_and_no_more() {
    let Some(shop) = Stack::new() else { return };
    let script = "echo $KEY; id -u; touch /x; touch /tmp/y && echo tmp; ls /sys/class/net; ls /var/run/docker.sock";
    let mut with = one_off(&["sh", "-c", script]);
    with["env"] = json!({"KEY": {"secret": "token"}});
    let (plan, outcome) = shop.planned(Effect::Read, with).await;
    assert!(!digest::canonical(&plan).contains("hunter2"));
    let report = failed(outcome);
    assert_eq!(report.facts["lines"], json!(["[redacted token]", "0", "tmp", "lo"]), "{}", report.facts);
    assert!(report.output.unwrap().head.contains("Read-only file system"));
    let caps = done(
        shop.planned(Effect::Read, one_off(&["sh", "-c", "grep -E 'CapBnd|NoNewPrivs' /proc/self/status"])).await.1,
    );
    let lines = caps.facts["stdout"].as_str().unwrap();
    assert!(lines.contains("NoNewPrivs:\t1") && lines.contains("CapBnd:\t00000000000000fb"), "{lines}");
}

#[tokio::test]
async fn only_what_exists_is_used_and_only_where_it_is_allowed() {
    let Some(shop) = Stack::new() else { return };
    let plan = async |with: &Value, tools: &Tools| {
        executor::plan(&*action("docker", with), tools, Effect::Change).await.map(|_| ()).map_err(|error| error.en())
    };
    let mut with = one_off(&["id"]);
    with["image"] = json!("no-such-image:1");
    assert!(plan(&with, &shop.tools()).await.unwrap_err().contains("none is fetched"));
    for (field, value, says) in [
        ("mounts", json!([{"volume": "no-such-volume", "at": "/data"}]), "no volume no-such-volume"),
        ("network", json!("host"), "the host's or none"),
        ("network", json!("none"), "the host's or none"),
        ("network", json!("no-such-network"), "no-such-network"),
    ] {
        let mut with = one_off(&["id"]);
        with[field] = value;
        let error = plan(&with, &shop.tools()).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let closed = Tools { docker_run: false, ..shop.tools() };
    assert!(plan(&one_off(&["id"]), &closed).await.unwrap_err().contains("allow_run"));
    let step = action("docker", &one_off(&["id"]));
    assert!(failed(executor::run(&*step, &context(&closed, Effect::Read, LONG)).await).line.en().contains("allow_run"));
}

#[tokio::test]
async fn whatever_stops_it_it_is_gone() {
    let Some(shop) = Stack::new() else { return };
    let deaf = action("docker", &one_off(&["sh", "-c", "trap '' TERM; echo began; while :; do sleep 0.1; done"]));
    for cancelled in [true, false] {
        let timeout = Duration::from_secs(if cancelled { 60 } else { 2 });
        let cx = StepContext { timeout, ..shop.context(Effect::Change) };
        let cancel = cx.cancel.clone();
        let (outcome, ()) = tokio::join!(executor::run(&*deaf, &cx), async {
            until(async || leftovers(&shop, &cx.idempotency_key).await == 1).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            if cancelled {
                cancel.cancel();
            }
        });
        let report = unknown(outcome);
        assert_eq!(report.facts["left_behind"], false);
        assert_eq!(leftovers(&shop, &cx.idempotency_key).await, 0, "{}", report.line.en());
    }
}

#[tokio::test]
async fn what_a_killed_process_left_the_next_one_removes() {
    let Some(shop) = Stack::new() else { return };
    let key = format!("{}-killed", shop.project);
    let label = |until: i64| {
        HashMap::from([("sereno.step".to_owned(), key.clone()), ("sereno.until".to_owned(), until.to_string())])
    };
    let body = |until| ContainerCreateBody { labels: Some(label(until)), ..ContainerCreateBody::default() };
    let now = sereno::clock::Clock::System.now();
    shop.create("over", 1, SERVE, body(now.0 - 1)).await;
    shop.create("waited-for", 1, SERVE, body(now.0 + 600_000)).await;
    let step = action("docker", &one_off(&["true"]));
    done(executor::run(&*step, &shop.context(Effect::Read)).await);
    assert_eq!(leftovers(&shop, &key).await, 1, "only the one whose time is over");
}

#[tokio::test]
async fn an_answer_that_never_came_leaves_nothing_behind_either() {
    let Some(shop) = Stack::new() else { return };
    let wire = Wire::to(&shop.host, "/start").await;
    let tools = Tools::new([].into(), &[], Some(format!("tcp://127.0.0.1:{}", wire.port)));
    let step = action("docker", &one_off(&["sleep", "60"]));
    let cx = StepContext { tools: Tools { docker_run: true, ..tools }, ..shop.context(Effect::Change) };
    let report = unknown(executor::run(&*step, &cx).await);
    assert_eq!(report.facts["left_behind"], false);
    assert_eq!(leftovers(&shop, &cx.idempotency_key).await, 0);
}

/// This process's memory, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_gigabyte_of_output_takes_no_memory() {
    let Some(shop) = Stack::new() else { return };
    let script = "dd if=/dev/zero bs=1M count=1024 2>/dev/null | tr '\\0' 'x'; echo; echo end";
    let before = resident();
    let outcome = shop.planned(Effect::Read, one_off(&["sh", "-c", script])).await.1;
    let Outcome::Done(report) = outcome else { panic!("{outcome:?}") };
    let output = report.output.unwrap();
    assert_eq!(output.bytes, (1 << 30) + 5);
    assert!(output.tail.ends_with("x\nend\n") && output.head.len() + output.tail.len() < 100_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}
