//! `lambda` invoke: one call that waits for its answer, with the end of its log.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Attempt, Fault};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::StepContext;
use crate::executor::output::{Pipe, Recorder, beginning};

/// Bytes of the answer that the `payload` fact holds.
const SHOWN: usize = 64 * 1024;
/// Bytes of the log that are kept; Lambda sends the last four kilobytes.
const LOG: usize = 16 * 1024;

/// What is called.
pub(super) struct Request<'r> {
    pub(super) function: &'r str,
    pub(super) qualifier: Option<&'r str>,
    pub(super) payload: Option<&'r Value>,
}

/// Calls it. A function that answers with an error has failed.
pub(super) async fn invoke(
    client: &Client,
    request: &Request<'_>,
    cx: &StepContext,
    attempt: &mut Attempt,
) -> Result<Sentence, Fault> {
    let payload = request.payload.map(|payload| Blob::new(payload.to_string()));
    let send = || {
        let call = client.invoke().function_name(request.function).set_qualifier(request.qualifier.map(str::to_owned));
        call.invocation_type(InvocationType::RequestResponse).log_type(LogType::Tail).set_payload(payload.clone())
    };
    let answer = attempt.change(|| send().send()).await?;
    attempt.found("status", answer.status_code());
    attempt.found("function_error", answer.function_error());
    let bytes = answer.payload().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
    // Redacted before it is cut: half a secret would not be known.
    let text = cx.tools.redactor.text(&String::from_utf8_lossy(&bytes));
    let whole = text.len() <= SHOWN;
    let json = serde_json::from_slice::<Value>(&bytes).ok().filter(|_| whole);
    attempt.found("payload", json.unwrap_or_else(|| beginning(&text, SHOWN).into()));
    attempt.found("truncated", !whole);
    if let Some(log) = answer.log_result().and_then(|log| STANDARD.decode(log).ok()) {
        let mut recorder = Recorder::watched(cx, LOG);
        recorder.push(Pipe::Out, &log);
        let recorded = recorder.finish();
        attempt.found("lines", recorded.stdout.lines().map(str::to_owned).collect::<Vec<_>>());
        attempt.output = Some(recorded.output);
    }
    match answer.function_error() {
        None => Ok(sentence!("aws.lambda_answered", status => i64::from(answer.status_code()))),
        Some(kind) => {
            let why = attempt.facts["payload"]["errorMessage"].as_str().unwrap_or_default().to_owned();
            Err(Fault::Failed(sentence!("aws.lambda_error", kind, why)))
        }
    }
}
