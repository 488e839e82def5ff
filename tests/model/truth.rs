//! The truth beside the system: who may have approved what. A press that a crash may have swallowed counts as maybe.
//! An effect must match one possible approval: of exactly these bytes, by enough others than the requester who held
//! the role at the click and hold it at the start, before it died, and for the first time.

use std::collections::{BTreeMap, BTreeSet};

use sereno::domain::approval::{Approval, ApprovalState};
use sereno::domain::run::{Run, RunState};
use sereno::domain::step::StepRun;
use sereno::id::{ApprovalId, DeliveryId};

use crate::deeds::Deed;
use crate::system::{Look, Press};

/// How long an approval lives, in milliseconds: what the runbooks say.
const EXPIRES: i64 = 10 * 60 * 1_000;

/// What may be true.
#[derive(Default)]
pub struct Truth {
    /// Whether the last deed lets the system do anything.
    drives: bool,
    /// Approvals pressed for, and not certainly dealt with: who, and on which run.
    open: BTreeMap<DeliveryId, (String, String)>,
    /// Presses that were seen, so that a repeated one is none.
    seen: BTreeSet<DeliveryId>,
    /// Who may have approved what, with the right to.
    votes: BTreeMap<ApprovalId, BTreeSet<String>>,
    /// Approval and step of each effect so far.
    used: BTreeSet<(ApprovalId, String)>,
    before: Option<Look>,
}

impl Truth {
    /// Takes note of a deed.
    pub fn takes(&mut self, deed: &Deed, press: Option<Press>) {
        self.drives = matches!(deed, Deed::Settle | Deed::Crash(_));
        if let (Deed::Press { who, button: "approve", .. }, Some(press)) = (deed, press)
            && self.seen.insert(press.delivery.clone())
        {
            self.open.insert(press.delivery, ((*who).to_owned(), press.run));
        }
    }

    /// Judges what is to be seen after it.
    pub fn judges(&mut self, look: Look) -> Result<(), String> {
        if self.drives {
            self.counts(&look);
        }
        let known = self.before.as_ref().map_or(0, |before| before.effects.len());
        for effect in &look.effects[known..] {
            self.allows(&look, effect)?;
        }
        self.still(&look)?;
        self.before = Some(look);
        Ok(())
    }

    /// Presses that the system may have dealt with in this deed.
    fn counts(&mut self, look: &Look) {
        for (who, run) in self.open.values() {
            let may = who != "ana" && look.leads.contains(who);
            let approvals = look.runs.iter().filter(|(of, _, _)| of.id.as_str() == run).flat_map(|(_, _, all)| all);
            for approval in approvals.filter(|approval| may && look.now.0 < approval.created_at.0 + EXPIRES) {
                self.votes.entry(approval.id.clone()).or_default().insert(who.clone());
            }
        }
        self.open.retain(|delivery, _| !look.done.contains(delivery));
    }

    /// Whether an effect matches a possible approval, which it uses up.
    fn allows(&mut self, look: &Look, effect: &(String, String, String)) -> Result<(), String> {
        let (step, run, version) = effect;
        let says = |what: &str| format!("{what}: step {step} of {run} in version {version}");
        if !self.drives {
            return Err(says("something happened, and nothing was under way"));
        }
        let of_run = |(of, _, _): &&(Run, Vec<StepRun>, Vec<Approval>)| of.id.as_str() == run;
        let Some((run, steps, approvals)) = look.runs.iter().find(of_run) else {
            return Err(says("there is no such run"));
        };
        let before = self.before.as_ref().and_then(|before| before.runs.iter().find(of_run));
        if before.is_some_and(|(before, _, _)| before.state != RunState::Active) {
            return Err(says("its run was over"));
        }
        if !look.leads.contains("ana") {
            return Err(says("who asked may not ask any more"));
        }
        let position = steps.iter().position(|known| known.body.step.id == *step);
        let possible = |approval: &&Approval| {
            let covers = approval.body.steps.iter().any(|planned| Some(planned.position) == position);
            covers && self.quorum(look, run, approval) && !self.used.contains(&(approval.id.clone(), step.clone()))
        };
        let possible: Vec<&Approval> = approvals.iter().filter(possible).collect();
        if possible.is_empty() {
            return Err(says("nobody approved it"));
        }
        let shown = |approval: &&&Approval| shows(look, approval, position) == Some(version.as_str());
        let Some(approval) = possible.iter().find(shown) else {
            return Err(says("nobody approved these bytes"));
        };
        self.used.insert((approval.id.clone(), step.clone()));
        Ok(())
    }

    /// Whether enough people may have approved, who hold the role now.
    fn quorum(&self, look: &Look, run: &Run, approval: &Approval) -> bool {
        let needed = if run.body.runbook.name == "pair" { 2 } else { 1 };
        self.votes.get(&approval.id).is_some_and(|votes| votes.intersection(&look.leads).count() >= needed)
    }

    /// What was over before is as it was.
    fn still(&self, look: &Look) -> Result<(), String> {
        for (run, steps, approvals) in self.before.iter().flat_map(|before| &before.runs) {
            let now = look.runs.iter().find(|(now, _, _)| now.id == run.id);
            let Some((run_now, steps_now, approvals_now)) = now else { return Err(format!("run {} is gone", run.id)) };
            if run.state.is_final() && run_now.state != run.state {
                return Err(format!("run {} was {}, and is {}", run.id, run.state, run_now.state));
            }
            for (step, now) in steps.iter().zip(steps_now) {
                if step.state.is_final() && now.state != step.state {
                    let id = &step.body.step.id;
                    return Err(format!("step {id} of {} was {}, and is {}", run.id, step.state, now.state));
                }
            }
            for (approval, now) in approvals.iter().zip(approvals_now) {
                let (was, is) = (approval.state, now.state);
                let voided = was == ApprovalState::Granted && is == ApprovalState::Void;
                if was != ApprovalState::Pending && was != is && !voided {
                    return Err(format!("approval {} was {was}, and is {is}", approval.id));
                }
            }
        }
        Ok(())
    }
}

/// The version of the script that an approver was shown.
fn shows<'l>(look: &'l Look, approval: &Approval, position: Option<usize>) -> Option<&'l str> {
    let planned = approval.body.steps.iter().find(|planned| Some(planned.position) == position)?;
    let files = planned.plan.exact["sha256"].as_object()?;
    files.values().find_map(|digest| look.versions.get(digest.as_str()?)).map(String::as_str)
}
