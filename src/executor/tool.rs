//! A program that is asked for its answer: what it prints is read up to a limit and never grows beyond it. Knows
//! nothing of what is asked.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::output::Pipe;
use super::process::{self, Ended, Spec};
use crate::domain::sentence::{Sentence, sentence};

/// Bytes of standard error that are kept, the last.
const ERRORS: usize = 8 * 1024;

/// What it answered.
pub(super) struct Answer {
    pub(super) ended: Ended,
    pub(super) stdout: String,
    /// Whether that is all of it.
    pub(super) whole: bool,
    /// The end of what it said on standard error.
    pub(super) stderr: String,
}

impl Answer {
    /// Why it did not end well, in its own words.
    pub(super) fn why(&self) -> String {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let said = said.trim();
        match said.is_empty() {
            true => format!("{:?}", self.ended),
            false => said.to_owned(),
        }
    }
}

/// Runs it to its end and keeps `limit` bytes of its standard output.
pub(super) async fn ask(
    spec: &Spec,
    limit: usize,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Answer, Sentence> {
    let (mut out, mut err, mut whole) = (Vec::new(), Vec::new(), true);
    let ended = process::run(spec, timeout, cancel, &mut |pipe, bytes| match pipe {
        Pipe::Out => {
            let room = bytes.len().min(limit - out.len());
            out.extend_from_slice(&bytes[..room]);
            whole &= room == bytes.len();
        }
        Pipe::Err => {
            err.extend_from_slice(bytes);
            err.drain(..err.len().saturating_sub(ERRORS));
        }
    })
    .await
    .map_err(|error| not_started(&spec.program, &error))?;
    let [stdout, stderr] = [out, err].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Answer { ended, stdout, whole, stderr })
}

/// Why a program did not start.
pub(super) fn not_started(program: &Path, error: &std::io::Error) -> Sentence {
    sentence!("action.shell_not_started", name => program.display().to_string(), why => error.to_string())
}
