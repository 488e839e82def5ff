//! The documents are true: links lead somewhere, and what they name of the program is there. What single guides promise
//! of their own subject is held by `catalog_check.rs` and `config_shipped.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use sereno::catalog::{self, Format, render};
use sereno::config::Config;
use sereno::domain::actor::Platform;
use sereno::domain::step::{StepEvent, StepState};

/// Every file under a folder with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
                found.push(path);
            }
        }
    }
    found
}

/// Every document of ours, with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut found = files("docs", &["md"]);
    found.extend(
        ["README.md", "README.es.md", "CHANGELOG.md", "CONTRIBUTING.md", "migrations/README.md"].map(Into::into),
    );
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// All source, as one text.
fn source(folders: &[&str]) -> String {
    let paths = folders.iter().flat_map(|folder| files(folder, &["rs", "sql"]));
    paths.map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>().join("\n")
}

/// What is written as code: spans in a line, and lines of blocks; comments at a line's end are left out.
fn code(text: &str) -> Vec<String> {
    let span = Regex::new("`([^`]+)`").unwrap();
    let (mut found, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            found.push(line.split(" #").next().unwrap_or_default().to_owned());
        } else {
            found.extend(span.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    found
}

fn complain(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The name that a heading has in links.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for found in link.captures_iter(&text).filter(|found| !found[1].contains("://")) {
            let (file, part) = found[1].split_once('#').unwrap_or((&found[1], ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let there = target.exists()
                && (part.is_empty()
                    || fs::read_to_string(&target).is_ok_and(|text| {
                        text.lines().any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == part)
                    }));
            if !there {
                wrong.push(format!("{}: {} leads nowhere", path.display(), &found[1]));
            }
        }
    }
    complain(&wrong);
}

/// What `sereno WORD… --help` says; none if there is no such command.
fn help(words: &[&str]) -> Option<String> {
    #[allow(clippy::disallowed_methods)] // the program is tested from outside
    let output = Command::new(env!("CARGO_BIN_EXE_sereno")).args(words).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn commands_and_options_are_those_of_the_program() {
    let named = Regex::new(r"(?:^|[\s/])sereno ([a-z][a-z ]*)(.*)$").unwrap();
    let option = Regex::new(r"--[a-z][a-z-]*").unwrap();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, text) in documents() {
        for line in code(&text) {
            let Some(found) = named.captures(&line) else { continue };
            let words: Vec<&str> = found[1].split(' ').filter(|word| !word.is_empty()).collect();
            // A second word may be a command of the first, as in `audit verify`, or an argument.
            let said = help(&words[..words.len().min(2)]).or_else(|| help(&words[..1]));
            let Some(said) = said else {
                wrong.push(format!("{}: there is no command in {line:?}", path.display()));
                continue;
            };
            seen.insert(words[0].to_owned());
            for option in option.find_iter(&line).filter(|option| !said.contains(option.as_str())) {
                wrong.push(format!("{}: {line:?} has no {}", path.display(), option.as_str()));
            }
        }
    }
    let all = help(&[]).unwrap();
    let commands = all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is further to the right goes on with a description.
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands = commands.filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help");
    wrong.extend(commands.filter(|word| !seen.contains(*word)).map(|word| format!("no document shows sereno {word}")));
    complain(&wrong);
}

#[test]
fn the_first_runbook_is_sound_in_the_shipped_configuration() {
    let readme = fs::read_to_string("README.md").unwrap();
    let path = Regex::new(r"`commands/(\S+\.yaml)`").unwrap().captures(&readme).unwrap()[1].to_owned();
    let block = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, block).unwrap();
    let config = Config::load(Some(Path::new("config/sereno.yaml")), &BTreeMap::new()).unwrap();
    let found = catalog::load(folder.path(), &config.settings);
    assert_eq!(found.map_or_else(|problems| render(&problems, Format::Text), |_| String::new()), "");
}

#[test]
fn the_steps_that_the_guides_of_actions_show_are_sound() {
    let block = Regex::new(r"(?m)^```yaml\n((?s:.*?))^```").unwrap();
    let secret = Regex::new(r"secret: (\w+)").unwrap();
    let mut settings = Config::load(Some(Path::new("config/sereno.yaml")), &BTreeMap::new()).unwrap().settings;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("guide")).unwrap();
    let mut shown = 0;
    for path in files("docs/actions", &["md"]) {
        let text = fs::read_to_string(&path).unwrap();
        for found in block.captures_iter(&text).filter(|found| found[1].starts_with("- id:")) {
            shown += 1;
            settings.secrets.extend(secret.captures_iter(&found[1]).map(|found| found[1].to_owned()));
            let runbook = format!(
                "name: step-{shown}\nsummary: {}\nparams: [{{ name: service, type: text }}, {{ name: backup, type: text }}]\n\
                 environments: [dev, prod]\nallow: [{{ roles: [operator] }}]\nsteps:\n{}",
                path.display(),
                &found[1]
            );
            fs::write(folder.path().join(format!("guide/step-{shown}.yaml")), runbook).unwrap();
        }
    }
    assert!(shown > 8, "the search for steps finds {shown} only");
    let found = catalog::load(folder.path(), &settings);
    assert_eq!(found.map_or_else(|problems| render(&problems, Format::Text), |_| String::new()), "");
}

#[test]
fn metrics_and_endpoints_are_those_of_the_server() {
    let name = Regex::new(r"sereno_[a-z]+(?:_[a-z]+)*").unwrap();
    let counted = Regex::new(r#"(?:counter|gauge|histogram)!\(\s*"(sereno_[a-z_]+)""#).unwrap();
    let source = source(&["src"]);
    let metrics: BTreeSet<&str> = counted.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()).collect();
    let route = Regex::new(r#""(/[a-z][^"\s]*)""#).unwrap();
    let routes: BTreeSet<String> = route.captures_iter(&source).map(|found| generic(&found[1])).collect();
    let endpoint = Regex::new(r"^(?:GET|POST) (/\S+)$").unwrap();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, text) in documents() {
        for found in code(&text) {
            for name in name.find_iter(&found).map(|name| name.as_str()) {
                seen.insert(name.to_owned());
                if !metrics.contains(name) {
                    wrong.push(format!("{}: there is no metric {name}", path.display()));
                }
            }
            if let Some(found) = endpoint.captures(&found)
                && !routes.contains(&generic(&found[1]))
            {
                wrong.push(format!("{}: there is no endpoint {}", path.display(), &found[1]));
            }
        }
    }
    assert!(metrics.len() > 5, "the search for metrics finds {metrics:?} only");
    wrong.extend(
        metrics.iter().filter(|name| !seen.contains(**name)).map(|name| format!("no document explains {name}")),
    );
    complain(&wrong);
}

/// A path with its variable parts as `{}`, whether they are written `{name}` or `<name>`.
fn generic(path: &str) -> String {
    Regex::new(r"\{[^}]*\}|<[^>]*>").unwrap().replace_all(path, "{}").into_owned()
}

#[test]
fn files_that_are_named_are_there() {
    let named = Regex::new(r"^(?:[\w.*-]+/)*[\w.*-]*(?:\.rs|/)$").unwrap();
    let all: Vec<String> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| files(folder, &["rs", "sql", "yaml"]))
        .map(|path| format!("/{}", path.display()))
        .collect();
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for name in code(&text).iter().filter(|name| named.is_match(name)) {
            // `engine/drive.rs` is src/engine/drive.rs; a bare `drive.rs` follows a longer name in its line.
            let there = if name.ends_with('/') {
                Path::new(name).is_dir()
            } else {
                let (head, tail) = name.split_once('*').unwrap_or((name, ""));
                all.iter().any(|file| {
                    let from = if tail.is_empty() { file.ends_with(&format!("/{head}")) } else { file.contains(head) };
                    from && file.ends_with(tail)
                })
            };
            if !there {
                wrong.push(format!("{}: there is no {name}", path.display()));
            }
        }
    }
    complain(&wrong);
}

#[test]
fn functions_types_and_tests_that_the_architecture_names_are_there() {
    let path = Regex::new(r"^(?:[A-Za-z_]+::)+([A-Za-z_]+)$").unwrap();
    let item = Regex::new(r"^[A-Z][A-Za-z]+$|^[A-Z_]{4,}$|^[a-z0-9]+(?:_[a-z0-9]+){3,}$").unwrap();
    let defined = Regex::new(r"\b(?:fn|struct|enum|trait|const|static|mod|type|macro_rules!) (\w+)").unwrap();
    let variant = Regex::new(r#"(?m)^ {4,8}([A-Z]\w+)(?: = "|\(|,$| \{$)"#).unwrap();
    let (source, mut wrong) = (source(&["src", "tests"]), Vec::new());
    let mut known: BTreeSet<&str> =
        defined.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()).collect();
    // Variants, and enums of words, which a macro declares by their bare name.
    known.extend(variant.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()));
    let about_code = |path: &Path| path.ends_with("architecture.md") || path.starts_with("docs/decisions");
    for (path_of, text) in documents().into_iter().filter(|(path, _)| about_code(path)) {
        for found in code(&text) {
            let name = path.captures(&found).map(|found| found[1].to_owned());
            let name = name.or_else(|| item.is_match(&found).then(|| found.clone()));
            if let Some(name) = name.filter(|name| !known.contains(name.as_str())) {
                wrong.push(format!("{}: nothing is called {name} ({found})", path_of.display()));
            }
        }
    }
    complain(&wrong);
}

/// The rows of the first table in a document's part, cell by cell.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let part = text.split(&format!("\n## {heading}\n")).nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows =
        part.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn the_table_of_modules_is_the_one_that_is_held() {
    let word = Regex::new(r#"["`](\w+|\*)["`]"#).unwrap();
    let words = |text: &str| word.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>();
    let held = fs::read_to_string("tests/architecture.rs").unwrap();
    let held = held.split("const MAY").nth(1).and_then(|rest| rest.split("];\n\n").next()).unwrap();
    let row = Regex::new(r#"\(\s*"(\w+)",\s*&\[([^\]]*)\]"#).unwrap();
    let held: BTreeMap<String, Vec<String>> =
        row.captures_iter(held).map(|found| (found[1].to_owned(), words(&found[2]))).collect();
    let text = fs::read_to_string("docs/architecture.md").unwrap();
    let told = table(&text, "Modules, and who may import whom").into_iter().map(|cells| {
        let may = if cells[2] == "everything" { vec!["*".to_owned()] } else { words(&cells[2]) };
        (words(&cells[0])[0].clone(), may)
    });
    assert_eq!(told.collect::<BTreeMap<_, _>>(), held);
}

#[test]
fn the_table_of_a_steps_states_is_the_state_machine() {
    let text = fs::read_to_string("docs/architecture.md").unwrap();
    let arrow = Regex::new(r"`(\w+)` → `(\w+)`(?: \((\w+)\))?").unwrap();
    let mut told = BTreeSet::new();
    for cells in table(&text, "A step's states") {
        let from: StepState = cells[0].trim_matches('`').parse().unwrap();
        for found in arrow.captures_iter(&cells[1]) {
            let event: StepEvent = found[1].parse().unwrap();
            let to: StepState = found[2].parse().unwrap();
            let only = found.get(3).map(|only| only.as_str());
            told.extend(
                [true, false]
                    .map(|guarded| (from, event, guarded, to))
                    .into_iter()
                    .filter(|row| only.is_none_or(|only| row.2 == (only == "guarded"))),
            );
        }
    }
    let mut real = BTreeSet::new();
    for &from in StepState::ALL {
        for &event in StepEvent::ALL {
            real.extend(
                [true, false]
                    .into_iter()
                    .filter_map(|guarded| from.next(event, guarded).map(|to| (from, event, guarded, to))),
            );
        }
    }
    let untold: Vec<_> = real.difference(&told).collect();
    let untrue: Vec<_> = told.difference(&real).collect();
    assert!(untold.is_empty() && untrue.is_empty(), "not told: {untold:#?}\nnot so: {untrue:#?}");
}

#[cfg(feature = "slack")]
#[test]
fn the_table_of_scopes_is_what_the_slack_app_asks_for() {
    let text = fs::read_to_string("docs/slack.md").unwrap();
    let told: Vec<_> = table(&text, "Scopes").into_iter().map(|cells| cells.join(" | ")).collect();
    let needed = |required| if required { "yes" } else { "" };
    let real = sereno::chat::slack::scopes::SCOPES.iter();
    let real: Vec<_> =
        real.map(|scope| format!("`{}` | {} | {}", scope.name, needed(scope.required), scope.why)).collect();
    assert_eq!(told, real);
}

#[test]
fn the_configuration_of_the_slack_guide_is_sound_and_says_enough() {
    let text = fs::read_to_string("docs/slack.md").unwrap();
    let blocks: Vec<String> = Regex::new(r"(?m)^ *```yaml\n((?s:.*?))^ *```")
        .unwrap()
        .captures_iter(&text)
        .map(|found| found[1].to_owned())
        .collect();
    let env = [("BOT_TOKEN", "xoxb-0123456789abcdef"), ("APP_TOKEN", "xapp-0123456789abcdef")];
    let env = env.map(|(name, token)| (format!("SERENO_SLACK__{name}"), token.to_owned())).into();
    let first = Config::read("docs/slack.md", &blocks[0], &env).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let settings = &first.settings;
    assert!(first.slack.is_some() && settings.address(Platform::Slack, "#infra").is_some());
    assert!(settings.actor("ana", Platform::Slack).is_some_and(|ana| ana.roles.contains("operator")));
    // The others are added to it.
    let all = blocks.iter().enumerate().map(|(at, block)| if at == 0 { unindented(block) } else { block.clone() });
    let all = all.collect::<Vec<_>>().join("");
    let all = Config::read("docs/slack.md", &all, &env).unwrap_or_else(|problems| panic!("{problems:#?}")).settings;
    assert!(all.groups.contains_key(&Platform::Slack) && all.teams["infra"].groups.contains_key(&Platform::Slack));
}

/// A block of a list, as it is in a file.
fn unindented(block: &str) -> String {
    block.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect()
}

#[test]
fn what_is_said_to_exist_exists_and_what_is_said_to_come_does_not() {
    let readme = fs::read_to_string("README.md").unwrap();
    for action in sereno::executor::ACTIONS {
        assert!(readme.contains(&format!("`{}`", action.name)), "the README does not name the action {}", action.name);
    }
    let coming = readme.split("Not there yet:").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    for (name, home) in [("Slack", "src/chat/slack"), ("Discord", "src/chat/discord"), ("import", "src/import")] {
        let (said, here) = (coming.contains(name), Path::new(home).exists());
        assert!(said != here, "the README says of {name} that it is {}", if said { "to come" } else { "there" });
    }
}
