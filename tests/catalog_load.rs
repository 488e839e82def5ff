//! What a folder of runbooks becomes: packs, names, meanings, alerts; what does not belong there; and how a change of
//! it is noticed.

mod catalog_support;

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use catalog_support::{Folder, problems, settings};
use serde_json::json;
use sereno::catalog::{self, Catalog, Found, check_path};
use sereno::clock::Timestamp;
use sereno::domain::alert::Alert;
use sereno::domain::runbook::{Effect, OnFail, ParamKind};

fn book(name: &str, more: &str) -> String {
    format!(
        "name: {name}\nsummary: A book\nallow: [{{ roles: [operator] }}]\n{more}\n\
         steps: [{{ id: look, title: Look, action: http, with: {{ url: 'http://x/' }} }}]\n"
    )
}

fn catalog(files: &[(&str, String)]) -> Catalog {
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    Folder::with(&files).load(&settings()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn one(found: Found) -> String {
    match found {
        Found::One(book) => book.full_name(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_kept_as_it_was_meant() {
    let text = r##"
name: rollback
summary: Put the previous version back
params:
  - { name: service, type: text, pattern: "[a-z]+", from_label: service }
  - { name: since, type: duration, max: 2h, default: 15m }
  - { name: version, type: from, step: versions, path: rows }
environments: [dev, prod]
allow: [{ roles: [operator], when: { since: [1m, 2m] } }]
approval: [{ environments: [prod], count: 1, roles: [lead], expires: 5m }, {}]
lock: "{{ env }}/{{ service }}"
next: [health]
schedule: []
steps:
  - { id: versions, title: Look, action: sql, with: { query: "SELECT 1" } }
  - id: put
    title: Put it back
    action: shell
    effect: destroy
    with: { argv: [/bin/deploy, "{{ service }}", "{{ version }}", "{{ steps.versions.rows.0 }}"] }
    timeout: 2m
    on_fail: { goto: tell }
    undo: { title: Forward again, action: shell, with: { argv: [/bin/deploy, "{{ steps.put.json.before }}"] } }
  - { id: tell, title: Tell, action: ask, with: { instructions: "{{ run.by }}: look at {{ service }}" } }
"##;
    let catalog = catalog(&[("shop/rollback.yaml", text.to_owned()), ("shop/health.yaml", book("health", ""))]);
    let book = catalog.get("shop/rollback").unwrap();
    assert_eq!(book.params[0].kind, ParamKind::Text { pattern: Some("[a-z]+".into()), max: 200 });
    assert_eq!(book.params[1].default, Some(json!(900)), "as steps get it");
    assert_eq!(book.allow[0].when["since"], [json!(60), json!(120)]);
    assert_eq!((book.approval[0].expires, book.approval[1].expires), (300, 600));
    assert_eq!(book.next, ["shop/health"], "names are spelled out");
    let effects: Vec<Effect> = book.steps.iter().map(|step| step.effect).collect();
    assert_eq!(effects, [Effect::Read, Effect::Destroy, Effect::Read]);
    assert_eq!((book.steps[0].timeout, book.steps[1].timeout), (60, 120));
    assert_eq!(book.steps[1].on_fail, OnFail::Goto("tell".into()));
    assert_eq!(book.steps[1].undo.as_ref().unwrap().timeout, 60);
    assert_eq!(book.digest, sereno::domain::digest::sha256(text.as_bytes()));
}

#[test]
fn a_word_means_the_runbook_of_the_packs_that_are_meant() {
    let health = book("health", "");
    let catalog = catalog(&[
        ("shop/health.yaml", health.clone()),
        ("infra/health.yaml", health),
        ("infra/reboot.yaml", book("reboot", "")),
    ]);
    let shop = ["shop".to_owned()];
    assert_eq!(one(catalog.find("health", &shop)), "shop/health");
    assert_eq!(one(catalog.find("infra/health", &shop)), "infra/health", "a full name is always understood");
    assert_eq!(one(catalog.find("reboot", &shop)), "infra/reboot", "nothing else can be meant");
    assert!(matches!(catalog.find("health", &[]), Found::Many(names) if names == ["infra/health", "shop/health"]));
    assert!(matches!(catalog.find("helth", &shop), Found::Nearest(names) if names == ["health"]));
    assert!(
        matches!(catalog.find("rebot", &shop), Found::Nearest(names) if names.is_empty() || names == ["infra/reboot"])
    );
    assert!(matches!(catalog.find("shop/healt", &[]), Found::Nearest(names) if names[0] == "shop/health"));
    assert!(matches!(catalog.find("xyzzy", &[]), Found::Nearest(names) if names.is_empty()));
}

#[test]
fn an_alert_finds_its_runbooks_the_most_particular_first() {
    let catalog = catalog(&[
        ("shop/down.yaml", book("down", "alerts: [{ alertname: Down }]")),
        ("shop/api.yaml", book("api", "alerts: [{ alertname: Other }, { alertname: Down, service: api }]")),
        ("shop/db.yaml", book("db", "alerts: [{ alertname: Down, service: db }]")),
    ]);
    let alert = |labels: &[(&str, &str)]| Alert {
        source: "alertmanager".into(),
        fingerprint: "f".into(),
        group_key: "g".into(),
        firing: true,
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        annotations: BTreeMap::new(),
        starts_at: Timestamp(0),
        ends_at: None,
        link: None,
    };
    let names = |alert: &Alert| catalog.matching(alert).iter().map(|book| book.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&alert(&[("alertname", "Down"), ("service", "api"), ("x", "y")])), ["api", "down"]);
    assert_eq!(names(&alert(&[("alertname", "Down")])), ["down"]);
    assert!(names(&alert(&[("alertname", "down")])).is_empty());
}

#[test]
fn what_does_not_belong_into_the_folder_is_told() {
    let folder = Folder::with(&[
        ("loose.yaml", "name: loose"),
        ("shop/deep/x.yaml", "name: x"),
        ("shop/old.yml", "name: old"),
        ("Big Shop/x.yaml", "name: x"),
        ("shop/README.md", "prose is welcome"),
        (".git/config.yaml", "not ours"),
        ("shop/.draft.yaml", "not yet"),
        ("README.md", "prose is welcome"),
    ]);
    let found = folder.load(&settings()).unwrap_err();
    let mut files: Vec<&str> = found.iter().filter_map(|problem| problem.file.rsplit('/').next()).collect();
    files.sort_unstable();
    assert_eq!(files, ["Big Shop", "deep", "loose.yaml", "old.yml"], "{found:#?}");
    assert!(found.iter().all(|problem| problem.hint.is_some()));
    let gone = catalog::load(&folder.path().join("gone"), &settings()).unwrap_err();
    assert!(gone[0].message.contains("cannot be read"), "{gone:?}");
    assert_eq!(Folder::with(&[("README.md", "")]).load(&settings()).unwrap().all().count(), 0);
}

#[test]
fn files_that_cannot_be_read_are_told_with_the_others() {
    let big = format!("# {}\n{}", "x".repeat(300 * 1024), book("big", ""));
    let folder = Folder::with(&[("shop/big.yaml", &big), ("shop/broken.yaml", "name: [\n"), ("shop/empty.yaml", "")]);
    std::fs::write(folder.path().join("shop/bytes.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    folder.write("shop/next.yaml", &book("next", "next: [broken, bytes, nothing]"));
    let found = folder.load(&settings()).unwrap_err();
    let told = |file: &str| {
        let of = found.iter().filter(|problem| problem.file.ends_with(file));
        of.map(|problem| problem.message.as_str()).collect::<Vec<_>>()
    };
    assert!(told("big.yaml")[0].contains("300 KiB"), "{found:#?}");
    assert!(told("broken.yaml")[0].contains("not valid YAML"));
    assert!(told("bytes.yaml")[0].contains("cannot be read"));
    assert_eq!(told("empty.yaml").len(), 1);
    assert_eq!(told("next.yaml"), ["There is no runbook “nothing”."], "a broken neighbour is still a neighbour");
}

#[test]
fn names_are_taken_once_in_a_pack_and_again_in_another() {
    let text = book("health", "");
    let folder = Folder::with(&[("shop/a.yaml", &text), ("shop/b.yaml", &text), ("infra/a.yaml", &text)]);
    let found = folder.load(&settings()).unwrap_err();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].file.ends_with("shop/b.yaml") && found[0].hint.as_ref().unwrap().contains("shop/a.yaml"));
}

#[test]
fn an_alias_is_a_word_of_its_own_in_its_pack() {
    let with = |first: &str, second: &str| {
        let keys = |aliases: &str| format!("aliases: [{aliases}]");
        let folder = Folder::with(&[
            ("shop/a.yaml", &book("salud", &keys(first))),
            ("shop/b.yaml", &book("logs", &keys(second))),
            ("infra/a.yaml", &book("health", "aliases: [logs]")),
        ]);
        let found = folder.load(&settings()).err().unwrap_or_default();
        found.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(with("health, state", "lines"), [""; 0]);
    assert_eq!(with("logs", ""), ["shop/logs already means something."]);
    assert_eq!(with("salud", ""), ["shop/salud already means something."], "its own name");
    assert_eq!(with("health", "health"), ["shop/health already means something."]);
    assert_eq!(with("health, health", ""), ["shop/health already means something."]);
    assert_eq!(with("plan", ""), ["“plan” is a command of Sereno's own."]);
    assert_eq!(with("Health", ""), ["“Health” cannot be the name of a runbook."]);
}

#[test]
fn an_alias_is_understood_and_takes_no_name_away() {
    let folder = Folder::with(&[
        ("market/a.yaml", &book("salud", "aliases: [health]")),
        ("generic/a.yaml", &book("health", "")),
        ("paw/a.yaml", &book("latencia", "aliases: [latency]")),
        ("more/a.yaml", &book("lenta", "aliases: [latency]")),
    ]);
    let catalog = folder.load(&settings()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let means = |word: &str, packs: &[&str]| {
        let packs: Vec<String> = packs.iter().map(|pack| (*pack).to_owned()).collect();
        match catalog.find(word, &packs) {
            Found::One(book) => vec![book.full_name()],
            Found::Many(names) => names,
            Found::Nearest(near) => near.into_iter().map(|word| format!("{word}?")).collect(),
        }
    };
    assert_eq!(means("health", &["market"]), ["market/salud"], "what is meant here goes before what is elsewhere");
    assert_eq!(means("health", &["market", "generic"]), ["generic/health"], "a name goes before an alias");
    assert_eq!(means("health", &[]), ["generic/health"]);
    assert_eq!(means("market/health", &[]), ["market/salud"]);
    assert_eq!(means("latency", &["generic"]), ["more/lenta", "paw/latencia"]);
    assert_eq!(means("helth", &["market"]), ["health?"]);
}

#[test]
fn runbooks_that_run_each_other_agree() {
    let run = |name: &str, target: &str, args: &str, envs: &str| {
        format!(
            "name: {name}\nsummary: S\nallow: [{{ roles: [operator] }}]\nenvironments: {envs}\n\
             steps: [{{ id: a, title: T, action: run, with: {{ runbook: {target}, args: {args} }} }}]\n"
        )
    };
    let target = "params: [{ name: service, type: text }]\nenvironments: [dev]";
    let with = |text: String| {
        let folder = Folder::with(&[("shop/a.yaml", &text), ("shop/b.yaml", &book("b", target))]);
        let found = folder.load(&settings()).err().unwrap_or_default();
        found.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    assert_eq!(with(run("a", "b", "{ service: api }", "[dev]")), [""; 0]);
    assert!(with(run("a", "b", "{}", "[dev]"))[0].contains("“service” gets no value"));
    assert!(with(run("a", "b", "{ service: api, n: 1 }", "[dev]"))[0].contains("no parameter “n”"));
    assert!(with(run("a", "b", "{ service: api }", "[dev, prod]"))[0].contains("cannot run in prod"));
    assert!(with(run("a", "'{{ env }}'", "{}", "[dev]"))[0].contains("takes no placeholder"));

    let folder =
        Folder::with(&[("shop/a.yaml", &run("a", "b", "{}", "[]")), ("shop/b.yaml", &run("b", "a", "{}", "[]"))]);
    let found = folder.load(&settings()).unwrap_err();
    assert_eq!(found.len(), 2, "both ends of the circle: {found:#?}");
}

#[test]
fn a_file_or_a_folder_may_be_checked_by_name() {
    let folder = Folder::with(&[
        ("shop/good.yaml", "name: good\nsummary: S\nallow: [{ roles: [operator] }]\nsteps: []\n"),
        ("shop/bad.yaml", "name: Bad\n"),
    ]);
    let (root, good, bad) = (folder.path(), folder.path().join("shop/good.yaml"), folder.path().join("shop/bad.yaml"));
    let of = |path: &std::path::Path, root: &std::path::Path| {
        let found = check_path(path, root, &settings()).err().unwrap_or_default();
        let mut files: Vec<String> =
            found.iter().filter_map(|problem| Some(problem.file.rsplit('/').next()?.to_owned())).collect();
        files.dedup();
        files
    };
    assert_eq!(of(&root, &root), ["bad.yaml", "good.yaml"]);
    assert_eq!(of(&good, &root), ["good.yaml"], "its neighbours are looked at, not told");
    assert_eq!(of(&bad, std::path::Path::new("/nonexistent")), ["bad.yaml"]);
}

#[test]
fn hostile_text_is_drawn_but_not_obeyed() {
    let found = problems("name: \"a\\e[31m\"\nsummary: \"\u{202e}x\"\nsteps: 3\n");
    assert!(!found.is_empty());
    for problem in found {
        let shown = format!("{}{}{}", problem.message, problem.picture, problem.hint.unwrap_or_default());
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
    }
}

#[test]
fn a_change_of_the_files_is_noticed_until_nobody_watches() {
    let folder = Folder::with(&[("shop/a.yaml", &book("a", ""))]);
    let (changed, changes) = channel();
    let watch = catalog::watch(&folder.path(), move || {
        let _ = changed.send(());
    })
    .unwrap();
    folder.write("shop/a.yaml", &book("b", ""));
    let patience = Duration::from_secs(20);
    assert!(changes.recv_timeout(patience).is_ok(), "a file that is written again");
    folder.write("infra/new.yaml", &book("new", ""));
    assert!(changes.recv_timeout(patience).is_ok(), "a new pack");
    drop(watch);
    while changes.recv_timeout(patience).is_ok() {}
    assert!(catalog::watch(&folder.path().join("gone"), || {}).is_err());
}

#[test]
fn no_damage_to_a_file_goes_unhandled() {
    let guide = std::fs::read_to_string("docs/runbooks.md").unwrap();
    let example = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let lines: Vec<&str> = example.lines().collect();
    for line in 0..lines.len() {
        let without: Vec<&str> = [&lines[..line], &lines[line + 1..]].concat();
        let _ = problems(&without.join("\n"));
        let _ = problems(&lines[..line].join("\n"));
        // A value of another kind in place of each.
        for value in ["3", "[]", "{}", "null", "'{{ x }}'", "{ a: [1] }"] {
            if let Some((key, _)) = lines[line].split_once(": ") {
                let changed = format!("{key}: {value}");
                let changed: Vec<&str> = [&lines[..line], &[changed.as_str()], &lines[line + 1..]].concat();
                for problem in problems(&changed.join("\n")) {
                    assert!(problem.line <= lines.len() + 1 && problem.hint.is_some(), "{problem:?}");
                }
            }
        }
    }
}
