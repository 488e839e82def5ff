//! The Docker engine: reached, asked for containers, and what its errors mean. Containers are only ever named to it
//! by the ids that it gave.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use serde_json::{Value, json};

use super::fields::Selector;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::Tools;

/// Where the engine listens unless the configuration says otherwise.
const DEFAULT: &str = "unix:///var/run/docker.sock";
/// Labels that compose puts on its containers.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
/// On a container of `compose run`: it is not the service.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It certainly did not come about.
    Failed(Sentence),
    /// It was sent, and nobody answered.
    Lost(Sentence),
}

/// A container as the engine lists it.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) service: Option<String>,
    /// The image by the name it was started with.
    pub(super) image: String,
    /// The image's digest.
    pub(super) image_id: String,
    /// `running`, `exited`, …
    pub(super) state: String,
    /// In the engine's words, as in `Up 5 minutes (healthy)`.
    pub(super) status: String,
}

impl Container {
    fn new(summary: ContainerSummary) -> Self {
        let labels = summary.labels.unwrap_or_default();
        let names = summary.names.unwrap_or_default();
        // Links add names with a second slash.
        let own = names.iter().filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'));
        Self {
            id: summary.id.unwrap_or_default(),
            name: own.unwrap_or_default().to_owned(),
            service: labels.get(SERVICE).cloned(),
            image: summary.image.unwrap_or_default(),
            image_id: summary.image_id.unwrap_or_default(),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
            status: summary.status.unwrap_or_default(),
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.state == "running"
    }

    /// `healthy`, `unhealthy`, `starting`, or `none` where it has no check. The list tells it in words alone.
    pub(super) fn health(&self) -> &'static str {
        let says = |word| self.status.ends_with(word);
        match () {
            () if says("(healthy)") => "healthy",
            () if says("(unhealthy)") => "unhealthy",
            () if says("(health: starting)") => "starting",
            () => "none",
        }
    }

    /// As facts show it.
    pub(super) fn fact(&self) -> Value {
        json!({
            "name": self.name,
            "service": self.service,
            "state": self.state,
            "health": self.health(),
            "image": self.image,
            "status": self.status,
        })
    }
}

/// A connection to the engine.
pub(super) struct Engine {
    pub(super) docker: Docker,
    address: String,
}

impl Engine {
    /// Reaches the engine. `patience` is the longest that one answer may take.
    pub(super) async fn reach(tools: &Tools, patience: Duration) -> Result<Self, Fault> {
        let address = tools.docker_host.clone().unwrap_or_else(|| DEFAULT.to_owned());
        let away = |error: Error| Fault::Failed(away(&address, &error));
        let seconds = patience.as_secs().max(1);
        let docker = match address.starts_with("unix://") {
            true => Docker::connect_with_unix(&address, seconds, API_DEFAULT_VERSION),
            false => Docker::connect_with_host(&address).map(|docker| docker.with_timeout(patience)),
        };
        let docker = docker.map_err(away)?.negotiate_version().await.map_err(away)?;
        Ok(Self { docker, address })
    }

    /// The containers that a selector means, sorted by name, running or not.
    pub(super) async fn containers(&self, selector: &Selector) -> Result<Vec<Container>, Fault> {
        let labels = match selector {
            Selector::Compose { project, service } => {
                let label = |key: &str, value: &Option<String>| value.as_ref().map(|value| format!("{key}={value}"));
                [label(PROJECT, project), label(SERVICE, service)].into_iter().flatten().collect()
            }
            Selector::Name { .. } => Vec::new(),
        };
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label".to_owned(), labels)]))
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| Fault::Failed(away(&self.address, &error)))?;
        let one_off = |summary: &ContainerSummary| {
            summary.labels.as_ref().and_then(|labels| labels.get(ONE_OFF)).is_some_and(|value| value == "True")
        };
        let by_name = matches!(selector, Selector::Name { .. });
        let mut containers: Vec<Container> =
            listed.into_iter().filter(|summary| by_name || !one_off(summary)).map(Container::new).collect();
        if let Selector::Name { container: name } = selector {
            containers.retain(|container| container.name == *name);
        }
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(containers)
    }
}

fn away(address: &str, error: &Error) -> Sentence {
    sentence!("action.docker_away", address, why => causes(error))
}

/// What went wrong with one container.
pub(super) fn of_one(container: &Container, error: &Error) -> Fault {
    Fault::Failed(sentence!("action.docker_went_wrong", what => &container.name, why => causes(error)))
}

/// What an error of a request that changes something means.
pub(super) fn fault(what: Sentence, error: &Error) -> Fault {
    let why = sentence!("action.docker_went_wrong", what, why => causes(error));
    match error {
        // A proxy in front of the engine did not hear how it ended.
        Error::DockerResponseServerError { status_code: 502 | 504, .. } => Fault::Lost(why),
        Error::DockerResponseServerError { .. } | Error::SocketNotFoundError(_) => Fault::Failed(why),
        Error::HyperLegacyError { err } if err.is_connect() => Fault::Failed(why),
        _ => Fault::Lost(why),
    }
}

/// An error as it came, with what led to it.
pub(super) fn causes(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.trim().to_owned();
    }
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_line = inner.to_string();
        if !line.ends_with(&inner_line) {
            line = format!("{line}: {inner_line}");
        }
        cause = inner.source();
    }
    line
}
