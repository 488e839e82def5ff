//! Saved plans: where they are kept, and that the one that is applied is byte for byte the one that was approved. They
//! hold secrets, so nobody else may read them, and they do not stay.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::fields::Fields;
use crate::clock::Timestamp;
use crate::domain::digest::sha256;
use crate::domain::sentence::{Sentence, sentence};

/// Beside what terraform itself keeps in a directory, and what nobody puts into a repository.
const HOME: &str = ".terraform/sereno";
/// Largest plan, in bytes.
const LARGEST: u64 = 256 * 1024 * 1024;
/// How long a plan stays that nobody applied.
const KEPT: Duration = Duration::from_hours(24 * 7);

impl Fields {
    /// Where this step's plan goes.
    pub(super) fn new_plan(&self, key: &str, now: Timestamp) -> Result<PathBuf, Sentence> {
        let home = self.directory()?.join(HOME);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&home);
        made.map_err(|error| unreadable(&home, &error))?;
        sweep(&home, now);
        Ok(home.join(format!("{key}.tfplan")))
    }

    /// The plan that an earlier step saved in this directory.
    pub(super) fn saved_plan(&self) -> Result<PathBuf, Sentence> {
        let name = self.plan_file.as_ref().map(|text| text.0.clone()).unwrap_or_default();
        let (path, home) = (PathBuf::from(&name), self.directory()?.join(HOME));
        let ours = path.parent() == Some(&home) && path.extension().is_some_and(|ending| ending == "tfplan");
        match ours && path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            true => Ok(path),
            false => Err(sentence!("action.terraform_no_plan_file", name)),
        }
    }
}

/// A file's bytes.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Sentence> {
    let found = path.metadata().map_err(|error| unreadable(path, &error))?;
    if found.len() > LARGEST {
        return Err(sentence!("action.terraform_too_large", limit => LARGEST / 1024 / 1024));
    }
    std::fs::read(path).map_err(|error| unreadable(path, &error))
}

/// A copy of a plan that has this digest, for one apply; gone with it.
pub(super) struct Copy(PathBuf);

impl Copy {
    pub(super) fn of(plan: &Path, digest: &str) -> Result<Self, Sentence> {
        let content = bytes(plan)?;
        if sha256(&content) != digest {
            return Err(sentence!("action.terraform_plan_changed", name => plan.display().to_string()));
        }
        let path = plan.with_extension("apply");
        let _ = std::fs::remove_file(&path);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(&content));
        written.map_err(|error| unreadable(&path, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Removes plans that nobody applied.
fn sweep(home: &Path, now: Timestamp) {
    let now = u64::try_from(now.0).map(Duration::from_millis).unwrap_or_default();
    for entry in std::fs::read_dir(home).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|found| found.modified()).ok();
        let at = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        if at.is_some_and(|at| at + KEPT < now) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Sentence {
    sentence!("action.shell_unreadable", name => path.display().to_string(), why => error.to_string())
}
