//! What the Slack app asks for, in one table: the manifest, `doctor` and docs/slack.md are made of it. Knows no client.

use std::collections::BTreeSet;

use minijinja::context;

use crate::words::Words;

/// A scope of the bot's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Its name at Slack.
    pub name: &'static str,
    /// What works with it and not without it: `slack.feature_…` says it in words.
    pub feature: &'static str,
    /// Whether nothing works without it.
    pub required: bool,
    /// Why it is asked for, for the documentation.
    pub why: &'static str,
    /// Events that Slack sends only to apps that have it.
    pub events: &'static [&'static str],
}

const fn needed(name: &'static str, feature: &'static str, why: &'static str) -> Scope {
    Scope { name, feature, required: true, why, events: &[] }
}

const fn wanted(name: &'static str, feature: &'static str, why: &'static str) -> Scope {
    Scope { name, feature, required: false, why, events: &[] }
}

/// All of them, by what they are for. Nothing more is asked for.
pub const SCOPES: &[Scope] = &[
    needed("commands", "commands", "`/ops`, and the shortcuts on messages and everywhere"),
    needed("chat:write", "messages", "posts messages and brings them up to date"),
    Scope {
        events: &["user_change"],
        ..needed("users:read", "accounts", "sees that an account was closed, and takes its rights at once")
    },
    Scope {
        events: &["app_mention"],
        ..wanted(
            "app_mentions:read",
            "mentions",
            "hears `@sereno …`, also in threads, where there are no slash commands",
        )
    },
    Scope {
        events: &["message.im"],
        ..wanted("im:history", "direct", "tells who writes to it alone in which channels it answers")
    },
    wanted("chat:write.public", "public_channels", "posts in public channels that nobody invited it to"),
    wanted("channels:read", "channels", "`doctor` looks whether the public channels of the configuration are there"),
    wanted("groups:read", "channels", "the same for private channels"),
    wanted(
        "channels:history",
        "once",
        "looks whether a message arrived before it posts it again; reads the message that somebody reacted to",
    ),
    wanted("groups:history", "once", "the same in private channels"),
    wanted("files:write", "files", "puts long output into the thread as a file, so that nothing is cut"),
    Scope {
        events: &["reaction_added"],
        ..wanted("reactions:read", "reactions", "puts a message on the timeline when somebody reacts to it")
    },
    Scope {
        events: &["subteam_members_changed", "subteam_updated"],
        ..wanted("usergroups:read", "group_roles", "reads who is in the user groups that give roles")
    },
    wanted("usergroups:write", "on_call_group", "keeps a user group equal to who is on call"),
];

/// Events that need no scope.
pub const FREE_EVENTS: &[&str] = &["app_home_opened"];

/// What a token that has these scopes cannot do: a line each, with what to do about it.
#[must_use]
pub fn missing(granted: &BTreeSet<String>, words: Words) -> Vec<String> {
    let lacking = SCOPES.iter().filter(|scope| !granted.contains(scope.name));
    let line = |scope: &Scope| {
        let feature = words.get(&format!("slack.feature_{}", scope.feature));
        let key = if scope.required { "slack.needs_scope" } else { "slack.wants_scope" };
        words.say(key, context! { scope => scope.name, feature })
    };
    lacking.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::Language;

    #[test]
    fn every_scope_is_asked_for_once_and_its_lack_is_told_in_both_languages() {
        let names: BTreeSet<String> = SCOPES.iter().map(|scope| scope.name.to_owned()).collect();
        assert_eq!(names.len(), SCOPES.len());
        for language in [Language::En, Language::Es] {
            assert_eq!(missing(&BTreeSet::new(), Words(language)).len(), SCOPES.len());
            assert!(missing(&names, Words(language)).is_empty());
        }
        let mut but_one = names;
        but_one.remove("usergroups:write");
        let told = missing(&but_one, Words(Language::En));
        assert_eq!(
            told,
            [
                "the scope usergroups:write is missing, so the on-call group is not kept; add it to the app and install it again"
            ]
        );
    }
}
