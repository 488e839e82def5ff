//! Who does things: one principal per person, over all their identities.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

super::text_enum! {
    /// A chat platform.
    Platform {
        /// The built-in one.
        Console = "console",
        /// Slack.
        Slack = "slack",
        /// Discord.
        Discord = "discord",
    }
}

/// A person's one id, whichever platform they speak from.
pub type PersonId = String;

/// A role's name, as the configuration declares it.
pub type Role = String;

/// Somebody who asks, decides or is told; judged by their own roles, never by the bot's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The principal.
    pub id: PersonId,
    /// Where they spoke.
    pub platform: Platform,
    /// All roles, with those that their roles include.
    pub roles: BTreeSet<Role>,
}

impl Actor {
    /// The program itself: schedules, diagnosis, expiry. It holds no role, so it can neither ask nor approve.
    #[must_use]
    pub fn sereno() -> Self {
        Self { id: SERENO.to_owned(), platform: Platform::Console, roles: BTreeSet::new() }
    }

    /// Whether they hold at least one of `roles`.
    #[must_use]
    pub fn holds_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }
}

/// The id of the program itself in timelines; no person may have it.
pub const SERENO: &str = "sereno";

/// Where something is said: a channel, or a thread in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Which platform.
    pub platform: Platform,
    /// The channel by its name, as in `#infra`.
    pub channel: String,
    /// The thread's root message; none means the channel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<crate::id::MessageId>,
}

impl Place {
    /// The channel itself.
    #[must_use]
    pub fn channel(platform: Platform, channel: &str) -> Self {
        Self { platform, channel: channel.to_owned(), thread: None }
    }

    /// The thread under `root` in this channel; a place already in a thread stays there.
    #[must_use]
    pub fn under(&self, root: &crate::id::MessageId) -> Self {
        let thread = self.thread.clone().or_else(|| Some(root.clone()));
        Self { thread, ..self.clone() }
    }
}
