//! Others than us judge what we would send to Slack: the models of PyPI's slack_sdk load every golden card, and the
//! limits that slackblocks carries are ours.

mod parts;
mod support;

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
