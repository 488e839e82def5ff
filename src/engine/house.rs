//! The engine as chat platforms see it: the house that takes in what people say, and tells what a form needs. Changes
//! nothing but the inbox: whatever is asked here is judged again when it is handled.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::Engine;
use super::answer::allowed;
use crate::catalog::{Catalog, Found};
use crate::chat::card::{Card, Form, Press, Values};
use crate::chat::cards;
use crate::chat::{Away, Filling, House, Posted};
use crate::command::{self, Scene, Unclear};
use crate::domain::actor::{Actor, Place, Platform};
use crate::domain::digest;
use crate::domain::nearest::nearest;
use crate::domain::policy::{self, Ask};
use crate::domain::runbook::{Args, Runbook};
use crate::domain::settings::Settings;
use crate::id::MessageId;
use crate::store::inbox::Input;
use crate::store::messages::{self, Message, NewMessage};
use crate::store::{StoreError, incidents};

/// Choices that are given to somebody who types.
const OFFERED: usize = 100;
/// How often, and how long apart, a thread of ours is looked for that may just be written down.
const TRIES: u32 = 10;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
/// Approvals that a person's page shows.
const WAITING: usize = 5;

impl From<StoreError> for Away {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[async_trait]
impl House for Engine {
    fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    fn standing_changed(&self, platform: Platform, identity: &str) {
        self.roster.changed(platform, identity);
    }

    async fn said(&self, key: String, by: &str, place: Place, text: String) -> Result<(), Away> {
        self.accept(key, Input::Text { by: by.to_owned(), place, text }).await?;
        Ok(())
    }

    async fn filled(&self, key: String, by: &str, place: Place, filling: &Filling, values: Values) -> Result<(), Away> {
        let by = by.to_owned();
        let input = match filling {
            Filling::Button { message, button } => {
                Input::Press { by, place, message: message.clone(), button: button.clone(), values }
            }
            Filling::Runbook { name, place } => {
                let line = match self.catalog.load().find(name, &[]) {
                    Found::One(book) => {
                        let (args, env) = split(values);
                        book.command_line(&args, env.as_deref())
                    }
                    _ => name.clone(), // it is gone, and the answer will say so
                };
                Input::Text { by, place: place.clone(), text: format!("/ops {line}") }
            }
        };
        self.accept(key, input).await?;
        Ok(())
    }

    async fn message(&self, by: &str, id: &MessageId) -> Result<Option<Posted>, Away> {
        let found = messages::get(&mut self.store.read().await?, id).await?;
        let visible = |found: &Message| found.whisper_to.as_ref().is_none_or(|to| to == by);
        let Some(found) = found.filter(visible) else { return Ok(None) };
        let card = serde_json::from_value(found.card).map_err(|error| Away(error.to_string()))?;
        let Message { id, place, whisper_to, external, .. } = found;
        Ok(Some(Posted { id, place, whisper_to, external, card }))
    }

    async fn root(&self, platform: Platform, channel: &str, external: &str) -> Result<MessageId, Away> {
        let place = Place::channel(platform, channel);
        if let Some(known) = self.known_root(&place, external).await? {
            return Ok(known);
        }
        let name = digest::sha256(format!("{platform}/{channel}/{external}").as_bytes());
        let id = MessageId::from(format!("{platform}-{}", digest::short(&name)));
        let title = self.words().get("card.was_there_before");
        let card = serde_json::to_value(Card { title, state: "foreign".to_owned(), ..Card::default() });
        let message = NewMessage {
            id: id.clone(),
            place,
            author: None,
            whisper_to: None,
            reply_to: None,
            card: card.map_err(|error| Away(error.to_string()))?,
            at: self.clock.now(),
        };
        let mut tx = self.store.begin().await?;
        messages::adopt(&mut tx, &message, external).await?;
        tx.commit().await?;
        Ok(id)
    }

    async fn incident_thread(
        &self,
        platform: Platform,
        channel: &str,
        external: &str,
    ) -> Result<Option<MessageId>, Away> {
        let Some(root) = self.known_root(&Place::channel(platform, channel), external).await? else {
            return Ok(None);
        };
        let mut db = self.store.read().await?;
        Ok(incidents::of_thread(&mut db, &root).await?.map(|_| root))
    }

    fn runbooks(&self, by: &str, channel: &str) -> Vec<(String, String)> {
        let settings = self.settings.load();
        let Some(actor) = settings.actor(by, Platform::Console) else { return Vec::new() };
        let books = allowed(&self.catalog.load(), &actor, Some(channel));
        books.iter().map(|book| (book.full_name(), book.summary.clone())).collect()
    }

    async fn form(&self, by: &str, filling: &Filling) -> Result<Option<Form>, Away> {
        match filling {
            Filling::Button { message, button } => {
                let found = self.message(by, message).await?;
                Ok(found.and_then(|found| found.card.button(button).and_then(|button| button.asks.clone())))
            }
            Filling::Runbook { name, place } => {
                Ok(self.book(name).and_then(|book| self.form_of(by, place, &book, (&Args::new(), None))))
            }
        }
    }

    fn lacking(&self, by: &str, place: &Place, line: &str) -> Option<(Filling, Form)> {
        let (settings, catalog) = (self.settings.load(), self.catalog.load());
        let scene = Scene { catalog: &catalog, settings: &settings, channel: Some(&place.channel) };
        match command::parse(line, scene) {
            Err(Unclear::Missing { book, given, env, .. }) => {
                let form = self.form_of(by, place, &book, (&given, env.as_deref()))?;
                Some((Filling::Runbook { name: book.full_name(), place: place.clone() }, form))
            }
            _ => None,
        }
    }

    async fn choices(&self, by: &str, filling: &Filling, input: &str, typed: &str) -> Vec<String> {
        let Ok(Some(form)) = self.form(by, filling).await else { return Vec::new() };
        let Some(field) = form.inputs.into_iter().find(|field| field.name == input) else { return Vec::new() };
        let all = match self.book_of(by, filling).await {
            Some(book) if field.live => command::files(&book, input),
            _ => field.choices,
        };
        offered(&all, typed)
    }

    fn misfits(&self, by: &str, filling: &Filling, values: &Values) -> BTreeMap<String, String> {
        let Filling::Runbook { name, place } = filling else { return BTreeMap::new() };
        let Some(book) = self.book(name) else { return BTreeMap::new() };
        let (settings, catalog) = (self.settings.load(), self.catalog.load());
        let scene = Scene { catalog: &catalog, settings: &settings, channel: Some(&place.channel) };
        if settings.actor(by, place.platform).is_none() {
            return BTreeMap::new();
        }
        let (mut args, mut env) = split(values.clone());
        let mut found = BTreeMap::new();
        // Each round finds one and takes it out, until nothing wrong is left.
        while let Err(wrong @ Unclear::Wrong { .. }) = command::check(&book, &args, env.as_deref(), scene) {
            let sentence = command::explain(&wrong, self.words());
            let Unclear::Wrong { name, .. } = wrong else { break };
            if name == "env" {
                env = None;
            }
            args.remove(&name);
            if found.insert(name, sentence).is_some() {
                break;
            }
        }
        found
    }

    async fn home(&self, by: &str) -> Result<Vec<(Option<MessageId>, Card)>, Away> {
        let settings = self.settings.load_full();
        let desk = self.desk(&settings);
        let Some(actor) = settings.actor(by, Platform::Console) else { return Ok(Vec::new()) };
        let mut db = self.store.read().await?;
        let mut page = vec![(None, cards::on_call(desk, &self.teams_on_call(&settings, None)))];
        let mut waiting = Vec::new();
        for asked in self.waiting_for(&mut db, &actor).await? {
            if let Some(message) = messages::get(&mut db, &asked.run.body.message).await?
                && let Ok(card) = serde_json::from_value(message.card)
            {
                waiting.push((Some(message.id), card));
            }
        }
        let left_out = waiting.len().saturating_sub(WAITING);
        waiting.truncate(WAITING);
        page.push((None, cards::waiting(desk, waiting.len() + left_out, left_out)));
        page.extend(waiting);
        page.push((None, cards::incident_list(desk, &incidents::unresolved(&mut db).await?)));
        page.push((None, cards::help(desk, &allowed(&self.catalog.load(), &actor, None), false)));
        Ok(page)
    }
}

impl Engine {
    /// The root of a thread that we know. An id that nobody knows may be one of ours that is just being written down:
    /// as long as a message is on its way to that channel, it is looked for again, up to a second.
    async fn known_root(&self, place: &Place, external: &str) -> Result<Option<MessageId>, Away> {
        for _ in 0..TRIES {
            let mut db = self.store.read().await?;
            // In this order: what was written down in between is found.
            let coming = messages::on_its_way(&mut db, place, self.clock.now()).await?;
            let known = messages::root_at(&mut db, place, external).await?;
            if known.is_some() || !coming {
                return Ok(known);
            }
            drop(db);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    fn book(&self, name: &str) -> Option<Arc<Runbook>> {
        one(&self.catalog.load(), name)
    }

    /// The runbook that a form asks for, by itself or behind a button.
    async fn book_of(&self, by: &str, filling: &Filling) -> Option<Arc<Runbook>> {
        match filling {
            Filling::Runbook { name, .. } => self.book(name),
            Filling::Button { message, button } => {
                let found = self.message(by, message).await.ok()??;
                match &found.card.button(button)?.press {
                    Press::Ask(invocation) => self.book(&invocation.runbook),
                    _ => None,
                }
            }
        }
    }

    /// The form of a runbook as this person may run it here; none if they may not.
    fn form_of(&self, by: &str, place: &Place, book: &Runbook, given: (&Args, Option<&str>)) -> Option<Form> {
        let settings = self.settings.load_full();
        let actor = settings.actor(by, place.platform)?;
        let may = |env: Option<&str>| may_ask(&actor, book, env, &place.channel);
        let environments: Vec<_> = book.environments.iter().filter(|env| may(Some(env.as_str()))).cloned().collect();
        if !may(None) && environments.is_empty() {
            return None;
        }
        Some(cards::form(self.desk(&settings), book, &book.params, given, &environments))
    }
}

fn may_ask(actor: &Actor, book: &Runbook, env: Option<&str>, channel: &str) -> bool {
    policy::authorize(Ask { actor, runbook: book, args: None, env, channel: Some(channel) }).is_ok()
}

fn one(catalog: &Catalog, name: &str) -> Option<Arc<Runbook>> {
    match catalog.find(name, &[]) {
        Found::One(book) => Some(book),
        _ => None,
    }
}

/// A form's values: arguments, and the environment. What was left empty is not given.
fn split(values: Values) -> (Args, Option<String>) {
    let mut args: Args = values.into_iter().filter(|(_, value)| value.as_str() != Some("")).collect();
    let env = args.remove("env").and_then(|env| env.as_str().map(str::to_owned));
    (args, env)
}

/// What fits what was typed, and what is near it where nothing does.
fn offered(all: &[String], typed: &str) -> Vec<String> {
    let lower = typed.to_lowercase();
    let mut fits: Vec<String> = all.iter().filter(|choice| choice.to_lowercase().contains(&lower)).cloned().collect();
    if fits.is_empty() {
        fits = nearest(typed, all.iter().map(String::as_str));
    }
    fits.truncate(OFFERED);
    fits
}
