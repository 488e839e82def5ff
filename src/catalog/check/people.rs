//! People: who may ask, who may agree, and whether anybody is left to do so.

use std::collections::BTreeMap;

use minijinja::context;
use serde_json::Value;

use super::params::ill_typed;
use super::variables::{self, Moment, Names};
use super::{Ground, known_word, words};
use crate::catalog::report::{Sheet, child};
use crate::catalog::written;
use crate::domain::actor::Actor;
use crate::domain::approval::{ApprovalRule, LONGEST_EXPIRY};
use crate::domain::nearest::nearest;
use crate::domain::policy::{Ask, approval_for, authorize};
use crate::domain::runbook::{Allow, Effect, ParamKind, Runbook, Step};
use crate::domain::template::Template;

/// Shortest life of an approval, in seconds: somebody has to read it.
const SHORTEST_EXPIRY: u64 = 10;

/// Checks who may ask.
pub fn allow(sheet: &mut Sheet, written: Vec<written::Allow>, book: &Runbook, ground: &Ground<'_>) -> Vec<Allow> {
    if written.is_empty() && book.schedule.is_empty() && book.alerts.is_empty() {
        sheet.key("/allow", "nobody_may_ask", context! {});
    }
    let rules = written.into_iter().enumerate();
    rules.map(|(index, rule)| allow_one(sheet, &child("/allow", index), rule, book, ground)).collect()
}

fn allow_one(sheet: &mut Sheet, at: &str, rule: written::Allow, book: &Runbook, ground: &Ground<'_>) -> Allow {
    if rule.roles.is_empty() {
        sheet.value(&child(at, "roles"), "empty", context! {});
    }
    roles(sheet, &child(at, "roles"), &rule.roles, ground);
    environments(sheet, at, &rule.environments, book);
    let every: Vec<&str> = ground.settings.channels.keys().map(String::as_str).collect();
    let own: Vec<&str> = book.channels.iter().map(String::as_str).collect();
    words(sheet, &child(at, "channels"), &rule.channels, if own.is_empty() { &every } else { &own }, "channel");
    let mut when = BTreeMap::new();
    let names: Vec<&str> = book.params.iter().map(|param| param.name.as_str()).collect();
    for (name, values) in rule.when {
        let place = child(&child(at, "when"), &name);
        match book.params.iter().find(|param| param.name == name).map(|param| &param.kind) {
            None => {
                let near = nearest(&name, names.iter().copied()).into_iter().next();
                sheet.key(&place, "argument", context! { name, near, known => names.join(", ") });
            }
            Some(ParamKind::From { step, .. }) => sheet.key(&place, "too_early", context! { name, step }),
            Some(kind) => {
                let mut accepted = Vec::new();
                for (index, value) in values.iter().enumerate() {
                    match kind.accept(value) {
                        Some(value) => accepted.push(value),
                        None => ill_typed(sheet, &child(&place, index), kind, value, &name),
                    }
                }
                when.insert(name, accepted);
            }
        }
    }
    Allow { roles: rule.roles, environments: rule.environments, channels: rule.channels, when }
}

/// Checks who must agree.
pub fn approval(
    sheet: &mut Sheet,
    written: Vec<written::Approval>,
    (book, names): (&Runbook, &Names),
    ground: &Ground<'_>,
) -> Vec<ApprovalRule> {
    let mut rules: Vec<ApprovalRule> = Vec::new();
    for (index, rule) in written.into_iter().enumerate() {
        let at = child("/approval", index);
        let all: &[String] = if rule.environments.is_empty() { &book.environments } else { &rule.environments };
        let taken = |env: &String| rules.iter().any(|before| before.environments.contains(env));
        let catch_all = rules.iter().any(|before| before.environments.is_empty());
        if catch_all || (!all.is_empty() && all.iter().all(taken)) {
            sheet.value(&at, "dead_rule", context! {});
        }
        environments(sheet, &at, &rule.environments, book);
        roles(sheet, &child(&at, "roles"), &rule.roles, ground);
        if rule.count == 0 {
            sheet.value(&child(&at, "count"), "out_of_range", context! { min => 1, max => () });
        }
        let without = ground.settings.approval_expires;
        let span = (SHORTEST_EXPIRY, LONGEST_EXPIRY);
        let expires = super::params::span_in(sheet, &child(&at, "expires"), rule.expires.as_deref(), without, span);
        let confirm = rule.confirm.map(|text| {
            variables::check(sheet, &child(&at, "confirm"), &Value::String(text.clone()), names, Moment::Start);
            Template(text)
        });
        rules.push(ApprovalRule {
            environments: rule.environments,
            count: rule.count,
            roles: rule.roles,
            expires,
            confirm,
        });
    }
    rules
}

fn environments(sheet: &mut Sheet, at: &str, list: &[String], book: &Runbook) {
    let own: Vec<&str> = book.environments.iter().map(String::as_str).collect();
    words(sheet, &child(at, "environments"), list, &own, "own_environment");
}

/// Those who may check a human step off: the roles that an `ask` names.
pub fn checkers(sheet: &mut Sheet, steps: &[Step], ground: &Ground<'_>) {
    for (position, step) in steps.iter().enumerate().filter(|(_, step)| step.action == "ask") {
        let named = step.with["roles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let named: Vec<String> = named.map(str::to_owned).collect();
        roles(sheet, &child(&child(&child("/steps", position), "with"), "roles"), &named, ground);
    }
}

/// Roles are known, and somebody holds at least one of them: a list that names roles for later, beside one that is
/// held, is a list that works.
fn roles(sheet: &mut Sheet, at: &str, list: &[String], ground: &Ground<'_>) {
    let known: Vec<&str> = ground.settings.roles.keys().map(String::as_str).collect();
    let held = |role: &String| ground.actors.iter().any(|actor| actor.roles.contains(role));
    let nobody = !list.iter().any(held);
    for (index, role) in list.iter().enumerate() {
        let place = child(at, index);
        if known_word(sheet, &place, role, &known, "role") && nobody {
            sheet.value(&place, "role_unheld", context! { name => role });
        }
    }
}

/// Every step that needs approval can get it: for somebody who may ask, enough others are there who may agree.
pub fn feasible(sheet: &mut Sheet, book: &Runbook, ground: &Ground<'_>) {
    let envs: Vec<Option<&str>> = match book.environments.as_slice() {
        [] => vec![None],
        envs => envs.iter().map(|env| Some(env.as_str())).collect(),
    };
    let Some((position, effect)) = gravest(book) else { return };
    for env in envs {
        let Some(rule) = approval_for(book, effect, env, &ground.settings.approval_defaults(env)) else { continue };
        let holders: Vec<&Actor> = ground.actors.iter().filter(|actor| actor.holds_any(&rule.roles)).collect();
        let count = rule.count as usize;
        let enough = |asker: Option<&Actor>| {
            holders.iter().filter(|holder| asker.is_none_or(|asker| asker.id != holder.id)).count() >= count
        };
        let ask = |actor| Ask { actor, runbook: book, args: None, env, channel: None };
        let askers: Vec<&Actor> = ground.actors.iter().filter(|actor| authorize(ask(actor)).is_ok()).collect();
        let possible = if askers.is_empty() { enough(None) } else { askers.iter().any(|asker| enough(Some(asker))) };
        if !possible {
            let at = place(book, env, position);
            let who: Vec<&str> = holders.iter().map(|holder| holder.id.as_str()).collect();
            let (roles, who) = (rule.roles.join(", "), who.join(", "));
            let step = &book.steps[position].id;
            sheet.key(&at, "no_approver", context! { step, env, count, roles, who, effect => effect.as_str() });
        }
    }
}

/// The first of the steps that may do most; none when all of them only read.
fn gravest(book: &Runbook) -> Option<(usize, Effect)> {
    let effect = book.steps.iter().map(|step| step.effect).max().filter(|effect| *effect > Effect::Read)?;
    book.steps.iter().position(|step| step.effect == effect).map(|position| (position, effect))
}

/// The approval rule that counts, or else the step that needs it.
fn place(book: &Runbook, env: Option<&str>, position: usize) -> String {
    let counts = |rule: &ApprovalRule| {
        rule.environments.is_empty() || env.is_some_and(|env| rule.environments.iter().any(|known| known == env))
    };
    match book.approval.iter().position(counts) {
        Some(rule) => child("/approval", rule),
        None => child(&child("/steps", position), "id"),
    }
}
