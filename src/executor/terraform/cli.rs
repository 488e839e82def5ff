//! The program: found, called with a clean environment, and what its ends mean.

use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::fields::{Fields, Verb};
use super::lock::{self, Kept, Lock};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Output, Report};
use crate::executor::attempt::Deadline;
use crate::executor::output::Recorder;
use crate::executor::process::{self, Ended, Polite, Spec};
use crate::executor::tool::{self, Answer, not_started};
use crate::executor::value::Text;
use crate::executor::{StepContext, Tools, aws_account_is};

/// Largest answer that is read: a plan or a state as JSON.
const READ: usize = 64 * 1024 * 1024;
/// Bytes of standard output that are kept for facts.
const KEPT: usize = 64 * 1024;
/// Told to end, it still has to wait for its providers, to save what they did and to give its lock back. Providers are
/// programs of its group that ignore an interrupt; any other signal ends them, and what they were making is lost.
pub(super) const POLITE: Polite = Polite { signal: Signal::SIGINT, grace: Duration::from_secs(60) };
/// How long a question of a plan may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What it came to and what it printed.
pub(super) struct Called {
    pub(super) ended: Ended,
    pub(super) output: Output,
    /// The beginning of its standard output.
    pub(super) stdout: String,
}

/// Its file.
pub(super) fn program(tools: &Tools) -> Result<PathBuf, Sentence> {
    tools.program("terraform").ok_or_else(|| sentence!("action.terraform_missing", path => process::PATH))
}

impl Fields {
    pub(super) fn spec(&self, tools: &Tools, argv: Vec<String>) -> Result<Spec, Sentence> {
        let ours = [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1")];
        let mut env: std::collections::BTreeMap<String, String> =
            ours.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        // Chosen for this call alone, so that nobody else's commands in this directory go elsewhere.
        if let Some(Text(name)) = &self.workspace
            && !matches!(self.r#do, Verb::Init | Verb::WorkspaceNew)
        {
            env.insert("TF_WORKSPACE".to_owned(), name.clone());
        }
        for (name, text) in &self.vars {
            env.insert(format!("TF_VAR_{name}"), text.reveal(tools)?);
        }
        for (name, text) in &self.env {
            env.insert(name.clone(), text.reveal(tools)?);
        }
        Ok(Spec {
            program: program(tools)?,
            args: argv,
            dir: Some(self.directory()?),
            env,
            polite: POLITE,
            ..Spec::default()
        })
    }

    /// Refuses another account than the one that the step is for.
    pub(super) async fn in_account(&self, tools: &Tools) -> Result<(), Sentence> {
        let Some(Text(wanted)) = &self.account else { return Ok(()) };
        let env = self.env.iter().map(|(name, text)| Ok((name.clone(), text.reveal(tools)?)));
        aws_account_is(wanted, &env.collect::<Result<_, Sentence>>()?, tools).await
    }

    /// Asks for an answer that nobody else sees.
    pub(super) async fn ask(&self, tools: &Tools, argv: &[&str], deadline: &Deadline) -> Result<Answer, Sentence> {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        let answer = tool::ask(&self.spec(tools, argv)?, READ, deadline.left(), &deadline.cancel).await?;
        match answer.ended {
            Ended::TimedOut => Err(sentence!("action.terraform_slow", seconds => deadline.whole.as_secs())),
            Ended::Cancelled => Err(sentence!("action.cancelled")),
            _ if !answer.whole => Err(sentence!("action.terraform_too_large", limit => READ / 1024 / 1024)),
            _ => Ok(answer),
        }
    }

    /// Calls it while people watch. With no time left it is not called at all, so that nothing is begun that cannot end.
    pub(super) async fn call(&self, cx: &StepContext, spec: &Spec, deadline: &Deadline) -> Result<Called, Sentence> {
        let left = deadline.left();
        if left.is_zero() {
            return Err(cx.not_finished());
        }
        let mut recorder = Recorder::watched(cx, KEPT);
        let sink = &mut |pipe, bytes: &[u8]| recorder.push(pipe, bytes);
        let ended = process::run(spec, left, &cx.cancel, sink).await;
        let ended = ended.map_err(|error| not_started(&spec.program, &error))?;
        let recorded = recorder.finish();
        Ok(Called { ended, output: recorded.output, stdout: recorded.stdout })
    }
}

/// What it comes to when it did not end as it should.
pub(super) fn not_done(cx: &StepContext, ended: Ended, report: Report) -> Outcome {
    let half = |line: Sentence| cx.half_way(Report { line, ..report.clone() });
    match ended {
        Ended::Exited(code) => {
            let line = match holder_in(&report) {
                Some(lock) => sentence!("action.terraform_held", lock => lock.said(cx.started_at)),
                None if kept_in(&report) == Some(Kept::Alone) => sentence!("action.terraform_lock_kept"),
                None => sentence!("action.terraform_exit", code),
            };
            Outcome::Failed(Report { line, ..report })
        }
        Ended::Killed(signal) => half(sentence!("action.shell_signal", signal)),
        Ended::TimedOut => half(cx.not_finished()),
        Ended::Cancelled => half(sentence!("action.cancelled")),
    }
}

/// Who holds the lock for which it has not even begun, where that is why it failed.
pub(super) fn holder_in(report: &Report) -> Option<Lock> {
    Lock::read(&said(report))
}

/// Whether it could not give its own lock back, and whether that is all that went wrong.
pub(super) fn kept_in(report: &Report) -> Option<Kept> {
    lock::kept(&said(report))
}

/// What it printed, as far as that was kept.
fn said(report: &Report) -> String {
    report.output.as_ref().map(|output| format!("{}\n{}", output.head, output.tail)).unwrap_or_default()
}
