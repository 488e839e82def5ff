//! The shift change: a packet posted by itself, or when asked for, that the incoming person accepts.

use std::time::Duration;

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::answer::Heard;
use super::record::STREAM;
use crate::chat::cards::{self, Shift};
use crate::clock::Timestamp;
use crate::domain::actor::{Place, SERENO};
use crate::domain::incident::Tally;
use crate::domain::settings::{Settings, Team};
use crate::domain::step::StepState;
use crate::domain::timeline::EntryKind;
use crate::id::{HandoffId, MessageId};
use crate::store::handoffs::Handoff;
use crate::store::{Db, Result, Tx, approvals, handoffs, incidents, reviews, runs, steps, timeline};

/// A shift change that is older is not posted any more: the program was away, or is new here.
const LATE: Duration = Duration::from_secs(12 * 3600);
/// A shift that is told by the hour.
const SHORT: Duration = Duration::from_secs(36 * 3600);
const HOUR: Duration = Duration::from_secs(3600);
/// Runs that a packet lists.
const LISTED: usize = 20;

impl Engine {
    /// Who is on call.
    pub(super) async fn on_call(&self, tx: &mut Tx, heard: &Heard, team: Option<&str>) -> Result<()> {
        let teams = self.teams_on_call(&heard.settings, team);
        self.reply(tx, heard, &cards::on_call(self.desk(&heard.settings), &teams)).await
    }

    /// Teams with a rota, or only this one: who is on call, and until when.
    pub(super) fn teams_on_call(
        &self,
        settings: &Settings,
        team: Option<&str>,
    ) -> Vec<(String, Option<String>, Option<Timestamp>)> {
        let now = self.clock.now();
        let fits = |name: &&String| team.is_none_or(|team| team == name.as_str());
        let teams = settings.teams.iter().filter(|(name, _)| fits(name));
        teams
            .filter_map(|(name, team)| Some((name, team.rota.as_ref()?)))
            .map(|(name, rota)| (name.clone(), rota.on_call(now), rota.shift(now).map(|shift| shift.until)))
            .collect()
    }

    /// The packet on request: from the start of the present shift until now, for the one who comes next.
    pub(super) async fn handoff_now(&self, tx: &mut Tx, heard: &Heard, team: Option<&str>) -> Result<()> {
        let now = self.clock.now();
        let Some((name, team)) = team_for(&heard.settings, team, &heard.place.channel) else {
            return self.tell(tx, heard, "no_rota", context! {}).await;
        };
        let rota = team.rota.as_ref();
        let shift = rota.and_then(|rota| rota.shift(now));
        let incoming = shift.as_ref().and_then(|shift| rota.and_then(|rota| rota.on_call(shift.until)));
        let from = shift.map_or(now.before(Duration::from_secs(7 * 24 * 3600)), |shift| shift.from);
        let outgoing = rota.and_then(|rota| rota.on_call(now));
        let packet = Shift { team: name.clone(), outgoing, incoming, ..self.packet(tx, from, now).await? };
        self.hand_over(tx, &heard.place, packet, Some(&heard.delivery)).await
    }

    /// Posts shift changes that have come.
    pub(super) async fn change_shifts(&self) -> Result<usize> {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        let mut posted = 0;
        for (name, team) in &settings.teams {
            let Some((rota, shift)) = team.rota.as_ref().and_then(|rota| Some((rota, rota.shift(now)?))) else {
                continue;
            };
            let begun = now.since(shift.from);
            let outgoing = rota.on_call(shift.from.before(Duration::from_secs(1)));
            if begun > LATE || outgoing.is_none() {
                continue;
            }
            if handoffs::at(&mut self.store.read().await?, name, shift.from).await?.is_some() {
                continue;
            }
            let mut tx = self.store.begin().await?;
            let from = rota.shift(shift.from.before(Duration::from_secs(1))).map_or(shift.from, |before| before.from);
            let incoming = rota.on_call(now);
            let packet = Shift { team: name.clone(), outgoing, incoming, ..self.packet(&mut tx, from, now).await? };
            let place = Place::channel(settings.platform_of(&team.channel), &team.channel);
            if self.hand_over_at(&mut tx, &place, packet, shift.from, None).await? {
                tx.commit().await?;
                posted += 1;
            }
        }
        Ok(posted)
    }

    async fn hand_over(
        &self,
        tx: &mut Tx,
        place: &Place,
        packet: Shift,
        reply_to: Option<&crate::id::DeliveryId>,
    ) -> Result<()> {
        self.hand_over_at(tx, place, packet, self.clock.now(), reply_to).await.map(drop)
    }

    /// Posts a packet for a moment, once.
    async fn hand_over_at(
        &self,
        tx: &mut Tx,
        place: &Place,
        packet: Shift,
        at: Timestamp,
        reply_to: Option<&crate::id::DeliveryId>,
    ) -> Result<bool> {
        let settings = self.settings.load_full();
        let handoff = Handoff {
            id: HandoffId::new(),
            team: packet.team.clone(),
            at,
            outgoing: packet.outgoing.clone(),
            incoming: packet.incoming.clone().unwrap_or_default(),
            message: MessageId::new(),
            accepted_at: None,
            accepted_by: None,
        };
        if !handoffs::insert(tx, &handoff).await? {
            return Ok(false);
        }
        let id = packet.incoming.is_some().then_some(&handoff.id);
        let card = cards::handoff(self.desk(&settings), &packet, id);
        self.post_as(tx, &handoff.message, place, &card, reply_to).await?;
        let body = json!({"team": handoff.team, "outgoing": handoff.outgoing, "incoming": handoff.incoming});
        self.enter(tx, STREAM.to_owned(), SERENO, EntryKind::HandedOff, body).await?;
        Ok(true)
    }

    /// What happened in a span, and what is open at its end.
    async fn packet(&self, db: &mut Db, from: Timestamp, until: Timestamp) -> Result<Shift> {
        let after = Timestamp(until.0.saturating_add(1));
        let entries = timeline::between(db, from, after).await?;
        let count = |kinds: &[EntryKind]| entries.iter().filter(|entry| kinds.contains(&entry.kind)).count();
        let span = if until.since(from) <= SHORT { HOUR } else { cards::DAY };
        let happened = incidents::tallies(db, from, after, span).await?;
        let mut pending = Vec::new();
        for approval in approvals::pending(db).await? {
            pending.extend(runs::get(db, &approval.run).await?.map(|run| run.body.command_line()));
        }
        let ran = runs::between(db, from, after).await?;
        let ran = ran.iter().rev().filter(|run| run.body.runbook.changes()).take(LISTED);
        Ok(Shift {
            from: Some(from),
            open: incidents::unresolved(db).await?,
            fired: incidents::between(db, from, after).await?.len(),
            span,
            tallies: every(&happened, from, until, span),
            ran: ran.map(|run| (run.body.command_line(), run.state.to_string())).collect(),
            decided: (
                count(&[EntryKind::Approved, EntryKind::BrokeGlass]),
                count(&[EntryKind::Refused, EntryKind::Expired, EntryKind::Voided]),
            ),
            denied: count(&[EntryKind::Denied]),
            pending,
            unknown: steps::in_state(db, StepState::Unknown)
                .await?
                .into_iter()
                .map(|step| step.body.step.title)
                .collect(),
            reviews: reviews::open(db).await?.len(),
            ..Shift::default()
        })
    }

    /// The incoming person accepts.
    pub(super) async fn accept_shift(&self, tx: &mut Tx, heard: &Heard, id: &HandoffId) -> Result<()> {
        let Some(handoff) = handoffs::get(tx, id).await? else { return Ok(()) };
        if handoff.incoming != heard.actor.id {
            let who = heard.settings.name_of(&handoff.incoming);
            return self.tell(tx, heard, "handoff_not_yours", context! { who }).await;
        }
        let now = self.clock.now();
        if !handoffs::accept(tx, id, &heard.actor.id, now).await? {
            return self.tell(tx, heard, "handoff_taken", context! {}).await;
        }
        if let Some(mut card) = self.shown(tx, &handoff.message).await? {
            let desk = self.desk(&heard.settings);
            let values = context! { who => heard.settings.name_of(&heard.actor.id), at => desk.clock(now) };
            card.footer = Some(desk.words.say("card.handoff_accepted", values));
            "accepted".clone_into(&mut card.state);
            card.buttons.clear();
            self.edit(tx, &handoff.message, &card).await?;
        }
        let body = json!({"team": handoff.team, "outgoing": handoff.outgoing});
        self.enter(tx, STREAM.to_owned(), &heard.actor.id, EntryKind::Accepted, body).await
    }
}

/// A tally for every span from `from` to `until`, also where nothing happened.
fn every(happened: &[Tally], from: Timestamp, until: Timestamp, span: Duration) -> Vec<Tally> {
    let length = i64::try_from(span.as_millis()).unwrap_or(i64::MAX).max(1);
    let starts = (from.0 / length..=until.0 / length).map(|span| Timestamp(span * length));
    let tally = |at| happened.iter().find(|tally| tally.at == at).copied();
    starts.map(|at| tally(at).unwrap_or(Tally { at, incidents: 0, alerts: 0 })).collect()
}

/// The team that is meant: the named one, the channel's, or the only one.
fn team_for<'s>(settings: &'s Settings, named: Option<&str>, channel: &str) -> Option<(&'s String, &'s Team)> {
    let of_channel = settings.channels.get(channel).and_then(|channel| channel.team.as_deref());
    match named.or(of_channel) {
        Some(name) => settings.teams.get_key_value(name),
        None => settings.teams.iter().next().filter(|_| settings.teams.len() == 1),
    }
}
