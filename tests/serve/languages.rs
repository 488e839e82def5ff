//! Real actions that go wrong, read in Spanish and then in English: the same rows of the same database.

use serde_json::Value;

use crate::install::{Install, free_port};
use crate::parts::part;

/// Each step fails in its own way, and the next one goes on.
const BROKEN: &str = r#"name: broken
summary: Nothing works
environments: [dev]
allow: [{ roles: [operator] }]
steps:
  - { id: web, title: Web, action: http, on_fail: continue, with: { url: "http://127.0.0.1:CLOSED/" } }
  - { id: program, title: Program, action: shell, effect: read, on_fail: continue, with: { argv: [/bin/sh, -c, "exit 3"] } }
  - { id: logs, title: Logs, action: docker, on_fail: continue, with: { do: logs, project: nowhere } }
  - { id: restart, title: Restart, action: docker, on_fail: continue, with: { do: restart, project: nowhere } }
  - { id: table, title: Table, action: sql, on_fail: continue, with: { database: { secret: db }, query: SELECT * FROM nowhere } }
  - { id: say, title: Say, action: note, with: { text: hola }, expect: [{ fact: text, contains: adiós }] }
"#;

/// What is said of each step: in Spanish and in English.
const SAID: &[(&str, &str)] = &[
    ("no se puede conectar con el servidor", "the server cannot be reached"),
    ("código de salida 3, se esperaba 0", "exit code 3, expected 0"),
    ("nada coincide con «proyecto nowhere»", "nothing matches project nowhere"),
    ("No se puede planificar: nada coincide", "It cannot be planned: nothing matches"),
    ("PostgreSQL dice: ", "PostgreSQL says: "),
    ("contiene adiós", "contains adiós"),
];

fn check(text: &str, spanish: bool) {
    for (es, en) in SAID {
        let (here, not_here) = if spanish { (es, en) } else { (en, es) };
        assert!(text.contains(here) && !text.contains(not_here), "{here:?} and not {not_here:?} in {text}");
    }
}

#[tokio::test]
async fn what_actions_say_is_said_in_the_language_of_the_reader() {
    let (Some(docker), Some(postgres)) = (part("SERENO_TEST_DOCKER"), part("SERENO_TEST_POSTGRES")) else { return };
    let install = Install::new();
    let parts =
        format!("language: es\ndocker: {{ host: \"{docker}\" }}\nsecrets: {{ db: {{ value: \"{postgres}\" }} }}");
    install.configure("language: en", &parts);
    install.write("commands/ops/broken.yaml", &BROKEN.replace("CLOSED", &free_port().to_string()));

    let said = install.sereno(&["run", "broken dev", "--as", "ana"]).await;
    assert_eq!(said.code, 1, "{said:#?}");
    check(&said.out, true);
    let planned = install.sereno(&["run", "plan broken dev", "--as", "ana"]).await;
    assert!(planned.out.contains("leer los logs: proyecto nowhere"), "{planned:#?}");

    let steps = async || {
        let server = install.serve().await;
        let runs = install.get("ana", "runs").await;
        let run = install.get("ana", &format!("runs/{}", runs[0]["id"].as_str().unwrap())).await;
        server.stop().await;
        let text = |step: &Value| format!("{} {}", step["line"], step["verdicts"]);
        run["steps"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("\n")
    };
    check(&steps().await, true);
    install.configure("language: es", "language: en");
    check(&steps().await, false);
}
