//! From the configuration as written to the configuration as meant: each section checks itself against what the others
//! declare, and tells everything that is wrong. An empty text was told of before, and is passed over.

mod approvals;
mod aws;
mod hooks;
mod packs;
mod people;
mod places;
mod retention;
mod secrets;
mod server;
mod slack;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use minijinja::context;

use super::Config;
use super::findings::Findings;
use super::written::{LogFormat, Written};
use crate::domain::nearest::nearest;
use crate::domain::settings::Settings;

/// What a section checks itself with.
struct Check<'a> {
    findings: &'a mut Findings,
    env: &'a BTreeMap<String, String>,
    names: Names,
}

/// Everything that other sections may refer to.
#[derive(Default)]
struct Names {
    roles: BTreeSet<String>,
    people: BTreeSet<String>,
    environments: BTreeSet<String>,
    channels: BTreeSet<String>,
    teams: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl Check<'_> {
    fn error(&mut self, path: &[&str], key: &str, values: minijinja::Value) {
        self.findings.error(path, key, values);
    }

    /// Refuses a reference to something that no section declares.
    fn known(&mut self, path: &[&str], what: &str, name: &str, names: fn(&Names) -> &BTreeSet<String>) {
        let names = names(&self.names);
        if !name.is_empty() && !names.contains(name) {
            let near = nearest(name, names.iter().map(String::as_str));
            let values = context! { name, near, known => names };
            self.findings.error(path, what, values);
        }
    }

    /// Refuses a name that people could not type, or that an address could not hold.
    fn plain_name(&mut self, path: &[&str], name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.chars().all(plain) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            self.findings.error_key(path, "name", context! { name });
        }
    }
}

/// Checks everything. What is given back is only good if nothing was found.
pub fn check(written: Written, findings: &mut Findings, env: &BTreeMap<String, String>) -> Config {
    let mut check = Check { findings, env, names: Names::of(&written) };
    let public_url = check.server(&written.server);
    let trusted_proxies = check.proxies(&written.server);
    let (store_url, store_wait) = check.store(written.store);
    check.log(&written.log, &written.docker);
    let time_zone = check.zone(&["time_zone"], &written.time_zone).unwrap_or(TimeZone::UTC);
    let programs = check.programs(written.programs);
    let aws = check.aws(written.aws);
    let roles = check.roles(&written.roles);
    let (people, tokens) = check.people(written.people);
    let environments = check.environments(&written.environments);
    let channels = check.channels(&written.channels);
    let teams = check.teams(&written.teams);
    let packs = check.packs(written.packs);
    let (hooks, hook_secrets) = check.hooks(written.hooks);
    let (approver_roles, approval_expires) = check.approvals(&written.approvals);
    let break_glass = check.break_glass(&written.break_glass);
    let slack = check.slack(written.slack, &public_url);
    check.slack_is_there(slack.is_some(), (&people, &channels, &teams), &roles.groups);
    let retention = check.retention(&written.retention);
    let secrets = check.secrets(written.secrets);
    let audit_channel = written.audit.channel.unwrap_or_default();
    check.known(&["audit", "channel"], "unknown_channel", &audit_channel, |names| &names.channels);
    Config {
        settings: Settings {
            language: written.language,
            time_zone,
            public_url,
            environments,
            people,
            roles: roles.includes,
            channels,
            teams,
            packs,
            hooks,
            secrets: secrets.keys().cloned().collect(),
            approver_roles,
            approval_expires,
            break_glass,
            groups: roles.groups,
            retention,
            audit_channel: Some(audit_channel).filter(|channel| !channel.is_empty()),
        },
        roles_about: roles.about,
        listen: written.server.listen,
        trusted_proxies,
        store_url,
        store_wait,
        catalog: written.catalog.path,
        tokens,
        hook_secrets,
        secrets,
        docker_host: written.docker.host,
        docker_run: written.docker.allow_run,
        programs,
        aws,
        slack,
        anchor: written.audit.anchor,
        log_json: written.log.format == LogFormat::Json,
        log_level: env.get("SERENO_LOG").filter(|level| !level.trim().is_empty()).cloned().unwrap_or(written.log.level),
        digest: String::new(),
        warnings: Vec::new(),
    }
}

impl Names {
    fn of(written: &Written) -> Self {
        let mut names = Self {
            roles: written.roles.keys().cloned().collect(),
            people: written.people.iter().map(|person| person.id.clone()).collect(),
            environments: written.environments.keys().cloned().collect(),
            channels: written.channels.keys().cloned().collect(),
            teams: written.teams.keys().cloned().collect(),
            secrets: written.secrets.keys().cloned().collect(),
        };
        names.people.remove("");
        names
    }
}
