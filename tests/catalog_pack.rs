//! What `pack.yaml` gives a folder's runbooks: values and secrets of their own, a team's policy, monitors; and what is
//! wrong in one.

mod catalog_support;

use catalog_support::{Folder, problems, settings};
use sereno::domain::settings::{PackEnvironment, PackSettings, Settings};
use sereno::domain::severity::Severity;

const BOOK: &str = "name: look\nsummary: Looks\nenvironments: [prod, dev]\nallow: [{ roles: [viewer] }]\nsteps:
  - id: a
    title: Up?
    action: http
    with: { url: \"{{ values.url }}\", port: \"{{ values.port }}\", headers: { x: { secret: key } } }\n";

const PACK: &str = "about: The shop
values: { url: \"http://localhost/\", port: 8080, services: [api, web] }
secrets: { key: The shop's key }
severities: { P1: { means: All is down, respond: 5m, resolve: 2h } }
objectives: [{ name: Data lost, rto: 2h, rpo: 24h }]
contacts: [{ who: On-call, how: \"#infra\" }]
escalation:
  - { after: 5m, say: Nobody answers, roles: [lead], on_call: true }
  - { after: 2m, severities: [P1], say: Go on with the next page }
monitors:
  - { name: up, runbook: look, env: prod, every: 1m, failures: 3, successes: 2, severity: P1, title: The shop is down }\n";

fn texts(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn with_pack(pack: PackSettings) -> Settings {
    Settings { packs: [("shop".to_owned(), pack)].into(), ..settings() }
}

/// What is objected to, one line each.
fn objections(files: &[(&str, &str)], settings: &Settings) -> Vec<String> {
    let found = Folder::with(files).load(settings).err().unwrap_or_default();
    found.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn a_pack_gives_its_runbooks_values_and_secrets_and_says_what_the_team_does() {
    let folder = Folder::with(&[("shop/pack.yaml", PACK), ("shop/look.yaml", BOOK)]);
    let catalog = folder.load(&settings()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let book = catalog.get("shop/look").unwrap();
    assert_eq!(book.values["port"], 8080);
    let pack = catalog.pack("shop").unwrap();
    assert_eq!((pack.severities[&Severity::P1].respond, pack.objectives[0].rpo), (300, 86_400));
    assert_eq!(pack.escalation.iter().map(|step| step.after).collect::<Vec<_>>(), [120, 300], "in their order");
    assert_eq!((pack.monitors[0].runbook.as_str(), pack.monitors[0].every), ("shop/look", 60));
}

#[test]
fn a_value_or_secret_that_the_pack_does_not_have_is_told() {
    let wrong = BOOK.replace("values.url", "values.ulr").replace("secret: key", "secret: kee");
    let told = objections(&[("shop/pack.yaml", PACK), ("shop/look.yaml", &wrong)], &settings());
    assert!(told.iter().any(|line| line.contains("values.ulr")), "{told:#?}");
    let wrong = BOOK.replace("secret: key", "secret: kee");
    let told = objections(&[("shop/pack.yaml", PACK), ("shop/look.yaml", &wrong)], &settings());
    assert!(told.iter().any(|line| line.contains("kee")), "{told:#?}");
    let here = PackEnvironment { values: texts(&[("porto", "1")]), secrets: texts(&[("kee", "shop_api")]) };
    let over = PackSettings { environments: [("prod".to_owned(), here)].into(), ..PackSettings::default() };
    let told = objections(&[("shop/pack.yaml", PACK), ("shop/look.yaml", BOOK)], &with_pack(over));
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("porto") && told[1].contains("kee"), "{told:#?}");
}

#[test]
fn where_there_is_no_pack_there_are_no_values() {
    let told: Vec<String> = problems(BOOK).into_iter().map(|problem| problem.message).collect();
    assert!(told.iter().any(|line| line.contains("values.url")), "{told:#?}");
}

#[test]
fn a_value_of_the_wrong_type_is_told_where_it_is_used() {
    let over = PackSettings { values: texts(&[("port", "many")]), ..PackSettings::default() };
    let told = objections(&[("shop/pack.yaml", PACK), ("shop/look.yaml", BOOK)], &with_pack(over));
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn a_monitor_only_looks_and_is_over_at_once() {
    for (book, says) in [
        (
            BOOK.replace("action: http", "action: shell\n    effect: change")
                .replace("with: {", "with: { argv: [/bin/x], "),
            "changes something",
        ),
        (
            BOOK.replace("steps:", "steps:\n  - { id: who, title: Who, action: ask, with: { instructions: Look } }"),
            "waits for",
        ),
        (BOOK.replace("name: look", "name: loko"), "no runbook"),
        (BOOK.replace("environments: [prod, dev]", "environments: [dev]"), "prod"),
    ] {
        let told = objections(&[("shop/pack.yaml", PACK), ("shop/look.yaml", &book)], &settings());
        assert!(told.iter().any(|line| line.contains(says)), "{says}: {told:#?}");
    }
}

#[test]
fn a_pack_that_comes_along_is_only_in_use_where_it_is_named() {
    let pack = format!("opt_in: true\n{PACK}");
    let broken = "name: broken\n";
    let files: &[(&str, &str)] = &[("shop/pack.yaml", &pack), ("shop/look.yaml", broken)];
    let idle = Folder::with(files).load(&settings()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(idle.get("shop/look").is_none() && idle.pack("shop").is_none());
    assert!(!objections(files, &with_pack(PackSettings::default())).is_empty(), "named, it is read and checked");
    let folder = Folder::with(files);
    let all = sereno::catalog::check_path(&folder.path(), &folder.path(), &settings());
    assert!(all.is_err(), "whoever names the folder means all of it");
}
