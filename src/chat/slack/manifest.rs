//! What the Slack app is created from: features, scopes, events and addresses, as Slack wants them written. Knows the table
//! of scopes; no client.

use serde::Serialize;

use super::scopes::{FREE_EVENTS, SCOPES};
use crate::words::Words;

/// The slash command.
pub const COMMAND: &str = "/ops";
/// The global shortcut that lists what somebody may run.
pub const RUN_RUNBOOK: &str = "run_runbook";
/// The message shortcuts: an incident from a message, a message for the timeline, a runbook in a message's thread.
pub const OPEN_INCIDENT: &str = "open_incident";
/// See [`OPEN_INCIDENT`].
pub const ADD_TO_TIMELINE: &str = "add_to_timeline";
/// See [`OPEN_INCIDENT`].
pub const RUN_HERE: &str = "run_here";

/// An app's manifest.
#[derive(Debug, Serialize)]
pub struct Manifest {
    display_information: Display,
    features: Features,
    oauth_config: OAuth,
    settings: Settings,
}

#[derive(Debug, Serialize)]
struct Display {
    name: String,
    description: String,
    background_color: &'static str,
}

#[derive(Debug, Serialize)]
struct Features {
    app_home: AppHome,
    bot_user: BotUser,
    shortcuts: Vec<Shortcut>,
    slash_commands: Vec<SlashCommand>,
}

#[derive(Debug, Serialize)]
struct AppHome {
    home_tab_enabled: bool,
    messages_tab_enabled: bool,
}

#[derive(Debug, Serialize)]
struct BotUser {
    display_name: String,
    /// False: Slack would show it as there although it is not.
    always_online: bool,
}

#[derive(Debug, Serialize)]
struct Shortcut {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    callback_id: &'static str,
    description: String,
}

#[derive(Debug, Serialize)]
struct SlashCommand {
    command: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    description: String,
    usage_hint: String,
    should_escape: bool,
}

#[derive(Debug, Serialize)]
struct OAuth {
    scopes: BotScopes,
}

#[derive(Debug, Serialize)]
struct BotScopes {
    bot: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Settings {
    event_subscriptions: Events,
    interactivity: Interactivity,
    org_deploy_enabled: bool,
    socket_mode_enabled: bool,
    token_rotation_enabled: bool,
}

#[derive(Debug, Serialize)]
struct Events {
    #[serde(skip_serializing_if = "Option::is_none")]
    request_url: Option<String>,
    bot_events: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Interactivity {
    is_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_menu_options_url: Option<String>,
}

impl Manifest {
    /// The manifest of an app of this name. `public_url` is where Slack sends its requests, without a slash at the end;
    /// without it the app uses Socket Mode.
    #[must_use]
    pub fn new(name: &str, public_url: Option<&str>, words: Words) -> Self {
        let door = |door: &str| public_url.map(|url| format!("{url}/slack/{door}"));
        let shortcut = |kind, callback_id| Shortcut {
            name: words.get(&format!("slack.shortcut_{callback_id}")),
            kind,
            callback_id,
            description: words.get(&format!("slack.about_{callback_id}")),
        };
        let mut bot_events: Vec<_> = SCOPES.iter().flat_map(|scope| scope.events).chain(FREE_EVENTS).copied().collect();
        bot_events.sort_unstable();
        Self {
            display_information: Display {
                name: name.to_owned(),
                description: words.get("slack.about_app"),
                background_color: "#1f2a44",
            },
            features: Features {
                app_home: AppHome { home_tab_enabled: true, messages_tab_enabled: true },
                bot_user: BotUser { display_name: name.to_lowercase(), always_online: false },
                shortcuts: vec![
                    shortcut("global", RUN_RUNBOOK),
                    shortcut("message", OPEN_INCIDENT),
                    shortcut("message", ADD_TO_TIMELINE),
                    shortcut("message", RUN_HERE),
                ],
                slash_commands: vec![SlashCommand {
                    command: COMMAND,
                    url: door("commands"),
                    description: words.get("slack.about_command"),
                    usage_hint: words.get("slack.command_hint"),
                    should_escape: false,
                }],
            },
            oauth_config: OAuth { scopes: BotScopes { bot: SCOPES.iter().map(|scope| scope.name).collect() } },
            settings: Settings {
                event_subscriptions: Events { request_url: door("events"), bot_events },
                interactivity: Interactivity {
                    is_enabled: true,
                    request_url: door("interactions"),
                    message_menu_options_url: door("interactions"),
                },
                org_deploy_enabled: false,
                socket_mode_enabled: public_url.is_none(),
                token_rotation_enabled: false,
            },
        }
    }
}
