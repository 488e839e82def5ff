//! The built-in words: help, lists, incidents by hand, notes, cancel.

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::answer::{Heard, allowed, command_line};
use super::post::incident_stream;
use crate::catalog::Found;
use crate::chat::card::Card;
use crate::chat::cards::{self, Desk};
use crate::clock::Timestamp;
use crate::command::{Command, Request};
use crate::domain::actor::Platform;
use crate::domain::digest;
use crate::domain::policy::{self, Ask};
use crate::domain::runbook::Effect;
use crate::domain::settings::Settings;
use crate::domain::timeline::EntryKind;
use crate::id::RunId;
use crate::secret::Secret;
use crate::store::{Result, Tx, incidents, locks, runs, sessions};
use crate::words::Words;

/// How long a one-time link may be used.
const LINK_LIFE: std::time::Duration = std::time::Duration::from_secs(600);
/// Runs that a list shows.
const LISTED: i64 = 15;

impl Engine {
    /// Answers a built-in word.
    pub(super) async fn built_in(&self, tx: &mut Tx, heard: &Heard, command: Command) -> Result<()> {
        match command {
            Command::Help(word) => self.help(tx, heard, word.as_deref()).await,
            Command::Why(person, request) => self.why(tx, heard, &person, &request).await,
            Command::OnCall(team) => self.on_call(tx, heard, team.as_deref()).await,
            Command::Handoff(team) => self.handoff_now(tx, heard, team.as_deref()).await,
            Command::Incidents => {
                let open = incidents::unresolved(tx).await?;
                self.reply(tx, heard, &cards::incident_list(self.desk(&heard.settings), &open)).await
            }
            Command::Runs => {
                let latest = runs::latest(tx, LISTED).await?;
                self.reply(tx, heard, &cards::runs(self.desk(&heard.settings), &latest)).await
            }
            Command::Approvals => self.my_approvals(tx, heard).await,
            Command::Monitors => self.list_monitors(tx, heard).await,
            Command::Locks => self.locks(tx, heard).await,
            Command::Note(text) => self.note(tx, heard, &text).await,
            Command::Declare(severity, title) => self.declare(tx, heard, severity, &title).await,
            Command::Acknowledge => match heard.incident.clone() {
                Some(incident) => self.acknowledge(tx, heard, &incident.id).await,
                None => self.tell(tx, heard, "not_in_incident", context! {}).await,
            },
            Command::Resolve => match heard.incident.clone() {
                Some(incident) => self.resolve(tx, heard, &incident.id).await,
                None => self.tell(tx, heard, "not_in_incident", context! {}).await,
            },
            Command::Cancel(run) => self.cancel_here(tx, heard, run).await,
            Command::Console => self.console_link(tx, heard).await,
            Command::Run(_) | Command::Plan(_) => Ok(()), // answered where runbooks are
        }
    }

    /// An answer for everybody who reads here.
    pub(super) async fn reply(&self, tx: &mut Tx, heard: &Heard, card: &Card) -> Result<()> {
        self.post(tx, &heard.place, card, Some(&heard.delivery)).await.map(drop)
    }

    async fn help(&self, tx: &mut Tx, heard: &Heard, word: Option<&str>) -> Result<()> {
        let catalog = self.catalog.load_full();
        let mut books = allowed(&catalog, &heard.actor, Some(&heard.place.channel));
        let packs =
            heard.settings.channels.get(&heard.place.channel).map(|channel| channel.packs.clone()).unwrap_or_default();
        if let Some(word) = word {
            match catalog.find(word, &packs) {
                Found::One(book) => books.retain(|known| known.full_name() == book.full_name()),
                Found::Many(names) => books.retain(|known| names.contains(&known.full_name())),
                Found::Nearest(near) => {
                    return self
                        .answer_unclear(tx, heard, crate::command::Unclear::Unknown(word.to_owned(), near))
                        .await;
                }
            }
        } else if !packs.is_empty() {
            books.retain(|book| packs.contains(&book.pack));
        }
        let card = cards::help(self.desk(&heard.settings), &books, word.is_some());
        self.aside(tx, heard, &card).await
    }

    async fn why(&self, tx: &mut Tx, heard: &Heard, person: &str, request: &Request) -> Result<()> {
        let line = explain(&heard.settings, person, request, Some(&heard.place.channel));
        let card = match line {
            Ok(title) => Card { title, state: "why".to_owned(), ..Card::default() },
            Err(card) => *card,
        };
        self.aside(tx, heard, &card).await
    }

    async fn my_approvals(&self, tx: &mut Tx, heard: &Heard) -> Result<()> {
        let mine: Vec<_> = self.waiting_for(tx, &heard.actor).await?;
        let mine: Vec<_> = mine.iter().map(|waiting| waiting.run.body.command_line()).collect();
        let key = if mine.is_empty() { "no_approvals" } else { "approvals_title" };
        self.tell(tx, heard, key, context! { count => mine.len(), list => mine.join("; ") }).await
    }

    async fn locks(&self, tx: &mut Tx, heard: &Heard) -> Result<()> {
        let mut held = Vec::new();
        for (key, run, since) in locks::held(tx).await? {
            if let Some(run) = runs::get(tx, &run).await? {
                held.push((key, run, since));
            }
        }
        self.reply(tx, heard, &cards::locks(self.desk(&heard.settings), &held)).await
    }

    /// A person writes on the incident's timeline.
    async fn note(&self, tx: &mut Tx, heard: &Heard, text: &str) -> Result<()> {
        let Some(incident) = &heard.incident else {
            return self.tell(tx, heard, "not_in_incident", context! {}).await;
        };
        let card = cards::incident_line(self.desk(&heard.settings), "thread_noted", &heard.actor.id, text);
        self.reply(tx, heard, &card).await?;
        let stream = incident_stream(&incident.id);
        self.enter(tx, stream, &heard.actor.id, EntryKind::Noted, json!({"text": text})).await
    }

    /// Cancels the named run, or the only one that is open in this place.
    async fn cancel_here(&self, tx: &mut Tx, heard: &Heard, run: Option<String>) -> Result<()> {
        if let Some(run) = run {
            return self.cancel(tx, heard, &RunId::from(run)).await;
        }
        let here: Vec<_> = runs::open(tx)
            .await?
            .into_iter()
            .filter(|run| run.body.place.channel == heard.place.channel)
            .filter(|run| {
                heard.place.thread.is_none() || heard.place.thread == run.body.place.under(&run.body.message).thread
            })
            .collect();
        match here.as_slice() {
            [] => self.tell(tx, heard, "no_run_here", context! {}).await,
            [run] => self.cancel(tx, heard, &run.id).await,
            many => {
                let list = many.iter().map(|run| format!("cancel {} ({})", run.id, run.body.command_line()));
                self.tell(tx, heard, "which_run", context! { list => list.collect::<Vec<_>>().join("; ") }).await
            }
        }
    }

    async fn console_link(&self, tx: &mut Tx, heard: &Heard) -> Result<()> {
        let link = self.offer_link(tx, &heard.settings, &heard.actor.id).await?;
        self.tell(tx, heard, "console_link", context! { link }).await
    }

    /// A link that signs a person in to the console, once, within ten minutes.
    ///
    /// # Errors
    /// The database's.
    pub async fn one_time_link(&self, person: &str) -> Result<String> {
        let mut tx = self.store.begin().await?;
        let link = self.offer_link(&mut tx, &self.settings.load_full(), person).await?;
        tx.commit().await?;
        Ok(link)
    }

    async fn offer_link(&self, tx: &mut Tx, settings: &Settings, person: &str) -> Result<String> {
        let token = Secret::generate();
        let expires = self.clock.now().after(LINK_LIFE);
        sessions::offer(tx, &digest::sha256(token.reveal().as_bytes()), person, expires).await?;
        Ok(format!("{}/sign-in?token={}", settings.public_url, token.reveal()))
    }
}

/// Why somebody may or may not: a sentence, or a refusal's card. Needs no database.
///
/// # Errors
/// The card of the refusal.
pub fn explain(
    settings: &Settings,
    person: &str,
    request: &Request,
    channel: Option<&str>,
) -> std::result::Result<String, Box<Card>> {
    let words = Words(settings.language);
    let command = command_line(request);
    let Some(actor) = settings.actor(person, Platform::Console) else {
        return Ok(words.say("card.unknown_person", context! { who => person }));
    };
    let env = request.env.as_deref();
    let ask = Ask { actor: &actor, runbook: &request.book, args: Some(&request.args), env, channel };
    let authorized = match policy::authorize(ask) {
        Ok(authorized) => authorized,
        Err(denied) => {
            let desk = Desk { words, settings, now: Timestamp(0) };
            return Err(Box::new(cards::denied(desk, &command, &denied, &[])));
        }
    };
    let worst = request.book.steps.iter().map(|step| step.effect).max().unwrap_or(Effect::Read);
    let approval = policy::approval_for(&request.book, worst, env, &settings.approval_defaults(env));
    let who = settings.name_of(person);
    let (rule, file) = (authorized.rule() + 1, request.book.file.clone());
    Ok(match approval {
        None => words.say("card.allowed", context! { who, command, rule, file }),
        Some(needed) => {
            let roles = needed.roles.join(", ");
            words.say("card.allowed_approval", context! { who, command, rule, file, count => needed.count, roles })
        }
    })
}
