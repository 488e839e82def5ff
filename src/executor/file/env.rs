//! Environment files: which keys are set, and whether a value is the expected one. No value ever leaves this file.

use std::collections::BTreeMap;

use serde_json::json;

use super::place::Place;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::listed;
use crate::secret::Secret;

/// Longest environment file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// What values must look like.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Characters.
    pub(super) length: Option<u32>,
    pub(super) hex: bool,
}

impl Shape {
    fn fits(self, value: &Secret) -> bool {
        let value = value.reveal();
        let long = self.length.is_none_or(|length| value.chars().count() == length as usize);
        long && (!self.hex || value.chars().all(|c| c.is_ascii_hexdigit()))
    }
}

/// Which of these keys are set, to something of this shape.
pub(super) fn keys(place: &Place, name: &str, keys: &[String], shape: Shape) -> Result<Report, Sentence> {
    let there = read(place, name)?;
    let (set, missing): (Vec<&String>, Vec<&String>) = keys.iter().partition(|key| there.contains_key(key.as_str()));
    let wrong: Vec<&String> = set.iter().copied().filter(|key| !shape.fits(&there[key.as_str()])).collect();
    let line = match (missing.is_empty(), wrong.is_empty()) {
        (true, true) => sentence!("action.file_all_set", count => set.len()),
        (false, _) => sentence!("action.file_not_set", name, keys => listed(&missing)),
        (true, false) => sentence!("action.file_wrong", keys => listed(&wrong)),
    };
    let all_ok = missing.is_empty() && wrong.is_empty();
    Ok(Report::new(json!({ "set": set, "missing": missing, "wrong": wrong, "all_ok": all_ok }), line))
}

/// Whether a key has this value.
pub(super) fn equal(place: &Place, name: &str, key: &str, is: &Secret) -> Result<Report, Sentence> {
    let there = read(place, name)?;
    let value = there.get(key);
    let equal = value.is_some_and(|value| value.matches(is.reveal()));
    let line = match (value.is_some(), equal) {
        (_, true) => sentence!("action.file_is", key),
        (true, false) => sentence!("action.file_is_not", key),
        (false, false) => sentence!("action.file_not_set", name, keys => key),
    };
    Ok(Report::new(json!({ "equal": equal, "set": value.is_some() }), line))
}

/// The keys of a file that hold something, the last of each as shells have it.
fn read(place: &Place, name: &str) -> Result<BTreeMap<String, Secret>, Sentence> {
    let bytes = place.read(name, LONGEST)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut there = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') {
            there.insert(key.trim().to_owned(), bare(value.trim()).to_owned());
        }
    }
    there.retain(|_, value| !value.is_empty());
    Ok(there.into_iter().map(|(key, value)| (key, Secret::new(value))).collect())
}

/// A value without its quotes, or without the comment behind it.
fn bare(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside;
        }
    }
    if value.starts_with('#') { "" } else { value.split(" #").next().unwrap_or_default().trim_end() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_shells_and_compose_do() {
        for (written, is) in [
            ("plain", "plain"),
            ("\"with space # and hash\" # why", "with space # and hash"),
            ("'x'", "x"),
            ("a#b # comment", "a#b"),
            ("# nothing", ""),
            ("", ""),
        ] {
            assert_eq!(bare(written), is);
        }
    }
}
