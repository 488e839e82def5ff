//! How bad it is, P0 (all is down) to P4 (a note).

super::text_enum! {
    /// The priority of an incident.
    Severity {
        /// Everything is down.
        P0 = "P0",
        /// A main function is down.
        P1 = "P1",
        /// A function is degraded.
        P2 = "P2",
        /// A nuisance.
        P3 = "P3",
        /// For the record.
        P4 = "P4",
    }
}

impl Severity {
    /// Reads the free text that alert sources put in `severity` or `priority`; unknown words are [`Severity::P3`].
    #[must_use]
    pub fn from_label(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "p0" | "emergency" | "page" | "disaster" => Self::P0,
            "p1" | "critical" | "fatal" | "high" => Self::P1,
            "p2" | "error" | "major" | "warning" => Self::P2,
            "p4" | "info" | "none" | "debug" => Self::P4,
            _ => Self::P3,
        }
    }
}
