//! What a single step says in the thread of its run: on its way, and when it is over.

use minijinja::context;

use super::Desk;
use crate::chat::card::{Card, Table, Tone};
use crate::domain::step::{Outcome, Output, StepRun, StepState};

/// What a step printed, what it found as a table, or why it failed; none where the run's card already says it all.
#[must_use]
pub fn step_details(desk: Desk<'_>, step: &StepRun) -> Option<Card> {
    let report = step.body.report()?;
    let failed = failed(step);
    let output = report.output.as_ref().map(|output| printed(desk, output)).filter(|text| !text.trim().is_empty());
    let table = report.table.as_ref().filter(|grid| !grid.rows.is_empty());
    if output.is_none() && table.is_none() && report.chart.is_none() && (!failed || !step.body.verdicts.is_empty()) {
        return None;
    }
    let mut card = step_over(desk, step);
    card.output = output;
    card.chart.clone_from(&report.chart);
    if let Some(grid) = table {
        let columns = grid.columns.iter().map(|column| desk.tell(column)).collect();
        card.table = Some(Table { columns, rows: grid.rows.clone() });
        if grid.left_out > 0 {
            card.footer = Some(desk.say("rows_left_out", context! { count => grid.left_out }));
        }
    }
    Some(card)
}

/// That a step is over, and what it says of itself.
#[must_use]
pub fn step_over(desk: Desk<'_>, step: &StepRun) -> Card {
    let line = step.body.report().map(|report| desk.tell(&report.line)).filter(|line| !line.is_empty());
    Card {
        tone: if failed(step) { Tone::Bad } else { Tone::Info },
        body: line.into_iter().collect(),
        ..titled(desk, step)
    }
}

/// What a step prints while it runs: its last lines, and how many there were.
#[must_use]
pub fn step_live(desk: Desk<'_>, step: &StepRun, (last, count): (String, u64)) -> Card {
    Card { output: Some(last), footer: Some(desk.say("live_footer", context! { count })), ..titled(desk, step) }
}

fn titled(desk: Desk<'_>, step: &StepRun) -> Card {
    let state = desk.get(&format!("step_state_{}", step.state));
    Card {
        title: desk.say("step_details", context! { title => step.body.step.title.clone(), state }),
        state: step.state.as_str().to_owned(),
        ..Card::default()
    }
}

fn failed(step: &StepRun) -> bool {
    !matches!(step.body.outcome, Some(Outcome::Done(_))) || step.state == StepState::Failed
}

fn printed(desk: Desk<'_>, output: &Output) -> String {
    let gap = desk.say("left_out", context! { bytes => output.left_out });
    let gap = if output.left_out > 0 { format!("\n{gap}\n") } else { String::new() };
    format!("{}{gap}{}", output.head, output.tail)
}
