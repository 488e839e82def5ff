//! `sereno run` and `sereno why`: a command from the shell, through the same engine. Where a server has the database,
//! through that server, or by those that share it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use minijinja::context;
use serde_json::{Value, json};

use super::Failure;
use super::args::{RunOptions, Server, WhyOptions, shell_words};
use super::client::{Client, REFUSED};
use super::failure::{AWAY, CONFIG, DENIED, FAILED};
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
use crate::store::inbox::{self, DeliveryState, Input};
use crate::store::{StoreError, messages};

/// How often it is looked for an answer.
const EVERY: Duration = Duration::from_millis(50);
/// How long a request may lie before nobody is there to take it.
const TAKEN: Duration = Duration::from_secs(10);

/// States of answers that say that all is well: of a run, and of the words that only tell something.
const WELL: &[&str] = &[
    "done",
    "plan",
    "why",
    "help",
    "runs",
    "approvals",
    "locks",
    "monitors",
    "oncall",
    "handoff",
    "accepted",
    "ok",
    "open",
    "acknowledged",
    "resolved",
    "console_link",
    "said",
    "no_locks",
    "no_approvals",
    "no_rota",
];

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
        Ok(app) if !app.engine.store.is_sqlite() => beside(&app.engine, &options, &channel, text).await?,
        Ok(app) => here(&app.engine, &options, &channel, text).await?,
        Err(BuildError::Store(StoreError::Unusable(_))) => there(&options, &channel, &text).await?,
        Err(error) => return Err(error.into()),
    };
    render::print(&cards, options.json);
    let (code, why) = end_of(&cards);
    if !why.is_empty() {
        eprintln!("sereno: {}", words.get(why));
    }
    Ok(code)
}

/// What a script is told of a run, and why where the cards do not say it: all is well only if it is certain that it is.
fn end_of(cards: &[Value]) -> (ExitCode, &'static str) {
    let states: Vec<String> = cards.iter().map(|card| render::text(card, "state")).collect();
    let any = |wanted: &[&str]| states.iter().any(|state| wanted.contains(&state.as_str()));
    if any(&["awaiting_approval"]) {
        (ExitCode::from(DENIED), "cli.waits_for_approval")
    } else if any(&["holding"]) {
        (ExitCode::from(DENIED), "cli.waits_for_somebody")
    } else if any(REFUSED) {
        (ExitCode::from(DENIED), "")
    } else if states.is_empty() {
        (ExitCode::from(FAILED), "cli.no_answer_yet")
    } else if cards.iter().any(render::is_unsettled) {
        (ExitCode::from(FAILED), "cli.still_going_on")
    } else if states.iter().all(|state| WELL.contains(&state.as_str())) {
        (ExitCode::SUCCESS, "")
    } else {
        (ExitCode::from(FAILED), "")
    }
}

/// Stores it for whoever handles it.
async fn accept(engine: &Engine, options: &RunOptions, channel: &str, text: String) -> Result<DeliveryId, Failure> {
    let place = Place::channel(Platform::Console, channel);
    let input = Input::Text { by: options.user.clone(), place, text };
    Ok(engine.accept(format!("cli:{}", DeliveryId::new()), input).await?)
}

/// By the servers that share the database. Never by this process: it would take steps of others, too, and do them on
/// another machine than was meant.
async fn beside(engine: &Engine, options: &RunOptions, channel: &str, text: String) -> Result<Vec<Value>, Failure> {
    let delivery = accept(engine, options, channel, text).await?;
    let begun = tokio::time::Instant::now();
    loop {
        let state = inbox::state(&mut engine.store.read().await?, &delivery).await?;
        let cards = answers(engine, &delivery, &options.user).await?;
        let handled = matches!(state, Some(DeliveryState::Done | DeliveryState::Failed));
        if (handled && !cards.iter().any(render::is_unsettled)) || begun.elapsed() >= options.wait {
            return Ok(cards);
        }
        if state == Some(DeliveryState::New) && begun.elapsed() >= TAKEN && withdrawn(engine, &delivery).await? {
            let words = shell_words();
            return Err(Failure::new(AWAY, words.get("cli.nobody_takes"), words.get("cli.hint_server")));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Takes a request back that nobody has taken: nobody may do it long after.
async fn withdrawn(engine: &Engine, delivery: &DeliveryId) -> Result<bool, Failure> {
    let mut tx = engine.store.begin().await?;
    let withdrawn = inbox::withdraw(&mut tx, delivery).await?;
    tx.commit().await?;
    Ok(withdrawn)
}

/// In this process, with its own engine, on a database that nobody serves.
async fn here(engine: &Arc<Engine>, options: &RunOptions, channel: &str, text: String) -> Result<Vec<Value>, Failure> {
    let delivery = accept(engine, options, channel, text).await?;
    let until = tokio::time::Instant::now() + options.wait;
    loop {
        let done = engine.turn().await?;
        let cards = answers(engine, &delivery, &options.user).await?;
        let settled = !cards.is_empty() && !cards.iter().any(render::is_unsettled);
        if (settled && done == 0) || tokio::time::Instant::now() >= until {
            // Also others' steps may run here: what was begun is not left half-way.
            engine.rest().await;
            return answers(engine, &delivery, &options.user).await;
        }
        if done == 0 {
            tokio::time::sleep(EVERY).await;
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
    let client = Client::new(&server).await?;
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
