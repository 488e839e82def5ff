//! `aws`: invalidations of CloudFront.

use reqwest::Method;
use serde_json::Value;

use super::fields::{Kind, must};
use super::s3::escaped;
use super::{Fault, Found, Job, Operation, get, text};
use crate::domain::runbook::Effect;
use crate::domain::sentence::sentence;
use crate::executor::aws::wire::Wire;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "cloudfront.create_invalidation",
        about: "Has a distribution forget what it holds of these paths. Facts: invalidation (its id), status.",
        effect: Effect::Change,
        fields: &[
            must("distribution", Kind::Text, "The distribution's id."),
            must("paths", Kind::List, "Paths, as in /index.html or /*."),
        ],
        look: None,
        run: |job| Box::pin(create(job)),
    },
    Operation {
        name: "cloudfront.get_invalidation",
        about: "How far an invalidation is. Facts: status (InProgress, Completed).",
        effect: Effect::Read,
        fields: &[
            must("distribution", Kind::Text, "The distribution's id."),
            must("invalidation", Kind::Text, "The invalidation's id."),
        ],
        look: None,
        run: |job| Box::pin(status(job)),
    },
];

async fn create(job: &Job<'_>) -> Result<Found, Fault> {
    let paths = job.given.value("paths").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let paths: Vec<String> = paths.map(|path| format!("<Path>{}</Path>", escaped(path))).collect();
    // The same key twice is the same invalidation.
    let body = format!(
        "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Paths><Quantity>{}</Quantity>\
         <Items>{}</Items></Paths><CallerReference>{}</CallerReference></InvalidationBatch>",
        paths.len(),
        paths.concat(),
        job.key,
    );
    let segments = ["2020-05-31", "distribution", job.text("distribution"), "invalidation"];
    let wire = Wire::rest("cloudfront", Method::POST, &segments).header("content-type", "application/xml");
    let answer = job.change(wire.bytes(body)).await?.xml()?;
    let (id, state) = (text(&answer, "Id"), text(&answer, "Status"));
    Ok(Found::line(sentence!("aws.is", what => id, state)).fact("invalidation", id).fact("status", state))
}

async fn status(job: &Job<'_>) -> Result<Found, Fault> {
    let id = job.text("invalidation");
    let wire = get("cloudfront", &["2020-05-31", "distribution", job.text("distribution"), "invalidation", id]);
    let answer = job.read(wire).await?.xml()?;
    let state = text(&answer, "Status");
    Ok(Found::line(sentence!("aws.is", what => id, state)).fact("status", state))
}
