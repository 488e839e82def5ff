//! Break-glass: when no approver answers in a grave incident, the on-call may go on alone, with a reason, announced
//! widely, and with a review that the same person cannot close.

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::answer::Heard;
use super::post::stream_of;
use crate::chat::cards;
use crate::domain::actor::Place;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::run::Run;
use crate::domain::timeline::EntryKind;
use crate::id::{ApprovalId, MessageId, ReviewId};
use crate::store::reviews::Review;
use crate::store::{Result, Tx, approvals, reviews, runs};

impl Engine {
    /// Offers the button on approvals that have waited long enough.
    pub(super) async fn offer_glass(&self) -> Result<usize> {
        let now = self.clock.now();
        let pending = approvals::pending(&mut self.store.read().await?).await?;
        let due = |approval: &Approval| {
            !approval.body.glass_offered && approval.body.break_glass_at.is_some_and(|at| at <= now)
        };
        let mut offered = 0;
        for mut approval in pending.into_iter().filter(due) {
            let mut tx = self.store.begin().await?;
            approval.body.glass_offered = true;
            if approvals::update(&mut tx, &approval, ApprovalState::Pending).await? {
                self.refresh(&mut tx, &approval.run).await?;
                tx.commit().await?;
                offered += 1;
            }
        }
        Ok(offered)
    }

    /// The on-call goes on alone.
    pub(super) async fn break_glass(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        id: &ApprovalId,
        reason: Option<String>,
    ) -> Result<()> {
        let Some(mut approval) = approvals::get(tx, id).await? else { return Ok(()) };
        if heard.at < approval.created_at {
            return self.tell(tx, heard, "button_gone", context! {}).await;
        }
        let Some(run) = runs::get(tx, &approval.run).await? else { return Ok(()) };
        if let Some(card) = self.glass_objection(tx, heard, &approval, reason.as_deref()).await? {
            self.aside(tx, heard, &card).await?;
            let body = json!({"run": run.id, "approval": id, "why": card.state});
            return self.enter(tx, stream_of(&run), &heard.actor.id, EntryKind::Denied, body).await;
        }
        let reason = reason.unwrap_or_default();
        approval.state = ApprovalState::BrokenGlass;
        approval.body.closed_by = Some(heard.actor.id.clone());
        approval.body.decided_at = Some(self.clock.now());
        approval.body.reason = Some(reason.clone());
        if !approvals::update(tx, &approval, ApprovalState::Pending).await? {
            return Ok(());
        }
        self.ready_steps(tx, &run, id).await?;
        self.refresh(tx, &run.id).await?;
        self.announce(tx, heard, &run, &reason).await?;
        let review = self.open_review(tx, heard, &run, &reason).await?;
        let body =
            json!({"run": run.id, "approval": id, "digest": approval.plan_digest, "reason": reason, "review": review});
        self.enter(tx, stream_of(&run), &heard.actor.id, EntryKind::BrokeGlass, body).await
    }

    /// Why they may not, if they may not: asked in the order over, incident, moment, person, reason.
    async fn glass_objection(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        approval: &Approval,
        reason: Option<&str>,
    ) -> Result<Option<crate::chat::card::Card>> {
        use crate::domain::approval::Objection;
        let (desk, settings, now) = (self.desk(&heard.settings), &heard.settings, self.clock.now());
        let over = match approval.state {
            ApprovalState::Pending if now >= approval.expires_at => Some(Objection::Expired(approval.expires_at)),
            ApprovalState::Pending => None,
            state => Some(Objection::Closed(state)),
        };
        if let Some(over) = over {
            let decided = self.decided_by(tx, settings, approval).await?;
            return Ok(Some(cards::objection(desk, &over, &decided)));
        }
        let Some(at) = approval.body.break_glass_at else {
            let severities =
                settings.break_glass.severities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Ok(Some(cards::line(desk, "glass_not_here", context! { severities })));
        };
        if now < at {
            return Ok(Some(cards::line(desk, "glass_too_early", context! { at => desk.clock(at) })));
        }
        let on_call = self.on_call_for(settings, &heard.place.channel);
        if !on_call.contains(&heard.actor.id) {
            let who = on_call.iter().map(|id| settings.name_of(id)).collect::<Vec<_>>().join(", ");
            return Ok(Some(cards::line(desk, "glass_not_on_call", context! { who })));
        }
        let empty = reason.is_none_or(|reason| reason.trim().is_empty());
        Ok(empty.then(|| cards::line(desk, "glass_no_reason", context! {})))
    }

    /// Who is on call for a channel: its team's person, or those of all teams where it has none.
    pub(super) fn on_call_for(&self, settings: &crate::domain::settings::Settings, channel: &str) -> Vec<String> {
        let team = settings.channels.get(channel).and_then(|channel| channel.team.clone());
        let fits = |name: &String| team.as_ref().is_none_or(|team| team == name);
        let rotas = settings.teams.iter().filter(|(name, _)| fits(name)).filter_map(|(_, team)| team.rota.as_ref());
        rotas.filter_map(|rota| rota.on_call(self.clock.now())).collect()
    }

    async fn announce(&self, tx: &mut Tx, heard: &Heard, run: &Run, reason: &str) -> Result<()> {
        let values = context! {
            who => heard.settings.name_of(&heard.actor.id), command => run.body.command_line(), reason,
        };
        let mut card = cards::line(self.desk(&heard.settings), "glass_announced", values);
        card.tone = crate::chat::card::Tone::Bad;
        let mut channels = vec![&run.body.place.channel];
        for channel in &heard.settings.break_glass.announce {
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        for channel in channels {
            let place = Place::channel(heard.settings.platform_of(channel), channel);
            self.post(tx, &place, &card, Some(&heard.delivery)).await?;
        }
        Ok(())
    }

    async fn open_review(&self, tx: &mut Tx, heard: &Heard, run: &Run, reason: &str) -> Result<ReviewId> {
        let id = ReviewId::new();
        let what = (run.body.command_line(), reason.to_owned());
        let card = cards::review(self.desk(&heard.settings), &id, &heard.actor.id, (&what.0, &what.1), None);
        let message = MessageId::new();
        let place = Place { thread: None, ..run.body.place.clone() };
        self.post_as(tx, &message, &place, &card, None).await?;
        let review = Review {
            id: id.clone(),
            run: run.id.clone(),
            opened_by: heard.actor.id.clone(),
            opened_at: self.clock.now(),
            reason: reason.to_owned(),
            message,
            closed_by: None,
            closed_at: None,
            note: None,
        };
        reviews::insert(tx, &review).await?;
        Ok(id)
    }

    /// Closes a review: somebody else, who may approve, with a note.
    pub(super) async fn close_review(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        id: &ReviewId,
        note: Option<String>,
    ) -> Result<()> {
        let desk = self.desk(&heard.settings);
        let Some(review) = reviews::get(tx, id).await? else { return Ok(()) };
        let roles = &heard.settings.approver_roles;
        let note = note.filter(|note| !note.trim().is_empty());
        let objection = if review.closed_by.is_some() {
            Some(cards::line(desk, "review_closed", context! {}))
        } else if review.opened_by == heard.actor.id {
            Some(cards::line(desk, "review_own", context! {}))
        } else if !heard.actor.holds_any(roles) {
            Some(cards::line(desk, "review_role", context! { list => roles.join(", ") }))
        } else if note.is_none() {
            Some(cards::line(desk, "review_no_note", context! {}))
        } else {
            None
        };
        if let Some(card) = objection {
            return self.aside(tx, heard, &card).await;
        }
        let note = note.unwrap_or_default();
        if !reviews::close(tx, id, &heard.actor.id, &note, self.clock.now()).await? {
            return Ok(());
        }
        let Some(run) = runs::get(tx, &review.run).await? else { return Ok(()) };
        let command = run.body.command_line();
        let what = (command.as_str(), review.reason.as_str());
        let card = cards::review(desk, id, &review.opened_by, what, Some((&heard.actor.id, &note)));
        self.edit(tx, &review.message, &card).await?;
        let body = json!({"run": run.id, "review": id, "note": note});
        self.enter(tx, stream_of(&run), &heard.actor.id, EntryKind::Reviewed, body).await
    }
}
