//! The runbooks that are shipped beside the code: sound against the shipped configuration, their permissions as
//! committed, their schema fresh.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use sereno::catalog::{self, Catalog, Format, render};
use sereno::config::Config;
use sereno::domain::actor::{Actor, Platform};
use sereno::domain::policy::{Ask, approval_for, authorize};
use sereno::domain::runbook::{Effect, Runbook};
use sereno::domain::settings::Settings;

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
}
