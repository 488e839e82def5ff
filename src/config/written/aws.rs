//! The section `aws` as written. Knows nothing of what its values mean.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Hidden;

/// AWS. What is not said is taken as programs of AWS do: from the variables `AWS_…`, from `~/.aws`, or from the role of
/// the machine.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Aws {
    /// The region, as in `eu-west-1`; a step may name another one.
    pub region: Option<String>,
    /// Another address than AWS's own, for all services, as in `http://127.0.0.1:5000`.
    pub endpoint_url: Option<String>,
    /// A profile in `~/.aws`; one with a role takes that role.
    pub profile: Option<String>,
    /// The id of an access key. Better are a profile or the machine's role.
    pub access_key_id: Option<String>,
    /// The access key's secret.
    pub secret_access_key: Option<Hidden>,
    /// A file that holds it.
    pub secret_access_key_file: Option<PathBuf>,
}
