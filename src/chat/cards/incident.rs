//! The root card of an incident, edited to show its present state, and the list of open ones.

use std::time::Duration;

use minijinja::context;

use super::run::proposal;
use super::{Desk, span};
use crate::chat::card::{Card, Press, Table, Tone};
use crate::domain::actor::PersonId;
use crate::domain::alert::Alert;
use crate::domain::incident::{Incident, IncidentState};
use crate::domain::pack::{Escalation, Pack, Until};
use crate::domain::severity::Severity;
use crate::domain::span::written;

/// Alerts shown on the card; the rest is counted.
const SHOWN: usize = 8;

/// The root card, with what a policy says of it.
#[must_use]
pub fn incident(desk: Desk<'_>, incident: &Incident, alerts: &[Alert], policy: Option<&Pack>) -> Card {
    let state = incident.state;
    let mut card = Card {
        title: desk.say(
            "incident_title",
            context! { severity => incident.severity.as_str(), title => incident.body.title.clone(),
            state => desk.get(&format!("incident_state_{state}")) },
        ),
        tone: match (state, incident.severity) {
            (IncidentState::Resolved, _) => Tone::Good,
            (_, Severity::P0 | Severity::P1) => Tone::Bad,
            _ => Tone::Warning,
        },
        state: state.as_str().to_owned(),
        table: alerts_table(desk, alerts),
        footer: Some(desk.say("incident_footer", context! { id => incident.id.as_str() })),
        link: Some(format!("/incidents/{}", incident.id)),
        ..Card::default()
    };
    card = card.field(desk.get("field_since"), desk.clock(incident.opened_at));
    if let Some(by) = &incident.body.declared_by {
        card = card.field(desk.get("field_declared_by"), desk.settings.name_of(by));
    }
    if let Some(by) = &incident.body.commander {
        card = card.field(desk.get("field_commander"), desk.settings.name_of(by));
    }
    if let Some(at) = incident.resolved_at {
        let by = incident.body.resolved_by.as_deref().map(|by| desk.settings.name_of(by)).unwrap_or_default();
        let values = context! { after => span(at.since(incident.opened_at)), by };
        card = card.field(desk.get("field_resolved"), desk.say("resolved_after", values));
        return card;
    }
    if let Some(policy) = policy {
        card = with_policy(desk, card, incident, policy);
    }
    card.body.extend(alerts.iter().filter(|alert| alert.firing).filter_map(description).take(2));
    if state == IncidentState::Open {
        card.buttons.push(desk.button("acknowledge", Press::Acknowledge(incident.id.clone())));
    }
    card.buttons.extend(incident.body.proposals.iter().take(3).enumerate().map(|(index, next)| proposal(index, next)));
    if alerts.is_empty() || state == IncidentState::Acknowledged {
        card.buttons.push(desk.button("resolve", Press::Resolve(incident.id.clone())));
    }
    card
}

/// What the severity means here, until when it must be answered and over, and whom to call.
fn with_policy(desk: Desk<'_>, mut card: Card, incident: &Incident, policy: &Pack) -> Card {
    let until = |seconds: u64| {
        let at = incident.opened_at.after(Duration::from_secs(seconds));
        let (time, over) = (desk.clock(at), at <= desk.now);
        if over { desk.say("clock_ran_out", context! { at => time }) } else { time }
    };
    if let Some(target) = policy.severities.get(&incident.severity) {
        card = card.field(incident.severity.as_str(), target.means.as_str());
        if incident.state == IncidentState::Open {
            card = card.field(desk.get("field_answer_by"), until(target.respond));
        }
        if let Some(resolve) = target.resolve {
            card = card.field(desk.get("field_over_by"), until(resolve));
        }
    }
    let objectives = policy.objectives.iter().map(|objective| {
        let (rto, rpo) = (written(objective.rto), written(objective.rpo));
        desk.say("objective", context! { name => objective.name.as_str(), rto, rpo })
    });
    let contacts = policy.contacts.iter().map(|contact| {
        desk.say(
            "contact",
            context! { who => contact.who.as_str(), how => contact.how.as_str(), when => contact.when.as_deref() },
        )
    });
    for (key, lines) in [("field_objectives", objectives.collect::<Vec<_>>()), ("field_contacts", contacts.collect())] {
        if !lines.is_empty() {
            card = card.field(desk.get(key), lines.join("; "));
        }
    }
    card
}

fn description(alert: &Alert) -> Option<String> {
    alert.annotations.get("description").filter(|text| text.as_str() != alert.title()).cloned()
}

fn alerts_table(desk: Desk<'_>, alerts: &[Alert]) -> Option<Table> {
    if alerts.is_empty() {
        return None;
    }
    let columns = ["column_alert", "column_state", "column_since"].map(|key| desk.get(key)).to_vec();
    let mut rows: Vec<Vec<String>> = alerts
        .iter()
        .take(SHOWN)
        .map(|alert| {
            let state = desk.get(if alert.firing { "alert_firing" } else { "alert_resolved" });
            vec![alert.title().to_owned(), state, desk.clock(alert.starts_at)]
        })
        .collect();
    if alerts.len() > SHOWN {
        rows.push(vec![desk.say("and_more", context! { count => alerts.len() - SHOWN }), String::new(), String::new()]);
    }
    Some(Table { columns, rows })
}

/// One line in an incident's thread: what changed, and who did it.
#[must_use]
pub fn incident_line(desk: Desk<'_>, key: &str, who: &str, what: &str) -> Card {
    let values = context! { who => desk.settings.name_of(who), what };
    Card { title: desk.say(key, values), state: key.to_owned(), ..Card::default() }
}

/// That nobody answers an incident, or that it lasts: in its policy's words, or that a clock of its severity has run out;
/// and who is called.
#[must_use]
pub fn escalated(desk: Desk<'_>, incident: &Incident, step: &Escalation, people: &[PersonId]) -> Card {
    let lasts = step.until == Until::Resolved;
    let say = step.say.clone().unwrap_or_else(|| {
        let clock = context! { severity => incident.severity.as_str(), span => written(step.after) };
        desk.say(if lasts { "clock_over" } else { "clock_answer" }, clock)
    });
    let (span, who) = (span(desk.now.since(incident.opened_at)), desk.names(people.iter().map(String::as_str)));
    Card {
        title: desk.say("escalated", context! { say, lasts, span, who }),
        tone: Tone::Warning,
        state: "escalated".to_owned(),
        mentions: people.to_vec(),
        ..Card::default()
    }
}

/// Open incidents.
#[must_use]
pub fn incident_list(desk: Desk<'_>, incidents: &[Incident]) -> Card {
    if incidents.is_empty() {
        return Card { title: desk.get("no_incidents"), tone: Tone::Good, state: "ok".into(), ..Card::default() };
    }
    let columns =
        ["column_severity", "column_incident", "column_state", "column_since"].map(|key| desk.get(key)).to_vec();
    let rows = incidents
        .iter()
        .map(|incident| {
            vec![
                incident.severity.to_string(),
                incident.body.title.clone(),
                desk.get(&format!("incident_state_{}", incident.state)),
                desk.clock(incident.opened_at),
            ]
        })
        .collect();
    Card {
        title: desk.say("open_incidents", context! { count => incidents.len() }),
        tone: Tone::Warning,
        state: "open".to_owned(),
        table: Some(Table { columns, rows }),
        ..Card::default()
    }
}
