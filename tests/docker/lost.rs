//! A process that dies while the engine is at work for it: the run finds out by itself what became of that.

use std::sync::Arc;
use std::time::Duration;

use bollard::exec::StartExecOptions;
use bollard::models::{ContainerCreateBody, ExecConfig};

use sereno::store::timeline;

use crate::docker_support::Stack;
use crate::harness::{Story, only, story_of};
use crate::stage::Stage;
use crate::support::on_sqlite;

/// Does not end by itself, nor when it is told to, but by a file.
const STUBBORN: &str = "trap '' TERM; until [ -e /tmp/end ]; do sleep 0.05; done";

/// Stops a service, and goes on when it is stopped.
fn book(project: &str) -> String {
    format!(
        "name: halt\nsummary: Stop the API\nenvironments: [dev]\nallow: [{{ roles: [operator] }}]\nsteps:\n\
         - {{ id: stop, title: Stop it, action: docker, with: {{ do: stop, project: {project}, service: api, \
         stop_timeout: 5m }}, timeout: 10m, undo: {{ title: Start it, action: docker, with: {{ do: start, \
         project: {project}, service: api }} }} }}\n\
         - {{ id: after, title: Say so, action: note, with: {{ text: all quiet }} }}\n"
    )
}

/// How many entries of a kind the journal has.
async fn journal(s: &Story, kind: &str) -> usize {
    let all = timeline::page(&mut s.database.read().await.unwrap(), 0, 10_000).await.unwrap();
    all.iter().filter(|entry| entry.kind.as_str() == kind).count()
}

async fn runs(shop: &Stack) -> bool {
    let found = shop.docker.inspect_container(&shop.name("api", 1), None).await.unwrap();
    found.state.unwrap().running.unwrap()
}

async fn ends(shop: &Stack) {
    let cmd = Some(["touch", "/tmp/end"].map(str::to_owned).to_vec());
    let exec = ExecConfig { cmd, ..ExecConfig::default() };
    let exec = shop.docker.create_exec(&shop.name("api", 1), exec).await.unwrap();
    shop.docker.start_exec(&exec.id, Some(StartExecOptions { detach: true, ..Default::default() })).await.unwrap();
    while runs(shop).await {
        tokio::time::sleep(Duration::from_millis(20)).await; // a real engine is at it
    }
}

async fn tell(book: &str, shop: &Stack, told: impl AsyncFn(&mut Story)) {
    let engine = format!("docker: {{ host: \"{}\" }}\n", shop.host);
    on_sqlite(async |database| {
        let engine = engine.clone();
        let config = Arc::new(move |text: &str| format!("{text}{engine}"));
        story_of(database, &[("shop/halt.yaml", book)], Stage::Console, config, &told).await;
    })
    .await;
}

/// Asks for it; the process dies once the engine was told.
async fn dies(s: &mut Story) {
    s.person("ana").sends("#infra", None, "/ops halt dev").await;
    s.until(async |s| journal(s, "step_started").await == 1).await;
    s.clock.forward(Duration::from_secs(10));
    s.restarts().await;
    s.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_whose_process_died_is_found_done_and_the_run_goes_on() {
    let Some(shop) = Stack::new() else { return };
    shop.create("api", 1, STUBBORN, ContainerCreateBody::default()).await;
    shop.docker.start_container(&shop.name("api", 1), None).await.unwrap();
    tell(&book(&shop.project), &shop, async |s: &mut Story| {
        dies(s).await;
        let card = s.hears("#infra").await;
        assert_eq!((card.card.state.as_str(), runs(&shop).await), ("unknown", true));
        assert!(card.card.text().contains("Looked at"), "{}", card.card.text());
        assert!(card.card.text().contains("nothing of it is to be seen at"), "{}", card.card.text());
        assert_eq!(journal(s, "step_decided").await, 1, "what was seen is in the journal");
        s.waits(Duration::from_secs(30)).await;
        assert_eq!(journal(s, "step_decided").await, 1, "the same is not written down again");
        ends(&shop).await;
        s.waits(Duration::from_secs(29)).await;
        assert_eq!(s.message(&card.id).await.card.state, "unknown", "it is not looked at all the time");
        s.waits(Duration::from_secs(1)).await;
        let done = s.message(&card.id).await;
        assert_eq!((done.card.state.as_str(), done.buttons()), ("done", vec!["undo"]), "{}", done.card.text());
        assert!(done.card.text().contains("all quiet"), "{}", done.card.text());
        // What was proved can be taken back as what was heard.
        let started = shop.started_at(&shop.name("api", 1)).await;
        let undo = only(s.person("ana").presses(&done, "undo").await);
        assert_eq!(undo.card.state, "done", "{}", undo.card.text());
        assert_ne!(shop.started_at(&shop.name("api", 1)).await, started);
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_about_long_after_is_no_longer_taken_for_ours() {
    let Some(shop) = Stack::new() else { return };
    shop.create("api", 1, STUBBORN, ContainerCreateBody::default()).await;
    shop.docker.start_container(&shop.name("api", 1), None).await.unwrap();
    tell(&book(&shop.project), &shop, async |s: &mut Story| {
        dies(s).await;
        let card = s.hears("#infra").await;
        s.waits(Duration::from_secs(6 * 60)).await;
        ends(&shop).await;
        s.waits(Duration::from_secs(60)).await;
        let waits = s.message(&card.id).await;
        assert_eq!((waits.card.state.as_str(), waits.buttons()), ("unknown", vec!["confirm", "rerun", "cancel"]));
        s.person("ana").presses(&waits, "confirm").await;
        assert_eq!(s.message(&card.id).await.card.state, "done");
    })
    .await;
}
