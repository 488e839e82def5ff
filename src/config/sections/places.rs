//! Environments, channels, teams and their rotas.

use std::collections::BTreeMap;

use jiff::civil;
use jiff::tz::TimeZone;
use minijinja::context;

use super::Check;
use crate::clock::Timestamp;
use crate::config::written;
use crate::domain::actor::Platform;
use crate::domain::rota::{Override, Rota};
use crate::domain::settings::{Channel, Environment, Team};

impl Check<'_> {
    /// Environments by name.
    pub fn environments(&mut self, written: &BTreeMap<String, written::Environment>) -> BTreeMap<String, Environment> {
        for name in written.keys() {
            self.plain_name(&["environments", name], name);
        }
        written.iter().map(|(name, env)| (name.clone(), Environment { approvals: env.approvals })).collect()
    }

    /// Channels by name: each refers to what is declared, and no two are one channel of a platform.
    pub fn channels(&mut self, written: &BTreeMap<String, written::Channel>) -> BTreeMap<String, Channel> {
        let mut channels: BTreeMap<String, Channel> = BTreeMap::new();
        for (name, channel) in written {
            if name.trim().is_empty() || name.contains(char::is_whitespace) {
                self.findings.error_key(&["channels", name], "channel_name", context! { name });
            }
            if let Some(environment) = &channel.environment {
                let path = ["channels", name, "environment"];
                self.known(&path, "unknown_environment", environment, |names| &names.environments);
            }
            if let Some(team) = &channel.team {
                self.known(&["channels", name, "team"], "unknown_team", team, |names| &names.teams);
            }
            let console = channel.console.then(|| name.clone());
            let platforms = [
                (Platform::Console, console),
                (Platform::Slack, channel.slack.clone()),
                (Platform::Discord, channel.discord.clone()),
            ];
            let platforms: BTreeMap<_, _> =
                platforms.into_iter().filter_map(|(platform, id)| Some((platform, id?))).collect();
            for (platform, id) in &platforms {
                if let Some((other, _)) = channels.iter().find(|(_, known)| known.platforms.get(platform) == Some(id)) {
                    let path = ["channels", name, platform.as_str()];
                    self.findings.error(&path, "same_channel", context! { id, other });
                }
            }
            let written::Channel { packs, environment, team, .. } = channel;
            let channel =
                Channel { platforms, packs: packs.clone(), environment: environment.clone(), team: team.clone() };
            channels.insert(name.clone(), channel);
        }
        channels
    }

    /// Teams by name, with their rotas.
    pub fn teams(&mut self, written: &BTreeMap<String, written::Team>) -> BTreeMap<String, Team> {
        let mut teams = BTreeMap::new();
        for (name, team) in written {
            self.plain_name(&["teams", name], name);
            self.known(&["teams", name, "channel"], "unknown_channel", &team.channel, |names| &names.channels);
            let rota = team.rota.as_ref().and_then(|rota| self.rota(name, rota));
            let groups = team.slack_group.iter().filter(|group| !group.is_empty());
            let groups = groups.map(|group| (Platform::Slack, group.clone())).collect();
            teams.insert(name.clone(), Team { channel: team.channel.clone(), rota, groups });
        }
        teams
    }

    fn rota(&mut self, team: &str, written: &written::Rota) -> Option<Rota> {
        let zone = self.zone(&["teams", team, "rota", "zone"], &written.zone);
        let start: Option<civil::DateTime> = written.start.parse().ok();
        if start.is_none() && !written.start.is_empty() {
            self.error(&["teams", team, "rota", "start"], "moment", context! { text => written.start.as_str() });
        }
        if written.order.is_empty() {
            self.error(&["teams", team, "rota", "order"], "empty_rota", context! { team });
        }
        for (index, person) in written.order.iter().enumerate() {
            let path = ["teams", team, "rota", "order", &index.to_string()];
            self.known(&path, "unknown_person", person, |names| &names.people);
        }
        let zone = zone.unwrap_or(TimeZone::UTC);
        let overrides = written.overrides.iter().enumerate();
        let overrides = overrides.filter_map(|(index, over)| self.stand_in(team, index, over, &zone)).collect();
        Some(Rota { team: team.to_owned(), zone, start: start?, order: written.order.clone(), overrides })
    }

    /// A time zone by its IANA name.
    pub(super) fn zone(&mut self, path: &[&str], name: &str) -> Option<TimeZone> {
        let zone = TimeZone::get(name).ok();
        if zone.is_none() && !name.is_empty() {
            self.error(path, "zone", context! { zone => name });
        }
        zone
    }

    fn stand_in(&mut self, team: &str, index: usize, over: &written::Override, zone: &TimeZone) -> Option<Override> {
        let index = index.to_string();
        let path = |key| ["teams", team, "rota", "overrides", &index, key];
        self.known(&path("person"), "unknown_person", &over.person, |names| &names.people);
        let mut moment = |key, text: &str| {
            let at = moment(text, zone);
            if at.is_none() && !text.is_empty() {
                self.error(&path(key), "moment", context! { text });
            }
            at
        };
        let (from, until) = (moment("from", &over.from), moment("until", &over.until));
        let (from, until) = (from?, until?);
        if from >= until {
            self.error(
                &path("until"),
                "backwards",
                context! { from => over.from.as_str(), until => over.until.as_str() },
            );
        }
        Some(Override { person: over.person.clone(), from, until })
    }
}

/// A moment with an offset, or on the zone's clock.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.into());
    }
    let local: civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(zone.clone()).ok()?.timestamp().into())
}
