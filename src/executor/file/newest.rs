//! The newest files of a directory, and how old and how large the newest one is, as backups are judged and chosen. Knows
//! nothing of what files hold.

use std::fs;
use std::time::UNIX_EPOCH;

use regex::Regex;
use serde_json::json;

use super::place::{Place, unreadable};
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;

/// Entries of a directory that are looked at.
const ENTRIES: usize = 100_000;
/// Names that are told, the newest ones.
const NAMES: usize = 50;

struct Newest {
    name: String,
    bytes: u64,
    at: Timestamp,
}

/// The newest of the files whose whole name matches, links and directories left out.
pub(super) fn report(place: &Place, pattern: &Regex, now: Timestamp) -> Result<Report, Sentence> {
    let dir = place.real()?;
    let no = |error: std::io::Error| unreadable(&dir.display().to_string(), &error);
    // The whole name: by itself a pattern is content with what its first alternative takes.
    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(Sentence::plain)?;
    let (mut found, mut count, mut total, mut oldest) = (Vec::<Newest>::new(), 0_u64, 0_u64, now);
    for (at, entry) in fs::read_dir(&dir).map_err(no)?.enumerate() {
        if at >= ENTRIES {
            return Err(sentence!("action.file_crowd", most => ENTRIES));
        }
        let entry = entry.map_err(no)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let whole = pattern.is_match(&name);
        // One that goes away meanwhile is not there.
        let Some(metadata) = entry.metadata().ok().filter(|metadata| whole && metadata.is_file()) else { continue };
        count += 1;
        total += metadata.len();
        let modified = metadata.modified().map_err(no)?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp(i64::try_from(modified.as_millis()).unwrap_or(i64::MAX));
        oldest = oldest.min(at);
        found.push(Newest { name, bytes: metadata.len(), at });
        found.sort_by(|a, b| (b.at, &b.name).cmp(&(a.at, &a.name)));
        found.truncate(NAMES);
    }
    let Some(newest) = found.first() else {
        return Ok(Report::new(json!({ "count": 0 }), sentence!("action.file_none")));
    };
    let names: Vec<&str> = found.iter().map(|file| file.name.as_str()).collect();
    let age = now.since(newest.at).as_secs();
    let facts = json!({
        "count": count, "name": newest.name, "names": names, "age_seconds": age, "bytes": newest.bytes, "total_bytes": total,
        "oldest_age_seconds": now.since(oldest).as_secs(),
    });
    let (name, bytes) = (newest.name.as_str(), newest.bytes);
    let line = match age / 60 {
        minutes @ ..120 => sentence!("action.file_minutes", name, minutes, bytes),
        minutes => sentence!("action.file_hours", name, hours => minutes / 60, bytes),
    };
    Ok(Report::new(facts, line))
}
