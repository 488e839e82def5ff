//! One step of a run: its state machine, total over states and events, and what an attempt came to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chart::Chart;
use super::expect::Verdict;
use super::figure::Grid;
use super::runbook::{Invocation, Step};
use super::sentence::Sentence;
use crate::clock::Timestamp;
use crate::id::{ApprovalId, ReplicaId, RunId};

super::text_enum! {
    /// Where a step stands.
    StepState {
        /// Its turn has not come.
        Waiting = "waiting",
        /// Its plan waits for approvers.
        AwaitingApproval = "awaiting_approval",
        /// It may start.
        Ready = "ready",
        /// Started; its start is in the journal.
        Running = "running",
        /// Started, and waits for a moment, a person or another run.
        Holding = "holding",
        /// It did what it should.
        Done = "done",
        /// It did not.
        Failed = "failed",
        /// Nobody knows; a person decides.
        Unknown = "unknown",
        /// An approver said no, or nobody said yes in time.
        Refused = "refused",
        /// A branch went past it.
        Skipped = "skipped",
        /// The run was cancelled before or while it ran.
        Cancelled = "cancelled",
    }
}

super::text_enum! {
    /// What can happen to a step.
    StepEvent {
        /// Its turn has come and its plan needs approval.
        Ask = "ask",
        /// Its turn has come and it needs no approval.
        Clear = "clear",
        /// Enough approvers said yes, or the glass was broken.
        Approve = "approve",
        /// Refused, expired, or the plan is no longer what was approved.
        Refuse = "refuse",
        /// Its approval is too old by now: it is asked for again.
        Outdate = "outdate",
        /// Claimed by a replica.
        Start = "start",
        /// It waits for a moment, a person or another run.
        Hold = "hold",
        /// Its expected result holds.
        Finish = "finish",
        /// It failed for good.
        Fail = "fail",
        /// It failed and will be tried again; or it was lost and repeating is harmless.
        Retry = "retry",
        /// Its replica died or its outcome cannot be told.
        Lose = "lose",
        /// A person looked and says that it happened.
        Confirm = "confirm",
        /// A person looked and says that it did not happen: run it again.
        Rerun = "rerun",
        /// A branch goes past it.
        Skip = "skip",
        /// The run was cancelled.
        Cancel = "cancel",
    }
}

impl StepState {
    /// Whether nothing more happens to it by itself or by anyone.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Refused | Self::Skipped | Self::Cancelled)
    }

    /// Where `event` leads, or none where it is not allowed. `guarded` tells a step that needs approval: for it the
    /// only way to [`StepState::Ready`] is an approval, also after it was lost.
    #[must_use]
    pub fn next(self, event: StepEvent, guarded: bool) -> Option<Self> {
        use StepEvent as E;
        Some(match (self, event) {
            (Self::Waiting, E::Ask) if guarded => Self::AwaitingApproval,
            (Self::Waiting, E::Clear) if !guarded => Self::Ready,
            (Self::Waiting | Self::AwaitingApproval | Self::Ready, E::Skip) => Self::Skipped,
            (Self::AwaitingApproval, E::Approve) => Self::Ready,
            (Self::AwaitingApproval | Self::Ready, E::Refuse) if guarded => Self::Refused,
            (Self::Ready, E::Outdate) if guarded => Self::Waiting,
            (Self::Ready, E::Start) => Self::Running,
            // A plan that cannot be made fails the step before it starts.
            (Self::Waiting | Self::Ready, E::Fail) => Self::Failed,
            (Self::Running | Self::Holding, E::Hold) => Self::Holding,
            (Self::Running | Self::Holding, E::Finish) => Self::Done,
            (Self::Running | Self::Holding, E::Fail) => Self::Failed,
            (Self::Running | Self::Holding, E::Retry) if !guarded => Self::Ready,
            (Self::Running | Self::Holding, E::Lose) => Self::Unknown,
            (Self::Unknown, E::Confirm) => Self::Done,
            (Self::Unknown, E::Rerun) if guarded => Self::Waiting,
            (Self::Unknown, E::Rerun | E::Retry) if !guarded => Self::Ready,
            (
                Self::Waiting | Self::AwaitingApproval | Self::Ready | Self::Running | Self::Holding | Self::Unknown,
                E::Cancel,
            ) => Self::Cancelled,
            _ => return None,
        })
    }
}

/// What one attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran to its end; the facts say what was found, expectations judge them.
    Done(Report),
    /// It ran, or could not run, and certainly did not do what it should.
    Failed(Report),
    /// It may or may not have happened.
    Unknown(Report),
    /// It goes on without a process: at a moment, by a person, by another run.
    Hold(Hold),
}

/// What an attempt has to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was found, for expectations, branches and later steps.
    #[serde(default)]
    pub facts: Value,
    /// One line: what happened and why.
    #[serde(default)]
    pub line: Sentence,
    /// What it printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What it found, as a table that people read in the thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Grid>,
    /// What it measured, to be drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
}

impl Report {
    /// What was found, and one line about it.
    #[must_use]
    pub fn new(facts: Value, line: Sentence) -> Self {
        Self { facts, line, ..Self::default() }
    }

    /// Only a line.
    #[must_use]
    pub fn line(line: Sentence) -> Self {
        Self { line, ..Self::default() }
    }
}

/// A capped, redacted output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its beginning.
    pub head: String,
    /// Its end, where the beginning did not hold all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
    /// Bytes between the two that were not kept.
    #[serde(default)]
    pub left_out: u64,
    /// All bytes that it printed, before redaction.
    pub bytes: u64,
    /// SHA-256 of all of them, lower-case hex, after redaction.
    pub sha256: String,
}

/// What a held step waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// This many seconds.
    For(u64),
    /// A person who checks it off.
    Person {
        /// What to do or to look at.
        instructions: String,
        /// Whether a note of what was seen is required.
        evidence: bool,
        /// Roles that may check it off; empty means whoever may ask for the runbook.
        roles: Vec<String>,
    },
    /// Another runbook's run.
    Runbook(Invocation),
    /// A person who chooses among what it found.
    Choice {
        /// The parameter that the choice fills.
        param: String,
        /// What may be chosen.
        choices: Vec<String>,
        /// What the step has found, for when it goes on.
        found: Box<Report>,
    },
}

/// One step of one run, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRun {
    /// Its run.
    pub run: RunId,
    /// Its place in the run, from 0. Undo steps come after the runbook's own.
    pub position: usize,
    /// Where it stands.
    pub state: StepState,
    /// Attempts started so far.
    pub attempt: u32,
    /// The replica that runs it.
    pub owner: Option<ReplicaId>,
    /// Until when that replica's word is good.
    pub lease_until: Option<Timestamp>,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// The approval that covers it.
    pub approval: Option<ApprovalId>,
    /// Everything else.
    pub body: StepBody,
}

/// What is stored beside a step's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepBody {
    /// The step as it was when the run started.
    pub step: Step,
    /// Whether it needs approval in this run's environment.
    pub guarded: bool,
    /// The position that it undoes, for an undo step.
    #[serde(default)]
    pub undoes: Option<usize>,
    /// The run that has taken back what it did: it is not taken back twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<RunId>,
    /// What its attempt was started with, until the attempt's end is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Began>,
    /// What was seen when its unknown end was looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Digest of the plan it was started with.
    #[serde(default)]
    pub plan_digest: Option<String>,
    /// What its last attempt came to.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Expected and observed.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
    /// What it waits for while it is held.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// The run that it waits for.
    #[serde(default)]
    pub child: Option<RunId>,
    /// When its last attempt started.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
}

/// What an attempt was started with: enough to look later whether it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Began {
    /// The action's fields, placeholders filled.
    pub with: Value,
    /// The exact part of its plan.
    pub exact: Value,
}

/// What a look into an unknown end saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The attempt that was looked into.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// What there is now.
    pub line: Sentence,
}

impl StepRun {
    /// The same for every attempt of it, and no other step's.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}-{}", self.run, self.position)
    }

    /// What was seen of its present attempt's unknown end.
    #[must_use]
    pub fn seen(&self) -> Option<&Seen> {
        self.body.seen.as_ref().filter(|seen| seen.attempt == self.attempt)
    }

    /// Whether there is something to take back, and a way to.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        self.state == StepState::Done && self.body.step.undo.is_some() && self.body.taken_back.is_none()
    }
}

impl StepBody {
    /// The last attempt's report, whatever it came to.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self.outcome.as_ref()? {
            Outcome::Done(report) | Outcome::Failed(report) | Outcome::Unknown(report) => Some(report),
            Outcome::Hold(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_take_no_event() {
        for state in StepState::ALL.iter().filter(|state| state.is_final()) {
            for event in StepEvent::ALL {
                assert_eq!(state.next(*event, true), None, "{state} {event}");
                assert_eq!(state.next(*event, false), None, "{state} {event}");
            }
        }
    }

    #[test]
    fn a_guarded_step_becomes_ready_only_by_an_approval() {
        for state in StepState::ALL {
            for event in StepEvent::ALL {
                if state.next(*event, true) == Some(StepState::Ready) {
                    assert_eq!((*state, *event), (StepState::AwaitingApproval, StepEvent::Approve));
                }
            }
        }
    }

    #[test]
    fn running_is_entered_from_ready_alone() {
        for state in StepState::ALL {
            for event in StepEvent::ALL {
                for guarded in [true, false] {
                    if state.next(*event, guarded) == Some(StepState::Running) {
                        assert_eq!((*state, *event), (StepState::Ready, StepEvent::Start));
                    }
                }
            }
        }
    }

    #[test]
    fn every_state_that_is_not_final_can_end() {
        for state in StepState::ALL.iter().filter(|state| !state.is_final()) {
            assert_eq!(state.next(StepEvent::Cancel, true), Some(StepState::Cancelled), "{state}");
        }
    }
}
