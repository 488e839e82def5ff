//! The catalogue: `commands/*.yaml` read as written, checked, and kept as meant. Knows domain and the table of
//! actions; nothing of chat, store or engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::domain::alert::Alert;
use crate::domain::runbook::Runbook;
use crate::domain::settings::Settings;
pub use crate::problem::Problem;

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

    /// What a word means where these packs are meant; no packs means all. A full name is always understood.
    #[must_use]
    pub fn find(&self, word: &str, packs: &[String]) -> Found {
        if let Some(book) = self.books.get(word) {
            return Found::One(Arc::clone(book));
        }
        let named: Vec<&Arc<Runbook>> = self.all().filter(|book| book.name == word).collect();
        let here: Vec<&Arc<Runbook>> = named.iter().copied().filter(|book| packs.contains(&book.pack)).collect();
        match if here.is_empty() { named } else { here }.as_slice() {
            [book] => Found::One(Arc::clone(book)),
            [] => Found::Nearest(crate::domain::nearest::nearest(word, self.all().map(|book| book.name.as_str()))),
            many => Found::Many(many.iter().map(|book| book.full_name()).collect()),
        }
    }

    /// The runbooks for an alert.
    #[must_use]
    pub fn matching(&self, _alert: &Alert) -> Vec<Arc<Runbook>> {
        todo!()
    }
}

/// Reads and checks every file under `root`.
///
/// # Errors
/// All problems at once.
pub fn load(_root: &Path, _settings: &Settings) -> Result<Catalog, Vec<Problem>> {
    todo!()
}
