//! What a `file` step may say: one verb, and the fields of that verb and no other. Knows nothing of disks.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::text_enum;
use crate::executor::attempt::{needed, only};
use crate::executor::value::{SecretText, Text};

/// Keys that one step looks for.
const KEYS: usize = 100;
/// Lines that are kept where nothing is said.
const LAST: u32 = 100;
/// Most lines among which one searches.
const AMONG: u32 = 100_000;
/// Most that may be asked for.
const MOST: u32 = 1000;
/// Largest compiled pattern, in bytes.
const PATTERN: usize = 1024 * 1024;

text_enum! {
    /// What to do.
    Verb {
        /// Which keys of an environment file are set.
        Keys = "keys",
        /// Whether a key's value is the expected one.
        Equal = "equal",
        /// The newest of the files that match.
        Newest = "newest",
        /// The last lines, or the last that match.
        Search = "search",
        /// Copies a file where none is yet.
        Copy = "copy",
        /// Takes a copy back that is still one.
        Uncopy = "uncopy",
    }
}

/// Files of this machine. Facts, by verb: `keys`: `set`, `missing`, `wrong` (names, never values), `all_ok`. `equal`:
/// `equal`, `set`. `newest`: `count`, `name`, `age_seconds`, `oldest_age_seconds`, `bytes`, `total_bytes`, `names` (the newest 50); without a
/// file only `count`. `search`: `lines`, `matches`, `scanned_bytes`, `truncated`. `copy`: `to`, `bytes`, `sha256`.
/// `uncopy`: `to`, `gone` (whether it was gone before).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    /// What to do.
    r#do: Verb,
    /// The directory, an absolute path. Takes no placeholder; nothing outside of it is ever looked at.
    #[schemars(extend("x-literal" = true))]
    dir: String,
    /// `keys`, `equal`, `search`, `copy`, `uncopy`: the file, from the directory on, as in `.env` or `logs/app.log`.
    #[serde(default)]
    name: Option<Text>,
    /// `copy`, `uncopy`: the copy, from the directory on.
    #[serde(default)]
    to: Option<Text>,
    /// `keys`: the keys that should be set.
    #[serde(default)]
    keys: Option<Vec<Text>>,
    /// `keys`: how many characters each value must have.
    #[serde(default)]
    length: Option<u32>,
    /// `keys`: whether each value must be hexadecimal.
    #[serde(default)]
    hex: Option<bool>,
    /// `equal`: the key.
    #[serde(default)]
    key: Option<Text>,
    /// `equal`: the value that it should have.
    #[serde(default)]
    is: Option<SecretText>,
    /// `newest`: a regular expression for names; `search`: one for lines, all without.
    #[serde(default)]
    pattern: Option<Text>,
    /// `search`: how many lines, the last ones. 100 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    last: Option<u32>,
    /// `search`: among how many of the file's last lines; all that is read without. What is older is neither counted nor
    /// shown.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    among: Option<u32>,
}

/// A step that fits together.
pub(super) struct File {
    pub(super) dir: String,
    pub(super) job: Job,
}

/// What to do.
pub(super) enum Job {
    Keys { name: String, keys: Vec<String>, length: Option<u32>, hex: bool },
    Equal { name: String, key: String, is: SecretText },
    Newest { pattern: Regex },
    Search { name: String, pattern: Option<Regex>, last: u32, among: Option<u32> },
    Copy { name: String, to: String },
    Uncopy { name: String, to: String },
}

impl Fields {
    /// The step, if the fields fit together.
    pub(super) fn check(self) -> Result<File, Sentence> {
        let verb = self.r#do;
        let copies: &[Verb] = &[Verb::Copy, Verb::Uncopy];
        let named: &[Verb] = &[Verb::Keys, Verb::Equal, Verb::Search, Verb::Copy, Verb::Uncopy];
        only(
            &verb,
            &[
                (self.name.is_some(), "name", named),
                (self.to.is_some(), "to", copies),
                (self.keys.is_some(), "keys", &[Verb::Keys]),
                (self.length.is_some(), "length", &[Verb::Keys]),
                (self.hex.is_some(), "hex", &[Verb::Keys]),
                (self.key.is_some(), "key", &[Verb::Equal]),
                (self.is.is_some(), "is", &[Verb::Equal]),
                (self.pattern.is_some(), "pattern", &[Verb::Newest, Verb::Search]),
                (self.last.is_some(), "last", &[Verb::Search]),
                (self.among.is_some(), "among", &[Verb::Search]),
            ],
        )?;
        if !self.dir.starts_with('/') || inner(self.dir.trim_matches('/')).is_err() {
            return Err(sentence!("action.file_no_dir", dir => self.dir));
        }
        let name = || inner(&needed(self.name.clone(), "name", &verb)?.0);
        let to = || inner(&needed(self.to.clone(), "to", &verb)?.0);
        let job = match verb {
            Verb::Keys => {
                let keys = needed(self.keys.filter(|keys| !keys.is_empty()), "keys", &verb)?;
                if keys.len() > KEYS {
                    return Err(sentence!("action.limit", field => "keys", most => KEYS));
                }
                let keys = keys.into_iter().map(|Text(key)| key).collect();
                Job::Keys {
                    name: name_of(self.name, verb)?,
                    keys,
                    length: self.length,
                    hex: self.hex.unwrap_or_default(),
                }
            }
            Verb::Equal => {
                let name = name()?;
                Job::Equal { name, key: needed(self.key, "key", &verb)?.0, is: needed(self.is, "is", &verb)? }
            }
            Verb::Newest => Job::Newest { pattern: compiled(&needed(self.pattern, "pattern", &verb)?)? },
            Verb::Search => {
                let last = self.last.unwrap_or(LAST);
                if !(1..=MOST).contains(&last) {
                    return Err(sentence!("action.limit", field => "last", most => MOST));
                }
                if self.among.is_some_and(|among| !(1..=AMONG).contains(&among)) {
                    return Err(sentence!("action.limit", field => "among", most => AMONG));
                }
                let pattern = self.pattern.as_ref().map(compiled).transpose()?;
                Job::Search { name: name()?, pattern, last, among: self.among }
            }
            Verb::Copy => Job::Copy { name: name()?, to: to()? },
            Verb::Uncopy => Job::Uncopy { name: name()?, to: to()? },
        };
        Ok(File { dir: self.dir, job })
    }
}

fn name_of(name: Option<Text>, verb: Verb) -> Result<String, Sentence> {
    inner(&needed(name, "name", &verb)?.0)
}

fn compiled(Text(text): &Text) -> Result<Regex, Sentence> {
    let pattern = RegexBuilder::new(text).size_limit(PATTERN).build();
    pattern.map_err(|error| sentence!("action.bad_pattern", text, why => error.to_string()))
}

/// A path that goes down and nowhere else.
fn inner(name: &str) -> Result<String, Sentence> {
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let fits = !name.contains('\0') && name.split('/').all(part);
    if fits { Ok(name.to_owned()) } else { Err(sentence!("action.file_outside", name)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_go_down_from_the_directory_and_nowhere_else() {
        for name in ["../x", "/etc/passwd", "a/../../b", "a//b", "", ".", "a/.", "a\0b"] {
            let with = json!({"do": "search", "dir": "/srv/shop", "name": name});
            let error = crate::executor::read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").contains("file_outside"), "{name:?}: {error:?}");
        }
        for dir in ["srv", "/srv/../etc", "/", ""] {
            let with = json!({"do": "search", "dir": dir, "name": "a"});
            let error = crate::executor::read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").contains("file_no_dir"), "{dir:?}: {error:?}");
        }
    }

    #[test]
    fn a_field_of_another_verb_is_refused_by_name() {
        for (mut with, says) in [
            (json!({"do": "newest", "name": "a"}), "name"),
            (json!({"do": "copy", "name": "a"}), "to"),
            (json!({"do": "keys", "name": "a", "keys": []}), "keys"),
            (json!({"do": "equal", "name": "a", "key": "K", "is": "v", "hex": true}), "hex"),
            (json!({"do": "search", "name": "a", "pattern": "("}), "bad_pattern"),
        ] {
            with["dir"] = json!("/srv");
            let error = crate::executor::read::<Fields>(&with).and_then(Fields::check).map(|_| ()).unwrap_err();
            assert!(format!("{error:?}").contains(says), "{with}: {error:?}");
        }
    }
}
