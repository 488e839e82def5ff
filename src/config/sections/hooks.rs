//! Alert sources. Fails closed: a hook without a secret keeps Sereno from starting.

use std::collections::BTreeMap;

use minijinja::context;

use super::Check;
use crate::config::written::Hook;
use crate::domain::nearest::nearest;
use crate::domain::settings::HookSettings;
use crate::hooks;
use crate::secret::Secret;

impl Check<'_> {
    /// Alert sources by name, and the secrets that each accepts.
    pub fn hooks(
        &mut self,
        written: BTreeMap<String, Hook>,
    ) -> (BTreeMap<String, HookSettings>, BTreeMap<String, Vec<Secret>>) {
        let mut settings = BTreeMap::new();
        let mut secrets = BTreeMap::new();
        for (name, mut hook) in written {
            let path = ["hooks", name.as_str()];
            self.plain_name(&path, &name);
            if !hook.dialect.is_empty() && hooks::find(&hook.dialect).is_none() {
                let known: Vec<&str> = hooks::DIALECTS.iter().map(|dialect| dialect.name).collect();
                let near = nearest(&hook.dialect, known.iter().copied());
                let values = context! { name => hook.dialect.as_str(), near, known };
                self.error(&["hooks", &name, "dialect"], "unknown_dialect", values);
            }
            self.known(&["hooks", &name, "channel"], "unknown_channel", &hook.channel, |names| &names.channels);
            if let Some(environment) = &hook.environment {
                let path = ["hooks", &name, "environment"];
                self.known(&path, "unknown_environment", environment, |names| &names.environments);
            }
            secrets.insert(name.clone(), self.hook_secrets(&path, &mut hook));
            let Hook { dialect, channel, environment, .. } = hook;
            settings.insert(name, HookSettings { dialect, channel, environment });
        }
        (settings, secrets)
    }

    fn hook_secrets(&mut self, path: &[&str; 2], hook: &mut Hook) -> Vec<Secret> {
        let named = hook.secret.is_some() || hook.secret_file.is_some();
        if !named && hook.secrets.is_empty() && hook.secrets_file.is_none() {
            self.error(path, "no_secret", context! { name => path[1] });
        }
        let mut found = Vec::new();
        if let Some(secret) = self.resolve(path, "secret", hook.secret.take(), hook.secret_file.take()) {
            self.long_enough(&[path[0], path[1], "secret"], &secret);
            found.push(secret);
        }
        for (index, secret) in std::mem::take(&mut hook.secrets).into_iter().enumerate() {
            let secret = secret.into_secret();
            if !secret.reveal().is_empty() {
                self.long_enough(&[path[0], path[1], "secrets", &index.to_string()], &secret);
                found.push(secret);
            }
        }
        if let Some(file) = hook.secrets_file.take() {
            let path = [path[0], path[1], "secrets_file"];
            let text = self.read_secret(&path, &file);
            let lines = text.iter().flat_map(|text| text.reveal().lines()).map(str::trim);
            for secret in lines.filter(|line| !line.is_empty()).map(Secret::new) {
                self.long_enough(&path, &secret);
                found.push(secret);
            }
        }
        found
    }
}
