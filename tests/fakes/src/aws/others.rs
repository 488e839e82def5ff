//! Who one is, a queue, traces and an empty bucket: as much as stories need beside functions and logs.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::{ACCOUNT, Asked, World, refused, say};

pub(super) fn answer(world: &mut World, asked: &Asked) -> Response {
    match (asked.service.as_str(), asked.call().as_str()) {
        ("sts", "GetCallerIdentity") => {
            let account = world.accounts.get(&asked.key_id).map_or(ACCOUNT, String::as_str);
            xml(&format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>arn:aws:iam::{account}:user/sereno</Arn><UserId>AIDA</UserId><Account>{account}</Account>\
             </GetCallerIdentityResult></GetCallerIdentityResponse>"
            ))
        }
        ("sqs", "GetQueueUrl") => {
            let name = asked.json()["QueueName"].as_str().unwrap_or_default().to_owned();
            say(200, &json!({ "QueueUrl": format!("https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/{name}") }))
        }
        ("sqs", "GetQueueAttributes") => {
            let url = asked.json()["QueueUrl"].as_str().unwrap_or_default().to_owned();
            let name = url.rsplit('/').next().unwrap_or_default();
            let attributes = json!({
                "QueueArn": format!("arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}"), "ApproximateNumberOfMessages": "4",
            });
            say(200, &json!({ "Attributes": attributes }))
        }
        ("sqs", "StartMessageMoveTask") => {
            let body = asked.json();
            let name =
                |arn: &str| body[arn].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
            let (source, to) = (name("SourceArn"), name("DestinationArn"));
            world.moved.push(if to.is_empty() { source } else { format!("{source} to {to}") });
            say(200, &json!({ "TaskHandle": "AQEB" }))
        }
        ("xray", "POST /TraceSummaries") => say(
            200,
            &json!({ "TraceSummaries": [
            { "Id": "1-1", "ResponseTime": 0.25, "HasFault": false, "HasError": false, "HasThrottle": false,
              "Http": { "HttpURL": "http://shop/ok", "HttpStatus": 200 } },
            { "Id": "1-2", "ResponseTime": 4.5, "HasFault": true, "HasError": false, "HasThrottle": false,
              "Http": { "HttpURL": "http://shop/pay", "HttpStatus": 502 } },
        ] }),
        ),
        ("s3", _) if asked.method == "GET" => {
            xml("<ListBucketResult><Name>shop</Name><IsTruncated>false</IsTruncated></ListBucketResult>")
        }
        ("s3", _) if asked.method == "HEAD" => StatusCode::NOT_FOUND.into_response(),
        ("s3", _) if asked.method == "PUT" => StatusCode::OK.into_response(),
        (_, call) => refused(400, "UnknownOperationException", call),
    }
}

fn xml(text: &str) -> Response {
    ([("content-type", "text/xml")], text.to_owned()).into_response()
}
