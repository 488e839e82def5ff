//! Which containers a `docker` step is for: what each verb takes of project, service and container.

use super::fields::{Fields, Services, text};
use super::job::{Selector, Verb};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::value::Text;

impl Fields {
    /// The selector that its verb takes.
    pub(super) fn selector(&self) -> Result<Selector, Sentence> {
        let verb = self.r#do;
        let (project, container) = (text(&self.project), text(&self.container));
        let services: Vec<String> = match &self.service {
            None => Vec::new(),
            Some(Services::One(Text(service))) => vec![service.clone()],
            Some(Services::Several(several)) => several.iter().map(|Text(service)| service.clone()).collect(),
        };
        let given = project.is_some() || self.service.is_some() || container.is_some();
        let empty = matches!(&self.service, Some(Services::Several(several)) if several.is_empty());
        if empty || [&project, &container].into_iter().flatten().chain(&services).any(String::is_empty) {
            return Err(sentence!("action.docker_empty_name"));
        }
        let free = match verb {
            Verb::Ps => true,
            Verb::Df | Verb::Run if given => return Err(sentence!("action.docker_no_selector", verb => verb.as_str())),
            Verb::Prune if self.service.is_some() || container.is_some() => {
                return Err(sentence!("action.docker_only_project", verb => verb.as_str()));
            }
            Verb::Df | Verb::Run | Verb::Prune => true,
            Verb::Down if project.is_none() || self.service.is_some() || container.is_some() => {
                return Err(sentence!("action.docker_only_project", verb => verb.as_str()));
            }
            Verb::ScaleDown if project.is_none() || services.len() != 1 || container.is_some() => {
                return Err(sentence!("action.docker_one_service", verb => verb.as_str()));
            }
            Verb::Network if given == self.network.is_some() => {
                return Err(sentence!("action.docker_network_or_containers"));
            }
            Verb::Network => true,
            _ => false,
        };
        match container {
            Some(_) if project.is_some() || !services.is_empty() => Err(sentence!("action.docker_two_ways")),
            Some(name) => Ok(Selector::Name { container: name }),
            None if !given && !free => Err(sentence!("action.docker_which", verb => verb.as_str())),
            None => Ok(Selector::Compose { project, services }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::executor::docker::fields::tests::{check, refused};

    #[test]
    fn what_changes_something_says_which_containers() {
        for verb in [Verb::Inspect, Verb::Logs, Verb::Stats, Verb::WaitHealthy, Verb::Restart, Verb::Stop, Verb::Exec] {
            let with = json!({"do": verb, "argv": (verb == Verb::Exec).then_some(["id"])});
            assert_eq!(refused(&with), sentence!("action.docker_which", verb => verb.as_str()));
        }
        assert_eq!(refused(&json!({"do": "stop", "project": ""})), sentence!("action.docker_empty_name"));
        let both = json!({"do": "stop", "project": "shop", "container": "x"});
        assert_eq!(refused(&both), sentence!("action.docker_two_ways"));
        assert_eq!(check(json!({"do": "ps"})).unwrap().0.named(), sentence!("action.docker_all"));
    }
}
