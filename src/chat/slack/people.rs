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
/// Of an account: whether it is one that gives rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    /// Of our workspace, and open.
    Open,
    /// Closed: whoever had it has left.
    Closed,
    /// A guest's, of another workspace, or unknown. A slip of the pen looks the same, so it says nothing of the person
    /// elsewhere; here it opens nothing.
    Stranger,
}

/// Refusals that say that there is no such person for us.
const NOBODY: &[&str] = &["user_not_found", "user_not_visible"];
/// Refusals that say that there is no such group.
pub(super) const NO_GROUP: &[&str] = &["no_such_subteam", "subteam_disabled"];

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

impl User {
    fn account(&self, team: &str) -> Account {
        let foreign = self.is_stranger || (!self.team_id.is_empty() && self.team_id != team);
        match self.deleted {
            true => Account::Closed,
            false if foreign || self.is_restricted || self.is_ultra_restricted => Account::Stranger,
            false => Account::Open,
        }
    }
}

#[derive(Deserialize)]
struct Members {
    #[serde(default)]
    users: BTreeSet<String>,
}

/// Answers of the last seconds.
pub(super) struct People {
    clock: Clock,
    accounts: Recent<Account>,
    groups: Recent<BTreeSet<String>>,
}

impl People {
    pub fn new(clock: Clock) -> Self {
        Self { clock, accounts: Recent::default(), groups: Recent::default() }
    }

    /// How somebody stands. Only who is of our workspace, and no guest, is in groups.
    pub async fn standing(&self, api: &Api, identity: &str, groups: &[String]) -> Result<Standing, Fault> {
        let own = api.own().await?;
        let stranger = Standing { stranger: true, ..Standing::default() };
        let Some(user) = own.user_of(identity) else { return Ok(stranger) };
        match self.account(api, &own.team, user).await? {
            Account::Open => {}
            Account::Closed => return Ok(Standing { gone: true, ..Standing::default() }),
            Account::Stranger => return Ok(stranger),
        }
        let mut member_of = Vec::new();
        for group in groups {
            if self.members(api, group).await?.contains(user) {
                member_of.push(group.clone());
            }
        }
        Ok(Standing { groups: member_of, ..Standing::default() })
    }

    /// What an account of the workspace `team` is.
    pub async fn account(&self, api: &Api, team: &str, user: &str) -> Result<Account, Fault> {
        if let Some(account) = self.accounts.get(self.clock.steady(), user) {
            return Ok(account);
        }
        let account = match api.get::<Asked>("users.info", &[("user", user)]).await {
            Ok(Asked { user }) => user.account(team),
            Err(fault) if fault.is(NOBODY) => Account::Stranger,
            Err(fault) => return Err(fault),
        };
        self.accounts.put(self.clock.steady(), user, account);
        Ok(account)
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

/// Who is in a group, as Slack says.
pub(super) async fn list(api: &Api, group: &str) -> Result<BTreeSet<String>, Fault> {
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
