//! What a word means here, what may have been meant, and how a runbook is typed.

use std::sync::Arc;

use super::params::files;
use super::{Accepts, BUILT_IN, Scene, Unclear};
use crate::catalog::Found;
use crate::domain::nearest::nearest;
use crate::domain::runbook::Runbook;

/// How many words are proposed at most.
const MOST: usize = 3;

/// The runbook that a word means in this channel.
pub fn find(word: &str, scene: Scene<'_>) -> Result<Arc<Runbook>, Unclear> {
    let channel = scene.channel.and_then(|channel| scene.settings.channels.get(channel));
    let packs = channel.map(|channel| channel.packs.as_slice()).unwrap_or_default();
    let lower = word.to_lowercase();
    match scene.catalog.find(word, packs) {
        Found::One(book) => Ok(book),
        Found::Many(names) => Err(Unclear::Ambiguous(word.to_owned(), names)),
        // Phones begin a line with a capital.
        Found::Nearest(_) if lower != word => find(&lower, scene),
        Found::Nearest(mut near) => {
            near.extend(nearest(word, BUILT_IN.iter().copied()));
            near.truncate(MOST);
            Err(Unclear::Unknown(word.to_owned(), near))
        }
    }
}

impl Accepts {
    /// Acceptable values near one that is not.
    #[must_use]
    pub fn near(&self, got: &str) -> Vec<String> {
        match self {
            Self::OneOf(words) => nearest(got, words.iter().map(String::as_str)),
            Self::FileIn(dir) => nearest(got, files(dir, None).iter().map(String::as_str)),
            _ => Vec::new(),
        }
    }
}
