//! PostgreSQL's own programs: where they are, which version they have, and how they are told of a database without its
//! password on a command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Output;
use crate::executor::output::{Pipe, Recorder};
use crate::executor::process::{self, Ended, Spec};
use crate::executor::sql::session;
use crate::executor::{StepContext, Tools};

/// How long a program may take to say its version.
const ASKING: Duration = Duration::from_secs(10);

/// One of the programs.
#[derive(Debug, Clone)]
pub(in crate::executor::sql) struct Program {
    pub(in crate::executor::sql) path: PathBuf,
    /// As in `15.18`.
    pub(in crate::executor::sql) version: String,
    pub(in crate::executor::sql) major: u32,
}

/// Finds a program and asks for its version.
pub(in crate::executor::sql) async fn program(name: &str) -> Result<Program, Sentence> {
    let missing = || sentence!("action.sql_no_program", name, path => process::PATH);
    let path = process::find(name).ok_or_else(missing)?;
    let spec = Spec { program: path.clone(), args: vec!["--version".to_owned()], ..Spec::default() };
    let mut said = Vec::new();
    let mut listen = |pipe: Pipe, bytes: &[u8]| {
        if pipe == Pipe::Out && said.len() < 1024 {
            said.extend_from_slice(bytes);
        }
    };
    let said = match process::run(&spec, ASKING, &CancellationToken::new(), &mut listen).await {
        Ok(Ended::Exited(0)) => String::from_utf8_lossy(&said).into_owned(),
        _ => return Err(missing()),
    };
    // As in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or 17beta1.
    let version = said.split_whitespace().nth(2).unwrap_or_default().to_owned();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    let major = version[..digits].parse().map_err(|_| missing())?;
    Ok(Program { path, version, major })
}

/// Takes a program's standard output.
pub(in crate::executor::sql) type Sink<'s> = &'s mut (dyn FnMut(&[u8]) + Send);

/// Runs a program to its end. What it prints is watched; its standard output goes to `out` instead, where there is one.
///
/// # Errors
/// When it cannot be started, is stopped, or says by its exit code that it failed: then in its own last words.
pub(in crate::executor::sql) async fn run(
    cx: &StepContext,
    spec: &Spec,
    input: Option<mpsc::Receiver<Vec<u8>>>,
    mut out: Option<Sink<'_>>,
) -> Result<Output, Sentence> {
    let mut recorder = Recorder::watched(cx, 0);
    let name = spec.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut listen = |pipe: Pipe, bytes: &[u8]| match (&mut out, pipe) {
        (Some(out), Pipe::Out) => out(bytes),
        _ => recorder.push(pipe, bytes),
    };
    let ended = process::run_fed(spec, input, cx.timeout, &cx.cancel, &mut listen).await;
    let output = recorder.finish().output;
    let last = if output.tail.is_empty() { &output.head } else { &output.tail };
    let last = last.lines().find(|line| line.to_lowercase().contains("error:")).or_else(|| last.lines().last());
    let last = last.unwrap_or_default().to_owned();
    match ended {
        Ok(Ended::Exited(0)) => Ok(output),
        Ok(Ended::Exited(code)) => Err(sentence!("action.sql_program_failed", name, code, last)),
        Ok(Ended::Killed(signal)) => Err(sentence!("action.shell_signal", signal)),
        Ok(Ended::TimedOut) => Err(cx.not_finished()),
        Ok(Ended::Cancelled) => Err(sentence!("action.cancelled")),
        Err(error) => Err(sentence!("action.shell_not_started", name, why => error.to_string())),
    }
}

/// The versions of the three programs, for `doctor`.
///
/// # Errors
/// When one is missing.
pub async fn versions() -> Result<String, Sentence> {
    let mut said = Vec::new();
    for name in ["pg_dump", "pg_restore", "psql"] {
        said.push(format!("{name} {}", program(name).await?.version));
    }
    Ok(said.join(", "))
}

/// The name of the database that a secret's address leads to. It is no secret.
pub(in crate::executor::sql) fn database(tools: &Tools, secret: &str) -> Result<String, Sentence> {
    let options = options(tools, secret)?;
    Ok(options.get_database().unwrap_or(options.get_username()).to_owned())
}

/// The address that a secret holds.
pub(in crate::executor::sql) fn options(tools: &Tools, secret: &str) -> Result<PgConnectOptions, Sentence> {
    session::address(tools, secret).map_err(|fault| match fault {
        session::Fault::Failed(why) | session::Fault::Lost(why) => why,
    })
}

/// How a program is told of a server: by its environment, which only its own user can read.
pub(in crate::executor::sql) fn environment(tools: &Tools, secret: &str) -> Result<BTreeMap<String, String>, Sentence> {
    let options = options(tools, secret)?;
    let url = tools.secrets.get(secret).map(|secret| secret.reveal().trim().to_owned()).unwrap_or_default();
    let url = reqwest::Url::parse(&url).map_err(|_| sentence!("action.sql_no_address", secret))?;
    let mode = match options.get_ssl_mode() {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    };
    let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
    let mut environment: BTreeMap<String, String> = [
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
        ("PGSSLMODE", mode.to_owned()),
        ("PGAPPNAME", "sereno".to_owned()),
        ("PGCONNECT_TIMEOUT", "10".to_owned()),
        ("PGPASSFILE", "/dev/null".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
    if let Some(password) = url.password() {
        set("PGPASSWORD", percent_decode_str(password).decode_utf8_lossy().into_owned());
    }
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "password" => drop(set("PGPASSWORD", value.into_owned())),
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => drop(set("PGSSLROOTCERT", value.into_owned())),
            "sslcert" | "ssl-cert" => drop(set("PGSSLCERT", value.into_owned())),
            "sslkey" | "ssl-key" => drop(set("PGSSLKEY", value.into_owned())),
            "options" => drop(set("PGOPTIONS", value.into_owned())),
            _ => {}
        }
    }
    Ok(environment)
}

/// A database's name as these programs take it, whatever is in it.
pub(in crate::executor::sql) fn named(database: &str) -> String {
    format!("--dbname=dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_password_goes_into_the_environment_as_it_is() {
        let url = "postgres://ana:p%40ss%2Fw%C3%B1@db.internal:5433/shop?sslmode=require&sslrootcert=/etc/ca.pem";
        let tools = Tools::new([("db".to_owned(), Secret::new(url))].into(), &[], None);
        let found = environment(&tools, "db").unwrap();
        for (name, value) in [
            ("PGHOST", "db.internal"),
            ("PGPORT", "5433"),
            ("PGUSER", "ana"),
            ("PGPASSWORD", "p@ss/wñ"),
            ("PGSSLMODE", "require"),
            ("PGSSLROOTCERT", "/etc/ca.pem"),
        ] {
            assert_eq!(found[name], value);
        }
        assert_eq!(database(&tools, "db").unwrap(), "shop");
        assert_eq!(named(r"it's \ x"), r"--dbname=dbname='it\'s \\ x'");
    }
}
