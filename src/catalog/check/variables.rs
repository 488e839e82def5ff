//! Placeholders: every name in them is known, and has a value by the time it is used.

use minijinja::context;
use serde_json::Value;

use crate::catalog::report::{Sheet, child};
use crate::catalog::written::Written;
use crate::domain::nearest::nearest;
use crate::domain::pack::Values;
use crate::domain::runbook::{Param, ParamKind};
use crate::domain::template;

/// When a placeholder is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the first step.
    Start,
    /// When the step at this position starts.
    Step(usize),
    /// When the step at this position is undone: it has run.
    Undo(usize),
}

/// What placeholders may name.
pub struct Names {
    /// Parameters; those that a step's findings are chosen for with that step's position.
    params: Vec<(String, Option<usize>)>,
    /// Steps, in order.
    steps: Vec<String>,
    /// Whether there is an environment.
    env: bool,
    /// The pack's values.
    values: Vec<String>,
}

impl Names {
    /// What this runbook's placeholders may name.
    pub fn new(written: &Written, params: &[Param], values: &Values) -> Self {
        let steps: Vec<String> = written.steps.iter().map(|step| step.id.clone()).collect();
        let known = |param: &Param| match &param.kind {
            ParamKind::From { step, .. } => Some(steps.iter().position(|id| id == step).unwrap_or(0)),
            _ => None,
        };
        let params = params.iter().map(|param| (param.name.clone(), known(param))).collect();
        Self { params, steps, env: !written.environments.is_empty(), values: values.keys().cloned().collect() }
    }

    /// Every name, for hints.
    fn all(&self, moment: Moment) -> Vec<String> {
        let mut all: Vec<String> = self.params.iter().map(|(name, _)| name.clone()).collect();
        all.extend(self.env.then(|| "env".to_owned()));
        all.extend(self.values.iter().map(|name| format!("values.{name}")));
        all.extend(["run.id".to_owned(), "run.by".to_owned()]);
        all.extend(self.steps.iter().take(before(moment)).map(|id| format!("steps.{id}.…")));
        all
    }
}

/// How many steps have run by then.
fn before(moment: Moment) -> usize {
    match moment {
        Moment::Start => 0,
        Moment::Step(position) => position,
        Moment::Undo(position) => position + 1,
    }
}

/// Checks every placeholder in a value; true when all of them can be filled.
pub fn check(sheet: &mut Sheet, at: &str, value: &Value, names: &Names, moment: Moment) -> bool {
    match value {
        Value::String(text) => check_text(sheet, at, text, names, moment),
        // Counted, not searched: every placeholder is looked at, also after a bad one.
        Value::Array(items) => {
            let bad = |(index, item)| !check(sheet, &child(at, index), item, names, moment);
            items.iter().enumerate().map(bad).filter(|bad| *bad).count() == 0
        }
        Value::Object(fields) => {
            let bad = |(key, field)| !check(sheet, &child(at, key), field, names, moment);
            fields.iter().map(bad).filter(|bad| *bad).count() == 0
        }
        _ => true,
    }
}

fn check_text(sheet: &mut Sheet, at: &str, text: &str, names: &Names, moment: Moment) -> bool {
    let parts = match template::parts(text) {
        Ok(parts) => parts,
        Err(error) => {
            sheet.value(at, "placeholder", context! { detail => sheet.tell(&error.said()) });
            return false;
        }
    };
    let paths = parts.iter().filter_map(|part| match part {
        template::Part::Path(path) => Some(*path),
        template::Part::Text(_) => None,
    });
    paths.filter(|path| !check_path(sheet, at, path, names, moment)).count() == 0
}

fn check_path(sheet: &mut Sheet, at: &str, path: &str, names: &Names, moment: Moment) -> bool {
    let too_early = |sheet: &mut Sheet, step: &str| {
        sheet.value(at, "too_early", context! { name => path, step });
        false
    };
    if let Some((_, known_after)) = names.params.iter().find(|(name, _)| name == path) {
        return match known_after {
            Some(step) if before(moment) <= *step => too_early(sheet, names.steps.get(*step).map_or("", |id| id)),
            _ => true,
        };
    }
    let known = match path.split('.').collect::<Vec<_>>().as_slice() {
        ["env"] => names.env,
        ["run", "id" | "by"] => true,
        ["values", name] => names.values.iter().any(|known| known == name),
        ["steps", id, fact, ..] => match names.steps.iter().position(|known| known == id) {
            Some(position) if position < before(moment) => !fact.is_empty(),
            Some(_) => return too_early(sheet, id),
            None => false,
        },
        _ => false,
    };
    if !known {
        let all = names.all(moment);
        let candidates: Vec<String> = all.iter().map(|name| name.trim_end_matches(".…").to_owned()).collect();
        let head = path.split('.').take(2).collect::<Vec<_>>().join(".");
        let near = nearest(&head, candidates.iter().map(String::as_str)).into_iter().next();
        let no_env = path == "env";
        sheet.value(at, "unknown_variable", context! { name => path, near, no_env, known => all.join(", ") });
    }
    known
}
