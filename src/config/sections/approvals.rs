//! What holds for approvals where a runbook says nothing, and when the glass may be broken.

use minijinja::context;

use super::Check;
use crate::config::written;
use crate::domain::actor::Role;
use crate::domain::approval::LONGEST_EXPIRY;
use crate::domain::settings::BreakGlass;
use crate::domain::span;

/// The role that approves where nothing is said.
const LEAD: &str = "lead";

impl Check<'_> {
    /// The roles that approve, and the seconds that an approval waits.
    pub fn approvals(&mut self, written: &written::Approvals) -> (Vec<Role>, u64) {
        let usual = || self.names.roles.get(LEAD).cloned().into_iter().collect();
        let roles = written.roles.clone().unwrap_or_else(usual);
        for (index, role) in roles.iter().enumerate() {
            let path = ["approvals", "roles", &index.to_string()];
            self.known(&path, "unknown_role", role, |names| &names.roles);
        }
        let path = ["approvals", "expires"];
        let expires = written.expires.as_ref().and_then(|text| self.span(&path, text)).unwrap_or(LONGEST_EXPIRY);
        if expires == 0 || expires > LONGEST_EXPIRY {
            self.error(&path, "expiry", context! { longest => span::written(LONGEST_EXPIRY) });
        }
        (roles, expires)
    }

    /// When the on-call may go on alone.
    pub fn break_glass(&mut self, written: &written::BreakGlass) -> BreakGlass {
        for (index, channel) in written.announce.iter().enumerate() {
            let path = ["break_glass", "announce", &index.to_string()];
            self.known(&path, "unknown_channel", channel, |names| &names.channels);
        }
        let after = self.span(&["break_glass", "after"], &written.after).unwrap_or_default();
        BreakGlass { after, severities: written.severities.clone(), announce: written.announce.clone() }
    }

    /// The seconds of a written span.
    pub fn span(&mut self, path: &[&str], text: &str) -> Option<u64> {
        let span = span::seconds(text);
        if span.is_none() && !text.is_empty() {
            self.error(path, "span", context! { text });
        }
        span
    }
}
