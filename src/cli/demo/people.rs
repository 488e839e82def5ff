//! The script: a release breaks the shop, its monitoring says so, Ana asks for the rollback, Leo approves it. People
//! and monitoring use the doors that everybody uses.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use minijinja::context;
use serde_json::{Value, json};

use super::show::Show;
use super::world::World;
use crate::cli::args::shell_words;
use crate::cli::client::Client;
use crate::cli::render::text;
use crate::clock::{Clock, Timestamp};
use crate::executor;

/// Longest time that the scene waits for one thing.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it looks.
const EVERY: Duration = Duration::from_millis(200);

/// Plays the scene.
///
/// # Errors
/// When something that must happen does not.
pub async fn play(world: &World, shop: &str, pace: Duration) -> Result<()> {
    let words = shell_words();
    let tell = |key: &str| println!("— {}", words.get(&format!("cli.{key}")));
    let (ana, leo) = (Client::as_person(&world.server, &world.ana), Client::as_person(&world.server, &world.leo));
    let mut show = Show::new(Client::as_person(&world.server, &world.ana));
    wait_for_shop(shop, 200).await?;
    tell("demo_release");
    world.release("v2")?;
    wait_for_shop(shop, 503).await?;
    tell("demo_alert");
    let since = Clock::System.now();
    alert(world, since, true).await?;
    let root = find(&mut show, |card| text(card, "state") == "open" && has_button(card, "ask-1")).await?;
    find(&mut show, |card| text(card, "thread") == text(&root, "id") && text(card, "state") == "done").await?;
    tokio::time::sleep(pace).await;
    tell("demo_ana");
    press(&ana, &root, "acknowledge").await?;
    press(&ana, &root, "ask-1").await?;
    let ask = find(&mut show, |card| has_button(card, "approve")).await?;
    tokio::time::sleep(pace).await;
    tell("demo_leo");
    press(&leo, &ask, "approve").await?;
    let id = text(&ask, "id");
    find(&mut show, |card| text(card, "id") == id && text(card, "state") == "done").await?;
    wait_for_shop(shop, 200).await?;
    tell("demo_resolved");
    alert(world, since, false).await?;
    let id = text(&root, "id");
    find(&mut show, |card| text(card, "id") == id && text(card, "state") == "resolved").await?;
    tokio::time::sleep(pace).await;
    show.look().await.map(drop)
}

async fn press(who: &Client, card: &Value, button: &str) -> Result<()> {
    let path = format!("messages/{}/press", text(card, "id"));
    let pressed = who.call(&path, Some(&json!({"button": button}))).await;
    pressed.map(drop).map_err(|failure| anyhow::anyhow!("{failure}"))
}

fn has_button(card: &Value, id: &str) -> bool {
    card["buttons"].as_array().is_some_and(|buttons| buttons.iter().any(|button| button["id"] == id))
}

/// Shows what happens until a card is as wanted.
async fn find(show: &mut Show, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let cards = show.look().await?;
        if let Some(card) = cards.into_iter().find(|card| wanted(card)) {
            return Ok(card);
        }
        if tokio::time::Instant::now() > until {
            bail!("{}", shell_words().get("cli.demo_stuck"));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Looks at the shop as its monitoring does, until it answers so.
async fn wait_for_shop(shop: &str, status: u16) -> Result<()> {
    let http = executor::http::client();
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = http.get(format!("http://{shop}/health")).send().await;
        if answer.is_ok_and(|answer| answer.status().as_u16() == status) {
            return Ok(());
        }
        if tokio::time::Instant::now() > until {
            bail!("{}", shell_words().say("cli.demo_shop", context! { shop, status }));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What Alertmanager would send: webhook version 4.
async fn alert(world: &World, since: Timestamp, firing: bool) -> Result<()> {
    let status = if firing { "firing" } else { "resolved" };
    let ends = if firing { "0001-01-01T00:00:00Z".to_owned() } else { Clock::System.now().to_string() };
    let labels = json!({"alertname": "ShopDown", "severity": "critical", "service": "shop", "env": "prod"});
    let annotations = json!({"summary": "The shop answers with errors", "description": "Every request to /health fails since the last release."});
    let body = json!({
        "version": "4", "groupKey": "{}:{alertname=\"ShopDown\"}", "truncatedAlerts": 0, "status": status,
        "receiver": "sereno", "groupLabels": {"alertname": "ShopDown"}, "commonLabels": labels,
        "commonAnnotations": annotations, "externalURL": "",
        "alerts": [{"status": status, "labels": labels, "annotations": annotations, "startsAt": since.to_string(), "endsAt": ends,
                    "generatorURL": "", "fingerprint": "c0ffee0000000001"}],
    });
    let url = format!("{}/hooks/alertmanager", world.server);
    let sent = executor::http::client().post(url).bearer_auth(world.secret.reveal()).json(&body).send().await;
    sent.and_then(reqwest::Response::error_for_status).map(drop).context("the alert was not taken")
}
