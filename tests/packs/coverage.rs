//! The table from a document's row to its command to its proof: whole, and the same in each pack's README.
//!
//! A runbook names its rows under `source`, a pack the policies and rows that are no command. A test proves the rows
//! that stand in a line `/// Proves: M01, M02.` above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sereno::catalog::{self, Catalog};
use sereno::config::Config;

/// A team's pack, the letter of its rows and how many there are, and its policies.
struct Team {
    pack: &'static str,
    letter: char,
    rows: u32,
    policies: std::ops::RangeInclusive<u32>,
}

const TEAMS: &[Team] = &[
    Team { pack: "twl-pipeline", letter: 'T', rows: 57, policies: 51..=58 },
    Team { pack: "turnaki", letter: 'K', rows: 26, policies: 1..=5 },
    Team { pack: "orion", letter: 'O', rows: 34, policies: 31..=45 },
    Team { pack: "pawpaw", letter: 'P', rows: 14, policies: 46..=50 },
    Team { pack: "minimarket", letter: 'M', rows: 42, policies: 6..=30 },
];
/// What the documents get wrong, and the packs do not.
const DEFECTS: u32 = 17;
const BEGIN: &str = "<!-- rows: written by the tests -->\n";
const END: &str = "<!-- end of rows -->";

impl Team {
    /// Every row and policy that the pack must have.
    fn wanted(&self) -> impl Iterator<Item = String> {
        let rows = (1..=self.rows).map(|row| format!("{}{row:02}", self.letter));
        rows.chain(self.policies.clone().map(|policy| format!("Y{policy:02}")))
    }

    fn readme(&self) -> PathBuf {
        Path::new("commands").join(self.pack).join("README.md")
    }
}

/// The runbooks of the repository, with its own configuration.
pub fn shipped() -> Catalog {
    let text = fs::read_to_string("config/sereno.yaml").unwrap();
    let settings = Config::read("config/sereno.yaml", &text, &BTreeMap::new()).unwrap().settings;
    let root = Path::new("commands");
    catalog::check_path(root, root, &settings).unwrap_or_else(|problems| {
        panic!("{}", catalog::render(&problems, catalog::Format::Text));
    })
}

/// Rows by the test that proves them: `file::function`.
fn proofs() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut todo = vec![PathBuf::from("tests")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            of_file(&path, &mut found);
        }
    }
    found
}

fn of_file(path: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let text = fs::read_to_string(path).unwrap();
    let mut rows: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(list) = line.strip_prefix("/// Proves:") {
            rows.extend(list.trim_end_matches('.').split(',').map(|row| row.trim().to_owned()));
        } else if let Some(name) = line.split("fn ").nth(1).filter(|_| !rows.is_empty() && !line.starts_with("//")) {
            let name = name.split('(').next().unwrap_or_default();
            let at = path.strip_prefix("tests").unwrap().with_extension("");
            for row in rows.drain(..) {
                found.entry(row).or_default().insert(format!("{}::{name}", at.display()));
            }
        }
    }
}

/// The commands, and the pack itself, that name a row.
fn answers(catalog: &Catalog, pack: &str, row: &str) -> Vec<(String, String)> {
    let books = catalog.all().filter(|book| book.pack == pack && book.source.iter().any(|known| known == row));
    let mut found: Vec<(String, String)> = books
        .map(|book| {
            let actions: BTreeSet<&str> = book.steps.iter().map(|step| step.action.as_str()).collect();
            (book.name.clone(), actions.into_iter().collect::<Vec<_>>().join(", "))
        })
        .collect();
    if catalog.pack(pack).is_some_and(|about| about.source.iter().any(|known| known == row)) {
        found.push(("pack.yaml".to_owned(), String::new()));
    }
    found
}

fn table(catalog: &Catalog, team: &Team, proofs: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut text = "| Fila | Comando | Acciones | Probado por |\n|---|---|---|---|\n".to_owned();
    for row in team.wanted() {
        let found = answers(catalog, team.pack, &row);
        let commands: Vec<String> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
        let actions: BTreeSet<&str> =
            found.iter().flat_map(|(_, actions)| actions.split(", ")).filter(|a| !a.is_empty()).collect();
        let tests: Vec<String> = proofs.get(&row).into_iter().flatten().map(|test| format!("`{test}`")).collect();
        let actions = actions.into_iter().collect::<Vec<_>>().join(", ");
        writeln!(text, "| {row} | {} | {actions} | {} |", commands.join(", "), tests.join(", ")).unwrap();
    }
    text
}

#[test]
fn every_row_of_the_documents_is_a_command_or_a_policy() {
    let catalog = shipped();
    let mut missing = Vec::new();
    for team in TEAMS {
        let wanted: BTreeSet<String> = team.wanted().collect();
        missing.extend(wanted.iter().filter(|row| answers(&catalog, team.pack, row).is_empty()).cloned());
        let books = catalog.all().filter(|book| book.pack == team.pack).flat_map(|book| &book.source);
        let own = catalog.pack(team.pack).into_iter().flat_map(|pack| &pack.source);
        let unknown: Vec<&String> = books.chain(own).filter(|row| !wanted.contains(*row)).collect();
        assert!(unknown.is_empty(), "{}: there are no rows {unknown:?}", team.pack);
    }
    assert!(missing.is_empty(), "{} rows are no command: {}", missing.len(), missing.join(" "));
}

#[test]
fn every_row_is_proven_by_a_test() {
    let proofs = proofs();
    let wanted: BTreeSet<String> = TEAMS.iter().flat_map(Team::wanted).collect();
    let missing: Vec<&String> = wanted.iter().filter(|row| !proofs.contains_key(*row)).collect();
    assert!(missing.is_empty(), "{} rows are proven by no test: {missing:?}", missing.len());
    let defects: BTreeSet<String> = (1..=DEFECTS).map(|defect| format!("D{defect}")).collect();
    let unknown: Vec<&String> = proofs.keys().filter(|row| !wanted.contains(*row) && !defects.contains(*row)).collect();
    assert!(unknown.is_empty(), "tests prove what nobody wrote: {unknown:?}");
}

#[test]
#[allow(clippy::disallowed_methods)] // who refreshes the tables says so in the environment
fn each_readme_has_the_table_as_it_is() {
    let (catalog, proofs) = (shipped(), proofs());
    for team in TEAMS {
        let path = team.readme();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (before, rest) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{}: no {BEGIN}", path.display()));
        let (_, after) = rest.split_once(END).unwrap_or_else(|| panic!("{}: no {END}", path.display()));
        let fresh = format!("{before}{BEGIN}{}{END}{after}", table(&catalog, team, &proofs));
        if std::env::var_os("SERENO_TEST_UPDATE").is_some() {
            fs::write(&path, &fresh).unwrap();
        }
        let now = fs::read_to_string(&path).unwrap();
        assert!(now == fresh, "{} is old: run SERENO_TEST_UPDATE=1 cargo nextest run readme", path.display());
    }
}

#[test]
fn each_defect_of_the_documents_has_its_line() {
    let readmes: String = TEAMS.iter().map(|team| fs::read_to_string(team.readme()).unwrap_or_default()).collect();
    let missing: Vec<u32> = (1..=DEFECTS).filter(|defect| !readmes.contains(&format!("| D{defect} |"))).collect();
    assert!(missing.is_empty(), "no README tells what becomes of D{missing:?}");
}
