//! Approvals: N distinct people with a role, never the requester, bound to a digest, dead after their expiry.

use serde::{Deserialize, Serialize};

use super::actor::{Actor, PersonId, Platform, Role};
use super::plan::PlannedStep;
use super::template::Template;
use crate::clock::Timestamp;
use crate::id::{ApprovalId, MessageId, RunId};

/// Longest life of an approval unless a rule says less, in seconds.
pub const LONGEST_EXPIRY: u64 = 15 * 60;

/// Who must agree before a guarded step starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// In these environments; empty means in all.
    #[serde(default)]
    pub environments: Vec<String>,
    /// How many distinct people.
    pub count: u32,
    /// Roles of which each must hold one.
    pub roles: Vec<Role>,
    /// Seconds until it dies.
    pub expires: u64,
    /// What who approves has to type, with placeholders; nothing without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Template>,
}

super::text_enum! {
    /// Where an approval stands.
    ApprovalState {
        /// Votes are taken.
        Pending = "pending",
        /// Enough people said yes.
        Granted = "granted",
        /// Somebody with the right said no.
        Refused = "refused",
        /// Nobody said enough in time.
        Expired = "expired",
        /// The plan changed, or the run was cancelled.
        Void = "void",
        /// The on-call went on alone, with a reason.
        BrokenGlass = "broken_glass",
    }
}

/// A request for approval, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The run that waits.
    pub run: RunId,
    /// Where it stands.
    pub state: ApprovalState,
    /// Digest over `body.steps`.
    pub plan_digest: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it dies.
    pub expires_at: Timestamp,
    /// Everything else.
    pub body: ApprovalBody,
}

/// What is stored beside an approval's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalBody {
    /// Who must agree.
    pub rule: ApprovalRule,
    /// Who asked; may not decide.
    pub requester: PersonId,
    /// What is approved.
    pub steps: Vec<PlannedStep>,
    /// What who approves has to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
    /// From when on the on-call may go on alone; none where the run has no such severity.
    #[serde(default)]
    pub break_glass_at: Option<Timestamp>,
    /// Whether the card already offers it.
    #[serde(default)]
    pub glass_offered: bool,
    /// The reason typed at the break of glass, or at a refusal.
    #[serde(default)]
    pub reason: Option<String>,
    /// The call in the thread for those who may approve, edited when it is over.
    #[serde(default)]
    pub call: Option<MessageId>,
    /// Who closed it, other than by a vote.
    #[serde(default)]
    pub closed_by: Option<PersonId>,
    /// When people decided it, either way.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
}

/// One person's word; the store keeps one a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: PersonId,
    /// Yes or no.
    pub yes: bool,
    /// When.
    pub at: Timestamp,
    /// Where it was given.
    pub platform: Platform,
}

/// Why a person may not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// They asked for it.
    Requester,
    /// They hold none of these roles.
    Role(Vec<Role>),
    /// It died at this moment.
    Expired(Timestamp),
    /// It is already over.
    Closed(ApprovalState),
    /// They already said yes.
    Voted,
    /// They did not type this.
    Unconfirmed(String),
}

impl Approval {
    /// Whether `actor` may say yes or no now. Votes that were counted are given in `votes`.
    ///
    /// # Errors
    /// The first objection, in the order: over, expired, requester, role, already voted.
    pub fn may_decide(&self, actor: &Actor, votes: &[Vote], now: Timestamp) -> Result<(), Objection> {
        if self.state != ApprovalState::Pending {
            return Err(Objection::Closed(self.state));
        }
        if now >= self.expires_at {
            return Err(Objection::Expired(self.expires_at));
        }
        if actor.id == self.body.requester {
            return Err(Objection::Requester);
        }
        if !actor.holds_any(&self.body.rule.roles) {
            return Err(Objection::Role(self.body.rule.roles.clone()));
        }
        if votes.iter().any(|vote| vote.yes && vote.by == actor.id) {
            return Err(Objection::Voted);
        }
        Ok(())
    }

    /// Whether what was typed is what has to be.
    ///
    /// # Errors
    /// When it is not.
    pub fn confirmed(&self, typed: Option<&str>) -> Result<(), Objection> {
        match &self.body.confirm {
            Some(wanted) if typed.map(str::trim) != Some(wanted) => Err(Objection::Unconfirmed(wanted.clone())),
            _ => Ok(()),
        }
    }

    /// Whether these votes are enough: distinct people, none of them the requester.
    #[must_use]
    pub fn quorum(&self, votes: &[Vote]) -> bool {
        let mut people: Vec<&str> = votes
            .iter()
            .filter(|vote| vote.yes && vote.by != self.body.requester)
            .map(|vote| vote.by.as_str())
            .collect();
        people.sort_unstable();
        people.dedup();
        people.len() >= self.body.rule.count.max(1) as usize
    }
}
