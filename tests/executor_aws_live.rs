//! A tail of logs by the live stream of CloudWatch, and what it does where there is none or where it breaks off.
#![cfg(feature = "aws")]

mod aws_support;
mod executor_support;
mod parts;
mod support;

use std::time::Duration;

use aws_support::{Cloud, KEY, ago, done, failed};
use executor_support::{Said, action};
use serde_json::{Value, json};
use sereno::clock::Clock;
use sereno::domain::runbook::Effect;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::live::{Live, Recent};
use sereno::executor::{self, StepContext};
use sereno_fakes::aws::{Aws, End};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

const GROUP: &str = "/shop/api";

/// A tail that is under way, and its AWS.
struct Watched<'a> {
    aws: &'a Aws,
    lines: Receiver<Recent>,
    cancel: CancellationToken,
}

impl Watched<'_> {
    fn log(&self, line: &str) {
        self.aws.log(GROUP, Clock::System.now().0, line);
    }

    async fn shows(&mut self, line: &str) {
        let seen = self.lines.wait_for(|recent| recent.text().contains(line));
        tokio::time::timeout(Duration::from_secs(30), seen).await.expect(line).unwrap();
    }
}

async fn fake() -> (Aws, Cloud) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = Aws::start(KEY).await;
    let cloud = Cloud::at(aws.endpoint.clone());
    aws.log(GROUP, ago(600).0, "of before");
    (aws, cloud)
}

/// A tail of the group, with these fields more.
fn tail(more: Value) -> Value {
    let mut with = json!({"do": "tail", "group": GROUP, "for": "15m"});
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with
}

/// Tails while a story goes on.
async fn tails(at: (&Aws, &Cloud), with: Value, story: impl AsyncFnOnce(&mut Watched<'_>)) -> Outcome {
    let (aws, cloud) = at;
    let (live, lines) = Live::watched();
    let cx = StepContext { live, ..cloud.context(Effect::Read) };
    let mut watched = Watched { aws, lines, cancel: cx.cancel.clone() };
    let step = action("cloudwatch_logs", &with);
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), story(&mut watched));
    outcome
}

async fn until(what: impl Fn() -> bool) {
    let look = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("it comes about");
}

fn broken(outcome: Outcome) -> Report {
    let Outcome::Failed(report) = outcome else { panic!("{outcome:?}") };
    report
}

#[tokio::test]
async fn lines_come_live_by_their_pattern_and_it_ends_when_there_are_enough() {
    let (aws, cloud) = fake().await;
    aws.log(GROUP, ago(2).0, "ERROR one");
    let with = tail(json!({"pattern": "ERROR", "since": "1m", "limit": 3}));
    let outcome = tails((&aws, &cloud), with, async |w| {
        w.shows("ERROR one").await;
        w.log("INFO fine");
        w.log("ERROR two, key correct-horse-battery");
        w.shows("ERROR two, key [redacted db_password]").await;
        w.log("ERROR three");
    });
    let report = done(outcome.await);
    assert_eq!(report.facts["lines"][0], "ERROR one", "what was there before it began is shown once");
    assert_eq!((&report.facts["count"], &report.facts["lines"][2]), (&json!(3), &json!("ERROR three")));
    assert_eq!((&report.facts["live"], &report.facts["sampled"]), (&json!(true), &json!(false)));
    assert_eq!(report.line.en(), "3 events came");
    until(|| aws.following() == 0).await;
    let asked = |name: &str| aws.calls().iter().filter(|call| *call == name).count();
    assert_eq!((asked("StartLiveTail"), asked("FilterLogEvents")), (1, 1), "nothing is asked for again and again");
}

#[tokio::test]
async fn it_ends_by_its_time_and_says_that_it_saw_a_sample() {
    let (aws, cloud) = fake().await;
    aws.samples();
    let outcome = tails((&aws, &cloud), tail(json!({"for": "2s"})), async |w| {
        until(|| w.aws.following() == 1).await;
        w.log("one of many");
    });
    let report = done(outcome.await);
    assert_eq!((&report.facts["lines"], &report.facts["sampled"]), (&json!(["one of many"]), &json!(true)));
    assert!(report.line.en().contains("a sample"), "{}", report.line.en());
    until(|| aws.following() == 0).await;
    assert!(!aws.calls().contains(&"FilterLogEvents".to_owned()), "without `since` it begins now");
}

#[tokio::test]
async fn cancelled_it_lets_go_of_the_stream_and_keeps_what_it_saw() {
    let (aws, cloud) = fake().await;
    let outcome = tails((&aws, &cloud), tail(json!({})), async |w| {
        until(|| w.aws.following() == 1).await;
        w.log("ERROR seen");
        w.shows("ERROR seen").await;
        w.cancel.cancel();
    });
    let report = broken(outcome.await);
    assert!(report.line.en().contains("cancelled"), "{}", report.line.en());
    assert_eq!(report.facts["lines"], json!(["ERROR seen"]));
    until(|| aws.following() == 0).await;
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_a_failure_that_keeps_what_came() {
    for (end, says) in [
        (End::Cut, "the live stream broke off"),
        (End::Exception("SessionTimeoutException"), "SessionTimeoutException"),
        (End::Exception("SessionStreamingException"), "SessionStreamingException"),
    ] {
        let (aws, cloud) = fake().await;
        let outcome = tails((&aws, &cloud), tail(json!({})), async |w| {
            until(|| w.aws.following() == 1).await;
            w.log("ERROR before");
            w.shows("ERROR before").await;
            w.aws.ends_live(end);
        });
        let report = broken(outcome.await);
        assert!(report.line.en().contains(says), "{}", report.line.en());
        assert_eq!(report.facts["lines"], json!(["ERROR before"]));
    }
}

#[tokio::test]
async fn a_stream_that_the_service_ends_is_followed_by_asking_and_nothing_is_shown_twice() {
    let (aws, cloud) = fake().await;
    let outcome = tails((&aws, &cloud), tail(json!({"limit": 3})), async |w| {
        until(|| w.aws.following() == 1).await;
        w.log("live");
        w.shows("live").await;
        w.aws.ends_live(End::Over);
        w.log("again");
        w.log("again");
    });
    let report = done(outcome.await);
    assert_eq!(report.facts["lines"], json!(["live", "again", "again"]), "two that are alike are two");
    assert!(report.line.en().contains("asked for each second"), "{}", report.line.en());
}

#[tokio::test]
async fn where_there_is_no_stream_it_asks_each_second_and_says_why() {
    for (status, code) in [
        (400, "AccessDeniedException"),
        (404, "UnknownOperationException"),
        (501, "NotImplemented"),
        (400, "LimitExceededException"),
    ] {
        let (aws, cloud) = fake().await;
        aws.refuses_live(status, code);
        let outcome = tails((&aws, &cloud), tail(json!({"since": "1m", "limit": 1})), async |w| w.log("ERROR one"));
        let report = done(outcome.await);
        assert_eq!((&report.facts["lines"], &report.facts["live"]), (&json!(["ERROR one"]), &json!(false)));
        let line = report.line.en();
        assert!(
            line.starts_with("1 events came, asked for each second; no live stream") && line.contains(code),
            "{line}"
        );
    }

    // Asked too much, it waits a little and has its stream.
    let (aws, cloud) = fake().await;
    let outcome = tails((&aws, &cloud), tail(json!({"limit": 1})), async |w| {
        w.aws.refuses_live(400, "ThrottlingException");
        until(|| w.aws.calls().contains(&"StartLiveTail".to_owned())).await;
        w.aws.streams_live();
        until(|| w.aws.following() == 1).await;
        w.log("ERROR one");
    });
    assert_eq!(done(outcome.await).facts["live"], true);

    // More groups than a stream takes.
    let (aws, cloud) = fake().await;
    let groups: Vec<String> = (0..11).map(|n| format!("/shop/{n}")).collect();
    groups.iter().for_each(|group| aws.log(group, ago(1).0, "ERROR here"));
    let many = json!({"do": "tail", "groups": groups, "since": "1m", "limit": 11});
    assert_eq!(cloud.facts("cloudwatch_logs", many).await["count"], 11);

    // What is wrong either way is said as it was.
    let none = json!({"do": "tail", "group": "/no/such"});
    assert!(failed(cloud.run("cloudwatch_logs", none).await).contains("does not exist"));
}
