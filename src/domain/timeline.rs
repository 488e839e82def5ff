//! The timeline and audit trail: entries in one hash chain, so that an altered, cut or reordered entry shows.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest;
use crate::clock::Timestamp;

super::text_enum! {
    /// What an entry is about.
    EntryKind {
        /// A command was accepted; body holds runbook, digest, args.
        Asked = "asked",
        /// A command, click or form was denied; body says why.
        Denied = "denied",
        /// A plan waits for approvers; body holds the plan's digest and steps.
        ApprovalAsked = "approval_asked",
        /// Somebody said yes.
        Approved = "approved",
        /// Somebody said no.
        Refused = "refused",
        /// Nobody said enough in time.
        Expired = "expired",
        /// An approval died because its plan changed.
        Voided = "voided",
        /// The on-call went on alone; body holds the reason.
        BrokeGlass = "broke_glass",
        /// A break of glass was reviewed.
        Reviewed = "reviewed",
        /// A step is about to start; written before its effect.
        StepStarted = "step_started",
        /// A step ended; body holds the outcome.
        StepEnded = "step_ended",
        /// A person said what became of an unknown step, or checked one off.
        StepDecided = "step_decided",
        /// A run is over.
        RunEnded = "run_ended",
        /// A person cancelled a run.
        Cancelled = "cancelled",
        /// An incident opened.
        Opened = "opened",
        /// An alert fired or fired again.
        Fired = "fired",
        /// An alert ended.
        AlertResolved = "alert_resolved",
        /// Nobody answered in time, and others were called.
        Escalated = "escalated",
        /// Somebody looks at it.
        Acknowledged = "acknowledged",
        /// The incident is over.
        Resolved = "resolved",
        /// A person wrote something down.
        Noted = "noted",
        /// A shift changed.
        HandedOff = "handed_off",
        /// The incoming person accepted.
        Accepted = "accepted",
        /// The program started or stops, took a new configuration or new runbooks, or refused them.
        System = "system",
    }
}

/// One entry, not yet chained.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// What it belongs to: `incident/…`, `run/…` or `system`.
    pub stream: String,
    /// When.
    pub at: Timestamp,
    /// Who: a person's id, or `sereno`.
    pub actor: String,
    /// What about.
    pub kind: EntryKind,
    /// The particulars.
    pub body: Value,
}

/// One entry as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the chain, from 1, without gaps.
    pub seq: i64,
    /// What it belongs to.
    pub stream: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What about.
    pub kind: EntryKind,
    /// The particulars, canonical JSON text: stored and hashed byte for byte.
    pub body: String,
    /// The hash before; 64 zeros for the first.
    pub prev: String,
    /// SHA-256 over all of the above.
    pub hash: String,
}

/// The `prev` of the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl NewEntry {
    /// Chains it behind `prev`.
    #[must_use]
    pub fn chain(self, seq: i64, prev: &str) -> Entry {
        let mut entry = Entry {
            seq,
            stream: self.stream,
            at: self.at,
            actor: self.actor,
            kind: self.kind,
            body: digest::canonical(&self.body),
            prev: prev.to_owned(),
            hash: String::new(),
        };
        entry.hash = entry.compute_hash();
        entry
    }
}

impl Entry {
    /// The hash that it should have. Fields are joined as a JSON list, so no two entries share a text.
    #[must_use]
    pub fn compute_hash(&self) -> String {
        digest::of(&(self.seq, &self.stream, self.at, &self.actor, self.kind, &self.body, &self.prev))
    }
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
pub enum ChainFault {
    /// The entry's content does not give its hash.
    #[error("entry {0} was altered: its content does not give its hash")]
    Altered(i64),
    /// The entry does not follow the one before it.
    #[error("entry {0} does not follow entry {1}: something between them was cut or reordered")]
    Broken(i64, i64),
    /// The chain ends before the head that was recorded.
    #[error("the chain ends at entry {0}, but entry {1} was recorded: its end was cut off")]
    Short(i64, i64),
    /// The entry at the recorded head is another one.
    #[error("entry {0} is not the one that was recorded: the chain was rewritten")]
    Rewritten(i64),
}

/// Checks a chain entry by entry, without holding it in memory.
#[derive(Debug, Clone)]
pub struct Verifier {
    seq: i64,
    hash: String,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

impl Verifier {
    /// Takes the next entry.
    ///
    /// # Errors
    /// The first fault.
    pub fn take(&mut self, entry: &Entry) -> Result<(), ChainFault> {
        if entry.seq != self.seq + 1 || entry.prev != self.hash {
            return Err(ChainFault::Broken(entry.seq, self.seq));
        }
        if entry.compute_hash() != entry.hash {
            return Err(ChainFault::Altered(entry.seq));
        }
        self.seq = entry.seq;
        self.hash.clone_from(&entry.hash);
        Ok(())
    }

    /// The last entry's number and hash.
    #[must_use]
    pub fn head(&self) -> (i64, &str) {
        (self.seq, &self.hash)
    }
}
