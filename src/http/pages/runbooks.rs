//! The runbooks that I may run, each with a form made from its parameters. A form becomes the line that I could have
//! typed, so that there is one way to ask for a runbook.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::{Redirect, Response};
use minijinja::context;
use minijinja::value::Serde;

use super::{framed, path_of};
use crate::http::State;
use crate::http::access::Who;
use crate::http::api::{self, CommandView, Post};
use crate::http::body::Form;
use crate::http::fault::Fault;

pub(super) async fn list(Shared(state): Shared<Arc<State>>, who: Who) -> Result<Response, Fault> {
    let mut packs: BTreeMap<String, Vec<CommandView>> = BTreeMap::new();
    for command in api::commands(&state, &who)? {
        packs.entry(command.pack.clone()).or_default().push(command);
    }
    framed(&state, &who, "runbooks.html", context! { packs => Serde(packs) }).await
}

pub(super) async fn page(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path((pack, name)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let command = api::command(&state, &who, &format!("{pack}/{name}"))?;
    framed(&state, &who, "runbook.html", context! { command => Serde(command) }).await
}

pub(super) async fn ask(
    Shared(state): Shared<Arc<State>>,
    who: Who,
    Path((pack, name)): Path<(String, String)>,
    form: Form,
) -> Result<Redirect, Fault> {
    let command = api::command(&state, &who, &format!("{pack}/{name}"))?;
    let channel = api::channel_named(&state, form.get("channel"))?;
    let text = format!("/ops {}", line(&command.full_name, &form, form.get("do") == "plan")?);
    let key = Some(form.get("key").to_owned());
    api::accept_text(&state, &who, Post { channel: channel.clone(), thread: None, text, key }).await?;
    Ok(Redirect::to(&format!("{}#end", path_of(&channel))))
}

/// The line that asks for it, as in `shop/scale service=api replicas=3 env=prod`.
fn line(full_name: &str, form: &Form, only_plan: bool) -> Result<String, Fault> {
    let mut words = if only_plan { vec!["plan".to_owned()] } else { Vec::new() };
    words.push(full_name.to_owned());
    let values = form.under("value.").chain(Some(("env", form.get("env"))));
    for (name, value) in values.filter(|(_, value)| !value.trim().is_empty()) {
        let word = format!("{name}={}", value.trim());
        let quoted = shlex::try_quote(&word).map_err(|error| Fault::Malformed(error.to_string()))?;
        words.push(quoted.into_owned());
    }
    Ok(words.join(" "))
}
