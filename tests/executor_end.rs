//! The end of the process: whatever still runs is killed. By itself in this file, because it kills all there is.

mod executor_support;

use std::time::Duration;

use executor_support::{Said, action, context};
use serde_json::json;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, Tools};

#[tokio::test]
async fn at_the_end_of_the_process_every_group_is_killed() {
    let cx = context(&Tools::default(), Effect::Change, Duration::from_secs(60));
    let stubborn = action("shell", &json!({ "argv": ["sh", "-c", "trap '' TERM; echo up; sleep 1000 & wait"] }));
    let run = executor::run(&*stubborn, &cx);
    tokio::pin!(run);
    let outcome = loop {
        tokio::select! {
            outcome = &mut run => break outcome,
            () = tokio::time::sleep(Duration::from_millis(20)) => executor::process::kill_all(),
        }
    };
    assert!(matches!(&outcome, Outcome::Unknown(report) if report.line.en().contains("signal 9")), "{outcome:?}");
}
