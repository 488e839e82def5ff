//! How a command of the shell fails: what happened, what to do next, and the exit code.

use crate::app::BuildError;
use crate::store::StoreError;

/// A failure that a person reads.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// What happened, and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// It did not work out.
pub const FAILED: u8 = 1;
/// Not allowed, or approval is needed.
pub const DENIED: u8 = 3;
/// A server or database is away (`EX_UNAVAILABLE` of sysexits).
pub const AWAY: u8 = 69;
/// A file is wrong (`EX_CONFIG` of sysexits).
pub const CONFIG: u8 = 78;

impl Failure {
    /// With a hint.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: Some(hint.into()) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sereno: {}", self.message.trim_end())?;
        match &self.hint {
            Some(hint) => write!(f, "\n→ {hint}"),
            None => Ok(()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: FAILED, message: format!("{error:#}"), hint: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let words = super::args::shell_words();
        let (code, hint) = match &error {
            StoreError::Away(_) => (AWAY, "cli.hint_store_away"),
            StoreError::Unusable(_) => (CONFIG, "cli.hint_store_unusable"),
            StoreError::Refused(_) | StoreError::Unreadable(_) => (FAILED, "cli.hint_store_refused"),
        };
        Self::new(code, error.to_string(), words.get(hint))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Problems(_) => {
                Self::new(CONFIG, error.to_string(), super::args::shell_words().get("cli.hint_check"))
            }
            BuildError::Store(error) => error.into(),
        }
    }
}
