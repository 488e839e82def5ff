//! Identifiers: ULIDs as text, one newtype a noun, so that a run's id never goes where an incident's belongs.
//! The only place that draws randomness for ids; knows nothing of what the ids name.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new id, unique across replicas and sortable by the time it was drawn.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(ulid::Ulid::new().to_string())
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
