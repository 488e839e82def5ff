//! The use cases: the only place where domain, store, chat and actions meet. Level-triggered: every loop looks at all
//! that is due; events only wake it.

mod alerts;
mod anchor;
mod answer;
mod approve;
mod beside;
mod built_in;
mod choice;
mod deliver;
mod drive;
mod escalate;
mod execute;
mod glass;
mod handoff;
mod house;
mod keep_groups;
mod monitor;
mod plan;
mod post;
mod press;
mod probe;
mod receive;
mod record;
mod retain;
mod roster;
mod run_loop;
mod schedule;
mod start;
mod step;
mod tick;
mod undo;
mod watch;

pub use approve::Waiting;
pub use built_in::explain;
pub use record::{Event, InForce};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::chat::Chat;
use crate::chat::cards::Desk;
use crate::clock::Clock;
use crate::domain::actor::Platform;
use crate::domain::settings::Settings;
use crate::executor::Tools;
use crate::id::{DeliveryId, IncidentId, ReplicaId, RunId};
use crate::secret::Secret;
use crate::store::inbox::{Input, NewDelivery};
use crate::store::wake::Wake;
use crate::store::{Store, inbox};
use crate::words::Words;

/// What an engine is made of.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// People, environments, channels, teams.
    pub settings: Settings,
    /// Runbooks.
    pub catalog: Catalog,
    /// Chat platforms.
    pub chats: Vec<Arc<dyn Chat>>,
    /// What actions work with.
    pub tools: Tools,
    /// Wakes the loops.
    pub wake: Wake,
}

/// The engine of one process.
pub struct Engine {
    /// This process.
    pub replica: ReplicaId,
    /// The database.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// People, environments, channels, teams: swapped whole when the configuration is read again, and when platforms say
    /// something new of somebody.
    pub settings: ArcSwap<Settings>,
    /// Runbooks: swapped whole when the files change and are sound.
    pub catalog: ArcSwap<Catalog>,
    chats: BTreeMap<Platform, Arc<dyn Chat>>,
    tools: ArcSwap<Tools>,
    wake: Wake,
    /// Steps that run in this process, and how to stop them.
    running: Mutex<BTreeMap<(RunId, usize), execute::Running>>,
    /// Whether this process is about to end.
    stopping: AtomicBool,
    /// Monitors that look in this process, and how to stop them.
    looking: Mutex<BTreeMap<String, CancellationToken>>,
    /// Steps of escalations that were said, by incident and digest.
    escalated: Mutex<BTreeSet<(IncidentId, String)>>,
    /// What platforms said of people.
    roster: roster::Roster,
    /// The groups that are kept equal to who is on call.
    kept: keep_groups::Kept,
    tasks: TaskTracker,
    /// What goes on beside the loops.
    beside: beside::Beside,
    /// Held while messages are delivered; those whose fate is not written down yet.
    delivering: AsyncMutex<Vec<deliver::Sent>>,
}

impl Engine {
    /// An engine that does nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            replica: ReplicaId::new(),
            store: parts.store,
            clock: parts.clock,
            settings: ArcSwap::from_pointee(parts.settings),
            catalog: ArcSwap::from_pointee(parts.catalog),
            chats: parts.chats.into_iter().map(|chat| (chat.platform(), chat)).collect(),
            tools: ArcSwap::from_pointee(parts.tools),
            wake: parts.wake,
            running: Mutex::default(),
            stopping: AtomicBool::new(false),
            looking: Mutex::default(),
            escalated: Mutex::default(),
            roster: roster::Roster::default(),
            kept: keep_groups::Kept::default(),
            tasks: TaskTracker::new(),
            beside: beside::Beside::default(),
            delivering: AsyncMutex::default(),
        })
    }

    /// The platform, if it is in use.
    #[must_use]
    pub fn chat(&self, platform: Platform) -> Option<Arc<dyn Chat>> {
        self.chats.get(&platform).cloned()
    }

    /// Takes these secrets, too, out of whatever actions print and find from now on.
    pub fn redact(&self, secrets: &[(String, Secret)]) {
        let tools = self.tools.load_full();
        let named = secrets.iter().map(|(name, secret)| (name.as_str(), secret));
        let redactor = Arc::new(tools.redactor.knowing(named));
        self.tools.store(Arc::new(Tools { redactor, ..(*tools).clone() }));
    }

    /// Stores a request durably, wakes who takes it, and gives the request's id: only now may it be acknowledged.
    ///
    /// # Errors
    /// When it is not certain that it is stored; the sender is told to try again.
    pub async fn accept(&self, key: String, input: Input) -> crate::store::Result<DeliveryId> {
        let id = inbox::accept(&self.store, NewDelivery { key, input, at: self.clock.now() }).await?;
        self.wake.arrived();
        Ok(id)
    }

    /// Speaks this installation's language.
    #[must_use]
    pub fn words(&self) -> Words {
        Words(self.settings.load().language)
    }

    fn desk<'a>(&self, settings: &'a Settings) -> Desk<'a> {
        Desk { words: Words(settings.language), settings, now: self.clock.now() }
    }
}
