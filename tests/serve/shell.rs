//! The other words of the shell: `run`, `why`, `schema`, `doctor`, `demo`.

use serde_json::Value;

use crate::install::{Install, Said, eventually, said};

#[tokio::test]
async fn a_command_runs_from_the_shell_with_and_without_a_server() {
    let install = Install::new();
    let health = async || {
        let said = install.sereno(&["run", "health prod", "--as", "ana", "--json"]).await;
        assert_eq!(said.code, 0, "{said:#?}");
        let [card] = said.cards().try_into().unwrap();
        assert_eq!(card["state"], "done", "{card:#}");
    };
    health().await;
    let alone = install.sereno(&["run", "rollback api prod", "--as", "ana", "--json"]).await;
    assert_eq!(alone.code, 3, "it waits for approval: {alone:#?}");
    let server = install.serve().await;
    health().await;
    let card = &alone.cards()[0];
    assert_eq!(install.press("leo", card, "approve").await.code, 0);
    assert_eq!(install.effects(), ["api prod"], "asked for without a server, approved on one");

    let dev = install.sereno(&["run", "rollback web", "--as", "ana", "--env", "dev"]).await;
    assert_eq!(dev.code, 0, "{dev:#?}");
    assert_eq!(install.effects(), ["api prod", "web dev"]);
    server.stop().await;

    let denied = install.sereno(&["run", "rollback api dev", "--as", "eva"]).await;
    assert_eq!(denied.code, 3, "{denied:#?}");
    let unclear = install.sereno(&["run", "rolback api dev", "--as", "ana"]).await;
    assert_eq!(unclear.code, 1, "{unclear:#?}");
    assert!(unclear.out.contains("rollback"), "{unclear:#?}");
    let nobody = install.sereno(&["run", "health dev", "--as", "zoe"]).await;
    assert_eq!(nobody.code, 78, "{nobody:#?}");
    install.write("state", "nothing answers\n");
    let ill = install.sereno(&["run", "health dev", "--as", "ana"]).await;
    assert_eq!(ill.code, 1, "a check that fails is seen by a script: {ill:#?}");
}

/// Asks for what `steps` do, under the name `book`; 60 s at most.
async fn asked(install: &Install, steps: &str, wait: &str) -> Said {
    let head = "name: book\nsummary: A story\nenvironments: [dev]\nlock: shelf\nallow: [{ roles: [viewer] }]\nsteps:\n";
    install.write("commands/ops/book.yaml", &format!("{head}{steps}"));
    install.sereno(&["run", "book dev", "--as", "ana", "--json", "--wait", wait]).await
}

const PAUSE: &str = "  - { id: pause, title: Wait, action: wait, with: { for: 1s } }\n";
const LONG: &str = "  - { id: pause, title: Wait, action: wait, with: { for: 1h } }\n";
const ILL: &str = "  - { id: look, title: Look, action: shell, effect: read, with: { argv: [/bin/false] } }\n";
const FINE: &str = "  - { id: look, title: Look, action: shell, effect: read, with: { argv: [/bin/true] } }\n";
const PERSON: &str = "  - { id: ask, title: Ask, action: ask, with: { instructions: Look at the door } }\n\
                      \x20 - { id: open, title: Open it, action: shell, effect: change, with: { argv: [/bin/true] } }\n";

#[tokio::test]
async fn a_script_hears_that_all_is_well_only_when_it_is() {
    let install = Install::new();
    let said = asked(&install, &format!("{PAUSE}{ILL}"), "60s").await;
    assert_eq!(
        (said.code, said.cards()[0]["state"].as_str()),
        (1, Some("failed")),
        "what waits is not over: {said:#?}"
    );
    let said = asked(&install, &format!("{PAUSE}{FINE}"), "60s").await;
    assert_eq!((said.code, said.cards()[0]["state"].as_str()), (0, Some("done")), "{said:#?}");
    let said = asked(&install, PERSON, "60s").await;
    assert!(said.code == 3 && said.err.contains("waits for a person"), "{said:#?}");
    // That run holds the lock.
    let said = asked(&install, PERSON, "60s").await;
    assert_eq!((said.code, said.cards()[0]["state"].as_str()), (1, Some("locked")), "{said:#?}");
    let server = install.serve().await;
    let runs = install.get("ana", "runs").await;
    let run = runs.as_array().unwrap().iter().find(|run| run["state"] == "active").unwrap()["id"].as_str().unwrap();
    install.say("ana", &format!("/ops cancel {run}")).await;
    let (said, ()) = tokio::join!(asked(&install, LONG, "60s"), async {
        let id = eventually("the run", async || {
            let runs = install.get("ana", "runs").await;
            runs.as_array()?.iter().find(|run| run["state"] == "active").map(|run| run["id"].clone())
        });
        install.say("ana", &format!("/ops cancel {}", id.await.as_str().unwrap())).await;
    });
    assert_eq!((said.code, said.cards()[0]["state"].as_str()), (1, Some("cancelled")), "{said:#?}");
    let said = asked(&install, LONG, "1s").await;
    assert!(said.code == 1 && said.err.contains("--wait"), "it is not over: {said:#?}");
    for word in ["help", "runs", "locks", "monitors", "approvals", "incidents", "plan book dev", "why ana book dev"] {
        let said = install.sereno(&["run", word, "--as", "ana"]).await;
        assert_eq!(said.code, 0, "{word}: {said:#?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_of_somebody_else_does_nothing_in_a_name() {
    let install = Install::new();
    let _server = install.serve().await;
    let as_leo = async |token: &str| {
        let mut command =
            install.command(&["say", "--as", "leo", "--server", &install.url(""), "#infra", "/ops health dev"]);
        command.env("SERENO_TOKEN", token);
        said(command).await
    };
    let refused = as_leo("ana-token").await;
    assert!(refused.code == 78 && refused.err.contains("the token is of ana, not of leo"), "{refused:#?}");
    assert_eq!(as_leo("leo-token").await.code, 0);
}

#[tokio::test]
async fn a_decision_is_explained() {
    let install = Install::new();
    let may = install.sereno(&["why", "ana", "rollback api prod"]).await;
    assert_eq!(may.code, 0, "{may:#?}");
    assert!(may.out.contains("1 approval") && may.out.contains("lead"), "{may:#?}");
    let may_not = install.sereno(&["why", "eva", "rollback api prod"]).await;
    assert_eq!(may_not.code, 3, "{may_not:#?}");
    assert!(may_not.out.contains("operator"), "{may_not:#?}");
    let unclear = install.sereno(&["why", "ana", "no such thing"]).await;
    assert_eq!(unclear.code, 1, "{unclear:#?}");
    let missing = install.sereno(&["why", "ana", "rollback"]).await;
    assert_eq!(missing.code, 1, "{missing:#?}");
    assert!(missing.err.contains("service"), "it says what is missing: {missing:#?}");
    let own = install.sereno(&["why", "ana", "oncall"]).await;
    assert!(own.err.contains("a word of Sereno itself"), "{own:#?}");
}

#[tokio::test]
async fn schemas_are_printed_for_editors() {
    let install = Install::new();
    for (what, property) in [("runbook", "steps"), ("config", "people")] {
        let said = install.sereno(&["schema", what]).await;
        assert_eq!(said.code, 0, "{said:#?}");
        assert!(said.json()["properties"][property].is_object(), "{what}");
    }
}

#[tokio::test]
async fn the_doctor_tells_what_is_and_what_to_do() {
    let install = Install::new();
    let findings = async || {
        let said = install.sereno(&["doctor", "--json"]).await;
        let findings = said.json();
        let state = |what: &str| {
            let found = findings.as_array().unwrap().iter().find(|each| each["what"] == what);
            found.map_or(Value::Null, |found| found["state"].clone())
        };
        (said.code, state("catalog"), state("server"), state("store"))
    };
    let before = findings().await;
    assert_eq!(before, (0, "ok".into(), "warning".into(), "warning".into()), "nothing serves yet, and nothing did");
    let text = install.sereno(&["doctor"]).await;
    assert!(text.out.contains("the first `sereno serve` creates them") && !text.out.contains("inbox"), "{text:#?}");
    let _server = install.serve().await;
    assert_eq!(findings().await, (0, "ok".into(), "ok".into(), "ok".into()));
    install.write("commands/ops/broken.yaml", "name: [\n");
    assert_eq!(findings().await, (1, "error".into(), "ok".into(), "ok".into()));
    let text = install.sereno(&["doctor"]).await;
    assert!(text.out.contains("error") && text.out.contains("sereno check"), "{text:#?}");
}

#[tokio::test]
async fn the_demo_shows_the_whole_road_and_ends() {
    let install = Install::new();
    let mut command = install.command(&["demo", "--once", "--pace", "100"]);
    command.env_remove("SERENO_CONFIG");
    // As in our image, and on a machine where the bot serves: none of it is the demo's.
    command
        .env("SERENO_CATALOG__PATH", "/nowhere")
        .env("SERENO_STORE__URL", "postgres://sereno@127.0.0.1:1/production");
    let said = said(command).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let link = said.out.split_whitespace().find(|word| word.contains("/sign-in?token="));
    assert!(link.is_some_and(|link| link.starts_with("http://127.0.0.1:")), "{}", said.out);
    for part in ["waiting for approval", "approved by Leo", "rollback prod: done", "resolved", "incident is closed"] {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }
}
