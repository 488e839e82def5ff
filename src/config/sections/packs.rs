//! Packs of runbooks: their channel, and what their values and secrets are here. Which names a pack has is the
//! catalogue's business.

use std::collections::BTreeMap;

use super::Check;
use crate::config::written;
use crate::domain::settings::{PackEnvironment, PackSettings};

impl Check<'_> {
    /// What is said of packs, by name: each refers to what is declared.
    pub fn packs(&mut self, written: BTreeMap<String, written::Pack>) -> BTreeMap<String, PackSettings> {
        written.into_iter().map(|(name, pack)| (name.clone(), self.pack(&name, pack))).collect()
    }

    fn pack(&mut self, name: &str, pack: written::Pack) -> PackSettings {
        self.plain_name(&["packs", name], name);
        if let Some(channel) = &pack.channel {
            self.known(&["packs", name, "channel"], "unknown_channel", channel, |names| &names.channels);
        }
        self.stand_for(&["packs", name, "secrets"], &pack.secrets);
        let mut environments = BTreeMap::new();
        for (env, here) in pack.environments {
            self.known(&["packs", name, "environments", &env], "unknown_environment", &env, |names| {
                &names.environments
            });
            self.stand_for(&["packs", name, "environments", &env, "secrets"], &here.secrets);
            environments.insert(env, PackEnvironment { values: here.values, secrets: here.secrets });
        }
        PackSettings { channel: pack.channel, values: pack.values, secrets: pack.secrets, environments }
    }

    fn stand_for(&mut self, at: &[&str], secrets: &BTreeMap<String, String>) {
        for (name, secret) in secrets {
            let path: Vec<&str> = at.iter().copied().chain([name.as_str()]).collect();
            self.known(&path, "unknown_secret", secret, |names| &names.secrets);
        }
    }
}
