//! Messages of ours, as they should be and as the platform has them: the outbox. A message whose `posted_version` is
//! behind its `version` is due; so edits collapse, and nothing is ever posted out of its channel's order.
//! Cards are opaque JSON here. Every change of what is said draws a revision and holds that number until its commit:
//! call these after the changes of state, and before the timeline's.

use serde_json::{Map, Value};

use super::sql::{count, each, exec, fetch_all, fetch_one, fetch_optional, row, word};
use super::{Db, Result, StoreError, Tx};
use crate::clock::Timestamp;
use crate::domain::actor::{PersonId, Place, Platform};
use crate::domain::digest;
use crate::id::{DeliveryId, MessageId};

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT id, seq, revision, platform, channel, thread, author, whisper_to, reply_to, card, presses,
                version, posted_version, external, attempts, not_before, claimed_until, error, at
            FROM messages ",
            $tail
        )
    };
}

const DRAW: &str = "UPDATE counters SET value = value + 1 WHERE name = 'revision' RETURNING value";
const REVISION: &str = "SELECT value FROM counters WHERE name = 'revision'";
const INSERT: &str = "INSERT INTO messages
        (id, seq, revision, platform, channel, thread, author, whisper_to, reply_to, card, presses, at,
        version, posted_version, attempts)
    VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 0, 0)";
const EDITED: &str = "SELECT card, presses, version FROM messages WHERE id = $1";
// One that is put off until its platform takes posts again stays so; what was given up is tried anew.
const EDIT: &str = "UPDATE messages
    SET card = $1, presses = $2, revision = $3, version = version + 1, error = NULL,
        not_before = CASE WHEN posted_version = 0 AND not_before < $6 THEN not_before END,
        attempts = CASE WHEN posted_version = 0 THEN attempts ELSE 0 END
    WHERE id = $4 AND version = $5";
const GET: &str = select!("WHERE id = $1");
const AT: &str = "SELECT id, thread FROM messages
    WHERE platform = $1 AND channel = $2 AND external = $3 ORDER BY seq LIMIT 1";
const ON_ITS_WAY: &str = "SELECT COUNT(*) FROM messages
    WHERE platform = $1 AND channel = $2 AND posted_version = 0 AND claimed_until > $3";
const ADOPT: &str = "INSERT INTO messages
        (id, seq, revision, platform, channel, card, presses, external, at, version, posted_version, attempts)
    VALUES ($1, $2, $2, $3, $4, $5, '{}', $6, $7, 1, 1, 0) ON CONFLICT (id) DO NOTHING";
const THREAD: &str = select!("WHERE id = $1 OR thread = $1 ORDER BY seq");
const HAS_REPLIES: &str =
    "SELECT COUNT(*) FROM (SELECT id FROM messages WHERE thread = $1 AND whisper_to IS NULL LIMIT 1)
    AS reply";
const REPLIES: &str = select!("WHERE reply_to = $1 ORDER BY seq");
const CHANNEL: &str = select!(
    "WHERE channel = $1 AND thread IS NULL AND (whisper_to IS NULL OR whisper_to = $2) ORDER BY seq DESC LIMIT $3"
);
const CHANGED: &str = select!("WHERE revision > $1 ORDER BY revision LIMIT $2");
const DUE: &str = select!(
    "WHERE platform = $1 AND posted_version < version AND (not_before IS NULL OR not_before <= $2)
        AND (claimed_until IS NULL OR claimed_until <= $2)
        AND NOT EXISTS (
            SELECT 1 FROM messages older
            WHERE older.platform = messages.platform AND older.channel = messages.channel
                AND older.seq < messages.seq AND older.posted_version = 0
                AND ((older.not_before > $2 AND older.not_before < $3) OR older.claimed_until > $2))
    ORDER BY seq LIMIT $4"
);
const POSTED: &str = "UPDATE messages
    SET posted_version = $1, external = $2, attempts = 0, not_before = NULL, claimed_until = NULL, error = NULL
    WHERE id = $3 AND posted_version < $1";
const POSTPONE: &str = "UPDATE messages
    SET attempts = attempts + 1, not_before = $1, claimed_until = NULL, error = $2
    WHERE id = $3 AND posted_version < version";
const PAUSE: &str = "UPDATE messages SET not_before = $1, claimed_until = $2
    WHERE id = $3 AND posted_version < version";
const CLAIM: &str = "UPDATE messages SET claimed_until = $1
    WHERE id = $2 AND version = $3 AND posted_version < version AND (claimed_until IS NULL OR claimed_until <= $4)";
const GIVE_BACK: &str = "UPDATE messages SET claimed_until = $1 WHERE id = $2 AND claimed_until = $3";
const UNDELIVERED: &str = "SELECT COUNT(*) FROM messages WHERE posted_version < version AND attempts > 0";

pub(super) const STATEMENTS: &[&str] = &[
    DRAW,
    REVISION,
    INSERT,
    EDITED,
    EDIT,
    GET,
    AT,
    ON_ITS_WAY,
    ADOPT,
    THREAD,
    HAS_REPLIES,
    REPLIES,
    CHANNEL,
    CHANGED,
    DUE,
    POSTED,
    POSTPONE,
    PAUSE,
    CLAIM,
    GIVE_BACK,
    UNDELIVERED,
];

/// For [`postpone`]: this version of the message is given up, and nothing waits behind it.
pub const NEVER: Timestamp = Timestamp(i64::MAX);

/// A message to be.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id, drawn by the caller, who needs it for buttons and threads.
    pub id: MessageId,
    /// Where.
    pub place: Place,
    /// Who said it, when it is a person's line on the console; none for ours.
    pub author: Option<PersonId>,
    /// Only for this person.
    pub whisper_to: Option<PersonId>,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// What it says.
    pub card: Value,
    /// When.
    pub at: Timestamp,
}

/// A message as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its place in the order of messages.
    pub seq: i64,
    /// Grows with every change of what any message says: what a live view asks for news after.
    pub revision: i64,
    /// Where.
    pub place: Place,
    /// A person, or none for ours.
    pub author: Option<PersonId>,
    /// Only for this person.
    pub whisper_to: Option<PersonId>,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// What it should say.
    pub card: Value,
    /// Every button that it ever had, by id, with what it does.
    pub presses: Value,
    /// Version of `card`.
    pub version: i64,
    /// The version that the platform has; 0 before it is posted.
    pub posted_version: i64,
    /// The platform's id.
    pub external: Option<String>,
    /// Failed tries to post the present version.
    pub attempts: u32,
    /// Not before this moment.
    pub not_before: Option<Timestamp>,
    /// Whether an earlier try may have come through without anybody living to note it.
    pub again: bool,
    /// The last error, where the platform does not take it.
    pub error: Option<String>,
    /// When it was first said.
    pub at: Timestamp,
}

row!(Row {
    id: String,
    seq: i64,
    revision: i64,
    platform: String,
    channel: String,
    thread: Option<String>,
    author: Option<String>,
    whisper_to: Option<String>,
    reply_to: Option<String>,
    card: String,
    presses: String,
    version: i64,
    posted_version: i64,
    external: Option<String>,
    attempts: i64,
    not_before: Option<i64>,
    claimed_until: Option<i64>,
    error: Option<String>,
    at: i64,
});

impl TryFrom<Row> for Message {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self> {
        let thread = row.thread.map(Into::into);
        Ok(Self {
            id: row.id.into(),
            seq: row.seq,
            revision: row.revision,
            place: Place { platform: word(&row.platform)?, channel: row.channel, thread },
            author: row.author,
            whisper_to: row.whisper_to,
            reply_to: row.reply_to.map(Into::into),
            card: serde_json::from_str(&row.card)?,
            presses: serde_json::from_str(&row.presses)?,
            version: row.version,
            posted_version: row.posted_version,
            external: row.external,
            attempts: count(row.attempts)?,
            not_before: row.not_before.map(Timestamp),
            again: row.attempts > 0 || row.claimed_until.is_some(),
            error: row.error,
            at: Timestamp(row.at),
        })
    }
}

/// Adds a message at the end of its channel. Its `presses` are taken from `card.buttons[].{id,press}`.
///
/// # Errors
/// The database's.
pub async fn insert(tx: &mut Tx, message: &NewMessage) -> Result<()> {
    let presses = Value::Object(presses(&message.card));
    let seq = draw(tx).await?;
    exec!(
        tx,
        INSERT,
        message.id.as_str(),
        seq,
        message.place.platform.as_str(),
        &message.place.channel,
        message.place.thread.as_ref().map(MessageId::as_str),
        &message.author,
        &message.whisper_to,
        message.reply_to.as_ref().map(DeliveryId::as_str),
        message.card.to_string(),
        presses.to_string(),
        message.at.0,
    )?;
    Ok(())
}

/// What a card's buttons do, by their ids, and by the words that mean only them.
fn presses(card: &Value) -> Map<String, Value> {
    let mut presses = Map::new();
    for button in card.get("buttons").and_then(Value::as_array).into_iter().flatten() {
        let (Some(id), Some(press)) = (button.get("id").and_then(Value::as_str), button.get("press")) else { continue };
        presses.insert(digest::marked(id, &digest::mark(press)), press.clone());
        presses.insert(id.to_owned(), press.clone());
    }
    presses
}

/// The next revision, this transaction's until it ends.
async fn draw(tx: &mut Tx) -> Result<i64> {
    Ok(fetch_one!(tx, (i64,), DRAW)?.0)
}

/// Changes what a message should say; its buttons are added to those that it ever had. An equal card changes nothing.
///
/// # Errors
/// The database's; and [`StoreError::Refused`] where there is no such message.
pub async fn edit(tx: &mut Tx, id: &MessageId, card: &Value) -> Result<()> {
    loop {
        let found = fetch_optional!(tx, (String, String, i64), EDITED, id.as_str())?;
        let (old, ever, version) = found.ok_or_else(|| StoreError::Refused(format!("there is no message {id}")))?;
        if serde_json::from_str::<Value>(&old)? == *card {
            return Ok(());
        }
        let mut ever: Map<String, Value> = serde_json::from_str(&ever)?;
        ever.extend(presses(card));
        // With the revision drawn, no other edit can come in between: a second round is the last.
        let revision = draw(tx).await?;
        let ever = Value::Object(ever).to_string();
        if exec!(tx, EDIT, card.to_string(), ever, revision, id.as_str(), version, NEVER.0)? == 1 {
            return Ok(());
        }
    }
}

/// One message.
///
/// # Errors
/// The database's.
pub async fn get(db: &mut Db, id: &MessageId) -> Result<Option<Message>> {
    fetch_optional!(db, Row, GET, id.as_str())?.map(Message::try_from).transpose()
}

/// The root of the thread that a platform's message is in, or the message itself where it is in none: the platform
/// knows it by `external`.
///
/// # Errors
/// The database's.
pub async fn root_at(db: &mut Db, place: &Place, external: &str) -> Result<Option<MessageId>> {
    let found = fetch_optional!(db, (String, Option<String>), AT, place.platform.as_str(), &place.channel, external)?;
    Ok(found.map(|(id, thread)| MessageId::from(thread.unwrap_or(id))))
}

/// Whether a message is on its way to a channel, so that its id there is not yet known.
///
/// # Errors
/// The database's.
pub async fn on_its_way(db: &mut Db, place: &Place, now: Timestamp) -> Result<bool> {
    let (count,) = fetch_one!(db, (i64,), ON_ITS_WAY, place.platform.as_str(), &place.channel, now.0)?;
    Ok(count > 0)
}

/// Puts a message that was on a platform before us, known there by `external`, among ours, so that it can be a thread's
/// root. The same one twice is one.
///
/// # Errors
/// The database's.
pub async fn adopt(tx: &mut Tx, message: &NewMessage, external: &str) -> Result<()> {
    let seq = draw(tx).await?;
    let place = &message.place;
    let (id, card) = (message.id.as_str(), message.card.to_string());
    exec!(tx, ADOPT, id, seq, place.platform.as_str(), &place.channel, card, external, message.at.0)?;
    Ok(())
}

/// Whether anything was said to everybody in a message's thread.
///
/// # Errors
/// The database's.
pub async fn has_replies(db: &mut Db, root: &MessageId) -> Result<bool> {
    Ok(fetch_one!(db, (i64,), HAS_REPLIES, root.as_str())?.0 > 0)
}

/// A thread's root and all its replies, in order.
///
/// # Errors
/// The database's.
pub async fn thread(db: &mut Db, root: &MessageId) -> Result<Vec<Message>> {
    each(fetch_all!(db, Row, THREAD, root.as_str())?)
}

/// Messages that answer a request, in order.
///
/// # Errors
/// The database's.
pub async fn replies_to(db: &mut Db, delivery: &DeliveryId) -> Result<Vec<Message>> {
    each(fetch_all!(db, Row, REPLIES, delivery.as_str())?)
}

/// The latest `limit` messages of a channel itself, threads apart, in order; only those that `person` may see.
///
/// # Errors
/// The database's.
pub async fn channel(db: &mut Db, channel: &str, person: &str, limit: i64) -> Result<Vec<Message>> {
    let mut latest = fetch_all!(db, Row, CHANNEL, channel, person, limit)?;
    latest.reverse();
    each(latest)
}

/// What changed after a revision, in the order of revisions, at most `limit`.
///
/// # Errors
/// The database's.
pub async fn changed(db: &mut Db, after: i64, limit: i64) -> Result<Vec<Message>> {
    each(fetch_all!(db, Row, CHANGED, after, limit)?)
}

/// The present revision.
///
/// # Errors
/// The database's.
pub async fn revision(db: &mut Db) -> Result<i64> {
    Ok(fetch_one!(db, (i64,), REVISION)?.0)
}

/// Messages of a platform that are due by `now`, in order. Of each channel only those with no older unposted message
/// before them that must wait or is claimed: a channel that must wait waits as a whole, and the caller keeps the order
/// of what it is given. One that was put off to [`NEVER`] holds nobody up.
///
/// # Errors
/// The database's.
pub async fn due(db: &mut Db, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<Message>> {
    each(fetch_all!(db, Row, DUE, platform.as_str(), now.0, NEVER.0, limit)?)
}

/// Notes that the platform has `version` of a message; an older version than it is known to have changes nothing.
///
/// # Errors
/// The database's.
pub async fn posted(tx: &mut Tx, id: &MessageId, version: i64, external: &str) -> Result<()> {
    exec!(tx, POSTED, version, external, id.as_str())?;
    Ok(())
}

/// Notes a failed try, and when to try next, or [`NEVER`].
///
/// # Errors
/// The database's.
pub async fn postpone(tx: &mut Tx, id: &MessageId, not_before: Timestamp, error: &str) -> Result<()> {
    exec!(tx, POSTPONE, not_before.0, error, id.as_str())?;
    Ok(())
}

/// Puts a message off that was not tried: it is too early for it.
///
/// # Errors
/// The database's.
pub async fn pause(tx: &mut Tx, message: &Message, not_before: Timestamp) -> Result<()> {
    exec!(tx, PAUSE, not_before.0, over(message), message.id.as_str())?;
    Ok(())
}

/// Messages that the platform does not have and has refused or failed at least once, for `doctor` and health.
///
/// # Errors
/// The database's.
pub async fn undelivered(db: &mut Db) -> Result<i64> {
    Ok(fetch_one!(db, (i64,), UNDELIVERED)?.0)
}

/// Gives a message that was claimed until then back, untried; a later claim of somebody else's stays.
///
/// # Errors
/// The database's.
pub async fn give_back(tx: &mut Tx, message: &Message, claimed_until: Timestamp) -> Result<()> {
    exec!(tx, GIVE_BACK, over(message), message.id.as_str(), claimed_until.0)?;
    Ok(())
}

/// The claim of one that is not tried now: over, and remembered where an earlier one may have posted it.
fn over(message: &Message) -> Option<i64> {
    message.again.then_some(0)
}

/// Claims a due message, as it was read, for one delivery: others leave it alone until `until`. False if somebody else has,
/// or if it says something else by now.
///
/// # Errors
/// The database's.
pub async fn claim(tx: &mut Tx, message: &Message, now: Timestamp, until: Timestamp) -> Result<bool> {
    Ok(exec!(tx, CLAIM, until.0, message.id.as_str(), message.version, now.0)? == 1)
}
