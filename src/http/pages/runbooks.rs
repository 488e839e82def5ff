//! The runbooks that I may run, each with a form made from its parameters. A form becomes the line that I could have
//! typed, so that there is one way to ask for a runbook.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::{Redirect, Response};
use minijinja::context;
use minijinja::value::Serde;

use super::{frame, framed, path_of};
use crate::http::State;
use crate::http::access::Who;
use crate::http::api::{self, CommandView, Post};
use crate::http::body::Form;
use crate::http::fault::Fault;

pub(super) async fn list(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let mut packs: BTreeMap<String, Vec<CommandView>> = BTreeMap::new();
    for command in api::commands(&state, &who)? {
        packs.entry(command.pack.clone()).or_default().push(command);
    }
    Ok(framed(&state, "runbooks.html", frame, context! { packs => Serde(packs) }))
}

pub(super) async fn page(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path((pack, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let frame = frame(&state, &who).await?;
    let command = api::command(&state, &who, &format!("{pack}/{name}"))?;
    Ok(framed(&state, "runbook.html", frame, context! { command => Serde(command) }))
}

pub(super) async fn ask(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path((pack, name)): Path<(String, String)>,
    form: Form,
) -> Result<Redirect, Fault> {
    let command = api::command(&state, &who, &format!("{pack}/{name}"))?;
    let channel = api::channel_named(&state, form.get("channel"))?;
    let catalog = state.engine.catalog.load_full();
    let book = catalog.all().find(|book| book.full_name() == command.full_name).ok_or(Fault::Missing)?;
    let filled = |value: &&str| !value.trim().is_empty();
    let values = form.under("value.").filter(|(_, value)| filled(value));
    let args = values.map(|(name, value)| (name.to_owned(), value.trim().into())).collect();
    let line = book.command_line(&args, Some(form.get("env")).filter(filled));
    let plan = if form.get("do") == "plan" { "plan " } else { "" };
    let text = format!("/ops {plan}{line}");
    let key = Some(form.get("key").to_owned());
    api::accept_text(&state, &who, Post { channel: channel.clone(), thread: None, text, key }).await?;
    Ok(Redirect::to(&format!("{}#end", path_of(&channel))))
}
