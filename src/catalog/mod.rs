//! The catalogue: `commands/*.yaml` read as written, checked, and kept as meant. Knows domain and the table of
//! actions; nothing of chat, store or engine.

mod check;
mod files;
mod report;
mod schema;
mod shape;
mod watch;
mod written;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minijinja::context;

pub use report::{Format, render};
pub use schema::{schema, schema_with};
pub use watch::{Watch, watch};

use crate::domain::alert::Alert;
use crate::domain::digest;
use crate::domain::nearest::nearest;
use crate::domain::runbook::Runbook;
use crate::domain::settings::Settings;
use crate::executor::{ACTIONS, ActionSpec};
pub use crate::problem::Problem;
use crate::words::Words;
use crate::yaml;
use check::{Draft, Ground};
use files::Source;

/// Every runbook, by `pack/name`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    books: BTreeMap<String, Arc<Runbook>>,
}

/// What a typed word means.
#[derive(Debug, Clone)]
pub enum Found {
    /// This one.
    One(Arc<Runbook>),
    /// More than one pack has it: full names.
    Many(Vec<String>),
    /// None; these are near.
    Nearest(Vec<String>),
}

impl Catalog {
    /// Every runbook, by full name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Runbook>> {
        self.books.values()
    }

    /// These runbooks, without files: for tests.
    #[must_use]
    pub fn from_books(books: Vec<Runbook>) -> Self {
        Self { books: books.into_iter().map(|book| (book.full_name(), Arc::new(book))).collect() }
    }

    /// A digest of all that the runbooks say.
    #[must_use]
    pub fn digest(&self) -> String {
        let books: BTreeMap<&String, &Runbook> = self.books.iter().map(|(name, book)| (name, book.as_ref())).collect();
        digest::of(&books)
    }

    /// The runbook with this full name.
    #[must_use]
    pub fn get(&self, full_name: &str) -> Option<&Arc<Runbook>> {
        self.books.get(full_name)
    }

    /// What a word means where these packs are meant; no packs means all. A full name is always understood, and a
    /// word that none of these packs has is looked for in all.
    #[must_use]
    pub fn find(&self, word: &str, packs: &[String]) -> Found {
        if let Some(book) = self.get(word) {
            return Found::One(Arc::clone(book));
        }
        let named: Vec<&Arc<Runbook>> = self.all().filter(|book| book.name == word).collect();
        let here: Vec<&Arc<Runbook>> = named.iter().copied().filter(|book| packs.contains(&book.pack)).collect();
        match if here.is_empty() { named } else { here }.as_slice() {
            [book] => Found::One(Arc::clone(book)),
            [] => Found::Nearest(self.near(word, packs)),
            many => Found::Many(many.iter().map(|book| book.full_name()).collect()),
        }
    }

    /// Names near a word, as they would be typed where these packs are meant.
    fn near(&self, word: &str, packs: &[String]) -> Vec<String> {
        let typed: Vec<String> = self
            .all()
            .flat_map(|book| {
                let short = (packs.is_empty() || packs.contains(&book.pack)) && !word.contains('/');
                [if short { book.name.clone() } else { book.full_name() }]
            })
            .collect();
        nearest(word, typed.iter().map(String::as_str))
    }

    /// The runbooks for an alert: those of which one list of labels is all there. The most particular come first.
    #[must_use]
    pub fn matching(&self, alert: &Alert) -> Vec<Arc<Runbook>> {
        let fits = |labels: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value))
        };
        let mut found: Vec<(usize, &Arc<Runbook>)> = self
            .all()
            .filter_map(|book| {
                let fitting = book.alerts.iter().filter(|wanted| fits(&wanted.labels));
                Some((fitting.map(|wanted| wanted.labels.len()).max()?, book))
            })
            .collect();
        found.sort_by_key(|(labels, _)| std::cmp::Reverse(*labels));
        found.into_iter().map(|(_, book)| Arc::clone(book)).collect()
    }
}

/// Reads and checks every file under `root`.
///
/// # Errors
/// All problems at once.
pub fn load(root: &Path, settings: &Settings) -> Result<Catalog, Vec<Problem>> {
    load_with(root, settings, ACTIONS)
}

/// As [`load`], with these actions.
///
/// # Errors
/// As [`load`].
pub fn load_with(root: &Path, settings: &Settings, actions: &'static [ActionSpec]) -> Result<Catalog, Vec<Problem>> {
    let folder = files::walk(root, Words(settings.language));
    checked(&folder.sources, folder.problems, settings, actions)
}

/// Checks what a person names: a folder of packs; a file below `root`, with its neighbours; or a file by itself, whose
/// pack is its folder.
///
/// # Errors
/// The problems of that folder or file.
pub fn check_path(path: &Path, root: &Path, settings: &Settings) -> Result<Catalog, Vec<Problem>> {
    if !path.is_file() {
        return load(path, settings);
    }
    let (Ok(path), root) = (path.canonicalize(), root.canonicalize()) else { return load(path, settings) };
    if let Some(root) = root.ok().filter(|root| path.starts_with(root)) {
        let name = path.display().to_string();
        return load(&root, settings).or_else(|mut problems| {
            problems.retain(|problem| problem.file == name);
            if problems.is_empty() { Ok(Catalog::default()) } else { Err(problems) }
        });
    }
    let pack = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let source = Source { pack: pack.unwrap_or_default(), path };
    checked(&[source], Vec::new(), settings, ACTIONS)
}

/// Every source on its own, then what they say of each other.
fn checked(
    sources: &[Source],
    mut problems: Vec<Problem>,
    settings: &Settings,
    actions: &'static [ActionSpec],
) -> Result<Catalog, Vec<Problem>> {
    let ground = Ground::new(settings, actions);
    let mut drafts: Vec<Draft> = sources.iter().map(|source| draft(source, &ground)).collect();
    check::links(&mut drafts);
    let mut books = BTreeMap::new();
    for draft in drafts {
        problems.extend(draft.sheet.into_problems());
        books.extend(draft.book.map(|book| (book.full_name(), Arc::new(book))));
    }
    if problems.is_empty() { Ok(Catalog { books }) } else { Err(problems) }
}

fn draft(source: &Source, ground: &Ground<'_>) -> Draft {
    let stem = source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let pack = source.pack.clone();
    let mut sheet = match files::open(&source.path, Words(ground.settings.language)) {
        Ok(sheet) => sheet,
        Err(sheet) => return Draft { sheet: *sheet, pack, stem, book: None },
    };
    let book = match yaml::read(sheet.text(), |at| at) {
        Ok(tree) => check::file(&mut sheet, tree, &pack, ground),
        Err(error) => {
            sheet.range(error.at, "yaml", context! { detail => &error.message });
            None
        }
    };
    Draft { sheet, pack, stem, book }
}
