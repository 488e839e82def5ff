//! One connection for one step: opened, given its limits, and ended. Knows what the driver's errors mean.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Postgres};
use tokio::time::{Instant, timeout};

use super::fields::Param;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::executor::{StepContext, Tools};

/// The server gives up this much before the step does, so that it says how it ended.
const MARGIN: Duration = Duration::from_millis(500);
/// How long a call for a stop may take.
const STOPPING: Duration = Duration::from_secs(5);
/// How long a cancelled statement has to say how it ended.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Why it was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It certainly did not come about.
    Failed(Sentence),
    /// It was sent, and nobody answered.
    Lost(Sentence),
}

/// What was found before the fault, and the fault.
pub(super) type Broken = (Value, Fault);

/// A fault before anything was found.
pub(super) fn nothing(fault: Fault) -> Broken {
    (Value::Null, fault)
}

/// Waits for work on a database until it is done, its time is up or it is cancelled; then the server is asked to stop
/// it, and what came of that is what happened.
pub(super) async fn attend(
    cx: &StepContext,
    database: &str,
    progress: &Progress,
    work: impl Future<Output = Result<Report, Broken>>,
) -> Outcome {
    let mut work = std::pin::pin!(work);
    let ended = tokio::select! {
        biased;
        () = cx.cancel.cancelled() => None,
        ended = timeout(cx.timeout, &mut work) => Some(ended),
    };
    let ended = match ended {
        Some(Ok(ended)) => ended,
        Some(Err(_)) => Err(progress.stopped(cx.not_finished())),
        None => {
            if let Ok(options) = address(&cx.tools, database) {
                stop(&options, progress).await;
            }
            // It may have ended by itself in the meantime: then that is what happened.
            timeout(LAST_WORD, work).await.unwrap_or_else(|_| Err(progress.stopped(sentence!("action.cancelled"))))
        }
    };
    match ended {
        Ok(report) => Outcome::Done(report),
        Err((facts, Fault::Failed(line))) => Outcome::Failed(Report::new(facts, line)),
        Err((facts, Fault::Lost(line))) => cx.half_way(Report::new(facts, line)),
    }
}

/// What others may know of a session while it works.
#[derive(Default)]
pub(super) struct Progress {
    /// The server's process; 0 before there is one.
    pid: AtomicI32,
    /// Whether the author's SQL was sent.
    sent: AtomicBool,
}

impl Progress {
    pub(super) fn sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn sending(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// What it came to when it was stopped now.
    pub(super) fn stopped(&self, why: Sentence) -> Broken {
        nothing(if self.sent() { Fault::Lost(why) } else { Fault::Failed(why) })
    }

    /// What an error of the driver means now.
    pub(super) fn fault(&self, error: sqlx::Error) -> Fault {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default().into_owned();
                let why = sentence!("action.sql_says", message => error.message(), code => code.as_str());
                // The server went away: perhaps after it had done it.
                let away = code.starts_with("57P") || code.starts_with("08");
                if away && self.sent() { Fault::Lost(why) } else { Fault::Failed(why) }
            }
            error if self.sent() => Fault::Lost(sentence!("action.sql_lost", why => error.to_string())),
            error => Fault::Failed(sentence!("action.sql_not_reached", why => error.to_string())),
        }
    }
}

/// The address that a secret holds. Says nothing of what is in it.
pub(super) fn address(tools: &Tools, name: &str) -> Result<PgConnectOptions, Fault> {
    let secret = tools.secrets.get(name);
    let secret = secret.ok_or_else(|| Fault::Failed(sentence!("action.no_secret", secret => name)))?;
    let url = secret.reveal().trim();
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = postgres.then(|| PgConnectOptions::from_str(url).ok()).flatten();
    let options = options.ok_or_else(|| Fault::Failed(sentence!("action.sql_no_address", secret => name)))?;
    Ok(options.application_name("sereno").statement_cache_capacity(0))
}

/// Opens a connection whose statements end before `deadline`, in the transaction that `begin` opens, if any.
pub(super) async fn open(
    options: &PgConnectOptions,
    begin: Option<&'static str>,
    deadline: Instant,
    progress: &Progress,
) -> Result<PgConnection, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
    progress.pid.store(pid, Ordering::Relaxed);
    if let Some(begin) = begin {
        connection.execute(begin).await?;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let limit = left.saturating_sub(MARGIN.min(left / 2)).as_millis().max(1);
    // Also for a connection that dies without a word: its locks go with the transaction.
    let limits = "SELECT set_config('statement_timeout', $1, $2), \
                  set_config('idle_in_transaction_session_timeout', $1, $2)";
    sqlx::query(limits).bind(limit.to_string()).bind(begin.is_some()).execute(&mut connection).await?;
    Ok(connection)
}

/// Asks the server to stop what a session runs. Best effort: how it ended, the session itself hears.
async fn stop(options: &PgConnectOptions, progress: &Progress) {
    let pid = progress.pid.load(Ordering::Relaxed);
    if pid == 0 {
        return;
    }
    let call = async {
        let mut connection = PgConnection::connect_with(options).await?;
        sqlx::query("SELECT pg_cancel_backend($1)").bind(pid).execute(&mut connection).await?;
        connection.close().await
    };
    if let Ok(Err(error)) = tokio::time::timeout(STOPPING, call).await {
        tracing::warn!(%error, "a running statement could not be asked to stop");
    }
}

/// The author's SQL with its values. The text is the author's own, checked when the runbook was read, and takes no
/// placeholder; values are bound and never part of it.
pub(super) fn bound(text: String, params: &[Param]) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(text)).persistent(false);
    params.iter().fold(query, |query, param| match param {
        Param::Null(()) => query.bind(None::<String>),
        Param::Bool(value) => query.bind(*value),
        Param::Integer(value) => query.bind(*value),
        Param::Real(value) => query.bind(*value),
        Param::Text(value) => query.bind(value.clone()),
    })
}
