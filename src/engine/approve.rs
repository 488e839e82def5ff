//! Approvals: asked for with the plan's digest, decided by clicks that are judged at the click, and judged again at
//! the start.

use std::sync::Arc;
use std::time::Duration;

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::answer::Heard;
use super::plan::Planned;
use super::post::stream_of;
use crate::chat::cards;
use crate::clock::Timestamp;
use crate::domain::actor::{Actor, SERENO};
use crate::domain::approval::{Approval, ApprovalBody, ApprovalRule, ApprovalState, Objection, Vote};
use crate::domain::digest;
use crate::domain::plan::{Plan, PlannedStep, digest_of};
use crate::domain::policy::{self, Ask};
use crate::domain::run::Run;
use crate::domain::settings::Settings;
use crate::domain::step::{StepEvent, StepRun, StepState};
use crate::domain::template::{self, Template};
use crate::domain::timeline::EntryKind;
use crate::faults::seeded;
use crate::id::{ApprovalId, MessageId};
use crate::store::{Db, Result, Tx, approvals, incidents, runs, steps};

/// Why an approval does not hold that was not used in its time.
const OUTDATED: &str = "approval_outdated";

/// An approval that waits for somebody.
pub struct Waiting {
    /// What is asked.
    pub approval: Approval,
    /// Who has agreed so far.
    pub votes: Vec<Vote>,
    /// The run that waits.
    pub run: Run,
}

impl Engine {
    /// Asks for approval of a step, and of the steps after it that need the same people and can be planned now.
    pub(super) async fn ask_approval(
        &self,
        run: &Run,
        all: &[StepRun],
        step: &StepRun,
        plan: Plan,
        rule: ApprovalRule,
    ) -> Result<bool> {
        let planned = self.plan_covered(run, all, step, plan, &rule).await?;
        let confirm = self.confirmation(run, all, &rule).await?;
        let now = self.clock.now();
        let mut approval = Approval {
            id: ApprovalId::new(),
            run: run.id.clone(),
            state: ApprovalState::Pending,
            plan_digest: digest_of(&planned),
            created_at: now,
            expires_at: now.after(Duration::from_secs(rule.expires)),
            body: ApprovalBody {
                confirm,
                break_glass_at: self.break_glass_at(run).await?,
                glass_offered: false,
                rule,
                requester: run.body.by.id.clone(),
                steps: planned,
                reason: None,
                call: None,
                closed_by: None,
                decided_at: None,
            },
        };
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        for planned in &approval.body.steps {
            let Some(covered) = all.get(planned.position) else { continue };
            let mut covered = covered.clone();
            covered.body.guarded = true;
            covered.approval = Some(approval.id.clone());
            if !self.move_step(&mut tx, &mut covered, StepEvent::Ask).await? {
                return Ok(false);
            }
        }
        let settings = self.settings.load_full();
        let call = cards::approval_wanted(self.desk(&settings), run, &approval, approvers(&settings, &approval));
        let called = MessageId::new();
        approval.body.call = Some(called.clone());
        approvals::insert(&mut tx, &approval).await?;
        self.refresh(&mut tx, &run.id).await?;
        self.post_as(&mut tx, &called, &run.body.place.under(&run.body.message), &call, None).await?;
        let body = json!({
            "run": run.id, "approval": approval.id, "digest": approval.plan_digest, "steps": approval.body.steps,
            "rule": approval.body.rule, "expires_at": approval.expires_at,
        });
        self.enter(&mut tx, stream_of(run), &run.body.by.id, EntryKind::ApprovalAsked, body).await?;
        tx.commit().await?;
        fail::fail_point!("engine.after_ask_approval");
        Ok(true)
    }

    async fn plan_covered(
        &self,
        run: &Run,
        all: &[StepRun],
        step: &StepRun,
        plan: Plan,
        rule: &ApprovalRule,
    ) -> Result<Vec<PlannedStep>> {
        let scope = self.scope(run, all).await?;
        let settings = self.settings.load_full();
        let env = run.body.env.as_deref();
        let defaults = settings.approval_defaults(env);
        let title = step.body.step.title.clone();
        let undo = self.plan_undo(&step.body.step, &scope).await;
        let mut covered = vec![PlannedStep { position: step.position, title, plan, undo }];
        for later in all.iter().filter(|later| later.position > step.position && later.state == StepState::Waiting) {
            if later.body.step.effect == crate::domain::runbook::Effect::Read {
                continue;
            }
            let Ok(Planned { plan, .. }) = self.plan_step(&later.body.step, &scope).await else { break };
            match policy::approval_for(&run.body.runbook, plan.effect, env, &defaults) {
                Some(same) if same == *rule => {
                    let undo = self.plan_undo(&later.body.step, &scope).await;
                    let title = later.body.step.title.clone();
                    covered.push(PlannedStep { position: later.position, title, plan, undo });
                }
                Some(_) => break,
                None => {}
            }
        }
        Ok(covered)
    }

    /// What who approves has to type: what the rule says, or the command where that cannot be told.
    async fn confirmation(&self, run: &Run, all: &[StepRun], rule: &ApprovalRule) -> Result<Option<String>> {
        let Some(Template(text)) = &rule.confirm else { return Ok(None) };
        let scope = self.scope(run, all).await?;
        let filled = template::fill(&json!(text), &scope.names);
        Ok(Some(filled.map_or_else(|_| run.body.command_line(), |value| crate::domain::expect::show(&value))))
    }

    async fn break_glass_at(&self, run: &Run) -> Result<Option<crate::clock::Timestamp>> {
        let Some(id) = &run.incident else { return Ok(None) };
        let Some(incident) = incidents::get(&mut self.store.read().await?, id).await? else { return Ok(None) };
        let rule = &self.settings.load().break_glass;
        let grave = rule.severities.contains(&incident.severity);
        Ok(grave.then(|| self.clock.now().after(Duration::from_secs(rule.after))))
    }

    /// Launches an approved step, if what it would do now is what was approved, and everybody still may.
    pub(super) async fn launch_approved(
        self: &Arc<Self>,
        run: &Run,
        all: &[StepRun],
        step: &StepRun,
        planned: Planned,
    ) -> Result<bool> {
        let Some(id) = &step.approval else { return Ok(false) };
        let votes = approvals::votes(&mut self.store.read().await?, id).await?;
        let concerned: Vec<_> = votes.iter().map(|vote| &vote.by).chain([&run.body.by.id]).collect();
        self.reread(&concerned).await; // before the transaction, for a platform takes its time
        let Some(mut tx) = self.begin_on(run).await? else { return Ok(false) };
        let Some(approval) = approvals::get(&mut tx, id).await? else { return Ok(false) };
        let votes = approvals::votes(&mut tx, id).await?;
        let settings = self.settings.load_full();
        let same = |plan: &Plan| digest::of(plan) == digest::of(&planned.plan) || seeded("defect.no_digest_check");
        let key = if !approved_plan(&approval, step).is_some_and(same) {
            Some("plan_changed")
        } else if approval.state == ApprovalState::Granted && !still_quorum(&settings, &approval, &votes) {
            Some("approver_lost_role")
        } else if !self.requester_still_may(&settings, run) {
            Some("requester_lost_right")
        } else if outdated(&approval, all, self.clock.now()) {
            Some(OUTDATED)
        } else {
            None
        };
        match key {
            Some(key) => self.void(tx, run, step, approval, key).await,
            None => self.start_step(tx, run, step.clone(), planned, SERENO).await,
        }
    }

    /// What an approval covers and has not begun waits for another one.
    async fn send_back_covered(&self, tx: &mut Tx, run: &Run, approval: &ApprovalId) -> Result<()> {
        for step in steps::of_run(tx, &run.id).await? {
            if step.state == StepState::Ready && step.approval.as_ref() == Some(approval) {
                self.move_step(tx, &mut StepRun { approval: None, ..step }, StepEvent::Outdate).await?;
            }
        }
        Ok(())
    }

    fn requester_still_may(&self, settings: &Settings, run: &Run) -> bool {
        if run.body.by.id == SERENO {
            return true; // nobody asked
        }
        settings.actor(&run.body.by.id, run.body.by.platform).is_some_and(|actor| {
            let ask = Ask {
                actor: &actor,
                runbook: &run.body.runbook,
                args: Some(&run.body.args),
                env: run.body.env.as_deref(),
                channel: Some(&run.body.place.channel),
            };
            policy::authorize(ask).is_ok()
        })
    }

    /// An approval that no longer holds: nothing that it covered is started. Where it is only too old, that is asked for
    /// again.
    async fn void(&self, mut tx: Tx, run: &Run, step: &StepRun, approval: Approval, key: &str) -> Result<bool> {
        let settings = self.settings.load_full();
        let desk = self.desk(&settings);
        let values = context! { title => step.body.step.title.clone(), who => settings.name_of(&run.body.by.id) };
        let card = cards::line(desk, key, values);
        let from = approval.state;
        let mut voided = approval;
        voided.state = ApprovalState::Void;
        voided.body.reason = Some(card.title.clone());
        if !approvals::update(&mut tx, &voided, from).await? {
            return Ok(false);
        }
        match key {
            OUTDATED => self.send_back_covered(&mut tx, run, &voided.id).await?,
            _ => self.refuse_steps(&mut tx, run, &voided.id).await?,
        }
        self.in_thread(&mut tx, run, &card).await?;
        self.refresh(&mut tx, &run.id).await?;
        let body = json!({"run": run.id, "approval": voided.id, "step": step.body.step.title, "why": key});
        self.enter(&mut tx, stream_of(run), SERENO, EntryKind::Voided, body).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What somebody may decide now, oldest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn waiting_for(&self, db: &mut Db, actor: &Actor) -> Result<Vec<Waiting>> {
        let mut found = Vec::new();
        for approval in approvals::pending(db).await? {
            let votes = approvals::votes(db, &approval.id).await?;
            if approval.may_decide(actor, &votes, self.clock.now()).is_ok()
                && let Some(run) = runs::get(db, &approval.run).await?
            {
                found.push(Waiting { approval, votes, run });
            }
        }
        Ok(found)
    }

    /// Takes somebody's yes or no, with what they typed: a confirmation, or a reason. The approval's row is locked first, so that votes at the same moment see each other.
    pub(super) async fn decide(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        id: &ApprovalId,
        yes: bool,
        typed: Option<String>,
    ) -> Result<()> {
        let Some(mut approval) = approvals::get(tx, id).await? else { return Ok(()) };
        if approval.state == ApprovalState::Pending && !approvals::update(tx, &approval, ApprovalState::Pending).await?
        {
            let Some(moved) = approvals::get(tx, id).await? else { return Ok(()) };
            approval = moved;
        }
        // Pressed for an earlier plan, whose button had the same name.
        if heard.at < approval.created_at {
            return self.tell(tx, heard, "button_gone", context! {}).await;
        }
        let mut votes = approvals::votes(tx, id).await?;
        let Some(run) = runs::get(tx, &approval.run).await? else { return Ok(()) };
        let now = self.clock.now();
        spoil(&mut approval, &mut votes, &heard.actor);
        let confirmed = || if yes { approval.confirmed(typed.as_deref()) } else { Ok(()) };
        if let Err(objection) = approval.may_decide(&heard.actor, &votes, now).and_then(|()| confirmed()) {
            return self.object(tx, heard, &run, &approval, &objection).await;
        }
        if yes {
            let vote = Vote { by: heard.actor.id.clone(), yes, at: now, platform: heard.actor.platform };
            if !approvals::vote(tx, id, &vote).await? && !seeded("defect.duplicate_vote") {
                return self.object(tx, heard, &run, &approval, &Objection::Voted).await;
            }
            votes.push(vote);
            if approval.quorum(&votes) {
                approval.state = ApprovalState::Granted;
                approval.body.decided_at = Some(now);
                approvals::update(tx, &approval, ApprovalState::Pending).await?;
                self.ready_steps(tx, &run, id).await?;
            }
        } else {
            approval.state = ApprovalState::Refused;
            approval.body.closed_by = Some(heard.actor.id.clone());
            approval.body.decided_at = Some(now);
            approval.body.reason.clone_from(&typed);
            approvals::update(tx, &approval, ApprovalState::Pending).await?;
            self.refuse_steps(tx, &run, id).await?;
        }
        self.refresh(tx, &run.id).await?;
        let kind = if yes { EntryKind::Approved } else { EntryKind::Refused };
        let body = json!({"run": run.id, "approval": id, "digest": approval.plan_digest, "state": approval.state, "reason": typed.filter(|_| !yes)});
        self.enter(tx, stream_of(&run), &heard.actor.id, kind, body).await
    }

    async fn object(&self, tx: &mut Tx, heard: &Heard, run: &Run, approval: &Approval, why: &Objection) -> Result<()> {
        let decided = self.decided_by(tx, &heard.settings, approval).await?;
        let card = cards::objection(self.desk(&heard.settings), why, &decided);
        self.aside(tx, heard, &card).await?;
        let body = json!({"run": run.id, "approval": approval.id, "why": format!("{why:?}")});
        self.enter(tx, stream_of(run), &heard.actor.id, EntryKind::Denied, body).await
    }

    pub(super) async fn decided_by(&self, tx: &mut Tx, settings: &Settings, approval: &Approval) -> Result<String> {
        if let Some(by) = &approval.body.closed_by {
            return Ok(settings.name_of(by).to_owned());
        }
        let votes = approvals::votes(tx, &approval.id).await?;
        Ok(votes.iter().map(|vote| settings.name_of(&vote.by)).collect::<Vec<_>>().join(", "))
    }

    /// The steps that an approval covers may start, each in its turn.
    pub(super) async fn ready_steps(&self, tx: &mut Tx, run: &Run, id: &ApprovalId) -> Result<()> {
        for mut step in steps::of_run(tx, &run.id).await? {
            if step.approval.as_ref() == Some(id) {
                self.move_step(tx, &mut step, StepEvent::Approve).await?;
            }
        }
        Ok(())
    }

    /// The steps that an approval covers are refused, and with them the rest of the run.
    pub(super) async fn refuse_steps(&self, tx: &mut Tx, run: &Run, id: &ApprovalId) -> Result<()> {
        for mut step in steps::of_run(tx, &run.id).await? {
            let event = if step.approval.as_ref() == Some(id) { StepEvent::Refuse } else { StepEvent::Skip };
            if !step.state.is_final() {
                self.move_step(tx, &mut step, event).await?;
            }
        }
        Ok(())
    }

    /// Ends approvals that nobody answered in time.
    pub(super) async fn expire(&self) -> Result<usize> {
        let expired = approvals::expired(&mut self.store.read().await?, self.clock.now()).await?;
        for mut approval in expired.iter().cloned() {
            let mut tx = self.store.begin().await?;
            approval.state = ApprovalState::Expired;
            if !approvals::update(&mut tx, &approval, ApprovalState::Pending).await? {
                continue;
            }
            let Some(run) = runs::get(&mut tx, &approval.run).await? else { continue };
            self.refuse_steps(&mut tx, &run, &approval.id).await?;
            self.refresh(&mut tx, &run.id).await?;
            let body = json!({"run": run.id, "approval": approval.id});
            self.enter(&mut tx, stream_of(&run), SERENO, EntryKind::Expired, body).await?;
            tx.commit().await?;
        }
        Ok(expired.len())
    }
}

/// What was approved for a step: its own plan, or, for an undo step, the undo plan of the step that it undoes.
fn approved_plan<'a>(approval: &'a Approval, step: &StepRun) -> Option<&'a Plan> {
    let open = matches!(approval.state, ApprovalState::Granted | ApprovalState::BrokenGlass);
    let at = |position: usize| approval.body.steps.iter().find(|planned| open && planned.position == position);
    // A way back that could not be told beforehand was asked for by itself.
    match (at(step.position), step.body.undoes) {
        (Some(own), _) => Some(&own.plan),
        (None, Some(undone)) => at(undone)?.undo.as_ref(),
        (None, None) => None,
    }
}

/// Whether more time has passed since people agreed than they had for it, in which nothing was done: what they saw then is
/// not what is now. Work counts as use, however long it takes; waiting for a moment or a person does not.
fn outdated(approval: &Approval, all: &[StepRun], now: Timestamp) -> bool {
    let Some(decided) = approval.body.decided_at else { return false };
    let idle = all.iter().filter(|step| matches!(step.body.step.action.as_str(), "ask" | "wait"));
    let idle: Duration =
        idle.filter_map(|step| Some(step.body.ended_at?.since(step.body.started_at?.max(decided)))).sum();
    let last = all.iter().filter_map(|step| step.body.ended_at).fold(decided, Timestamp::max);
    idle + now.since(last) > Duration::from_secs(approval.body.rule.expires)
}

/// Whether enough of those who said yes still hold a role that may, and are still of us where they said it.
fn still_quorum(settings: &Settings, approval: &Approval, votes: &[Vote]) -> bool {
    let holds = |vote: &&Vote| {
        let actor = settings.actor(&vote.by, vote.platform);
        actor.is_some_and(|actor: Actor| actor.holds_any(&approval.body.rule.roles))
    };
    let still: Vec<Vote> = votes.iter().filter(holds).cloned().collect();
    approval.quorum(&still) || seeded("defect.revoked_approver")
}

/// Who may approve: five at the most, to be called.
fn approvers(settings: &Settings, approval: &Approval) -> Vec<String> {
    let may = |id: &&String| {
        **id != approval.body.requester
            && settings
                .actor(id, crate::domain::actor::Platform::Console)
                .is_some_and(|actor| actor.holds_any(&approval.body.rule.roles))
    };
    settings.people.keys().filter(may).take(5).cloned().collect()
}

/// Defects of a decision, for the model test to find.
fn spoil(approval: &mut Approval, votes: &mut Vec<Vote>, by: &Actor) {
    if seeded("defect.self_approval") && approval.body.requester == by.id {
        approval.body.requester.clear();
    }
    if seeded("defect.no_expiry_check") {
        approval.expires_at = crate::clock::Timestamp(i64::MAX);
    }
    if seeded("defect.duplicate_vote") && votes.iter().any(|vote| vote.by == by.id) {
        approval.body.rule.count = 1;
        votes.clear();
    }
}
