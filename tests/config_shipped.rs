//! What is shipped beside the code agrees with it: the built-in configuration, the examples, the schema and the docs.

use std::collections::BTreeMap;
use std::path::Path;

use sereno::config::{self, Config};

const SCHEMA: &str = "config/schema/sereno.json";

#[test]
fn the_shipped_configuration_is_sound_and_lets_nobody_in() {
    let config = Config::load(None, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(config.tokens.is_empty() && config.hook_secrets.is_empty() && config.secrets.is_empty());
    assert!(config.warnings.is_empty());
}

#[test]
fn the_shipped_configuration_shows_the_defaults() {
    let shown = Config::load(None, &BTreeMap::new()).ok().unwrap();
    let plain = Config::read("empty", "", &BTreeMap::new()).ok().unwrap();
    assert_eq!((&shown.listen, &shown.catalog, &shown.log_level), (&plain.listen, &plain.catalog, &plain.log_level));
    assert_eq!(shown.store_url.reveal(), plain.store_url.reveal());
    assert_eq!(shown.store_wait, plain.store_wait);
    assert_eq!(shown.settings.public_url, plain.settings.public_url);
    assert_eq!(shown.settings.roles, plain.settings.roles);
    assert_eq!(shown.settings.approver_roles, plain.settings.approver_roles);
    assert_eq!(shown.settings.approval_expires, plain.settings.approval_expires);
    assert_eq!(shown.settings.break_glass, plain.settings.break_glass);
    assert_eq!((shown.docker_host, shown.anchor, shown.log_json), (plain.docker_host, plain.anchor, plain.log_json));
}

/// An example with every secret in its place, and none of them a person's own.
fn example(path: &Path) -> Config {
    let secrets = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    for piece in text.split("/run/secrets/").skip(1) {
        let name = piece.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap();
        let value = match name {
            "sereno_database_url" => "postgres://sereno:x@db/sereno".to_owned(),
            "sereno_slack_bot" => "xoxb-1-2-3".to_owned(),
            "sereno_slack_app" => "xapp-1-2-3".to_owned(),
            _ => format!("{name}-0123456789abcdef"),
        };
        std::fs::write(secrets.path().join(name), value + "\n").unwrap();
    }
    let env = BTreeMap::from([("SHOP_DATABASE_URL".to_owned(), "postgres://shop".to_owned())]);
    let text = text.replace("/run/secrets", &secrets.path().display().to_string());
    Config::read(&path.display().to_string(), &text, &env).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

#[test]
fn the_examples_are_sound_once_their_secrets_are_there() {
    for entry in std::fs::read_dir("config/examples").unwrap() {
        let config = example(&entry.unwrap().path());
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn one_configuration_switches_all_five_teams_on() {
    let config = example(Path::new("config/examples/five-teams.yaml"));
    let catalog = sereno::catalog::load(Path::new("commands"), &config.settings);
    let catalog = catalog.unwrap_or_else(|problems| panic!("{problems:#?}"));
    for name in ["minimarket", "turnaki", "orion", "pawpaw", "twl-pipeline"] {
        let pack = catalog.pack(name).unwrap_or_else(|| panic!("{name} sleeps"));
        let given = &config.settings.packs[name];
        assert!(given.channel.is_some(), "{name} has nowhere to speak");
        for secret in pack.secrets.keys() {
            assert!(given.secrets.contains_key(secret), "{name} is not told where its {secret} is");
        }
    }
}

/// Run with `SERENO_TEST_UPDATE=1` to write it anew.
#[test]
#[allow(clippy::disallowed_methods)] // a switch for the person at the keyboard, not a setting
fn the_committed_schema_is_fresh() {
    let fresh = serde_json::to_string_pretty(&config::schema()).unwrap() + "\n";
    if std::env::var("SERENO_TEST_UPDATE").is_ok() {
        std::fs::write(SCHEMA, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(SCHEMA).unwrap_or_default();
    assert!(committed == fresh, "{SCHEMA} is old: run SERENO_TEST_UPDATE=1 cargo nextest run config_shipped");
}

#[test]
fn the_docs_and_the_shipped_configuration_name_every_key() {
    let docs = std::fs::read_to_string("docs/configuration.md").unwrap();
    let file = std::fs::read_to_string("config/sereno.yaml").unwrap();
    let keys = config::keys();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        let name = format!("`{}`", key.replace(".[]", "[]").replace(".*", ".<name>"));
        assert!(docs.contains(&name), "docs/configuration.md does not name {name}");
        let last = key.rsplit('.').find(|part| !matches!(*part, "*" | "[]")).unwrap();
        let twin = last.trim_end_matches("_file");
        assert!(file.contains(last) || file.contains(twin), "config/sereno.yaml does not show {last}");
    }
    assert!(Path::new(SCHEMA).exists());
}
