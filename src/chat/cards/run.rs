//! The one card of a run: what it is, where it stands, what may be pressed. It is edited as the run goes on.

use minijinja::context;

use super::{Desk, one_field, span};
use crate::chat::card::{Button, Card, Form, Input, Press, Table, Tone};
use crate::domain::approval::{Approval, ApprovalState, Vote};
use crate::domain::digest;
use crate::domain::run::{Cause, Run, RunState};
use crate::domain::runbook::{Effect, Invocation};
use crate::domain::step::{Hold, StepRun, StepState};

/// Everything that a run's card shows.
pub struct RunView<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its steps.
    pub steps: &'a [StepRun],
    /// Its latest approval, with the votes.
    pub approval: Option<(&'a Approval, &'a [Vote])>,
    /// Runbooks to propose when it is over.
    pub next: Vec<Invocation>,
}

/// The card of a run.
#[must_use]
pub fn run(desk: Desk<'_>, view: &RunView<'_>) -> Card {
    let state = state_of(view);
    let verdict = verdict(desk, view);
    let mut stands = desk.get(&format!("run_state_{state}"));
    if let Some((_, found)) = &verdict {
        stands = format!("{stands}, {found}");
    }
    let well = verdict.as_ref().is_some_and(|(tone, _)| *tone == Tone::Good);
    let key = if view.run.body.cause == Cause::Diagnosis { "diagnosis_title" } else { "run_title" };
    let mut card = Card {
        title: desk.say(key, context! { command => view.run.body.command_line(), state => stands }),
        tone: verdict.map_or_else(|| tone_of(state), |(tone, _)| tone),
        state: state.to_owned(),
        table: Some(steps_table(desk, view)),
        footer: Some(desk.say("run_footer", context! { id => view.run.id.as_str() })),
        link: Some(format!("/runs/{}", view.run.id)),
        ..Card::default()
    };
    if well && view.run.body.cause == Cause::Schedule {
        // What nobody asked for, and is well, takes one line.
        return Card { table: None, ..card };
    }
    card = card.field(desk.get("field_asked_by"), asked_by(desk, view.run));
    if let Some((approval, votes)) = view.approval {
        card = with_approval(desk, card, view, approval, votes);
    }
    if let Some(by) = &view.run.body.cancelled_by {
        card = card.field(desk.get("field_cancelled_by"), desk.settings.name_of(by));
    }
    if let Some(ended) = view.run.ended_at {
        card = card.field(desk.get("field_took"), span(ended.since(view.run.created_at)));
    }
    with_present_step(desk, &mut card, view);
    card.buttons = buttons(desk, view, state);
    card
}

/// What a run that only looked has found: it says more than that it is done.
fn verdict(desk: Desk<'_>, view: &RunView<'_>) -> Option<(Tone, String)> {
    let looked = |step: &StepRun| step.body.step.effect == Effect::Read || step.state == StepState::Skipped;
    let verdicts: Vec<_> = view.steps.iter().flat_map(|step| &step.body.verdicts).collect();
    let over = matches!(view.run.state, RunState::Done | RunState::Failed);
    if !over || verdicts.is_empty() || !view.steps.iter().all(looked) {
        return None;
    }
    let wrong = verdicts.iter().filter(|verdict| !verdict.holds).count();
    // A look that could not be made found nothing well.
    let blind =
        view.steps.iter().filter(|step| step.state == StepState::Failed && step.body.verdicts.is_empty()).count();
    let values = context! { wrong => wrong + blind, count => verdicts.len() + blind };
    match (wrong, view.run.state) {
        (0, RunState::Done) if blind == 0 => Some((Tone::Good, desk.say("verdict_good", values))),
        (0, RunState::Failed) => None, // it failed by something else, which its steps tell
        _ => Some((Tone::Bad, desk.say("verdict_bad", values))),
    }
}

/// The word for where a run stands, for people who wait for it and for programs.
fn state_of(view: &RunView<'_>) -> &'static str {
    if view.run.state != RunState::Active {
        return view.run.state.as_str();
    }
    let Some(present) = view.steps.iter().find(|step| !step.state.is_final()) else { return "running" };
    match (present.state, &present.body.hold) {
        (StepState::AwaitingApproval, _) => "awaiting_approval",
        (StepState::Holding, Some(Hold::For(_) | Hold::Runbook(_))) => "waiting",
        (StepState::Holding, _) => "holding",
        (StepState::Unknown, _) => "unknown",
        _ => "running",
    }
}

fn tone_of(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        "unknown" | "refused" | "cancelled" | "cancelling" => Tone::Warning,
        "awaiting_approval" | "holding" => Tone::Ask,
        _ => Tone::Info,
    }
}

fn asked_by(desk: Desk<'_>, run: &Run) -> String {
    match run.body.cause {
        Cause::Asked | Cause::Undo => desk.settings.name_of(&run.body.by.id).to_owned(),
        cause => desk.get(&format!("cause_{cause}")),
    }
}

/// One line a verdict, or a step where it judged nothing.
fn steps_table(desk: Desk<'_>, view: &RunView<'_>) -> Table {
    let columns =
        ["column_step", "column_state", "column_expected", "column_observed"].map(|key| desk.get(key)).to_vec();
    let mut rows = Vec::new();
    let shown = |step: &&StepRun| view.run.body.cause != Cause::Diagnosis || step.state != StepState::Skipped;
    for step in view.steps.iter().filter(shown) {
        let state = match step.body.taken_back {
            Some(_) => desk.get("step_taken_back"),
            None => desk.get(&format!("step_state_{}", step.state)),
        };
        let title = step.body.step.title.clone();
        let line = step.body.report().map(|report| desk.tell(&report.line)).unwrap_or_default();
        if step.body.verdicts.is_empty() {
            rows.push(vec![title, state, String::new(), line]);
            continue;
        }
        for verdict in &step.body.verdicts {
            let holds = desk.get(if verdict.holds { "verdict_holds" } else { "verdict_fails" });
            let what = format!("{title}: {}", verdict.what);
            rows.push(vec![what, holds, desk.tell(&verdict.expected), desk.tell(&verdict.observed)]);
        }
    }
    Table { columns, rows }
}

fn with_approval(desk: Desk<'_>, mut card: Card, view: &RunView<'_>, approval: &Approval, votes: &[Vote]) -> Card {
    card = card.field(desk.get("field_approval"), decision(desk, approval, votes));
    if let Some(at) = approval.body.decided_at {
        card = card.field(desk.get("field_decided"), desk.clock(at));
    }
    card = card.field(desk.get("field_digest"), digest::short(&approval.plan_digest));
    if approval.state == ApprovalState::Pending {
        card.body.extend(view.run.body.runbook.about.clone());
        for planned in &approval.body.steps {
            let undo = desk.plan_line(planned.undo.as_ref());
            card.body.push(desk.say(
                "plan_line",
                context! { title => planned.title.clone(), effect => desk.get(&format!("effect_{}", planned.plan.effect)),
                line => desk.tell(&planned.plan.line), undo },
            ));
        }
    }
    card
}

/// What the step that stands now asks of people.
fn with_present_step(desk: Desk<'_>, card: &mut Card, view: &RunView<'_>) {
    let Some(step) = view.steps.iter().find(|step| !step.state.is_final()) else { return };
    match (step.state, &step.body.hold) {
        (StepState::Holding, Some(Hold::Person { instructions, .. })) => card.body.push(instructions.clone()),
        (StepState::Holding, Some(Hold::For(_))) => {
            let until = step.not_before.map(|until| desk.clock(until)).unwrap_or_default();
            card.body.push(desk.say("holds_until", context! { until }));
        }
        (StepState::Holding, Some(Hold::Choice { param, .. })) => {
            card.body.push(desk.say("choose", context! { param }));
        }
        (StepState::Unknown, _) => {
            card.body.push(desk.say("step_unknown", context! { title => step.body.step.title.clone() }));
            if let Some(seen) = step.seen() {
                let values = context! { at => desk.clock(seen.at), line => desk.tell(&seen.line) };
                card.body.push(desk.say("step_seen", values));
            }
        }
        _ => {}
    }
}

fn buttons(desk: Desk<'_>, view: &RunView<'_>, state: &str) -> Vec<Button> {
    let run = &view.run.id;
    let mut buttons = Vec::new();
    if let Some((approval, _)) = view.approval
        && state == "awaiting_approval"
        && approval.state == ApprovalState::Pending
    {
        buttons.extend(approval_buttons(desk, approval));
    }
    if let Some(step) = view.steps.iter().find(|step| !step.state.is_final())
        && view.run.state == RunState::Active
    {
        buttons.extend(step_buttons(desk, step));
    }
    if view.run.state == RunState::Active {
        buttons.push(Button { danger: true, ..desk.button("cancel", Press::Cancel(run.clone())) });
    }
    // Also of one that was stopped half-way: what it has done by then may be what must not stay.
    if view.run.state.is_final() && view.steps.iter().any(StepRun::can_be_undone) {
        buttons.push(desk.button("undo", Press::Undo(run.clone())));
    }
    if view.run.state.is_final() {
        buttons.extend(view.next.iter().take(3).enumerate().map(|(index, next)| proposal(index, next)));
    }
    buttons
}

/// A button that asks for a runbook as the one who presses.
pub(super) fn proposal(index: usize, next: &Invocation) -> Button {
    let name = next.runbook.rsplit('/').next().unwrap_or(&next.runbook);
    let args = next.args.values().map(crate::domain::expect::show);
    let label = std::iter::once(name.to_owned()).chain(args).chain(next.env.clone()).collect::<Vec<_>>().join(" ");
    Button { id: format!("ask-{}", index + 1), label, danger: false, asks: None, press: Press::Ask(next.clone()) }
}

fn approval_buttons(desk: Desk<'_>, approval: &Approval) -> Vec<Button> {
    let id = &approval.id;
    let ask = |key: &str, name: &str, optional| Some(one_field(desk.get(key), name, desk.get(key), optional));
    let mut buttons = vec![
        Button { asks: confirmation(desk, approval), ..desk.button("approve", Press::Approve(id.clone())) },
        Button {
            danger: true,
            asks: ask("refuse_reason", "reason", true),
            ..desk.button("refuse", Press::Refuse(id.clone()))
        },
    ];
    if approval.body.glass_offered {
        buttons.push(Button {
            danger: true,
            asks: ask("glass_reason", "reason", false),
            ..desk.button("break-glass", Press::BreakGlass(id.clone()))
        });
    }
    buttons
}

/// The form of an approval that has to be typed.
fn confirmation(desk: Desk<'_>, approval: &Approval) -> Option<Form> {
    let wanted = approval.body.confirm.as_ref()?;
    let label = desk.say("confirm_by_typing", context! { wanted });
    let input = Input { name: "confirm".to_owned(), label, ..Input::default() };
    Some(Form { title: desk.get("button_approve"), inputs: vec![input] })
}

/// What the step that stands now lets people do.
fn step_buttons(desk: Desk<'_>, step: &StepRun) -> Vec<Button> {
    let (run, position) = (step.run.clone(), step.position);
    match (step.state, &step.body.hold) {
        (StepState::Holding, Some(Hold::Person { evidence, .. })) => {
            let asks = Some(one_field(desk.get("evidence"), "evidence", desk.get("evidence"), !evidence));
            vec![
                Button { asks, ..desk.button("check", Press::Check(run.clone(), position)) },
                Button {
                    asks: Some(one_field(desk.get("evidence"), "evidence", desk.get("evidence"), true)),
                    danger: true,
                    ..desk.button("check-failed", Press::CheckFailed(run, position))
                },
            ]
        }
        (StepState::Holding, Some(Hold::Choice { param, choices, .. })) => {
            let input =
                Input { name: "choice".to_owned(), label: param.clone(), choices: choices.clone(), ..Input::default() };
            let asks = Some(Form { title: desk.say("choose", context! { param }), inputs: vec![input] });
            vec![Button { asks, ..desk.button("choose", Press::Choose(run, position)) }]
        }
        (StepState::Unknown, _) => vec![
            desk.button("confirm", Press::Confirm(run.clone(), position)),
            Button { danger: true, ..desk.button("rerun", Press::Rerun(run, position)) },
        ],
        _ => Vec::new(),
    }
}

/// The line in the thread that calls the people who may approve.
#[must_use]
pub fn approval_wanted(desk: Desk<'_>, run: &Run, approval: &Approval, approvers: Vec<String>) -> Card {
    let values = context! {
        command => run.body.command_line(),
        count => approval.body.rule.count,
        who => desk.names(approvers.iter().map(String::as_str)),
        digest => digest::short(&approval.plan_digest),
        expires => desk.clock(approval.expires_at),
    };
    Card {
        title: desk.say("approval_wanted", values),
        tone: Tone::Ask,
        state: "approval_wanted".to_owned(),
        mentions: approvers,
        link: Some(format!("/m/{}", run.body.message)),
        ..Card::default()
    }
}

/// The same line when it is over: nobody is called any more.
#[must_use]
pub fn approval_over(desk: Desk<'_>, run: &Run, approval: &Approval, votes: &[Vote]) -> Card {
    let values = context! {
        command => run.body.command_line(),
        decision => decision(desk, approval, votes),
        digest => digest::short(&approval.plan_digest),
    };
    Card {
        title: desk.say("approval_over", values),
        state: approval.state.as_str().to_owned(),
        link: Some(format!("/m/{}", run.body.message)),
        ..Card::default()
    }
}

/// Where an approval stands, in words.
fn decision(desk: Desk<'_>, approval: &Approval, votes: &[Vote]) -> String {
    let yes = desk.names(votes.iter().filter(|vote| vote.yes).map(|vote| vote.by.as_str()));
    let by = approval.body.closed_by.as_deref().map(|by| desk.settings.name_of(by)).unwrap_or_default();
    let values = context! {
        count => approval.body.rule.count,
        roles => approval.body.rule.roles.join(", "),
        expires => desk.clock(approval.expires_at),
        yes, by,
        reason => approval.body.reason.clone().unwrap_or_default(),
    };
    desk.say(&format!("approval_{}", approval.state), values)
}
