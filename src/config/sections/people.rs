//! Roles and people: who there is, what they hold, and how they are recognized. One token or identity is one person's.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;

use super::Check;
use crate::config::written;
use crate::domain::actor::{PersonId, Platform, Role, SERENO};
use crate::domain::settings::Person;
use crate::secret::Secret;

/// Roles, checked.
#[derive(Default)]
pub struct Roles {
    /// What each includes.
    pub includes: BTreeMap<Role, Vec<Role>>,
    /// What people wrote about them.
    pub about: BTreeMap<Role, String>,
    /// Groups of platforms whose members hold them.
    pub groups: BTreeMap<Platform, BTreeMap<String, BTreeSet<Role>>>,
}

impl Check<'_> {
    /// Roles and what they include: known ones, and never themselves.
    pub fn roles(&mut self, written: &BTreeMap<String, Option<written::Role>>) -> Roles {
        let mut roles = Roles::default();
        for (name, role) in written {
            self.plain_name(&["roles", name], name);
            let (about, includes, groups) = match role {
                None => (None, Vec::new(), &[][..]),
                Some(written::Role::About(about)) => (Some(about), Vec::new(), &[][..]),
                Some(written::Role::Full(full)) => {
                    (full.about.as_ref(), full.includes.clone(), full.slack_groups.as_slice())
                }
            };
            for group in groups.iter().filter(|group| !group.is_empty()) {
                let of_slack = roles.groups.entry(Platform::Slack).or_default();
                of_slack.entry(group.clone()).or_default().insert(name.clone());
            }
            for (index, included) in includes.iter().enumerate() {
                let path = ["roles", name, "includes", &index.to_string()];
                self.known(&path, "unknown_role", included, |names| &names.roles);
            }
            roles.about.extend(about.map(|about| (name.clone(), about.clone())));
            roles.includes.insert(name.clone(), includes);
        }
        for name in roles.includes.keys() {
            if let Some(circle) = circle(&roles.includes, name) {
                self.findings.error_key(&["roles", name], "role_circle", context! { circle => circle.join(" → ") });
            }
        }
        roles
    }

    /// People by id, and the tokens of those who have one.
    pub fn people(
        &mut self,
        written: Vec<written::Person>,
    ) -> (BTreeMap<PersonId, Person>, BTreeMap<PersonId, Secret>) {
        let mut people = BTreeMap::new();
        let mut tokens = BTreeMap::new();
        for (index, person) in written.into_iter().enumerate() {
            let index = index.to_string();
            let path = ["people", index.as_str()];
            let id = person.id.clone();
            self.person_id(&path, &id, people.contains_key(&id));
            for (at, role) in person.roles.iter().enumerate() {
                let path = ["people", &index, "roles", &at.to_string()];
                self.known(&path, "unknown_role", role, |names| &names.roles);
            }
            let identities = self.identities(&path, person.slack, person.discord, &people);
            let console = ["people", index.as_str(), "console"];
            if let Some(token) = self.resolve(&console, "token", person.console.token, person.console.token_file) {
                self.token(&console, &id, token, &mut tokens);
            }
            let name = person.name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
            people.insert(id.clone(), Person { id, name, roles: person.roles, identities, standing: BTreeMap::new() });
        }
        (people, tokens)
    }

    fn person_id(&mut self, path: &[&str; 2], id: &str, again: bool) {
        let path = [path[0], path[1], "id"];
        if id.is_empty() {
            return;
        }
        if id.eq_ignore_ascii_case(SERENO) {
            self.error(&path, "reserved_id", context! { id });
        } else if again {
            self.error(&path, "same_id", context! { id });
        } else if !id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            || !id.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            self.error(&path, "name", context! { name => id });
        }
    }

    fn identities(
        &mut self,
        path: &[&str; 2],
        slack: Option<String>,
        discord: Option<String>,
        people: &BTreeMap<PersonId, Person>,
    ) -> BTreeMap<Platform, String> {
        let mut identities = BTreeMap::new();
        for (platform, identity) in [(Platform::Slack, slack), (Platform::Discord, discord)] {
            let Some(identity) = identity.filter(|identity| !identity.is_empty()) else { continue };
            let path = [path[0], path[1], platform.as_str()];
            let parts: Vec<&str> = identity.split('/').collect();
            if platform == Platform::Slack && (parts.len() != 2 || parts.iter().any(|part| part.is_empty())) {
                self.error(&path, "slack_identity", context! { identity => identity.as_str() });
            }
            if let Some(other) = people.values().find(|other| other.identities.get(&platform) == Some(&identity)) {
                self.error(
                    &path,
                    "same_identity",
                    context! { identity => identity.as_str(), other => other.id.as_str() },
                );
            }
            identities.insert(platform, identity);
        }
        identities
    }

    fn token(&mut self, console: &[&str; 3], id: &str, token: Secret, tokens: &mut BTreeMap<PersonId, Secret>) {
        let path = [console[0], console[1], console[2], "token"];
        self.long_enough(&path, &token);
        if let Some((other, _)) = tokens.iter().find(|(_, other)| other.reveal() == token.reveal()) {
            let other = other.clone();
            self.error(&path, "same_token", context! { id, other });
        }
        tokens.insert(id.to_owned(), token);
    }
}

/// The way from a role back to itself, told once: by the first of its members.
fn circle<'r>(includes: &'r BTreeMap<Role, Vec<Role>>, start: &'r str) -> Option<Vec<&'r str>> {
    fn walk<'r>(includes: &'r BTreeMap<Role, Vec<Role>>, start: &str, way: &mut Vec<&'r str>) -> bool {
        let Some(next) = way.last().and_then(|last| includes.get(*last)) else { return false };
        for role in next {
            if role == start {
                way.push(role);
                return true;
            }
            if role.as_str() > start && !way.contains(&role.as_str()) {
                way.push(role);
                if walk(includes, start, way) {
                    return true;
                }
                way.pop();
            }
        }
        false
    }
    let mut way = vec![start];
    walk(includes, start, &mut way).then_some(way)
}
