//! The keys of `docker` and `programs`: what runbooks use on this machine.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// The Docker engine.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Docker {
    /// Its address, as in `unix:///var/run/docker.sock` or `tcp://127.0.0.1:2375`; the platform's default without it.
    pub host: Option<String>,
    /// Whether runbooks may run programs in containers of their own (`do: run`): whoever writes one then reaches every
    /// image, volume and network of the engine by name.
    pub allow_run: bool,
}

/// Programs that are not in a usual place, or of which there are several; each an absolute path.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Programs {
    /// Terraform, or what takes the same arguments.
    pub terraform: Option<PathBuf>,
    /// Docker's command, for its plugin `compose`.
    pub docker: Option<PathBuf>,
    /// The older compose, asked where Docker's command has no plugin.
    pub docker_compose: Option<PathBuf>,
}
