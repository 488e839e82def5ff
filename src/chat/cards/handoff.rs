//! Who is on call, and the packet that one shift hands to the next.

use std::time::Duration;

use minijinja::context;

use super::Desk;
use crate::chat::card::{Card, Press, Table, Tone};
use crate::clock::Timestamp;
use crate::domain::chart::{Chart, ChartKind};
use crate::domain::incident::{Incident, Tally};
use crate::id::HandoffId;

/// A day, counted in UTC as all our times of day are.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// What happened in a shift, and what is open at its end.
#[derive(Debug, Default)]
pub struct Shift {
    /// The team.
    pub team: String,
    /// Who goes.
    pub outgoing: Option<String>,
    /// Who comes.
    pub incoming: Option<String>,
    /// Its start.
    pub from: Option<Timestamp>,
    /// Incidents that are open.
    pub open: Vec<Incident>,
    /// Incidents that opened in the shift.
    pub fired: usize,
    /// How long the spans of `tallies` are: [`DAY`], or an hour in a short shift.
    pub span: Duration,
    /// How much happened when: every span of the shift, in order.
    pub tallies: Vec<Tally>,
    /// Command lines that were run, with how they ended.
    pub ran: Vec<(String, String)>,
    /// Approvals in the shift: given, refused or expired.
    pub decided: (usize, usize),
    /// Requests that were denied.
    pub denied: usize,
    /// Command lines that wait for approval.
    pub pending: Vec<String>,
    /// Steps of which nobody knows what became of them.
    pub unknown: Vec<String>,
    /// Breaks of glass that nobody has reviewed.
    pub reviews: usize,
    /// Who accepted, when.
    pub accepted: Option<(String, Timestamp)>,
}

/// The packet, with a button for the one who comes.
#[must_use]
pub fn handoff(desk: Desk<'_>, shift: &Shift, id: Option<&HandoffId>) -> Card {
    let name = |person: &Option<String>| person.as_deref().map_or("—", |id| desk.settings.name_of(id)).to_owned();
    let values =
        context! { team => shift.team.clone(), outgoing => name(&shift.outgoing), incoming => name(&shift.incoming) };
    let mut card = Card {
        title: desk.say("handoff_title", values),
        tone: if shift.open.is_empty() && shift.unknown.is_empty() { Tone::Info } else { Tone::Warning },
        state: if shift.accepted.is_some() { "accepted" } else { "handoff" }.to_owned(),
        mentions: shift.incoming.clone().into_iter().collect(),
        ..Card::default()
    };
    if let Some(from) = shift.from {
        card = card.field(desk.get("field_shift_since"), desk.clock(from));
    }
    let open = shift.open.iter().map(|incident| format!("{} {}", incident.severity, incident.body.title));
    card = card
        .field(desk.get("field_open_incidents"), list(open.collect()))
        .field(desk.get("field_fired"), shift.fired.to_string())
        .field(
            desk.get("field_decisions"),
            desk.say("decisions", context! { yes => shift.decided.0, no => shift.decided.1, denied => shift.denied }),
        )
        .field(desk.get("field_pending"), list(shift.pending.clone()))
        .field(desk.get("field_unknown"), list(shift.unknown.clone()))
        .field(desk.get("field_reviews"), shift.reviews.to_string());
    card.chart = chart(desk, shift);
    if !shift.ran.is_empty() {
        let columns = ["column_command", "column_state"].map(|key| desk.get(key)).to_vec();
        let rows =
            shift.ran.iter().map(|(command, state)| vec![command.clone(), desk.get(&format!("run_state_{state}"))]);
        card.table = Some(Table { columns, rows: rows.collect() });
    }
    match (&shift.accepted, id) {
        (Some((by, at)), _) => {
            let values = context! { who => desk.settings.name_of(by), at => desk.clock(*at) };
            card.footer = Some(desk.say("handoff_accepted", values));
        }
        (None, Some(id)) => card.buttons.push(desk.button("accept", Press::Accept(id.clone()))),
        (None, None) => {}
    }
    card
}

/// When it was busy, where that makes a picture: one busy span is told by the numbers alone.
fn chart(desk: Desk<'_>, shift: &Shift) -> Option<Chart> {
    let busy = shift.tallies.iter().filter(|tally| tally.incidents + tally.alerts > 0).count();
    if busy < 2 {
        return None;
    }
    let (title, format) =
        if shift.span < DAY { ("chart_by_hour", "%m-%d %H:00") } else { ("chart_by_day", "%Y-%m-%d") };
    let labels = shift.tallies.iter().map(|tally| tally.at.to_jiff().strftime(format).to_string()).collect();
    #[allow(clippy::cast_precision_loss)] // counts of what people saw
    let counts = |of: fn(&Tally) -> i64| shift.tallies.iter().map(move |tally| Some(of(tally) as f64));
    let chart = Chart::new(desk.get(title), ChartKind::Bar, labels);
    let chart = chart.series(desk.get("series_incidents"), counts(|tally| tally.incidents));
    Some(chart.series(desk.get("series_alerts"), counts(|tally| tally.alerts)))
}

fn list(items: Vec<String>) -> String {
    if items.is_empty() { "0".to_owned() } else { format!("{}: {}", items.len(), items.join("; ")) }
}

/// Who is on call, team by team, and until when.
#[must_use]
pub fn on_call(desk: Desk<'_>, teams: &[(String, Option<String>, Option<Timestamp>)]) -> Card {
    if teams.is_empty() {
        return super::line(desk, "no_rota", context! {});
    }
    let columns = ["column_team", "column_person", "column_until"].map(|key| desk.get(key)).to_vec();
    let rows = teams
        .iter()
        .map(|(team, person, until)| {
            let person =
                person.as_deref().map_or_else(|| desk.get("nobody"), |id| desk.settings.name_of(id).to_owned());
            vec![team.clone(), person, until.map(|until| desk.clock(until)).unwrap_or_default()]
        })
        .collect();
    Card {
        title: desk.get("on_call_title"),
        state: "oncall".into(),
        table: Some(Table { columns, rows }),
        ..Card::default()
    }
}
