//! `docker` exec: one program in one container, without a terminal, without standard input, without privileges.

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use super::Attempt;
use super::engine::{Container, Engine, Fault, fault, lost, of_one};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::listed;
use crate::executor::output::{Pipe, Recorded, beginning};

/// Bytes of standard output that the `stdout` fact holds.
const SHOWN: usize = 64 * 1024;
/// Lines of it that the `lines` fact holds.
const LINES: usize = 1000;

/// Runs it to its end. The engine has no way to end what was started: one that is stopped may go on.
pub(super) async fn run(
    engine: &Engine,
    target: &Container,
    (argv, ok): (&[String], &[i64]),
    attempt: &mut Attempt<'_>,
) -> Result<Sentence, Fault> {
    let config = CreateExecOptions {
        cmd: Some(argv.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    // Nothing runs yet: the engine only writes it down.
    let created = engine.docker.create_exec(&target.id, config).await;
    let id = created.map_err(|error| of_one(target, &error))?.id;
    attempt.sent = true;
    let ended = record(engine, (&target.name, &id), attempt).await;
    attempt.sent = false;
    match ended? {
        None => Err(Fault::Lost(sentence!("action.docker_exec_lost", name => &target.name))),
        Some(code) => {
            attempt.found("exit", code);
            match ok.contains(&code) {
                true => Ok(sentence!("action.exit", code)),
                false => Err(Fault::Failed(sentence!("action.exit_bad", code, ok => listed(ok)))),
            }
        }
    }
}

/// Takes all that it prints, and its exit code; none if it still runs.
async fn record(engine: &Engine, (name, id): (&str, &str), attempt: &mut Attempt<'_>) -> Result<Option<i64>, Fault> {
    let started = engine.docker.start_exec(id, None).await;
    let started = started.map_err(|error| fault(Sentence::plain(name), &error))?;
    if let StartExecResults::Attached { mut output, .. } = started {
        while let Some(frame) = output.next().await {
            let frame = frame.map_err(|error| lost(name, &error))?;
            let pipe = if let LogOutput::StdErr { .. } = frame { Pipe::Err } else { Pipe::Out };
            attempt.recorder.push(pipe, frame.as_ref());
        }
    }
    Ok(engine.docker.inspect_exec(id).await.map_err(|error| lost(name, &error))?.exit_code)
}

/// What its standard output says.
pub(super) fn facts(facts: &mut Map<String, Value>, recorded: &Recorded) {
    let stdout = beginning(&recorded.stdout, SHOWN);
    facts.insert("stdout".to_owned(), stdout.into());
    facts.insert("lines".to_owned(), stdout.lines().take(LINES).collect());
}
