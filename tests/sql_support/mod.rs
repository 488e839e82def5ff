//! A PostgreSQL database of its own for each test of `sql` actions, and how their steps are run on it.

#![allow(dead_code)] // each test uses some of it

use std::time::Duration;

use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext, Tools};
use sereno::secret::Secret;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::executor_support::{action, context};
use crate::parts::part;

pub const LONG: Duration = Duration::from_secs(60);
pub const SCHEMA: &str = "CREATE TYPE mood AS ENUM ('calm', 'tense');
    CREATE TABLE orders (id int PRIMARY KEY, state text NOT NULL, price numeric, at timestamptz, who uuid, mood mood);
    INSERT INTO orders SELECT n, 'pending', n * 1.5 FROM generate_series(1, 3) n";

/// A database of its own, gone with the test.
pub struct Shop {
    pub server: String,
    pub name: String,
}

impl Shop {
    pub async fn new() -> Option<Self> {
        let server = part("SERENO_TEST_POSTGRES")?;
        // Short, and of an id's random end: a restore puts much behind it.
        let name = format!("sql_{}", &sereno::id::RunId::new().as_str()[12..]).to_lowercase();
        let shop = Self { server, name };
        let mut admin = PgConnection::connect(&shop.server).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {}", shop.name))).await.unwrap();
        shop.connect().await.execute(SCHEMA).await.unwrap();
        Some(shop)
    }

    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        format!("{server}/{}", self.name)
    }

    /// The same database behind another port.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.name)
    }

    pub fn host(&self) -> String {
        let after = self.server.rsplit('@').next().unwrap();
        after.split('/').next().unwrap().to_owned()
    }

    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    pub async fn count(&self, condition: &str) -> i64 {
        let text = format!("SELECT count(*) FROM orders WHERE {condition}");
        sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// Waits until a session of ours runs something.
    pub async fn running(&self) -> i32 {
        let text = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sereno' AND state = 'active' \
                    AND datname = $1 AND query LIKE '%pg_sleep%'";
        let mut watch = self.connect().await;
        for _ in 0..500 {
            if let Some(pid) = sqlx::query_scalar(text).bind(&self.name).fetch_optional(&mut watch).await.unwrap() {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing ever ran");
    }

    pub async fn run(&self, with: Value) -> Outcome {
        run(&at(&self.url(), LONG), with).await
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let sweep = async move {
            let mut admin = PgConnection::connect(&server).await?;
            // With what restores of it have kept.
            let text = "SELECT datname::text FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_')";
            let all: Vec<String> = sqlx::query_scalar(text).bind(name).fetch_all(&mut admin).await?;
            for name in all {
                admin.execute(AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)"))).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        let swept = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(sweep));
        let _ = swept.join();
    }
}

pub fn at(url: &str, timeout: Duration) -> StepContext {
    let secrets = [("shop_db", url), ("token", "hunter2hunter2")];
    let secrets = secrets.map(|(name, text)| (name.to_owned(), Secret::new(text)));
    context(&Tools::new(secrets.into(), &[], None), Effect::Change, timeout)
}

pub async fn run(cx: &StepContext, with: Value) -> Outcome {
    executor::run(&*action("sql", &step(with)), cx).await
}

pub fn step(mut with: Value) -> Value {
    with["database"] = json!({"secret": "shop_db"});
    with
}

/// Plans a step and runs it with that plan, as the engine does.
pub async fn run_planned(cx: &StepContext, name: &str, with: &Value) -> Outcome {
    let action = action(name, with);
    let plan = executor::plan(&*action, &cx.tools, Effect::Read).await.unwrap_or_else(|why| panic!("{with}: {why:?}"));
    let cx = StepContext { planned: plan.exact, ..cx.clone() };
    executor::run(&*action, &cx).await
}
