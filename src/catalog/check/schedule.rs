//! Schedules: a cron expression and a zone that exist, and all that a person would have typed.

use minijinja::context;

use super::params::ill_typed;
use super::{Ground, known_word};
use crate::catalog::report::{Sheet, child};
use crate::catalog::written;
use crate::domain::nearest::nearest;
use crate::domain::runbook::{Args, ParamKind, Runbook, Schedule};

/// Checks every schedule; their arguments come back as steps get them.
pub fn check(sheet: &mut Sheet, written: Vec<written::Schedule>, book: &Runbook, ground: &Ground<'_>) -> Vec<Schedule> {
    let schedules = written.into_iter().enumerate();
    schedules.map(|(index, schedule)| one(sheet, &child("/schedule", index), schedule, book, ground)).collect()
}

fn one(sheet: &mut Sheet, at: &str, schedule: written::Schedule, book: &Runbook, ground: &Ground<'_>) -> Schedule {
    let five = schedule.cron.split_whitespace().count() == 5;
    let parsed = schedule.cron.parse::<croner::Cron>();
    if let Some(detail) = parsed
        .err()
        .map(|error| error.to_string().trim_end_matches('.').to_owned())
        .or_else(|| (!five).then(String::new))
    {
        sheet.value(&child(at, "cron"), "cron", context! { detail });
    }
    if let Some(zone) = schedule.zone.as_deref().filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let near = nearest(zone, known.iter().map(String::as_str)).into_iter().next();
        sheet.value(&child(at, "zone"), "zone", context! { name => zone, near });
    }
    let channels: Vec<&str> = ground.settings.channels.keys().map(String::as_str).collect();
    if let Some(channel) = &schedule.channel {
        known_word(sheet, &child(at, "channel"), channel, &channels, "channel");
    }
    environment(sheet, at, schedule.env.as_deref(), book);
    let args = args(sheet, at, &schedule.args, book);
    Schedule { cron: schedule.cron, zone: schedule.zone, channel: schedule.channel, args, env: schedule.env }
}

/// The environment of a runbook that nobody types: there if it has any.
pub fn environment(sheet: &mut Sheet, at: &str, env: Option<&str>, book: &Runbook) {
    match env {
        None if !book.environments.is_empty() => sheet.value(at, "missing_key", context! { name => "env" }),
        None => {}
        Some(_) if book.environments.is_empty() => sheet.key(&child(at, "env"), "no_environment", context! {}),
        Some(env) => {
            let known: Vec<&str> = book.environments.iter().map(String::as_str).collect();
            known_word(sheet, &child(at, "env"), env, &known, "own_environment");
        }
    }
}

/// Arguments that nobody types: known, typed, and all that are needed.
pub fn args(sheet: &mut Sheet, at: &str, given: &Args, book: &Runbook) -> Args {
    let args_at = child(at, "args");
    let names: Vec<&str> = book.params.iter().map(|param| param.name.as_str()).collect();
    let mut args = Args::new();
    for (name, value) in given {
        let place = child(&args_at, name);
        let Some(param) = book.params.iter().find(|param| param.name == *name) else {
            let near = nearest(name, names.iter().copied()).into_iter().next();
            sheet.key(&place, "argument", context! { name, near, known => names.join(", ") });
            continue;
        };
        match param.kind.accept(value) {
            Some(value) => drop(args.insert(name.clone(), value)),
            None => ill_typed(sheet, &place, &param.kind, value, name),
        }
    }
    for param in &book.params {
        if matches!(param.kind, ParamKind::From { .. }) {
            sheet.value(at, "nobody_chooses", context! { name => &param.name });
        } else if param.default.is_none() && !given.contains_key(&param.name) {
            sheet.value(at, "argument_missing", context! { name => &param.name });
        }
    }
    args
}
