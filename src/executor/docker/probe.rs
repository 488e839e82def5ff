//! `docker`, after an attempt whose end nobody heard: what the containers of its plan are now. Only looks.

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use serde_json::{Value, json};

use super::engine::{Engine, Fault, of_thing};
use super::job::Job;
use super::{DockerStep, change};
use crate::clock::Timestamp;
use crate::domain::sentence::sentence;
use crate::domain::step::Report;
use crate::executor::{Probe, StepContext, listed};

/// How long the engine may take to answer.
const LOOKING: Duration = Duration::from_secs(10);

impl DockerStep {
    /// Whether the world shows what an attempt did.
    pub(super) fn shows(&self) -> bool {
        matches!(self.job, Job::Restart { .. } | Job::Stop { .. } | Job::Start | Job::ScaleDown { .. })
            || matches!(self.job, Job::Down { volumes: false, .. })
    }

    /// What became of an attempt on the containers that its plan names.
    pub(super) async fn look_back(&self, cx: &StepContext) -> Probe {
        let look = async {
            let engine = Engine::reach(&cx.tools, LOOKING).await?;
            let (mut done, mut open) = (Vec::new(), Vec::new());
            for target in cx.planned["targets"].as_array().into_iter().flatten() {
                let (id, name) = (text(&target["id"]), text(&target["name"]));
                let is = match engine.docker.inspect_container(id, None).await {
                    Ok(found) => Some(found),
                    Err(Error::DockerResponseServerError { status_code: 404, .. }) => None,
                    Err(error) => return Err(of_thing(name, &error)),
                };
                if self.came_about(is.as_ref(), cx.started_at) { done.push(name) } else { open.push(name) }
            }
            for network in cx.planned["networks"].as_array().into_iter().flatten() {
                let name = text(&network["name"]);
                match engine.docker.inspect_network(text(&network["id"]), None).await {
                    Ok(_) => open.push(name),
                    Err(Error::DockerResponseServerError { status_code: 404, .. }) => done.push(name),
                    Err(error) => return Err(of_thing(name, &error)),
                }
            }
            Ok(self.tell(cx, &done, &open))
        };
        look.await.unwrap_or_else(|fault| match fault {
            Fault::Failed(why) | Fault::Lost(why) => Probe::Seen(why),
        })
    }

    /// Whether a container is as the verb leaves it. Of a restart its start tells, by the engine's clock.
    fn came_about(&self, is: Option<&ContainerInspectResponse>, since: Timestamp) -> bool {
        let state = is.and_then(|is| is.state.as_ref());
        let runs = state.and_then(|state| state.running).unwrap_or_default();
        match &self.job {
            Job::Restart { .. } => {
                let started = state.and_then(|state| state.started_at.as_deref()?.parse::<jiff::Timestamp>().ok());
                runs && started.is_some_and(|at| Timestamp::from(at) >= since)
            }
            Job::Start => runs,
            Job::Stop { .. } => is.is_some() && !runs,
            _ => is.is_none(),
        }
    }

    fn tell(&self, cx: &StepContext, done: &[&str], open: &[&str]) -> Probe {
        let names = listed(done);
        if !open.is_empty() {
            let rest = listed(open);
            return match done.is_empty() {
                true => Probe::Seen(sentence!("action.docker_not_done", what => self.job.verb().as_str(), rest)),
                false => {
                    Probe::Seen(sentence!("action.docker_partly_done", what => self.job.verb().as_str(), names, rest))
                }
            };
        }
        let (facts, line) = match &self.job {
            Job::Down { .. } => (json!({ "removed": done, "bytes": 0 }), sentence!("action.docker_downed", names)),
            Job::ScaleDown { replicas, .. } => {
                let previous = cx.planned["previous"].as_u64().unwrap_or_default();
                let line = sentence!("action.docker_scaled", previous, replicas => *replicas);
                (json!({ "previous": previous, "replicas": replicas, "changed": done }), line)
            }
            job => (json!({ "changed": done }), change::changed_said(job, &names)),
        };
        Probe::happened(Report::new(facts, line))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
