//! `aws`: buckets of S3, their policies and lifecycles. Objects are in `s3_files`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

use super::fields::{Kind, may, must};
use super::{Fault, Found, Job, Operation, get};
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::aws::wire::Wire;
use crate::executor::aws::xml;

const NO_BUCKET: &[&str] = &["NotFound", "NoSuchBucket"];
const OURS: &[&str] = &["BucketAlreadyOwnedByYou"];
const NO_LIFECYCLE: &[&str] = &["NoSuchLifecycleConfiguration"];
const NO_POLICY: &[&str] = &["NoSuchBucketPolicy"];

/// What a rule of a lifecycle may say.
const RULE: &[&str] = &["id", "prefix", "days", "storage_class", "expire_days", "noncurrent_expire_days"];

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "s3.head_bucket",
        about: "Whether a bucket is there. Facts: exists, region.",
        effect: Effect::Read,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: None,
        run: |job| Box::pin(head(job)),
    },
    Operation {
        name: "s3.create_bucket",
        about: "Makes a bucket unless it is ours already. Facts: created.",
        effect: Effect::Change,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: None,
        run: |job| Box::pin(create(job)),
    },
    Operation {
        name: "s3.delete_bucket",
        about: "Removes a bucket; S3 refuses one that is not empty. No facts.",
        effect: Effect::Change,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: None,
        run: |job| Box::pin(delete(job)),
    },
    Operation {
        name: "s3.get_bucket_policy",
        about: "A bucket's policy. Facts: exists, policy.",
        effect: Effect::Read,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: None,
        run: |job| Box::pin(policy(job)),
    },
    Operation {
        name: "s3.get_bucket_lifecycle",
        about: "When a bucket's objects move or go. Facts: exists, count, rules (id, status, prefix, days, \
                storage_class, expire_days), before (the whole as XML).",
        effect: Effect::Read,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: None,
        run: |job| Box::pin(lifecycle(job)),
    },
    Operation {
        name: "s3.put_bucket_lifecycle",
        about: "Replaces a bucket's lifecycle by `rules`, or by `xml`, what the fact `before` of an earlier step \
                holds. What has gone by then stays gone. Facts: before (the lifecycle that it replaced, as XML).",
        effect: Effect::Destroy,
        fields: &[
            must("bucket", Kind::Text, "The bucket's name."),
            may(
                "rules",
                Kind::Rules,
                "Rules: id, prefix, days with storage_class, expire_days, noncurrent_expire_days.",
            ),
            may("xml", Kind::Text, "The whole lifecycle; `none` for none."),
        ],
        look: Some(|job| Box::pin(before(job))),
        run: |job| Box::pin(put_lifecycle(job)),
    },
    Operation {
        name: "s3.delete_bucket_lifecycle",
        about: "Removes a bucket's lifecycle: everything stays from now on. Facts: before (as XML).",
        effect: Effect::Change,
        fields: &[must("bucket", Kind::Text, "The bucket's name.")],
        look: Some(|job| Box::pin(before(job))),
        run: |job| Box::pin(delete_lifecycle(job)),
    },
];

fn bucket(job: &Job<'_>, method: Method) -> Wire {
    Wire::rest("s3", method, &[job.text("bucket")])
}

async fn head(job: &Job<'_>) -> Result<Found, Fault> {
    let name = job.text("bucket");
    match job.read(bucket(job, Method::HEAD)).await {
        Ok(answer) => {
            let region = answer.header("x-amz-bucket-region");
            Ok(Found::line(sentence!("aws.there", what => name)).fact("exists", true).fact("region", region))
        }
        Err(fault) if fault.is(NO_BUCKET) => Ok(Found::line(sentence!("aws.none", what => name)).fact("exists", false)),
        Err(fault) => Err(fault),
    }
}

async fn create(job: &Job<'_>) -> Result<Found, Fault> {
    let (name, region) = (job.text("bucket"), job.caller.region());
    let body = match region {
        "us-east-1" => String::new(),
        region => format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        ),
    };
    match job.change(bucket(job, Method::PUT).bytes(body)).await {
        Ok(_) => Ok(Found::line(sentence!("aws.created", what => name)).fact("created", true)),
        Err(fault) if fault.is(OURS) => Ok(Found::line(sentence!("aws.there", what => name)).fact("created", false)),
        Err(fault) => Err(fault),
    }
}

async fn delete(job: &Job<'_>) -> Result<Found, Fault> {
    job.change(bucket(job, Method::DELETE)).await?;
    Ok(Found::line(sentence!("aws.deleted", what => job.text("bucket"))))
}

async fn policy(job: &Job<'_>) -> Result<Found, Fault> {
    let name = job.text("bucket");
    match job.read(get("s3", &[name]).with("policy", "")).await {
        Ok(answer) => {
            let line = sentence!("aws.there", what => name);
            Ok(Found::line(line).fact("exists", true).fact("policy", answer.json()?))
        }
        Err(fault) if fault.is(NO_POLICY) => Ok(Found::line(sentence!("aws.none", what => name)).fact("exists", false)),
        Err(fault) => Err(fault),
    }
}

/// The lifecycle as XML; none where there is none.
async fn current(job: &Job<'_>) -> Result<Option<String>, Fault> {
    match job.read(get("s3", &[job.text("bucket")]).with("lifecycle", "")).await {
        Ok(answer) => Ok(Some(String::from_utf8_lossy(&answer.bytes).replace(['\n', '\r'], ""))),
        Err(fault) if fault.is(NO_LIFECYCLE) => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn before(job: &Job<'_>) -> Result<Found, Fault> {
    Ok(Found::default().fact("before", current(job).await?.unwrap_or_else(|| "none".to_owned())))
}

async fn lifecycle(job: &Job<'_>) -> Result<Found, Fault> {
    let current = current(job).await?;
    let read = xml::read(current.as_deref().unwrap_or("<none/>"));
    let read = read.map_err(|why| Fault::Failed(sentence!("aws.garbage", why)))?;
    let rule = |rule: &Value| {
        let prefix = [&rule["Filter"]["Prefix"], &rule["Filter"]["And"]["Prefix"], &rule["Prefix"]];
        serde_json::json!({
            "id": rule["ID"],
            "status": rule["Status"],
            "prefix": prefix.into_iter().find(|prefix| !prefix.is_null()),
            "days": super::number(&rule["Transition"]["Days"]),
            "storage_class": rule["Transition"]["StorageClass"],
            "expire_days": super::number(&rule["Expiration"]["Days"]),
        })
    };
    let rules: Vec<Value> = xml::list(&read, &["Rule"]).into_iter().map(rule).collect();
    let columns = ["id", "status", "prefix", "days", "storage_class", "expire_days"];
    Ok(Found::default()
        .list("rules", &columns, rules)
        .fact("exists", current.is_some())
        .fact("before", current.unwrap_or_else(|| "none".to_owned())))
}

async fn put_lifecycle(job: &Job<'_>) -> Result<Found, Fault> {
    let xml = match (job.given.value("rules"), job.given.text("xml")) {
        (Some(rules), None) => written(rules).map_err(Fault::Failed)?,
        (None, Some("none")) => return delete_lifecycle(job).await,
        (None, Some(xml)) => xml.to_owned(),
        _ => return Err(Fault::Failed(sentence!("aws.rules_or_xml"))),
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, xml.as_bytes());
    let wire = bucket(job, Method::PUT).with("lifecycle", "");
    let wire = wire.header("x-amz-checksum-sha256", &STANDARD.encode(digest)).bytes(xml);
    job.change(wire.header("x-amz-sdk-checksum-algorithm", "SHA256")).await?;
    Ok(Found::line(sentence!("aws.replaced", what => job.text("bucket"))))
}

async fn delete_lifecycle(job: &Job<'_>) -> Result<Found, Fault> {
    job.change(bucket(job, Method::DELETE).with("lifecycle", "")).await?;
    Ok(Found::line(sentence!("aws.deleted", what => job.text("bucket"))))
}

/// Rules as XML.
fn written(rules: &Value) -> Result<String, Sentence> {
    let mut out = "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for rule in rules.as_array().into_iter().flatten().filter_map(Value::as_object) {
        if let Some(stray) = rule.keys().find(|key| !RULE.contains(&key.as_str())) {
            return Err(sentence!("aws.stray_rule", field => stray, takes => crate::executor::listed(RULE)));
        }
        let text = |name: &str| rule.get(name).and_then(Value::as_str).map(escaped).unwrap_or_default();
        let days = |name: &str| rule.get(name).and_then(Value::as_u64);
        let (id, prefix) = (text("id"), text("prefix"));
        let _ = write!(out, "<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>");
        if let Some(days) = days("days") {
            let class = text("storage_class");
            let _ = write!(out, "<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>");
        }
        if let Some(days) = days("expire_days") {
            let _ = write!(out, "<Expiration><Days>{days}</Days></Expiration>");
        }
        if let Some(days) = days("noncurrent_expire_days") {
            let _ = write!(
                out,
                "<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays></NoncurrentVersionExpiration>"
            );
        }
        out.push_str("</Rule>");
    }
    out.push_str("</LifecycleConfiguration>");
    Ok(out)
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
