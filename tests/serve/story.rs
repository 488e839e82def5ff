//! The whole road from the shell: ask, wait for approval, be refused, be approved, see the effect, read the trail.

use serde_json::{Value, json};

use crate::install::{Install, has_button, said, token};
use crate::support::each_empty_database;

#[tokio::test]
async fn a_question_is_answered_with_cards() {
    let install = Install::new();
    let _server = install.serve().await;
    let said = install.sereno(&["say", "--as", "ana", "#infra", "/ops health prod", "--json"]).await;
    assert_eq!(said.code, 0, "{said:#?}");
    let [card] = said.cards().try_into().unwrap();
    for key in ["id", "place", "thread", "text", "fields", "buttons", "state"] {
        assert!(card.get(key).is_some(), "{key} in {card:#}");
    }
    assert_eq!(card["place"], json!({"platform": "console", "channel": "#infra", "thread": null}));
    assert_eq!(card["state"], "done");
    assert!(card["text"].as_str().unwrap().contains("ops/health prod"), "{card:#}");
    let text = install.sereno(&["say", "--as", "eva", "#infra", "/ops health dev"]).await;
    assert!(text.out.contains("ops/health dev: done"), "{text:#?}");
}

#[tokio::test]
async fn a_rollback_waits_for_somebody_else_and_happens_once() {
    each_empty_database(async |database| {
        let install = Install::on(&database.url);
        let server = install.serve().await;
        let asked = install.sereno(&["say", "--as", "ana", "#infra", "/ops rollback api prod", "--json"]).await;
        let [card] = asked.cards().try_into().unwrap();
        assert_eq!(card["state"], "awaiting_approval", "{card:#}");
        assert!(has_button(&card, "approve") && has_button(&card, "refuse"), "{card:#}");

        let own = install.press("ana", &card, "approve").await;
        assert_eq!(own.code, 3, "{own:#?}");
        assert!(own.out.contains("somebody else must approve it"), "{own:#?}");
        let stranger = install.press("eva", &card, "approve").await;
        assert_eq!(stranger.code, 3, "{stranger:#?}");
        assert!(stranger.out.contains("lead"), "{stranger:#?}");
        assert!(install.effects().is_empty());

        let approved = install.press("leo", &card, "approve").await;
        assert_eq!(approved.code, 0, "{approved:#?}");
        let after = approved.cards().into_iter().find(|after| after["id"] == card["id"]).unwrap();
        assert_eq!(after["state"], "done", "{after:#}");
        assert_eq!(install.effects(), ["api prod"]);
        install.press("leo", &card, "approve").await;

        let thread = install.thread(&card).await;
        assert_eq!(thread[0]["id"], card["id"]);
        assert!(thread.len() > 1 && thread[1..].iter().all(|reply| reply["thread"] == card["id"]), "{thread:#?}");
        assert_eq!(install.effects(), ["api prod"], "once, however often it is pressed");
        the_trail_is_whole(&install).await;
        server.stop().await;
    })
    .await;
}

async fn the_trail_is_whole(install: &Install) {
    let verified = install.sereno(&["audit", "verify"]).await;
    assert_eq!(verified.code, 0, "{verified:#?}");
    assert!(verified.out.contains("whole"), "{verified:#?}");
    let exported = install.sereno(&["audit", "export"]).await;
    let entries: Vec<Value> = exported.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
    for kind in ["asked", "denied", "approval_asked", "approved", "step_started", "step_ended", "run_ended"] {
        assert!(kinds.contains(&kind), "{kind} is in {kinds:?}");
    }
}

#[tokio::test]
async fn a_token_from_the_environment_will_do() {
    let install = Install::new();
    let _server = install.serve().await;
    let say = |token: String| {
        let url = install.url("");
        let mut command = install.command(&["say", "#infra", "/ops health dev", "--json", "--server", &url]);
        command.env_remove("SERENO_CONFIG").env("SERENO_TOKEN", token);
        said(command)
    };
    let good = say(token("ana")).await;
    assert_eq!((good.code, good.cards().len()), (0, 1), "{good:#?}");
    let wrong = say("nobodys-token".to_owned()).await;
    assert_eq!(wrong.code, 3, "{wrong:#?}");
    assert!(wrong.err.contains('→'), "a hint: {wrong:#?}");
}

#[tokio::test]
async fn who_cannot_be_and_where_nobody_answers_is_said_with_a_hint() {
    let install = Install::new();
    let away = install.sereno(&["say", "--as", "ana", "#infra", "/ops health dev"]).await;
    assert_eq!(away.code, 69, "{away:#?}");
    assert!(away.err.contains("sereno serve") && away.err.contains('→'), "{away:#?}");

    let unknown = install.sereno(&["say", "--as", "zoe", "#infra", "/ops health dev"]).await;
    assert_eq!(unknown.code, 78, "{unknown:#?}");
    assert!(unknown.err.contains("zoe") && unknown.err.contains('→'), "{unknown:#?}");

    let _server = install.serve().await;
    let nowhere = install.sereno(&["say", "--as", "ana", "#nowhere", "/ops health dev"]).await;
    assert_eq!(nowhere.code, 1, "{nowhere:#?}");
    assert!(nowhere.err.contains("#nowhere"), "{nowhere:#?}");
    let missing = install.sereno(&["thread", "01NOSUCHMESSAGE", "--as", "ana"]).await;
    assert_eq!(missing.code, 1, "{missing:#?}");
}

#[tokio::test]
async fn what_is_typed_wrongly_is_answered_with_what_would_be_right() {
    let install = Install::new();
    let _server = install.serve().await;
    for (line, answer) in [
        ("/ops rolback api dev", "rollback"),
        ("/ops helth prod", "health"),
        ("/ops rollback", "service"),
        ("/ops rollback API dev", "service"),
        ("/ops rollback api mars", "mars"),
        ("/ops migrate many dev", "rows"),
        ("/ops migrate 1000 dev", "100"),
        ("/ops rollback 'api dev", "quote"),
        ("/ops rollback api dev extra", "“extra”"),
    ] {
        let said = install.sereno(&["say", "--as", "ana", "#infra", line, "--json"]).await;
        assert_ne!(said.code, 0, "{line}: {said:#?}");
        let [card] = said.cards().try_into().unwrap();
        assert!(card["text"].as_str().unwrap().contains(answer), "{line}: {card:#}");
        assert_eq!(card["whisper"], "ana", "{line}: nobody else needs to see it");
    }
    assert!(install.effects().is_empty());
    let denied = install.sereno(&["say", "--as", "eva", "#infra", "/ops rollback api dev", "--json"]).await;
    assert_eq!(denied.code, 3, "{denied:#?}");
    assert!(denied.out.contains("operator"), "which role is missing: {denied:#?}");
}
