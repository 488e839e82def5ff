//! The Slack app: what its mode needs is there, and tokens are what they should be.

use minijinja::context;

use super::Check;
use crate::config::Slack;
use crate::config::written::{self, SlackMode};

impl Check<'_> {
    /// The app; none without a bot token.
    pub fn slack(&mut self, written: written::Slack) -> Option<Slack> {
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
        Some(Slack { socket, bot_token, app_token, signing_secret: signing, api_url: url })
    }
}
