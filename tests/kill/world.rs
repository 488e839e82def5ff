//! What a life lives in: a folder, a database, and an engine or two on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sereno::catalog;
use sereno::chat::console::Console;
use sereno::clock::{Clock, Timestamp};
use sereno::config::Config;
use sereno::engine::{Engine, Parts};
use sereno::executor::Tools;
use sereno::store::Store;
use sereno::store::wake::Wake;
use sqlx::{Connection, Executor, PgConnection};

use crate::books::{ALL, CONFIG};
use crate::life::Life;

/// 2026-03-02, 10:00 UTC.
const START: i64 = 1_772_445_600_000;
/// Between the starts of two lives: longer than every lease.
const LIFE: Duration = Duration::from_secs(60);

/// Makes the folder's runbooks and the database's tables, once a schedule.
pub async fn found(life: &Life) {
    let commands = life.dir.join("commands/ops");
    std::fs::create_dir_all(&commands).unwrap();
    for (name, text) in ALL {
        let text = text.replace("${dir}", &life.dir.display().to_string());
        std::fs::write(commands.join(format!("{name}.yaml")), text).unwrap();
    }
    if life.url.starts_with("postgres") {
        let mut database = PgConnection::connect(&life.url).await.unwrap();
        database.execute("DROP SCHEMA public CASCADE").await.unwrap();
        database.execute("CREATE SCHEMA public").await.unwrap();
    }
    Store::open(&life.url).unwrap().migrate().await.unwrap();
}

/// The clock at a life's start.
pub fn clock(life: &Life) -> Clock {
    Clock::manual(Timestamp(START).after(LIFE * life.number))
}

/// An engine of a life; on SQLite it takes the file for this process alone.
pub fn engine(life: &Life, clock: &Clock, wake: &Wake) -> Arc<Engine> {
    let config = Config::read("kill.yaml", CONFIG, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let catalog = catalogue(&life.dir.join("commands"), &config);
    let store = Store::open(&life.url).unwrap();
    // A child between fork and exec holds its dead parent's files for a moment.
    while store.claim_alone().is_err() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Engine::new(Parts {
        store,
        clock: clock.clone(),
        settings: config.settings.clone(),
        catalog,
        chats: vec![Arc::new(Console::default())],
        tools: Tools::new(config.secrets.clone(), &[], None),
        wake: wake.clone(),
    })
}

fn catalogue(path: &Path, config: &Config) -> catalog::Catalog {
    catalog::load(path, &config.settings).unwrap_or_else(|problems| {
        panic!("{}", catalog::render(&problems, catalog::Format::Text));
    })
}
