//! A new database is filled from a backup, and compared with what the backup says of itself. Touches no other database.

use std::fs::File;

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::server::failed;
use crate::domain::digest::sha256;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::StepContext;
use crate::executor::process::Spec;
use crate::executor::sql::dump::manifest::Rows;
use crate::executor::sql::dump::source::{Format, Kind, Reading, Seen};
use crate::executor::sql::dump::{count, tools};

/// A backup that was proven, and the database that takes it.
pub(super) struct Load<'l> {
    pub(super) secret: &'l str,
    pub(super) into: &'l str,
    pub(super) owners: bool,
    pub(super) kind: Kind,
    /// What the file was when it was approved and proven.
    pub(super) seen: &'l Seen,
}

/// Fills the database. The first error ends it.
pub(super) async fn fill(cx: &StepContext, load: &Load<'_>, file: File) -> Result<(), Sentence> {
    let (name, args, first) = match load.kind.format {
        Format::Custom => ("pg_restore", archive(load), Vec::new()),
        Format::Plain => ("psql", plain(load), shut(cx, load.seen)),
    };
    let spec = Spec {
        program: tools::program(name).await?.path,
        args,
        env: tools::environment(&cx.tools, load.secret)?,
        ..Spec::default()
    };
    let mut reading = Reading::start(file, load.kind, first);
    let ran = tools::run(cx, &spec, reading.chunks(), None).await;
    let seen = reading.seen().await?;
    ran?;
    // Somebody wrote into it while it was read.
    if seen != *load.seen { Err(sentence!("action.sql_file_changed")) } else { Ok(()) }
}

fn archive(load: &Load<'_>) -> Vec<String> {
    let mut args = vec!["--exit-on-error", "--single-transaction", "--no-password", "--verbose"];
    if !load.owners {
        args.extend(["--no-owner", "--no-privileges"]);
    }
    args.into_iter().map(str::to_owned).chain([tools::named(load.into)]).collect()
}

fn plain(load: &Load<'_>) -> Vec<String> {
    let args = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--single-transaction"];
    let args = args.into_iter().chain(["--output=/dev/null", "--file=-"]).map(str::to_owned);
    args.chain([tools::named(load.into)]).collect()
}

/// What psql reads first: from here on it takes SQL and none of its own commands, of which one runs any program. The
/// word that would end this is made of the file's digest, so that no file can hold it.
fn shut(cx: &StepContext, seen: &Seen) -> Vec<u8> {
    let word = sha256(format!("{} {}", cx.idempotency_key, seen.sha256).as_bytes());
    format!("\\restrict {word}\n").into_bytes()
}

/// Gives the new database its statistics, and counts its rows.
pub(super) async fn count(cx: &StepContext, load: &Load<'_>) -> Result<Rows, Sentence> {
    let options = tools::options(&cx.tools, load.secret)?.database(load.into);
    let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
    connection.execute("ANALYZE").await.map_err(failed)?;
    let rows = count::rows(&mut connection).await.map_err(failed)?;
    let _ = connection.close().await;
    Ok(rows)
}
