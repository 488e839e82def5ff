//! The configuration as meant: people, environments, channels, teams. What the engine and the catalogue's checks
//! are given; where it was written, and how, is the business of `config`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::actor::{Actor, PersonId, Platform, Role};
use super::policy::ApprovalDefaults;
use super::rota::Rota;
use super::severity::Severity;

super::text_enum! {
    /// The language that people are spoken to in.
    Language {
        /// English.
        En = "en",
        /// Spanish.
        Es = "es",
    }
}

/// Everything that is decided about this installation, the values of secrets apart.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of cards and command line.
    pub language: Language,
    /// Of the clocks on cards.
    pub time_zone: jiff::tz::TimeZone,
    /// Where people reach us, without a slash at the end.
    pub public_url: String,
    /// Environments by name.
    pub environments: BTreeMap<String, Environment>,
    /// People by id.
    pub people: BTreeMap<PersonId, Person>,
    /// Roles and the roles that each includes.
    pub roles: BTreeMap<Role, Vec<Role>>,
    /// Channels by name.
    pub channels: BTreeMap<String, Channel>,
    /// Teams by name.
    pub teams: BTreeMap<String, Team>,
    /// What is said here of packs, by name.
    pub packs: BTreeMap<String, PackSettings>,
    /// Alert sources by name.
    pub hooks: BTreeMap<String, HookSettings>,
    /// Names of the secrets that runbooks may use.
    pub secrets: BTreeSet<String>,
    /// Roles that approve unless a runbook says otherwise.
    pub approver_roles: Vec<Role>,
    /// Seconds until an approval dies unless a runbook says less.
    pub approval_expires: u64,
    /// When the on-call may go on alone.
    pub break_glass: BreakGlass,
    /// Groups of platforms, and the roles that their members hold.
    pub groups: BTreeMap<Platform, BTreeMap<String, BTreeSet<Role>>>,
    /// How long what is over is kept.
    pub retention: Retention,
    /// Where the head of the audit trail is posted, so that chat keeps a copy that nobody here can change.
    pub audit_channel: Option<String>,
}

/// An environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// How many people must agree to a change.
    pub approvals: u32,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// How they are called on cards.
    pub name: String,
    /// Roles that were given to them; included roles are added by [`Settings::actor`].
    pub roles: Vec<Role>,
    /// Their ids on other platforms: `T…/U…` on Slack, a user id on Discord.
    pub identities: BTreeMap<Platform, String>,
    /// What these platforms say of them, as far as it is known and still counts.
    pub standing: BTreeMap<Platform, Standing>,
}

/// How a person stands on a platform, as far as rights come from there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether their account was closed there: then they have no rights anywhere.
    pub gone: bool,
    /// Whether they are none of ours there: of another workspace, a guest, or nobody at all. Then they have no rights
    /// through this platform, and keep those that they have elsewhere.
    pub stranger: bool,
    /// Those of the asked groups that they are in.
    pub groups: Vec<String>,
}

/// A channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Channel {
    /// The platform it is on, and its id there.
    pub platforms: BTreeMap<Platform, String>,
    /// Packs whose commands are typed here without their prefix; empty means all.
    pub packs: Vec<String>,
    /// Taken when no environment is typed.
    pub environment: Option<String>,
    /// The team whose rota is meant here.
    pub team: Option<String>,
}

/// A team.
#[derive(Debug, Clone, PartialEq)]
pub struct Team {
    /// Where its shift changes are posted.
    pub channel: String,
    /// Who is on call.
    pub rota: Option<Rota>,
    /// Groups of platforms that are kept equal to who is on call.
    pub groups: BTreeMap<Platform, String>,
}

/// What this installation says of a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackSettings {
    /// Where its schedules and monitors speak; none and they sleep.
    pub channel: Option<String>,
    /// Values other than the pack's defaults.
    pub values: BTreeMap<String, String>,
    /// The secrets that its names stand for.
    pub secrets: BTreeMap<String, String>,
    /// What is different in an environment.
    pub environments: BTreeMap<String, PackEnvironment>,
}

/// What is different for a pack in an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackEnvironment {
    /// Values.
    pub values: BTreeMap<String, String>,
    /// The secrets that names stand for.
    pub secrets: BTreeMap<String, String>,
}

/// An alert source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// How its bodies are read, as in `alertmanager`.
    pub dialect: String,
    /// Where its incidents open.
    pub channel: String,
    /// Taken when an alert has no `env` or `environment` label.
    pub environment: Option<String>,
}

/// When the on-call may go on alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// Seconds without an answer.
    pub after: u64,
    /// In incidents of these severities.
    pub severities: Vec<Severity>,
    /// Channels that hear of it, beside the run's own.
    pub announce: Vec<String>,
}

/// How long what is over is kept, in seconds. The timeline is kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Requests that were dealt with: as long, the same key is the same request.
    pub requests: u64,
    /// Messages that their platform has.
    pub messages: u64,
    /// What the steps of finished runs printed.
    pub outputs: u64,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |count: u64| count * 24 * 3600;
        Self { requests: days(7), messages: days(90), outputs: days(90) }
    }
}

impl Settings {
    /// Whether somebody is one of us: listed, and with no account closed, on whichever platform they act.
    #[must_use]
    pub fn knows(&self, person: &str) -> bool {
        self.people.get(person).is_some_and(|person| !person.standing.values().any(|standing| standing.gone))
    }

    /// Whether somebody is one of us on this platform: known, and no stranger to it.
    #[must_use]
    pub fn knows_on(&self, person: &str, platform: Platform) -> bool {
        let stranger = |person: &Person| person.standing.get(&platform).is_some_and(|standing| standing.stranger);
        self.knows(person) && self.people.get(person).is_some_and(|person| !stranger(person))
    }

    /// A person as an actor on a platform, with the roles that were given to them, those of their groups, and every role
    /// that these include; none for strangers. The one place that says who somebody is and what they hold.
    #[must_use]
    pub fn actor(&self, person: &str, platform: Platform) -> Option<Actor> {
        let person = self.people.get(person).filter(|person| self.knows_on(&person.id, platform))?;
        let mut roles = BTreeSet::new();
        let mut todo = person.roles.clone();
        for (platform, standing) in &person.standing {
            let of_groups = self.groups.get(platform).into_iter().flatten();
            let theirs = of_groups.filter(|(group, _)| standing.groups.contains(group));
            todo.extend(theirs.flat_map(|(_, roles)| roles.iter().cloned()));
        }
        while let Some(role) = todo.pop() {
            if roles.insert(role.clone()) {
                todo.extend(self.roles.get(&role).into_iter().flatten().cloned());
            }
        }
        Some(Actor { id: person.id.clone(), platform, roles })
    }

    /// The same with everybody in every group that they could be in: who is, only its platform knows.
    #[must_use]
    pub fn at_most(&self) -> Self {
        let mut most = self.clone();
        for person in most.people.values_mut() {
            let of = |platform: &Platform| self.groups.get(platform).into_iter().flat_map(BTreeMap::keys).cloned();
            let full = |platform: &Platform| Standing { groups: of(platform).collect(), ..Standing::default() };
            person.standing = person.identities.keys().map(|platform| (*platform, full(platform))).collect();
        }
        most
    }

    /// The person with this identity on a platform; on the console the identity is the person's id.
    #[must_use]
    pub fn person_of(&self, platform: Platform, identity: &str) -> Option<&Person> {
        if platform == Platform::Console {
            return self.people.get(identity);
        }
        self.people.values().find(|person| person.identities.get(&platform).is_some_and(|id| id == identity))
    }

    /// How a person is called on cards.
    #[must_use]
    pub fn name_of<'a>(&'a self, person: &'a str) -> &'a str {
        self.people.get(person).map_or(person, |person| person.name.as_str())
    }

    /// What holds for approvals in an environment where a runbook says nothing.
    #[must_use]
    pub fn approval_defaults(&self, env: Option<&str>) -> ApprovalDefaults {
        let environment = env.and_then(|env| self.environments.get(env));
        ApprovalDefaults {
            roles: self.approver_roles.clone(),
            expires: self.approval_expires,
            count: environment.map_or(0, |environment| environment.approvals),
        }
    }

    /// Where a pack speaks by itself: its own channel, if it has one.
    #[must_use]
    pub fn channel_of(&self, pack: &str) -> Option<&str> {
        self.packs.get(pack)?.channel.as_deref()
    }

    /// The pack that speaks in a channel, or that is the first to be meant there.
    #[must_use]
    pub fn pack_in(&self, channel: &str) -> Option<&str> {
        let own = self.packs.iter().find(|(_, pack)| pack.channel.as_deref() == Some(channel));
        let named = || self.channels.get(channel)?.packs.first().map(String::as_str);
        own.map(|(name, _)| name.as_str()).or_else(named)
    }

    /// A channel's id on a platform; on the console it is its name.
    #[must_use]
    pub fn address<'a>(&'a self, platform: Platform, channel: &'a str) -> Option<&'a str> {
        if platform == Platform::Console {
            return Some(channel);
        }
        self.channels.get(channel)?.platforms.get(&platform).map(String::as_str)
    }

    /// The channel with this id on a platform.
    #[must_use]
    pub fn channel_at(&self, platform: Platform, id: &str) -> Option<&str> {
        let at = |channel: &Channel| channel.platforms.get(&platform).is_some_and(|known| known == id);
        self.channels.iter().find(|(_, channel)| at(channel)).map(|(name, _)| name.as_str())
    }

    /// A person's id on a platform; on the console it is their own.
    #[must_use]
    pub fn identity<'a>(&'a self, platform: Platform, person: &'a str) -> Option<&'a str> {
        if platform == Platform::Console {
            return Some(person);
        }
        self.people.get(person)?.identities.get(&platform).map(String::as_str)
    }

    /// The platform that a channel's messages go to: Slack or Discord where it has one, or else the console.
    #[must_use]
    pub fn platform_of(&self, channel: &str) -> Platform {
        let platforms = self.channels.get(channel).map(|channel| &channel.platforms);
        platforms.and_then(|platforms| platforms.keys().max().copied()).unwrap_or(Platform::Console)
    }
}
