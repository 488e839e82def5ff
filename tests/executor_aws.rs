//! `aws` on moto: buckets, queues, tables and the rest of the closed list, in stories.
#![cfg(feature = "aws")]

mod aws_support;
mod executor_support;
mod parts;
mod support;

use aws_support::{ACCOUNT, Cloud, LONG, done, failed, unknown};
use executor_support::{Said, action, context};
use parts::Wire;
use serde_json::{Value, json};
use sereno::domain::digest::{self, sha256};
use sereno::domain::runbook::Effect;
use sereno::executor::{self, StepContext};

#[tokio::test]
async fn who_we_are_is_a_fact_and_a_guard() {
    let Some(cloud) = Cloud::moto() else { return };
    let facts = cloud.aws(json!({"do": "sts.get_caller_identity"})).await;
    assert_eq!((facts["account"].as_str(), facts["region"].as_str()), (Some(ACCOUNT), Some("eu-west-1")));
    assert!(facts["arn"].as_str().unwrap().starts_with("arn:aws:"), "{facts}");

    // In another account neither is it planned nor done.
    let create = json!({"do": "sqs.create_queue", "queue": cloud.name, "account": "999999999999"});
    let refused = cloud.plan("aws", &create).await.unwrap_err().en();
    assert!(refused.contains(ACCOUNT) && refused.contains("999999999999"), "{refused}");
    let outcome = executor::run(&*action("aws", &create), &cloud.context(Effect::Change)).await;
    assert!(failed(outcome).contains("999999999999"));
    assert_eq!(cloud.aws(json!({"do": "sqs.queue_url", "queue": cloud.name})).await["exists"], false);

    let create = json!({"do": "sqs.create_queue", "queue": cloud.name, "account": ACCOUNT});
    assert_eq!(cloud.aws(create).await["created"], true);
}

#[tokio::test]
async fn a_queue_is_made_once_and_its_dead_letters_come_back() {
    let Some(cloud) = Cloud::moto() else { return };
    let (jobs, dead) = (format!("{}-jobs", cloud.name), format!("{}-dead", cloud.name));
    assert_eq!(cloud.aws(json!({"do": "sqs.create_queue", "queue": dead})).await["created"], true);
    let create = json!({"do": "sqs.create_queue", "queue": jobs, "dead_letter_queue": dead, "max_receives": 3});
    let facts = cloud.aws(create.clone()).await;
    assert!(facts["created"] == true && facts["url"].as_str().unwrap().ends_with(&jobs), "{facts}");
    assert_eq!(cloud.aws(create).await["created"], false, "the second time it is there");
    let listed = cloud.aws(json!({"do": "sqs.list_queues", "prefix": cloud.name})).await;
    assert_eq!(listed["count"], 2);
    assert!(listed["queues"].as_array().unwrap().contains(&json!(jobs)), "{listed}");

    let facts = cloud.aws(json!({"do": "sqs.queue", "queue": jobs})).await;
    assert_eq!((&facts["messages"], &facts["dead_letter_queue"]), (&json!(0), &json!(dead)));
    assert_eq!((&facts["dead_letter_messages"], &facts["max_receives"]), (&json!(0), &json!(3)));

    let none = cloud.plan("aws", &json!({"do": "sqs.purge", "queue": "no-such-queue"})).await.unwrap_err();
    assert!(none.en().contains("no-such-queue"), "{}", none.en());
    for verb in ["sqs.purge", "sqs.delete_queue"] {
        done(cloud.run("aws", json!({"do": verb, "queue": jobs})).await);
    }
    assert_eq!(cloud.aws(json!({"do": "sqs.queue_url", "queue": jobs})).await["exists"], false);
}

#[tokio::test]
async fn a_backup_goes_into_a_bucket_and_an_older_version_comes_back() {
    let Some(cloud) = Cloud::moto() else { return };
    let bucket = cloud.name.clone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.dump");
    let path = file.display().to_string();
    assert_eq!(cloud.aws(json!({"do": "s3.head_bucket", "bucket": bucket})).await["exists"], false);
    assert_eq!(cloud.aws(json!({"do": "s3.create_bucket", "bucket": bucket})).await["created"], true);
    assert_eq!(cloud.aws(json!({"do": "s3.create_bucket", "bucket": bucket})).await["created"], false);
    assert_eq!(cloud.aws(json!({"do": "s3.head_bucket", "bucket": bucket})).await["exists"], true);
    versioned(&cloud, &bucket).await;

    let key = "dev/año 1/shop+state (1).dump";
    let put = json!({"do": "s3.put_object", "bucket": bucket, "key": key, "file": path});
    assert!(cloud.plan("aws", &put).await.is_err(), "there is no file yet");
    std::fs::write(&file, "first\n".repeat(20_000)).unwrap();
    let plan = cloud.plan("aws", &put).await.unwrap();
    assert_eq!(plan.exact["found"]["sha256"], sha256("first\n".repeat(20_000).as_bytes()));
    let first = cloud.aws(put.clone()).await;
    assert_eq!((&first["bytes"], &first["before"]), (&json!(120_000), &Value::Null));

    // What was approved is not what is there by now.
    let stale = StepContext { planned: plan.exact, ..cloud.context(Effect::Change) };
    std::fs::write(&file, "second\n").unwrap();
    let refused = failed(executor::run(&*action("aws", &put), &stale).await);
    assert!(refused.contains("changed since the plan"), "{refused}");
    let second = cloud.aws(put).await;
    assert_eq!(second["before"], first["version"]);

    let versions = cloud.aws(json!({"do": "s3.list_object_versions", "bucket": bucket, "key": key})).await;
    assert_eq!(versions["versions"], json!([second["version"], first["version"]]));
    assert_eq!(versions["current"], second["version"]);
    let back = json!({"do": "s3.copy_version", "bucket": bucket, "key": key, "version": first["version"]});
    let back = cloud.aws(back).await;
    assert_eq!(back["before"], second["version"]);
    let head = cloud.aws(json!({"do": "s3.head_object", "bucket": bucket, "key": key})).await;
    assert_eq!((&head["exists"], &head["bytes"]), (&json!(true), &json!(120_000)));

    let listed = cloud.aws(json!({"do": "s3.list_objects", "bucket": bucket, "prefix": "dev/"})).await;
    assert_eq!((&listed["keys"], &listed["bytes"]), (&json!([key]), &json!(120_000)));
    assert!(listed["newest_age"].as_i64().unwrap() < 120, "{listed}");

    let copy = folder.path().join("copy.dump").display().to_string();
    let get = json!({"do": "s3.get_object", "bucket": bucket, "key": key, "file": copy});
    let got = cloud.aws(get.clone()).await;
    assert_eq!(got["sha256"], sha256("first\n".repeat(20_000).as_bytes()));
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), "first\n".repeat(20_000));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "what is fetched may hold passwords");
    assert!(failed(cloud.run("aws", get).await).contains("not overwritten"));
    let missing = json!({"do": "s3.get_object", "bucket": bucket, "key": "none", "file": format!("{copy}2")});
    assert!(failed(cloud.run("aws", missing).await).contains("NotFound"));
    assert_eq!(cloud.aws(json!({"do": "s3.head_object", "bucket": bucket, "key": "none"})).await["exists"], false);
    assert!(
        failed(cloud.run("aws", json!({"do": "s3.delete_bucket", "bucket": bucket})).await).contains("BucketNotEmpty")
    );
}

async fn versioned(cloud: &Cloud, bucket: &str) {
    let body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
    let url = format!("{}/{bucket}?versioning", cloud.endpoint);
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let answer = reqwest_put(&url, scope, body).await;
    assert_eq!(answer, 200);
}

async fn reqwest_put(url: &str, authorization: &str, body: &str) -> u16 {
    let client = sereno::executor::http::client();
    let request = client.put(url).header("authorization", authorization).body(body.to_owned());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_lifecycle_is_replaced_and_the_one_before_comes_back() {
    let Some(cloud) = Cloud::moto() else { return };
    let bucket = cloud.name.clone();
    cloud.aws(json!({"do": "s3.create_bucket", "bucket": bucket})).await;
    let look = json!({"do": "s3.get_bucket_lifecycle", "bucket": bucket});
    assert_eq!(cloud.aws(look.clone()).await["before"], "none");
    let rules = |days: u64| {
        json!({"do": "s3.put_bucket_lifecycle", "bucket": bucket, "rules": [
            {"id": "cold", "prefix": "raw/", "days": days, "storage_class": "GLACIER", "expire_days": 730},
        ]})
    };
    assert_eq!(action("aws", &rules(90)).effect(None), Ok(Effect::Destroy));
    assert_eq!(cloud.aws(rules(90)).await["before"], "none");
    let facts = cloud.aws(look.clone()).await;
    assert_eq!(facts["count"], 1);
    assert_eq!(
        (&facts["rules"][0]["days"], &facts["rules"][0]["storage_class"], &facts["rules"][0]["expire_days"]),
        (&json!(90), &json!("GLACIER"), &json!(730))
    );
    let changed = cloud.aws(rules(30)).await;
    let undo = json!({"do": "s3.put_bucket_lifecycle", "bucket": bucket, "xml": changed["before"]});
    cloud.aws(undo).await;
    assert_eq!(cloud.aws(look.clone()).await["rules"][0]["days"], 90);
    cloud.aws(json!({"do": "s3.put_bucket_lifecycle", "bucket": bucket, "xml": "none"})).await;
    assert_eq!(cloud.aws(look).await["exists"], false);
    assert_eq!(cloud.aws(json!({"do": "s3.get_bucket_policy", "bucket": bucket})).await["exists"], false);
    let stray = json!({"do": "s3.put_bucket_lifecycle", "bucket": bucket, "rules": [{"day": 1}]});
    assert!(failed(cloud.run("aws", stray).await).contains("“day”"));
    done(cloud.run("aws", json!({"do": "s3.delete_bucket", "bucket": bucket})).await);
}

#[tokio::test]
async fn deleting_a_lock_that_is_not_there_is_a_failure() {
    let Some(cloud) = Cloud::moto() else { return };
    let table = cloud.name.clone();
    let facts = cloud.aws(json!({"do": "dynamodb.create_table", "table": table, "key": "LockID"})).await;
    assert!(facts["status"].is_string(), "{facts}");
    let facts = cloud.aws(json!({"do": "dynamodb.describe_table", "table": table})).await;
    assert_eq!((&facts["status"], &facts["key"]), (&json!("ACTIVE"), &json!("LockID")));
    put_item(&cloud, &table, json!({"LockID": {"S": "state/dev.tfstate"}, "Info": {"S": "ana"}, "n": {"N": "7"}}))
        .await;

    // The key that people would think of, and that is not the lock's.
    let wrong = json!({"do": "dynamodb.delete_item", "table": table, "key": {"LockID": "5f1c-uuid"}});
    let why = cloud.plan("aws", &wrong).await.unwrap_err().en();
    assert!(why.contains("nothing was deleted") && why.contains("5f1c-uuid"), "{why}");
    let outcome = executor::run(&*action("aws", &wrong), &cloud.context(Effect::Destroy)).await;
    assert!(failed(outcome).contains("nothing was deleted"));

    let right = json!({"do": "dynamodb.delete_item", "table": table, "key": {"LockID": "state/dev.tfstate"}});
    let plan = cloud.plan("aws", &right).await.unwrap();
    assert_eq!(plan.exact["found"]["item"]["Info"], "ana", "the approver sees whose lock it is");
    put_item(&cloud, &table, json!({"LockID": {"S": "state/dev.tfstate"}, "Info": {"S": "leo"}})).await;
    let stale = StepContext { planned: plan.exact, ..cloud.context(Effect::Destroy) };
    assert!(failed(executor::run(&*action("aws", &right), &stale).await).contains("changed since the plan"));
    assert_eq!(cloud.aws(right).await["item"]["Info"], "leo");
    let get = json!({"do": "dynamodb.get_item", "table": table, "key": {"LockID": "state/dev.tfstate"}});
    assert_eq!(cloud.aws(get).await["exists"], false);
}

async fn put_item(cloud: &Cloud, table: &str, item: Value) {
    let client = sereno::executor::http::client();
    let request = client
        .post(&cloud.endpoint)
        .header("x-amz-target", "DynamoDB_20120810.PutItem")
        .header("content-type", "application/x-amz-json-1.0")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIATESTTESTTESTTEST/20260301/eu-west-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=0",
        )
        .body(json!({"TableName": table, "Item": item}).to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn items_are_counted_scanned_and_found_by_key() {
    let Some(cloud) = Cloud::moto() else { return };
    let table = cloud.name.clone();
    cloud.aws(json!({"do": "dynamodb.create_table", "table": table, "key": "shop", "sort_key": "day"})).await;
    for day in 1..=12 {
        let day = format!("2026-03-{day:02}");
        put_item(&cloud, &table, json!({"shop": {"S": "north"}, "day": {"S": day}, "sum": {"N": "9.5"}})).await;
    }
    assert_eq!(cloud.aws(json!({"do": "dynamodb.count", "table": table})).await["count"], 12);
    let scan = done(cloud.run("aws", json!({"do": "dynamodb.scan", "table": table})).await);
    assert_eq!((&scan.facts["count"], &scan.facts["truncated"]), (&json!(10), &json!(true)));
    assert_eq!(scan.table.unwrap().rows.len(), 10);
    let query = json!({"do": "dynamodb.query", "table": table, "key": {"shop": "north", "day": "2026-03-05"}});
    assert_eq!(cloud.aws(query).await["items"], json!([{"shop": "north", "day": "2026-03-05", "sum": 9.5}]));
    let newest =
        json!({"do": "dynamodb.query", "table": table, "key": {"shop": "north"}, "newest_first": true, "limit": 1});
    assert_eq!(cloud.aws(newest).await["items"][0]["day"], "2026-03-12");
    done(cloud.run("aws", json!({"do": "dynamodb.delete_table", "table": table})).await);
    assert_eq!(cloud.aws(json!({"do": "dynamodb.describe_table", "table": table})).await["exists"], false);
}

#[tokio::test]
async fn a_password_is_rotated_and_its_value_is_never_seen() {
    let Some(cloud) = Cloud::moto() else { return };
    let name = cloud.name.clone();
    create_secret(&cloud, &name).await;
    let put = json!({"do": "secretsmanager.put_secret_value", "secret": name, "value": {"secret": "db_password"}});
    let plan = cloud.plan("aws", &put).await.unwrap();
    let text = digest::canonical(&plan);
    assert!(text.contains("db_password") && !text.contains("correct-horse"), "{text}");
    let facts = cloud.aws(put.clone()).await;
    assert!(facts["before"].is_string() && facts["version"].is_string(), "{facts}");
    assert!(!facts.to_string().contains("correct-horse"), "{facts}");
    let look = json!({"do": "secretsmanager.describe_secret", "secret": name});
    let seen = cloud.aws(look.clone()).await;
    assert_eq!((&seen["version"], &seen["previous"]), (&facts["version"], &facts["before"]));
    let undo = json!({"do": "secretsmanager.restore_secret_version", "secret": name, "version": facts["before"]});
    cloud.aws(undo).await;
    assert_eq!(cloud.aws(look).await["version"], facts["before"]);

    let plain = json!({"do": "secretsmanager.put_secret_value", "secret": name, "value": "in the open"});
    let refused = (executor::find("aws").unwrap().parse)(&plain).err().unwrap().en();
    assert!(refused.contains("{secret: name}"), "{refused}");
    assert_eq!(action("aws", &put).secrets(), ["db_password"]);
}

async fn create_secret(cloud: &Cloud, name: &str) {
    let client = sereno::executor::http::client();
    let request = client
        .post(&cloud.endpoint)
        .header("x-amz-target", "secretsmanager.CreateSecret")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIATESTTESTTESTTEST/20260301/eu-west-1/secretsmanager/aws4_request, \
             SignedHeaders=host, Signature=0",
        )
        .body(json!({"Name": name, "SecretString": "old", "ClientRequestToken": "0".repeat(32)}).to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_rest_of_the_list_is_looked_at() {
    let Some(cloud) = Cloud::moto() else { return };
    for verb in [
        "acm.list_certificates",
        "apigateway.get_rest_apis",
        "cloudformation.list_stacks",
        "sns.list_topics",
        "rds.describe_db_snapshots",
    ] {
        let facts = cloud.aws(json!({"do": verb})).await;
        assert!(facts["count"].is_number(), "{verb}: {facts}");
    }
    let some = json!({"do": "cloudformation.list_stacks", "status": ["CREATE_COMPLETE"]});
    // Other tests have stacks of their own in the same AWS.
    assert!(cloud.aws(some).await["count"].is_number());
    for (with, says) in [
        (json!({"do": "route53.list_resource_record_sets", "zone": "Z000"}), "NoSuchHostedZone"),
        (json!({"do": "rds.describe_db_instance", "instance": "none"}), "DBInstanceNotFound"),
        (json!({"do": "rds.create_db_snapshot", "instance": "none", "snapshot": "s"}), "DBInstanceNotFound"),
        (
            json!({"do": "cloudfront.get_invalidation", "distribution": "E0", "invalidation": "I0"}),
            "NoSuchDistribution",
        ),
        (json!({"do": "cloudfront.create_invalidation", "distribution": "E0", "paths": ["/*"]}), "NoSuchDistribution"),
        (
            json!({"do": "acm.describe_certificate", "certificate": format!("arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/x")}),
            "ResourceNotFound",
        ),
        (json!({"do": "apigateway.get_stages", "api": "none"}), ""),
    ] {
        let outcome = cloud.run("aws", with.clone()).await;
        if !says.is_empty() {
            let why = failed(outcome);
            assert!(why.contains(says), "{with}: {why}");
        }
    }
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_unknown_and_a_look_has_failed() {
    let Some(cloud) = Cloud::moto() else { return };
    let part = cloud.endpoint.trim_start_matches("http://").to_owned();
    let wire = Wire::to(&part, "CreateQueue").await;
    let cut = Cloud { endpoint: format!("http://127.0.0.1:{}", wire.port), name: cloud.name.clone() };
    let create = json!({"do": "sqs.create_queue", "queue": cloud.name});
    unknown(executor::run(&*action("aws", &create), &cut.context(Effect::Change)).await);
    assert_eq!(cloud.aws(json!({"do": "sqs.queue_url", "queue": cloud.name})).await["exists"], true, "it was made");

    let wire = Wire::to(&part, "GetQueueUrl").await;
    let cut = Cloud { endpoint: format!("http://127.0.0.1:{}", wire.port), name: cloud.name.clone() };
    let outcome = executor::run(&*action("aws", &create), &cut.context(Effect::Change)).await;
    assert!(failed(outcome).contains("no complete answer"), "nothing was sent that changes anything");
}

#[tokio::test]
async fn an_aws_that_is_not_there_is_a_failure_in_words() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cloud = Cloud::at("http://127.0.0.1:9".to_owned());
    let create = json!({"do": "sqs.create_queue", "queue": "jobs"});
    let outcome = executor::run(&*action("aws", &create), &cloud.context(Effect::Change)).await;
    assert!(failed(outcome).contains("cannot be reached"));
    let shift = json!({"do": "shift", "function": "api", "alias": "live", "version": "2"});
    let outcome = executor::run(&*action("lambda", &shift), &cloud.context(Effect::Change)).await;
    assert!(failed(outcome).contains("cannot be reached"));
    let region = json!({"do": "sqs.list_queues", "region": "evil.example.com/"});
    assert!(
        failed(executor::run(&*action("aws", &region), &cloud.context(Effect::Read)).await).contains("not a region")
    );
}

#[tokio::test]
async fn a_cancelled_attempt_has_failed_before_anything_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cloud = Cloud::at(format!("http://{}", listener.local_addr().unwrap()));
    let cx = StepContext { timeout: LONG, ..context(&cloud.tools(), Effect::Change, LONG) };
    let cancel = cx.cancel.clone();
    let step = action("aws", &json!({"do": "s3.delete_bucket", "bucket": "shop"}));
    let accept = async {
        let accepted = listener.accept().await;
        cancel.cancel();
        std::future::pending::<()>().await;
        drop(accepted);
    };
    let outcome = tokio::select! { outcome = executor::run(&*step, &cx) => outcome, () = accept => unreachable!() };
    assert!(unknown(outcome).line.en().contains("nobody heard"), "it was on its way");
}

#[test]
fn an_operation_takes_its_own_fields_and_no_other() {
    let refused = |with: Value| (executor::find("aws").unwrap().parse)(&with).err().unwrap().en();
    for (with, says) in [
        (json!({"queue": "jobs"}), "`do`"),
        (json!({"do": "sqs.drop", "queue": "jobs"}), "sqs.purge"),
        (json!({"do": "ec2.terminate"}), "s3.head_bucket"),
        (json!({"do": "sqs.purge", "queue": "jobs", "bucket": "x"}), "“bucket”"),
        (json!({"do": "sqs.purge"}), "`queue`"),
        (json!({"do": "sqs.purge", "queue": "a\r\nx: y"}), "one line"),
        (json!({"do": "dynamodb.scan", "table": "t", "limit": 1000}), "1 to 100"),
        (json!({"do": "dynamodb.get_item", "table": "t", "key": "id"}), "names with values"),
    ] {
        let why = refused(with.clone());
        assert!(why.contains(says), "{with}: {why}");
    }
    let purge = action("aws", &json!({"do": "sqs.purge", "queue": "jobs"}));
    assert!(purge.effect(Some(Effect::Change)).unwrap_err().en().contains("destroy"));
}

#[test]
fn the_guide_names_every_verb_and_operation() {
    let guide = std::fs::read_to_string("docs/actions/aws.md").unwrap();
    let verbs = executor::aws::lambda::Verb::ALL.iter().map(|verb| verb.as_str());
    let verbs = verbs.chain(executor::aws::logs::Verb::ALL.iter().map(|verb| verb.as_str()));
    let verbs = verbs.chain(executor::aws::cloudwatch::Verb::ALL.iter().map(|verb| verb.as_str()));
    for word in verbs.chain(executor::aws::call::operations()) {
        assert!(guide.contains(&format!("| `{word}` |")), "{word} is not in the guide");
    }
}
