//! Values of the right type for placeholders, so that an action's fields can be read before anybody has typed
//! anything.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

use crate::domain::pack::Values;
use crate::domain::runbook::{Param, ParamKind};
use crate::domain::template;

/// What a step's finding may turn out to be; nobody knows before it has run.
const FINDINGS: &[fn() -> Value] = &[|| json!("1"), || json!(1), || json!(true), || json!(LARGE)];
/// An amount as engines tell it: bytes of memory, of which 1 would be too few.
const LARGE: u64 = 1 << 30;

/// Fills a value's placeholders with samples: once for each kind of thing that findings may be, or once when it uses
/// none. Placeholders that cannot be filled leave nothing.
#[must_use]
pub fn fillings(with: &Value, params: &[Param], values: &Values, env: Option<&String>) -> Vec<Value> {
    let paths = template::paths(with).unwrap_or_default();
    let open = paths.iter().any(|path| path.starts_with("steps."));
    let tries = if open { FINDINGS } else { &FINDINGS[..1] };
    tries
        .iter()
        .filter_map(|finding| template::fill(with, &scope(&paths, (params, values), env, &finding())).ok())
        .collect()
}

fn scope(paths: &[String], (params, values): (&[Param], &Values), env: Option<&String>, finding: &Value) -> Value {
    let mut scope = Map::new();
    for param in params {
        scope.insert(param.name.clone(), param.default.clone().unwrap_or_else(|| sample(&param.kind)));
    }
    scope.insert("values".to_owned(), Value::Object(values.clone()));
    scope.insert("env".to_owned(), env.map_or(Value::Null, |env| json!(env)));
    scope.insert("run".to_owned(), json!({"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "by": "ana"}));
    for path in paths.iter().filter(|path| path.starts_with("steps.")) {
        plant(&mut scope, &path.split('.').collect::<Vec<_>>(), finding);
    }
    Value::Object(scope)
}

/// Puts a value at the end of a path. A path that goes on below another one wins.
fn plant(fields: &mut Map<String, Value>, path: &[&str], value: &Value) {
    let [key, rest @ ..] = path else { return };
    if rest.is_empty() {
        fields.entry(*key).or_insert_with(|| value.clone());
        return;
    }
    let below = fields.entry(*key).or_insert(Value::Null);
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Value::Object(below) = below {
        plant(below, rest, value);
    }
}

fn sample(kind: &ParamKind) -> Value {
    match kind {
        ParamKind::Text { pattern, .. } => json!(matching(pattern.as_deref(), "sample")),
        ParamKind::Integer { min, max } => json!(1.clamp(*min, (*max).max(*min))),
        ParamKind::Choice(words) => json!(words.first()),
        ParamKind::Duration { min, max } => json!(60.clamp(*min, (*max).max(*min))),
        ParamKind::File { pattern, .. } => json!(matching(pattern.as_deref(), "file")),
        ParamKind::From { .. } => json!("1"),
    }
}

/// A text that matches a pattern.
fn matching(pattern: Option<&str>, without: &str) -> String {
    let Some(hir) = pattern.and_then(|pattern| regex_syntax::parse(pattern).ok()) else { return without.to_owned() };
    let mut out = String::new();
    spell(&hir, &mut out);
    out
}

fn spell(hir: &Hir, out: &mut String) {
    match hir.kind() {
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(Class::Unicode(class)) => {
            let usual = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
            let first = class.ranges().first().map(|range| range.start());
            out.extend(['a', 'A', '1'].into_iter().find(|c| usual(*c)).or(first));
        }
        HirKind::Class(Class::Bytes(class)) => {
            out.extend(class.ranges().first().map(|range| char::from(range.start())));
        }
        HirKind::Repetition(repetition) => {
            // Once where it may be: an empty sample is no good example of anything.
            let times = repetition.min.max(u32::from(repetition.max != Some(0))).min(100);
            (0..times).for_each(|_| spell(&repetition.sub, out));
        }
        HirKind::Capture(capture) => spell(&capture.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| spell(part, out)),
        HirKind::Alternation(parts) => parts.iter().take(1).for_each(|part| spell(part, out)),
        HirKind::Empty | HirKind::Look(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_matches_its_own_pattern() {
        for pattern in
            ["[a-z][a-z0-9-]*", "[0-9]{1,5}", r".*\.dump", "(blue|green)-[0-9]+", "v[0-9]+(\\.[0-9]+){2}", "^x$"]
        {
            let text = matching(Some(pattern), "");
            assert!(crate::domain::accept::whole(pattern).unwrap().is_match(&text), "{pattern}: {text}");
        }
    }

    #[test]
    fn findings_are_tried_as_text_number_truth_and_amount() {
        let with = json!({"n": "{{ steps.look.rows.0.id }}", "t": "{{ steps.look.rows }}"});
        let filled = fillings(&with, &[], &Values::new(), None);
        assert_eq!(
            filled.iter().map(|with| with["n"].clone()).collect::<Vec<_>>(),
            [json!("1"), json!(1), json!(true), json!(LARGE)]
        );
        assert_eq!(fillings(&json!({"a": 1}), &[], &Values::new(), None), [json!({"a": 1})]);
    }
}
