//! What one file says of others: names that are taken, runbooks that are proposed or run by a step.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::context;
use serde_json::Value;

use crate::catalog::report::{Sheet, child};
use crate::domain::nearest::nearest;
use crate::domain::runbook::{ParamKind, Runbook};

/// A file after it was looked at by itself.
pub struct Draft {
    /// Its text and problems.
    pub sheet: Sheet,
    /// Its folder.
    pub pack: String,
    /// Its file name without the ending: what it is taken to be called when it cannot be read.
    pub stem: String,
    /// What it means, as far as that can be told.
    pub book: Option<Runbook>,
}

/// What is known of all files: none for one that could not be read.
type Known = BTreeMap<String, Option<Runbook>>;

/// Checks names across files, and spells them out: after this, every name of a runbook in a runbook is a full one.
pub fn links(drafts: &mut [Draft]) {
    let mut known = Known::new();
    for draft in drafts.iter_mut() {
        let name = draft.book.as_ref().map_or_else(|| format!("{}/{}", draft.pack, draft.stem), Runbook::full_name);
        match known.get(&name) {
            Some(Some(first)) if draft.book.is_some() => {
                let file = first.file.clone();
                draft.sheet.value("/name", "name_taken", context! { name, file });
            }
            _ => drop(known.insert(name, draft.book.clone())),
        }
    }
    aliases(drafts, &known);
    for draft in drafts.iter_mut() {
        let Some(book) = &mut draft.book else { continue };
        for index in 0..book.next.len() {
            if let Some(name) =
                resolve(&mut draft.sheet, &child("/next", index), &book.next[index], &draft.pack, &known)
            {
                book.next[index] = name;
            }
        }
        for position in 0..book.steps.len() {
            run_step(&mut draft.sheet, book, position, &known);
        }
    }
    let calls: BTreeMap<String, Vec<String>> =
        drafts.iter().filter_map(|draft| draft.book.as_ref()).map(|book| (book.full_name(), called(book))).collect();
    for draft in drafts.iter_mut() {
        let Some(book) = &draft.book else { continue };
        let own = book.full_name();
        for (position, name) in runs(book) {
            if leads_to(&name, &own, &calls) {
                let at = child(&child(&child("/steps", position), "with"), "runbook");
                draft.sheet.value(&at, "circle", context! { name, own => &own });
            }
        }
    }
}

/// An alias is no other word of its pack: neither a name nor another alias.
fn aliases(drafts: &mut [Draft], known: &Known) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for draft in drafts.iter_mut() {
        let Some(book) = &draft.book else { continue };
        for (index, alias) in book.aliases.iter().enumerate() {
            let name = format!("{}/{alias}", book.pack);
            let named = known.get(&name).map(|other| other.as_ref().map_or("", |other| &other.file).to_owned());
            if let Some(file) = named.or_else(|| taken.get(&name).cloned()) {
                draft.sheet.value(&child("/aliases", index), "alias_taken", context! { name, file });
            } else {
                taken.insert(name, book.file.clone());
            }
        }
    }
}

/// The full name that a name means in a pack; reported when there is none.
fn resolve(sheet: &mut Sheet, at: &str, name: &str, pack: &str, known: &Known) -> Option<String> {
    let full = if name.contains('/') { name.to_owned() } else { format!("{pack}/{name}") };
    if known.contains_key(&full) {
        return Some(full);
    }
    let here = known.keys().filter_map(|known| known.strip_prefix(pack)?.strip_prefix('/'));
    let elsewhere = known.keys().find(|known| known.rsplit('/').next() == Some(name)).cloned();
    let near = elsewhere.or_else(|| nearest(name, here.clone()).into_iter().next());
    let near = near.or_else(|| nearest(name, known.keys().map(String::as_str)).into_iter().next());
    sheet.value(at, "runbook", context! { name, near, known => here.collect::<Vec<_>>().join(", ") });
    None
}

/// The steps that run another runbook, and which.
fn runs(book: &Runbook) -> impl Iterator<Item = (usize, String)> {
    let steps = book.steps.iter().enumerate().filter(|(_, step)| step.action == "run");
    steps.filter_map(|(position, step)| Some((position, step.with["runbook"].as_str()?.to_owned())))
}

fn called(book: &Runbook) -> Vec<String> {
    runs(book).map(|(_, name)| name).collect()
}

fn leads_to(from: &str, to: &str, calls: &BTreeMap<String, Vec<String>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(name) = todo.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            todo.extend(calls.get(name).into_iter().flatten().map(String::as_str));
        }
    }
    false
}

/// A step that runs another runbook: it exists, fits the environments, and gets its arguments.
fn run_step(sheet: &mut Sheet, book: &mut Runbook, position: usize, known: &Known) {
    if book.steps[position].action != "run" {
        return;
    }
    let with_at = child(&child("/steps", position), "with");
    let at = child(&with_at, "runbook");
    let Some(name) = book.steps[position].with["runbook"].as_str().map(str::to_owned) else { return };
    if name.contains("{{") {
        return sheet.value(&at, "literal", context! { name => "runbook" });
    }
    let Some(full) = resolve(sheet, &at, &name, &book.pack, known) else { return };
    book.steps[position].with["runbook"] = Value::String(full.clone());
    let Some(Some(target)) = known.get(&full) else { return };
    for env in
        book.environments.iter().filter(|env| !target.environments.is_empty() && !target.environments.contains(env))
    {
        sheet.value(&at, "run_environment", context! { name => &full, env });
    }
    if book.environments.is_empty() && !target.environments.is_empty() {
        sheet.value(&at, "run_environment", context! { name => &full, env => "" });
    }
    let given = &book.steps[position].with["args"];
    let names: Vec<&str> = target.params.iter().map(|param| param.name.as_str()).collect();
    for (name, _) in given.as_object().into_iter().flatten().filter(|(name, _)| !names.contains(&name.as_str())) {
        let near = nearest(name, names.iter().copied()).into_iter().next();
        let place = child(&child(&with_at, "args"), name);
        sheet.key(&place, "argument", context! { name, near, known => names.join(", ") });
    }
    let needed = |kind: &ParamKind| !matches!(kind, ParamKind::From { .. });
    for param in target.params.iter().filter(|param| param.default.is_none() && needed(&param.kind)) {
        if given.get(&param.name).is_none() {
            sheet.value(&at, "argument_missing", context! { name => &param.name });
        }
    }
}
