//! An AWS for tests, moto or the strict fake, and steps that are run on it the way the engine does.

#![allow(dead_code)] // each test uses some of it

use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use serde_json::{Value, json};
use sereno::clock::{Clock, Timestamp};
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::{self, AwsSettings, StepContext, Tools};
use sereno::secret::Secret;

use crate::executor_support::{Said, action, context};
use crate::parts::part;

pub const LONG: Duration = Duration::from_secs(60);
/// The account of moto and of the fake.
pub const ACCOUNT: &str = "123456789012";
pub const KEY_ID: &str = "AKIATESTTESTTESTTEST";
pub const KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";

/// An AWS, and names of one's own on it.
pub struct Cloud {
    pub endpoint: String,
    pub name: String,
}

impl Cloud {
    /// Moto's, if it is there.
    pub fn moto() -> Option<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self::at(part("SERENO_TEST_AWS")?))
    }

    pub fn at(endpoint: String) -> Self {
        Self { endpoint, name: format!("shop-{}", sereno::id::RunId::new()).to_lowercase() }
    }

    pub fn tools(&self) -> Tools {
        let secrets = [("db_password".to_owned(), Secret::new("correct-horse-battery"))];
        Tools::new(secrets.into(), &[], None).with_aws(AwsSettings {
            region: Some("eu-west-1".to_owned()),
            endpoint: Some(self.endpoint.clone()),
            profile: None,
            key: Some((KEY_ID.to_owned(), Secret::new(KEY))),
        })
    }

    /// A context whose attempt starts now: moto keeps the system's time.
    pub fn context(&self, effect: Effect) -> StepContext {
        StepContext { started_at: Clock::System.now(), ..context(&self.tools(), effect, LONG) }
    }

    pub async fn plan(&self, name: &str, with: &Value) -> Result<Plan, Sentence> {
        executor::plan(&*action(name, with), &self.tools(), Effect::Read).await
    }

    /// Plans a step, and runs it with that plan.
    pub async fn run(&self, name: &str, with: Value) -> Outcome {
        let step = action(name, &with);
        let effect = step.effect(None).unwrap();
        let plan = match executor::plan(&*step, &self.tools(), effect).await {
            Ok(plan) => plan,
            Err(why) => return Outcome::Failed(Report::line(why)),
        };
        let cx = StepContext { planned: plan.exact, ..self.context(effect) };
        executor::run(&*step, &cx).await
    }

    /// Runs it to a good end, and gives its facts.
    pub async fn facts(&self, name: &str, with: Value) -> Value {
        done(self.run(name, with).await).facts
    }

    /// As [`Self::facts`], of the action `aws`.
    pub async fn aws(&self, with: Value) -> Value {
        self.facts("aws", with).await
    }

    /// What AWS is asked to set a story up, beside our own actions.
    pub async fn sdk(&self) -> aws_config::SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        aws_config::defaults(aws_config::BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(&self.endpoint)
            .region(aws_config::Region::new("eu-west-1"))
            .credentials_provider(aws_credential_types::Credentials::new(KEY_ID, KEY, None, None, "tests"))
            .load()
            .await
    }
}

/// Asks moto without a signature that anybody looks at: method, path and content type, or DynamoDB's operation.
pub async fn asked(cloud: &Cloud, service: &str, (method, path, kind): (&str, &str, &str), body: String) -> String {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/20260301/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let url = format!("{}{path}", cloud.endpoint);
    let request = executor::http::client().request(method.parse().unwrap(), url).header("authorization", scope);
    let request = match kind.contains('/') {
        true => request.header("content-type", kind),
        false => request.header("content-type", "application/x-amz-json-1.1").header("x-amz-target", kind),
    };
    let answer = request.body(body.clone()).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{body}: {text}");
    text
}

/// The smallest zip file there is, with a comment that tells it from others.
pub fn zip(comment: &str) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06".to_vec();
    bytes.extend([0; 16]);
    bytes.extend(u16::try_from(comment.len()).unwrap().to_le_bytes());
    bytes.extend(comment.as_bytes());
    bytes
}

/// A function with two versions and the alias `live` on the second.
pub async fn function(cloud: &Cloud) -> aws_sdk_lambda::Client {
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role =
        format!("Action=CreateRole&Version=2010-05-08&RoleName={}&AssumeRolePolicyDocument={policy}", cloud.name);
    asked(cloud, "iam", ("POST", "/", "application/x-www-form-urlencoded"), role).await;
    let client = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let variables = [("DB_PASSWORD", "hunter2hunter2"), ("LEVEL", "info")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    client
        .create_function()
        .function_name(&cloud.name)
        .runtime(Runtime::from("python3.12"))
        .role(format!("arn:aws:iam::{}:role/{}", ACCOUNT, cloud.name))
        .handler("app.handler")
        .timeout(30)
        .memory_size(256)
        .environment(Environment::builder().set_variables(Some(variables)).build())
        .code(FunctionCode::builder().zip_file(Blob::new(zip("one"))).build())
        .send()
        .await
        .unwrap();
    client.publish_version().function_name(&cloud.name).send().await.unwrap();
    let code = client.update_function_code().function_name(&cloud.name).zip_file(Blob::new(zip("two")));
    code.send().await.unwrap();
    client.publish_version().function_name(&cloud.name).send().await.unwrap();
    client.create_alias().function_name(&cloud.name).name("live").function_version("2").send().await.unwrap();
    client
}

pub fn done(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        Outcome::Failed(report) => panic!("failed: {} {}", report.line.en(), report.facts),
        other => panic!("not done: {other:?}"),
    }
}

/// Why it failed.
pub fn failed(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(report) => report.line.en(),
        other => panic!("not failed: {other:?}"),
    }
}

pub fn unknown(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Unknown(report) => report,
        other => panic!("not unknown: {other:?}"),
    }
}

/// Some moment before now.
pub fn ago(seconds: i64) -> Timestamp {
    Timestamp(Clock::System.now().0 - seconds * 1000)
}

/// Fields with a name of the story's own.
pub fn with(mut fields: Value, name: &str, value: &str) -> Value {
    fields[name] = json!(value);
    fields
}
