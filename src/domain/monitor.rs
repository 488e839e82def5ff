//! How a monitor's looks have gone, and what follows: N failures in a row open, M successes in a row close. Pure.

use super::pack::Monitor;
use crate::clock::Timestamp;

/// Looks in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streak {
    /// How many failed in a row.
    pub failing: u32,
    /// How many did not.
    pub passing: u32,
    /// Since when its incident is open.
    pub since: Option<Timestamp>,
    /// What was wrong at the last look.
    pub found: Vec<String>,
}

/// What follows of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Nothing,
    /// An incident opens.
    Fire,
    /// What is wrong has changed while the incident is open.
    Change,
    /// The incident is over, since this moment open.
    Clear(Timestamp),
}

impl Streak {
    /// After a look that found this wrong; nothing is success. `open` tells whether its incident still is: what a
    /// person closed begins anew.
    #[must_use]
    pub fn after(&self, found: Vec<String>, open: bool, monitor: &Monitor, now: Timestamp) -> (Self, Turn) {
        let since = self.since.filter(|_| open);
        let anew = self.since.is_some() && !open;
        if found.is_empty() {
            let passing = self.passing.saturating_add(1);
            let cleared = since.filter(|_| passing >= monitor.successes);
            let turn = cleared.map_or(Turn::Nothing, Turn::Clear);
            return (Self { failing: 0, passing, since: since.filter(|_| cleared.is_none()), found }, turn);
        }
        let failing = if anew { 1 } else { self.failing.saturating_add(1) };
        let (since, turn) = match since {
            Some(since) if found != self.found && self.failing > 0 => (Some(since), Turn::Change),
            Some(since) => (Some(since), Turn::Nothing),
            None if failing >= monitor.failures => (Some(now), Turn::Fire),
            None => (None, Turn::Nothing),
        };
        (Self { failing, passing: 0, since, found }, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::severity::Severity;

    fn monitor() -> Monitor {
        Monitor {
            name: "up".into(),
            runbook: "shop/look".into(),
            args: Default::default(),
            env: None,
            every: 60,
            failures: 3,
            successes: 2,
            severity: Severity::P1,
            title: "Down".into(),
        }
    }

    /// What follows of each look: `.` is well, a letter is what was found.
    fn turns(looks: &str) -> Vec<Turn> {
        let mut streak = Streak::default();
        let mut minute = 0;
        looks
            .chars()
            .map(|look| {
                minute += 1;
                let found = if look == '.' { Vec::new() } else { vec![look.to_string()] };
                let (next, turn) = streak.after(found, true, &monitor(), Timestamp(minute));
                streak = next;
                turn
            })
            .collect()
    }

    #[test]
    fn three_failures_in_a_row_open_and_two_successes_close() {
        use Turn::{Change, Clear, Fire, Nothing};
        assert_eq!(turns("xx.xxx"), [Nothing, Nothing, Nothing, Nothing, Nothing, Fire], "a success starts over");
        let clear = Clear(Timestamp(3));
        assert_eq!(turns("xxxx.x.."), [Nothing, Nothing, Fire, Nothing, Nothing, Nothing, Nothing, clear]);
        assert_eq!(turns("xxxy"), [Nothing, Nothing, Fire, Change]);
        assert_eq!(turns("xxx..xxx"), [Nothing, Nothing, Fire, Nothing, clear, Nothing, Nothing, Fire]);
    }

    #[test]
    fn what_a_person_closed_takes_three_failures_to_open_again() {
        let open = Streak { failing: 9, since: Some(Timestamp(1)), found: vec!["x".into()], ..Streak::default() };
        let (mut streak, turn) = open.after(vec!["x".into()], false, &monitor(), Timestamp(10));
        assert_eq!((streak.failing, turn), (1, Turn::Nothing));
        let mut turns = Vec::new();
        for minute in 11..=12 {
            let (next, turn) = streak.after(vec!["x".into()], false, &monitor(), Timestamp(minute));
            streak = next;
            turns.push(turn);
        }
        assert_eq!(turns, [Turn::Nothing, Turn::Fire]);
    }
}
