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

    /// A time of day with its zone, for people who compare clocks; dates are shown only when they differ from today's.
    pub fn clock(&self, at: Timestamp) -> String {
        let here = |at: Timestamp| at.to_jiff().to_zoned(self.settings.time_zone.clone());
        let (at, now) = (here(at), here(self.now));
        let format = if at.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M %Z" };
        at.strftime(format).to_string()
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

/// A span for people: `41 s`, `4 min`, `2 h 05 min`.
pub fn span(length: std::time::Duration) -> String {
    match length.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::Language;

    #[test]
    fn a_clock_is_of_the_readers_zone_and_says_which() {
        let at = |text: &str| Timestamp::from(text.parse::<jiff::Timestamp>().unwrap());
        let mut settings = samples::settings();
        let clock = |settings: &Settings, moment: &str, now: &str| {
            Desk { words: Words(Language::En), settings, now: at(now) }.clock(at(moment))
        };
        let (night, morning) = ("2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z");
        assert_eq!(clock(&settings, night, morning), "2026-03-28 23:30 UTC");
        settings.time_zone = jiff::tz::TimeZone::get("Europe/Madrid").unwrap();
        assert_eq!(clock(&settings, night, morning), "00:30:00 CET", "of the same day there");
        assert_eq!(
            clock(&settings, morning, morning),
            "03:30:00 CEST",
            "on the night of the change, at half past three"
        );
    }
}
