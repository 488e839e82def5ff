//! One attempt of a step on AWS: what it has found so far, and what its end means. Knows nothing of single services.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};

use super::caller::changing;
use super::fault::Fault;
use crate::domain::chart::Chart;
use crate::domain::figure::Grid;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Output, Report};
use crate::executor::StepContext;

/// What an attempt has found so far; it outlives one that is stopped.
#[derive(Default)]
pub(super) struct Attempt {
    pub(super) facts: Map<String, Value>,
    pub(super) table: Option<Grid>,
    /// What it measured, to be drawn.
    pub(super) chart: Option<Chart>,
    pub(super) output: Option<Output>,
    /// Whether something was sent whose end nobody has heard of.
    pub(super) sent: AtomicBool,
}

impl Attempt {
    pub(super) fn found(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Sends what changes something. A throttled one did nothing, and is sent again.
    pub(super) async fn change<T, E, Sending>(&self, send: impl FnMut() -> Sending) -> Result<T, Fault>
    where
        E: Into<Fault>,
        Sending: Future<Output = Result<T, E>>,
    {
        changing(&self.sent, send).await
    }

    /// Whether something that AWS has taken is still under way: then whatever stops the attempt does not stop that.
    pub(super) fn under_way(&self, is: bool) {
        self.sent.store(is, Ordering::Relaxed);
    }

    /// What it came to.
    pub(super) fn outcome(self, cx: &StepContext, ended: Result<Result<Sentence, Fault>, Sentence>) -> Outcome {
        let Self { facts, table, chart, output, sent } = self;
        let report = |line| Report { table, chart, output, ..Report::new(Value::Object(facts), line) };
        match ended {
            Ok(Ok(line)) => Outcome::Done(report(line)),
            Ok(Err(Fault::Lost(why))) => cx.half_way(report(why)),
            Ok(Err(fault)) => Outcome::Failed(report(fault.said())),
            Err(why) if sent.into_inner() => cx.half_way(report(sentence!("aws.half_way", why))),
            Err(why) => Outcome::Failed(report(why)),
        }
    }
}

/// Waits for the work of an attempt, as long as it may last.
pub(super) async fn bounded<T>(cx: &StepContext, work: impl Future<Output = T>) -> Result<T, Sentence> {
    tokio::select! {
        biased;
        () = cx.cancel.cancelled() => Err(sentence!("action.cancelled")),
        done = tokio::time::timeout(cx.timeout, work) => done.map_err(|_| cx.not_finished()),
    }
}
