//! `sql_backup` and `sql_restore` on a real PostgreSQL: backups that are complete, and restores that happen or do not.

mod backup;
#[path = "../executor_support/mod.rs"]
mod executor_support;
#[path = "../parts/mod.rs"]
mod parts;
mod restore;
#[path = "../sql_support/mod.rs"]
mod sql_support;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_support::{Said, action, done, failed};
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::{self, StepContext};
use sql_support::{LONG, Shop, at, run_planned};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A shop with orders worth a backup, and a directory for it.
struct House {
    shop: Shop,
    dir: tempfile::TempDir,
}

impl House {
    async fn new() -> Option<Self> {
        let house = Self { shop: Shop::new().await?, dir: tempfile::tempdir().unwrap() };
        house.say("INSERT INTO orders SELECT n, 'paid', n FROM generate_series(4, 1000) n").await;
        Some(house)
    }

    async fn say(&self, text: &str) {
        self.shop.connect().await.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn cx(&self) -> StepContext {
        at(&self.shop.url(), LONG)
    }

    fn with(&self, verb: &str, file: &str) -> Value {
        let mut with = json!({"do": verb, "dir": self.dir.path(), "file": file});
        if verb != "inspect" {
            with["database"] = json!({"secret": "shop_db"});
        }
        with
    }

    async fn backup(&self, file: &str, format: &str) -> Report {
        let mut with = self.with("dump", file);
        with["format"] = json!(format);
        done(run_planned(&self.cx(), "sql_backup", &with).await)
    }

    async fn inspect(&self, file: &str) -> Outcome {
        run_planned(&self.cx(), "sql_backup", &self.with("inspect", file)).await
    }

    async fn restore(&self, file: &str) -> Outcome {
        run_planned(&self.cx(), "sql_restore", &self.with("restore", file)).await
    }

    async fn copy(&self, verb: &str, copy: &str) -> Outcome {
        let with = json!({"do": verb, "database": {"secret": "shop_db"}, "copy": copy});
        run_planned(&self.cx(), "sql_restore", &with).await
    }

    /// Every database of the server that is this shop's or was made of it.
    async fn databases(&self) -> Vec<String> {
        let mut admin = PgConnection::connect(&self.shop.server).await.unwrap();
        let text = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 || '%' ORDER BY 1";
        sqlx::query_scalar(text).bind(&self.shop.name).fetch_all(&mut admin).await.unwrap()
    }

    async fn alone(&self) {
        assert_eq!(self.databases().await, std::slice::from_ref(&self.shop.name), "nothing is left over");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let (server, name) = (self.shop.server.clone(), self.shop.name.clone());
        let sweep = async move {
            let mut admin = PgConnection::connect(&server).await.unwrap();
            let text = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 || '\\_%'";
            let left: Vec<String> = sqlx::query_scalar(text).bind(&name).fetch_all(&mut admin).await.unwrap();
            for name in left {
                let text = AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
                let _ = admin.execute(text).await;
            }
        };
        let _ = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(sweep)).join();
    }
}

async fn plan(cx: &StepContext, name: &str, with: &Value) -> Plan {
    executor::plan(&*action(name, with), &cx.tools, Effect::Read).await.unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The command line of the dump of a database that is held up, once it runs.
async fn dumping(database: &str) -> String {
    let ours = format!("--dbname=dbname='{database}'");
    for _ in 0..500 {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains("pg_dump") && line.contains(&ours) {
                return line;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing was ever dumped");
}

/// Something that a dump locks and a count of rows does not.
async fn hold_up(house: &House) -> PgConnection {
    house.say("CREATE TABLE parts (id int) PARTITION BY RANGE (id)").await;
    let mut holder = house.shop.connect().await;
    holder.execute("BEGIN; LOCK TABLE ONLY parts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    holder
}
