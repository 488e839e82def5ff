//! Alerts become incidents: one open one a group, a root card that shows the present state, a thread, a diagnosis.

use std::sync::Arc;
use std::time::Duration;

use minijinja::context;
use serde_json::{Value, json};

use super::Engine;
use super::answer::Heard;
use super::post::incident_stream;
use super::start::Start;
use crate::chat::card::Card;
use crate::chat::cards;
use crate::domain::actor::{Actor, Place, SERENO};
use crate::domain::alert::Alert;
use crate::domain::incident::{Incident, IncidentBody, IncidentState};
use crate::domain::policy;
use crate::domain::run::Cause;
use crate::domain::runbook::{Args, Invocation, Runbook, Step};
use crate::domain::settings::Settings;
use crate::domain::severity::Severity;
use crate::domain::timeline::EntryKind;
use crate::hooks;
use crate::id::{IncidentId, MessageId};
use crate::store::inbox::{Delivery, DeliveryState, Input};
use crate::store::incidents::AlertChange;
use crate::store::{Result, Tx, inbox, incidents};

/// Runbooks that diagnose one incident by themselves.
const DIAGNOSES: usize = 3;

/// How long after its arrival a body is late.
const LATE: Duration = Duration::from_secs(1);
/// Most requests among which it is looked for what overtook one that is late.
const OVERTAKERS: i64 = 5_000;

/// The alerts of a hook's body, or why they cannot be read; none where there is no such hook any more.
fn read(settings: &Settings, hook: &str, body: &str) -> Option<std::result::Result<Vec<Alert>, String>> {
    let known = settings.hooks.get(hook)?;
    let dialect = hooks::find(&known.dialect)?;
    Some((dialect.parse)(hook, body, known.environment.as_deref()))
}

impl Engine {
    /// Handles an alert body: every group's alerts in one transaction.
    pub(super) async fn alerted(self: &Arc<Self>, delivery: &Delivery, hook: &str, body: &str) -> Result<()> {
        let settings = self.settings.load_full();
        let alerts = read(&settings, hook, body);
        let mut tx = self.store.begin().await?;
        let alerts = match alerts {
            Some(Ok(alerts)) => alerts,
            unreadable => {
                let why =
                    unreadable.and_then(std::result::Result::err).unwrap_or_else(|| "no such hook any more".to_owned());
                tracing::warn!(hook, why, "an alert body could not be read; it is kept in the inbox");
                inbox::finish(&mut tx, &delivery.id, DeliveryState::Failed).await?;
                return tx.commit().await;
            }
        };
        if !inbox::finish(&mut tx, &delivery.id, DeliveryState::Done).await? {
            return Ok(());
        }
        let mut groups: Vec<(&str, Vec<&Alert>)> = Vec::new();
        for alert in &alerts {
            match groups.iter_mut().find(|(key, _)| *key == alert.group_key) {
                Some((_, group)) => group.push(alert),
                None => groups.push((&alert.group_key, vec![alert])),
            }
        }
        let channel = settings.hooks.get(hook).map(|hook| hook.channel.as_str()).unwrap_or_default();
        for (key, group) in groups {
            self.take_group(&mut tx, channel, key, &group).await?;
        }
        if delivery.attempt > 1 || self.clock.now().since(delivery.at) >= LATE {
            self.catch_up(&mut tx, delivery, hook, &alerts).await?;
        }
        tx.commit().await
    }

    /// A body that was held up may have been overtaken by the end of what it tells of. Nothing was open for that end then,
    /// and its sender does not say it again.
    async fn catch_up(self: &Arc<Self>, tx: &mut Tx, delivery: &Delivery, hook: &str, alerts: &[Alert]) -> Result<()> {
        let settings = self.settings.load_full();
        let later = inbox::handled_after(tx, &delivery.id, OVERTAKERS).await?;
        let bodies = later.iter().filter_map(|input| match input {
            Input::Hook { hook: of, body } if of == hook => read(&settings, hook, body)?.ok(),
            _ => None,
        });
        let told = |key: &str| alerts.iter().any(|told| told.firing && told.group_key == key);
        let over: Vec<Alert> = bodies.flatten().filter(|alert| !alert.firing && told(&alert.group_key)).collect();
        for alert in over {
            if let Some(incident) = incidents::of_group(tx, &alert.group_key).await? {
                self.update_incident(tx, incident, &[&alert]).await?;
            }
        }
        Ok(())
    }

    /// Takes the alerts of one group: opens, updates or closes its incident. A new one opens in `channel`.
    pub(super) async fn take_group(
        self: &Arc<Self>,
        tx: &mut Tx,
        channel: &str,
        key: &str,
        group: &[&Alert],
    ) -> Result<()> {
        let known = incidents::of_group(tx, key).await?;
        let Some(worst) = group.iter().filter(|alert| alert.firing).min_by_key(|alert| alert.severity()) else {
            // A resolution of something that is not open has nothing to say.
            return match known {
                Some(incident) => self.update_incident(tx, incident, group).await,
                None => Ok(()),
            };
        };
        if let Some(incident) = known {
            return self.update_incident(tx, incident, group).await;
        }
        let opened = self.new_incident(channel, key, worst);
        let (incident, new) = incidents::open(tx, &opened).await?;
        if !new {
            return self.update_incident(tx, incident, group).await;
        }
        for alert in group {
            incidents::upsert_alert(tx, &incident.id, alert, self.clock.now()).await?;
        }
        let stored = incidents::alerts(tx, &incident.id).await?;
        let incident = self.propose(tx, incident, &stored).await?;
        let settings = self.settings.load_full();
        let card = self.incident_card(&settings, &incident, &stored);
        self.post_as(tx, &incident.body.message, &incident.body.place, &card, None).await?;
        let stream = incident_stream(&incident.id);
        let body = json!({"title": incident.body.title, "severity": incident.severity, "group": key, "alerts": group});
        self.enter(tx, stream, SERENO, EntryKind::Opened, body).await?;
        self.diagnose(tx, &incident, &stored).await
    }

    fn new_incident(&self, channel: &str, key: &str, worst: &Alert) -> Incident {
        let settings = self.settings.load();
        Incident {
            id: IncidentId::new(),
            group_key: key.to_owned(),
            state: IncidentState::Open,
            severity: worst.severity(),
            opened_at: self.clock.now(),
            acknowledged_at: None,
            resolved_at: None,
            body: IncidentBody {
                title: worst.title().to_owned(),
                place: Place::channel(settings.platform_of(channel), channel),
                message: MessageId::new(),
                commander: None,
                resolved_by: None,
                proposals: Vec::new(),
                declared_by: None,
            },
        }
    }

    async fn update_incident(&self, tx: &mut Tx, mut incident: Incident, group: &[&Alert]) -> Result<()> {
        let stream = incident_stream(&incident.id);
        let settings = self.settings.load_full();
        let desk = self.desk(&settings);
        let place = incident.body.place.under(&incident.body.message);
        let mut changed = false;
        for alert in group {
            if incidents::upsert_alert(tx, &incident.id, alert, self.clock.now()).await? == AlertChange::Same {
                continue;
            }
            changed = true;
            let (key, kind) = if alert.firing {
                ("thread_fired", EntryKind::Fired)
            } else {
                ("thread_alert_resolved", EntryKind::AlertResolved)
            };
            self.post(tx, &place, &cards::incident_line(desk, key, SERENO, alert.title()), None).await?;
            self.enter(tx, stream.clone(), SERENO, kind, json!(alert)).await?;
        }
        if !changed {
            return Ok(());
        }
        let alerts = incidents::alerts(tx, &incident.id).await?;
        let from = incident.state;
        if let Some(worst) = alerts.iter().filter(|alert| alert.firing).map(Alert::severity).min() {
            incident.severity = incident.severity.min(worst);
            incidents::update(tx, &incident, from).await?;
        } else {
            incident.state = IncidentState::Resolved;
            incident.resolved_at = Some(self.clock.now());
            if !incidents::update(tx, &incident, from).await? {
                return Ok(());
            }
            self.post(tx, &place, &cards::incident_line(desk, "thread_all_resolved", SERENO, ""), None).await?;
            let after = incident.resolved_at.map(|at| at.since(incident.opened_at).as_millis());
            let body = json!({"by": "alerts", "after_ms": after.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX))});
            self.enter(tx, stream, SERENO, EntryKind::Resolved, body).await?;
        }
        self.edit(tx, &incident.body.message, &self.incident_card(&settings, &incident, &alerts)).await
    }

    /// Chooses up to three runbooks to propose: those for the alert that change something, then those they name.
    async fn propose(&self, tx: &mut Tx, mut incident: Incident, alerts: &[Alert]) -> Result<Incident> {
        let catalog = self.catalog.load_full();
        let matching = matching(&catalog, alerts);
        let named = matching.iter().flat_map(|book| book.next.iter().cloned());
        let changing = matching.iter().filter(|book| book.changes()).map(|book| book.full_name());
        let mut names: Vec<String> = Vec::new();
        for name in changing.chain(named) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        incident.body.proposals = names
            .into_iter()
            .filter_map(|name| catalog.all().find(|book| book.full_name() == name))
            .map(|book| Invocation {
                runbook: book.full_name(),
                args: args_from(book, alerts),
                env: env_from(book, alerts),
            })
            .take(3)
            .collect();
        incidents::update(tx, &incident, IncidentState::Open).await?;
        Ok(incident)
    }

    /// An incident's root card, with what its pack's policy says of it.
    pub(super) fn incident_card(&self, settings: &Settings, incident: &Incident, alerts: &[Alert]) -> Card {
        let catalog = self.catalog.load();
        let pack = settings.pack_in(&incident.body.place.channel).and_then(|name| catalog.pack(name));
        cards::incident(self.desk(settings), incident, alerts, pack.map(AsRef::as_ref))
    }

    /// Runs the read-only steps of the matching runbooks, in the thread.
    async fn diagnose(self: &Arc<Self>, tx: &mut Tx, incident: &Incident, alerts: &[Alert]) -> Result<()> {
        let catalog = self.catalog.load_full();
        let settings = self.settings.load_full();
        let reads = |book: &&Arc<Runbook>| book.steps.first().is_some_and(Step::only_looks);
        for book in matching(&catalog, alerts).iter().filter(reads).take(DIAGNOSES) {
            let env = env_from(book, alerts);
            let invocation = Invocation { runbook: book.full_name(), args: args_from(book, alerts), env };
            let Ok(request) = self.check(&settings, &invocation, &Args::new(), None) else { continue };
            let start = Start {
                request,
                by: Actor::sereno(),
                cause: Cause::Diagnosis,
                place: incident.body.place.under(&incident.body.message),
                reply_to: None,
                incident: Some(incident.id.clone()),
                parent: None,
                undo_of: None,
            };
            let _ = self.start(tx, start, &policy::automatic()).await?; // takes no lock, so nobody holds it
        }
        Ok(())
    }

    /// Opens an incident by a person's word.
    pub(super) async fn declare(&self, tx: &mut Tx, heard: &Heard, severity: Severity, title: &str) -> Result<()> {
        let id = IncidentId::new();
        let incident = Incident {
            group_key: format!("declared:{id}"),
            id,
            state: IncidentState::Open,
            severity,
            opened_at: self.clock.now(),
            acknowledged_at: None,
            resolved_at: None,
            body: IncidentBody {
                title: title.to_owned(),
                place: Place { thread: None, ..heard.place.clone() },
                message: MessageId::new(),
                commander: None,
                resolved_by: None,
                proposals: Vec::new(),
                declared_by: Some(heard.actor.id.clone()),
            },
        };
        incidents::open(tx, &incident).await?;
        let card = self.incident_card(&heard.settings, &incident, &[]);
        self.post_as(tx, &incident.body.message, &incident.body.place, &card, Some(&heard.delivery)).await?;
        let body = json!({"title": title, "severity": severity, "declared": true});
        self.enter(tx, incident_stream(&incident.id), &heard.actor.id, EntryKind::Opened, body).await
    }

    /// Somebody looks at an incident.
    pub(super) async fn acknowledge(&self, tx: &mut Tx, heard: &Heard, id: &IncidentId) -> Result<()> {
        let Some(mut incident) = incidents::take(tx, id).await? else { return Ok(()) };
        if incident.state != IncidentState::Open {
            return self.already(tx, heard, &incident).await;
        }
        incident.state = IncidentState::Acknowledged;
        incident.acknowledged_at = Some(self.clock.now());
        incident.body.commander = Some(heard.actor.id.clone());
        self.turn_incident(tx, heard, incident, IncidentState::Open, ("thread_acknowledged", EntryKind::Acknowledged))
            .await
    }

    /// Somebody closes an incident.
    pub(super) async fn resolve(&self, tx: &mut Tx, heard: &Heard, id: &IncidentId) -> Result<()> {
        let Some(mut incident) = incidents::take(tx, id).await? else { return Ok(()) };
        let from = incident.state;
        if from == IncidentState::Resolved {
            return self.already(tx, heard, &incident).await;
        }
        incident.state = IncidentState::Resolved;
        incident.resolved_at = Some(self.clock.now());
        incident.body.resolved_by = Some(heard.actor.id.clone());
        self.turn_incident(tx, heard, incident, from, ("thread_resolved", EntryKind::Resolved)).await
    }

    async fn turn_incident(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        incident: Incident,
        from: IncidentState,
        told: (&str, EntryKind),
    ) -> Result<()> {
        if !incidents::update(tx, &incident, from).await? {
            return Ok(());
        }
        let desk = self.desk(&heard.settings);
        let alerts = incidents::alerts(tx, &incident.id).await?;
        self.edit(tx, &incident.body.message, &self.incident_card(&heard.settings, &incident, &alerts)).await?;
        let card = cards::incident_line(desk, told.0, &heard.actor.id, "");
        self.post(tx, &incident.body.place.under(&incident.body.message), &card, Some(&heard.delivery)).await?;
        self.enter(tx, incident_stream(&incident.id), &heard.actor.id, told.1, json!({"state": incident.state})).await
    }

    async fn already(&self, tx: &mut Tx, heard: &Heard, incident: &Incident) -> Result<()> {
        let who =
            incident.body.commander.as_deref().map(|id| heard.settings.name_of(id).to_owned()).unwrap_or_default();
        let key = if incident.state == IncidentState::Resolved { "already_resolved" } else { "already_acknowledged" };
        self.tell(tx, heard, key, context! { who }).await
    }
}

/// The runbooks for any of the alerts, each once.
fn matching(catalog: &crate::catalog::Catalog, alerts: &[Alert]) -> Vec<Arc<Runbook>> {
    let mut books: Vec<Arc<Runbook>> = Vec::new();
    for book in alerts.iter().flat_map(|alert| catalog.matching(alert)) {
        if !books.iter().any(|known| known.full_name() == book.full_name()) {
            books.push(book);
        }
    }
    books
}

/// Arguments that alerts' labels give, by `from_label`; the first alert that has the label decides.
pub(super) fn args_from(book: &Runbook, alerts: &[Alert]) -> Args {
    let mut args = Args::new();
    for param in &book.params {
        let label = param.from_label.as_ref();
        let value = label.and_then(|label| alerts.iter().find_map(|alert| alert.labels.get(label)));
        if let Some(value) = value {
            args.insert(param.name.clone(), Value::String(value.clone()));
        }
    }
    args
}

/// The environment that labels give, if it is one of the runbook's.
pub(super) fn env_from(book: &Runbook, alerts: &[Alert]) -> Option<String> {
    let label = alerts.iter().find_map(|alert| alert.labels.get("env").or_else(|| alert.labels.get("environment")));
    label.filter(|env| book.environments.contains(env)).cloned()
}
