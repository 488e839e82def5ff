//! `lambda`, `cloudwatch_logs` and `cloudwatch` on moto, in stories.
#![cfg(feature = "aws")]

mod aws_support;
mod executor_support;
mod parts;
mod support;

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_support::{Cloud, ago, done, failed, function, with, zip};
use executor_support::{Said, action};
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::executor::{self, StepContext};

/// Asks moto without a signature that anybody looks at.
async fn form(cloud: &Cloud, service: &str, body: &str) -> u16 {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIATESTTESTTESTTEST/20260301/eu-west-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    let request = executor::http::client()
        .post(&cloud.endpoint)
        .header("authorization", scope)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_function_is_looked_at_without_the_values_of_its_variables() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let of = |verb: &str| json!({"do": verb, "function": cloud.name});
    let facts = cloud.facts("lambda", of("configuration")).await;
    assert_eq!(facts["variables"], json!(["DB_PASSWORD", "LEVEL"]));
    assert_eq!((&facts["timeout"], &facts["memory"], &facts["reserved"]), (&json!(30), &json!(256), &json!("none")));
    assert_eq!(facts["log_group"], format!("/aws/lambda/{}", cloud.name));
    assert!(!facts.to_string().contains("hunter2"), "{facts}");
    let report = done(cloud.run("lambda", of("versions")).await);
    assert_eq!((&report.facts["versions"], &report.facts["latest"]), (&json!(["2", "1"]), &json!("2")));
    assert_eq!(report.table.unwrap().rows.len(), 2);
    let list = cloud.facts("lambda", json!({"do": "list", "prefix": cloud.name})).await;
    assert_eq!((&list["names"], &list["count"]), (&json!([cloud.name]), &json!(1)));
    let alias = cloud.facts("lambda", with(of("alias"), "alias", "live")).await;
    assert_eq!(alias["version"], "2");
    let none = json!({"do": "configuration", "function": "no-such-function"});
    assert!(failed(cloud.run("lambda", none).await).contains("ResourceNotFound"));
}

#[tokio::test]
async fn an_alias_is_led_back_to_the_version_before() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let shift = json!({"do": "shift", "function": cloud.name, "alias": "live", "version": "1"});
    let facts = cloud.facts("lambda", shift).await;
    assert_eq!((&facts["before"], &facts["after"]), (&json!("2"), &json!("1")));
    let missing = json!({"do": "shift", "function": cloud.name, "alias": "none", "version": "1"});
    assert!(cloud.plan("lambda", &missing).await.is_err());
}

#[tokio::test]
async fn code_goes_in_as_it_was_approved_and_a_version_is_published() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.zip");
    std::fs::write(&path, zip("three")).unwrap();
    let update =
        json!({"do": "update_code", "function": cloud.name, "zip": path.display().to_string(), "publish": true});
    let plan = cloud.plan("lambda", &update).await.unwrap();
    assert!(plan.line.en().contains(&digest::sha256(&zip("three"))[..12]), "{}", plan.line.en());
    std::fs::write(&path, zip("swapped")).unwrap();
    let cx = StepContext { planned: plan.exact, ..cloud.context(Effect::Change) };
    assert!(failed(executor::run(&*action("lambda", &update), &cx).await).contains("changed since the plan"));
    std::fs::write(&path, zip("three")).unwrap();
    let facts = cloud.facts("lambda", update).await;
    assert_ne!(facts["before"], facts["after"]);
    assert_eq!(facts["version"], "3");
    let (old, new) = (digest::sha256(&zip("two")), digest::sha256(&zip("three")));
    assert_eq!((&facts["before_sha256"], &facts["sha256"]), (&json!(old), &json!(new)));
    let look = |sha256: &str| json!({"do": "configuration", "function": cloud.name, "sha256": sha256});
    assert_eq!(cloud.facts("lambda", look(&new)).await["sha256"], json!(new));
    assert!(failed(cloud.run("lambda", look(&old)).await).contains("other code"), "it is another zip's");
}

#[tokio::test]
async fn variables_are_merged_unseen_and_a_kept_version_brings_them_back() {
    let Some(cloud) = Cloud::moto() else { return };
    let client = function(&cloud).await;
    let values = async || {
        let found = client.get_function_configuration().function_name(&cloud.name).send().await.unwrap();
        found.environment().unwrap().variables().unwrap().clone()
    };
    let kept = cloud.facts("lambda", json!({"do": "publish", "function": cloud.name})).await["version"].clone();
    let update = json!({
        "do": "update_configuration", "function": cloud.name, "timeout": "1m", "remove": ["LEVEL"],
        "variables": {"DB_PASSWORD": {"secret": "db_password"}, "REGION_NAME": "eu"},
    });
    let plan = cloud.plan("lambda", &update).await.unwrap();
    let text = digest::canonical(&plan);
    assert!(text.contains("db_password") && !text.contains("correct-horse") && !text.contains("hunter2"), "{text}");
    let facts = cloud.facts("lambda", update).await;
    assert_eq!(facts["before"], json!({"timeout": 30, "memory": 256, "variables": ["DB_PASSWORD", "LEVEL"]}));
    assert_eq!(facts["after"], json!({"timeout": 60, "memory": 256, "variables": ["DB_PASSWORD", "REGION_NAME"]}));
    assert_eq!(values().await["DB_PASSWORD"], "correct-horse-battery");
    let undo = json!({"do": "update_configuration", "function": cloud.name, "from_version": kept});
    let facts = cloud.facts("lambda", undo).await;
    assert_eq!(facts["after"], json!({"timeout": 30, "memory": 256, "variables": ["DB_PASSWORD", "LEVEL"]}));
    assert_eq!(values().await["DB_PASSWORD"], "hunter2hunter2");
    assert!(!facts.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_function_is_turned_off_and_on_again() {
    let Some(cloud) = Cloud::moto() else { return };
    function(&cloud).await;
    let reserve = |reserved: Value| json!({"do": "concurrency", "function": cloud.name, "reserved": reserved});
    let facts = cloud.facts("lambda", reserve(json!(0))).await;
    assert_eq!((&facts["before"], &facts["after"]), (&json!("none"), &json!(0)));
    let plan = cloud.plan("lambda", &reserve(json!("none"))).await.unwrap();
    assert!(plan.line.en().ends_with("none, now 0"), "{}", plan.line.en());
    let facts = cloud.facts("lambda", reserve(facts["before"].clone())).await;
    assert_eq!((&facts["before"], &facts["after"]), (&json!(0), &json!("none")));
}

#[tokio::test]
async fn logs_are_read_listed_and_asked() {
    let Some(cloud) = Cloud::moto() else { return };
    let client = aws_sdk_cloudwatchlogs::Client::new(&cloud.sdk().await);
    let group = format!("/shop/{}", cloud.name);
    client.create_log_group().log_group_name(&group).send().await.unwrap();
    client.create_log_stream().log_group_name(&group).log_stream_name("a").send().await.unwrap();
    let event =
        |seconds: i64, text: &str| InputLogEvent::builder().timestamp(ago(seconds).0).message(text).build().unwrap();
    let events = vec![event(300, "ERROR disk full"), event(200, "INFO fine"), event(100, "ERROR again")];
    let put = client.put_log_events().log_group_name(&group).log_stream_name("a").set_log_events(Some(events));
    put.send().await.unwrap();

    let filter = json!({"do": "filter", "group": group, "pattern": "ERROR", "since": "1h"});
    let report = done(cloud.run("cloudwatch_logs", filter).await);
    assert_eq!((&report.facts["count"], &report.facts["truncated"]), (&json!(2), &json!(false)));
    assert_eq!(report.facts["lines"], json!(["ERROR disk full", "ERROR again"]));
    assert!(report.output.unwrap().head.contains("ERROR disk full"));
    let last = json!({"do": "filter", "group": group, "pattern": "ERROR", "since": "150s"});
    assert_eq!(cloud.facts("cloudwatch_logs", last).await["lines"], json!(["ERROR again"]));
    // Moto's stream has every line of the group in it, whatever its age, and is over at once.
    let tail = json!({"do": "tail", "group": group, "since": "150s", "for": "15m", "limit": 3});
    let report = done(cloud.run("cloudwatch_logs", tail).await);
    assert_eq!(report.facts["count"], 3, "{}", report.facts);
    assert_eq!(report.facts["lines"][0], "ERROR again", "{}", report.facts);
    let groups = cloud.facts("cloudwatch_logs", json!({"do": "groups", "prefix": group})).await;
    assert_eq!(groups["names"], json!([group]));
    let query =
        json!({"do": "insights", "group": group, "query": "fields @timestamp, @message | sort @timestamp desc"});
    let report = done(cloud.run("cloudwatch_logs", query).await);
    assert!(report.facts["count"].as_u64().unwrap() >= 1, "{}", report.facts);
    assert!(report.table.is_some_and(|table| !table.columns.is_empty()));
}

#[tokio::test]
async fn metrics_alarms_and_dashboards_are_read() {
    let Some(cloud) = Cloud::moto() else { return };
    let name = &cloud.name;
    for (at, value) in [(600, 3), (300, 5)] {
        let time = ago(at).to_string();
        let body = format!(
            "Action=PutMetricData&Version=2010-08-01&Namespace=Shop&MetricData.member.1.MetricName={name}\
             &MetricData.member.1.Value={value}&MetricData.member.1.Timestamp={time}\
             &MetricData.member.1.Dimensions.member.1.Name=Service&MetricData.member.1.Dimensions.member.1.Value=api"
        );
        assert_eq!(form(&cloud, "monitoring", &body).await, 200);
    }
    let metric = json!({
        "do": "metric", "namespace": "Shop", "name": name, "dimensions": {"Service": "api"}, "period": "1m",
    });
    let report = done(cloud.run("cloudwatch", metric).await);
    assert_eq!((&report.facts["sum"], &report.facts["latest"]), (&json!(8.0), &json!(5.0)), "{}", report.facts);
    assert_eq!((&report.facts["max"], &report.facts["values"]), (&json!(5.0), &json!([3.0, 5.0])));
    assert_eq!(report.table.unwrap().rows.len(), 2);
    let nothing = json!({"do": "metric", "namespace": "Shop", "name": "none"});
    let report = done(cloud.run("cloudwatch", nothing).await);
    assert_eq!((&report.facts["latest"], report.line.en().as_str()), (&Value::Null, "no values in that time"));

    let alarm = format!(
        "Action=PutMetricAlarm&Version=2010-08-01&AlarmName={name}-errors&MetricName={name}&Namespace=Shop&Statistic=Sum\
         &Period=60&EvaluationPeriods=1&Threshold=1&ComparisonOperator=GreaterThanThreshold"
    );
    assert_eq!(form(&cloud, "monitoring", &alarm).await, 200);
    let alarms = json!({"do": "alarms", "prefix": name});
    let facts = cloud.facts("cloudwatch", alarms.clone()).await;
    assert_eq!((&facts["count"], &facts["in_alarm"]), (&json!(1), &json!([])));
    let ring = format!(
        "Action=SetAlarmState&Version=2010-08-01&AlarmName={name}-errors&StateValue=ALARM&StateReason=too+many"
    );
    assert_eq!(form(&cloud, "monitoring", &ring).await, 200);
    let facts = cloud.facts("cloudwatch", alarms).await;
    assert_eq!((&facts["in_alarm"], &facts["alarming"]), (&json!([format!("{name}-errors")]), &json!(1)));

    let widgets = "%7B%22widgets%22%3A%5B%7B%22type%22%3A%22metric%22%2C%22properties%22%3A%7B%22title%22%3A%22Latency%22%7D%7D%5D%7D";
    let board = format!("Action=PutDashboard&Version=2010-08-01&DashboardName={name}&DashboardBody={widgets}");
    assert_eq!(form(&cloud, "monitoring", &board).await, 200);
    let facts = cloud.facts("cloudwatch", json!({"do": "dashboard", "name": name})).await;
    assert_eq!((&facts["titles"], &facts["widgets"]), (&json!(["Latency"]), &json!(1)));
    assert!(facts["link"].as_str().unwrap().ends_with(name), "{facts}");
}
