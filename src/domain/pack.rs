//! A pack as meant: what `commands/<pack>/pack.yaml` says of a team's runbooks as a whole. Values that its runbooks
//! use, and the team's policy. Knows nothing of files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::actor::{PersonId, Role};
use super::runbook::Args;
use super::settings::PackSettings;
use super::severity::Severity;

/// Values by name, as `{{ values.name }}` gives them: scalars, and lists of scalars.
pub type Values = Map<String, Value>;

/// What holds for all runbooks of a pack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// Its folder's name.
    pub name: String,
    /// One line about it.
    pub about: String,
    /// Whether it is only in use where the configuration names it.
    pub opt_in: bool,
    /// What of a document it stands for, beside its runbooks.
    pub source: Vec<String>,
    /// Values with their defaults.
    pub values: Values,
    /// Secrets that its runbooks name, and what each is.
    pub secrets: BTreeMap<String, String>,
    /// What each severity means here.
    pub severities: BTreeMap<Severity, Target>,
    /// How long a loss may last, by kind of disaster.
    pub objectives: Vec<Objective>,
    /// Whom to call.
    pub contacts: Vec<Contact>,
    /// What happens when nobody answers, in the order of `after`.
    pub escalation: Vec<Escalation>,
    /// Runbooks that look by themselves and open an incident.
    pub monitors: Vec<Monitor>,
}

/// What a severity asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it means, in the team's words.
    pub means: String,
    /// Seconds until somebody must have acknowledged it.
    pub respond: u64,
    /// Seconds until it must be over.
    pub resolve: Option<u64>,
}

/// Recovery time and point of one kind of disaster, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// What was lost.
    pub name: String,
    /// Until it works again.
    pub rto: u64,
    /// How much of the latest data may be lost.
    pub rpo: u64,
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Who.
    pub who: String,
    /// How.
    pub how: String,
    /// When, if not always.
    pub when: Option<String>,
}

super::text_enum! {
    /// Until when an incident escalates.
    Until {
        /// Somebody looks at it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
    }
}

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Of incidents as grave as these; empty means all.
    pub severities: Vec<Severity>,
    /// Seconds since the incident opened.
    pub after: u64,
    /// What makes it needless.
    pub until: Until,
    /// What is said in the thread; none says that the severity's clock has run out.
    pub say: Option<String>,
    /// Roles whose people are called, beside the listed ones.
    pub roles: Vec<Role>,
    /// People who are called.
    pub people: Vec<PersonId>,
    /// Whether the team's on-call is called.
    pub on_call: bool,
}

/// A runbook that looks by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// Its name within the pack.
    pub name: String,
    /// The runbook, by full name; it only reads.
    pub runbook: String,
    /// Its arguments.
    pub args: Args,
    /// Its environment.
    pub env: Option<String>,
    /// Seconds between two looks.
    pub every: u64,
    /// Failures in a row that open an incident.
    pub failures: u32,
    /// Successes in a row that close it.
    pub successes: u32,
    /// How bad it is.
    pub severity: Severity,
    /// The incident's title.
    pub title: String,
}

impl Pack {
    /// A pack that says nothing.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// What happens to incidents of a severity that last: the steps of its escalation, and one as each of its clocks runs
    /// out, where the escalation does not speak at that very moment.
    #[must_use]
    pub fn escalation_of(&self, severity: Severity) -> Vec<Cow<'_, Escalation>> {
        let fits = |step: &&Escalation| step.severities.is_empty() || step.severities.contains(&severity);
        let mut steps: Vec<Cow<'_, Escalation>> = self.escalation.iter().filter(fits).map(Cow::Borrowed).collect();
        let Some(target) = self.severities.get(&severity) else { return steps };
        let respond = (Until::Acknowledged, Some(target.respond));
        for (until, after) in [respond, (Until::Resolved, target.resolve)] {
            let Some(after) = after else { continue };
            if !steps.iter().any(|step| (step.until, step.after) == (until, after)) {
                let severities = vec![severity];
                let step =
                    Escalation { severities, after, until, say: None, roles: vec![], people: vec![], on_call: true };
                steps.push(Cow::Owned(step));
            }
        }
        steps
    }
}

impl Monitor {
    /// `pack/name`, as the journal and alerts call it.
    #[must_use]
    pub fn full_name(&self, pack: &str) -> String {
        format!("{pack}/{}", self.name)
    }
}

/// The values that hold in an environment: the defaults, and over them what the configuration says, each in the type of
/// its default.
#[must_use]
pub fn values(defaults: &Values, over: Option<&PackSettings>, env: Option<&str>) -> Values {
    let mut values = defaults.clone();
    let Some(over) = over else { return values };
    let here = env.and_then(|env| over.environments.get(env));
    for (name, text) in over.values.iter().chain(here.into_iter().flat_map(|here| &here.values)) {
        if let Some(value) = values.get_mut(name) {
            *value = typed(text, value);
        }
    }
    values
}

/// A text as a value of the same type as `like`; the text itself where it is none.
fn typed(text: &str, like: &Value) -> Value {
    let same = |value: &Value| std::mem::discriminant(value) == std::mem::discriminant(like);
    match like {
        Value::Array(items) => {
            let of = items.first().cloned().unwrap_or_else(|| Value::from(""));
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| typed(part, &of)).collect()
        }
        Value::Number(_) | Value::Bool(_) => {
            serde_json::from_str(text).ok().filter(same).unwrap_or_else(|| Value::from(text))
        }
        _ => Value::from(text),
    }
}

/// The secrets that a pack's names stand for in an environment.
#[must_use]
pub fn secrets(over: Option<&PackSettings>, env: Option<&str>) -> BTreeMap<String, String> {
    let Some(over) = over else { return BTreeMap::new() };
    let here = env.and_then(|env| over.environments.get(env));
    let both = over.secrets.iter().chain(here.into_iter().flat_map(|here| &here.secrets));
    both.map(|(name, secret)| (name.clone(), secret.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::settings::PackEnvironment;

    #[test]
    fn a_clock_that_runs_out_is_told_where_the_escalation_is_silent() {
        let step = |after, until| {
            let say = Some("Wake the lead".to_owned());
            Escalation { severities: vec![], after, until, say, roles: vec![], people: vec![], on_call: false }
        };
        let target = Target { means: String::new(), respond: 300, resolve: Some(7200) };
        let mut pack = Pack { severities: [(Severity::P1, target)].into(), ..Pack::named("shop") };
        let told = |pack: &Pack, severity| -> Vec<(u64, Until, bool)> {
            let steps = pack.escalation_of(severity).into_iter();
            steps.map(|step| (step.after, step.until, step.say.is_none())).collect()
        };
        let (response, resolution) = ((300, Until::Acknowledged, true), (7200, Until::Resolved, true));
        assert_eq!(told(&pack, Severity::P1), [response, resolution]);
        assert_eq!(told(&pack, Severity::P2), [], "there is no clock for it");
        pack.escalation = vec![step(300, Until::Acknowledged), step(7200, Until::Acknowledged)];
        let own = [(300, Until::Acknowledged, false), (7200, Until::Acknowledged, false)];
        assert_eq!(told(&pack, Severity::P1), [own[0], own[1], resolution]);
        pack.escalation[0].severities = vec![Severity::P0];
        assert_eq!(told(&pack, Severity::P1), [own[1], response, resolution], "a step for others says nothing here");
    }

    #[test]
    fn the_environment_is_over_the_pack_s_settings_and_these_over_its_defaults() {
        let defaults = json!({"url": "http://localhost", "limit": 5, "services": ["api"], "strict": true});
        let Value::Object(defaults) = defaults else { unreachable!() };
        let texts = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let over = PackSettings {
            values: texts(&[("limit", "7"), ("services", "api, web"), ("strict", "maybe"), ("nobody", "x")]),
            secrets: texts(&[("db", "test_db")]),
            environments: [(
                "prod".to_owned(),
                PackEnvironment { values: texts(&[("url", "https://x")]), secrets: texts(&[("db", "prod_db")]) },
            )]
            .into(),
            ..PackSettings::default()
        };
        let prod = Value::Object(values(&defaults, Some(&over), Some("prod")));
        let want = json!({"url": "https://x", "limit": 7, "services": ["api", "web"], "strict": "maybe"});
        assert_eq!(prod, want, "a name that the pack does not have is none");
        assert_eq!(values(&defaults, Some(&over), None)["url"], "http://localhost");
        assert_eq!(secrets(Some(&over), Some("prod"))["db"], "prod_db");
        assert_eq!(secrets(Some(&over), Some("dev"))["db"], "test_db");
    }
}
