//! The documents say what is: links lead somewhere, commands exist, the README's runbook is sound.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn documents() -> Vec<(PathBuf, String)> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    for dir in ["docs", "docs/decisions"] {
        found.extend(fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|ext| ext == "md"));
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let mut dead = Vec::new();
    for (path, text) in documents() {
        for (_, rest) in text.match_indices("](").map(|(at, _)| text[at..].split_at(2)) {
            let target = rest.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !path.parent().unwrap_or(Path::new("")).join(target).exists() {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
#[allow(clippy::disallowed_methods)] // the program's own help
fn every_command_that_is_named_exists() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_sereno")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: BTreeSet<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    let mut unknown = Vec::new();
    for (path, text) in documents() {
        let code = text.split('`').enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, code)| code);
        for line in code.flat_map(str::lines) {
            let Some(rest) = line.trim().strip_prefix("sereno ") else { continue };
            let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            if !word.is_empty() && !word.starts_with('-') && !commands.contains(word.as_str()) {
                unknown.push(format!("{}: sereno {word}", path.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?} of {commands:?}");
}

#[test]
fn the_readmes_runbook_is_sound() {
    let readme = fs::read_to_string("README.md").unwrap();
    let runbook = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("shop")).unwrap();
    fs::write(folder.path().join("shop/restart.yaml"), runbook).unwrap();
    let config = sereno::config::Config::load(None, &std::collections::BTreeMap::new()).unwrap();
    let loaded = sereno::catalog::load(folder.path(), &config.settings);
    let problems = loaded.err().unwrap_or_default();
    assert!(problems.is_empty(), "{}", sereno::catalog::render(&problems, sereno::catalog::Format::Text));
}
