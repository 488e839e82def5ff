//! The audit trail from outside: verified entry by entry, exported, its head anchored to a file.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::timeline::{ChainFault, Entry};
use crate::engine::Engine;
use crate::store::{self, Store, timeline};

/// Entries read at once.
const PAGE: i64 = 1000;
/// How often the head is written to its anchor.
const EVERY: Duration = Duration::from_secs(5);

/// The chain's head at a moment, as it stands in an anchor's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Number of the last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// Why a chain could not be said to be whole.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It is not whole.
    #[error(transparent)]
    Fault(#[from] ChainFault),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// Verifies the whole chain against its recorded head and the given anchors; gives the head.
///
/// # Errors
/// The first fault found.
pub async fn verify(store: &Store, anchors: &[Anchor]) -> Result<Anchor, AuditError> {
    let anchors: Vec<(i64, String)> = anchors.iter().map(|anchor| (anchor.seq, anchor.hash.clone())).collect();
    let (seq, hash) = timeline::verify(&mut store.read().await?, &anchors).await??;
    Ok(Anchor { seq, hash })
}

/// Writes every entry as a line of JSON.
///
/// # Errors
/// The database's or the writer's.
pub async fn export(store: &Store, out: &mut impl Write) -> anyhow::Result<i64> {
    let mut db = store.read().await?;
    let mut last = 0;
    loop {
        let page: Vec<Entry> = timeline::page(&mut db, last, PAGE).await?;
        let Some(end) = page.last() else { return Ok(last) };
        last = end.seq;
        for entry in &page {
            serde_json::to_writer(&mut *out, entry)?;
            out.write_all(b"\n")?;
        }
    }
}

/// Keeps an anchor's file at the chain's head, for as long as the program runs.
pub async fn keep_anchor(engine: &Arc<Engine>, path: Option<&Path>) {
    let Some(path) = path else { return std::future::pending().await };
    let mut written = None;
    loop {
        if let Ok(mut db) = engine.store.read().await
            && let Ok((seq, hash)) = timeline::head(&mut db).await
        {
            let anchor = Anchor { seq, hash };
            if written.as_ref() != Some(&anchor) {
                match write_anchor(path, &anchor) {
                    Ok(()) => written = Some(anchor),
                    Err(error) => {
                        tracing::error!(path = %path.display(), %error, "the audit trail's head could not be anchored")
                    }
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Writes beside, syncs, and renames, so that the file is always whole.
fn write_anchor(path: &Path, anchor: &Anchor) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::File::create(&beside)?;
    serde_json::to_writer(&mut file, anchor)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}

/// Reads an anchor's file.
///
/// # Errors
/// When it cannot be read.
pub fn read_anchor(path: &Path) -> anyhow::Result<Anchor> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
