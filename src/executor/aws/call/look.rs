//! `aws`: services that are only looked at: STS, X-Ray, ACM, Route 53, API Gateway, CloudFormation, SNS.

use reqwest::Method;
use serde_json::{Value, json};

use super::fields::{Kind, may, must};
use super::{Fault, Found, Job, Operation, get, moment, text};
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;
use crate::executor::aws::xml;

/// Pages of a list that are read.
const PAGES: usize = 20;

const fn looks(
    name: &'static str,
    about: &'static str,
    fields: &'static [super::Field],
    run: super::Deed,
) -> Operation {
    Operation { name, about, effect: Effect::Read, fields, look: None, run }
}

pub(super) const OPERATIONS: &[Operation] = &[
    looks(
        "sts.get_caller_identity",
        "Who we are. Facts: account, arn, region.",
        &[
            may("key_id", Kind::Secret, "With these keys, such as a program's: the id."),
            may("key", Kind::Secret, "Their secret."),
        ],
        |job| Box::pin(identity(job)),
    ),
    looks(
        "xray.get_trace_summaries",
        "Traces of the last minutes. Facts: traces (id, seconds, url, status, error, fault, throttle), count, errors, \
         faults, throttles, slowest (seconds).",
        &[
            may("minutes", Kind::Number(1, 360), "How far back; 60 without."),
            may("filter", Kind::Text, "A filter expression, as in service(\"api\") AND fault."),
        ],
        |job| Box::pin(traces(job)),
    ),
    looks(
        "acm.list_certificates",
        "Certificates. Facts: certificates (arn, domain, status, days_left), count.",
        &[
            may("status", Kind::Text, "Only those with this status, as in PENDING_VALIDATION."),
            may("domain", Kind::Text, "Only those for this name."),
        ],
        |job| Box::pin(certificates(job)),
    ),
    looks(
        "acm.describe_certificate",
        "One certificate. Facts: status, domain, days_left, in_use, validation (domain, status, record, value).",
        &[must("certificate", Kind::Text, "Its ARN.")],
        |job| Box::pin(certificate(job)),
    ),
    looks(
        "route53.list_resource_record_sets",
        "Records of a zone. Facts: records (name, type, ttl, values), count, truncated.",
        &[
            must("zone", Kind::Text, "The hosted zone's id."),
            may("name", Kind::Text, "The first name, as in www.example.com."),
            may("limit", Kind::Number(1, 300), "Most records; 100 without."),
        ],
        |job| Box::pin(records(job)),
    ),
    looks("apigateway.get_rest_apis", "REST APIs. Facts: apis (id, name), count.", &[], |job| Box::pin(apis(job))),
    looks(
        "apigateway.get_stages",
        "Stages of a REST API. Facts: stages (name, deployment, updated, age), count.",
        &[must("api", Kind::Text, "The API's id.")],
        |job| Box::pin(stages(job)),
    ),
    looks(
        "cloudformation.list_stacks",
        "Stacks. Facts: stacks (name, status, updated), count, truncated.",
        &[may("status", Kind::List, "Only those with one of these, as in CREATE_COMPLETE.")],
        |job| Box::pin(stacks(job)),
    ),
    looks("sns.list_topics", "Topics. Facts: topics (names), count, truncated.", &[], |job| Box::pin(topics(job))),
];

async fn identity(job: &Job<'_>) -> Result<Found, Fault> {
    let who = job.caller.identity().await?;
    let found = Found::line(sentence!("aws.identity", account => &who.account, arn => &who.arn));
    Ok(found.fact("account", who.account).fact("arn", who.arn).fact("region", job.caller.region()))
}

async fn traces(job: &Job<'_>) -> Result<Found, Fault> {
    let minutes = i64::try_from(job.given.number("minutes").unwrap_or(60)).unwrap_or(60);
    // Up to the end of this second: X-Ray takes whole ones.
    let end = (job.at.unwrap_or(crate::clock::Timestamp(0)).0 + 999) / 1000;
    let mut body = json!({ "StartTime": end - minutes * 60, "EndTime": end });
    if let Some(filter) = job.given.text("filter") {
        body["FilterExpression"] = filter.into();
    }
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let wire = Wire::rest("xray", Method::POST, &["TraceSummaries"]).header("content-type", "application/json");
        let answer = job.read(wire.bytes(body.to_string())).await?.json()?;
        found.extend(answer["TraceSummaries"].as_array().into_iter().flatten().map(|trace| {
            json!({
                "id": trace["Id"], "seconds": trace["ResponseTime"], "url": trace["Http"]["HttpURL"],
                "status": trace["Http"]["HttpStatus"], "error": trace["HasError"], "fault": trace["HasFault"],
                "throttle": trace["HasThrottle"],
            })
        }));
        match answer["NextToken"].as_str() {
            Some(next) => body["NextToken"] = next.into(),
            None => break,
        }
    }
    let with = |name: &str| found.iter().filter(|trace| trace[name] == true).count();
    let (errors, faults, throttles) = (with("error"), with("fault"), with("throttle"));
    let slowest = found.iter().filter_map(|trace| trace["seconds"].as_f64()).fold(0.0, f64::max);
    Ok(Found::default()
        .list("traces", &["id", "seconds", "url", "status", "fault"], found)
        .fact("errors", errors)
        .fact("faults", faults)
        .fact("throttles", throttles)
        .fact("slowest", slowest))
}

fn acm(operation: &str, body: &Value) -> Wire {
    Wire::json("acm", "1.1", &format!("CertificateManager.{operation}"), body)
}

/// Whole days until a moment; below zero when it has passed.
fn days_left(job: &Job<'_>, until: &Value) -> Value {
    job.age(moment(until)).as_i64().map_or(Value::Null, |age| json!((-age).div_euclid(86_400)))
}

async fn certificates(job: &Job<'_>) -> Result<Found, Fault> {
    let mut body = json!({ "MaxItems": 1000 });
    if let Some(status) = job.given.text("status") {
        body["CertificateStatuses"] = json!([status]);
    }
    let answer = job.read(acm("ListCertificates", &body)).await?.json()?;
    let wanted = |it: &&Value| job.given.text("domain").is_none_or(|domain| it["DomainName"] == domain);
    let found = answer["CertificateSummaryList"].as_array().into_iter().flatten().filter(wanted).map(|it| {
        let days_left = days_left(job, &it["NotAfter"]);
        json!({ "arn": it["CertificateArn"], "domain": it["DomainName"], "status": it["Status"], "days_left": days_left })
    });
    Ok(Found::default().list("certificates", &["domain", "status", "days_left", "arn"], found.collect()))
}

async fn certificate(job: &Job<'_>) -> Result<Found, Fault> {
    let body = json!({ "CertificateArn": job.text("certificate") });
    let answer = job.read(acm("DescribeCertificate", &body)).await?.json()?;
    let it = &answer["Certificate"];
    let validation = it["DomainValidationOptions"].as_array().into_iter().flatten().map(|option| {
        let record = &option["ResourceRecord"];
        json!({
            "domain": option["DomainName"], "status": option["ValidationStatus"],
            "record": record["Name"], "value": record["Value"],
        })
    });
    let line = sentence!("aws.is", what => text(it, "DomainName"), state => text(it, "Status"));
    let found = Found::default().list("validation", &["domain", "status", "record", "value"], validation.collect());
    Ok(Found { line, ..found }
        .fact("status", it["Status"].clone())
        .fact("domain", it["DomainName"].clone())
        .fact("days_left", days_left(job, &it["NotAfter"]))
        .fact("in_use", it["InUseBy"].as_array().is_some_and(|users| !users.is_empty())))
}

async fn records(job: &Job<'_>) -> Result<Found, Fault> {
    let limit = job.given.number("limit").unwrap_or(100).to_string();
    // Ids are also written with the path in front.
    let zone = job.text("zone").trim_start_matches("/hostedzone/");
    let mut wire = get("route53", &["2013-04-01", "hostedzone", zone, "rrset"]).with("maxitems", &limit);
    if let Some(name) = job.given.text("name") {
        wire = wire.with("name", name);
    }
    let answer = job.read(wire).await?.xml()?;
    let found = xml::list(&answer, &["ResourceRecordSets", "ResourceRecordSet"]).into_iter().map(|set| {
        let records = xml::list(set, &["ResourceRecords", "ResourceRecord"]);
        let values: Vec<&str> = records.into_iter().map(|record| text(record, "Value")).collect();
        let alias = set["AliasTarget"]["DNSName"].as_str();
        json!({
            "name": set["Name"], "type": set["Type"], "ttl": super::number(&set["TTL"]),
            "values": alias.map_or(values, |alias| vec![alias]),
        })
    });
    let found = Found::default().list("records", &["name", "type", "ttl", "values"], found.collect());
    Ok(found.fact("truncated", answer["IsTruncated"] == "true"))
}

async fn apis(job: &Job<'_>) -> Result<Found, Fault> {
    let wire = get("apigateway", &["restapis"]).with("limit", "500").header("accept", "application/json");
    let answer = job.read(wire).await?.json()?;
    // Their models call it `item`, what they send is HAL.
    let items = [&answer["item"], &answer["_embedded"]["item"]].into_iter().filter_map(Value::as_array).flatten();
    let found = items.map(|api| json!({ "id": api["id"], "name": api["name"] }));
    Ok(Found::default().list("apis", &["name", "id"], found.collect()))
}

async fn stages(job: &Job<'_>) -> Result<Found, Fault> {
    let wire = get("apigateway", &["restapis", job.text("api"), "stages"]).header("accept", "application/json");
    let answer = job.read(wire).await?.json()?;
    let items = [&answer["item"], &answer["_embedded"]["item"]].into_iter().filter_map(Value::as_array).flatten();
    let found = items.map(|stage| {
        let updated = &stage["lastUpdatedDate"];
        let age = job.age(moment(updated));
        json!({ "name": stage["stageName"], "deployment": stage["deploymentId"], "updated": updated, "age": age })
    });
    Ok(Found::default().list("stages", &["name", "deployment", "updated"], found.collect()))
}

async fn stacks(job: &Job<'_>) -> Result<Found, Fault> {
    let wanted = job.given.value("status").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let names: Vec<(String, &str)> =
        wanted.enumerate().map(|(at, status)| (format!("StackStatusFilter.member.{}", at + 1), status)).collect();
    let values: Vec<(&str, &str)> = names.iter().map(|(name, status)| (name.as_str(), *status)).collect();
    let wire = Wire::query("cloudformation", "ListStacks", "2010-05-15", &values);
    let answer = job.read(wire).await?.xml()?;
    let result = &answer["ListStacksResult"];
    let found = xml::list(result, &["StackSummaries", "member"]).into_iter().map(|stack| {
        let updated = [&stack["LastUpdatedTime"], &stack["CreationTime"]].into_iter().find(|time| !time.is_null());
        json!({ "name": stack["StackName"], "status": stack["StackStatus"], "updated": updated })
    });
    let found = Found::default().list("stacks", &["name", "status", "updated"], found.collect());
    Ok(found.fact("truncated", !result["NextToken"].is_null()))
}

async fn topics(job: &Job<'_>) -> Result<Found, Fault> {
    let answer = job.read(Wire::query("sns", "ListTopics", "2010-03-31", &[])).await?.xml()?;
    let result = &answer["ListTopicsResult"];
    let arns = xml::list(result, &["Topics", "member"]).into_iter().map(|topic| text(topic, "TopicArn"));
    let topics: Vec<&str> = arns.map(|arn| arn.rsplit(':').next().unwrap_or_default()).collect();
    let found = Found::line(sentence!("aws.counted", count => topics.len())).fact("count", topics.len());
    Ok(found.fact("topics", topics).fact("truncated", !result["NextToken"].is_null()))
}
