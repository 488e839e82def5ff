//! The limit's undo as the guide of `docker` shows it: asked for, approved and taken back by buttons, on the real engine.

use std::sync::Arc;

use crate::docker_support::{SERVE, Stack};
use crate::harness::{Story, only, story_of};
use crate::stage::Stage;
use crate::support::on_sqlite;
use bollard::models::{ContainerCreateBody, HostConfig};

/// A runbook of the step that the guide shows, for this project.
fn book(project: &str) -> String {
    let guide = std::fs::read_to_string("docs/actions/docker.md").unwrap();
    let mut blocks = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let step = blocks.find(|step| step.contains("previous_memory")).expect("the guide shows the undo");
    let head = "name: more\nsummary: More memory\nenvironments: [prod]\nallow: [{ roles: [operator] }]\nsteps:\n";
    format!("{head}{}", step.replace("project: shop", &format!("project: {project}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_undo_button_gives_a_container_the_memory_that_it_had() {
    let Some(shop) = Stack::new() else { return };
    let host = HostConfig { memory: Some(64 << 20), memory_swap: Some(64 << 20), ..HostConfig::default() };
    let body = ContainerCreateBody { host_config: Some(host), ..ContainerCreateBody::default() };
    shop.create("api", 1, SERVE, body).await;
    shop.docker.start_container(&shop.name("api", 1), None).await.unwrap();
    let limit = async || {
        let found = shop.docker.inspect_container(&shop.name("api", 1), None).await.unwrap();
        found.host_config.unwrap().memory.unwrap()
    };
    let book = book(&shop.project);
    let engine = format!("docker: {{ host: \"{}\" }}\n", shop.host);
    on_sqlite(async |database| {
        let engine = engine.clone();
        let config = Arc::new(move |text: &str| format!("{text}{engine}"));
        let told = async |s: &mut Story| {
            let ask = only(s.person("ana").says("#infra", "/ops more prod").await);
            s.person("leo").presses(&ask, "approve").await;
            assert_eq!((s.message(&ask.id).await.card.state.as_str(), limit().await), ("done", 128 << 20));
            let undo = only(s.person("ana").presses(&ask, "undo").await);
            assert_eq!(undo.card.state, "awaiting_approval", "{}", undo.card.text());
            assert!(undo.card.text().contains("memory 64 MiB"), "{}", undo.card.text());
            s.person("eva").presses(&undo, "approve").await;
            assert_eq!((s.message(&undo.id).await.card.state.as_str(), limit().await), ("done", 64 << 20));
        };
        story_of(database, &[("shop/more.yaml", &book)], Stage::Console, config, &told).await;
    })
    .await;
}
