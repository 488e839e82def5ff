//! `lambda` publish, update_code and concurrency.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LastUpdateStatus;
use serde_json::Value;

use super::look::digest;
use super::{Attempt, Fault, looking};
use crate::domain::digest::sha256;
use crate::domain::sentence::{Sentence, sentence};

/// What Lambda answers when the function has another revision by then.
const MOVED: &[&str] = &["PreconditionFailedException"];
/// Bytes of a zip file that Lambda takes in a request.
const LARGEST: u64 = 50 * 1024 * 1024;
/// Between two looks at a change that is under way.
const LOOK: Duration = Duration::from_secs(1);

/// The revision that a request is sent for.
fn revision(now: &Value) -> Option<String> {
    now["revision"].as_str().map(str::to_owned)
}

/// Says that somebody else was faster.
pub(super) fn moved(fault: Fault, function: &str) -> Fault {
    match fault.is(MOVED) {
        true => Fault::Failed(sentence!("aws.moved", what => function)),
        false => fault,
    }
}

/// Makes a version of the code and configuration as they are. Where nothing changed since the last one, that is it.
pub(super) async fn publish(
    client: &Client,
    function: &str,
    now: &Value,
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let request = || client.publish_version().function_name(function).set_revision_id(revision(now));
    let answer = attempt.change(|| request().send()).await.map_err(|fault| moved(fault, function))?;
    let version = answer.version().unwrap_or_default();
    attempt.found("version", version);
    attempt.found("code_sha256", answer.code_sha256());
    Ok(sentence!("aws.lambda_published", function, version))
}

/// Puts the zip file in as it was when it was looked at.
pub(super) async fn code(
    client: &Client,
    function: &str,
    (zip, publish_it): (&str, bool),
    now: &Value,
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    if now["file"]["bytes"].as_u64().is_none_or(|bytes| bytes > LARGEST) {
        return Err(Fault::Failed(sentence!("aws.lambda_too_large", zip, limit => LARGEST / 1024 / 1024)));
    }
    let unreadable = |error: std::io::Error| sentence!("aws.no_file", path => zip, why => error.to_string());
    let bytes = tokio::fs::read(zip).await.map_err(unreadable).map_err(Fault::Failed)?;
    if now["file"]["sha256"] != sha256(&bytes) {
        return Err(Fault::Failed(sentence!("aws.moved", what => zip)));
    }
    let code = Blob::new(bytes);
    let before = now["function"]["code_sha256"].clone();
    attempt.found("before", before.clone());
    attempt.found("before_sha256", before.as_str().and_then(digest));
    attempt.found("sha256", now["file"]["sha256"].clone());
    let request = || {
        let request = client.update_function_code().function_name(function).zip_file(code.clone());
        request.set_revision_id(revision(&now["function"]))
    };
    let answer = attempt.change(|| request().send()).await.map_err(|fault| moved(fault, function))?;
    let after = answer.code_sha256().unwrap_or_default().to_owned();
    attempt.found("after", after.clone());
    attempt.under_way(true);
    settled(client, function).await?;
    attempt.under_way(false);
    if publish_it {
        // Published is this code, whatever somebody puts in meanwhile.
        let request = || client.publish_version().function_name(function).code_sha256(&after);
        // The code is in by now: that no version came of it is not that nothing happened.
        let answer = attempt.change(|| request().send()).await.map_err(|fault| Fault::Lost(fault.said()))?;
        let version = answer.version().unwrap_or_default();
        attempt.found("version", version);
        return Ok(sentence!("aws.lambda_published", function, version));
    }
    Ok(match before == after {
        true => sentence!("aws.lambda_same_code", function),
        false => sentence!("aws.lambda_new_code", function),
    })
}

/// Waits until a change has arrived everywhere; the step's deadline ends it. A look that fails says nothing of the change.
pub(super) async fn settled(client: &Client, function: &str) -> Result<(), Fault> {
    loop {
        if let Ok(found) = looking(|| client.get_function_configuration().function_name(function).send()).await {
            match found.last_update_status() {
                Some(LastUpdateStatus::InProgress) => {}
                Some(LastUpdateStatus::Failed) => {
                    let why = found.last_update_status_reason().unwrap_or_default();
                    return Err(Fault::Failed(sentence!("aws.refused", why)));
                }
                _ => return Ok(()),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reserves concurrency, or no longer.
pub(super) async fn concurrency(
    client: &Client,
    function: &str,
    reserved: Option<i32>,
    now: &Value,
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    attempt.found("before", now["reserved"].clone());
    match reserved {
        Some(number) => {
            let request = || client.put_function_concurrency().function_name(function);
            attempt.change(|| request().reserved_concurrent_executions(number).send()).await?;
            attempt.found("after", number);
        }
        None => {
            let request = || client.delete_function_concurrency().function_name(function);
            attempt.change(|| request().send()).await?;
            attempt.found("after", "none");
        }
    }
    Ok(reserved_said(function, reserved))
}

/// What a reservation means.
pub(super) fn reserved_said(function: &str, reserved: Option<i32>) -> Sentence {
    match reserved {
        Some(0) => sentence!("aws.lambda_off", function),
        Some(number) => sentence!("aws.lambda_limited", function, number => i64::from(number)),
        None => sentence!("aws.lambda_free", function),
    }
}
