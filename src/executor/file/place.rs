//! A directory that nothing leads out of: names go down, links are followed only as far as they stay inside. Knows
//! nothing of what files hold.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::domain::sentence::{Sentence, sentence};

/// A directory by its path.
pub(super) struct Place {
    dir: PathBuf,
}

impl Place {
    /// The directory at an absolute path; whether it is there is seen when it is used.
    pub(super) fn new(dir: &str) -> Self {
        Self { dir: dir.into() }
    }

    /// Where it really is.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn real(&self) -> Result<PathBuf, Sentence> {
        let real = self.dir.canonicalize().ok().filter(|dir| dir.is_dir());
        real.ok_or_else(|| sentence!("action.file_no_dir", dir => self.dir.display().to_string()))
    }

    /// Opens a file inside for reading.
    ///
    /// # Errors
    /// When it is not there, not a file, or outside.
    pub(super) fn open(&self, name: &str) -> Result<File, Sentence> {
        let path = self.real()?.join(name);
        let real = path.canonicalize().map_err(|error| unreadable(name, &error))?;
        if !real.starts_with(self.real()?) {
            return Err(sentence!("action.file_outside", name));
        }
        // The real path has no links; one that was put there a moment ago is not followed. Nor does a pipe hold us up.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&real);
        let file = file.map_err(|error| unreadable(name, &error))?;
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(sentence!("action.file_no_file", name)),
            Err(error) => Err(unreadable(name, &error)),
        }
    }

    /// All of a file, if it is no longer than this.
    ///
    /// # Errors
    /// As [`Place::open`], or when it is longer.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Sentence> {
        let mut bytes = Vec::new();
        let read = self.open(name)?.take(limit + 1).read_to_end(&mut bytes);
        match read {
            Ok(read) if read as u64 <= limit => Ok(bytes),
            Ok(_) => Err(sentence!("action.file_long", name, limit)),
            Err(error) => Err(unreadable(name, &error)),
        }
    }

    /// Where a file inside is to be made or taken away: its directory is there and inside, and what it is called.
    ///
    /// # Errors
    /// When its directory is not there, or outside.
    pub(super) fn spot(&self, name: &str) -> Result<PathBuf, Sentence> {
        let path = Path::new(name);
        let (dir, file) = (path.parent().unwrap_or_else(|| Path::new("")), path.file_name().unwrap_or_default());
        let real = self.real()?.join(dir).canonicalize().map_err(|error| unreadable(name, &error))?;
        if real.starts_with(self.real()?) { Ok(real.join(file)) } else { Err(sentence!("action.file_outside", name)) }
    }
}

/// That a file cannot be read, and why.
pub(super) fn unreadable(name: &str, error: &std::io::Error) -> Sentence {
    sentence!("action.file_no", name, why => error.to_string())
}
