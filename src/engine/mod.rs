//! The use cases: the only place where domain, store, chat and actions meet. Level-triggered: [`Engine::turn`] looks
//! at everything that is due; events only wake it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::Catalog;
use crate::chat::Chat;
use crate::clock::Clock;
use crate::domain::actor::Platform;
use crate::domain::settings::Settings;
use crate::executor::Tools;
use crate::id::{DeliveryId, ReplicaId};
use crate::store::inbox::{Input, NewDelivery};
use crate::store::wake::Wake;
use crate::store::{Store, inbox};
use crate::words::Words;

/// What an engine is made of.
pub struct Engine {
    /// This process.
    pub replica: ReplicaId,
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// People, environments, channels, teams: swapped whole when the configuration is read again.
    pub settings: ArcSwap<Settings>,
    /// Runbooks: swapped whole when the files change and are sound.
    pub catalog: ArcSwap<Catalog>,
    /// Chat platforms.
    pub chats: BTreeMap<Platform, Arc<dyn Chat>>,
    /// What actions work with.
    pub tools: Tools,
    /// Wakes the loops.
    pub wake: Wake,
}

impl Engine {
    /// Stores a request durably, wakes the engine, and gives the request's id: only now may it be acknowledged.
    ///
    /// # Errors
    /// When it is not certain that it is stored; the sender is told to try again.
    pub async fn accept(&self, key: String, input: Input) -> crate::store::Result<DeliveryId> {
        let id = inbox::accept(&self.store, NewDelivery { key, input, at: self.clock.now() }).await?;
        self.wake.wake();
        Ok(id)
    }

    /// Speaks this installation's language.
    #[must_use]
    pub fn words(&self) -> Words {
        Words(self.settings.load().language)
    }
}
