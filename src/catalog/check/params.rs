//! Parameters: names, the keys that belong to each type, patterns, ranges, defaults.

use minijinja::context;
use serde_json::Value;

use super::{is_name, known_word, plain};
use crate::catalog::report::{Sheet, child};
use crate::catalog::written::{self, Kind, Written};
use crate::domain::accept::whole;
use crate::domain::runbook::{Param, ParamKind};
use crate::domain::span;

/// Names that placeholders already use.
const RESERVED: &[&str] = &["env", "steps", "run", "values"];
/// Most characters of a text that says no `max`.
const TEXT_MAX: usize = 200;
/// Longest span that says no `max`, in seconds.
const SPAN_MAX: u64 = 86_400;

/// Checks every parameter.
pub fn check(sheet: &mut Sheet, written: &Written) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::new();
    for (index, param) in written.params.iter().enumerate() {
        let at = child("/params", index);
        let name_at = child(&at, "name");
        if !is_name(&param.name) {
            sheet.value(&name_at, "param_name", context! { name => &param.name });
        } else if RESERVED.contains(&param.name.as_str()) {
            sheet.value(&name_at, "param_reserved", context! { name => &param.name });
        } else if params.iter().any(|known| known.name == param.name) {
            sheet.value(&name_at, "twice", context! { name => &param.name });
        }
        if let Some(about) = &param.about {
            plain(sheet, &child(&at, "about"), about);
        }
        let kind = kind(sheet, &at, param, written);
        params.push(Param {
            name: param.name.clone(),
            default: default(sheet, &at, param, &kind),
            kind,
            about: param.about.clone(),
            from_label: param.from_label.clone(),
        });
    }
    params
}

fn kind(sheet: &mut Sheet, at: &str, param: &written::Param, book: &Written) -> ParamKind {
    if sheet.sound(&child(at, "type")) {
        foreign(sheet, at, param);
    }
    let pattern = param.pattern.clone().filter(|pattern| regex(sheet, &child(at, "pattern"), pattern));
    match param.kind {
        Kind::Text => {
            let max = integer(sheet, at, "max", param.max.as_ref(), TEXT_MAX as i64);
            let max = usize::try_from(max).ok().filter(|max| *max > 0);
            if max.is_none() {
                sheet.value(&child(at, "max"), "out_of_range", context! { min => 1, max => () });
            }
            ParamKind::Text { pattern, max: max.unwrap_or(TEXT_MAX) }
        }
        Kind::Integer => {
            let min = integer(sheet, at, "min", param.min.as_ref(), i64::MIN);
            let max = integer(sheet, at, "max", param.max.as_ref(), i64::MAX);
            ordered(sheet, at, min <= max);
            ParamKind::Integer { min, max }
        }
        Kind::Choice => {
            let choices = required(sheet, at, "choices", param.choices.clone());
            for (index, word) in choices.iter().enumerate() {
                if word.is_empty() || choices[..index].contains(word) {
                    sheet.value(&child(&child(at, "choices"), index), "twice", context! { name => word });
                }
            }
            if choices.is_empty() {
                sheet.value(&child(at, "choices"), "empty", context! {});
            }
            ParamKind::Choice(choices)
        }
        Kind::Duration => {
            let min = seconds(sheet, at, "min", param.min.as_ref(), 0);
            let max = seconds(sheet, at, "max", param.max.as_ref(), SPAN_MAX);
            ordered(sheet, at, min <= max);
            ParamKind::Duration { min, max }
        }
        Kind::File => {
            let dir = required(sheet, at, "dir", param.dir.clone());
            if !dir.starts_with('/') || dir.contains("..") {
                sheet.value(&child(at, "dir"), "dir", context! { dir => &dir });
            }
            ParamKind::File { dir, pattern }
        }
        Kind::From => {
            let step = required(sheet, at, "step", param.step.clone());
            let ids: Vec<&str> = book.steps.iter().map(|step| step.id.as_str()).collect();
            known_word(sheet, &child(at, "step"), &step, &ids, "step");
            ParamKind::From { step, path: required(sheet, at, "path", param.path.clone()) }
        }
    }
}

/// Keys that belong to other types: a choice among findings is made when they are there, so it has no default.
fn foreign(sheet: &mut Sheet, at: &str, param: &written::Param) {
    let (kind, own): (&str, &[&str]) = match param.kind {
        Kind::Text => ("text", &["default", "pattern", "max"]),
        Kind::Integer => ("integer", &["default", "min", "max"]),
        Kind::Duration => ("duration", &["default", "min", "max"]),
        Kind::Choice => ("choice", &["default", "choices"]),
        Kind::File => ("file", &["default", "dir", "pattern"]),
        Kind::From => ("from", &["step", "path"]),
    };
    for (key, given) in [
        ("default", param.default.is_some()),
        ("pattern", param.pattern.is_some()),
        ("min", param.min.is_some()),
        ("max", param.max.is_some()),
        ("choices", param.choices.is_some()),
        ("dir", param.dir.is_some()),
        ("step", param.step.is_some()),
        ("path", param.path.is_some()),
    ] {
        if given && !own.contains(&key) {
            sheet.key(&child(at, key), "foreign_key", context! { name => key, kind, own => own.join(", ") });
        }
    }
}

fn default(sheet: &mut Sheet, at: &str, param: &written::Param, kind: &ParamKind) -> Option<Value> {
    let place = child(at, "default");
    let default = param.default.as_ref().filter(|_| param.kind != Kind::From)?;
    let kind_sound = ["type", "pattern", "min", "max", "choices"].iter().all(|key| sheet.sound(&child(at, key)));
    let accepted = kind.accept(default);
    if accepted.is_none() && kind_sound {
        ill_typed(sheet, &place, kind, default, &param.name);
    }
    // A wrong default is there all the same: nobody has to be told that a value is missing.
    accepted.or_else(|| Some(default.clone()))
}

/// Reports a value that a parameter does not accept, and says what it does.
pub fn ill_typed(sheet: &mut Sheet, at: &str, kind: &ParamKind, value: &Value, name: &str) {
    let got = crate::domain::expect::show(value);
    let accepts = sheet.accepts(kind);
    sheet.value(at, "ill_typed", context! { name, got, accepts });
}

/// Whether a pattern is sound; reported when it is not.
pub fn regex(sheet: &mut Sheet, at: &str, pattern: &str) -> bool {
    let Err(error) = whole(pattern) else { return true };
    let text = error.to_string();
    let detail = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    sheet.value(at, "regex", context! { detail });
    sheet.spoil(at);
    false
}

fn required<T: Default>(sheet: &mut Sheet, at: &str, key: &str, value: Option<T>) -> T {
    value.unwrap_or_else(|| {
        sheet.key(at, "missing_key", context! { name => key });
        sheet.spoil(&child(at, key));
        T::default()
    })
}

fn ordered(sheet: &mut Sheet, at: &str, ordered: bool) {
    if !ordered {
        sheet.value(&child(at, "min"), "min_over_max", context! {});
        sheet.spoil(&child(at, "min"));
    }
}

fn integer(sheet: &mut Sheet, at: &str, key: &str, value: Option<&Value>, without: i64) -> i64 {
    let Some(value) = value else { return without };
    value.as_i64().unwrap_or_else(|| {
        let wanted = sheet.kinds(&["integer".to_owned()]);
        sheet.value(&child(at, key), "wrong_kind", context! { wanted });
        sheet.spoil(&child(at, key));
        without
    })
}

fn seconds(sheet: &mut Sheet, at: &str, key: &str, value: Option<&Value>, without: u64) -> u64 {
    let Some(value) = value else { return without };
    value.as_str().and_then(span::seconds).unwrap_or_else(|| {
        sheet.value(&child(at, key), "span", context! {});
        sheet.spoil(&child(at, key));
        without
    })
}

/// A written span in a range of seconds; what holds without it when it is not one.
pub fn span_in(sheet: &mut Sheet, at: &str, text: Option<&str>, without: u64, range: (u64, u64)) -> u64 {
    let Some(text) = text else { return without };
    match span::seconds(text) {
        None => sheet.value(at, "span", context! {}),
        Some(seconds) if seconds < range.0 || seconds > range.1 => {
            let (min, max) = (span::written(range.0), span::written(range.1));
            sheet.value(at, "span_range", context! { min, max });
        }
        Some(seconds) => return seconds,
    }
    without
}
