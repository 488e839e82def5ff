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

use std::time::Duration;

use serde_json::{Value, json};

use super::Tools;
use super::value::Text;
use crate::domain::sentence::{Sentence, sentence};

use self::caller::Caller;
use self::fault::Fault;
pub use self::session::Session;

/// How long a plan waits for AWS.
const PLANNING: Duration = Duration::from_secs(10);

/// Where a step acts and as whom, as its fields say.
#[derive(Debug, Clone, Default)]
struct Place {
    /// None means the configuration's, or the environment's.
    region: Option<String>,
    /// The account that it must be.
    account: Option<String>,
}

impl Place {
    /// From the fields of a step.
    fn new(region: Option<&Text>, account: Option<&Text>) -> Self {
        let text = |field: Option<&Text>| field.map(|text| text.0.clone());
        Self { region: text(region), account: text(account) }
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
        let caller = Caller::new(tools, self.region.as_deref()).await.map_err(Fault::Failed)?;
        if let Some(wanted) = &self.account {
            let found = caller.identity().await?.account;
            if found != *wanted {
                return Err(Fault::Failed(sentence!("aws.other_account", wanted, found)));
            }
        }
        Ok(caller)
    }
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
