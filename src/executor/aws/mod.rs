//! AWS: `lambda`, `cloudwatch_logs`, `cloudwatch`, and `aws` for the long tail; what they have in common is here. Knows
//! nothing of single services.

mod attempt;
pub mod call;
mod caller;
pub mod cloudwatch;
mod fault;
pub mod lambda;
pub mod logs;
mod session;
mod wire;
mod xml;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use serde_json::{Value, json};

use super::Tools;
use super::value::{SecretText, Text};
use crate::domain::sentence::{Sentence, sentence};

use self::caller::Caller;
use self::fault::Fault;
pub use self::session::Session;

/// Where keys are asked who they are when nobody says which region.
const REGION: &str = "us-east-1";
/// How long a plan waits for AWS.
const PLANNING: Duration = Duration::from_secs(10);

/// Where a step acts and as whom, as its fields say.
#[derive(Debug, Clone, Default)]
struct Place {
    /// None means the configuration's, or the environment's.
    region: Option<String>,
    /// The account that it must be.
    account: Option<String>,
    /// Keys in place of those that the configuration or the environment has: the id, and the secret.
    keys: Option<(SecretText, SecretText)>,
}

impl Place {
    /// From the fields of a step.
    fn new(region: Option<&Text>, account: Option<&Text>) -> Self {
        let text = |field: Option<&Text>| field.map(|text| text.0.clone());
        Self { region: text(region), account: text(account), keys: None }
    }

    /// As plans hold it.
    fn exact(&self) -> Value {
        json!({ "region": self.region, "account": self.account })
    }

    /// A caller for this place, the account looked at.
    async fn caller(&self, tools: &Tools) -> Result<Caller, Fault> {
        // It becomes a part of a host's name.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some(region) = self.region.as_ref().filter(|name| name.is_empty() || !name.chars().all(plain)) {
            return Err(Fault::Failed(sentence!("aws.no_region_name", region)));
        }
        let caller = match &self.keys {
            Some((id, key)) => {
                let keys = Credentials::new(id.reveal(tools)?, key.reveal(tools)?, None, None, "step");
                let region = self.region.as_deref().or(tools.aws.region.as_deref()).unwrap_or(REGION);
                Caller::with_keys(keys, region, tools.aws.endpoint.as_deref())
            }
            None => Caller::new(tools, self.region.as_deref()).await.map_err(Fault::Failed)?,
        };
        if let Some(wanted) = &self.account {
            must_be_in(wanted, &caller).await?;
        }
        Ok(caller)
    }
}

/// Nothing is done in another account.
async fn must_be_in(wanted: &str, caller: &Caller) -> Result<(), Fault> {
    let found = caller.identity().await?.account;
    match found == wanted {
        true => Ok(()),
        false => Err(Fault::Failed(sentence!("aws.other_account", wanted, found))),
    }
}

/// Looks whether a program with this environment acts in this account: with the keys that it is given, at the address
/// that it asks, or else the configuration's.
///
/// # Errors
/// When it is another account, when the environment has no keys, or when AWS does not say.
pub async fn environment_is_in(wanted: &str, env: &BTreeMap<String, String>, tools: &Tools) -> Result<(), Sentence> {
    let given = |name: &str| env.get(name).filter(|text| !text.is_empty()).map(String::as_str);
    let (Some(id), Some(key)) = (given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")) else {
        return Err(sentence!("aws.no_keys", wanted));
    };
    let keys = Credentials::new(id, key, given("AWS_SESSION_TOKEN").map(str::to_owned), None, "step");
    let region = given("AWS_REGION").or(given("AWS_DEFAULT_REGION")).unwrap_or(REGION);
    let endpoint = given("AWS_ENDPOINT_URL_STS").or(given("AWS_ENDPOINT_URL")).or(tools.aws.endpoint.as_deref());
    planned(must_be_in(wanted, &Caller::with_keys(keys, region, endpoint))).await
}

/// What a plan finds out, in the time that plans have.
async fn planned<T>(look: impl Future<Output = Result<T, Fault>>) -> Result<T, Sentence> {
    match tokio::time::timeout(PLANNING, look).await {
        Ok(found) => found.map_err(Fault::said),
        Err(_) => Err(sentence!("aws.slow", seconds => PLANNING.as_secs())),
    }
}

/// Account and principal, and the region, for `doctor`.
///
/// # Errors
/// When AWS does not say who we are.
pub async fn identity(tools: &Tools) -> Result<String, Sentence> {
    planned(async {
        let caller = Place::default().caller(tools).await?;
        Ok(format!("{}, {}", caller.identity().await?.arn, caller.region()))
    })
    .await
}
