//! Identifiers: ULIDs as text, one newtype a noun, so that a run's id never goes where an incident's belongs.
//! The only place that draws randomness for ids; knows nothing of what the ids name.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// The next ULID of this process: also in the same millisecond, and when the clock goes back, above the last one.
fn draw() -> ulid::Ulid {
    static GENERATOR: Mutex<ulid::Generator> = Mutex::new(ulid::Generator::new());
    let mut generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    // It cannot count on only after 2^80 ids in a millisecond; then uniqueness comes before order.
    generator.generate().unwrap_or_else(|_| ulid::Ulid::new())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id, unique across replicas and sortable by the time it was drawn; in one process strictly so.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(draw().to_string())
            }

            /// The id as it is stored and shown.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// One accepted request: a chat line, a button press, a form or an alert body.
    DeliveryId,
    /// One message of ours on a chat platform.
    MessageId,
    /// One execution of a runbook.
    RunId,
    /// One request for approval of a plan.
    ApprovalId,
    /// One incident.
    IncidentId,
    /// One break-glass use waiting for its review.
    ReviewId,
    /// One shift change of one team.
    HandoffId,
    /// One running process of Sereno; new at every start.
    ReplicaId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_order_in_which_they_were_drawn() {
        let ids: Vec<RunId> = (0..1000).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
