//! What holds of every action in the table.

mod executor_support;

use std::time::Duration;

use executor_support::{Said, action, context};
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::{Effect, Invocation};
use sereno::domain::step::{Hold, Outcome};
use sereno::executor::{self, ACTIONS, ActionSpec, Tools};
use sereno::secret::Secret;

const CANARY: &str = "canary-5ecret-value";

fn tools(names: &[String]) -> Tools {
    Tools::new(names.iter().map(|name| (name.clone(), Secret::new(CANARY))).collect(), &[], None)
}

fn example(spec: &ActionSpec) -> Value {
    serde_saphyr::from_str(spec.example).unwrap_or_else(|error| panic!("{}: {error}", spec.name))
}

#[test]
fn every_example_is_read_and_fits_its_schema() {
    for spec in ACTIONS {
        let schema = (spec.schema)();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let example = example(spec);
        assert!(validator.is_valid(&example), "{}: {:?}", spec.name, validator.validate(&example));
        (spec.parse)(&example).unwrap_or_else(|error| panic!("{}: {}", spec.name, error.en()));
        assert!(!spec.summary.is_empty());
    }
}

#[test]
fn a_field_that_nobody_knows_is_refused_by_the_reader_and_by_the_schema() {
    for spec in ACTIONS {
        let mut with = example(spec);
        with["no_such_field"] = json!(1);
        let error = (spec.parse)(&with).err().unwrap_or_else(|| panic!("{} takes anything", spec.name)).en();
        assert!(error.contains("no_such_field"), "{}: {error}", spec.name);
        assert!(!jsonschema::is_valid(&(spec.schema)(), &with), "{}", spec.name);
    }
}

#[test]
fn no_fields_at_all_are_refused_in_words() {
    for spec in ACTIONS {
        assert!((spec.parse)(&json!({})).is_err_and(|error| !error.is_empty()), "{}", spec.name);
        assert!((spec.parse)(&json!([1])).is_err_and(|error| !error.is_empty()), "{}", spec.name);
    }
}

/// The actions whose plan looks at nothing but this machine.
const LOCAL: &[&str] = &[
    "http",
    "shell",
    "wait",
    "note",
    "ask",
    "run",
    "redis",
    "mongo",
    "prometheus",
    "alertmanager",
    "loki",
    "tls",
    "tcp",
    "dns",
    "host",
    "jwt",
    "smtp",
    "webhook",
];

#[tokio::test]
async fn planning_twice_gives_the_same_bytes_and_no_secret() {
    for spec in ACTIONS.iter().filter(|spec| LOCAL.contains(&spec.name)) {
        let action = (spec.parse)(&example(spec)).unwrap();
        let tools = tools(&action.secrets());
        let plan = executor::plan(&*action, &tools, Effect::Change).await.unwrap();
        let again = executor::plan(&*action, &tools, Effect::Change).await.unwrap();
        assert_eq!(digest::of(&plan), digest::of(&again), "{}", spec.name);
        assert_eq!((plan.action.as_str(), plan.effect), (spec.name, Effect::Change));
        let text = digest::canonical(&plan);
        assert!(!text.contains(CANARY), "{text}");
        for name in action.secrets() {
            assert!(text.contains(&name), "{}: the plan does not name {name}", spec.name);
        }
    }
}

#[tokio::test]
async fn a_secret_that_an_argument_spells_out_is_not_shown_either() {
    let tools = tools(&["token".to_owned()]);
    for (name, with) in [
        ("note", json!({ "text": format!("use {CANARY}") })),
        ("ask", json!({ "instructions": format!("type {CANARY}") })),
        ("shell", json!({ "argv": ["echo", CANARY] })),
        ("http", json!({ "url": format!("http://localhost/?key={CANARY}") })),
        ("run", json!({ "runbook": "a/b", "args": { "key": CANARY } })),
    ] {
        let plan = executor::plan(&*action(name, &with), &tools, Effect::Read).await.unwrap();
        let text = digest::canonical(&plan);
        assert!(!text.contains(CANARY) && text.contains("[redacted token]"), "{text}");
    }
}

#[tokio::test]
async fn characters_that_deceive_are_shown_and_still_make_another_plan() {
    let plan = async |text: &str| {
        let action = action("note", &json!({ "text": text }));
        executor::plan(&*action, &Tools::default(), Effect::Read).await.unwrap()
    };
    let hidden = plan("a\u{202e}b").await;
    assert!(!hidden.line.en().contains('\u{202e}'), "{}", hidden.line.en());
    assert_ne!(digest::of(&hidden.exact), digest::of(&plan("a\\u202eb").await.exact));
}

#[tokio::test]
async fn waiting_asking_and_running_another_runbook_hold_the_step() {
    let run = async |name: &str, with: Value| {
        let cx = context(&Tools::default(), Effect::Read, Duration::from_secs(1));
        executor::run(&*action(name, &with), &cx).await
    };
    assert_eq!(run("wait", json!({ "for": "15m" })).await, Outcome::Hold(Hold::For(900)));
    // A parameter of the kind duration is whole seconds.
    assert_eq!(run("wait", json!({ "for": 90 })).await, Outcome::Hold(Hold::For(90)));
    assert_eq!(
        run("ask", json!({ "instructions": "look", "evidence": true, "roles": ["lead"] })).await,
        Outcome::Hold(Hold::Person { instructions: "look".into(), evidence: true, roles: vec!["lead".into()] })
    );
    assert_eq!(
        run("run", json!({ "runbook": "minimarket/health", "args": { "replicas": 3 } })).await,
        Outcome::Hold(Hold::Runbook(Invocation {
            runbook: "minimarket/health".into(),
            args: [("replicas".into(), json!(3))].into(),
            env: None,
        }))
    );
    let Outcome::Done(report) = run("note", json!({ "text": "\u{1b}[31mred" })).await else { panic!("a note is done") };
    assert_eq!((report.facts, report.line.en()), (json!({ "text": "red" }), "red".to_owned()));
}

#[test]
fn what_a_step_may_do_is_declared_or_follows_from_the_request() {
    let effect = |name: &str, with: Value, declared| action(name, &with).effect(declared);
    let http = |method: &str| json!({ "url": "http://localhost/", "method": method });
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(effect("http", http(method), None), Ok(Effect::Read));
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(effect("http", http(method), None), Ok(Effect::Change));
        assert_eq!(effect("http", http(method), Some(Effect::Destroy)), Ok(Effect::Destroy));
    }
    assert!(effect("shell", json!({ "argv": ["true"] }), None).unwrap_err().en().contains("declare"));
    assert_eq!(effect("shell", json!({ "argv": ["true"] }), Some(Effect::Destroy)), Ok(Effect::Destroy));
    assert_eq!(effect("ask", json!({ "instructions": "unplug it" }), Some(Effect::Change)), Ok(Effect::Change));
}

#[test]
fn mistakes_are_found_when_the_step_is_read() {
    for (name, with, says) in [
        ("shell", json!({ "argv": [] }), "program"),
        ("shell", json!({ "argv": [""] }), "name"),
        ("shell", json!({ "argv": "df -h" }), "sequence"),
        ("shell", json!({ "argv": ["a", "b\0c"] }), "NUL"),
        ("shell", json!({ "argv": ["a"], "env": { "A=B": "c" } }), "A=B"),
        ("shell", json!({ "argv": ["a"], "env": { "1A": "c" } }), "1A"),
        ("http", json!({ "url": "http://x/", "method": "GTE" }), "GTE"),
        ("http", json!({ "url": "htp://x/" }), "http and https"),
        ("http", json!({ "url": "http://169.254.169.254/" }), "link-local"),
        ("http", json!({ "url": "http://x/", "body": "a", "json": {} }), "keep one"),
        ("http", json!({ "url": "http://x/", "headers": { "a b": "c" } }), "a b"),
        ("http", json!({ "url": "http://x/", "headers": { "a": "b\r\nc: d" } }), "one line"),
        ("wait", json!({ "for": "soon" }), "90s"),
        ("wait", json!({ "for": "8760h" }), "seven days"),
    ] {
        let error = (executor::find(name).unwrap().parse)(&with).err().unwrap_or_else(|| panic!("{with} was taken"));
        let error = error.en();
        assert!(error.contains(says), "{with}: {error}");
    }
}
