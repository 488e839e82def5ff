//! What `sereno check` says of files with mistakes: all of them, each with its place and a hint.

mod catalog_support;

use catalog_support::{Folder, problems, settings};
use sereno::catalog::{Format, render};
use sereno::domain::actor::Platform;
use sereno::domain::settings::Language;

/// A runbook with some keys beside those that every runbook has.
fn book(keys: &str, steps: &str) -> String {
    let steps = if steps.is_empty() {
        "[{ id: look, title: Look, action: http, with: { url: \"http://x/\" } }]"
    } else {
        steps
    };
    let allow = if keys.contains("allow:") { "" } else { "allow: [{ roles: [operator] }]\n" };
    let envs = if keys.starts_with("environments:") { "" } else { "environments: [dev, prod]\n" };
    format!("name: book\nsummary: A book\n{allow}{envs}{keys}\nsteps: {steps}\n")
}

/// The text that the caret stands under, and the message.
fn told(text: &str) -> Vec<(String, String)> {
    let under = |line: usize, column: usize| {
        let line = text.lines().nth(line - 1).unwrap_or_default();
        let from: String = line.chars().skip(column - 1).collect();
        from.split([',', '}', ']', ':', ' ']).next().unwrap_or_default().to_owned()
    };
    problems(text).into_iter().map(|problem| (under(problem.line, problem.column), problem.message)).collect()
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_caret_and_hint() {
    let found = problems(include_str!("catalog_support/broken.yaml"));
    assert!(found.iter().all(|problem| problem.hint.is_some() && !problem.picture.is_empty()));
    insta::assert_snapshot!(render(&found, Format::Text));
}

#[test]
fn a_sound_file_has_no_problems() {
    assert_eq!(told(&book("", "")), []);
}

#[test]
fn each_rule_of_a_runbook_is_held() {
    for (keys, under, says) in [
        ("sumary: x", "sumary", "means nothing here"),
        ("summary: y", "summary", "not valid YAML"),
        ("about: Call {{ x }}", "Call", "not filled here"),
        ("allow: []", "allow", "Nobody may ask"),
        ("allow: [{ roles: [dba] }]", "dba", "Nobody holds"),
        ("allow: [{ roles: [opperator] }]", "opperator", "not a role"),
        ("allow: [{ roles: [operator], environments: [dev, dev] }]", "dev", "twice"),
        ("allow: [{ roles: [operator], channels: ['#nowhere'] }]", "'#nowhere'", "not a channel"),
        ("allow: [{ roles: [operator], when: { size: [s] } }]", "size", "no parameter"),
        ("environments: [dev, prod, staging]", "staging", "not an environment of the configuration"),
        (
            "environments: []\nallow: [{ roles: [operator], environments: [dev] }]",
            "dev",
            "not an environment of this runbook",
        ),
        ("channels: ['infra']", "'infra'", "not a channel"),
        ("alerts: [{}]", "{", "every alert"),
        ("alerts: [{ code: 500 }]", "500", "expected here: text"),
        ("next: [rollbak]", "rollbak", "no runbook"),
        ("lock: '{{ nope }}'", "'{{", "Nothing is called"),
        ("lock: '{{ steps.look.status }}'", "'{{", "not known yet"),
        ("environments: []\nlock: '{{ env }}'", "'{{", "Nothing is called"),
        ("approval: [{ count: 2 }, { environments: [dev] }]", "{", "never used"),
        ("approval: [{ expires: 16m }]", "16m", "out of its range"),
        ("approval: [{ count: 0 }]", "0", "out of its range"),
        ("schedule: [{ cron: '0 8 * *', channel: '#infra', env: dev }]", "'0", "cron"),
        ("schedule: [{ cron: '0 0 8 * * 1', channel: '#infra', env: dev }]", "'0", "cron"),
        ("schedule: [{ cron: '61 8 * * *', channel: '#infra', env: dev }]", "'61", "cron"),
        ("schedule: [{ cron: '0 8 * * *', zone: Madrid, channel: '#infra', env: dev }]", "Madrid", "time zone"),
        ("schedule: [{ cron: '0 8 * * *', channel: '#nowhere', env: dev }]", "'#nowhere'", "not a channel"),
        ("schedule: [{ cron: '0 8 * * *', channel: '#infra' }]", "{", "“env” is missing"),
        ("schedule: [{ cron: '0 8 * * *', channel: '#infra', env: qa }]", "qa", "not an environment of this runbook"),
    ] {
        let text = book(keys, "");
        let found = told(&text);
        assert!(found.len() == 1 && found[0].0 == under && found[0].1.contains(says), "{keys}\n{found:#?}");
    }
}

#[test]
fn each_rule_of_a_parameter_is_held() {
    for (param, under, says) in [
        ("name: Service, type: text", "Service", "cannot be the name of a parameter"),
        ("name: env, type: text", "env", "already means something"),
        ("name: a, type: texts", "texts", "not known here"),
        ("name: a, type: text, choices: [x]", "choices", "does not belong"),
        ("name: a, type: text, pattern: '['", "'['", "regular expression"),
        ("name: a, type: text, pattern: 'a)|(b'", "'a)|(b'", "regular expression"),
        ("name: a, type: text, max: 0", "0", "out of its range"),
        ("name: a, type: text, default: '--force'", "'--force'", "does not accept"),
        ("name: a, type: integer, min: 3, max: 1", "3", "minimum is greater"),
        ("name: a, type: integer, min: 1m", "1m", "expected here"),
        ("name: a, type: integer, min: 1, max: 3, default: 4", "4", "does not accept"),
        ("name: a, type: choice", "{", "“choices” is missing"),
        ("name: a, type: choice, choices: [x, x]", "x", "twice"),
        ("name: a, type: choice, choices: [x], default: y", "y", "does not accept"),
        ("name: a, type: choice, choices: [1]", "1", "expected here: text"),
        ("name: a, type: duration, min: 90", "90", "not a duration"),
        ("name: a, type: duration, max: 2h, default: 3h", "3h", "does not accept"),
        ("name: a, type: file, dir: backups", "backups", "absolute path"),
        ("name: a, type: from, step: loook, path: rows", "loook", "no step"),
        ("name: a, type: from, step: look, path: rows, default: x", "default", "does not belong"),
    ] {
        let found = told(&book(&format!("params: [{{ {param} }}]"), ""));
        assert!(found.len() == 1 && found[0].0 == under && found[0].1.contains(says), "{param}\n{found:#?}");
    }
}

#[test]
fn each_rule_of_a_step_is_held() {
    let look = "{ id: look, title: Look, action: http, with: { url: 'http://x/' } }";
    for (step, under, says) in [
        ("id: look, title: Go, action: http, with: { url: 'http://x/' }", "look", "twice"),
        ("id: end, title: Go, action: http, with: { url: 'http://x/' }", "end", "cannot be the id of a step"),
        ("id: go, title: '', action: http, with: { url: 'http://x/' }", "''", "Nothing is written"),
        ("id: go, action: http, with: { url: 'http://x/' }", "{", "“title” is missing"),
        ("id: go, title: Go, action: htttp, with: { url: 'http://x/' }", "htttp", "no action"),
        ("id: go, title: Go, action: http", "{", "“url” is missing"),
        ("id: go, title: Go, action: http, with: { url: 'ftp://x/' }", "with", "must start with http://"),
        ("id: go, title: Go, action: http, with: { url: 'http://x/', port: 0 }", "0", "out of its range"),
        ("id: go, title: Go, action: http, with: { url: 'http://{{ x y }}/' }", "'http", "cannot be read"),
        ("id: go, title: Go, action: http, with: { url: 'http://{{ a.b }}/' }", "'http", "Nothing is called"),
        ("id: go, title: Go, action: http, with: { url: 'http://{{ steps.go.x }}/' }", "'http", "not known yet"),
        ("id: go, title: Go, action: sql, with: { query: 'SELECT {{ env }}' }", "'SELECT", "takes no placeholder"),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/', headers: { k: { secret: '{{ env }}' } } }",
            "'{{",
            "takes no placeholder",
        ),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/', headers: { k: { secret: shop_ap } } }",
            "shop_ap",
            "no secret",
        ),
        ("id: go, title: Go, action: shell, with: { argv: [/bin/ls] }", "shell", "cannot tell what"),
        ("id: go, title: Go, action: shell, effect: reed, with: { argv: [/bin/ls] }", "reed", "not known here"),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, timeout: 0s", "0s", "out of its range"),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, timeout: 10", "10", "expected here: text"),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, retry: { times: 99 }", "99", "out of its range"),
        (
            "id: go, title: Go, action: shell, effect: destroy, with: { argv: [/x] }, retry: { times: 1 }",
            "retry",
            "not idempotent",
        ),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, expect: [{ fact: a }]", "{", "exactly one test"),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/' }, expect: [{ fact: a, is: '{{ env }}' }]",
            "'{{",
            "not filled",
        ),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/' }, branches: [{ goto: look }]",
            "look",
            "only go forward",
        ),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, branches: [{ goto: ends }]", "ends", "no step"),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/' }, branches: [{ goto: end }, { goto: end }]",
            "{",
            "never taken",
        ),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/' }, on_fail: undone",
            "undone",
            "expected here: stop",
        ),
        ("id: go, title: Go, action: http, with: { url: 'http://x/' }, on_fail: { goto: go }", "go", "only go forward"),
        (
            "id: go, title: Go, action: http, with: { url: 'http://x/' }, undo: { title: x, action: http, with: { url: 'http://x/' } }",
            "undo",
            "nothing to undo",
        ),
        (
            "id: go, title: Go, action: shell, effect: change, with: { argv: [/x] }, undo: { title: x, action: shell, with: { argv: [x] } }",
            "with",
            "whole path",
        ),
        ("id: go, title: Go, action: ask, with: { instructions: Look, roles: [dba] }", "dba", "Nobody holds"),
        ("id: go, title: Go, action: run, with: { runbook: nope }", "nope", "no runbook"),
        ("id: go, title: Go, action: run, with: { runbook: book }", "book", "leads back"),
    ] {
        let text = book("", &format!("[{look}, {{ {step} }}]"));
        let found = told(&text);
        assert!(found.len() == 1 && found[0].0.starts_with(under) && found[0].1.contains(says), "{step}\n{found:#?}");
    }
}

#[test]
fn steps_that_cannot_be_reached_or_lean_on_skipped_ones_are_told() {
    let step =
        |id: &str, more: &str| format!("{{ id: {id}, title: T, action: http, with: {{ url: 'http://x/' }}{more} }}");
    let over = step("a", ", branches: [{ goto: c }]");
    let dead = book("", &format!("[{over}, {}, {}]", step("b", ""), step("c", "")));
    assert_eq!(told(&dead), [("b".to_owned(), "The step “b” is never reached.".to_owned())]);

    let failing = step("a", ", branches: [{ goto: c }], on_fail: { goto: b }");
    assert_eq!(told(&book("", &format!("[{failing}, {}, {}]", step("b", ""), step("c", "")))), []);

    let maybe = step("a", ", branches: [{ when: [{ fact: x, is: 1 }], goto: c }]");
    let leans = "{ id: c, title: T, action: http, with: { url: 'http://{{ steps.b.x }}/{{ steps.a.x }}' } }";
    let found = told(&book("", &format!("[{maybe}, {}, {leans}]", step("b", ""))));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].1.contains("a branch can skip the step “b”"), "{found:?}");
}

#[test]
fn choices_from_a_step_need_one_that_only_reads_and_comes_first() {
    let params = "params: [{ name: version, type: from, step: versions, path: rows }]";
    let find = "{ id: versions, title: T, action: sql, with: { query: SELECT 1 } }";
    let change = "{ id: versions, title: T, action: shell, effect: change, with: { argv: [/x] } }";
    let put = "{ id: put, title: T, action: http, with: { url: 'http://x/{{ version }}' } }";
    assert_eq!(told(&book(params, &format!("[{find}, {put}]"))), []);
    assert!(told(&book(params, &format!("[{put}, {find}]")))[0].1.contains("not known yet"));
    assert!(told(&book(params, &format!("[{change}, {put}]")))[0].1.contains("does more than read"));
    let scheduled = format!("{params}\nschedule: [{{ cron: '0 8 * * *', channel: '#infra', env: dev }}]");
    assert!(told(&book(&scheduled, &format!("[{find}, {put}]")))[0].1.contains("Nobody is there to choose"));
}

#[test]
fn a_step_that_nobody_could_approve_is_told() {
    let destroy = "[{ id: drop, title: T, action: shell, effect: destroy, with: { argv: [/x] } }]";
    let change = "[{ id: move, title: T, action: shell, effect: change, with: { argv: [/x] } }]";
    let ask = |keys: &str, steps: &str| told(&book(keys, steps)).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    // Leo and Ada are leads: whoever of them asks, one is left; two are left only for Ana.
    assert_eq!(ask("", destroy), [""; 0]);
    assert_eq!(ask("approval: [{ count: 2 }]", destroy), [""; 0]);
    assert_eq!(ask("approval: [{ count: 2 }]\nallow: [{ roles: [lead] }]", destroy), ["{", "{"], "in dev and in prod");
    assert_eq!(ask("approval: [{ count: 3 }]", destroy).len(), 2);
    // The only holder is the only one who may ask.
    assert_eq!(ask("allow: [{ roles: [admin] }]\napproval: [{ roles: [admin] }]", destroy).len(), 2);
    assert_eq!(ask("allow: [{ roles: [admin] }]\napproval: [{ roles: [admin] }]", change).len(), 2);
    // Without a rule of its own, a change in dev needs nobody, and reading never does.
    assert_eq!(ask("environments: [dev]\nallow: [{ roles: [admin] }]", change), [""; 0]);
    assert_eq!(ask("allow: [{ roles: [admin] }]\napproval: [{ count: 9 }]", ""), [""; 0]);

    // A group of a platform may hold whoever has an account there.
    let mut grouped = settings();
    for (id, person) in &mut grouped.people {
        person.roles.retain(|role| role == "operator");
        person.identities.insert(Platform::Slack, format!("T1/{id}"));
    }
    grouped.groups.entry(Platform::Slack).or_default().insert("S1".into(), ["lead".into()].into());
    let folder = Folder::with(&[("shop/book.yaml", &book("approval: [{ roles: [lead] }]", change))]);
    assert!(folder.load(&grouped).is_ok());
    grouped.groups.clear();
    assert!(folder.load(&grouped).is_err());

    let mut lonely = settings();
    lonely.people.retain(|id, _| id == "ada");
    let folder = Folder::with(&[("shop/book.yaml", &book("", change))]);
    let found = folder.load(&lonely).unwrap_err();
    assert_eq!(found.len(), 1, "prod alone needs approval of a change: {found:?}");
    assert!(found[0].message.contains("in prod"), "{found:?}");
}

#[test]
fn a_value_of_any_fitting_kind_may_fill_a_field() {
    let keys = "params: [{ name: port, type: integer, min: 8000, max: 9000 }, { name: host, type: text, pattern: '[a-z]+\\.local' }]";
    let steps = "[{ id: a, title: T, action: http, with: { url: 'http://{{ host }}/', port: '{{ port }}' } },
        { id: b, title: T, action: http, with: { url: 'http://{{ host }}/', port: '{{ steps.a.json.port }}' } }]";
    assert_eq!(told(&book(keys, steps)), []);
    let text = "[{ id: a, title: T, action: http, with: { url: 'http://x/', port: '{{ host }}' } }]";
    assert!(told(&book(keys, text))[0].1.contains("a whole number"));
}

#[test]
fn problems_are_said_in_spanish_where_spanish_is_spoken() {
    let folder = Folder::with(&[("shop/book.yaml", &book("next: [nada]", ""))]);
    let found = folder.load(&sereno::domain::settings::Settings { language: Language::Es, ..settings() }).unwrap_err();
    assert_eq!(found[0].message, "No hay ningún runbook «nada».");
}

#[test]
fn what_an_action_says_of_its_fields_reads_well_in_both_languages() {
    let steps = "[{ id: a, title: T, action: wait, with: { for: soon } },
        { id: b, title: T, action: shell, with: { argv: [/bin/true] } },
        { id: c, title: T, action: sql, with: { database: { secret: shop_api }, query: 'SELECT $1' } },
        { id: d, title: 'T', action: note, with: { text: '{{ 7*7 }}' } }]";
    let folder = Folder::with(&[("shop/book.yaml", &book("", steps))]);
    for (language, said) in [
        (
            Language::En,
            [
                "The action wait cannot use these fields: “soon” is not a span of time: write 90s, 15m or 2h.",
                "The step's effect does not fit: nobody can tell what a program does: declare the step's effect (read, \
                 change or destroy).",
                "The action sql cannot use these fields: the SQL uses 1 value ($1, $2, …) and `params` holds 0.",
                "This placeholder cannot be read: “7*7” is not a name.",
            ],
        ),
        (
            Language::Es,
            [
                "La acción wait no puede usar estos campos: «soon» no es una duración: escribe 90s, 15m o 2h.",
                "El efecto del paso no encaja: nadie puede saber qué hace un programa: declara el efecto del paso (read, \
                 change o destroy).",
                "La acción sql no puede usar estos campos: el SQL usa 1 valor ($1, $2, …) y `params` tiene 0.",
                "Este marcador no se puede leer: «7*7» no es un nombre.",
            ],
        ),
    ] {
        let settings = sereno::domain::settings::Settings { language, ..settings() };
        let found = sereno::catalog::load(&folder.path(), &settings).unwrap_err();
        assert_eq!(found.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(), said);
    }
}

#[test]
fn programs_and_github_get_the_same_problems() {
    let found = problems(&book("next: ['50%']", ""));
    let json: serde_json::Value = serde_json::from_str(&render(&found, Format::Json)).unwrap();
    assert_eq!(json[0]["line"], 5);
    assert_eq!(json[0]["file"], "shop/book.yaml");
    let github = render(&found, Format::Github);
    assert!(
        github.starts_with("::error file=shop/book.yaml,line=5,col=8::There is no runbook “50%25”.%0A"),
        "{github}"
    );
    assert_eq!(render(&[], Format::Text), "");
    assert_eq!(render(&[], Format::Json).trim(), "[]");
}

#[test]
fn the_guide_shows_a_sound_runbook_and_names_every_key() {
    let guide = std::fs::read_to_string("docs/runbooks.md").unwrap();
    let example = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = Folder::with(&[
        ("shop/rollback.yaml", example),
        ("shop/restart.yaml", &book("", "").replace("name: book", "name: restart")),
    ]);
    let found = folder.load(&settings()).err().unwrap_or_default();
    assert!(found.is_empty(), "{}", render(&found, Format::Text));

    let schema = sereno::catalog::schema_with(&[]);
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys = definitions.flat_map(|part| part["properties"].as_object().into_iter().flatten()).map(|(key, _)| key);
    let unsaid: Vec<&String> =
        keys.filter(|key| !guide.contains(&format!("`{key}`")) && !guide.contains(&format!("{key}:"))).collect();
    assert!(unsaid.is_empty(), "docs/runbooks.md does not name {unsaid:?}");
}
