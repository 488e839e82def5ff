//! The database: one SQL text for SQLite and PostgreSQL, one file a noun. Knows the domain; never chat, actions or
//! engine. Every state change is one compare-and-set; see `migrations/README.md` for what SQL may look like.

mod alone;
mod db;
mod error;
mod intake;
mod migrate;
mod sql;

pub mod approvals;
pub mod handoffs;
pub mod inbox;
pub mod incidents;
pub mod locks;
pub mod messages;
pub mod monitors;
pub mod retention;
pub mod reviews;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod steps;
pub mod timeline;
pub mod wake;

pub use db::{Db, Store, Tx};
pub use error::StoreError;
pub use migrate::newest as newest_schema;

/// What store functions give.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Every statement on our tables, to be prepared on both databases by a test.
#[must_use]
pub fn statements() -> Vec<&'static str> {
    [
        approvals::STATEMENTS,
        handoffs::STATEMENTS,
        inbox::STATEMENTS,
        incidents::STATEMENTS,
        locks::STATEMENTS,
        messages::STATEMENTS,
        monitors::STATEMENTS,
        retention::STATEMENTS,
        reviews::STATEMENTS,
        runs::STATEMENTS,
        schedules::STATEMENTS,
        sessions::STATEMENTS,
        steps::STATEMENTS,
        timeline::STATEMENTS,
    ]
    .concat()
}

/// The points around commits that the kill harness arms, with feature `faults`.
#[must_use]
pub fn journal_points() -> &'static [&'static str] {
    &["inbox.before_commit", "inbox.after_commit", "store.before_commit", "store.after_commit"]
}

impl Store {
    /// Asks the database for a row of ours: it answers, and has our tables.
    ///
    /// # Errors
    /// Why it cannot be worked with now.
    pub async fn ping(&self) -> Result<()> {
        messages::revision(&mut self.read().await?).await.map(|_| ())
    }
}
