//! Files that are wrong are told all at once and never take effect; files that are right take effect while serving, and
//! change nothing that was already asked for.

use nix::sys::signal::Signal;

use crate::install::{Install, eventually, http, token};

const BROKEN: &str = "name: health
summary: Is the service well?
environments: [prod, mars]
allow: [{ roles: [viewer] }]
stepps: []
steps:
  - id: look
    title: The service says
    action: shel
    with: { argv: [/bin/true] }
";

#[tokio::test]
async fn everything_wrong_is_told_at_once_with_line_caret_and_hint() {
    let install = Install::new();
    let sound = install.sereno(&["check"]).await;
    assert_eq!(sound.code, 0, "{sound:#?}");

    install.write("commands/ops/health.yaml", BROKEN);
    let said = install.sereno(&["check"]).await;
    assert_eq!(said.code, 78, "{said:#?}");
    for part in ["health.yaml:3:", "mars", "health.yaml:5:", "stepps", "health.yaml:9:", "shel", "^", "steps", "shell"]
    {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }

    let mut spanish = install.command(&["check"]);
    spanish.env("LC_ALL", "es_ES.UTF-8");
    let said = crate::install::said(spanish).await;
    for part in ["«mars» no es un entorno", "problemas. Un servidor en marcha"] {
        assert!(said.out.contains(part) || said.err.contains(part), "who checks reads their own language: {said:#?}");
    }

    let file = install.path("commands/ops/health.yaml").display().to_string();
    let json = install.sereno(&["check", &file, "--format", "json"]).await;
    assert_eq!(json.code, 78, "{json:#?}");
    let problems = json.json();
    let lines: Vec<u64> = problems.as_array().unwrap().iter().map(|each| each["line"].as_u64().unwrap()).collect();
    assert!([3, 5, 9].iter().all(|line| lines.contains(line)), "{problems:#}");
    assert!(problems.as_array().unwrap().iter().all(|each| each["hint"].is_string()), "{problems:#}");

    let github = install.sereno(&["check", "--format", "github"]).await;
    assert_eq!(github.code, 78, "{github:#?}");
    assert!(github.out.lines().any(|line| line.starts_with("::error file=") && line.contains("line=3")), "{github:#?}");
}

#[tokio::test]
async fn a_server_does_not_start_on_a_broken_file() {
    let install = Install::new();
    install.write("commands/ops/health.yaml", BROKEN);
    let said = install.sereno(&["serve"]).await;
    assert_eq!(said.code, 78, "{said:#?}");
    assert!(said.err.contains("health.yaml:3:") && said.err.contains('^') && said.err.contains('→'), "{said:#?}");
}

#[tokio::test]
async fn a_broken_file_never_takes_effect_and_a_mended_one_does() {
    let install = Install::new();
    let server = install.serve().await;
    let before = install.read("commands/ops/health.yaml");
    install.write("commands/ops/health.yaml", BROKEN);
    eventually("the refusal in the log", async || server.log().contains("the last good one stays").then_some(())).await;

    let health: serde_json::Value = http().get(install.url("/health")).send().await.unwrap().json().await.unwrap();
    assert!(health["status"] == "ok" || health["status"] == "degraded", "{health:#}");
    let [card] = install.say("ana", "/ops health prod").await.try_into().unwrap();
    assert_eq!(card["state"], "done", "the last good one still answers: {card:#}");

    install.write("commands/ops/health.yaml", &before.replace("name: health", "name: wellbeing"));
    eventually("the mended runbook", async || {
        let [card] = install.say("ana", "/ops wellbeing prod").await.try_into().ok()?;
        (card["state"] == "done").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hangup_reads_the_configuration_again() {
    let install = Install::new();
    let server = install.serve().await;
    install.configure("leo-token", "new-token");
    server.signal(Signal::SIGHUP);
    let me = install.url("/api/v1/me");
    let known = async |token: &str| http().get(&me).bearer_auth(token).send().await.unwrap().status().is_success();
    eventually("leo's new token", async || known("new-token").await.then_some(())).await;
    assert!(!known(&token("leo")).await, "the old one is nobody's");
    // Neither is shown: not the one that came, nor the one that was.
    install.write("state", "all is well: leo-token new-token\n");
    let [card] = install.say("ana", "/ops health prod").await.try_into().unwrap();
    let told = format!("{card} {:?}", install.thread(&card).await);
    assert!(told.contains("[redacted token of leo] [redacted token of leo]"), "{told}");

    install.configure("roles: [operator]", "roles: [nobody-holds-this]");
    server.signal(Signal::SIGHUP);
    eventually("the refusal in the log", async || server.log().contains("the last good one stays").then_some(())).await;
    assert!(known("new-token").await && known(&token("ana")).await);
    assert_eq!(install.get("ana", "me").await["roles"], serde_json::json!(["operator", "viewer"]));
}

#[tokio::test]
async fn what_waits_for_approval_is_what_was_asked_for() {
    let install = Install::new();
    let _server = install.serve().await;
    let [card] = install.say("ana", "/ops rollback api prod").await.try_into().unwrap();
    let digest = digest_of(&card);
    let text = install.read("commands/ops/rollback.yaml");
    install.write("commands/ops/rollback.yaml", &text.replace("\"{{ service }}\"", "changed").replace("Put", "Bring"));
    eventually("the changed runbook", async || {
        let commands = install.get("ana", "commands").await;
        commands.to_string().contains("Bring the release").then_some(())
    })
    .await;

    let shown = &install.thread(&card).await[0];
    assert_eq!(digest_of(shown), digest, "the plan is the one that was shown");
    let approved = install.press("leo", &card, "approve").await;
    assert_eq!(approved.code, 0, "{approved:#?}");
    assert_eq!(install.effects(), ["api prod"], "what was approved is what ran");
}

fn digest_of(card: &serde_json::Value) -> String {
    let fields = card["fields"].as_array().unwrap();
    let field = fields.iter().find(|field| field["name"].as_str().unwrap().contains("Digest"));
    field.unwrap_or_else(|| panic!("a digest on {card:#}"))["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_trail_tells_what_held_from_when_to_when() {
    let install = Install::new();
    let server = install.serve().await;
    let sound = install.read("commands/ops/health.yaml");
    install.write("commands/ops/health.yaml", BROKEN);
    let refused = async |server: &crate::install::Server| {
        eventually("the refusal", async || server.log().contains("the last good one stays").then_some(())).await;
    };
    refused(&server).await;
    install.write("commands/ops/health.yaml", &sound.replace("name: health", "name: wellbeing"));
    let told = async |count: usize| {
        eventually("the entry", async || {
            let lines = install.sereno(&["audit", "export"]).await.out;
            let entries = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let told: Vec<serde_json::Value> = entries
                .filter(|entry| entry["kind"] == "system")
                .map(|entry| serde_json::from_str(entry["body"].as_str().unwrap()).unwrap())
                .collect();
            (told.len() == count).then_some(told)
        })
        .await
    };
    told(3).await;
    // A file that is only touched, and the same again, are no news.
    server.signal(Signal::SIGHUP);
    install.configure("roles: [operator]", "roles: [operator, viewer]");
    server.signal(Signal::SIGHUP);
    told(4).await;
    server.stop().await;
    let told = told(5).await;
    let events: Vec<&str> = told.iter().map(|body| body["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "refused", "took", "took", "stopping"]);
    let of = |index: usize, key: &str| told[index][key].as_str().unwrap().to_owned();
    assert_eq!(told[0]["runbooks"], told[2]["runbooks"]);
    assert_eq!((of(0, "configuration"), of(2, "catalogue")), (of(2, "configuration"), of(3, "catalogue")));
    assert_ne!(of(0, "catalogue"), of(2, "catalogue"));
    assert_ne!(of(2, "configuration"), of(3, "configuration"));
    assert!(of(1, "first").contains("health.yaml:3:") && of(1, "line").contains("catalogue"), "{:#}", told[1]);
    assert!(told.iter().all(|body| body["replica"] == told[0]["replica"]), "{told:#?}");
    assert_eq!(install.sereno(&["audit", "verify"]).await.code, 0);
}
