//! Arguments become typed values, defaults and the environment are filled in, and what is missing or wrong is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{Accepts, Request, Scene, Unclear};
use crate::domain::accept::whole;
use crate::domain::expect::show;
use crate::domain::runbook::{Args, Param, ParamKind, Runbook};

/// What was given, by name.
#[derive(Default)]
pub struct Typed {
    /// Arguments, not yet checked; every name is a parameter's.
    pub values: BTreeMap<String, Value>,
    /// The environment, not yet checked.
    pub env: Option<String>,
}

/// Checks what was given, and adds defaults and the environment.
pub fn settle(book: &Arc<Runbook>, typed: Typed, scene: Scene<'_>) -> Result<Request, Unclear> {
    let env = match typed.env {
        Some(env) => Some(known_env(book, env)?),
        None => usual_env(book, scene),
    };
    let mut args = Args::new();
    let mut missing = Vec::new();
    for param in &book.params {
        match (typed.values.get(&param.name), &param.default, &param.kind) {
            (Some(value), ..) => {
                args.insert(param.name.clone(), accept(book, param, value)?);
            }
            (None, Some(default), _) => {
                args.insert(param.name.clone(), accept(book, param, default)?);
            }
            // Asked for when the step that finds the choices has run.
            (None, None, ParamKind::From { .. }) => {}
            (None, None, _) => missing.push(param.clone()),
        }
    }
    let env_missing = env.is_none() && !book.environments.is_empty();
    if missing.is_empty() && !env_missing {
        return Ok(Request { book: Arc::clone(book), args, env });
    }
    Err(Unclear::Missing { book: Arc::clone(book), given: args, env, missing, env_missing })
}

fn known_env(book: &Arc<Runbook>, env: String) -> Result<String, Unclear> {
    if book.environments.contains(&env) {
        return Ok(env);
    }
    let accepts = Accepts::OneOf(book.environments.clone());
    Err(Unclear::Wrong { book: Arc::clone(book), name: "env".to_owned(), got: env, accepts })
}

/// The channel's environment if the runbook has it, or the runbook's only one.
fn usual_env(book: &Runbook, scene: Scene<'_>) -> Option<String> {
    let channel = scene.channel.and_then(|channel| scene.settings.channels.get(channel));
    let here = channel.and_then(|channel| channel.environment.as_ref());
    here.filter(|env| book.environments.contains(env)).cloned().or_else(|| match book.environments.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    })
}

fn accept(book: &Arc<Runbook>, param: &Param, value: &Value) -> Result<Value, Unclear> {
    typed(&param.kind, value).ok_or_else(|| Unclear::Wrong {
        book: Arc::clone(book),
        name: param.name.clone(),
        got: show(value),
        accepts: Accepts::of(&param.kind),
    })
}

/// The value as steps get it. A bare number is a span's seconds, as a run's own command line shows it; a file is there.
fn typed(kind: &ParamKind, value: &Value) -> Option<Value> {
    let bare = |value: &Value| value.as_str()?.parse::<u64>().ok();
    match kind {
        ParamKind::Duration { .. } => match bare(value) {
            Some(seconds) => kind.accept(&seconds.into()),
            None => kind.accept(value),
        },
        ParamKind::File { dir, .. } => kind.accept(value).filter(|name| is_in(Path::new(dir), &show(name))),
        _ => kind.accept(value),
    }
}

/// Whether it is a file of this directory, also seen through links: none leads out.
fn is_in(dir: &Path, name: &str) -> bool {
    let (Ok(dir), Ok(file)) = (dir.canonicalize(), dir.join(name).canonicalize()) else { return false };
    file.starts_with(dir) && file.is_file()
}

impl Accepts {
    /// What a parameter of this kind accepts.
    #[must_use]
    pub fn of(kind: &ParamKind) -> Self {
        match kind {
            ParamKind::Text { pattern: Some(pattern), .. } => Self::Pattern(pattern.clone()),
            ParamKind::Text { pattern: None, max } => Self::Text(*max),
            ParamKind::Integer { min, max } => Self::Integer(*min, *max),
            ParamKind::Choice(words) => Self::OneOf(words.clone()),
            ParamKind::Duration { min, max } => Self::Duration(*min, *max),
            ParamKind::File { dir, .. } => Self::FileIn(dir.clone()),
            ParamKind::From { .. } => Self::Text(1_000),
        }
    }
}

/// The files that a file parameter accepts now, by name; none if its directory cannot be read.
#[must_use]
pub fn files(dir: &str, pattern: Option<&str>) -> Vec<String> {
    let pattern = pattern.map(whole).and_then(Result::ok);
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with(['.', '-']) && is_in(Path::new(dir), name))
        .filter(|name| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name)))
        .collect();
    names.sort_unstable();
    names
}
