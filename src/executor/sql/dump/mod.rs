//! What backing up and restoring have in common: where files are, how they are read, the programs of PostgreSQL's, the
//! note beside a backup, and how rows are counted. Knows nothing of steps.

pub(super) mod count;
pub(super) mod manifest;
pub(super) mod place;
pub(super) mod proof;
pub(super) mod source;
pub(super) mod tools;
