//! Who is on call: one weekly rotation per team, with overrides. Pure calendar arithmetic over the time library's
//! zones, so that a handover at 09:00 stays at 09:00 when the clocks change.

use jiff::civil;
use jiff::tz::TimeZone;

use super::actor::PersonId;
use crate::clock::Timestamp;

/// A team's weekly rotation.
#[derive(Debug, Clone, PartialEq)]
pub struct Rota {
    /// The team's name.
    pub team: String,
    /// Where the handover's clock hangs.
    pub zone: TimeZone,
    /// The first handover: date, and time of day; every seventh day after it is one.
    pub start: civil::DateTime,
    /// People, in order; the first is on call from `start`.
    pub order: Vec<PersonId>,
    /// Exceptions; a later one wins.
    pub overrides: Vec<Override>,
}

/// Somebody stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Who.
    pub person: PersonId,
    /// From.
    pub from: Timestamp,
    /// Until, not included.
    pub until: Timestamp,
}

/// A weekly shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Who has it by the order, overrides apart.
    pub person: PersonId,
    /// Its start.
    pub from: Timestamp,
    /// Its end, and the next one's start.
    pub until: Timestamp,
}

impl Rota {
    /// The weekly shift at a moment; none before the rota's start or with nobody in it.
    #[must_use]
    pub fn shift(&self, at: Timestamp) -> Option<Shift> {
        let local = at.to_jiff().to_zoned(self.zone.clone()).datetime();
        if local < self.start || self.order.is_empty() {
            return None;
        }
        let days = local.date().since(self.start.date()).ok()?.get_days();
        let mut week = i64::from(days) / 7;
        if self.handover(week)? > at {
            week -= 1;
        }
        let index = usize::try_from(week.rem_euclid(i64::try_from(self.order.len()).ok()?)).ok()?;
        Some(Shift { person: self.order[index].clone(), from: self.handover(week)?, until: self.handover(week + 1)? })
    }

    /// Who is on call at a moment, overrides included.
    #[must_use]
    pub fn on_call(&self, at: Timestamp) -> Option<PersonId> {
        let stand_in = self.overrides.iter().rev().find(|over| over.from <= at && at < over.until);
        stand_in.map(|over| over.person.clone()).or_else(|| self.shift(at).map(|shift| shift.person))
    }

    fn handover(&self, week: i64) -> Option<Timestamp> {
        let day = self.start.checked_add(jiff::Span::new().try_days(week * 7).ok()?).ok()?;
        day.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rota() -> Rota {
        Rota {
            team: "infra".into(),
            zone: TimeZone::get("Europe/Madrid").unwrap(),
            start: "2026-03-23T09:00".parse().unwrap(),
            order: vec!["ana".into(), "leo".into(), "eva".into()],
            overrides: Vec::new(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    #[test]
    fn the_week_turns_at_nine_local_time_also_when_the_clocks_change() {
        let rota = rota();
        assert_eq!(rota.on_call(at("2026-03-23T07:59:59Z")), None);
        assert_eq!(rota.on_call(at("2026-03-23T08:00:00Z")).as_deref(), Some("ana"));
        // Summer time began on the 29th: nine in Madrid is now 07:00 UTC.
        assert_eq!(rota.on_call(at("2026-03-30T06:59:59Z")).as_deref(), Some("ana"));
        assert_eq!(rota.on_call(at("2026-03-30T07:00:00Z")).as_deref(), Some("leo"));
        assert_eq!(rota.on_call(at("2026-04-13T07:00:00Z")).as_deref(), Some("ana"));
    }

    #[test]
    fn an_override_stands_in_and_ends() {
        let mut rota = rota();
        rota.overrides.push(Override {
            person: "eva".into(),
            from: at("2026-03-24T00:00:00Z"),
            until: at("2026-03-25T00:00:00Z"),
        });
        assert_eq!(rota.on_call(at("2026-03-24T12:00:00Z")).as_deref(), Some("eva"));
        assert_eq!(rota.on_call(at("2026-03-25T00:00:00Z")).as_deref(), Some("ana"));
    }

    #[test]
    fn shifts_touch_without_gap_or_overlap() {
        let rota = rota();
        let mut shift = rota.shift(at("2026-03-23T08:00:00Z")).unwrap();
        for _ in 0..60 {
            let next = rota.shift(shift.until).unwrap();
            assert_eq!(next.from, shift.until);
            shift = next;
        }
    }
}
