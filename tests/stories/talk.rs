//! Talking: help, mistakes, refusals, explanations.

use crate::approvals::world;
use crate::books::{ALL, HEALTH};
use crate::harness::{only, story, story_on};
use crate::stage::CONSOLE;

#[tokio::test(flavor = "multi_thread")]
async fn plain_talk_is_nobodys_command() {
    story_on(CONSOLE, ALL, async |s| {
        assert!(s.person("ana").says("#infra", "has anybody seen the rollback?").await.is_empty());
        let line = s.hears("#infra").await;
        assert_eq!(line.card.title, "has anybody seen the rollback?");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_shows_what_this_person_may_run_and_only_to_them() {
    story(ALL, async |s| {
        let help = only(s.person("vic").says("#infra", "/ops help").await);
        assert_eq!(help.whisper_to.as_deref(), Some("vic"));
        assert_eq!(help.card.title, "You may run 1 runbook here");
        let help = only(s.person("ana").says("#infra", "/ops help rollback").await);
        assert!(help.card.text().contains("/ops shop/rollback"), "{}", help.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_is_found_under_its_other_words_and_help_tells_them() {
    let book =
        HEALTH.1.replace("name: health", "name: salud\naliases: [health, estado]").replace("next: [rollback]\n", "");
    story(&[(HEALTH.0, &book)], async |s| {
        world(s);
        let run = only(s.person("ana").says("#infra", "/ops health prod").await);
        let card = s.message(&run.id).await.card;
        assert!(card.state == "done" && card.title.contains("shop/salud prod"), "{}", card.text());
        for line in ["/ops help", "/ops help estado"] {
            let help = only(s.person("ana").says("#infra", line).await);
            assert!(help.card.text().contains("also typed: health, estado"), "{line}: {}", help.card.text());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_answered_with_what_would_help() {
    story(ALL, async |s| {
        for (line, part) in [
            ("/ops rolback api prod", "rollback"),
            ("/ops rollback API prod", "[a-z]+"),
            ("/ops rollback api moon", "moon"),
            ("/ops rollback 'api prod", "quote"),
            ("/ops rollback api prod now", "now"),
        ] {
            let told = only(s.person("ana").says("#infra", line).await);
            assert_eq!(told.whisper_to.as_deref(), Some("ana"));
            assert!(told.card.text().contains(part), "{line}: {}", told.card.text());
        }
        assert!(s.channel("#infra").await.iter().all(|heard| heard.card.state == "said"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saying_nothing_is_answered_with_where_help_is() {
    story_on(CONSOLE, ALL, async |s| {
        let told = only(s.person("ana").says("#infra", "/ops").await);
        assert!(told.card.text().contains("help"), "{}", told.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_asked_for_by_a_form() {
    story(ALL, async |s| {
        world(s);
        let form = only(s.person("ana").says("#infra", "/ops rollback").await);
        assert_eq!(form.card.state, "missing");
        let asks = form.card.buttons[0].asks.as_ref().unwrap();
        assert_eq!(asks.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["service", "env"]);
        assert_eq!(asks.inputs[1].choices, ["prod", "dev"]);
        let done = only(s.person("ana").presses_with(&form, "fill", &[("service", "api"), ("env", "dev")]).await);
        assert_eq!(done.card.title, "shop/rollback api dev: done");
        assert_eq!(s.effects(), ["rollback api"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_for_whom_it_was_shown_to() {
    story_on(CONSOLE, ALL, async |s| {
        world(s);
        let form = only(s.person("ana").says("#infra", "/ops rollback").await);
        let told = only(s.person("leo").presses_with(&form, "fill", &[("service", "api"), ("env", "dev")]).await);
        assert_eq!(told.card.title, "I do not know that message.");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_names_the_role_and_who_could_help_and_is_written_down() {
    story(ALL, async |s| {
        let told = only(s.person("vic").says("#infra", "/ops rollback api prod").await);
        assert_eq!(told.card.title, "You may not run shop/rollback api prod.");
        assert_eq!(told.card.body, ["It takes one of these roles: operator.", "Ask one of these: Ana, Eva, Leo."]);
        let mut db = s.database.read().await.unwrap();
        let entries = sereno::store::timeline::stream(&mut db, "system").await.unwrap();
        assert!(entries.iter().any(|entry| entry.kind.as_str() == "denied" && entry.actor == "vic"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_explains_both_ways() {
    story(ALL, async |s| {
        let yes = only(s.person("ana").says("#infra", "/ops why ana rollback api prod").await);
        assert!(yes.card.title.contains("Ana may run shop/rollback api prod: rule 1"), "{}", yes.card.title);
        assert!(yes.card.title.contains("1 approval by: lead"), "{}", yes.card.title);
        let no = only(s.person("ana").says("#infra", "/ops why vic rollback api prod").await);
        assert!(no.card.text().contains("operator"), "{}", no.card.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_say_what_runs_waits_and_is_locked() {
    story(ALL, async |s| {
        world(s);
        only(s.person("ana").says("#infra", "/ops rollback api prod").await);
        let mine = only(s.person("leo").says("#infra", "/ops approvals").await);
        assert_eq!(mine.card.title, "1 waits for you: shop/rollback api prod");
        let mine = only(s.person("ana").says("#infra", "/ops approvals").await);
        assert_eq!(mine.card.title, "Nothing waits for your approval.");
        let locks = only(s.person("ana").says("#infra", "/ops locks").await);
        assert!(locks.card.text().contains("prod/api | shop/rollback api prod | Ana"), "{}", locks.card.text());
        let runs = only(s.person("ana").says("#infra", "/ops runs").await);
        assert!(runs.card.text().contains("shop/rollback api prod"));
        s.person("ana").says("#infra", "/ops cancel").await;
        let locks = only(s.person("ana").says("#infra", "/ops locks").await);
        assert_eq!(locks.card.title, "Nothing is locked.");
    })
    .await;
}
