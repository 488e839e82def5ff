//! How an attempt ends, whichever way: by itself, at its deadline, cancelled. Also the refusals that every action with
//! verbs shares. Knows nothing of single actions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{StepContext, listed};
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It certainly did not come about.
    Failed(Sentence),
    /// It was sent, and how it ended nobody heard.
    Lost(Sentence),
}

impl From<Sentence> for Fault {
    fn from(why: Sentence) -> Self {
        Self::Failed(why)
    }
}

/// Whether a change is on its way: then an attempt that is stopped has an unknown end.
#[derive(Default)]
pub(super) struct Sent(AtomicBool);

impl Sent {
    /// From here on the other side may act.
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The other side has answered that it did not.
    pub(super) fn over(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it may.
    pub(super) fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The time that a step, or the planning of one, has for all that it calls, one after the other.
pub(super) struct Deadline {
    at: Instant,
    /// How long that was in all.
    pub(super) whole: Duration,
    pub(super) cancel: CancellationToken,
}

impl Deadline {
    /// From now on. What is planned cannot be cancelled.
    pub(super) fn after(whole: Duration) -> Self {
        Self { at: Instant::now() + whole, whole, cancel: CancellationToken::new() }
    }

    /// Of an attempt that begins now.
    pub(super) fn of(cx: &StepContext) -> Self {
        Self { cancel: cx.cancel.clone(), ..Self::after(cx.timeout) }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

/// An attempt that only looks: whatever stops it, nothing has changed.
pub(super) async fn look(cx: &StepContext, work: impl Future<Output = Result<Report, Sentence>>) -> Outcome {
    change(cx, &Sent::default(), async { work.await.map_err(Fault::Failed) }).await
}

/// An attempt that changes something once `sent` says so.
pub(super) async fn change(
    cx: &StepContext,
    sent: &Sent,
    work: impl Future<Output = Result<Report, Fault>>,
) -> Outcome {
    let ended = tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(sentence!("action.cancelled")),
        done = tokio::time::timeout(cx.timeout, work) => done.map_err(|_| match sent.is() {
            true => cx.not_finished(),
            false => sentence!("action.no_answer", why => cx.not_finished()),
        }),
    };
    match ended {
        Ok(Ok(report)) => Outcome::Done(report),
        Ok(Err(Fault::Failed(why))) => Outcome::Failed(Report::line(why)),
        Ok(Err(Fault::Lost(why))) => cx.half_way(Report::line(why)),
        Err(why) if sent.is() => cx.half_way(Report::line(sentence!("action.half_way", why))),
        Err(why) => Outcome::Failed(Report::line(why)),
    }
}

/// The effect of a step that does at least this.
pub(super) fn at_least(least: Effect, declared: Option<Effect>) -> Result<Effect, Sentence> {
    match declared {
        Some(declared) if declared < least => {
            Err(sentence!("action.effect_less", declared => declared.as_str(), least => least.as_str()))
        }
        declared => Ok(declared.unwrap_or(least)),
    }
}

/// A field: whether it was given, its name, and the verbs that it belongs to.
pub(super) type Field<'f, V> = (bool, &'static str, &'f [V]);

/// Refuses a field of another verb, by name.
pub(super) fn only<V: PartialEq + ToString>(verb: &V, fields: &[Field<'_, V>]) -> Result<(), Sentence> {
    match fields.iter().find(|(given, _, verbs)| *given && !verbs.contains(verb)) {
        Some((_, field, verbs)) => {
            Err(sentence!("action.stray", field => *field, verbs => listed(verbs), verb => verb.to_string()))
        }
        None => Ok(()),
    }
}

/// A field that its verb needs.
pub(super) fn needed<T, V: ToString>(field: Option<T>, name: &'static str, verb: &V) -> Result<T, Sentence> {
    field.ok_or_else(|| sentence!("action.needs", verb => verb.to_string(), field => name))
}
