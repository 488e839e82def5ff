//! The actions on AWS against our own strict fake, where moto lets too much pass: signatures, stale revisions, throttling,
//! filter patterns, logs that come while one looks, functions that fail.
#![cfg(feature = "aws")]

mod aws_support;
mod executor_support;
mod parts;
mod support;

use std::time::Duration;

use aws_config::meta::credentials::CredentialsProviderChain;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_support::{ACCOUNT, Cloud, KEY, ago, done, failed};
use executor_support::{Said, action};
use serde_json::{Value, json};
use sereno::clock::Clock;
use sereno::domain::runbook::Effect;
use sereno::executor::live::Live;
use sereno::executor::{self, StepContext};
use sereno::telemetry;
use sereno_fakes::aws::{Aws, Behaviour};

async fn fake() -> (Aws, Cloud) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = Aws::start(KEY).await;
    let cloud = Cloud::at(aws.endpoint.clone());
    (aws, cloud)
}

fn shift(version: &str) -> Value {
    json!({"do": "shift", "function": "api", "alias": "live", "version": version, "account": ACCOUNT})
}

#[tokio::test]
async fn a_rollback_shifts_the_alias_and_its_undo_shifts_it_back() {
    let (aws, cloud) = fake().await;
    aws.alias("api", "live", "8");
    let plan = cloud.plan("lambda", &shift("7")).await.unwrap();
    assert_eq!(plan.line.en(), "shift api:live from version 8 to version 7");
    assert_eq!(plan, cloud.plan("lambda", &shift("7")).await.unwrap(), "the same world, the same plan");
    let facts = cloud.facts("lambda", shift("7")).await;
    assert_eq!((&facts["before"], &facts["after"]), (&json!("8"), &json!("7")));
    assert_eq!(aws.alias_version("api", "live"), "7");
    cloud.facts("lambda", shift(facts["before"].as_str().unwrap())).await;
    assert_eq!(aws.alias_version("api", "live"), "8");
}

#[tokio::test]
async fn an_alias_that_moved_since_the_plan_is_left_alone() {
    let (aws, cloud) = fake().await;
    aws.alias("api", "live", "8");
    let step = action("lambda", &shift("7"));
    let plan = cloud.plan("lambda", &shift("7")).await.unwrap();
    // Somebody deploys, and it even leads to the same version again.
    aws.alias("api", "live", "9");
    aws.alias("api", "live", "8");
    let cx = StepContext { planned: plan.exact, ..cloud.context(Effect::Change) };
    let why = failed(executor::run(&*step, &cx).await);
    assert!(why.contains("changed since the plan"), "{why}");
    assert!(aws.calls().iter().all(|call| !call.starts_with("PUT")), "nothing was sent");
    assert_eq!(aws.alias_version("api", "live"), "8");
}

#[tokio::test]
async fn a_way_back_is_planned_before_the_way_there_and_taken_only_from_its_end() {
    let (aws, cloud) = fake().await;
    aws.alias("api", "live", "8");
    let mut back = shift("8");
    back["from"] = json!("7");
    let plan = cloud.plan("lambda", &back).await.unwrap();
    assert_eq!(plan.line.en(), "shift api:live from version 7 to version 8");
    let why = failed(cloud.run("lambda", back.clone()).await);
    assert!(why.contains("leads to version 8") && why.contains("nothing was moved"), "not there yet: {why}");

    cloud.facts("lambda", shift("7")).await;
    assert_eq!(plan, cloud.plan("lambda", &back).await.unwrap(), "what was approved is what runs");
    let mut part = shift("9");
    part["percent"] = json!(10);
    cloud.facts("lambda", part).await;
    assert!(failed(cloud.run("lambda", back.clone()).await).contains("not all of it to 7"), "a part goes elsewhere");
    cloud.facts("lambda", shift("7")).await;
    let facts = cloud.facts("lambda", back).await;
    assert_eq!((&facts["before"], &facts["after"]), (&json!("7"), &json!("8")));
    assert_eq!(aws.alias_version("api", "live"), "8");
}

#[tokio::test]
async fn a_part_of_the_calls_goes_to_the_new_version() {
    let (aws, cloud) = fake().await;
    aws.alias("api", "live", "8");
    let mut part = shift("9");
    part["percent"] = json!(10);
    let plan = cloud.plan("lambda", &part).await.unwrap();
    assert_eq!(plan.line.en(), "shift 10 % of api:live from version 8 to version 9");
    cloud.facts("lambda", part).await;
    let alias = json!({"do": "alias", "function": "api", "alias": "live"});
    let facts = cloud.facts("lambda", alias.clone()).await;
    assert_eq!((&facts["version"], &facts["weights"]), (&json!("8"), &json!({"9": 0.1})));
    for version in ["8", "9"] {
        let mut must = alias.clone();
        must["version"] = json!(version);
        let why = failed(cloud.run("lambda", must).await);
        assert!(why.contains("not all of it"), "{version}: {why}");
    }
    cloud.facts("lambda", shift("9")).await;
    let mut must = alias;
    must["version"] = json!("9");
    assert_eq!(cloud.facts("lambda", must).await["weights"], json!({}));
}

#[tokio::test]
async fn what_aws_refuses_for_now_is_sent_again_and_counts_once() {
    let (aws, cloud) = fake().await;
    aws.alias("api", "live", "8");
    let plan = cloud.plan("lambda", &shift("7")).await.unwrap();
    aws.throttle(2);
    let cx = StepContext { planned: plan.exact, ..cloud.context(Effect::Change) };
    let facts = done(executor::run(&*action("lambda", &shift("7")), &cx).await).facts;
    assert_eq!(facts["after"], "7");
    assert_eq!(aws.calls().iter().filter(|call| call.starts_with("PUT")).count(), 1);

    aws.throttle(2);
    assert_eq!(cloud.aws(json!({"do": "s3.list_objects", "bucket": "shop"})).await["count"], 0);
    aws.throttle(2);
    aws.log("/shop/api", ago(5).0, "ERROR disk full");
    let filter = json!({"do": "filter", "group": "/shop/api"});
    assert_eq!(cloud.facts("cloudwatch_logs", filter).await["count"], 1);

    // It is not tried for ever: the step's time ends it, and nothing was done.
    aws.throttle(1000);
    let cx = StepContext { timeout: Duration::from_millis(700), ..cloud.context(Effect::Change) };
    let outcome = executor::run(&*action("aws", &json!({"do": "s3.create_bucket", "bucket": "b"})), &cx).await;
    let why = failed(outcome);
    assert!(why.contains("not finished"), "{why}");
}

#[tokio::test]
async fn a_function_that_fails_fails_its_step_and_shows_its_log() {
    let (aws, cloud) = fake().await;
    aws.behaves("api", Behaviour::Echo);
    let call = json!({"do": "invoke", "function": "api", "payload": {"ping": 1}});
    let facts = cloud.facts("lambda", call.clone()).await;
    assert_eq!((&facts["status"], &facts["payload"]), (&json!(200), &json!({"ping": 1})));
    assert_eq!(facts["function_error"], Value::Null);

    aws.behaves("api", Behaviour::Error("no space left".to_owned()));
    let cx = cloud.context(Effect::Change);
    let outcome = executor::run(&*action("lambda", &call), &cx).await;
    let sereno::domain::step::Outcome::Failed(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.line.en().contains("no space left"), "{}", report.line.en());
    assert_eq!(report.facts["function_error"], "Unhandled");
    assert!(report.facts["lines"].as_array().unwrap().contains(&json!("ERROR disk full")));

    // A secret that it answers with does not come out.
    aws.behaves("api", Behaviour::Answer(json!({"password": "correct-horse-battery"})));
    let facts = cloud.facts("lambda", call).await;
    assert_eq!(facts["payload"]["password"], "[redacted db_password]");
    let huge = Behaviour::Answer(json!("x".repeat(500_000)));
    aws.behaves("api", huge);
    let facts = cloud.facts("lambda", json!({"do": "invoke", "function": "api"})).await;
    assert!(facts["truncated"] == true && facts["payload"].as_str().unwrap().len() <= 64 * 1024);
    let read = json!({"do": "invoke", "function": "api"});
    assert_eq!(action("lambda", &read).effect(None), Ok(Effect::Change));
    assert_eq!(action("lambda", &read).effect(Some(Effect::Read)), Ok(Effect::Read));
}

#[tokio::test]
async fn logs_are_searched_by_every_kind_of_pattern_on_every_page() {
    let (aws, cloud) = fake().await;
    for n in 0..20 {
        aws.log("/shop/api", ago(100 - n).0, &format!("INFO request {n}"));
    }
    aws.log("/shop/api", ago(50).0, "ERROR payment timed out");
    aws.log("/shop/api", ago(40).0, "{\"status\": 502, \"path\": \"/pay\", \"key\": \"correct-horse-battery\"}");
    aws.log("/shop/api", ago(100_000).0, "ERROR of yesterday");
    aws.log("/shop/db", ago(45).0, "ERROR too many connections");
    let count = async |pattern: &str| {
        let filter = json!({"do": "filter", "group": "/shop/api", "pattern": pattern, "since": "1h"});
        cloud.facts("cloudwatch_logs", filter).await["count"].clone()
    };
    for (pattern, found) in [
        ("ERROR", 1),
        ("%^timed out%", 0),
        ("%timed? out%", 1),
        ("{ $.status >= 500 }", 1),
        ("?ERROR ?\"request 7\"", 2),
        ("INFO -\"request 1\"", 9),
    ] {
        assert_eq!(count(pattern).await, found, "{pattern}");
    }
    let why =
        failed(cloud.run("cloudwatch_logs", json!({"do": "filter", "group": "/shop/api", "pattern": "%[%"})).await);
    assert!(why.contains("Invalid filter pattern"), "{why}");
    let both = json!({"do": "filter", "groups": ["/shop/api", "/shop/db"], "pattern": "ERROR"});
    let report = done(cloud.run("cloudwatch_logs", both).await);
    assert_eq!(report.facts["lines"], json!(["ERROR payment timed out", "ERROR too many connections"]));
    assert!(report.output.unwrap().head.contains("/shop/db | ERROR too many"));
    let newest = json!({"do": "filter", "group": "/shop/api", "limit": 1});
    let facts = cloud.facts("cloudwatch_logs", newest).await;
    assert_eq!((&facts["count"], &facts["truncated"]), (&json!(22), &json!(true)));
    assert!(facts["lines"][0].as_str().unwrap().contains("[redacted db_password]"), "{facts}");
    let none = json!({"do": "filter", "group": "/no/such"});
    assert!(failed(cloud.run("cloudwatch_logs", none).await).contains("does not exist"));
}

#[tokio::test]
async fn a_tail_shows_what_comes_and_ends_by_itself() {
    let (aws, cloud) = fake().await;
    aws.log("/shop/api", ago(600).0, "old");
    aws.log("/shop/api", ago(2).0, "ERROR one");
    let tail = json!({"do": "tail", "group": "/shop/api", "pattern": "ERROR", "since": "1m", "for": "15m", "limit": 3});
    let (live, mut watch) = Live::watched();
    let cx = StepContext { live, ..cloud.context(Effect::Read) };
    let step = action("cloudwatch_logs", &tail);
    let story = async {
        watch.wait_for(|recent| recent.text().contains("ERROR one")).await.unwrap();
        aws.log("/shop/api", Clock::System.now().0, "INFO fine");
        aws.log("/shop/api", Clock::System.now().0, "ERROR two");
        watch.wait_for(|recent| recent.text().contains("ERROR two")).await.unwrap();
        aws.log("/shop/api", Clock::System.now().0, "ERROR three");
    };
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), story);
    let facts = done(outcome).facts;
    assert_eq!(facts["lines"], json!(["ERROR one", "ERROR two", "ERROR three"]), "each once, and it ended at three");

    let short = json!({"do": "tail", "group": "/shop/api", "for": "1s"});
    assert_eq!(cloud.facts("cloudwatch_logs", short).await["count"], 0, "it begins now, and its time ends it");

    // Cancelled, it has only looked: failed, with what it saw.
    let cx = cloud.context(Effect::Read);
    let cancel = cx.cancel.clone();
    let stop = async {
        while !aws.calls().iter().rev().take(1).any(|call| call == "FilterLogEvents") {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let long = action("cloudwatch_logs", &json!({"do": "tail", "group": "/shop/api", "since": "1h", "for": "15m"}));
    let (outcome, ()) = tokio::join!(executor::run(&*long, &cx), stop);
    assert!(failed(outcome).contains("cancelled"));
}

#[tokio::test]
async fn every_request_is_signed_as_aws_checks_it() {
    let (aws, cloud) = fake().await;
    // A key of S3 is encoded once, other paths twice; the JSON and the query protocol sign their bodies.
    let head = json!({"do": "s3.head_object", "bucket": "shop", "key": "dev/año 1/a+b (1)%.dump", "version": "a/b=&c"});
    assert_eq!(cloud.aws(head).await["exists"], false);
    let facts = cloud.aws(json!({"do": "sqs.redrive", "queue": "jobs-dead"})).await;
    assert_eq!((&facts["messages"], &facts["task"]), (&json!(4), &json!("AQEB")));
    cloud.aws(json!({"do": "sqs.redrive", "queue": "jobs-dead", "to": "jobs-slow"})).await;
    assert_eq!(aws.moved(), ["jobs-dead", "jobs-dead to jobs-slow"]);
    let traces = done(cloud.run("aws", json!({"do": "xray.get_trace_summaries", "minutes": 30})).await);
    assert_eq!((&traces.facts["count"], &traces.facts["faults"]), (&json!(2), &json!(1)));
    assert_eq!(traces.facts["slowest"], json!(4.5));
    assert_eq!(traces.table.unwrap().rows[1][3], "502");
    assert_eq!(cloud.aws(json!({"do": "sts.get_caller_identity"})).await["account"], ACCOUNT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a");
    std::fs::write(&file, "x".repeat(300_000)).unwrap();
    let put = json!({"do": "s3.put_object", "bucket": "shop", "key": "a b", "file": file.display().to_string()});
    assert_eq!(cloud.aws(put).await["bytes"], 300_000);

    let other = Aws::start("another-secret-access-key").await;
    let wrong = Cloud::at(other.endpoint.clone());
    let why = failed(wrong.run("aws", json!({"do": "sts.get_caller_identity"})).await);
    assert!(why.contains("SignatureDoesNotMatch") && !why.contains(KEY), "{why}");
    let why = failed(wrong.run("lambda", json!({"do": "alias", "function": "api", "alias": "live"})).await);
    assert!(why.contains("SignatureDoesNotMatch"), "{why}");
}

#[tokio::test]
async fn aws_own_code_logs_only_errors_unless_it_is_named() {
    let nobody = provide_credentials_fn(async || Err(CredentialsError::provider_error("no role")));
    let nobody = CredentialsProviderChain::first_try("Machine", nobody);
    for (level, heard) in [
        ("info", false),
        ("debug", false),
        ("", false),
        ("info,sereno=trace", false),
        ("info,aws_config=warn", true),
        ("info,aws=warn", true),
    ] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let lines = tracing_subscriber::fmt().with_env_filter(telemetry::filter(level));
        let lines = lines.with_writer(log.reopen().unwrap()).finish();
        let guard = tracing::subscriber::set_default(lines);
        nobody.provide_credentials().await.unwrap_err();
        tracing::error!(target: "aws_config", "an error of theirs");
        tracing::info!("a line of ours");
        drop(guard);
        let log = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(log.contains("failed to provide credentials"), heard, "{level}: {log}");
        assert!(log.contains("an error of theirs") && log.contains("a line of ours"), "{level}: {log}");
    }
}
