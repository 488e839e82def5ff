//! `sql_restore` killed at each of its stages, as `kill -9` does it: the old database stays in service until the new one
//! is, whole. The restore runs in a process of its own, which is this test program again.

#![cfg(feature = "faults")]

mod executor_support;
mod parts;
mod sql_support;
mod support;

use std::process::{Command, ExitStatus};

use executor_support::{action, done};
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::executor::{self, Probe, StepContext};
use sql_support::{LONG, Shop, at, run_planned};
use sqlx::{Connection as _, Executor as _, PgConnection};

/// Every stage, in order, and whether the new database is in service after it.
const STAGES: &[(&str, bool)] = &[
    ("sql.created", false),
    ("sql.filled", false),
    ("sql.compared", false),
    ("sql.renamed", false),
    ("sql.swapped", true),
];

fn with(dir: &str) -> Value {
    json!({"do": "restore", "database": {"secret": "shop_db"}, "dir": dir, "file": "shop.dump"})
}

/// What the killed process does: nothing, unless it is told to.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // the parent says by the environment what to do
async fn child() {
    let var = |name: &str| std::env::var(name).ok();
    let (Some(url), Some(dir), Some(stage)) = (var("KILL_URL"), var("KILL_DIR"), var("KILL_STAGE")) else { return };
    fail::cfg_callback(stage, || {
        nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL).unwrap();
    })
    .unwrap();
    run_planned(&at(&url, LONG), "sql_restore", &with(&dir)).await;
}

#[allow(clippy::disallowed_methods)] // a process to be killed
fn killed_at(stage: &str, url: &str, dir: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child"]).env("KILL_URL", url).env("KILL_DIR", dir).env("KILL_STAGE", stage);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap()
}

async fn databases(shop: &Shop) -> Vec<String> {
    let mut admin = PgConnection::connect(&shop.server).await.unwrap();
    let text = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 || '\\_%' ORDER BY 1";
    sqlx::query_scalar(text).bind(&shop.name).fetch_all(&mut admin).await.unwrap()
}

#[tokio::test]
async fn whoever_is_killed_when_there_is_one_whole_database_in_service() {
    let Some(shop) = Shop::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let dump = json!({"do": "dump", "database": {"secret": "shop_db"}, "dir": path, "file": "shop.dump"});
    done(run_planned(&at(&shop.url(), LONG), "sql_backup", &dump).await);
    shop.connect().await.execute("INSERT INTO orders VALUES (2000, 'after the backup')").await.unwrap();
    let restore = action("sql_restore", &with(path));
    for (stage, swapped) in STAGES {
        use std::os::unix::process::ExitStatusExt as _;
        let cx = at(&shop.url(), LONG);
        let planned = executor::plan(&*restore, &cx.tools, Effect::Read).await.unwrap().exact;
        let cx = StepContext { planned, ..cx };
        let status = killed_at(stage, &shop.url(), path);
        assert_eq!(status.signal(), Some(9), "{stage}: {status}");
        // The server has to notice; whoever connects meanwhile waits for it.
        let rows = if *swapped { (3, 0) } else { (4, 1) };
        assert_eq!((shop.count("true").await, shop.count("id = 2000").await), rows, "{stage}");
        shop.connect().await.execute("UPDATE orders SET price = 1").await.unwrap();
        // Whoever looks afterwards finds out which.
        let probe = executor::probe(&*restore, &cx, LONG).unwrap().await;
        assert_eq!(matches!(probe, Probe::Happened(_)), *swapped, "{stage}: {probe:?}");
    }
    // The last one was killed after it was done: the same step finds that, and does not do it twice.
    let kept = databases(&shop).await;
    assert!(matches!(kept.as_slice(), [one] if one.contains("_before_")), "{kept:?}");
    let cx = at(&shop.url(), LONG);
    let again = run_planned(&cx, "sql_restore", &with(path)).await;
    let sereno::domain::step::Outcome::Failed(report) = again else { panic!("{again:?}") };
    assert!(executor_support::Said::en(&report.line).contains("this step has been done"));
    let copy = json!({"do": "drop_copy", "database": {"secret": "shop_db"}, "copy": kept[0]});
    let plan = executor::plan(&*action("sql_restore", &copy), &cx.tools, Effect::Read).await.unwrap();
    assert_eq!(plan.effect, Effect::Destroy);
    done(run_planned(&cx, "sql_restore", &copy).await);
    assert_eq!(databases(&shop).await, Vec::<String>::new());
}

/// What a killed restore leaves can be seen for what it is, and dropped.
#[tokio::test]
async fn a_half_filled_database_is_dropped_as_what_it_is() {
    let Some(shop) = Shop::new().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let dump = json!({"do": "dump", "database": {"secret": "shop_db"}, "dir": path, "file": "shop.dump"});
    let cx = at(&shop.url(), LONG);
    done(run_planned(&cx, "sql_backup", &dump).await);
    killed_at("sql.filled", &shop.url(), path);
    let left = databases(&shop).await;
    let [left] = left.as_slice() else { panic!("{left:?}") };
    let copy = json!({"do": "drop_copy", "database": {"secret": "shop_db"}, "copy": left});
    done(run_planned(&cx, "sql_restore", &copy).await);
    assert_eq!(databases(&shop).await, Vec::<String>::new());
}
