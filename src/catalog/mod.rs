//! The catalogue: `commands/*.yaml` read as written, checked, and kept as meant. Knows domain and the table of
//! actions; nothing of chat, store or engine.

mod check;
mod files;
mod pack;
mod report;
mod schema;
mod shape;
mod watch;
mod written;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minijinja::context;

pub use pack::schema as pack_schema;
pub use report::{Format, render};
pub use schema::{schema, schema_with};
pub use watch::{Watch, watch};

use crate::domain::alert::Alert;
use crate::domain::digest;
use crate::domain::nearest::nearest;
use crate::domain::pack::Pack;
use crate::domain::runbook::Runbook;
use crate::domain::settings::Settings;
use crate::executor::{ACTIONS, ActionSpec};
pub use crate::problem::Problem;
use crate::words::Words;
use crate::yaml;
use check::{Draft, Ground};
use files::Source;
use report::Sheet;

/// What is written in a file, with its places.
type Tree = yaml::Node<std::ops::Range<usize>>;

/// Every runbook, by `pack/name`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    books: BTreeMap<String, Arc<Runbook>>,
    packs: BTreeMap<String, Arc<Pack>>,
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
        let books = books.into_iter().map(|book| (book.full_name(), Arc::new(book))).collect();
        Self { books, packs: BTreeMap::new() }
    }

    /// What holds for a pack's runbooks, if it says anything.
    #[must_use]
    pub fn pack(&self, name: &str) -> Option<&Arc<Pack>> {
        self.packs.get(name)
    }

    /// Every pack that says something of itself.
    pub fn packs(&self) -> impl Iterator<Item = &Arc<Pack>> {
        self.packs.values()
    }

    /// A digest of all that the runbooks say.
    #[must_use]
    pub fn digest(&self) -> String {
        let books: BTreeMap<&String, &Runbook> = self.books.iter().map(|(name, book)| (name, book.as_ref())).collect();
        let packs: BTreeMap<&String, &Pack> = self.packs.iter().map(|(name, pack)| (name, pack.as_ref())).collect();
        digest::of(&(books, packs))
    }

    /// The runbook with this full name.
    #[must_use]
    pub fn get(&self, full_name: &str) -> Option<&Arc<Runbook>> {
        self.books.get(full_name)
    }

    /// What a word means where these packs are meant; no packs means all. A full name is always understood, and a
    /// word that none of these packs has is looked for in all. An alias never takes a name away: it counts where no
    /// runbook is called so.
    #[must_use]
    pub fn find(&self, word: &str, packs: &[String]) -> Found {
        if let Some(book) = self.get(word) {
            return Found::One(Arc::clone(book));
        }
        let here = |book: &Runbook| packs.contains(&book.pack);
        let everywhere = |_: &Runbook| true;
        let found = |places: &dyn Fn(&Runbook) -> bool| {
            let named = self.called(places, |book| book.name == word);
            if named.is_empty() { self.called(places, |book| book.goes_by(word)) } else { named }
        };
        let nearby = found(&here);
        match if nearby.is_empty() { found(&everywhere) } else { nearby }.as_slice() {
            [book] => Found::One(Arc::clone(book)),
            [] => Found::Nearest(self.near(word, packs)),
            many => Found::Many(many.iter().map(|book| book.full_name()).collect()),
        }
    }

    fn called(&self, places: &dyn Fn(&Runbook) -> bool, fits: impl Fn(&Runbook) -> bool) -> Vec<&Arc<Runbook>> {
        self.all().filter(|book| places(book) && fits(book)).collect()
    }

    /// Names near a word, as they would be typed where these packs are meant.
    fn near(&self, word: &str, packs: &[String]) -> Vec<String> {
        let typed: Vec<String> = self
            .all()
            .flat_map(|book| {
                let short = (packs.is_empty() || packs.contains(&book.pack)) && !word.contains('/');
                let words = std::iter::once(&book.name).chain(&book.aliases);
                words.map(move |word| if short { word.clone() } else { format!("{}/{word}", book.pack) })
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
    let named = |name: &str| settings.packs.contains_key(name);
    checked(folder, &Ground::new(settings, actions), &named)
}

/// Checks what a person names: a folder of packs; a file below `root`, with its neighbours; or a file by itself, whose
/// pack is its folder.
///
/// # Errors
/// The problems of that folder or file.
pub fn check_path(path: &Path, root: &Path, settings: &Settings) -> Result<Catalog, Vec<Problem>> {
    // Whoever names a folder means all of it.
    let ground = Ground::new(settings, ACTIONS);
    let load = |path: &Path| checked(files::walk(path, Words(settings.language)), &ground, &|_| true);
    if !path.is_file() {
        return load(path);
    }
    let (Ok(path), root) = (path.canonicalize(), root.canonicalize()) else { return load(path) };
    if let Some(root) = root.ok().filter(|root| path.starts_with(root)) {
        let name = path.display().to_string();
        return load(&root).or_else(|mut problems| {
            problems.retain(|problem| problem.file == name);
            if problems.is_empty() { Ok(Catalog::default()) } else { Err(problems) }
        });
    }
    let pack = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let pack = pack.unwrap_or_default();
    let mut folder = files::Folder::default();
    let about = path.with_file_name(files::PACK);
    if about.is_file() {
        folder.packs.push(Source { pack: pack.clone(), path: about });
    }
    if !path.ends_with(files::PACK) {
        folder.sources.push(Source { pack, path });
    }
    checked(folder, &ground, &|_| true)
}

/// Every source on its own, then what they say of each other. A pack that must be `named` to be in use is passed over
/// where it is not.
fn checked(
    mut folder: files::Folder,
    ground: &Ground<'_>,
    named: &dyn Fn(&str) -> bool,
) -> Result<Catalog, Vec<Problem>> {
    let mut problems = folder.problems;
    let mut packs: Vec<(Sheet, Pack)> = folder.packs.iter().map(|source| about(source, ground)).collect();
    let unnamed = |(_, pack): &mut (Sheet, Pack)| pack.opt_in && !named(&pack.name);
    let idle: Vec<String> = packs.extract_if(.., unnamed).map(|(_, pack)| pack.name).collect();
    folder.sources.retain(|source| !idle.contains(&source.pack));
    let pack_of = |name: &str| packs.iter().map(|(_, pack)| pack).find(|pack| pack.name == name).cloned();
    let of = |source: &Source| pack_of(&source.pack).unwrap_or_else(|| Pack::named(&source.pack));
    let mut drafts: Vec<Draft> = folder.sources.iter().map(|source| draft(source, &of(source), ground)).collect();
    check::links(&mut drafts);
    let mut books = BTreeMap::new();
    for draft in drafts {
        problems.extend(draft.sheet.into_problems());
        books.extend(draft.book.map(|book| (book.full_name(), book)));
    }
    let mut meant = BTreeMap::new();
    for (mut sheet, mut pack) in packs {
        pack::monitors(&mut sheet, &mut pack, &books);
        problems.extend(sheet.into_problems());
        meant.insert(pack.name.clone(), Arc::new(pack));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Catalog { books: books.into_iter().map(|(name, book)| (name, Arc::new(book))).collect(), packs: meant })
}

fn about(source: &Source, ground: &Ground<'_>) -> (Sheet, Pack) {
    let (mut sheet, tree) = match read(source, ground) {
        Ok(read) => read,
        Err(sheet) => return (*sheet, Pack::named(&source.pack)),
    };
    let pack = pack::file(&mut sheet, tree, &source.pack, ground);
    (sheet, pack)
}

fn draft(source: &Source, pack: &Pack, ground: &Ground<'_>) -> Draft {
    let stem = source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let (sheet, book) = match read(source, ground) {
        Ok((mut sheet, tree)) => {
            let book = check::file(&mut sheet, tree, pack, ground);
            (sheet, book)
        }
        Err(sheet) => (*sheet, None),
    };
    Draft { sheet, pack: source.pack.clone(), stem, book }
}

/// A file's sheet and what is written in it; a sheet that tells why, where it cannot be read.
fn read(source: &Source, ground: &Ground<'_>) -> Result<(Sheet, Tree), Box<Sheet>> {
    let mut sheet = files::open(&source.path, Words(ground.settings.language))?;
    match yaml::read(sheet.text(), |at| at) {
        Ok(tree) => Ok((sheet, tree)),
        Err(error) => {
            sheet.range(error.at, "yaml", context! { detail => &error.message });
            Err(Box::new(sheet))
        }
    }
}
