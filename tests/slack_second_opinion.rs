//! Others than us judge what we would send to Slack: the models of PyPI's slack_sdk load every golden card, and the
//! limits that slackblocks carries are ours. The strict fake takes them too.

mod parts;
mod support;

use serde_json::Value;
use sereno_fakes::slack::blocks::{Surface, check};

#[test]
#[allow(clippy::disallowed_methods)] // the judge is a program of its own
fn golden_cards_and_limits_are_as_others_know_slack() {
    let Some(python) = parts::part("SERENO_TEST_PYTHON") else { return };
    let mut judge = std::process::Command::new(python);
    let output = judge.args(["tests/slack_second_opinion.py", "tests/golden/slack"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("cards are sound"), "{said}");
}

#[test]
fn the_fake_takes_every_golden_card() {
    let mut seen = 0;
    for file in std::fs::read_dir("tests/golden/slack").unwrap() {
        let path = file.unwrap().path();
        let card: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (blocks, surface) = match card["view"]["type"].as_str() {
            Some("modal") => (&card["view"]["blocks"], Surface::Modal),
            Some(_) => (&card["view"]["blocks"], Surface::Home),
            None if card["blocks"].is_null() => continue, // the limits
            None => (&card["blocks"], Surface::Message),
        };
        check(blocks, surface, "/blocks", &mut 0).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", path.display()));
        seen += 1;
    }
    assert!(seen > 40, "{seen} cards");
}
