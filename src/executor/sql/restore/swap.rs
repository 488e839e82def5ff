//! One database in the place of another: two renames in one transaction. Until it is committed the old one is in
//! service, afterwards the new one; there is nothing in between, whoever is killed when.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::{sleep, timeout};

use super::server::{self, failed};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::StepContext;
use crate::executor::sql::ident::quoted;
use crate::executor::sql::session::Fault;

/// How long it may take as a whole. Nobody waits for a lock any longer, new connections to the database among them.
const LONGEST: Duration = Duration::from_secs(9);
/// The server gives up before.
const LIMITS: &str = "SET statement_timeout = '8s'; SET lock_timeout = '8s'; \
     SET idle_in_transaction_session_timeout = '8s'";
/// How long it is asked how a transaction ended whose end was not heard.
const ASKING: Duration = Duration::from_secs(4);
/// How often sessions are ended until the rename has gone through.
const AGAIN: Duration = Duration::from_millis(50);
/// Ends everybody's sessions but ours; the server ends its own workers itself.
const END: &str = "SELECT pid FROM (SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datid = ANY($1::bigint[]::oid[]) AND pid <> pg_backend_pid() \
     AND backend_type IN ('client backend', 'walsender')) ended";

/// What is to change places.
pub(super) struct Swap<'n> {
    /// The name in service, and the database that has it now.
    pub(super) name: &'n str,
    pub(super) old: Option<i64>,
    /// What the old one is called afterwards.
    pub(super) aside: &'n str,
    /// The database that takes the name.
    pub(super) incoming: &'n str,
    pub(super) new: i64,
}

/// Swaps, and says how many sessions were ended for it.
pub(super) async fn swap(cx: &StepContext, server: (&str, &str), swap: &Swap<'_>) -> Result<usize, Fault> {
    let mut told = Told::default();
    let lost = match timeout(LONGEST, attempt(cx, server, swap, &mut told)).await {
        Ok(Ok(())) => return Ok(told.ended.len()),
        Ok(Err(Fault::Failed(why))) => return Err(Fault::Failed(why)),
        Ok(Err(Fault::Lost(why))) => why,
        Err(_) => sentence!("action.sql_slow_swap"),
    };
    match timeout(ASKING, look(cx, server, swap, told.pid)).await {
        Ok(Ok(true)) => Ok(told.ended.len()),
        Ok(Ok(false)) => Err(Fault::Failed(lost)),
        Ok(Err(_)) | Err(_) => Err(Fault::Lost(lost)),
    }
}

/// What outlives an attempt that is stopped.
#[derive(Default)]
struct Told {
    ended: BTreeSet<i32>,
    /// The session that renames.
    pid: i32,
}

async fn attempt(cx: &StepContext, server: (&str, &str), swap: &Swap<'_>, told: &mut Told) -> Result<(), Fault> {
    let mut admin = server::connect(&cx.tools, server).await.map_err(Fault::Failed)?;
    let mut second = server::connect(&cx.tools, server).await.map_err(Fault::Failed)?;
    let not_yet = |error| Fault::Failed(failed(error));
    admin.execute(LIMITS).await.map_err(not_yet)?;
    told.pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut admin).await.map_err(not_yet)?;
    admin.execute("BEGIN").await.map_err(not_yet)?;
    let of = swap.old.into_iter().chain([swap.new]).collect::<Vec<_>>();
    tokio::select! {
        biased;
        renamed = rename(&mut admin, swap) => renamed.map_err(not_yet)?,
        // The first rename locks the database against newcomers, so that this comes to an end.
        wrong = end_sessions(&mut second, &of, &mut told.ended) => return Err(not_yet(wrong)),
    }
    fail::fail_point!("sql.renamed");
    match admin.execute("COMMIT").await {
        Ok(_) => {}
        Err(error @ sqlx::Error::Database(_)) => return Err(not_yet(error)),
        Err(error) => return Err(Fault::Lost(failed(error))),
    }
    fail::fail_point!("sql.swapped");
    let _ = tokio::join!(timeout(AGAIN, admin.close()), timeout(AGAIN, second.close()));
    Ok(())
}

async fn rename(admin: &mut PgConnection, swap: &Swap<'_>) -> Result<(), sqlx::Error> {
    let rename =
        |from: &str, to: &str| AssertSqlSafe(format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to)));
    if swap.old.is_some() {
        admin.execute(rename(swap.name, swap.aside)).await?;
    }
    admin.execute(rename(swap.incoming, swap.name)).await.map(drop)
}

/// Ends sessions for as long as it is asked; comes back only with an error.
async fn end_sessions(second: &mut PgConnection, of: &[i64], ended: &mut BTreeSet<i32>) -> sqlx::Error {
    loop {
        match sqlx::query_scalar::<_, i32>(END).bind(of).fetch_all(&mut *second).await {
            Ok(pids) => ended.extend(pids),
            Err(error) => return error,
        }
        sleep(AGAIN).await;
    }
}

/// Whether the swap came about; asked once the session that was at it is gone.
async fn look(cx: &StepContext, server: (&str, &str), swap: &Swap<'_>, pid: i32) -> Result<bool, Sentence> {
    let mut admin = server::connect(&cx.tools, server).await?;
    let there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
    while sqlx::query_scalar(there).bind(pid).fetch_one(&mut admin).await.map_err(failed)? {
        sleep(AGAIN).await;
    }
    Ok(server::find(&mut admin, swap.name).await?.is_some_and(|found| found.oid == swap.new))
}
