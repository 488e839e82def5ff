//! The file's tree with the environment laid over it: every value knows which of the two it was written in. Knows
//! nothing of what the keys mean.

use std::ops::Range;

use crate::yaml;

/// Where a key or a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// At these bytes of the file.
    File(Range<usize>),
    /// In this environment variable.
    Env(String),
}

/// A value and where it was written.
pub type Node = yaml::Node<Origin>;
/// A value.
pub type Content = yaml::Content<Origin>;
/// One line of a map.
pub type Entry = yaml::Entry<Origin>;
