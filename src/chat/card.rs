//! What a message says, as data; every platform renders the same card. Text from outside is only ever plain text.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::chart::Chart;
use crate::domain::digest;
use crate::domain::runbook::Invocation;
use crate::domain::text::{is_hidden, visible};
use crate::id::{ApprovalId, HandoffId, IncidentId, ReviewId, RunId};

crate::domain::text_enum! {
    /// How it feels; always said in words too.
    Tone {
        /// Neutral.
        Info = "info",
        /// All is well.
        Good = "good",
        /// Look at it.
        Warning = "warning",
        /// It is broken.
        Bad = "bad",
        /// Somebody is asked for something.
        Ask = "ask",
    }
}

/// One message's content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// One line.
    pub title: String,
    /// How it feels.
    #[serde(default)]
    pub tone: Tone,
    /// A word for where the thing stands, as in `running`, `awaiting_approval`, `done`, `open`; for programs.
    #[serde(default)]
    pub state: String,
    /// Paragraphs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Name and value pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Numbers to be drawn, and read where they cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// A table, as of verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    /// Output as printed, shown in fixed width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// What people may press.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Small print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// People to be notified, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// A page of ours about it, as a path under the public URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

#[allow(clippy::derivable_impls)] // the macro derives the same for all enums, and few have a default
impl Default for Tone {
    fn default() -> Self {
        Self::Info
    }
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Rows under columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    /// Headings.
    pub columns: Vec<String>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

/// The twin of a chart, for whoever reads.
impl From<&Chart> for Table {
    fn from(chart: &Chart) -> Self {
        Self { columns: chart.columns(), rows: chart.rows() }
    }
}

/// Something to press.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Button {
    /// Unique within the message, as in `approve`.
    pub id: String,
    /// What it says.
    pub label: String,
    /// Whether it is the dangerous one.
    #[serde(default)]
    pub danger: bool,
    /// Asked for when it is pressed, and handed in with the press.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Form>,
    /// What it does. Kept on our side: a platform sees only the ids of message and button.
    pub press: Press,
}

impl Button {
    /// Tells it from others that had the same id on the same message: what it does, in short.
    #[must_use]
    pub fn mark(&self) -> String {
        digest::mark(&self.press)
    }

    /// The word that presses this one and no other, as in `approve~3f2a91c04b7d`. The id alone presses whatever has it by
    /// then, which is right for what people type and wrong for what they see.
    #[must_use]
    pub fn word(&self) -> String {
        digest::marked(&self.id, &self.mark())
    }
}

/// Fields to fill in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Form {
    /// Its heading.
    pub title: String,
    /// What it asks for.
    pub inputs: Vec<Input>,
}

/// One field of a form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// The argument's name.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// One line of help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Choices; empty means free text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Filled in beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether it may be empty.
    #[serde(default)]
    pub optional: bool,
    /// Whether several lines are expected.
    #[serde(default)]
    pub long: bool,
    /// Whether there are choices that must be asked for while one types, because they are alive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

/// What a button does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Press {
    /// Yes to a plan.
    Approve(ApprovalId),
    /// No to a plan.
    Refuse(ApprovalId),
    /// On alone; asks for `reason`.
    BreakGlass(ApprovalId),
    /// A break of glass was looked at; asks for `note`.
    CloseReview(ReviewId),
    /// Stop a run.
    Cancel(RunId),
    /// Propose the inverse of a finished run.
    Undo(RunId),
    /// Check a human step off; asks for `evidence` where it must.
    Check(RunId, usize),
    /// A human step did not work out.
    CheckFailed(RunId, usize),
    /// Choose among what a step found; hands in `choice`.
    Choose(RunId, usize),
    /// An unknown step did happen.
    Confirm(RunId, usize),
    /// An unknown step did not happen: run it again.
    Rerun(RunId, usize),
    /// Look at an incident.
    Acknowledge(IncidentId),
    /// Close an incident.
    Resolve(IncidentId),
    /// Accept a shift.
    Accept(HandoffId),
    /// Ask for a runbook as the one who presses; the values of a form are added to its arguments.
    Ask(Invocation),
}

/// Values of a form, by the names of its inputs.
pub type Values = BTreeMap<String, Value>;

impl Card {
    /// The card as plain text: the twin that platforms show in notifications, and `--json` gives as `text`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut lines = vec![self.title.clone()];
        lines.extend(self.body.iter().cloned());
        lines.extend(self.fields.iter().map(|field| format!("{}: {}", field.name, field.value)));
        for table in self.chart.as_ref().map(Table::from).iter().chain(&self.table) {
            lines.push(table.columns.join(" | "));
            lines.extend(table.rows.iter().map(|row| row.join(" | ")));
        }
        lines.extend(self.output.iter().cloned());
        lines.extend(self.footer.iter().cloned());
        lines.join("\n")
    }

    /// The card as it is posted: hidden characters in what people read are made visible, so that what strangers wrote
    /// neither turns the reading direction nor moves a terminal's cursor. What buttons do stays as it is.
    #[must_use]
    pub fn tame(mut self) -> Self {
        let fields = self.fields.iter_mut().flat_map(|field| [&mut field.name, &mut field.value]);
        let cells = self.table.iter_mut().flat_map(|table| table.rows.iter_mut().flatten());
        let chart = self.chart.iter_mut().flat_map(Chart::texts_mut);
        let labels = self.buttons.iter_mut().map(|button| &mut button.label);
        let rest =
            std::iter::once(&mut self.title).chain(&mut self.body).chain(&mut self.output).chain(&mut self.footer);
        for text in rest.chain(fields).chain(chart).chain(cells).chain(labels) {
            if text.contains(is_hidden) {
                *text = visible(text, &['\n', '\t']);
            }
        }
        self
    }

    /// The button of this word, or with this id, or else with this label in any case.
    #[must_use]
    pub fn button(&self, word: &str) -> Option<&Button> {
        if word.contains('~') {
            return self.buttons.iter().find(|button| button.word() == word);
        }
        let by_id = self.buttons.iter().find(|button| button.id == word);
        by_id.or_else(|| self.buttons.iter().find(|button| button.label.to_lowercase() == word.to_lowercase()))
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push(Field { name: name.into(), value: value.into() });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chart::ChartKind;

    #[test]
    fn what_is_hidden_in_a_text_is_seen_and_what_a_button_does_is_kept() {
        let sneaky = "a\u{202e}b\u{1b}[2Jc\n\td";
        let tame = "a\\u202eb\\u001b[2Jc\n\td";
        let press = Press::Ask(Invocation { runbook: sneaky.into(), args: BTreeMap::new(), env: None });
        let card = Card {
            title: sneaky.into(),
            body: vec![sneaky.into()],
            table: Some(Table { columns: vec![], rows: vec![vec![sneaky.into()]] }),
            chart: Some(
                Chart::new(sneaky, ChartKind::Bar, vec![sneaky.into()]).unit(sneaky).series(sneaky, [Some(1.0)]),
            ),
            output: Some(sneaky.into()),
            buttons: vec![Button { id: "ask".into(), label: sneaky.into(), danger: false, asks: None, press }],
            ..Card::default()
        };
        let card = card.field(sneaky, sneaky).tame();
        let (field, heading, row) =
            (format!("{tame}: {tame}"), format!("{tame} | {tame} ({tame})"), format!("{tame} | 1"));
        assert_eq!(card.text(), [tame, tame, &field, &heading, &row, "", tame, tame].join("\n"));
        assert_eq!(card.buttons[0].label, tame);
        assert!(matches!(&card.buttons[0].press, Press::Ask(ask) if ask.runbook == sneaky));
    }
}
