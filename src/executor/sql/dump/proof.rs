//! Whether a backup can be read to its very end. The list of what is in an archive proves nothing: it stands at the
//! beginning, and `pg_restore -l` takes an archive of which half is missing.

use std::fs::File;

use super::source::{Format, Kind, Reading, Seen};
use super::tools;
use crate::domain::sentence::Sentence;
use crate::executor::StepContext;
use crate::executor::process::Spec;

/// Reads all of it, as PostgreSQL reads it, into nothing.
pub(in crate::executor::sql) async fn prove(cx: &StepContext, file: File, kind: Kind) -> Result<Seen, Sentence> {
    let mut reading = Reading::start(file, kind, Vec::new());
    if kind.format == Format::Plain {
        return reading.seen().await;
    }
    let program = tools::program("pg_restore").await?.path;
    let spec = Spec { program, args: vec!["--file=/dev/null".to_owned()], ..Spec::default() };
    let read = tools::run(cx, &spec, reading.chunks(), None).await;
    // What is wrong with the file itself says more than what the program made of it.
    let seen = reading.seen().await?;
    read.map(|_| seen)
}
