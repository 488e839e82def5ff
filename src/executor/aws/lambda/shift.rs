//! `lambda` shift: an alias led to another version, unless somebody else moved it since the plan.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::AliasRoutingConfiguration;
use serde_json::Value;

use super::{Attempt, Fault};
use crate::domain::sentence::{Sentence, sentence};

/// What Lambda answers when the alias has another revision by then.
const MOVED: &[&str] = &["PreconditionFailedException"];

/// Has the alias lead to `version`, or `percent` of its calls. `now` is where it leads, with the revision that is sent
/// along.
pub(super) async fn shift(
    client: &Client,
    (function, alias): (&str, &str),
    (version, percent): (&str, Option<u8>),
    now: &Value,
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let (from, revision) = (now["version"].as_str().unwrap_or_default(), now["revision"].as_str());
    attempt.found("before", from);
    let (all, weights) = target(from, version, percent);
    let routing = AliasRoutingConfiguration::builder().set_additional_version_weights(Some(weights)).build();
    let request = || {
        let request = client.update_alias().function_name(function).name(alias).function_version(all);
        request.routing_config(routing.clone()).set_revision_id(revision.map(str::to_owned))
    };
    let answer = attempt.change(|| request().send()).await.map_err(|fault| match fault.is(MOVED) {
        true => Fault::Failed(sentence!("aws.moved", what => alias)),
        false => fault,
    })?;
    attempt.found("after", answer.function_version());
    attempt.found("revision", answer.revision_id());
    Ok(said(alias, from, version, percent))
}

/// Where the alias leads then: all calls but those that the weights send elsewhere. No weights take away those that
/// there are.
pub(super) fn target<'v>(from: &'v str, version: &'v str, percent: Option<u8>) -> (&'v str, HashMap<String, f64>) {
    match percent {
        None => (version, HashMap::new()),
        Some(percent) => (from, HashMap::from([(version.to_owned(), f64::from(percent) / 100.0)])),
    }
}

/// What is said of it afterwards.
pub(super) fn said(alias: &str, from: &str, version: &str, percent: Option<u8>) -> Sentence {
    match percent {
        None => sentence!("aws.lambda_shifted", alias, from, version),
        Some(percent) => sentence!("aws.lambda_shifted_part", alias, from, version, percent => i64::from(percent)),
    }
}
