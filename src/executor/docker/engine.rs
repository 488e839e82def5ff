//! The Docker engine: reached, asked for containers, and what its errors mean. Containers are only ever named to it
//! by the ids that it gave.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use serde_json::{Value, json};

use super::job::Selector;
use super::raw;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::Tools;
pub(in crate::executor) use crate::executor::attempt::Fault;

/// Where the engine listens unless the configuration says otherwise.
const DEFAULT: &str = "unix:///var/run/docker.sock";
/// The last API version whose answer about room is read here.
const LATEST: &str = "1.51";
/// Labels that compose puts on what it makes.
pub(super) const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// On a container of `compose run`: it is not the service.
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// A container as the engine lists it.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(super) name: String,
    pub(crate) service: Option<String>,
    /// Which of its service's containers it is.
    pub(super) number: u32,
    /// The services that its own depends on.
    pub(super) depends_on: Vec<String>,
    /// Digest of what compose made it from.
    pub(crate) config_hash: Option<String>,
    /// Names of the networks that it is in.
    pub(super) networks: Vec<String>,
    /// All that is written on it.
    pub(super) labels: HashMap<String, String>,
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
        let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let mut networks: Vec<String> = networks.into_keys().collect();
        networks.sort();
        // As in `db:service_healthy:false,cache:service_started:false`.
        let depends_on = labels.get(DEPENDS_ON).map(String::as_str).unwrap_or_default().split(',');
        let depends_on = depends_on.filter_map(|one| one.split(':').next()).filter(|name| !name.is_empty());
        Self {
            id: summary.id.unwrap_or_default(),
            name: own.unwrap_or_default().to_owned(),
            service: labels.get(SERVICE).cloned(),
            number: labels.get(NUMBER).and_then(|number| number.parse().ok()).unwrap_or_default(),
            depends_on: depends_on.map(str::to_owned).collect(),
            config_hash: labels.get(CONFIG_HASH).cloned(),
            networks,
            image: summary.image.unwrap_or_default(),
            image_id: summary.image_id.unwrap_or_default(),
            state: summary.state.map(|state| state.to_string()).unwrap_or_default(),
            status: summary.status.unwrap_or_default(),
            labels,
        }
    }

    pub(crate) fn runs(&self) -> bool {
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
            "networks": self.networks,
        })
    }

    /// As plans hold it.
    pub(super) fn planned(&self) -> Value {
        json!({"id": self.id, "name": self.name, "image": self.image_id})
    }
}

/// Puts what others depend on first; by name where nothing says so, or where they depend on each other in a ring.
pub(super) fn dependencies_first(containers: &mut Vec<Container>) {
    let mut left = std::mem::take(containers);
    while !left.is_empty() {
        let waits = |one: &Container| {
            let on = |other: &Container| {
                other.service != one.service && other.service.as_ref().is_some_and(|name| one.depends_on.contains(name))
            };
            left.iter().any(on)
        };
        let ready: Vec<bool> = left.iter().map(|one| !waits(one)).collect();
        let ring = !ready.contains(&true);
        let mut ready = ready.into_iter();
        let (next, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|_| ready.next() == Some(true) || ring);
        containers.extend(next);
        left = rest;
    }
}

/// A connection to the engine.
pub(crate) struct Engine {
    pub(super) docker: Docker,
    address: String,
}

impl Engine {
    /// Reaches the engine. `patience` is the longest that one answer may take.
    pub(in crate::executor) async fn reach(tools: &Tools, patience: Duration) -> Result<Self, Fault> {
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
    pub(in crate::executor) async fn containers(&self, selector: &Selector) -> Result<Vec<Container>, Fault> {
        let project = match selector {
            Selector::Compose { project, .. } => project.as_deref(),
            Selector::Name { .. } => None,
        };
        let one_off = |summary: &ContainerSummary| {
            summary.labels.as_ref().and_then(|labels| labels.get(ONE_OFF)).is_some_and(|value| value == "True")
        };
        let by_name = matches!(selector, Selector::Name { .. });
        let listed = self.summaries(project.map(|project| format!("{PROJECT}={project}"))).await?;
        let mut containers: Vec<Container> =
            listed.into_iter().filter(|summary| by_name || !one_off(summary)).map(Container::new).collect();
        match selector {
            Selector::Name { container: name } => containers.retain(|container| container.name == *name),
            Selector::Compose { services, .. } if services.is_empty() => {}
            Selector::Compose { services, .. } => {
                containers.retain(|one| one.service.as_ref().is_some_and(|service| services.contains(service)));
            }
        }
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(containers)
    }

    /// Every container with this label, those of `compose run` too, sorted by name, running or not.
    pub(super) async fn labelled(&self, label: String) -> Result<Vec<Container>, Fault> {
        let mut containers: Vec<Container> =
            self.summaries(Some(label)).await?.into_iter().map(Container::new).collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(containers)
    }

    async fn summaries(&self, label: Option<String>) -> Result<Vec<ContainerSummary>, Fault> {
        let labels: Vec<String> = label.into_iter().collect();
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&HashMap::from([("label".to_owned(), labels)]))
            .build();
        self.docker.list_containers(Some(options)).await.map_err(|error| self.away(&error))
    }

    /// What a question that did not reach the engine, or that it did not answer, comes to.
    pub(super) fn away(&self, error: &Error) -> Fault {
        Fault::Failed(away(&self.address, error))
    }

    /// What the engine says of the room that things take. Asked by hand: the client reads only what later engines
    /// answer.
    pub(super) async fn disk(&self) -> Result<Value, Fault> {
        let version = self.docker.version().await.map_err(|error| self.away(&error))?;
        let version = version.api_version.unwrap_or_default();
        let of = |text: &str| -> Option<(u32, u32)> {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
        };
        let version = if of(&version) > of(LATEST) { LATEST } else { &version };
        let answer = raw::get(&self.address, &format!("/v{version}/system/df")).await;
        answer.map_err(|why| Fault::Failed(sentence!("action.docker_away", address => &self.address, why)))
    }
}

fn away(address: &str, error: &Error) -> Sentence {
    sentence!("action.docker_away", address, why => causes(error))
}

/// What a question about a thing of this name comes to that was not answered.
pub(super) fn of_thing(name: &str, error: &Error) -> Fault {
    Fault::Failed(sentence!("action.docker_went_wrong", what => name, why => causes(error)))
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

/// What an error means of something that has begun: whatever it says, how that ended nobody heard.
pub(super) fn lost(what: &str, error: &Error) -> Fault {
    Fault::Lost(sentence!("action.docker_went_wrong", what, why => causes(error)))
}

/// An error as it came, with what led to it.
pub(super) fn causes(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.trim().to_owned();
    }
    crate::executor::causes(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(service: &str, depends_on: &str) -> Container {
        let labels = [(SERVICE, service), (DEPENDS_ON, depends_on)];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let names = Some(vec![format!("/shop_{service}_1")]);
        Container::new(ContainerSummary { names, labels: Some(labels), ..Default::default() })
    }

    #[test]
    fn what_others_depend_on_comes_first() {
        let order = |mut containers: Vec<Container>| {
            dependencies_first(&mut containers);
            containers.into_iter().filter_map(|one| one.service).collect::<Vec<_>>().join(" ")
        };
        let shop = vec![
            container("api", "db:service_healthy:false,cache:service_started:false"),
            container("cache", ""),
            container("db", ""),
            container("web", "api:service_started:true,elsewhere:service_started:false"),
        ];
        assert_eq!(order(shop), "cache db api web");
        let ring = vec![container("a", "b:x:y"), container("b", "a:x:y"), container("c", "")];
        assert_eq!(order(ring), "c a b", "a ring is taken as it is");
    }
}
