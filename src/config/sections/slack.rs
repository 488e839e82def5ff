//! The Slack app: what its mode needs is there, and tokens are what they should be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use minijinja::context;

use super::Check;
use crate::config::Slack;
use crate::config::written::{self, SlackMode};
use crate::domain::actor::{PersonId, Platform, Role};
use crate::domain::settings::{Channel, Person, Team};
use crate::secret::Secret;

/// What may have ids of Slack.
type Listed<'a> = (&'a BTreeMap<PersonId, Person>, &'a BTreeMap<String, Channel>, &'a BTreeMap<String, Team>);
/// Groups of platforms that give roles.
type Groups = BTreeMap<Platform, BTreeMap<String, BTreeSet<Role>>>;

impl Check<'_> {
    /// The app; none without a bot token.
    pub fn slack(&mut self, written: written::Slack, public_url: &str) -> Option<Slack> {
        let path = ["slack"];
        let url = written.api_url.trim_end_matches('/').to_owned();
        let sound = reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !url.is_empty() && !sound {
            self.error(&["slack", "api_url"], "slack_url", context! { url => url.as_str() });
        }
        let bot_token = self.resolve(&path, "bot_token", written.bot_token, written.bot_token_file);
        let app_token = self.resolve(&path, "app_token", written.app_token, written.app_token_file);
        let signing = self.resolve(&path, "signing_secret", written.signing_secret, written.signing_secret_file);
        if let Some(secret) = &signing {
            self.long_enough(&["slack", "signing_secret"], secret);
        }
        for (key, token, starts) in [("bot_token", &bot_token, "xoxb-"), ("app_token", &app_token, "xapp-")] {
            if token.as_ref().is_some_and(|token| !token.reveal().starts_with(starts)) {
                self.error(&["slack", key], "slack_token", context! { key, starts });
            }
        }
        let bot_token = bot_token?;
        let socket = written.mode == SlackMode::Socket;
        let missing = match (socket, &app_token, &signing) {
            (true, None, _) => Some("app_token"),
            (false, _, None) => Some("signing_secret"),
            _ => None,
        };
        if let Some(key) = missing {
            self.error(&path, "slack_needs", context! { key, mode => written.mode.as_str() });
        }
        if !socket && !reaches_slack(public_url) {
            self.findings.warn(&["server", "public_url"], "slack_https", context! { url => public_url });
        }
        let proxy = if url.starts_with("https:") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
        let proxy = self.conventional(proxy).or_else(|| self.conventional("ALL_PROXY")).map(Secret::new);
        let no_proxy = self.conventional("NO_PROXY").unwrap_or_default();
        Some(Slack { socket, bot_token, app_token, signing_secret: signing, api_url: url, proxy, no_proxy })
    }

    /// A variable that other programs read too, written in capitals or not.
    fn conventional(&self, name: &str) -> Option<String> {
        let found = self.env.get(name).or_else(|| self.env.get(&name.to_lowercase()));
        found.filter(|value| !value.trim().is_empty()).cloned()
    }

    /// Warns of ids of Slack that nothing uses, because there is no app.
    pub fn slack_is_there(&mut self, app: bool, listed: Listed<'_>, groups: &Groups) {
        let (people, channels, teams) = listed;
        let slack = &Platform::Slack;
        let channel = channels.iter().find(|(_, channel)| channel.platforms.contains_key(slack));
        let person = people.values().find(|person| person.identities.contains_key(slack));
        let team = teams.iter().find(|(_, team)| team.groups.contains_key(slack));
        let role = groups.get(slack).and_then(|groups| groups.values().flatten().next());
        let first = channel
            .map(|(name, _)| ("channels", name))
            .or(person.map(|person| ("people", &person.id)))
            .or(team.map(|(name, _)| ("teams", name)))
            .or(role.map(|role| ("roles", role)));
        if let Some((section, name)) = first.filter(|_| !app) {
            self.findings.warn(&[section, name], "slack_unused", context! { name });
        }
    }
}

/// Whether Slack can send requests there: only by https, but for what is on this machine, as in tests.
fn reaches_slack(public_url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(public_url) else { return true }; // told elsewhere
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || here
}
