//! Copies a file where none is yet, and takes a copy back as long as it is one. What is there is never overwritten:
//! a template copied over real secrets would destroy them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use serde_json::{Value, json};

use super::place::{Place, unreadable};
use crate::domain::digest::sha256;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::secret::Secret;

/// Longest file that is copied, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The exact part of a copy's plan: which bytes would be written.
pub(super) async fn plan(place: Place, name: &str, to: &str) -> Result<Value, Sentence> {
    let (name, to) = (name.to_owned(), to.to_owned());
    let planned = tokio::task::spawn_blocking(move || {
        let bytes = place.read(&name, LONGEST)?;
        free(&place, &to)?;
        Ok(json!({ "do": "copy", "name": name, "to": to, "bytes": bytes.len(), "sha256": sha256(&bytes) }))
    });
    planned.await.map_err(Sentence::plain)?
}

fn free(place: &Place, to: &str) -> Result<(), Sentence> {
    // Also a link that leads nowhere is something.
    match place.spot(to)?.symlink_metadata() {
        Ok(_) => Err(sentence!("action.file_there", to)),
        Err(_) => Ok(()),
    }
}

/// Copies, if the source is still as planned and nothing is in its way.
pub(super) fn run(place: &Place, (name, to): (&str, &str), planned: &Value) -> Result<Report, Sentence> {
    let bytes = place.read(name, LONGEST)?;
    let digest = sha256(&bytes);
    if planned["sha256"].as_str().is_some_and(|planned| planned != digest) {
        return Err(sentence!("action.file_changed", name));
    }
    free(place, to)?;
    let mode = place.open(name)?.metadata().map_err(|error| unreadable(name, &error))?.permissions().mode();
    let spot = place.spot(to)?;
    // Beside its place first: the link puts it there whole, or finds that something is there.
    let beside = spot.with_file_name(format!(".sereno-{}", Secret::generate().reveal()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode & 0o777)
        .open(&beside)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::hard_link(&beside, &spot));
    let _ = fs::remove_file(&beside);
    match written {
        Ok(()) => {
            let line = sentence!("action.file_copied", to, bytes => bytes.len());
            Ok(Report::new(json!({ "to": to, "bytes": bytes.len(), "sha256": digest }), line))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(sentence!("action.file_there", to)),
        Err(error) => Err(unreadable(to, &error)),
    }
}

/// Removes a copy that still holds the same bytes as its source.
pub(super) fn take_back(place: &Place, name: &str, to: &str) -> Result<Report, Sentence> {
    let spot = place.spot(to)?;
    if spot.symlink_metadata().is_err() {
        return Ok(Report::new(json!({ "to": to, "gone": true }), sentence!("action.file_gone", to)));
    }
    if spot.is_symlink() || place.read(to, LONGEST)? != place.read(name, LONGEST)? {
        return Err(sentence!("action.file_differs", name, to));
    }
    fs::remove_file(&spot).map_err(|error| unreadable(to, &error))?;
    Ok(Report::new(json!({ "to": to, "gone": false }), sentence!("action.file_taken", to)))
}
