//! `pack.yaml`: what holds for all runbooks of a folder. As written, checked, and as meant. Knows nothing of runbooks
//! but their names; a monitor's runbook is looked at in [`monitors`], when all have been read.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::context;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::check::{Ground, environment, is_name, known_word, plain, shape, span_in, typed_args};
use super::report::{Sheet, child};
use crate::domain::pack::{Contact, Escalation, Monitor, Objective, Pack, Target, Until};
use crate::domain::runbook::{Effect, ParamKind, Runbook, Step};
use crate::domain::severity::Severity;
use crate::yaml::Node;

/// A day and a year, in seconds.
const DAY: u64 = 86_400;
const YEAR: u64 = 366 * DAY;
/// Between two looks of a monitor that says nothing, and the least, in seconds.
const EVERY: u64 = 60;
const OFTENEST: u64 = 10;

/// What holds for all runbooks of this folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sereno pack")]
pub struct Written {
    /// One line about the pack.
    about: String,
    /// Whether the pack is only in use where `packs:` in the configuration names it. For packs that come along as
    /// examples.
    #[serde(default)]
    opt_in: bool,
    /// What of a document it stands for, beside its runbooks.
    #[serde(default)]
    source: Vec<String>,
    /// Values for `{{ values.name }}`: texts, numbers, yes or no, or lists of these. `packs:` in the configuration
    /// changes them, for one environment or for all.
    #[serde(default)]
    values: Map<String, Value>,
    /// Secrets that these runbooks name, each with what it is. `packs:` in the configuration says which they are.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// What each severity means here.
    #[serde(default)]
    severities: BTreeMap<Severity, WrittenTarget>,
    /// How long a loss may last.
    #[serde(default)]
    objectives: Vec<WrittenObjective>,
    /// Whom to call.
    #[serde(default)]
    contacts: Vec<WrittenContact>,
    /// What happens when nobody answers.
    #[serde(default)]
    escalation: Vec<WrittenEscalation>,
    /// Runbooks that look by themselves.
    #[serde(default)]
    monitors: Vec<WrittenMonitor>,
}

/// What a severity asks for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    /// What it means.
    means: String,
    /// Until somebody must have acknowledged it, as in `15m`.
    respond: String,
    /// Until it must be over, as in `2h`.
    resolve: Option<String>,
}

/// Recovery time and point of one kind of disaster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenObjective {
    /// What was lost.
    name: String,
    /// Until it works again, as in `2h`.
    rto: String,
    /// How much of the latest data may be lost, as in `24h`.
    rpo: String,
}

/// Whom to call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenContact {
    /// Who.
    who: String,
    /// How: a channel, an address, a number.
    how: String,
    /// When, if not always.
    when: Option<String>,
}

/// One step of an escalation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenEscalation {
    /// Of incidents with these severities. Without this, of all.
    #[serde(default)]
    severities: Vec<Severity>,
    /// How long after the incident opened, as in `5m`.
    after: String,
    /// What makes it needless.
    #[serde(default = "acknowledged")]
    until: Until,
    /// What is said in the incident's thread.
    say: String,
    /// Roles whose people are called.
    #[serde(default)]
    roles: Vec<String>,
    /// People who are called.
    #[serde(default)]
    people: Vec<String>,
    /// Whether the team's on-call is called.
    #[serde(default)]
    on_call: bool,
}

fn acknowledged() -> Until {
    Until::Acknowledged
}

/// A runbook that looks by itself, and opens an incident when it fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenMonitor {
    /// Its name.
    name: String,
    /// The runbook of this pack; its steps only read.
    runbook: String,
    /// Values of its parameters.
    #[serde(default)]
    args: BTreeMap<String, Value>,
    /// Its environment.
    env: Option<String>,
    /// Between two looks (1m).
    every: Option<String>,
    /// Failures in a row that open an incident (3).
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 1000))]
    failures: u32,
    /// Successes in a row that close it (2).
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 1000))]
    successes: u32,
    /// How bad it is.
    severity: Severity,
    /// The incident's title.
    title: String,
}

fn three() -> u32 {
    3
}

fn two() -> u32 {
    2
}

/// The JSON Schema of `pack.yaml`.
#[must_use]
pub fn schema() -> Value {
    schemars::schema_for!(Written).to_value()
}

/// Checks one `pack.yaml`, apart from the runbooks that its monitors name.
pub fn file(sheet: &mut Sheet, tree: Node<Range<usize>>, name: &str, ground: &Ground<'_>) -> Pack {
    let mut value = sheet.place(tree);
    shape(sheet, &mut value, &schema(), "");
    let written: Written = match serde_json::from_value(value) {
        Ok(written) => written,
        Err(error) => {
            sheet.value("", "shape", context! { detail => error.to_string() });
            return Pack { name: name.to_owned(), ..Pack::default() };
        }
    };
    plain(sheet, "/about", &written.about);
    names(sheet, &written, name, ground);
    let severities = written.severities.iter().map(|(severity, target)| {
        let at = child("/severities", severity);
        let resolve = target.resolve.as_deref().map(|text| span(sheet, &child(&at, "resolve"), text));
        let respond = span(sheet, &child(&at, "respond"), &target.respond);
        (*severity, Target { means: target.means.clone(), respond, resolve })
    });
    let severities = severities.collect();
    let objectives = written.objectives.iter().enumerate().map(|(index, objective)| {
        let at = child("/objectives", index);
        let mut span = |key: &str, text: &str| span(sheet, &child(&at, key), text);
        Objective { name: objective.name.clone(), rto: span("rto", &objective.rto), rpo: span("rpo", &objective.rpo) }
    });
    let objectives = objectives.collect();
    let escalation = written.escalation.into_iter().enumerate();
    let mut escalation: Vec<_> =
        escalation.map(|(index, step)| self::escalation(sheet, &child("/escalation", index), step, ground)).collect();
    escalation.sort_by_key(|step| step.after);
    let monitors = written.monitors.into_iter().enumerate();
    let monitors = monitors.map(|(index, one)| monitor(sheet, &child("/monitors", index), one, name)).collect();
    let contacts = written.contacts.into_iter();
    Pack {
        name: name.to_owned(),
        about: written.about,
        opt_in: written.opt_in,
        source: written.source,
        values: written.values,
        secrets: written.secrets,
        severities,
        objectives,
        contacts: contacts.map(|WrittenContact { who, how, when }| Contact { who, how, when }).collect(),
        escalation,
        monitors,
    }
}

/// Names of values and secrets, and that the configuration names no others.
fn names(sheet: &mut Sheet, written: &Written, pack: &str, ground: &Ground<'_>) {
    let scalar = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
    for (name, value) in &written.values {
        let at = child("/values", name);
        if !is_name(name) {
            sheet.key(&at, "value_name", context! { name });
        }
        let fits = scalar(value) || value.as_array().is_some_and(|items| items.iter().all(scalar));
        if !fits {
            sheet.value(&at, "value_kind", context! { name });
        }
    }
    for name in written.secrets.keys().filter(|name| !is_name(name)) {
        sheet.key(&child("/secrets", name), "value_name", context! { name });
    }
    let Some(over) = ground.settings.packs.get(pack) else { return };
    let here = over.environments.values();
    for name in over.values.keys().chain(here.clone().flat_map(|here| here.values.keys())) {
        let known: Vec<&str> = written.values.keys().map(String::as_str).collect();
        known_word(sheet, "/values", name, &known, "pack_value");
    }
    for name in over.secrets.keys().chain(here.flat_map(|here| here.secrets.keys())) {
        let known: Vec<&str> = written.secrets.keys().map(String::as_str).collect();
        known_word(sheet, "/secrets", name, &known, "pack_secret");
    }
}

fn span(sheet: &mut Sheet, at: &str, text: &str) -> u64 {
    span_in(sheet, at, Some(text), DAY, (0, YEAR))
}

fn escalation(sheet: &mut Sheet, at: &str, step: WrittenEscalation, ground: &Ground<'_>) -> Escalation {
    plain(sheet, &child(at, "say"), &step.say);
    let known: Vec<&str> = ground.settings.roles.keys().map(String::as_str).collect();
    for (index, role) in step.roles.iter().enumerate() {
        known_word(sheet, &child(&child(at, "roles"), index), role, &known, "role");
    }
    let known: Vec<&str> = ground.settings.people.keys().map(String::as_str).collect();
    for (index, person) in step.people.iter().enumerate() {
        known_word(sheet, &child(&child(at, "people"), index), person, &known, "person");
    }
    Escalation {
        after: span(sheet, &child(at, "after"), &step.after),
        severities: step.severities,
        until: step.until,
        say: Some(step.say),
        roles: step.roles,
        people: step.people,
        on_call: step.on_call,
    }
}

fn monitor(sheet: &mut Sheet, at: &str, written: WrittenMonitor, pack: &str) -> Monitor {
    if !is_name(&written.name) {
        sheet.value(&child(at, "name"), "value_name", context! { name => &written.name });
    }
    plain(sheet, &child(at, "title"), &written.title);
    Monitor {
        every: span_in(sheet, &child(at, "every"), written.every.as_deref(), EVERY, (OFTENEST, DAY)),
        name: written.name,
        runbook: format!("{pack}/{}", written.runbook),
        args: written.args,
        env: written.env,
        failures: written.failures,
        successes: written.successes,
        severity: written.severity,
        title: written.title,
    }
}

/// Checks what monitors say of their runbooks: there, only reading, over at once, and with all that they take.
pub fn monitors(sheet: &mut Sheet, pack: &mut Pack, books: &BTreeMap<String, Runbook>) {
    let mut seen: Vec<String> = Vec::new();
    for (index, monitor) in pack.monitors.iter_mut().enumerate() {
        let at = child("/monitors", index);
        if seen.contains(&monitor.name) {
            sheet.value(&child(&at, "name"), "twice", context! { name => &monitor.name });
        }
        seen.push(monitor.name.clone());
        let place = child(&at, "runbook");
        let Some(book) = books.get(&monitor.runbook) else {
            let own = books.values().filter(|book| book.pack == pack.name);
            let known: Vec<&str> = own.map(|book| book.name.as_str()).collect();
            let name = monitor.runbook.rsplit('/').next().unwrap_or_default();
            known_word(sheet, &place, name, &known, "monitor_runbook");
            continue;
        };
        let waits = |book: &Runbook| book.steps.iter().any(Step::waits); // a look is over at once
        let chosen = |book: &Runbook| book.params.iter().any(|param| matches!(param.kind, ParamKind::From { .. }));
        if book.steps.iter().any(|step| step.effect > Effect::Read) {
            sheet.value(&place, "monitor_changes", context! { name => &book.name });
        } else if waits(book) || chosen(book) {
            sheet.value(&place, "monitor_waits", context! { name => &book.name });
        }
        environment(sheet, &at, monitor.env.as_deref(), book);
        monitor.args = typed_args(sheet, &at, &monitor.args, book);
    }
}
