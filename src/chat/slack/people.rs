//! How people stand at Slack, and the groups that they are in: read anew for every decision, but no more often than
//! Slack bears. Knows nothing of roles.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Standing;
use super::api::Api;
use super::fault::Fault;
use crate::clock::Clock;

/// How old an answer may be: groups may be asked for twenty times a minute.
const FRESH: Duration = Duration::from_secs(3);
/// Refusals that say that there is no such person for us.
const NOBODY: &[&str] = &["user_not_found", "user_not_visible"];
/// Refusals that say that there is no such group.
const NO_GROUP: &[&str] = &["no_such_subteam", "subteam_disabled"];

#[derive(Deserialize)]
struct Asked {
    user: User,
}

/// Of a user, what takes their rights.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // Slack's own flags
struct User {
    team_id: String,
    deleted: bool,
    is_restricted: bool,
    is_ultra_restricted: bool,
    is_stranger: bool,
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    users: BTreeSet<String>,
}

/// Answers of the last seconds.
pub(super) struct People {
    clock: Clock,
    gone: Recent<bool>,
    groups: Recent<BTreeSet<String>>,
}

impl People {
    pub fn new(clock: Clock) -> Self {
        Self { clock, gone: Recent::default(), groups: Recent::default() }
    }

    /// How somebody stands. Who is of another workspace, a guest or nobody has no rights from here.
    pub async fn standing(&self, api: &Api, identity: &str, groups: &[String]) -> Result<Standing, Fault> {
        let own = api.own().await?;
        let Some(user) = own.user_of(identity) else { return Ok(Standing { gone: true, groups: Vec::new() }) };
        if self.is_gone(api, &own.team, user).await? {
            return Ok(Standing { gone: true, groups: Vec::new() });
        }
        let mut member_of = Vec::new();
        for group in groups {
            if self.members(api, group).await?.contains(user) {
                member_of.push(group.clone());
            }
        }
        Ok(Standing { gone: false, groups: member_of })
    }

    async fn is_gone(&self, api: &Api, team: &str, user: &str) -> Result<bool, Fault> {
        if let Some(gone) = self.gone.get(self.clock.steady(), user) {
            return Ok(gone);
        }
        let gone = match api.get::<Asked>("users.info", &[("user", user)]).await {
            Ok(Asked { user }) => {
                let foreign = user.is_stranger || (!user.team_id.is_empty() && user.team_id != team);
                user.deleted || user.is_restricted || user.is_ultra_restricted || foreign
            }
            Err(fault) if fault.is(NOBODY) => true,
            Err(fault) => return Err(fault),
        };
        self.gone.put(self.clock.steady(), user, gone);
        Ok(gone)
    }

    /// Who is in a group; nobody where there is none, which gives no rights.
    async fn members(&self, api: &Api, group: &str) -> Result<BTreeSet<String>, Fault> {
        if let Some(members) = self.groups.get(self.clock.steady(), group) {
            return Ok(members);
        }
        let members = match list(api, group).await {
            Err(fault) if fault.is(NO_GROUP) => {
                tracing::error!(group, %fault, "this user group gives no rights: there is none");
                BTreeSet::new()
            }
            members => members?,
        };
        self.groups.put(self.clock.steady(), group, members.clone());
        Ok(members)
    }

    /// Makes these users, and no others, the members of a group; where they are already, nothing is written.
    pub async fn set_group(&self, api: &Api, group: &str, users: &BTreeSet<String>) -> Result<(), Fault> {
        if list(api, group).await? == *users {
            return Ok(());
        }
        let joined = users.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        api.post::<Value>("usergroups.users.update", &json!({"usergroup": group, "users": joined})).await?;
        self.groups.put(self.clock.steady(), group, users.clone());
        Ok(())
    }
}

async fn list(api: &Api, group: &str) -> Result<BTreeSet<String>, Fault> {
    let members: Members = api.get("usergroups.users.list", &[("usergroup", group)]).await?;
    Ok(members.users)
}

/// Values that are good for [`FRESH`]; holds no others.
struct Recent<T>(Mutex<HashMap<String, (Duration, T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Recent<T> {
    fn get(&self, now: Duration, key: &str) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(at, _)| now.saturating_sub(*at) < FRESH).map(|(_, value)| value.clone())
    }

    fn put(&self, now: Duration, key: &str, value: T) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| now.saturating_sub(*at) < FRESH);
        known.insert(key.to_owned(), (now, value));
    }
}
