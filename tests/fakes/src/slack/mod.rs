//! A fake Slack: a workspace with people, an app installed in it, the Web API, Socket Mode, signed HTTP. Stateful, and
//! at least as strict as the real one. A test arranges it by [`Setup`], acts in it as a [`Person`], moves its clock,
//! orders troubles, and reads what came of it. Knows nothing of the app it talks to.

mod args;
pub mod blocks;
mod calls;
mod deliver;
mod forms;
mod hooks;
mod limits;
mod message;
mod methods;
mod page;
mod payload;
mod people;
mod rates;
mod read;
mod screens;
mod serials;
mod server;
mod setup;
mod signed;
mod socket;
mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use blocks::{Surface, Wrong, check as check_blocks};
pub use deliver::{Door, Sent};
pub use limits::{LIMITS, Limit, most};
pub use message::{Message, elements};
pub use methods::all_scopes;
pub use page::ENDPOINTS;
pub use people::{Heard, Person};
pub use rates::{Rates, Tier, Trouble};
pub use read::ChannelRead;
pub use setup::{MONDAY, Setup};
pub use signed::{Badly, sign};
pub use world::{App, Call, Channel, File, Group, Mode, Team, User, View, World};

use crate::Clock;

/// The state, and the way out for what it emits. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    world: Arc<Mutex<World>>,
    events: mpsc::UnboundedSender<Value>,
    pub clock: Clock,
}

impl Shared {
    /// Works on the state; what it emits goes out afterwards.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut world);
        for event in world.outbox.drain(..) {
            let _ = self.events.send(event);
        }
        done
    }

    /// 3 seconds after `start` by the clock; or when a test that never moves it would hang.
    pub(crate) async fn late(&self, start: i64) {
        tokio::select! {
            () = self.clock.until(start + 3_000) => {}
            () = tokio::time::sleep(Duration::from_secs(15)) => {}
        }
    }
}

/// A running fake. It ends when this is dropped.
pub struct Slack {
    pub(crate) shared: Shared,
    base: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Slack {
    /// Starts it on a loopback port.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(setup: Setup) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", setup.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (events, mut inbox) = mpsc::unbounded_channel();
        let (clock, mut world) = (setup.world.clock.clone(), setup.world);
        world.base.clone_from(&base);
        let shared = Shared { world: Arc::new(Mutex::new(world)), events, clock };
        let pump = shared.clone();
        let tasks = vec![
            tokio::spawn(server::serve(listener, shared.clone())),
            tokio::spawn(async move {
                while let Some(event) = inbox.recv().await {
                    let shared = pump.clone();
                    tokio::spawn(async move { deliver::event(&shared, event).await });
                }
            }),
        ];
        Ok(Self { shared, base, tasks })
    }

    /// Where it is: `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The Web API's base, with a slash at its end: method names follow.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.base)
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Looks at the state, or changes anything in it.
    pub fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with(work)
    }

    /// Somebody of the app's own workspace.
    #[must_use]
    pub fn person(&self, id: &str) -> Person {
        self.person_of(&self.with(|world| world.app.team.clone()), id)
    }

    /// Somebody of another workspace; the id may be one that the own workspace has too.
    #[must_use]
    pub fn person_of(&self, team: &str, id: &str) -> Person {
        Person::new(self.shared.clone(), team, id)
    }

    /// The next `count` calls of this method (`*`: any; `response_url`, `upload`) meet this.
    pub fn trouble(&self, method: &str, count: usize, trouble: Trouble) {
        self.with(|world| world.troubles.extend(std::iter::repeat_n((method.to_owned(), trouble), count)));
    }

    /// Everything is away, or back: connections end without an answer.
    pub fn outage(&self, down: bool) {
        self.with(|world| {
            world.down = down;
            if down {
                world.sockets.ids().into_iter().for_each(|id| world.sockets.cut(id));
            }
        });
    }

    /// Delivers something by hand, forged or not.
    pub async fn forge(&self, door: Door, payload: &Value) -> Vec<Sent> {
        deliver::deliver(&self.shared, door, payload, (0, "")).await
    }

    /// Delivers an event by hand, in its envelope, with retries. Returns the payload and what came of the first try.
    pub async fn event(&self, event: Value) -> (Value, Vec<Sent>) {
        deliver::event(&self.shared, event).await
    }

    /// The request by which Slack checks an address for events: the challenge, and what came of it. By HTTP only.
    pub async fn url_verification(&self) -> (String, Vec<Sent>) {
        let (token, challenge) = self.with(|world| (world.app.token.clone(), world.id("challenge")));
        let payload = serde_json::json!({"token": token, "challenge": challenge, "type": "url_verification"});
        (challenge, self.forge(Door::Event, &payload).await)
    }

    /// Waits until something is there. For what happens by itself, such as a message after an acknowledgement.
    ///
    /// # Panics
    /// When it is not there after 15 seconds; `what` says what was waited for.
    pub async fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&Self) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = find(self) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(15), search).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; calls: {:#?}", self.calls()),
        }
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.outage(true);
    }
}
