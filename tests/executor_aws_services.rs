//! `aws` on moto where it answers with what is there: CloudFront, RDS, Route 53, ACM, API Gateway, CloudFormation, SNS,
//! X-Ray, a policy of S3, a rotation of Secrets Manager.
#![cfg(feature = "aws")]

mod aws_support;
mod executor_support;
mod parts;
mod support;

use aws_support::{ACCOUNT, Cloud, asked, done, failed, with};
use executor_support::{Said, action};
use serde_json::{Value, json};
use sereno::clock::{Clock, Timestamp};
use sereno::domain::runbook::Effect;
use sereno::executor::{self, StepContext};

const FORM: (&str, &str, &str) = ("POST", "/", "application/x-www-form-urlencoded");

/// The first text in an element of this name.
fn element(xml: &str, name: &str) -> String {
    let inside = xml.split(&format!("<{name}>")).nth(1).unwrap_or_else(|| panic!("no {name}: {xml}"));
    inside.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_distribution_forgets_what_it_holds() {
    let Some(cloud) = Cloud::moto() else { return };
    let body = format!(
        "<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><CallerReference>{}</CallerReference>\
         <Origins><Quantity>1</Quantity><Items><Origin><Id>o</Id><DomainName>site.s3.amazonaws.com</DomainName>\
         <S3OriginConfig><OriginAccessIdentity></OriginAccessIdentity></S3OriginConfig></Origin></Items></Origins>\
         <DefaultCacheBehavior><TargetOriginId>o</TargetOriginId><ViewerProtocolPolicy>allow-all</ViewerProtocolPolicy>\
         </DefaultCacheBehavior><Comment></Comment><Enabled>true</Enabled></DistributionConfig>",
        cloud.name
    );
    let made = asked(&cloud, "cloudfront", ("POST", "/2020-05-31/distribution", "application/xml"), body).await;
    let id = element(&made, "Id");
    let forget = json!({"do": "cloudfront.create_invalidation", "distribution": id, "paths": ["/*", "/a&b.html"]});
    let facts = cloud.aws(forget).await;
    let look = json!({"do": "cloudfront.get_invalidation", "distribution": id, "invalidation": facts["invalidation"]});
    let status = cloud.aws(look).await["status"].clone();
    assert_eq!((&status, status.as_str().map(str::to_lowercase).as_deref()), (&facts["status"], Some("completed")));
    let path = format!("/2020-05-31/distribution/{id}/invalidation/{}", facts["invalidation"].as_str().unwrap());
    let seen = asked(&cloud, "cloudfront", ("GET", &path, "text/xml"), String::new()).await;
    assert!(seen.contains("<Path>/*</Path>") && seen.contains("/a&amp;b.html"), "{seen}");
}

#[tokio::test]
async fn a_database_is_looked_at_kept_in_a_snapshot_and_the_snapshot_deleted() {
    let Some(cloud) = Cloud::moto() else { return };
    let database = cloud.name.clone();
    let make = format!(
        "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier={database}&DBInstanceClass=db.t3.micro\
         &Engine=postgres&AllocatedStorage=20&MasterUsername=shop&MasterUserPassword=hunter2hunter2\
         &BackupRetentionPeriod=7&PubliclyAccessible=true"
    );
    asked(&cloud, "rds", FORM, make).await;
    let facts = cloud.aws(json!({"do": "rds.describe_db_instance", "instance": database})).await;
    assert_eq!((&facts["status"], &facts["engine"]), (&json!("available"), &json!("postgres")), "{facts}");
    assert_eq!((&facts["backup_days"], &facts["public"]), (&json!(7), &json!(true)), "{facts}");

    let snapshot = format!("{database}-before");
    let keep = json!({"do": "rds.create_db_snapshot", "instance": database, "snapshot": snapshot});
    assert_eq!(cloud.aws(keep.clone()).await["snapshot"], snapshot);
    assert!(failed(cloud.run("aws", keep).await).contains("AlreadyExists"), "a snapshot is never replaced");
    let facts = cloud.aws(json!({"do": "rds.describe_db_snapshots", "snapshot": snapshot})).await;
    assert_eq!((&facts["names"], &facts["snapshots"][0]["status"]), (&json!([snapshot]), &json!("available")));
    assert!(facts["snapshots"][0]["age"].as_i64().is_some_and(|age| age < 600), "{facts}");
    let of_it = with(json!({"do": "rds.describe_db_snapshots"}), "instance", &database);
    // The nightly ones are there, too.
    let there = |facts: &Value| facts["names"].as_array().unwrap().contains(&json!(snapshot));
    assert!(there(&cloud.aws(of_it.clone()).await));
    let facts = cloud.aws(json!({"do": "rds.delete_db_snapshot", "snapshot": snapshot})).await;
    assert_eq!(facts["snapshot"], snapshot);
    assert!(!there(&cloud.aws(of_it).await));
}

#[tokio::test]
async fn records_and_certificates_of_a_domain_are_read() {
    let Some(cloud) = Cloud::moto() else { return };
    let domain = format!("{}.example.com", cloud.name);
    let xmlns = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";
    let zone = format!(
        "<CreateHostedZoneRequest {xmlns}><Name>{domain}</Name><CallerReference>{domain}</CallerReference>\
         </CreateHostedZoneRequest>"
    );
    let made = asked(&cloud, "route53", ("POST", "/2013-04-01/hostedzone", "application/xml"), zone).await;
    let zone = element(&made, "Id");
    let change = format!(
        "<ChangeResourceRecordSetsRequest {xmlns}><ChangeBatch><Changes><Change><Action>CREATE</Action>\
         <ResourceRecordSet><Name>www.{domain}</Name><Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>\
         <Value>192.0.2.1</Value></ResourceRecord><ResourceRecord><Value>192.0.2.2</Value></ResourceRecord>\
         </ResourceRecords></ResourceRecordSet></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
    );
    let path = format!(
        "/2013-04-01{}/rrset",
        if zone.starts_with('/') { zone.clone() } else { format!("/hostedzone/{zone}") }
    );
    asked(&cloud, "route53", ("POST", &path, "application/xml"), change).await;
    let look = json!({"do": "route53.list_resource_record_sets", "zone": zone, "name": format!("www.{domain}")});
    let facts = cloud.aws(look).await;
    let record = &facts["records"][0];
    assert_eq!((&record["type"], &record["ttl"]), (&json!("A"), &json!(60)), "{facts}");
    assert_eq!(record["values"], json!(["192.0.2.1", "192.0.2.2"]));
    assert!(record["name"].as_str().unwrap().starts_with("www."), "{facts}");

    let request = json!({"DomainName": domain, "ValidationMethod": "DNS"}).to_string();
    let made = asked(&cloud, "acm", ("POST", "/", "CertificateManager.RequestCertificate"), request).await;
    let arn = serde_json::from_str::<Value>(&made).unwrap()["CertificateArn"].clone();
    let facts = cloud.aws(json!({"do": "acm.list_certificates", "domain": domain})).await;
    assert_eq!((&facts["count"], &facts["certificates"][0]["arn"]), (&json!(1), &arn), "{facts}");
    let facts = cloud.aws(json!({"do": "acm.describe_certificate", "certificate": arn})).await;
    assert_eq!((&facts["domain"], &facts["in_use"]), (&json!(domain), &json!(false)), "{facts}");
    assert!(facts["status"].is_string() && facts["validation"][0]["record"].is_string(), "{facts}");
    let facts = cloud.aws(json!({"do": "acm.list_certificates", "domain": domain, "status": "EXPIRED"})).await;
    assert_eq!(facts["count"], 0);
}

#[tokio::test]
async fn an_api_and_its_stages_are_listed() {
    let Some(cloud) = Cloud::moto() else { return };
    let post = async |path: &str, body: Value| {
        let answer = asked(&cloud, "apigateway", ("POST", path, "application/json"), body.to_string()).await;
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let api = text(&post("/restapis", json!({"name": cloud.name})).await["id"]);
    let path = format!("/restapis/{api}/resources");
    let resources = asked(&cloud, "apigateway", ("GET", &path, "application/json"), String::new());
    let root = text(&serde_json::from_str::<Value>(&resources.await).unwrap()["item"][0]["id"]);
    let method = format!("/restapis/{api}/resources/{root}/methods/GET");
    let put = async |path: &str, body: Value| {
        asked(&cloud, "apigateway", ("PUT", path, "application/json"), body.to_string()).await;
    };
    put(&method, json!({"authorizationType": "NONE"})).await;
    put(&format!("{method}/integration"), json!({"type": "MOCK"})).await;
    post(&format!("/restapis/{api}/deployments"), json!({"stageName": "live"})).await;

    let facts = cloud.aws(json!({"do": "apigateway.get_rest_apis"})).await;
    assert!(facts["apis"].as_array().unwrap().contains(&json!({"id": api, "name": cloud.name})), "{facts}");
    let facts = cloud.aws(json!({"do": "apigateway.get_stages", "api": api})).await;
    assert_eq!((&facts["count"], &facts["stages"][0]["name"]), (&json!(1), &json!("live")), "{facts}");
}

#[tokio::test]
async fn stacks_and_topics_that_are_there_are_listed() {
    let Some(cloud) = Cloud::moto() else { return };
    let template = "%7B%22Resources%22%3A%7B%22Q%22%3A%7B%22Type%22%3A%22AWS%3A%3ASQS%3A%3AQueue%22%7D%7D%7D";
    let stack = format!("Action=CreateStack&Version=2010-05-15&StackName={}&TemplateBody={template}", cloud.name);
    asked(&cloud, "cloudformation", FORM, stack).await;
    let facts = cloud.aws(json!({"do": "cloudformation.list_stacks", "status": ["CREATE_COMPLETE"]})).await;
    let own = |stack: &&Value| stack["name"] == cloud.name;
    let stack = facts["stacks"].as_array().unwrap().iter().find(own).unwrap_or_else(|| panic!("{facts}"));
    assert_eq!(stack["status"], "CREATE_COMPLETE");

    asked(&cloud, "sns", FORM, format!("Action=CreateTopic&Version=2010-03-31&Name={}", cloud.name)).await;
    let facts = cloud.aws(json!({"do": "sns.list_topics"})).await;
    let listed = facts["topics"].as_array().unwrap().contains(&json!(cloud.name));
    assert!(listed || facts["truncated"] == true, "{facts}");
}

#[tokio::test]
async fn a_trace_of_this_very_second_is_listed() {
    let Some(cloud) = Cloud::moto() else { return };
    let second = Clock::System.now().0 / 1000;
    let id = format!("1-{second:08x}-{:024x}", Clock::System.now().0);
    let at = |part: &str| format!("{second}.{part}").parse::<f64>().unwrap();
    let segment = json!({"trace_id": id, "id": "70de5b6f19ff9a0a", "name": cloud.name, "start_time": at("1"), "end_time": at("4")});
    let body = json!({"TraceSegmentDocuments": [segment.to_string()]}).to_string();
    asked(&cloud, "xray", ("POST", "/TraceSegments", "application/json"), body).await;
    let look = action("aws", &json!({"do": "xray.get_trace_summaries", "minutes": 5}));
    let now = Timestamp(second * 1000 + 900);
    let cx = StepContext { started_at: now, ..cloud.context(Effect::Read) };
    let facts = done(executor::run(&*look, &cx).await).facts;
    let traces = facts["traces"].as_array().unwrap();
    assert!(traces.iter().any(|trace| trace["id"] == id), "{facts}");
}

#[tokio::test]
async fn a_policy_is_read_and_a_secret_rotates() {
    let Some(cloud) = Cloud::moto() else { return };
    let bucket = cloud.name.clone();
    cloud.aws(json!({"do": "s3.create_bucket", "bucket": bucket})).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*")}]});
    asked(&cloud, "s3", ("PUT", &format!("/{bucket}?policy"), "application/json"), policy.to_string()).await;
    let facts = cloud.aws(json!({"do": "s3.get_bucket_policy", "bucket": bucket})).await;
    assert_eq!((&facts["exists"], &facts["policy"]["Version"]), (&json!(true), &json!("2012-10-17")), "{facts}");
    let rules = json!({"do": "s3.put_bucket_lifecycle", "bucket": bucket, "rules": [{"id": "old", "expire_days": 30}]});
    cloud.aws(rules).await;
    let facts = cloud.aws(json!({"do": "s3.delete_bucket_lifecycle", "bucket": bucket})).await;
    assert!(facts["before"].as_str().unwrap().contains("<Days>30</Days>"), "{facts}");
    let facts = cloud.aws(json!({"do": "s3.get_bucket_lifecycle", "bucket": bucket})).await;
    assert_eq!(facts["exists"], false);

    let secret = json!({"Name": cloud.name, "SecretString": "old", "ClientRequestToken": "0".repeat(32)}).to_string();
    asked(&cloud, "secretsmanager", ("POST", "/", "secretsmanager.CreateSecret"), secret).await;
    let facts = cloud.aws(json!({"do": "secretsmanager.rotate_secret", "secret": cloud.name})).await;
    assert_eq!(facts["before"], "0".repeat(32));
    assert!(facts["version"].is_string() && facts["version"] != facts["before"], "{facts}");
    let seen = cloud.aws(json!({"do": "secretsmanager.describe_secret", "secret": cloud.name})).await;
    assert!(seen["versions"].as_array().unwrap().contains(&facts["version"]), "{seen}");
    let none = json!({"do": "secretsmanager.rotate_secret", "secret": "none", "account": ACCOUNT});
    assert!(cloud.plan("aws", &none).await.unwrap_err().en().contains("ResourceNotFound"));
}
