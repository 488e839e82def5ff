//! A compose project of its own on the real engine, made by hand from an imported image, gone with its test.

#![allow(dead_code)] // each test uses some of it

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use serde_json::{Value, json};
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext, Tools};
use sereno::secret::Secret;

use crate::executor_support::{action, context};
use crate::parts::part;

pub const LONG: Duration = Duration::from_secs(60);
/// Says two lines, then waits for its end.
pub const SERVE: &str = "trap 'exit 0' TERM; echo INFO up; echo ERROR disk full >&2; while :; do sleep 0.1; done";

/// One compose project of its own, gone with the test.
pub struct Stack {
    pub host: String,
    pub docker: Docker,
    pub project: String,
}

impl Stack {
    pub fn new() -> Option<Self> {
        let host = part("SERENO_TEST_DOCKER")?;
        let docker = Docker::connect_with_host(&host).unwrap();
        let project = format!("shop{}", sereno::id::RunId::new()).to_lowercase();
        Some(Self { host, docker, project })
    }

    pub fn tools(&self) -> Tools {
        let secrets = [("token".to_owned(), Secret::new("hunter2hunter2"))].into();
        Tools { docker_run: true, ..Tools::new(secrets, &[], Some(self.host.clone())) }
    }

    pub fn name(&self, service: &str, number: u32) -> String {
        format!("{}_{service}_{number}", self.project)
    }

    pub async fn create(&self, service: &str, number: u32, script: &str, more: ContainerCreateBody) {
        let labels = [("project", self.project.as_str()), ("service", service)];
        let labels = labels.map(|(key, value)| (format!("com.docker.compose.{key}"), value.to_owned()));
        let network = more.host_config.as_ref().and_then(|host| host.network_mode.clone());
        let network = network.unwrap_or_else(|| "none".to_owned());
        let body = ContainerCreateBody {
            image: Some("sereno-test/busybox".to_owned()),
            cmd: Some(["sh", "-c", script].map(str::to_owned).to_vec()),
            labels: Some(labels.into_iter().chain(more.labels.clone().unwrap_or_default()).collect()),
            host_config: Some(HostConfig {
                network_mode: Some(network),
                ..more.host_config.clone().unwrap_or_default()
            }),
            ..more
        };
        let options = CreateContainerOptionsBuilder::default().name(&self.name(service, number)).build();
        self.docker.create_container(Some(options), body).await.unwrap();
    }

    /// A network and a volume of this project, by what compose calls them.
    pub async fn network(&self, name: &str) -> String {
        let name = format!("{}_{name}", self.project);
        let labels = [("com.docker.compose.project".to_owned(), self.project.clone())];
        let body = NetworkCreateRequest { name: name.clone(), labels: Some(labels.into()), ..Default::default() };
        self.docker.create_network(body).await.unwrap();
        name
    }

    pub async fn volume(&self, name: &str) -> String {
        let name = format!("{}_{name}", self.project);
        let labels = [("com.docker.compose.project".to_owned(), self.project.clone())];
        let body = VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels.into()), ..Default::default() };
        self.docker.create_volume(body).await.unwrap();
        name
    }

    /// A volume that is a folder of this machine.
    pub async fn volume_at(&self, name: &str, folder: &std::path::Path) -> String {
        let name = format!("{}_{name}", self.project);
        let labels = [("com.docker.compose.project".to_owned(), self.project.clone())];
        let folder = folder.display().to_string();
        let bound = [("type", "none"), ("o", "bind"), ("device", folder.as_str())];
        let driver_opts = bound.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (driver_opts, labels) = (Some(driver_opts.into()), Some(labels.into()));
        let body = VolumeCreateRequest { name: Some(name.clone()), driver_opts, labels, ..Default::default() };
        self.docker.create_volume(body).await.unwrap();
        name
    }

    pub async fn up(&self, service: &str, number: u32) {
        self.create(service, number, SERVE, ContainerCreateBody::default()).await;
        self.docker.start_container(&self.name(service, number), None).await.unwrap();
    }

    pub async fn remove(&self, name: &str) {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        self.docker.remove_container(name, Some(options)).await.unwrap();
    }

    pub async fn started_at(&self, name: &str) -> String {
        self.docker.inspect_container(name, None).await.unwrap().state.unwrap().started_at.unwrap()
    }

    /// An attempt of its own and of now: containers of their own are told apart by that, and the engine is shared.
    pub fn context(&self, effect: Effect) -> StepContext {
        let idempotency_key = format!("{}-{}", self.project, sereno::id::RunId::new());
        let started_at = sereno::clock::Clock::System.now();
        StepContext { idempotency_key, started_at, ..context(&self.tools(), effect, LONG) }
    }

    /// Plans it, and runs it with what was planned, as the engine of runs does.
    pub async fn planned(&self, effect: Effect, with: Value) -> (Plan, Outcome) {
        let step = action("docker", &with);
        let plan = executor::plan(&*step, &self.tools(), effect).await.unwrap();
        let mut cx = self.context(effect);
        cx.planned = plan.exact.clone();
        (plan, executor::run(&*step, &cx).await)
    }

    /// A step of this project.
    pub fn step(&self, mut with: Value) -> Value {
        with["project"] = json!(self.project);
        with
    }

    pub async fn run(&self, effect: Effect, with: Value) -> Outcome {
        let cx = context(&self.tools(), effect, LONG);
        executor::run(&*action("docker", &self.step(with)), &cx).await
    }

    pub async fn plan(&self, with: Value) -> Result<Plan, Sentence> {
        executor::plan(&*action("docker", &self.step(with)), &self.tools(), Effect::Read).await
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let (docker, label) = (self.docker.clone(), format!("com.docker.compose.project={}", self.project));
        let sweep = async move {
            let filters = HashMap::from([("label", vec![label])]);
            let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
            for found in docker.list_containers(Some(options)).await.unwrap_or_default() {
                let options = RemoveContainerOptionsBuilder::default().force(true).build();
                let _ = docker.remove_container(&found.id.unwrap_or_default(), Some(options)).await;
            }
            let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
            for found in docker.list_networks(Some(options)).await.unwrap_or_default() {
                let _ = docker.remove_network(&found.id.unwrap_or_default()).await;
            }
            let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
            for found in docker.list_volumes(Some(options)).await.unwrap_or_default().volumes.unwrap_or_default() {
                let _ = docker.remove_volume(&found.name, None::<RemoveVolumeOptions>).await;
            }
        };
        let swept = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(sweep));
        let _ = swept.join();
    }
}
