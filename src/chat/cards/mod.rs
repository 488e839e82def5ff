//! Builds every card that Sereno shows, from domain values and words. Pure: the same values give the same card.

mod handoff;
mod incident;
mod monitors;
mod replies;
mod run;
#[cfg(test)]
pub mod samples;
mod step;

pub use handoff::{DAY, Shift, handoff, on_call};
pub use incident::{escalated, incident, incident_line, incident_list};
pub use monitors::{Watched, monitors};
pub use replies::{denied, form, help, line, locks, missing, objection, plan, review, runs, said, unclear, waiting};
pub use run::{RunView, approval_over, approval_wanted, run};
pub use step::{step_details, step_live, step_over};

use minijinja::{Value, context};

use super::card::{Button, Form, Input, Press};
use crate::clock::Timestamp;
use crate::domain::plan::Plan;
use crate::domain::sentence::Sentence;
use crate::domain::settings::Settings;
use crate::words::Words;

/// What every card needs to be written.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The language.
    pub words: Words,
    /// People's names, channels, environments.
    pub settings: &'a Settings,
    /// What time it is.
    pub now: Timestamp,
}

impl Desk<'_> {
    /// A sentence of area `card`.
    fn say(&self, key: &str, values: Value) -> String {
        self.words.say(&format!("card.{key}"), values)
    }

    /// A sentence of area `card` without values.
    fn get(&self, key: &str) -> String {
        self.say(key, context! {})
    }

    /// A sentence that others left to be said.
    fn tell(&self, sentence: &Sentence) -> String {
        self.words.tell(sentence)
    }

    /// What a plan does, in one line; empty where there is none.
    fn plan_line(&self, plan: Option<&Plan>) -> String {
        plan.map(|plan| self.tell(&plan.line)).unwrap_or_default()
    }

    /// A button of this name: id `name`, label `card.button.name`.
    fn button(&self, name: &str, press: Press) -> Button {
        let label = self.get(&format!("button_{}", name.replace('-', "_")));
        Button { id: name.to_owned(), label, danger: false, asks: None, press }
    }

    /// People's names, in a list.
    fn names<'p>(&self, people: impl IntoIterator<Item = &'p str>) -> String {
        people.into_iter().map(|id| self.settings.name_of(id)).collect::<Vec<_>>().join(", ")
    }
}

/// A form of one text field.
fn one_field(title: String, name: &str, label: String, optional: bool) -> Form {
    let input = Input { name: name.to_owned(), label, optional, long: true, ..Input::default() };
    Form { title, inputs: vec![input] }
}

/// A time of day in UTC, for people who compare clocks; dates are shown only when they differ from today's.
pub fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC), now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC));
    let format = if at.date() == now.date() { "%H:%M:%S UTC" } else { "%Y-%m-%d %H:%M UTC" };
    at.strftime(format).to_string()
}

/// A span for people: `41 s`, `4 min`, `2 h 05 min`.
pub fn span(length: std::time::Duration) -> String {
    match length.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}
