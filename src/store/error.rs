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
            sqlx::Error::Database(ref inner) if inner.code().is_some_and(|code| away(&code)) => {
                Self::Away(error.to_string())
            }
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// PostgreSQL (five characters): classes 08 connection, 40 deadlock, 53 resources, 57 shutdown and cancel, and a lock
/// not had in time. SQLite (a number, its kind in the last byte): busy, locked, I/O error, full, cannot open.
fn away(code: &str) -> bool {
    if code.len() == 5 {
        return ["08", "40", "53", "57", "55P03"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_away_and_what_does_not_is_refused() {
        for code in ["08006", "40P01", "40001", "53300", "57P01", "57014", "55P03", "5", "517", "6", "13", "778", "14"]
        {
            assert!(away(code), "{code}");
        }
        // 42501, insufficient privilege, has SQLite's "busy" in its last byte.
        for code in ["23505", "42501", "42P01", "22021", "1", "19", "2067"] {
            assert!(!away(code), "{code}");
        }
    }
}
