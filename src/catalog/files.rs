//! The folder of runbooks: which files belong to it, in which pack, and what does not belong there. Knows the file
//! system; nothing of YAML.

use std::fs;
use std::path::{Path, PathBuf};

use minijinja::context;

use super::report::Sheet;
use super::{Problem, check};
use crate::words::Words;

/// Longest file that is read, in bytes.
const LONGEST_FILE: u64 = 256 * 1024;

/// The file that holds for all runbooks of its folder.
pub const PACK: &str = "pack.yaml";

/// A file that should be a runbook.
pub struct Source {
    /// Its folder's name.
    pub pack: String,
    /// Where it is.
    pub path: PathBuf,
}

/// What a folder holds.
#[derive(Default)]
pub struct Folder {
    /// Runbooks, in the order of their paths.
    pub sources: Vec<Source>,
    /// What holds for all runbooks of a pack.
    pub packs: Vec<Source>,
    /// What does not belong there.
    pub problems: Vec<Problem>,
}

/// Looks through a catalogue's folder. Names that begin with a dot, and files that are not YAML, are nobody's business.
#[must_use]
pub fn walk(root: &Path, words: Words) -> Folder {
    let mut folder = Folder::default();
    let entries = match entries(root) {
        Ok(entries) => entries,
        Err(error) => {
            folder.object(root, words, "no_folder", &error.to_string());
            return folder;
        }
    };
    for path in entries {
        let name = name_of(&path);
        if path.is_dir() && !check::is_word(&name) {
            folder.object(&path, words, "pack_name", &name);
        } else if path.is_dir() {
            folder.pack(&path, &name, words);
        } else if is_yaml(&path) {
            folder.object(&path, words, "misplaced", &name);
        }
    }
    folder
}

impl Folder {
    fn pack(&mut self, path: &Path, pack: &str, words: Words) {
        let entries = match entries(path) {
            Ok(entries) => entries,
            Err(error) => return self.object(path, words, "no_folder", &error.to_string()),
        };
        for path in entries {
            if path.is_dir() {
                self.object(&path, words, "nested", &name_of(&path));
            } else if path.extension().is_some_and(|ending| ending == "yml") {
                self.object(&path, words, "ending", &name_of(&path));
            } else if name_of(&path) == PACK {
                self.packs.push(Source { pack: pack.to_owned(), path });
            } else if is_yaml(&path) {
                self.sources.push(Source { pack: pack.to_owned(), path });
            }
        }
    }

    fn object(&mut self, path: &Path, words: Words, what: &str, name: &str) {
        let mut sheet = Sheet::new(path.display().to_string(), String::new(), words);
        sheet.range(0..0, what, context! { name });
        self.problems.extend(sheet.into_problems());
    }
}

/// A file's text, or a sheet that says why there is none.
///
/// # Errors
/// It is no file, is too large, cannot be read, or is not UTF-8.
pub fn open(path: &Path, words: Words) -> Result<Sheet, Box<Sheet>> {
    let name = path.display().to_string();
    let refuse = |what: &str, values: minijinja::Value| {
        let mut sheet = Sheet::new(name.clone(), String::new(), words);
        sheet.range(0..0, what, values);
        Box::new(sheet)
    };
    let unreadable = |detail: String| refuse("unreadable", context! { detail });
    let about = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() {
        return Err(refuse("no_file", context! {}));
    }
    if about.len() > LONGEST_FILE {
        return Err(refuse("too_large", context! { size => about.len() / 1024, most => LONGEST_FILE / 1024 }));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.utf8_error().to_string()))?;
    Ok(Sheet::new(name, text, words))
}

fn entries(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}
