//! How steps hang together: jumps go forward to steps that exist, every step can be reached, and what a step uses of
//! another one cannot have been skipped.

use minijinja::context;

use super::steps::END;
use crate::catalog::report::{Sheet, child};
use crate::domain::nearest::nearest;
use crate::domain::runbook::{Effect, OnFail, Param, ParamKind, Step};
use crate::domain::template;

/// Checks jumps, reachability and what steps use of each other.
pub fn check(sheet: &mut Sheet, steps: &[Step], params: &[Param]) {
    for (position, step) in steps.iter().enumerate() {
        let at = child("/steps", position);
        for (index, branch) in step.branches.iter().enumerate() {
            let place = child(&child(&at, "branches"), index);
            goto(sheet, &child(&place, "goto"), &branch.goto, position, steps);
            if step.branches[..index].iter().any(|before| before.when.is_empty()) {
                sheet.value(&place, "dead_branch", context! {});
            }
        }
        if let OnFail::Goto(id) = &step.on_fail {
            goto(sheet, &child(&child(&at, "on_fail"), "goto"), id, position, steps);
        }
    }
    let reached = reachable(steps, None);
    for (position, step) in steps.iter().enumerate() {
        if !reached[position] {
            sheet.value(&child(&child("/steps", position), "id"), "unreachable", context! { name => &step.id });
        } else {
            uses(sheet, steps, params, position);
        }
    }
    for (index, param) in params.iter().enumerate() {
        let ParamKind::From { step, .. } = &param.kind else { continue };
        let reads = steps.iter().find(|known| known.id == *step).is_none_or(|known| known.effect == Effect::Read);
        if !reads {
            sheet.value(&child(&child("/params", index), "step"), "from_step", context! { name => step });
        }
    }
}

fn goto(sheet: &mut Sheet, at: &str, id: &str, from: usize, steps: &[Step]) {
    if id == END {
        return;
    }
    match steps.iter().position(|step| step.id == id) {
        Some(position) if position > from => {}
        Some(_) => sheet.value(at, "backwards", context! { name => id }),
        None => {
            let later = steps.iter().skip(from + 1).map(|step| step.id.as_str()).chain([END]);
            let near = nearest(id, later.clone()).into_iter().next();
            sheet.value(at, "step", context! { name => id, near, known => later.collect::<Vec<_>>().join(", ") });
        }
    }
}

/// Which steps can be reached from the first one, as if one of them were not there.
fn reachable(steps: &[Step], without: Option<usize>) -> Vec<bool> {
    let mut reached = vec![false; steps.len()];
    let mut todo = vec![0];
    while let Some(position) = todo.pop() {
        if position >= steps.len() || reached[position] || Some(position) == without {
            continue;
        }
        reached[position] = true;
        let step = &steps[position];
        let ahead = |id: &str| steps.iter().position(|step| step.id == id).filter(|found| *found > position);
        todo.extend(step.branches.iter().filter_map(|branch| ahead(&branch.goto)));
        if let OnFail::Goto(id) = &step.on_fail {
            todo.extend(ahead(id));
        }
        // A branch without a condition is always taken, so nothing falls through to the next step.
        if !step.branches.iter().any(|branch| branch.when.is_empty()) {
            todo.push(position + 1);
        }
    }
    reached
}

/// What a step uses of earlier steps is there on every way that leads to it.
fn uses(sheet: &mut Sheet, steps: &[Step], params: &[Param], position: usize) {
    for path in template::paths(&steps[position].with).unwrap_or_default() {
        let from = params.iter().find(|param| param.name == path).and_then(|param| match &param.kind {
            ParamKind::From { step, .. } => Some(step.as_str()),
            _ => None,
        });
        let Some(id) = from.or_else(|| path.strip_prefix("steps.")?.split('.').next()) else { continue };
        let Some(used) = steps.iter().position(|step| step.id == id).filter(|used| *used < position) else { continue };
        if reachable(steps, Some(used))[position] {
            let at = child(&child("/steps", position), "with");
            sheet.key(&at, "may_be_skipped", context! { name => &path, step => id });
        }
    }
}
