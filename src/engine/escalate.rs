//! What a pack's policy says of incidents that nobody answers, or whose time is over: said once each, in the incident's
//! thread, calling whom it names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Engine;
use super::post::incident_stream;
use crate::chat::cards;
use crate::domain::actor::{Platform, SERENO};
use crate::domain::digest;
use crate::domain::incident::{Incident, IncidentState};
use crate::domain::pack::{Escalation, Until};
use crate::domain::settings::Settings;
use crate::domain::timeline::EntryKind;
use crate::id::IncidentId;
use crate::store::{Result, incidents, schedules};

/// What is longer past is let go: a policy that is new says nothing of old incidents.
const LATE: Duration = Duration::from_secs(24 * 3600);

impl Engine {
    /// Escalates what is due; gives how many steps were said.
    pub(super) async fn escalate(self: &Arc<Self>) -> Result<usize> {
        let (catalog, settings) = (self.catalog.load_full(), self.settings.load_full());
        if catalog.packs().all(|pack| pack.escalation.is_empty() && pack.severities.is_empty()) {
            return Ok(0);
        }
        let mut said = 0;
        let open = incidents::unresolved(&mut self.store.read().await?).await?;
        self.lock_escalated().retain(|(id, _)| open.iter().any(|incident| incident.id == *id));
        for incident in open {
            let pack = settings.pack_in(&incident.body.place.channel).and_then(|name| catalog.pack(name));
            for step in pack.iter().flat_map(|pack| pack.escalation_of(incident.severity)) {
                if self.is_due(&incident, &step) && self.call(&settings, &incident, &step).await? {
                    said += 1;
                }
            }
        }
        Ok(said)
    }

    fn is_due(&self, incident: &Incident, step: &Escalation) -> bool {
        let needed = incident.state == IncidentState::Open || step.until == Until::Resolved;
        let due = incident.opened_at.after(Duration::from_secs(step.after));
        let now = self.clock.now();
        needed && due <= now && now.since(due) < LATE
    }

    /// Says it, unless it was said before.
    async fn call(&self, settings: &Arc<Settings>, incident: &Incident, step: &Escalation) -> Result<bool> {
        let step_digest = digest::of(step);
        let known = (incident.id.clone(), step_digest.clone());
        // What was said stays said: it need not be asked for every second.
        if self.lock_escalated().contains(&known) {
            return Ok(false);
        }
        let once = format!("escalation {} {}", incident.id, digest::short(&step_digest));
        if schedules::last(&mut self.store.read().await?, &once).await?.is_some() {
            self.lock_escalated().insert(known);
            return Ok(false);
        }
        let mut tx = self.store.begin().await?;
        // When it was due, which is the same for every replica, and no older than what is still remembered.
        if !schedules::claim(&mut tx, &once, incident.opened_at.after(Duration::from_secs(step.after))).await? {
            return Ok(false);
        }
        let now = incidents::take(&mut tx, &incident.id).await?;
        let Some(incident) = now.filter(|now| now.resolved_at.is_none() && self.is_due(now, step)) else {
            return Ok(false);
        };
        let people = self.called(settings, &incident, step);
        let card = cards::escalated(self.desk(settings), &incident, step, &people);
        self.post(&mut tx, &incident.body.place.under(&incident.body.message), &card, None).await?;
        let alerts = incidents::alerts(&mut tx, &incident.id).await?;
        self.edit(&mut tx, &incident.body.message, &self.incident_card(settings, &incident, &alerts)).await?;
        let body = json!({"after": step.after, "until": step.until, "said": card.title, "called": people});
        self.enter(&mut tx, incident_stream(&incident.id), SERENO, EntryKind::Escalated, body).await?;
        tx.commit().await?;
        Ok(true)
    }

    fn lock_escalated(&self) -> std::sync::MutexGuard<'_, BTreeSet<(IncidentId, String)>> {
        self.escalated.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whom a step calls, each once. Whoever took an incident hears that it lasts.
    fn called(&self, settings: &Settings, incident: &Incident, step: &Escalation) -> Vec<String> {
        let mut people =
            if step.on_call { self.on_call_for(settings, &incident.body.place.channel) } else { Vec::new() };
        let holds = |id: &String| {
            settings
                .actor(id, Platform::Console)
                .is_some_and(|actor| step.roles.iter().any(|role| actor.roles.contains(role)))
        };
        people.extend(settings.people.keys().filter(|id| holds(id)).cloned());
        people.extend(step.people.iter().cloned());
        people.extend(incident.body.commander.iter().cloned());
        let mut seen = BTreeSet::new();
        people.retain(|id| settings.knows(id) && seen.insert(id.clone()));
        people
    }
}
