//! Names in SQL: quoted, never pasted. Knows nothing of what they name.

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether PostgreSQL can have such a name: not empty, no NUL, 63 bytes at most.
pub(super) fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= 63 && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted("Tenant"), "\"Tenant\"");
        assert_eq!(quoted("a\"; DROP TABLE t; --"), "\"a\"\"; DROP TABLE t; --\"");
        assert!(fits(&"x".repeat(63)) && !fits(&"x".repeat(64)) && !fits("") && !fits("a\0"));
    }
}
