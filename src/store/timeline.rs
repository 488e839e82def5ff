//! The hash chain: appended in the transaction of what it tells, read by stream, by time and as a whole.

use super::sql::{each, exec, fetch_all, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::timeline::{ChainFault, Entry, NewEntry, Verifier};

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT seq, stream, at, actor, kind, body, prev, hash FROM timeline ", $tail)
    };
}

const TAKE_HEAD: &str = "UPDATE chain SET seq = seq + $1 WHERE name = 'head' RETURNING seq, hash";
const INSERT: &str = "INSERT INTO timeline (seq, stream, at, actor, kind, body, prev, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SET_HEAD: &str = "UPDATE chain SET hash = $1 WHERE name = 'head'";
const STREAM: &str = select!("WHERE stream = $1 ORDER BY seq");
const BETWEEN: &str = select!("WHERE at >= $1 AND at < $2 ORDER BY seq");
const PAGE: &str = select!("WHERE seq > $1 ORDER BY seq LIMIT $2");
const HEAD: &str = "SELECT seq, hash FROM chain WHERE name = 'head'";

pub(super) const STATEMENTS: &[&str] = &[TAKE_HEAD, INSERT, SET_HEAD, STREAM, BETWEEN, PAGE, HEAD];

/// Entries that a verification holds at a time.
const VERIFIED_AT_ONCE: i64 = 500;

row!(Row { seq: i64, stream: String, at: i64, actor: String, kind: String, body: String, prev: String, hash: String });

impl TryFrom<Row> for Entry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            seq: row.seq,
            stream: row.stream,
            at: Timestamp(row.at),
            actor: row.actor,
            kind: word(&row.kind)?,
            body: row.body,
            prev: row.prev,
            hash: row.hash,
        })
    }
}

/// Appends entries at the end of the chain. Takes the chain's head, so transactions that append follow one another:
/// call it last.
///
/// # Errors
/// The database's.
pub async fn append(tx: &mut Tx, entries: Vec<NewEntry>) -> Result<()> {
    let Ok(added @ 1..) = i64::try_from(entries.len()) else { return Ok(()) };
    let head = fetch_optional!(tx, (i64, String), TAKE_HEAD, added)?;
    let (last, mut hash) = head.ok_or_else(no_head)?;
    for (seq, entry) in (last - added + 1..).zip(entries) {
        let entry = entry.chain(seq, &hash);
        exec!(
            tx,
            INSERT,
            entry.seq,
            entry.stream,
            entry.at.0,
            entry.actor,
            entry.kind.as_str(),
            entry.body,
            entry.prev,
            &entry.hash,
        )?;
        hash = entry.hash;
    }
    exec!(tx, SET_HEAD, hash)?;
    Ok(())
}

fn no_head() -> StoreError {
    StoreError::Unreadable("the timeline's recorded head is gone".to_owned())
}

/// A stream's entries, in order.
///
/// # Errors
/// The database's.
pub async fn stream(db: &mut Db, stream: &str) -> Result<Vec<Entry>> {
    each(fetch_all!(db, Row, STREAM, stream)?)
}

/// Entries of a span of time, its end not included, in order.
///
/// # Errors
/// The database's.
pub async fn between(db: &mut Db, from: Timestamp, until: Timestamp) -> Result<Vec<Entry>> {
    each(fetch_all!(db, Row, BETWEEN, from.0, until.0)?)
}

/// Entries after a number, in order, at most `limit`: for verification and export.
///
/// # Errors
/// The database's.
pub async fn page(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Entry>> {
    each(fetch_all!(db, Row, PAGE, after, limit)?)
}

/// The recorded head: number and hash of the last entry.
///
/// # Errors
/// The database's.
pub async fn head(db: &mut Db) -> Result<(i64, String)> {
    fetch_optional!(db, (i64, String), HEAD)?.ok_or_else(no_head)
}

/// Checks the whole chain against its recorded head and against `anchors`, numbers and hashes that were written down
/// elsewhere. Gives the last entry's number and hash, or the first fault.
///
/// # Errors
/// The database's.
pub async fn verify(db: &mut Db, anchors: &[(i64, String)]) -> Result<std::result::Result<(i64, String), ChainFault>> {
    // Read first: entries that are appended meanwhile come after it.
    let recorded = head(db).await?;
    let heads: Vec<_> = anchors.iter().chain([&recorded]).collect();
    let mut verifier = Verifier::default();
    // From the very first row, so that none hides before number 1.
    let mut after = i64::MIN;
    loop {
        let rows = fetch_all!(db, Row, PAGE, after, VERIFIED_AT_ONCE)?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in rows {
            let seq = row.seq;
            let Ok(entry) = Entry::try_from(row) else { return Ok(Err(ChainFault::Altered(seq))) };
            if let Err(fault) = verifier.take(&entry) {
                return Ok(Err(fault));
            }
            if heads.iter().any(|(at, hash)| *at == seq && *hash != entry.hash) {
                return Ok(Err(ChainFault::Rewritten(seq)));
            }
        }
    }
    let (last, hash) = verifier.head();
    match heads.iter().map(|(at, _)| *at).max() {
        Some(longest) if longest > last => Ok(Err(ChainFault::Short(last, longest))),
        _ => Ok(Ok((last, hash.to_owned()))),
    }
}
