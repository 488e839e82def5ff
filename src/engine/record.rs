//! What happens to the program itself, in the chain: that it started and stops, and which configuration and runbooks
//! hold. Digests stand for what they were, so that anybody can compare; no secret is in them.

use minijinja::context;
use serde_json::{Value, json};

use super::Engine;
use crate::domain::actor::SERENO;
use crate::domain::digest;
use crate::domain::timeline::EntryKind;
use crate::store::Result;

/// The stream of entries that belong to no incident and no run.
pub(super) const STREAM: &str = "system";

/// What holds in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Digest of the configuration, secrets left out.
    pub configuration: String,
    /// Digest of the runbooks.
    pub catalogue: String,
    /// How many they are.
    pub runbooks: usize,
}

/// What happened to a process.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// It serves.
    Started(&'a InForce),
    /// It took a new configuration or new runbooks.
    Took(&'a InForce),
    /// It did not, because they are wrong.
    Refused {
        /// `configuration` or `catalogue`.
        what: &'a str,
        /// How many problems there are.
        problems: usize,
        /// The first of them, in words.
        first: &'a str,
    },
    /// It is about to end.
    Stopping,
}

impl Engine {
    /// Writes an event of this process into the chain.
    ///
    /// # Errors
    /// The database's.
    pub async fn record(&self, event: Event<'_>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        self.enter(&mut tx, STREAM.to_owned(), SERENO, EntryKind::System, self.told(event)).await?;
        tx.commit().await
    }

    fn told(&self, event: Event<'_>) -> Value {
        let (words, replica) = (self.words(), self.replica.as_str());
        let in_force = |name: &str, held: &InForce| {
            let InForce { configuration, catalogue, runbooks } = held;
            let values = context! {
                replica, runbooks, version => env!("CARGO_PKG_VERSION"),
                configuration => digest::short(configuration), catalogue => digest::short(catalogue),
            };
            json!({
                "event": name, "replica": replica, "version": env!("CARGO_PKG_VERSION"),
                "configuration": configuration, "catalogue": catalogue, "runbooks": runbooks,
                "line": words.say(&format!("card.system_{name}"), values),
            })
        };
        match event {
            Event::Started(held) => in_force("started", held),
            Event::Took(held) => in_force("took", held),
            Event::Refused { what, problems, first } => {
                let called = words.get(&format!("card.system_{what}"));
                let line = words.say("card.system_refused", context! { replica, what => called, problems, first });
                json!({
                    "event": "refused", "replica": replica, "what": what, "problems": problems, "first": first,
                    "line": line,
                })
            }
            Event::Stopping => {
                let line = words.say("card.system_stopping", context! { replica });
                json!({ "event": "stopping", "replica": replica, "line": line })
            }
        }
    }
}
