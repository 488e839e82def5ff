//! A file directly in a fixed directory, by a name that cannot lead out of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use crate::domain::sentence::{Sentence, sentence};

/// Longest name of a file, so that what is put before and after it still fits.
const LONGEST: usize = 160;

/// Where a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::executor::sql) struct Place {
    pub(in crate::executor::sql) dir: PathBuf,
    pub(in crate::executor::sql) file: String,
}

impl Place {
    /// What can be told without looking at the machine.
    pub(in crate::executor::sql) fn new(dir: &str, file: &str) -> Result<Self, Sentence> {
        let dir = PathBuf::from(dir);
        if !dir.is_absolute() {
            return Err(sentence!("action.sql_dir", dir => dir.display().to_string()));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let odd = file.is_empty() || file.len() > LONGEST || file.starts_with(['.', '-']) || !file.chars().all(fits);
        match odd {
            true => Err(sentence!("action.sql_file_name", file)),
            false => Ok(Self { dir, file: file.to_owned() }),
        }
    }

    pub(in crate::executor::sql) fn path(&self) -> PathBuf {
        self.dir.join(&self.file)
    }

    /// The note that Sereno puts beside its backups.
    pub(in crate::executor::sql) fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.manifest.json", self.file))
    }

    pub(in crate::executor::sql) fn shown(&self) -> String {
        self.path().display().to_string()
    }

    /// Opens the file: one that stands in the directory, also behind a link that stays in it, and that is nothing else
    /// than a file. Whoever has it open reads the same file, whatever the name means later.
    pub(in crate::executor::sql) fn open(&self) -> Result<File, Sentence> {
        let said =
            |error: io::Error| sentence!("action.sql_unreadable", file => self.shown(), why => error.to_string());
        let (dir, path) = (self.dir.canonicalize().map_err(said)?, self.path().canonicalize().map_err(said)?);
        if path.parent() != Some(&dir) {
            return Err(sentence!("action.sql_leaves", file => self.shown()));
        }
        // Without waiting, should it be a pipe.
        let flags = (nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOFOLLOW).bits();
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(said)?;
        match file.metadata().map_err(said)?.is_file() {
            true => Ok(file),
            false => Err(sentence!("action.sql_leaves", file => self.shown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_directory() {
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "-x", ".x", "a b", "a\0b", "ñ", &"x".repeat(161)] {
            assert!(Place::new("/var/backups", name).is_err(), "{name}");
        }
        assert!(Place::new("backups", "x").is_err());
        assert_eq!(Place::new("/b", "shop_2026-03-01.dump").unwrap().shown(), "/b/shop_2026-03-01.dump");
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str| Place::new(dir.path().to_str().unwrap(), name).unwrap();
        std::fs::write(of("real").path(), "x").unwrap();
        std::os::unix::fs::symlink("real", of("latest").path()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", of("sly").path()).unwrap();
        nix::unistd::mkfifo(&of("pipe").path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(of("real").open().is_ok() && of("latest").open().is_ok());
        for name in ["sly", "pipe", "nowhere"] {
            assert!(of(name).open().is_err(), "{name}");
        }
    }
}
