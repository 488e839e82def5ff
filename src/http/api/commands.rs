//! The runbooks that a person may run, with what a form needs to ask for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::actor::Actor;
use crate::domain::expect;
use crate::domain::policy::{self, Ask};
use crate::domain::runbook::{Param, ParamKind, Runbook};
use crate::http::State;
use crate::http::access::Who;
use crate::http::fault::Fault;

/// A parameter.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Param")]
pub(in crate::http) struct ParamView {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `choice`, `duration`, `file`, or `from` when it is asked for later.
    pub kind: &'static str,
    /// One line of help.
    pub about: Option<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Taken when nothing is given.
    pub default: Option<String>,
    /// What may be chosen; empty means it is typed.
    pub choices: Vec<String>,
    /// Least number.
    pub min: Option<i64>,
    /// Greatest number.
    pub max: Option<i64>,
    /// Regular expression over the whole text.
    pub pattern: Option<String>,
    /// Longest text.
    pub longest: Option<usize>,
}

impl From<&Param> for ParamView {
    fn from(param: &Param) -> Self {
        let mut view = Self {
            name: param.name.clone(),
            kind: "text",
            about: param.about.clone(),
            required: param.default.is_none(),
            default: param.default.as_ref().map(expect::show),
            choices: Vec::new(),
            min: None,
            max: None,
            pattern: None,
            longest: None,
        };
        match &param.kind {
            ParamKind::Text { pattern, max } => (view.pattern, view.longest) = (pattern.clone(), Some(*max)),
            ParamKind::Integer { min, max } => (view.kind, view.min, view.max) = ("integer", Some(*min), Some(*max)),
            ParamKind::Choice(words) => (view.kind, view.choices) = ("choice", words.clone()),
            ParamKind::Duration { .. } => view.kind = "duration",
            ParamKind::File { pattern, .. } => (view.kind, view.pattern) = ("file", pattern.clone()),
            ParamKind::From { .. } => (view.kind, view.required) = ("from", false),
        }
        view
    }
}

/// A runbook.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Command")]
pub(in crate::http) struct CommandView {
    /// `pack/name`.
    pub full_name: String,
    /// The pack.
    pub pack: String,
    /// The word people type.
    pub name: String,
    /// Other words for it.
    pub aliases: Vec<String>,
    /// One line.
    pub summary: String,
    /// Prose.
    pub about: Option<String>,
    /// Whether it changes anything.
    pub changes: bool,
    /// Environments in which I may run it; empty when it has none.
    pub environments: Vec<String>,
    /// Channels in which I may ask for it.
    pub channels: Vec<String>,
    /// What it takes.
    pub params: Vec<ParamView>,
    /// What it does, in order.
    pub steps: Vec<String>,
}

/// The runbook as this person may run it; none if they may not, anywhere.
fn view(book: &Runbook, actor: &Actor, channels: &[&String]) -> Option<CommandView> {
    let may = |env: Option<&str>, channel: Option<&str>| {
        policy::authorize(Ask { actor, runbook: book, args: None, env, channel }).is_ok()
    };
    let environments: Vec<_> = book.environments.iter().filter(|env| may(Some(env.as_str()), None)).cloned().collect();
    let fits = |channel: &&&String| match environments.as_slice() {
        [] => may(None, Some(channel.as_str())),
        some => some.iter().any(|env| may(Some(env.as_str()), Some(channel.as_str()))),
    };
    let channels: Vec<_> = channels.iter().filter(fits).map(ToString::to_string).collect();
    if channels.is_empty() || (environments.is_empty() && !book.environments.is_empty()) {
        return None;
    }
    Some(CommandView {
        full_name: book.full_name(),
        pack: book.pack.clone(),
        name: book.name.clone(),
        aliases: book.aliases.clone(),
        summary: book.summary.clone(),
        about: book.about.clone(),
        changes: book.changes(),
        environments,
        channels,
        params: book.params.iter().map(Into::into).collect(),
        steps: book.steps.iter().map(|step| step.title.clone()).collect(),
    })
}

/// Every runbook that this person may run, by name.
pub(in crate::http) fn commands(state: &State, who: &Who) -> Result<Vec<CommandView>, Fault> {
    let actor = who.actor(state)?;
    let settings = state.engine.settings.load();
    let channels: Vec<_> = settings.channels.keys().collect();
    Ok(state.engine.catalog.load().all().filter_map(|book| view(book, &actor, &channels)).collect())
}

/// One of them.
pub(in crate::http) fn command(state: &State, who: &Who, full_name: &str) -> Result<CommandView, Fault> {
    commands(state, who)?.into_iter().find(|command| command.full_name == full_name).ok_or(Fault::Missing)
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Json<Vec<CommandView>>, Fault> {
    commands(&state, &who).map(Json)
}
