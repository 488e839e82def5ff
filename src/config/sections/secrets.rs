//! Secrets: taken from the file itself, from a file of their own or from the environment; never empty, and a short one
//! is said. The only place of the configuration that reads other files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::context;

use super::Check;
use crate::config::written::{Hidden, Source};
use crate::secret::Secret;

/// Shorter ones are no secrets, in characters.
const LEAST: usize = 8;

/// Shorter ones are warned about, in characters.
const SHORTEST: usize = 16;

impl Check<'_> {
    /// The secret under `key`, or in the file that its twin `key_file` names; none if neither is there or what is
    /// there is no good, which is told.
    pub fn resolve(&mut self, path: &[&str], key: &str, text: Option<Hidden>, file: Option<PathBuf>) -> Option<Secret> {
        let twin = format!("{key}_file");
        let twin_path = [path, &[twin.as_str()]].concat();
        match (text, file) {
            (Some(_), Some(_)) => {
                self.error(&twin_path, "two_sources", context! { key, twin => twin.as_str() });
                None
            }
            (Some(text), None) => Some(text.into_secret()).filter(|secret| !secret.reveal().is_empty()),
            (None, Some(file)) => self.read_secret(&twin_path, &file),
            (None, None) => None,
        }
    }

    /// Refuses a secret that is no secret, and warns of one that can be guessed.
    pub fn long_enough(&mut self, path: &[&str], secret: &Secret) {
        let length = secret.reveal().chars().count();
        if length < LEAST {
            self.error(path, "no_secret_length", context! { key => path.join("."), length, least => LEAST });
        } else if length < SHORTEST {
            self.findings.warn(path, "short_secret", context! { key => path.join("."), length, least => SHORTEST });
        }
    }

    /// The secrets that runbooks may name.
    pub fn secrets(&mut self, sources: BTreeMap<String, Source>) -> BTreeMap<String, Secret> {
        let mut secrets = BTreeMap::new();
        for (name, source) in sources {
            let path = ["secrets", name.as_str()];
            self.plain_name(&path, &name);
            let secret = match (source.env, source.file, source.value) {
                (Some(variable), None, None) => self.variable(&path, &variable),
                (None, Some(file), None) => self.read_secret(&[path[0], path[1], "file"], &file),
                (None, None, Some(text)) => Some(text.into_secret()),
                _ => {
                    self.error(&path, "one_source", context! { name => name.as_str() });
                    None
                }
            };
            if let Some(secret) = secret {
                secrets.insert(name, secret);
            }
        }
        secrets
    }

    /// The whole of a file without the line's end that editors put there.
    pub fn read_secret(&mut self, path: &[&str], file: &Path) -> Option<Secret> {
        if file.as_os_str().is_empty() {
            return None;
        }
        let key = path.join(".");
        match std::fs::read_to_string(file) {
            Ok(text) if text.trim().is_empty() => {
                self.error(path, "empty_file", context! { key, file => file.display().to_string() });
                None
            }
            Ok(text) => Some(Secret::new(text.trim_end_matches(['\n', '\r']))),
            Err(error) => {
                let values = context! { key, file => file.display().to_string(), why => error.to_string() };
                self.error(path, "unreadable_file", values);
                None
            }
        }
    }

    fn variable(&mut self, path: &[&str; 2], variable: &str) -> Option<Secret> {
        let value = self.env.get(variable).filter(|value| !value.trim().is_empty());
        if value.is_none() && !variable.is_empty() {
            self.error(&[path[0], path[1], "env"], "unset_variable", context! { name => path[1], variable });
        }
        value.map(Secret::new)
    }
}
