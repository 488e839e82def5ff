//! One execution of a runbook.

use serde::{Deserialize, Serialize};

use super::actor::{Actor, Place};
use super::runbook::{Args, Runbook};
use crate::clock::Timestamp;
use crate::id::{DeliveryId, IncidentId, MessageId, RunId};

super::text_enum! {
    /// Where a run stands.
    RunState {
        /// Steps are to be done.
        Active = "active",
        /// Cancelled by a person; a step that runs is being stopped.
        Cancelling = "cancelling",
        /// Every step that was to be done is done.
        Done = "done",
        /// A step failed.
        Failed = "failed",
        /// An approval was refused or expired.
        Refused = "refused",
        /// Cancelled, and nothing runs any more.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// Whether it is over.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Active | Self::Cancelling)
    }
}

super::text_enum! {
    /// Why a run exists.
    Cause {
        /// A person asked.
        Asked = "asked",
        /// An alert arrived: only the read-only steps before the first change.
        Diagnosis = "diagnosis",
        /// A schedule came due.
        Schedule = "schedule",
        /// Another run's step.
        Step = "step",
        /// A person asked to undo a finished run.
        Undo = "undo",
    }
}

/// One execution, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Where it stands.
    pub state: RunState,
    /// What it holds while it is not over; none for a run that only reads.
    pub lock: Option<String>,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Everything else.
    pub body: RunBody,
}

/// What is stored beside a run's columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunBody {
    /// The runbook as it was.
    pub runbook: Runbook,
    /// Its arguments, checked.
    pub args: Args,
    /// Its environment.
    pub env: Option<String>,
    /// Who asked.
    pub by: Actor,
    /// Why.
    pub cause: Cause,
    /// Where its card stands.
    pub place: Place,
    /// Its card.
    pub message: MessageId,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// The run and position that wait for it.
    #[serde(default)]
    pub parent: Option<(RunId, usize)>,
    /// Who cancelled it.
    #[serde(default)]
    pub cancelled_by: Option<String>,
    /// The run whose steps it undoes.
    #[serde(default)]
    pub undo_of: Option<RunId>,
}

impl RunBody {
    /// The command line that would ask for it again.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.runbook.command_line(&self.args, self.env.as_deref())
    }
}
