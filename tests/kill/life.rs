//! One life of a process: it goes on from what the last one left, works until it is killed, or, as the last of its
//! schedule, checks.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sereno::store::wake::Wake;
use tokio_util::sync::CancellationToken;

use crate::points::{self, Kill};
use crate::{check, work, world};

/// The variable that tells a child process its life.
pub const ENTRY: &str = "SERENO_KILL_LIFE";

/// A life, as the parent draws it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Life {
    /// The schedule's folder.
    pub dir: PathBuf,
    /// The schedule's database.
    pub url: String,
    /// Draws the workload.
    pub seed: u64,
    /// From 0.
    pub number: u32,
    /// When it ends.
    pub kill: Option<Kill>,
    /// A defect to seed.
    pub defect: Option<String>,
    /// Whether it is the last, which brings nothing new and checks.
    pub last: bool,
}

/// Lives.
pub fn live(life: &Life) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if life.number == 0 {
            world::found(life).await;
        }
        if let Some(defect) = &life.defect {
            fail::cfg(defect, "return").unwrap();
        }
        points::arm(&life.dir, life.kill.as_ref());
        if life.last {
            check::check(life).await;
        } else {
            serve(life).await;
        }
    });
    std::process::exit(0); // what still runs is left as a kill would leave it
}

/// Serves as the product does, while people work with it. On PostgreSQL two replicas serve.
async fn serve(life: &Life) {
    let (clock, wake) = (world::clock(life), Wake::default());
    let replicas = if life.url.starts_with("postgres") { 2 } else { 1 };
    let mut engines = Vec::new();
    for _ in 0..replicas {
        let engine = world::engine(life, &clock, &wake);
        engine.recover().await.unwrap();
        let serving = engine.clone();
        tokio::spawn(async move { serving.run(CancellationToken::new()).await });
        engines.push(engine);
    }
    work::work(life, &engines).await;
}
