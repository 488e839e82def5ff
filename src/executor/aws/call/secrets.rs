//! `aws`: secrets of Secrets Manager. Their values go in, and never come out.

use serde_json::{Value, json};

use super::fields::{Kind, must};
use super::{Fault, Found, Job, Operation, moment};
use crate::domain::digest::sha256;
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;

const SECRET: super::Field = must("secret", Kind::Text, "Its name or ARN in Secrets Manager.");

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "secretsmanager.describe_secret",
        about: "A secret without its value. Facts: name, version (the current one's id), previous, versions, rotates, \
                changed_age (seconds).",
        effect: Effect::Read,
        fields: &[SECRET],
        look: None,
        run: |job| Box::pin(describe(job)),
    },
    Operation {
        name: "secretsmanager.put_secret_value",
        about: "Gives a secret a new value, from a secret of the configuration. The old one stays as a version. Facts: \
                before (the version that was current), version.",
        effect: Effect::Change,
        fields: &[SECRET, must("value", Kind::Secret, "The new value: {secret: name}.")],
        look: Some(|job| Box::pin(current(job))),
        run: |job| Box::pin(put(job)),
    },
    Operation {
        name: "secretsmanager.restore_secret_version",
        about: "Makes an older version of a secret the current one. Facts: before (the version that was current), \
                version.",
        effect: Effect::Change,
        fields: &[SECRET, must("version", Kind::Text, "The older version's id.")],
        look: Some(|job| Box::pin(current(job))),
        run: |job| Box::pin(restore(job)),
    },
    Operation {
        name: "secretsmanager.rotate_secret",
        about: "Starts the rotation that the secret is set up for. Facts: before, version.",
        effect: Effect::Change,
        fields: &[SECRET],
        look: Some(|job| Box::pin(current(job))),
        run: |job| Box::pin(rotate(job)),
    },
];

fn wire(operation: &str, body: &Value) -> Wire {
    Wire::json("secretsmanager", "1.1", &format!("secretsmanager.{operation}"), body)
}

async fn described(job: &Job<'_>) -> Result<Value, Fault> {
    job.read(wire("DescribeSecret", &json!({ "SecretId": job.text("secret") }))).await?.json()
}

/// The id of the version with this label.
fn labelled(secret: &Value, label: &str) -> Value {
    let mut versions = secret["VersionIdsToStages"].as_object().into_iter().flatten();
    let has = |labels: &Value| labels.as_array().is_some_and(|labels| labels.iter().any(|it| it == label));
    versions.find(|(_, labels)| has(labels)).map_or(Value::Null, |(id, _)| json!(id))
}

async fn describe(job: &Job<'_>) -> Result<Found, Fault> {
    let secret = described(job).await?;
    let versions: Vec<&String> =
        secret["VersionIdsToStages"].as_object().into_iter().flatten().map(|(id, _)| id).collect();
    let line = sentence!("aws.there", what => job.text("secret"));
    Ok(Found::line(line)
        .fact("name", secret["Name"].clone())
        .fact("version", labelled(&secret, "AWSCURRENT"))
        .fact("previous", labelled(&secret, "AWSPREVIOUS"))
        .fact("rotates", secret["RotationEnabled"] == true)
        .fact("changed_age", job.age(moment(&secret["LastChangedDate"])))
        .fact("versions", json!(versions)))
}

async fn current(job: &Job<'_>) -> Result<Found, Fault> {
    Ok(Found::default().fact("before", labelled(&described(job).await?, "AWSCURRENT")))
}

async fn put(job: &Job<'_>) -> Result<Found, Fault> {
    let value =
        job.given.secret("value").ok_or_else(|| Fault::Failed(sentence!("aws.wants_secret", field => "value")))?;
    let value = value.reveal(job.tools).map_err(Fault::Failed)?;
    // 64 characters, the same for every attempt: sent twice, it is one version.
    let token = sha256(job.key.as_bytes());
    let body = json!({ "SecretId": job.text("secret"), "SecretString": value, "ClientRequestToken": token });
    let answer = job.change(wire("PutSecretValue", &body)).await?.json()?;
    let line = sentence!("aws.replaced", what => job.text("secret"));
    Ok(Found::line(line).fact("version", answer["VersionId"].clone()))
}

async fn restore(job: &Job<'_>) -> Result<Found, Fault> {
    let current = labelled(&described(job).await?, "AWSCURRENT");
    let version = job.text("version");
    let body = json!({
        "SecretId": job.text("secret"), "VersionStage": "AWSCURRENT", "MoveToVersionId": version,
        "RemoveFromVersionId": current,
    });
    job.change(wire("UpdateSecretVersionStage", &body)).await?;
    let line = sentence!("aws.replaced", what => job.text("secret"));
    Ok(Found::line(line).fact("version", version))
}

async fn rotate(job: &Job<'_>) -> Result<Found, Fault> {
    let body = json!({ "SecretId": job.text("secret"), "ClientRequestToken": sha256(job.key.as_bytes()) });
    let answer = job.change(wire("RotateSecret", &body)).await?.json()?;
    let line = sentence!("aws.replaced", what => job.text("secret"));
    Ok(Found::line(line).fact("version", answer["VersionId"].clone()))
}
