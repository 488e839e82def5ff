//! What looks by itself, and what it saw.

use minijinja::context;

use super::Desk;
use crate::chat::card::{Card, Table, Tone};
use crate::clock::Timestamp;
use crate::domain::monitor::Streak;
use crate::domain::pack::Monitor;

/// A monitor with what is known of it.
pub struct Watched<'a> {
    /// `pack/name`.
    pub name: String,
    /// What it looks at.
    pub monitor: &'a Monitor,
    /// Whether its pack has a channel to speak in.
    pub awake: bool,
    /// When it looks again, and how its looks have gone.
    pub seen: Option<(Timestamp, Streak)>,
}

/// All monitors, one a line.
#[must_use]
pub fn monitors(desk: Desk<'_>, watched: &[Watched<'_>]) -> Card {
    let failing =
        watched.iter().filter(|one| one.awake && one.seen.as_ref().is_some_and(|(_, s)| s.failing > 0)).count();
    let columns = ["column_monitor", "column_state", "column_saw", "column_next"].map(|key| desk.get(key)).to_vec();
    let table = Table { columns, rows: watched.iter().map(|one| row(desk, one)).collect() };
    Card {
        title: desk.say("monitors_title", context! { count => watched.len(), failing }),
        tone: if failing > 0 { Tone::Warning } else { Tone::Info },
        state: "monitors".to_owned(),
        table: (!watched.is_empty()).then_some(table),
        ..Card::default()
    }
}

fn row(desk: Desk<'_>, one: &Watched<'_>) -> Vec<String> {
    let pack = one.name.split('/').next().unwrap_or_default();
    let (state, saw, next) = match &one.seen {
        _ if !one.awake => (desk.say("monitor_asleep", context! { pack }), String::new(), String::new()),
        None => (desk.get("monitor_new"), String::new(), String::new()),
        Some((due, streak)) => {
            let state = match streak.failing {
                0 => desk.get("monitor_ok"),
                count => desk.say("monitor_failing", context! { count }),
            };
            (state, streak.found.join("; "), desk.clock(*due))
        }
    };
    vec![one.name.clone(), state, saw, next]
}
