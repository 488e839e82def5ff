//! One file from as written to as meant: shape first, then every rule that one key lays on another. Knows settings
//! and the table of actions; other files only through `links`.

mod flow;
mod links;
mod params;
mod people;
mod sample;
mod schedule;
mod steps;
mod variables;

pub(super) use params::span_in;
pub(super) use schedule::{args as typed_args, environment};

use std::ops::Range;

use minijinja::context;
use serde_json::Value;

use super::report::{Sheet, child};
use super::shape::{Flaw, fit};
use super::written::Written;
use crate::domain::actor::{Actor, Platform};
use crate::domain::digest;
use crate::domain::nearest::nearest;
use crate::domain::pack::Pack;
use crate::domain::runbook::{AlertMatch, BUILT_IN, Runbook};
use crate::domain::settings::Settings;
use crate::domain::template::Template;
use crate::executor::ActionSpec;
use crate::yaml::Node;
use variables::Names;

pub use links::{Draft, links};

/// What files are checked against.
pub struct Ground<'a> {
    /// People, environments, channels.
    pub settings: &'a Settings,
    /// The actions there are.
    pub actions: &'static [ActionSpec],
    /// Every person with all roles that they may ever hold.
    pub actors: Vec<Actor>,
}

impl<'a> Ground<'a> {
    /// Against these settings and actions.
    #[must_use]
    pub fn new(settings: &'a Settings, actions: &'static [ActionSpec]) -> Self {
        let most = settings.at_most();
        let actors = most.people.keys().filter_map(|person| most.actor(person, Platform::Console)).collect();
        Self { settings, actions, actors }
    }
}

/// Checks one file. The runbook is there whenever its shape can be made out, also when something is wrong with it.
pub fn file(sheet: &mut Sheet, tree: Node<Range<usize>>, pack: &Pack, ground: &Ground<'_>) -> Option<Runbook> {
    let mut value = sheet.place(tree);
    shape(sheet, &mut value, &super::schema::written(), "");
    let written: Written = match serde_json::from_value(value) {
        Ok(written) => written,
        Err(error) => {
            sheet.value("", "shape", context! { detail => error.to_string() });
            return None;
        }
    };
    head(sheet, &written);
    places(sheet, &written, ground);
    let params = params::check(sheet, &written);
    let names = Names::new(&written, &params, &pack.values);
    let lock = written.lock.map(|text| {
        variables::check(sheet, "/lock", &Value::String(text.clone()), &names, variables::Moment::Start);
        Template(text)
    });
    let fields = steps::Fields { names: &names, params: &params, env: written.environments.first(), pack, ground };
    let steps = steps::check(sheet, written.steps, &fields);
    flow::check(sheet, &steps, &params);
    people::checkers(sheet, &steps, ground);
    let mut book = Runbook {
        pack: pack.name.clone(),
        values: pack.values.clone(),
        name: written.name,
        aliases: written.aliases,
        summary: written.summary,
        about: written.about,
        source: written.source,
        params,
        environments: written.environments,
        channels: written.channels,
        allow: Vec::new(),
        steps,
        lock,
        approval: Vec::new(),
        alerts: written.alerts.into_iter().map(|labels| AlertMatch { labels }).collect(),
        next: written.next,
        schedule: Vec::new(),
        digest: digest::sha256(sheet.text().as_bytes()),
        file: sheet.file.clone(),
    };
    book.schedule = schedule::check(sheet, written.schedule, &book, ground);
    book.allow = people::allow(sheet, written.allow, &book, ground);
    book.approval = people::approval(sheet, written.approval, (&book, &names), ground);
    people::feasible(sheet, &book, ground);
    Some(book)
}

/// Reports every misfit between a value at `at` and a schema, and repairs them.
pub(super) fn shape(sheet: &mut Sheet, value: &mut Value, schema: &Value, at: &str) {
    let before = value.clone();
    for misfit in fit(value, schema) {
        let place = format!("{at}{}", misfit.at);
        match misfit.flaw {
            Flaw::Unknown(name, known) => {
                let near = nearest(&name, known.iter().map(String::as_str)).into_iter().next();
                sheet.key(&place, "unknown_key", context! { name, near, known => known.join(", ") });
                sheet.spoil(&place);
            }
            Flaw::Missing(name) => {
                sheet.key(&place, "missing_key", context! { name => &name });
                sheet.spoil(&child(&place, name));
            }
            Flaw::Kind(wanted) => {
                let wanted = sheet.kinds(&wanted);
                sheet.value(&place, "wrong_kind", context! { wanted });
                sheet.spoil(&place);
            }
            Flaw::Word(wanted) => {
                let got = before.pointer(&misfit.at).and_then(Value::as_str).unwrap_or_default();
                let near = nearest(got, wanted.iter().map(String::as_str)).into_iter().next();
                sheet.value(&place, "wrong_word", context! { near, wanted => wanted.join(", ") });
                sheet.spoil(&place);
            }
            Flaw::Range(min, max) => {
                sheet.value(&place, "out_of_range", context! { min, max });
                sheet.spoil(&place);
            }
        }
    }
}

/// A word that people type or that placeholders use.
pub(super) fn is_name(word: &str) -> bool {
    word.len() <= 40
        && word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

/// The name of a pack or a runbook, as people type it.
pub(super) fn is_word(word: &str) -> bool {
    is_name(word) && !word.contains('_')
}

fn head(sheet: &mut Sheet, written: &Written) {
    typed(sheet, "/name", &written.name);
    for (index, alias) in written.aliases.iter().enumerate() {
        typed(sheet, &child("/aliases", index), alias);
    }
    plain(sheet, "/summary", &written.summary);
    if let Some(about) = &written.about {
        plain(sheet, "/about", about);
    }
    for (index, labels) in written.alerts.iter().enumerate() {
        if labels.is_empty() {
            sheet.value(&child("/alerts", index), "alert_empty", context! {});
        }
    }
}

/// A word that people type for a runbook.
fn typed(sheet: &mut Sheet, at: &str, word: &str) {
    if !is_word(word) {
        sheet.value(at, "book_name", context! { name => word });
    } else if BUILT_IN.contains(&word) {
        sheet.value(at, "built_in", context! { name => word, words => BUILT_IN.join(", ") });
    }
}

/// Text that people read: there, and without placeholders, which nobody would fill.
pub(super) fn plain(sheet: &mut Sheet, at: &str, text: &str) {
    if text.trim().is_empty() {
        sheet.value(at, "empty", context! {});
    } else if text.contains("{{") {
        sheet.value(at, "not_filled", context! {});
    }
}

fn places(sheet: &mut Sheet, written: &Written, ground: &Ground<'_>) {
    let known: Vec<&str> = ground.settings.environments.keys().map(String::as_str).collect();
    words(sheet, "/environments", &written.environments, &known, "environment");
    let known: Vec<&str> = ground.settings.channels.keys().map(String::as_str).collect();
    words(sheet, "/channels", &written.channels, &known, "channel");
}

/// Each of a list's words is known, and there once. Reports `check.<what>`.
fn words(sheet: &mut Sheet, at: &str, list: &[String], known: &[&str], what: &str) {
    for (index, word) in list.iter().enumerate() {
        if list[..index].contains(word) {
            sheet.value(&child(at, index), "twice", context! { name => word });
        } else {
            known_word(sheet, &child(at, index), word, known, what);
        }
    }
}

/// A word is known, or `check.<what>` is reported with the nearest that is.
pub(super) fn known_word(sheet: &mut Sheet, at: &str, word: &str, known: &[&str], what: &str) -> bool {
    let found = known.contains(&word);
    if !found {
        let near = nearest(word, known.iter().copied()).into_iter().next();
        sheet.value(at, what, context! { name => word, near, known => known.join(", ") });
    }
    found
}
