//! Steps one by one: names, the action and its fields, effect, expectations, spans, undo. How they hang together is
//! the business of `flow`.

use minijinja::context;
use serde_json::Value;

use super::params::{regex, span_in};
use super::variables::{self, Moment, Names};
use super::{Ground, is_name, known_word, plain, sample, shape};
use crate::catalog::report::{Sheet, child};
use crate::catalog::written;
use crate::domain::expect::Expect;
use crate::domain::pack::{self, Pack};
use crate::domain::runbook::{Branch, Effect, Param, Retry, Step, Undo};
use crate::domain::template;
use crate::executor::{Action, ActionSpec};

/// Where every branch may go instead of a step.
pub const END: &str = "end";
/// Longest run of a step that says nothing, in seconds.
const TIMEOUT: u64 = 60;
/// Longest run that a step may ask for, and longest wait between attempts.
const LONGEST: u64 = 86_400;
/// Wait between attempts that says nothing, in seconds.
const DELAY: u64 = 5;
/// Most attempts after the first.
const RETRIES: u32 = 20;

/// What the fields of an action are checked with.
pub struct Fields<'a> {
    /// What placeholders may name.
    pub names: &'a Names,
    /// What they get their samples from.
    pub params: &'a [Param],
    /// An environment to try, if there are any.
    pub env: Option<&'a String>,
    /// Its values and secrets.
    pub pack: &'a Pack,
    /// Actions, roles, secrets.
    pub ground: &'a Ground<'a>,
}

/// Checks every step by itself.
pub fn check(sheet: &mut Sheet, written: Vec<written::Step>, fields: &Fields<'_>) -> Vec<Step> {
    if written.is_empty() {
        sheet.value("/steps", "no_steps", context! {});
    }
    let ids: Vec<String> = written.iter().map(|step| step.id.clone()).collect();
    let steps = written.into_iter().enumerate();
    steps.map(|(position, step)| one(sheet, position, step, &ids, fields)).collect()
}

fn one(sheet: &mut Sheet, position: usize, step: written::Step, ids: &[String], fields: &Fields<'_>) -> Step {
    let at = child("/steps", position);
    let id_at = child(&at, "id");
    if !is_name(&step.id) || step.id == END {
        sheet.value(&id_at, "step_id", context! { name => &step.id });
    } else if ids[..position].contains(&step.id) {
        sheet.value(&id_at, "twice", context! { name => &step.id });
    }
    plain(sheet, &child(&at, "title"), &step.title);
    let call = Call { at: &at, action: &step.action, with: &step.with, moment: Moment::Step(position) };
    let effect = effect(sheet, &call, step.effect, fields);
    let timeout = span_in(sheet, &child(&at, "timeout"), step.timeout.as_deref(), TIMEOUT, (1, LONGEST));
    let retry = step.retry.map(|retry| self::retry(sheet, &child(&at, "retry"), &retry)).unwrap_or_default();
    if retry.times > 0 && effect == Effect::Destroy && !step.idempotent {
        sheet.key(&child(&at, "retry"), "retry_destroy", context! {});
    }
    expectations(sheet, &child(&at, "expect"), &step.expect);
    let branches = step.branches.into_iter().enumerate().map(|(index, branch)| {
        expectations(sheet, &child(&child(&child(&at, "branches"), index), "when"), &branch.when);
        Branch { when: branch.when, goto: branch.goto }
    });
    let branches = branches.collect();
    if step.undo.is_some() && effect == Effect::Read && sheet.sound(&child(&at, "effect")) {
        sheet.key(&child(&at, "undo"), "undo_read", context! {});
    }
    let undo = step.undo.map(|undo| self::undo(sheet, &child(&at, "undo"), undo, (position, effect), fields));
    Step {
        id: step.id,
        title: step.title,
        action: step.action,
        with: step.with,
        effect,
        expect: step.expect,
        timeout,
        retry,
        idempotent: step.idempotent,
        branches,
        on_fail: step.on_fail.into(),
        undo,
    }
}

fn retry(sheet: &mut Sheet, at: &str, retry: &written::Retry) -> Retry {
    if retry.times > RETRIES {
        sheet.value(&child(at, "times"), "out_of_range", context! { min => 0, max => RETRIES });
    }
    Retry {
        times: retry.times,
        delay: span_in(sheet, &child(at, "delay"), retry.delay.as_deref(), DELAY, (0, LONGEST)),
    }
}

fn undo(sheet: &mut Sheet, at: &str, undo: written::Undo, of: (usize, Effect), fields: &Fields<'_>) -> Undo {
    plain(sheet, &child(at, "title"), &undo.title);
    let call = Call { at, action: &undo.action, with: &undo.with, moment: Moment::Undo(of.0) };
    effect(sheet, &call, Some(of.1.max(Effect::Change)), fields);
    let timeout = span_in(sheet, &child(at, "timeout"), undo.timeout.as_deref(), TIMEOUT, (1, LONGEST));
    Undo { title: undo.title, action: undo.action, with: undo.with, timeout }
}

/// One use of an action: by a step, or by its undo.
struct Call<'a> {
    at: &'a str,
    action: &'a str,
    with: &'a Value,
    moment: Moment,
}

/// Checks the action and its fields, and tells what it may do; what is declared, or nothing, where that cannot be told.
fn effect(sheet: &mut Sheet, call: &Call<'_>, declared: Option<Effect>, fields: &Fields<'_>) -> Effect {
    action(sheet, call, declared, fields).or(declared).unwrap_or_else(|| {
        sheet.spoil(&child(call.at, "effect"));
        Effect::Read
    })
}

fn action(sheet: &mut Sheet, call: &Call<'_>, declared: Option<Effect>, fields: &Fields<'_>) -> Option<Effect> {
    let with_at = child(call.at, "with");
    let sound = variables::check(sheet, &with_at, call.with, fields.names, call.moment);
    let known: Vec<&str> = fields.ground.actions.iter().map(|spec| spec.name).collect();
    known_word(sheet, &child(call.at, "action"), call.action, &known, "action");
    let spec = fields.ground.actions.iter().find(|spec| spec.name == call.action)?;
    literal(sheet, &with_at, call.with, spec);
    let (action, filled) = if sound { parse(sheet, &with_at, call.with, spec, fields) } else { None }?;
    secrets(sheet, &with_at, (call.with, &filled), &action.secrets(), fields);
    let effect = action.effect(declared);
    effect
        .map_err(|detail| {
            let place = child(call.at, if declared.is_some() { "effect" } else { "action" });
            // An effect that could not be read was declared all the same.
            if sheet.sound(&child(call.at, "effect")) {
                sheet.value(&place, "effect", context! { detail => sheet.tell(&detail) });
            }
            sheet.spoil(&child(call.at, "effect"));
        })
        .ok()
}

/// Reads an action's fields with samples in place of placeholders. What a finding will be is not known, so one kind
/// that fits is enough.
fn parse(
    sheet: &mut Sheet,
    at: &str,
    with: &Value,
    spec: &ActionSpec,
    fields: &Fields<'_>,
) -> Option<(Box<dyn Action>, Value)> {
    let schema = (spec.schema)();
    let over = fields.ground.settings.packs.get(&fields.pack.name);
    let values = pack::values(&fields.pack.values, over, fields.env.map(String::as_str));
    let filled = sample::fillings(with, fields.params, &values, fields.env);
    let fits = |with: &Value| crate::catalog::shape::fit(&mut with.clone(), &schema).is_empty();
    let mut refused = None;
    for with in filled.iter().filter(|with| fits(with)) {
        match (spec.parse)(with) {
            Ok(action) => return Some((action, with.clone())),
            Err(detail) => refused = refused.or(Some(detail)),
        }
    }
    match refused {
        Some(detail) => {
            let detail = sheet.tell(&detail);
            sheet.key(at, "with", context! { action => spec.name, detail, example => spec.example.trim() });
        }
        None => filled.into_iter().take(1).for_each(|mut with| shape(sheet, &mut with, &schema, at)),
    }
    None
}

/// Fields that take no placeholder but the pack's own values: those that the action's schema marks `x-literal`, such as the text of an SQL query.
fn literal(sheet: &mut Sheet, at: &str, with: &Value, spec: &ActionSpec) {
    let schema = (spec.schema)();
    for (key, value) in with.as_object().into_iter().flatten() {
        let marked = schema["properties"][key]["x-literal"] == true;
        // A value is the team's own text, and not what somebody types.
        let typed = |paths: Vec<String>| paths.iter().any(|path| !path.starts_with("values."));
        if marked && template::paths(value).is_ok_and(typed) {
            sheet.value(&child(at, key), "literal", context! { name => key });
        }
    }
}

/// Secrets that the action refers to: known, and named by the file alone. Other fields may be called `secret` too, so
/// only what the action itself takes for one counts.
fn secrets(sheet: &mut Sheet, at: &str, pair: (&Value, &Value), named: &[String], fields: &Fields<'_>) {
    match pair {
        (Value::Object(written), Value::Object(filled)) => {
            for (key, (written, filled)) in written.iter().filter_map(|(key, w)| Some((key, (w, filled.get(key)?)))) {
                let place = child(at, key);
                let name = filled.as_str().filter(|name| key == "secret" && named.iter().any(|known| known == name));
                match name {
                    Some(_) if written != filled => sheet.value(&place, "literal", context! { name => key }),
                    Some(name) => {
                        let known = fields.ground.settings.secrets.iter().chain(fields.pack.secrets.keys());
                        let known: Vec<&str> = known.map(String::as_str).collect();
                        known_word(sheet, &place, name, &known, "secret");
                    }
                    None => secrets(sheet, &place, (written, filled), named, fields),
                }
            }
        }
        (Value::Array(written), Value::Array(filled)) => {
            for (index, pair) in written.iter().zip(filled).enumerate() {
                secrets(sheet, &child(at, index), pair, named, fields);
            }
        }
        _ => {}
    }
}

fn expectations(sheet: &mut Sheet, at: &str, list: &[Expect]) {
    for (index, expect) in list.iter().enumerate() {
        let place = child(at, index);
        plain(sheet, &child(&place, "fact"), &expect.fact);
        match expect.tests() {
            1 => {}
            count => sheet.value(&place, "one_test", context! { count }),
        }
        if let Some(pattern) = &expect.matches {
            regex(sheet, &child(&place, "matches"), pattern);
        }
        for (key, text) in [
            ("is", expect.is.as_ref().and_then(Value::as_str)),
            ("is_not", expect.is_not.as_ref().and_then(Value::as_str)),
            ("contains", expect.contains.as_deref()),
        ] {
            if text.is_some_and(|text| text.contains("{{")) {
                sheet.value(&child(&place, key), "not_filled", context! {});
            }
        }
    }
}
