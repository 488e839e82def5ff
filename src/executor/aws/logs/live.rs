//! The live stream of a `cloudwatch_logs` tail: how it is opened, and its frames until its time is up. Knows nothing of
//! what is done where there is none.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::operation::start_live_tail::StartLiveTailOutput;
use aws_sdk_cloudwatchlogs::types::{LiveTailSessionUpdate, StartLiveTailResponseStream};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::time::{Instant, timeout, timeout_at};

use super::events::{Raw, Reader};
use super::tail::{LATE, Shown, Way};
use super::{Caller, Fault, looking};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::causes;

/// Most groups of one stream.
const GROUPS: usize = 10;
/// How long a stream may take to open.
const OPENING: Duration = Duration::from_secs(10);

/// How a stream came to its end.
pub(super) enum Ended {
    /// Its time was up, or there were enough; whether the service left some out.
    InTime { sampled: bool },
    /// The service ended it.
    ByItself,
}

/// Opens a stream, or says why there is none.
pub(super) async fn open(
    reader: &Reader<'_>,
    caller: &Caller,
    span: Duration,
) -> Result<StartLiveTailOutput, Sentence> {
    if reader.groups.len() > GROUPS {
        return Err(sentence!("aws.logs_stream_groups", limit => GROUPS));
    }
    let opening = async {
        let identity = caller.identity().await?;
        let partition = identity.arn.split(':').nth(1).unwrap_or("aws");
        let (region, account) = (caller.region(), identity.account);
        let arn = |group: &String| format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
        let groups: Vec<String> = reader.groups.iter().map(arn).collect();
        let endpoint = caller.sdk.endpoint_url().map(str::to_owned);
        let request = || {
            let request = reader.client.start_live_tail().set_log_group_identifiers(Some(groups.clone()));
            let request = request.set_log_event_filter_pattern(reader.pattern.clone()).customize();
            let endpoint = endpoint.clone();
            request.mutate_request(move |request| only_where_it_is(request, endpoint.as_deref()))
        };
        looking(|| request().send()).await
    };
    let patience = OPENING.min(span);
    match timeout(patience, opening).await {
        Ok(opened) => opened.map_err(Fault::said),
        Err(_) => Err(sentence!("aws.slow", seconds => patience.as_secs())),
    }
}

/// The SDK puts `stream-` in front of the host, which is a host of AWS alone: an endpoint that somebody named stays.
fn only_where_it_is(request: &mut HttpRequest, endpoint: Option<&str>) {
    if let Some(endpoint) = endpoint {
        let uri = format!("{}/", endpoint.trim_end_matches('/'));
        if let Err(error) = request.set_uri(uri) {
            tracing::warn!(%error, "the endpoint of AWS is no address");
        }
    }
}

/// Shows what comes until the time is up.
pub(super) async fn follow(
    reader: &Reader<'_>,
    mut opened: StartLiveTailOutput,
    end: Instant,
    shown: &mut Shown<'_, '_>,
) -> Result<Ended, Fault> {
    shown.found("live", true);
    let mut sampled = false;
    while !shown.enough() {
        match timeout_at(end, opened.response_stream.recv()).await {
            Err(_) => break,
            Ok(Ok(Some(StartLiveTailResponseStream::SessionUpdate(update)))) => {
                sampled |= update.session_metadata().is_some_and(|metadata| metadata.sampled());
                shown.found("sampled", sampled);
                take(reader, &update, shown);
            }
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return Ok(Ended::ByItself),
            Ok(Err(error)) => {
                let why = error.as_service_error().map_or_else(|| causes(&error), ToString::to_string);
                return Err(Fault::Failed(sentence!("aws.logs_stream_broken", why)));
            }
        }
    }
    Ok(Ended::InTime { sampled })
}

fn take(reader: &Reader<'_>, update: &LiveTailSessionUpdate, shown: &mut Shown<'_, '_>) {
    for event in update.session_results() {
        // What came in long before it began is not live, whoever sends it.
        if event.ingestion_time().is_some_and(|at| at < reader.since - LATE) {
            continue;
        }
        let named = event.log_group_identifier().unwrap_or_default().trim_end_matches(":*");
        let group = named.rsplit(':').next().unwrap_or_default();
        let raw = Raw { at: event.timestamp(), stream: event.log_stream_name(), message: event.message() };
        shown.take(Way::Live, reader.event(group, &raw));
    }
    shown.note();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_aws_have_the_prefix_of_the_sdk() {
        for (endpoint, uri) in [
            (None, "https://stream-logs.eu-west-1.amazonaws.com/"),
            (Some("http://127.0.0.1:4566"), "http://127.0.0.1:4566/"),
            (Some("https://vpce-1.logs.vpce.amazonaws.com/"), "https://vpce-1.logs.vpce.amazonaws.com/"),
        ] {
            let mut request = HttpRequest::empty();
            request.set_uri("https://stream-logs.eu-west-1.amazonaws.com/").unwrap();
            only_where_it_is(&mut request, endpoint);
            assert_eq!(request.uri(), uri);
        }
    }
}
