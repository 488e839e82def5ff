//! A line of chat: shown, read, authorized, and answered.

use std::sync::Arc;

use serde_json::json;

use super::Engine;
use super::post::incident_stream;
use super::start::Start;
use crate::chat::cards;
use crate::clock::Timestamp;
use crate::command::{self, Command, Request, Scene, Unclear};
use crate::domain::actor::{Actor, Place, Platform};
use crate::domain::incident::Incident;
use crate::domain::plan::PlannedStep;
use crate::domain::policy::{self, Ask, Denied};
use crate::domain::run::Cause;
use crate::domain::runbook::{Args, Invocation, Runbook};
use crate::domain::settings::Settings;
use crate::domain::timeline::EntryKind;
use crate::id::DeliveryId;
use crate::store::inbox::{Delivery, DeliveryState};
use crate::store::{Result, Tx, inbox, incidents};

/// Somebody said something somewhere.
pub(super) struct Heard {
    /// The request.
    pub delivery: DeliveryId,
    /// When it came in.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Where what is for everybody goes.
    pub place: Place,
    /// Where what is for them alone goes.
    pub aside: Place,
    /// The incident whose thread it was said in.
    pub incident: Option<Incident>,
    /// The configuration as of now.
    pub settings: Arc<Settings>,
}

/// What a dry run found: planned steps, and steps that cannot be planned yet with the reason.
pub(super) type DryRun = (Vec<PlannedStep>, Vec<(String, String)>);

impl Engine {
    /// Answers a line of chat.
    pub(super) async fn heard(
        self: &Arc<Self>,
        delivery: &Delivery,
        actor: Actor,
        place: &Place,
        text: &str,
    ) -> Result<()> {
        let incident = match &place.thread {
            Some(root) => incidents::of_thread(&mut self.store.read().await?, root).await?,
            None => None,
        };
        let settings = self.settings.load_full();
        let (id, at) = (delivery.id.clone(), delivery.at);
        // What is for everybody goes where everybody is, wherever it was asked.
        let public = Place { platform: settings.platform_of(&place.channel), ..place.clone() };
        let heard = Heard { delivery: id, at, actor, aside: public.clone(), place: public, incident, settings };
        let parsed = match addressed(text, place.platform) {
            Some(line) => Some(self.parse(&heard, line).await?),
            None => None,
        };
        // Planning looks at the world, which takes time that no transaction should wait for.
        let dry = match &parsed {
            Some(Ok(Command::Plan(request))) if self.may(&heard, request).is_ok() => {
                Some(self.dry_run(request, &heard.actor.id).await)
            }
            _ => None,
        };
        let mut tx = self.store.begin().await?;
        if !inbox::finish(&mut tx, &delivery.id, DeliveryState::Done).await? {
            return Ok(());
        }
        if place.platform == Platform::Console {
            self.show_line(&mut tx, &heard.actor, place, text).await?;
        }
        match (parsed, dry) {
            (None, _) => {}
            (Some(Err(unclear)), _) => self.answer_unclear(&mut tx, &heard, unclear).await?,
            (Some(Ok(Command::Run(request))), _) => self.ask(&mut tx, &heard, request).await?,
            (Some(Ok(Command::Plan(request))), dry) => self.answer_plan(&mut tx, &heard, &request, dry).await?,
            (Some(Ok(command)), _) => self.built_in(&mut tx, &heard, command).await?,
        }
        fail::fail_point!("engine.before_answer_commit");
        tx.commit().await
    }

    /// Reads a line; in an incident's thread, what is missing is taken from its alerts' labels.
    async fn parse(&self, heard: &Heard, line: &str) -> Result<std::result::Result<Command, Unclear>> {
        let catalog = self.catalog.load_full();
        let scene = Scene { catalog: &catalog, settings: &heard.settings, channel: Some(&heard.place.channel) };
        match (command::parse(line, scene), &heard.incident) {
            (Err(Unclear::Missing { book, mut given, env, .. }), Some(incident)) => {
                let alerts = incidents::alerts(&mut self.store.read().await?, &incident.id).await?;
                for (name, value) in super::alerts::args_from(&book, &alerts) {
                    given.entry(name).or_insert(value);
                }
                let env = env.or_else(|| super::alerts::env_from(&book, &alerts));
                Ok(command::check(&book, &given, env.as_deref(), scene).map(Command::Run))
            }
            (parsed, _) => Ok(parsed),
        }
    }

    /// Whether they may, as of now.
    pub(super) fn may(&self, heard: &Heard, request: &Request) -> std::result::Result<policy::Authorized, Denied> {
        policy::authorize(Ask {
            actor: &heard.actor,
            runbook: &request.book,
            args: Some(&request.args),
            env: request.env.as_deref(),
            channel: Some(&heard.place.channel),
        })
    }

    /// Starts a runbook for somebody, or tells them why not.
    pub(super) async fn ask(&self, tx: &mut Tx, heard: &Heard, request: Request) -> Result<()> {
        match self.may(heard, &request) {
            Err(denied) => self.deny(tx, heard, &request, &denied).await,
            Ok(authorized) => {
                let start = Start {
                    request,
                    by: heard.actor.clone(),
                    cause: Cause::Asked,
                    place: heard.place.clone(),
                    reply_to: Some(heard.delivery.clone()),
                    incident: heard.incident.as_ref().map(|incident| incident.id.clone()),
                    parent: None,
                    undo_of: None,
                };
                if let Err(holder) = self.start(tx, start, &authorized).await? {
                    let card = self.locked_card(tx, &heard.settings, &holder).await?;
                    self.aside(tx, heard, &card).await?;
                }
                Ok(())
            }
        }
    }

    /// Tells them why not, and writes it down.
    pub(super) async fn deny(&self, tx: &mut Tx, heard: &Heard, request: &Request, denied: &Denied) -> Result<()> {
        let command = command_line(request);
        let helpers = helpers(&heard.settings, request, &heard.place.channel);
        let card = cards::denied(self.desk(&heard.settings), &command, denied, &helpers);
        self.aside(tx, heard, &card).await?;
        let stream =
            heard.incident.as_ref().map_or_else(|| "system".to_owned(), |incident| incident_stream(&incident.id));
        let body = json!({"command": command, "channel": heard.place.channel, "why": denied});
        self.enter(tx, stream, &heard.actor.id, EntryKind::Denied, body).await
    }

    async fn answer_plan(&self, tx: &mut Tx, heard: &Heard, request: &Request, dry: Option<DryRun>) -> Result<()> {
        let Some((steps, open)) = dry else {
            let denied = self.may(heard, request).err().unwrap_or(Denied::NoRule);
            return self.deny(tx, heard, request, &denied).await;
        };
        let card = cards::plan(self.desk(&heard.settings), &command_line(request), &steps, &open);
        self.post(tx, &heard.place, &card, Some(&heard.delivery)).await.map(drop)
    }

    /// Says what a line lacks, as a form where that helps.
    pub(super) async fn answer_unclear(&self, tx: &mut Tx, heard: &Heard, unclear: Unclear) -> Result<()> {
        let desk = self.desk(&heard.settings);
        let sentence = command::explain(&unclear, desk.words);
        let card = match unclear {
            Unclear::Missing { book, given, env, missing, env_missing } => {
                let environments = env_missing.then_some(book.environments.as_slice());
                let invocation = Invocation { runbook: book.full_name(), args: given, env };
                cards::missing(desk, (&book, sentence), invocation, &missing, environments)
            }
            Unclear::Unknown(_, near) | Unclear::Ambiguous(_, near) => cards::unclear(sentence, &invocations(&near)),
            _ => cards::unclear(sentence, &[]),
        };
        self.aside(tx, heard, &card).await
    }

    /// A runbook by its full name, with arguments from a form, an alert or another runbook.
    pub(super) fn check(
        &self,
        settings: &Settings,
        invocation: &Invocation,
        more: &Args,
        channel: Option<&str>,
    ) -> std::result::Result<Request, Unclear> {
        let catalog = self.catalog.load_full();
        let scene = Scene { catalog: &catalog, settings, channel };
        let crate::catalog::Found::One(book) = catalog.find(&invocation.runbook, &[]) else {
            return Err(Unclear::Unknown(invocation.runbook.clone(), Vec::new()));
        };
        let mut args = invocation.args.clone();
        args.extend(more.iter().filter(|(name, _)| *name != "env").map(|(name, value)| (name.clone(), value.clone())));
        let typed = more.get("env").and_then(serde_json::Value::as_str);
        command::check(&book, &args, typed.or(invocation.env.as_deref()), scene)
    }
}

/// The line without the word that addresses us; none when it is not for us. Slash commands of other platforms
/// arrive without their word, and are always for us.
fn addressed(text: &str, platform: Platform) -> Option<&str> {
    let text = text.trim();
    for word in ["/ops", "@sereno"] {
        if let Some(rest) = text.strip_prefix(word)
            && (rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            return Some(rest.trim());
        }
    }
    (platform != Platform::Console).then_some(text)
}

/// The command line of a request, for people.
pub(super) fn command_line(request: &Request) -> String {
    request.book.command_line(&request.args, request.env.as_deref())
}

/// People who may, for a refusal that helps: three at the most.
fn helpers(settings: &Settings, request: &Request, channel: &str) -> Vec<String> {
    let may = |id: &String| {
        settings.actor(id, Platform::Console).is_some_and(|actor| {
            let ask = Ask {
                actor: &actor,
                runbook: &request.book,
                args: Some(&request.args),
                env: request.env.as_deref(),
                channel: Some(channel),
            };
            policy::authorize(ask).is_ok()
        })
    };
    settings.people.keys().filter(|id| may(id)).take(3).cloned().collect()
}

fn invocations(names: &[String]) -> Vec<Invocation> {
    let named = names.iter().filter(|name| name.contains('/'));
    named.map(|name| Invocation { runbook: name.clone(), args: Args::new(), env: None }).collect()
}

/// What a person may ask for here, by full name.
pub(super) fn allowed(catalog: &crate::catalog::Catalog, actor: &Actor, channel: Option<&str>) -> Vec<Arc<Runbook>> {
    let may =
        |book: &&Arc<Runbook>| policy::authorize(Ask { actor, runbook: book, args: None, env: None, channel }).is_ok();
    catalog.all().filter(may).cloned().collect()
}
