//! `sereno run` and `sereno why`: a command from the shell, through the same engine. Where a server has the database,
//! through that server.

use std::process::ExitCode;
use std::sync::Arc;

use minijinja::context;
use serde_json::{Value, json};

use super::Failure;
use super::args::{RunOptions, Server, WhyOptions, shell_words};
use super::client::{Client, exit_of};
use super::failure::{CONFIG, DENIED, FAILED};
use super::render;
use super::serve::load;
use crate::app::{App, BuildError};
use crate::catalog;
use crate::clock::Clock;
use crate::command::{self, Command, Scene};
use crate::config::{Config, Source};
use crate::domain::actor::{Place, Platform};
use crate::engine::Engine;
use crate::id::DeliveryId;
use crate::store::inbox::Input;
use crate::store::{StoreError, messages};

/// Asks for a command, waits for its end, shows it.
pub async fn run(options: RunOptions) -> Result<ExitCode, Failure> {
    let config = load(options.config.config.as_deref())?;
    let words = shell_words();
    if !config.settings.people.contains_key(&options.user) {
        let message = words.say("cli.no_person", context! { user => options.user.clone() });
        return Err(Failure::new(CONFIG, message, words.get("cli.hint_person")));
    }
    let Some(channel) = options.channel.clone().or_else(|| config.settings.channels.keys().next().cloned()) else {
        return Err(Failure::new(CONFIG, words.get("cli.no_channel"), words.get("cli.hint_channel")));
    };
    let env = options.env.as_ref().map(|env| format!(" --env {env}")).unwrap_or_default();
    let text = format!("/ops {}{env}", options.line);
    let cards = match App::build(&config, Source::here(options.config.config.as_deref()), Clock::System).await {
        Ok(app) => here(&app.engine, &options, &channel, text).await?,
        Err(BuildError::Store(StoreError::Unusable(_))) => there(&options, &channel, &text).await?,
        Err(error) => return Err(error.into()),
    };
    render::print(&cards, options.json);
    let waits = cards.iter().any(|card| render::text(card, "state") == "awaiting_approval");
    if waits {
        eprintln!("sereno: {}", words.get("cli.waits_for_approval"));
        return Ok(ExitCode::from(DENIED));
    }
    Ok(exit_of(&cards))
}

/// In this process, with its own engine.
async fn here(engine: &Arc<Engine>, options: &RunOptions, channel: &str, text: String) -> Result<Vec<Value>, Failure> {
    let place = Place::channel(Platform::Console, channel);
    let input = Input::Text { by: options.user.clone(), place, text };
    let delivery = engine.accept(format!("cli:{}", DeliveryId::new()), input).await?;
    let until = tokio::time::Instant::now() + options.wait;
    loop {
        let done = engine.turn().await?;
        let cards = answers(engine, &delivery, &options.user).await?;
        let settled = !cards.is_empty() && !cards.iter().any(render::is_unsettled);
        if (settled && done == 0) || tokio::time::Instant::now() >= until {
            return Ok(cards);
        }
        if done == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

async fn answers(engine: &Engine, delivery: &DeliveryId, user: &str) -> Result<Vec<Value>, Failure> {
    let found = messages::replies_to(&mut engine.store.read().await?, delivery).await?;
    let settings = engine.settings.load();
    Ok(crate::http::cards_json(found, user, &settings))
}

/// Through the server that has the database.
async fn there(options: &RunOptions, channel: &str, text: &str) -> Result<Vec<Value>, Failure> {
    let server = Server {
        user: Some(options.user.clone()),
        server: None,
        json: options.json,
        wait: options.wait,
        config: options.config.clone(),
    };
    let client = Client::new(&server)?;
    let accepted = client.call("messages", Some(&json!({"channel": channel, "text": text}))).await?;
    client.answers(&render::text(&accepted, "id"), None, options.wait).await
}

/// Explains a decision, from configuration and catalogue alone.
pub async fn why(options: &WhyOptions) -> Result<ExitCode, Failure> {
    let config: Config = load(options.config.config.as_deref())?;
    let words = shell_words();
    let catalog = catalog::load(&config.catalog, &config.settings).map_err(BuildError::Problems)?;
    let scene = Scene { catalog: &catalog, settings: &config.settings, channel: options.channel.as_deref() };
    let request = match command::parse(&options.line, scene) {
        Ok(Command::Run(request) | Command::Plan(request)) => request,
        Ok(_) => {
            let message = words.say("cli.not_a_runbook", context! { line => options.line.clone() });
            return Err(Failure::new(FAILED, message, words.get("cli.hint_help")));
        }
        Err(unclear) => {
            let message = command::explain(&unclear, words);
            return Err(Failure::new(FAILED, message, words.get("cli.hint_help")));
        }
    };
    match crate::engine::explain(&config.settings, &options.user, &request, options.channel.as_deref()) {
        Ok(line) => {
            println!("{line}");
            Ok(ExitCode::SUCCESS)
        }
        Err(card) => {
            println!("{}", card.text());
            Ok(ExitCode::from(DENIED))
        }
    }
}
