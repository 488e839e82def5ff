//! The database: one SQL text for SQLite and PostgreSQL, one file a noun. Knows the domain; never chat, actions or
//! engine. Every state change is one compare-and-set; see `migrations/README.md` for what SQL may look like.

mod db;
mod error;

pub mod approvals;
pub mod handoffs;
pub mod inbox;
pub mod incidents;
pub mod locks;
pub mod messages;
pub mod reviews;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod steps;
pub mod timeline;
pub mod wake;

pub use db::{Db, Store, Tx};
pub use error::StoreError;

/// What store functions give.
pub type Result<T> = std::result::Result<T, StoreError>;
