//! The runbooks that are shipped beside the code: sound against the shipped configuration, their permissions as
//! committed, their schema fresh.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sereno::catalog::{self, Catalog, Format, render};
use sereno::clock::Timestamp;
use sereno::config::Config;
use sereno::domain::actor::{Actor, Platform};
use sereno::domain::policy::{Ask, approval_for, authorize};
use sereno::domain::runbook::{Effect, Runbook};
use sereno::domain::settings::Settings;
use sereno::domain::step::Outcome;
use sereno::domain::template;
use sereno::executor::live::Live;
use sereno::executor::{self, StepContext, Tools};
use tokio_util::sync::CancellationToken;

fn shipped() -> (Catalog, Settings) {
    let config = Config::load(None, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let catalog = catalog::load(Path::new("commands"), &config.settings);
    let catalog = catalog.unwrap_or_else(|problems| panic!("{}", render(&problems, Format::Text)));
    (catalog, config.settings)
}

/// Compares a text with a committed file; run with `SERENO_TEST_UPDATE=1` to write it anew.
#[allow(clippy::disallowed_methods)] // a switch for the person at the keyboard, not a setting
fn same_as(path: &str, fresh: &str) {
    if std::env::var("SERENO_TEST_UPDATE").is_ok() {
        std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, fresh).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == fresh, "{path} is old: run SERENO_TEST_UPDATE=1 cargo nextest run catalog_shipped");
}

#[test]
fn the_generic_pack_is_sound_in_the_shipped_configuration() {
    let (catalog, _) = shipped();
    let names: Vec<String> = catalog.all().map(|book| book.full_name()).collect();
    for name in ["generic/checklist", "generic/disk", "generic/health", "generic/restart", "generic/rollback"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(!catalog.get("generic/health").unwrap().changes());
    let rollback = catalog.get("generic/rollback").unwrap();
    assert!(rollback.steps.iter().all(|step| step.effect < Effect::Destroy || step.undo.is_some()));
    assert_eq!(rollback.steps.last().unwrap().effect, Effect::Read, "it ends by looking whether it worked");
}

/// Runs a step on this machine and gives its facts.
async fn facts_of(book: &Runbook, id: &str, scope: &Value) -> Value {
    let step = &book.steps[book.position(id).unwrap()];
    let action = (executor::find(&step.action).unwrap().parse)(&template::fill(&step.with, scope).unwrap()).unwrap();
    let cx = StepContext {
        tools: Tools::default(),
        idempotency_key: "test".into(),
        effect: step.effect,
        started_at: Timestamp(0),
        timeout: Duration::from_secs(step.timeout),
        cancel: CancellationToken::new(),
        planned: Value::Null,
        live: Live::default(),
    };
    match action.run(&cx).await {
        Outcome::Done(report) => report.facts,
        other => panic!("{id}: {other:?}"),
    }
}

fn holds(book: &Runbook, id: &str, facts: &Value) -> bool {
    book.steps[book.position(id).unwrap()].expect.iter().all(|expect| expect.judge(facts).holds)
}

#[tokio::test]
async fn health_and_disk_read_this_machine() {
    let (catalog, _) = shipped();
    for (name, scope) in [("generic/health", json!({})), ("generic/disk", json!({"path": "/"}))] {
        let book = catalog.get(name).unwrap();
        for step in &book.steps {
            let facts = facts_of(book, &step.id, &scope).await;
            assert!(facts["lines"][0].is_string(), "{name} {}: {facts}", step.id);
        }
    }
}

#[test]
fn health_and_disk_tell_well_from_ill() {
    let (catalog, _) = shipped();
    let (health, disk) = (catalog.get("generic/health").unwrap(), catalog.get("generic/disk").unwrap());
    let df = |used: &str| json!({"lines": ["Filesystem 1024-blocks Used Available Capacity Mounted on", format!("/dev/vda1 100 50 50 {used} /")]});
    for (used, well) in [("0%", true), ("42%", true), ("94%", true), ("95%", false), ("100%", false)] {
        assert_eq!(holds(health, "disk", &df(used)), well, "{used}");
        assert_eq!(holds(disk, "space", &df(used)), well, "{used}");
        assert_eq!(holds(disk, "inodes", &df(used)), well, "{used}");
    }
    assert!(holds(disk, "inodes", &df("-")));
    assert!(holds(health, "load", &json!({"stdout": "12.40 3.10 1.00 2/345 6789\n"})));
    assert!(!holds(health, "load", &json!({"stdout": "120.40 3.10 1.00 2/345 6789\n"})));
    assert!(holds(health, "memory", &json!({"stdout": "MemTotal: 8000000 kB\nMemAvailable:   100000 kB\n"})));
    assert!(!holds(health, "memory", &json!({"stdout": "MemTotal: 8000000 kB\nMemAvailable:    99999 kB\n"})));
}

#[tokio::test]
async fn rollback_does_what_it_says_and_its_undo_takes_it_back() {
    let (catalog, _) = shipped();
    let book = catalog.get("generic/rollback").unwrap();
    let service = format!("test-{}", std::process::id());
    let scope = json!({"service": service, "env": "dev"});
    for step in &book.steps {
        let facts = facts_of(book, &step.id, &scope).await;
        assert!(holds(book, &step.id, &facts), "{}: {facts}", step.id);
    }
    let undo = book.steps[book.position("put-back").unwrap()].undo.clone().unwrap();
    let mut undone = Runbook::clone(book);
    undone.steps[0].with = undo.with;
    facts_of(&undone, "look", &scope).await;
    let facts = facts_of(book, "look", &scope).await;
    assert_eq!(facts["lines"][0], "latest");
    assert!(!holds(book, "verify", &facts));
    std::fs::remove_dir_all(format!("/tmp/sereno/dev/{service}")).unwrap();
}

/// What a role may do with a runbook in an environment: no, yes, or yes with so many approvals.
fn cell(book: &Runbook, role: &str, env: Option<&str>, settings: &Settings) -> String {
    // A person who holds this role and those that it includes, and no other.
    let mut alone = settings.clone();
    for person in alone.people.values_mut() {
        person.roles = vec![role.to_owned()];
    }
    let id = alone.people.keys().next().unwrap().clone();
    let actor: Actor = alone.actor(&id, Platform::Console).unwrap();
    match authorize(Ask { actor: &actor, runbook: book, args: None, env, channel: None }) {
        Err(_) => "no".to_owned(),
        Ok(_) => {
            let gravest = book.steps.iter().map(|step| step.effect).max().unwrap_or(Effect::Read);
            match approval_for(book, gravest, env, &settings.approval_defaults(env)) {
                None => "yes".to_owned(),
                Some(rule) => format!("yes, after {} of {}", rule.count, rule.roles.join("|")),
            }
        }
    }
}

#[test]
fn the_permissions_are_those_that_were_committed() {
    let (catalog, settings) = shipped();
    let mut matrix =
        "# Who may ask for what: role, runbook, environment. Written by tests/catalog_shipped.rs.\n".to_owned();
    for book in catalog.all() {
        let envs: Vec<Option<&str>> = match book.environments.as_slice() {
            [] => vec![None],
            envs => envs.iter().map(|env| Some(env.as_str())).collect(),
        };
        for env in envs {
            for role in settings.roles.keys() {
                let cell = cell(book, role, env, &settings);
                writeln!(matrix, "{:<20} {:<5} {role:<9} {cell}", book.full_name(), env.unwrap_or("-")).unwrap();
            }
        }
    }
    same_as("tests/golden/permissions.txt", &matrix);
}

#[test]
fn the_committed_schema_is_fresh() {
    let fresh = serde_json::to_string_pretty(&catalog::schema()).unwrap() + "\n";
    same_as("config/schema/runbook.json", &fresh);
    let pack = serde_json::to_string_pretty(&catalog::pack_schema()).unwrap() + "\n";
    same_as("config/schema/pack.json", &pack);
}
