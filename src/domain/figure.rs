//! What a step shows beside its line: a table of what it found. Knows nothing of cards.

use serde::{Deserialize, Serialize};

use super::sentence::Sentence;

/// Most rows that a step shows; its facts hold the rest.
pub const ROWS: usize = 100;

/// A table of what was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// What each column holds.
    pub columns: Vec<Sentence>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
    /// Rows that there were beyond [`ROWS`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

impl Grid {
    /// A table; rows beyond [`ROWS`] are counted, not kept.
    #[must_use]
    pub fn new(columns: Vec<Sentence>, rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let mut rows = rows.into_iter();
        let kept: Vec<_> = rows.by_ref().take(ROWS).collect();
        Self { columns, rows: kept, left_out: rows.count() }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(count: &usize) -> bool {
    *count == 0
}
