//! Takes requests from the inbox. A request's effects and its end are one transaction, so it is dealt with once,
//! however often a replica dies over it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use minijinja::context;

use super::Engine;
use super::beside::Lane;
use crate::chat::cards;
use crate::domain::actor::{Actor, Place};
use crate::id::ReplicaId;
use crate::store::inbox::{Delivery, DeliveryState, Input};
use crate::store::{Result, inbox};

/// Requests taken at once.
const BATCH: i64 = 64;
/// Requests handled side by side.
const SIDE_BY_SIDE: usize = 8;
/// How long a replica may take over one before another takes it.
const LEASE: Duration = Duration::from_secs(30);
/// How long one that could not be given back rests, for every try that it has behind it.
const REST: Duration = Duration::from_secs(2);
/// Handlings begun before a request is given up on.
const ATTEMPTS: u32 = 5;

impl Engine {
    /// Handles what is in the inbox; gives how many requests it took.
    pub(super) async fn receive(self: &Arc<Self>) -> Result<usize> {
        let Some(mut lane) = self.beside.lane() else { return Ok(0) };
        let engine = Arc::clone(self);
        let batch = async move {
            let taken = engine.receive_on(&mut lane).await;
            engine.beside.free(lane);
            taken
        };
        self.beside(batch).await.unwrap_or(Ok(1))
    }

    /// Handles a batch.
    async fn receive_on(self: &Arc<Self>, lane: &mut Lane) -> Result<usize> {
        // What is the lane's in the database now, it does not handle.
        let left = if lane.unsure { self.give_back_all(lane).await } else { Ok(()) };
        if let Err(error) = &left {
            tracing::warn!(%error, "requests could not be given back yet");
        }
        lane.unsure = left.is_err();
        let now = self.clock.now();
        if !inbox::is_due(&mut self.store.read().await?, now).await? {
            return Ok(0);
        }
        lane.unsure = true;
        let mut tx = self.store.begin().await?;
        let deliveries = inbox::claim(&mut tx, &lane.owner, now, now.after(LEASE), BATCH).await?;
        // Also when another replica was faster: a transaction that is dropped costs its connection.
        tx.commit().await?;
        if deliveries.is_empty() {
            lane.unsure = left.is_err();
            return Ok(0);
        }
        fail::fail_point!("engine.after_claim");
        let (count, owner) = (deliveries.len(), &lane.owner);
        let settled = futures_util::stream::iter(deliveries)
            .map(|delivery| self.handle_or_give_back(delivery, owner))
            .buffer_unordered(SIDE_BY_SIDE)
            .fold(true, async |all, settled| all && settled)
            .await;
        lane.unsure = left.is_err() || !settled;
        self.wake.wake();
        Ok(count)
    }

    /// Gives back what the database says is the lane's: the answer to its claim was lost, or it was away when the
    /// request was to be given back.
    async fn give_back_all(&self, lane: &Lane) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let count = inbox::release_all(&mut tx, &lane.owner, self.clock.now(), REST).await?;
        tx.commit().await?;
        if count > 0 {
            tracing::info!(count, "requests were given back after an error of the database");
        }
        Ok(())
    }

    /// False if it could not be given back, either.
    async fn handle_or_give_back(self: &Arc<Self>, delivery: Delivery, owner: &ReplicaId) -> bool {
        // A request that makes us panic must not take the process with it, again after every restart.
        let handled = AssertUnwindSafe(self.handle(&delivery)).catch_unwind().await;
        let error = match handled {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its handling panicked; the log says where".to_owned(),
        };
        tracing::error!(delivery = %delivery.id, attempt = delivery.attempt, %error, "a request could not be handled");
        let back = if delivery.attempt < ATTEMPTS {
            self.give_back(&delivery, owner).await
        } else {
            self.give_up(&delivery, &error).await
        };
        if let Err(error) = &back {
            tracing::warn!(delivery = %delivery.id, %error, "a request could not be given back yet");
        }
        back.is_ok()
    }

    async fn handle(self: &Arc<Self>, delivery: &Delivery) -> Result<()> {
        match &delivery.input {
            Input::Text { by, place, text } => {
                self.read_if_old(by).await;
                match self.actor(by, place) {
                    Some(actor) => self.heard(delivery, actor, place, text).await,
                    None => self.drop_stranger(delivery).await,
                }
            }
            Input::Press { by, place, .. } => {
                self.reread(&[by]).await;
                match self.actor(by, place) {
                    Some(actor) => self.pressed(delivery, actor, place).await,
                    None => self.drop_stranger(delivery).await,
                }
            }
            Input::Hook { hook, body } => self.alerted(delivery, hook, body).await,
        }
    }

    /// The actor as of now: a click is judged by the roles of its moment.
    fn actor(&self, by: &str, place: &Place) -> Option<Actor> {
        self.settings.load().actor(by, place.platform)
    }

    /// Somebody who left the configuration, or whose account was closed, between the door and here.
    async fn drop_stranger(&self, delivery: &Delivery) -> Result<()> {
        let mut tx = self.store.begin().await?;
        inbox::finish(&mut tx, &delivery.id, DeliveryState::Done).await?;
        tx.commit().await
    }

    async fn give_back(&self, delivery: &Delivery, owner: &ReplicaId) -> Result<()> {
        let pause = Duration::from_secs(1 << delivery.attempt.min(5));
        let mut tx = self.store.begin().await?;
        inbox::release(&mut tx, owner, &delivery.id, self.clock.now().after(pause)).await?;
        tx.commit().await
    }

    async fn give_up(&self, delivery: &Delivery, why: &str) -> Result<()> {
        let mut tx = self.store.begin().await?;
        if inbox::finish(&mut tx, &delivery.id, DeliveryState::Failed).await?
            && let Input::Text { by, place, .. } | Input::Press { by, place, .. } = &delivery.input
        {
            let settings = self.settings.load_full();
            let card = cards::line(self.desk(&settings), "failed_inside", context! { why });
            self.whisper(&mut tx, place, by, &card, &delivery.id).await?;
        }
        tx.commit().await
    }
}
