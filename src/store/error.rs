//! What can go wrong with the database, as far as callers tell it apart.

/// A database error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time: try again later.
    #[error("the database is away: {0}")]
    Away(String),
    /// It answered with an error.
    #[error("the database refused: {0}")]
    Refused(String),
    /// What it holds is not what we wrote.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// It is not one that we may use: too old a library, a newer schema, another process has it.
    #[error("{0}")]
    Unusable(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Away(error.to_string()),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Unreadable(error.to_string())
            }
            sqlx::Error::Database(ref inner) if away(inner.code().as_deref()) => Self::Away(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// PostgreSQL classes 08 (connection), 53 (resources), 57 (shutdown, cancel); SQLite busy, full and I/O errors.
fn away(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        code.len() == 5 && (code.starts_with("08") || code.starts_with("53") || code.starts_with("57"))
            || code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
    })
}
