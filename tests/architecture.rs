//! Who may import whom: reads the source and holds the table of docs/architecture.md. Also the walls that no compiler
//! holds: headers, lengths, features in two files only, sentences that are left to be said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module, and what of ours it may import. `*` is everything.
const MAY: &[(&str, &[&str])] = &[
    ("id", &[]),
    ("clock", &[]),
    ("faults", &[]),
    ("secret", &["domain"]),
    ("problem", &["words"]),
    ("telemetry", &["domain"]),
    ("words", &["domain"]),
    ("yaml", &[]),
    ("domain", &["id", "clock"]),
    ("command", &["domain", "catalog", "words"]),
    ("executor", &["domain", "secret", "clock"]),
    ("catalog", &["domain", "executor", "problem", "words", "command", "yaml"]),
    ("config", &["domain", "secret", "problem", "words", "hooks", "clock", "yaml"]),
    ("hooks", &["domain", "clock"]),
    ("chat", &["domain", "id", "clock", "secret", "words"]),
    ("store", &["domain", "id", "clock", "faults"]),
    (
        "engine",
        &[
            "domain", "command", "catalog", "chat", "executor", "store", "clock", "id", "hooks", "secret", "words",
            "faults",
        ],
    ),
    ("http", &["engine", "chat", "domain", "config", "store", "id", "clock", "secret", "words", "hooks", "command"]),
    ("audit", &["domain", "engine", "store"]),
    ("app", &["*"]),
    ("cli", &["*"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut todo = vec![PathBuf::from("src")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

/// The module at the top of `src` that a file belongs to.
fn module_of(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Top modules that a text names by `crate::…`, comments left out, tests included.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let name: String = line[at + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = MAY.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(may) = table.get(module.as_str()) else {
            wrong.push(format!("{}: module {module} is not in the table", path.display()));
            continue;
        };
        for import in imports(&text) {
            let known = table.contains_key(import.as_str());
            if known && import != module && !may.contains(&"*") && !may.contains(&import.as_str()) {
                wrong.push(format!("{}: {module} may not import {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chat_platforms_know_neither_each_other_nor_the_engine() {
    for (path, text) in sources() {
        let Ok(inside) = path.strip_prefix("src/chat") else { continue };
        let own = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        for other in ["console", "slack", "discord"].iter().filter(|other| **other != own) {
            assert!(!text.contains(&format!("chat::{other}")), "{} knows {other}", path.display());
        }
    }
}

#[test]
fn features_choose_code_in_two_files_only() {
    let allowed = [Path::new("src/chat/mod.rs"), Path::new("src/executor/mod.rs")];
    for (path, text) in sources() {
        let chooses = text.contains("cfg(feature") || text.contains("cfg(not(feature");
        assert!(!chooses || allowed.contains(&path.as_path()), "{} chooses by feature", path.display());
    }
}

#[test]
fn every_file_opens_with_its_purpose_and_stays_readable() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no header", path.display());
        assert!(text.lines().count() <= 500, "{} is over 500 lines", path.display());
    }
}

/// A file's text without its unit tests.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The areas of words that actions speak from.
const ACTION_AREAS: &[&str] = &["action", "aws"];

/// The sentences of an area by their keys.
fn written(area: &str) -> BTreeMap<String, String> {
    let part = format!("{area}_");
    let files = fs::read_dir("src/words").unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let stem = path.file_stem().unwrap().to_string_lossy();
        path.extension().is_some_and(|ext| ext == "yaml") && (stem == area || stem.starts_with(&part))
    });
    let sentences = files.flat_map(|path| -> BTreeMap<String, BTreeMap<String, String>> {
        serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    });
    sentences.map(|(key, mut said)| (format!("{area}.{key}"), said.remove("en").unwrap())).collect()
}

/// Each `sentence!("key", …)` of a text: its key and the names of its values.
fn sentences(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let start = regex::Regex::new(r#"sentence!\(\s*"([a-z_.]+)""#).unwrap();
    let calls = start.captures_iter(text).map(|found| {
        let rest = &text[found.get(0).unwrap().end()..];
        let (mut depth, mut values) = (0, vec![String::new()]);
        for character in rest.chars() {
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => values.push(String::new()),
                _ => {}
            }
            values.last_mut().unwrap().push(character);
        }
        let names =
            values.iter().map(|value| value.trim_start_matches(',').split("=>").next().unwrap().trim().to_owned());
        (found[1].to_owned(), names.filter(|name| !name.is_empty()).collect())
    });
    calls.collect()
}

#[test]
fn every_sentence_left_to_be_said_is_written_with_its_values() {
    let words: BTreeMap<String, String> = ACTION_AREAS.iter().copied().chain(["card"]).flat_map(written).collect();
    let environment = minijinja::Environment::new();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (key, given) in sentences(code(&text)) {
            let Some(sentence) = words.get(&key) else {
                wrong.push(format!("{}: {key} is not in words", path.display()));
                continue;
            };
            let taken = environment.template_from_str(sentence).unwrap().undeclared_variables(true);
            if taken.into_iter().collect::<BTreeSet<_>>() != given {
                wrong.push(format!("{}: {key} is given {given:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_sentence_of_an_action_is_said_somewhere() {
    let named = regex::Regex::new(&format!(r#""((?:{})\.[a-z_]+)""#, ACTION_AREAS.join("|"))).unwrap();
    let all = sources().into_iter().filter(|(path, _)| module_of(path) != "words");
    let all: String = all.map(|(_, text)| code(&text).to_owned()).collect();
    let said: BTreeSet<String> = named.captures_iter(&all).map(|found| found[1].to_owned()).collect();
    assert_eq!(ACTION_AREAS.iter().flat_map(|area| written(area).into_keys()).collect::<BTreeSet<_>>(), said);
}

#[test]
fn actions_say_nothing_that_words_do_not_know() {
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("src/executor")) {
        let code = code(text);
        assert!(!code.contains("Sentence::plain(\""), "{} says a sentence in one language", path.display());
        assert!(!code.contains("Sentence::Plain(\""), "{} says a sentence in one language", path.display());
    }
}
