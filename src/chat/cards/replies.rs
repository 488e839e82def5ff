//! Short answers: help, refusals, plans, lists. Mostly whispers to the one who asked.

use std::sync::Arc;

use minijinja::context;

use super::run::proposal;
use super::{Desk, one_field, span};
use crate::chat::card::{Button, Card, Form, Input, Press, Table, Tone};
use crate::domain::approval::{ApprovalState, Objection};
use crate::domain::digest;
use crate::domain::plan::{PlannedStep, digest_of};
use crate::domain::policy::Denied;
use crate::domain::run::Run;
use crate::domain::runbook::{Args, Invocation, Param, ParamKind, Runbook};

/// A person's own line, as a message.
#[must_use]
pub fn said(text: &str) -> Card {
    Card { title: text.to_owned(), state: "said".to_owned(), ..Card::default() }
}

/// One sentence of area `card`.
#[must_use]
pub fn line(desk: Desk<'_>, key: &str, values: minijinja::Value) -> Card {
    Card { title: desk.say(key, values), state: key.to_owned(), ..Card::default() }
}

/// A line that is no command, with what would help.
#[must_use]
pub fn unclear(title: String, choices: &[Invocation]) -> Card {
    let buttons = choices.iter().take(3).enumerate().map(|(index, next)| proposal(index, next)).collect();
    Card { title, tone: Tone::Warning, state: "unclear".to_owned(), buttons, ..Card::default() }
}

/// Why somebody may not, and who could help.
#[must_use]
pub fn denied(desk: Desk<'_>, command: &str, denied: &Denied, helpers: &[String]) -> Card {
    let reason = match denied {
        Denied::NoRule => desk.get("denied_no_rule"),
        Denied::Environment(envs) => desk.say("denied_environment", context! { list => envs.join(", ") }),
        Denied::Channel(channels) => desk.say("denied_channel", context! { list => channels.join(", ") }),
        Denied::Role(roles) => desk.say("denied_role", context! { list => roles.join(", ") }),
        Denied::Argument(name) => desk.say("denied_argument", context! { name => name.clone() }),
    };
    let mut card = Card {
        title: desk.say("denied", context! { command }),
        tone: Tone::Warning,
        state: "denied".to_owned(),
        body: vec![reason],
        ..Card::default()
    };
    if !helpers.is_empty() {
        let who = desk.names(helpers.iter().map(String::as_str));
        card.body.push(desk.say("denied_ask", context! { who }));
    }
    card
}

/// Why a click on an approval did not count.
#[must_use]
pub fn objection(desk: Desk<'_>, objection: &Objection, decided: &str) -> Card {
    let title = match objection {
        Objection::Requester => desk.get("objection_requester"),
        Objection::Role(roles) => desk.say("objection_role", context! { list => roles.join(", ") }),
        Objection::Expired(at) => desk.say("objection_expired", context! { at => desk.clock(*at) }),
        Objection::Closed(ApprovalState::Expired) => desk.get("objection_expired_state"),
        Objection::Closed(state) => desk.say(&format!("objection_{state}"), context! { decided }),
        Objection::Voted => desk.get("objection_voted"),
        Objection::Unconfirmed(wanted) => desk.say("objection_unconfirmed", context! { wanted }),
    };
    Card { title, tone: Tone::Warning, state: "not_counted".to_owned(), ..Card::default() }
}

/// Asks for what is missing, by a form made from the parameters.
#[must_use]
pub fn missing(
    desk: Desk<'_>,
    (book, sentence): (&Runbook, String),
    invocation: Invocation,
    missing: &[Param],
    environments: Option<&[String]>,
) -> Card {
    let form = form(desk, book, missing, (&invocation.args, None), environments.unwrap_or_default());
    Card {
        title: sentence,
        tone: Tone::Ask,
        state: "missing".to_owned(),
        buttons: vec![Button { asks: Some(form), ..desk.button("fill", Press::Ask(invocation)) }],
        ..Card::default()
    }
}

/// The form for a runbook's parameters, with what is given filled in; it asks for an environment where there are any.
#[must_use]
pub fn form(
    desk: Desk<'_>,
    book: &Runbook,
    params: &[Param],
    (args, env): (&Args, Option<&str>),
    environments: &[String],
) -> Form {
    let asked = params.iter().filter(|param| !matches!(param.kind, ParamKind::From { .. }));
    let mut inputs: Vec<Input> = asked.map(|param| input(desk, param, args)).collect();
    if !environments.is_empty() {
        inputs.push(Input {
            name: "env".to_owned(),
            label: desk.get("field_environment"),
            choices: environments.to_vec(),
            value: env.map(str::to_owned),
            ..Input::default()
        });
    }
    Form { title: book.summary.clone(), inputs }
}

/// What waits for a person's word, of which some may have no room.
#[must_use]
pub fn waiting(desk: Desk<'_>, count: usize, left_out: usize) -> Card {
    let key = if count == 0 { "no_approvals" } else { "approvals_waiting" };
    Card {
        title: desk.say(key, context! { count, left_out }),
        tone: if count == 0 { Tone::Good } else { Tone::Ask },
        state: "approvals".to_owned(),
        ..Card::default()
    }
}

/// A form's field for a parameter.
fn input(desk: Desk<'_>, param: &Param, given: &Args) -> Input {
    let choices = match &param.kind {
        ParamKind::Choice(choices) => choices.clone(),
        _ => Vec::new(),
    };
    let hint = match &param.kind {
        ParamKind::Integer { min, max } => Some(desk.say("hint_integer", context! { min, max })),
        ParamKind::Duration { .. } => Some(desk.get("hint_duration")),
        _ => None,
    };
    Input {
        name: param.name.clone(),
        label: param.about.clone().unwrap_or_else(|| param.name.clone()),
        hint,
        choices,
        value: given.get(&param.name).or(param.default.as_ref()).map(crate::domain::expect::show),
        optional: param.default.is_some(),
        long: false,
        live: matches!(param.kind, ParamKind::File { .. }),
    }
}

fn usage(desk: Desk<'_>, book: &Runbook) -> String {
    format!("{}{}", desk.say("usage", context! { line => format!("/ops {}", book.usage()) }), also(desk, book))
}

/// The other words for a runbook, where it has any.
fn also(desk: Desk<'_>, book: &Runbook) -> String {
    let list = book.aliases.join(", ");
    if list.is_empty() { list } else { desk.say("also_typed", context! { list }) }
}

/// What a person may type here, or how one runbook is used.
#[must_use]
pub fn help(desk: Desk<'_>, books: &[Arc<Runbook>], one: bool) -> Card {
    if let ([book], true) = (books, one) {
        let steps = book
            .steps
            .iter()
            .map(|step| vec![step.title.clone(), step.action.clone(), desk.get(&format!("effect_{}", step.effect))]);
        let columns = ["column_step", "column_action", "column_effect"].map(|key| desk.get(key)).to_vec();
        return Card {
            title: format!("{}: {}", book.full_name(), book.summary),
            state: "help".to_owned(),
            body: book.about.iter().cloned().chain([usage(desk, book)]).collect(),
            table: Some(Table { columns, rows: steps.collect() }),
            ..Card::default()
        };
    }
    let columns = ["column_command", "column_does"].map(|key| desk.get(key)).to_vec();
    let rows = books.iter().map(|book| vec![book.usage(), format!("{}{}", book.summary, also(desk, book))]).collect();
    Card {
        title: desk.say("help_title", context! { count => books.len() }),
        state: "help".to_owned(),
        body: vec![desk.get("help_built_in")],
        table: Some(Table { columns, rows }),
        ..Card::default()
    }
}

/// What a runbook would do, step by step; nothing was touched.
#[must_use]
pub fn plan(desk: Desk<'_>, command: &str, steps: &[PlannedStep], open: &[(String, String)]) -> Card {
    let columns = ["column_step", "column_effect", "column_exactly", "column_undo"].map(|key| desk.get(key)).to_vec();
    let mut rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| {
            let undo = desk.plan_line(step.undo.as_ref());
            vec![
                step.title.clone(),
                desk.get(&format!("effect_{}", step.plan.effect)),
                desk.tell(&step.plan.line),
                undo,
            ]
        })
        .collect();
    rows.extend(open.iter().map(|(title, why)| vec![title.clone(), String::new(), why.clone(), String::new()]));
    Card {
        title: desk.say("plan_title", context! { command }),
        state: "plan".to_owned(),
        table: Some(Table { columns, rows }),
        footer: Some(desk.say("plan_footer", context! { digest => digest::short(&digest_of(steps)) })),
        ..Card::default()
    }
}

/// What runs and what ran lately.
#[must_use]
pub fn runs(desk: Desk<'_>, runs: &[Run]) -> Card {
    let columns = ["column_run", "column_command", "column_by", "column_state", "column_since"];
    let rows = runs
        .iter()
        .map(|run| {
            vec![
                run.id.to_string(),
                run.body.command_line(),
                desk.settings.name_of(&run.body.by.id).to_owned(),
                desk.get(&format!("run_state_{}", run.state)),
                desk.clock(run.created_at),
            ]
        })
        .collect();
    Card {
        title: desk.say("runs_title", context! { count => runs.len() }),
        state: "runs".to_owned(),
        table: Some(Table { columns: columns.map(|key| desk.get(key)).to_vec(), rows }),
        ..Card::default()
    }
}

/// What is locked, by which run, for how long.
#[must_use]
pub fn locks(desk: Desk<'_>, held: &[(String, Run, crate::clock::Timestamp)]) -> Card {
    if held.is_empty() {
        return line(desk, "no_locks", context! {});
    }
    let columns = ["column_target", "column_command", "column_by", "column_for"].map(|key| desk.get(key)).to_vec();
    let rows = held
        .iter()
        .map(|(key, run, since)| {
            vec![
                key.clone(),
                run.body.command_line(),
                desk.settings.name_of(&run.body.by.id).to_owned(),
                span(desk.now.since(*since)),
            ]
        })
        .collect();
    Card {
        title: desk.say("locks_title", context! { count => held.len() }),
        state: "locks".to_owned(),
        table: Some(Table { columns, rows }),
        ..Card::default()
    }
}

/// The task that a break of glass leaves behind.
#[must_use]
pub fn review(
    desk: Desk<'_>,
    review: &crate::id::ReviewId,
    by: &str,
    what: (&str, &str),
    closed: Option<(&str, &str)>,
) -> Card {
    let (command, reason) = what;
    let who = desk.settings.name_of(by);
    let mut card = Card {
        title: desk.say("review_title", context! { who, command }),
        tone: Tone::Warning,
        state: if closed.is_some() { "reviewed" } else { "review" }.to_owned(),
        ..Card::default()
    }
    .field(desk.get("field_reason"), reason);
    match closed {
        Some((by, note)) => {
            card.tone = Tone::Info;
            card = card
                .field(desk.get("field_reviewed_by"), desk.settings.name_of(by))
                .field(desk.get("field_note"), note);
        }
        None => {
            let asks = Some(one_field(desk.get("review_note"), "note", desk.get("review_note"), false));
            card.body.push(desk.say("review_body", context! { who }));
            card.buttons.push(Button { asks, ..desk.button("close-review", Press::CloseReview(review.clone())) });
        }
    }
    card
}
