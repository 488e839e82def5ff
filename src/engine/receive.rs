//! Takes requests from the inbox. A request's effects and its end are one transaction, so it is dealt with once,
//! however often a replica dies over it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use minijinja::context;

use super::Engine;
use crate::chat::cards;
use crate::domain::actor::{Actor, Place};
use crate::store::inbox::{Delivery, DeliveryState, Input};
use crate::store::{Result, inbox};

/// Requests taken at once.
const BATCH: i64 = 64;
/// Requests handled side by side.
const SIDE_BY_SIDE: usize = 8;
/// How long a replica may take over one before another takes it.
const LEASE: Duration = Duration::from_secs(30);
/// Handlings begun before a request is given up on.
const ATTEMPTS: u32 = 5;

impl Engine {
    /// Handles what is in the inbox; gives how many requests it took.
    pub(super) async fn receive(self: &Arc<Self>) -> Result<usize> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let deliveries = inbox::claim(&mut tx, &self.replica, now, now.after(LEASE), BATCH).await?;
        // Also when there is none: a transaction that is dropped costs its connection.
        tx.commit().await?;
        if deliveries.is_empty() {
            return Ok(0);
        }
        fail::fail_point!("engine.after_claim");
        let count = deliveries.len();
        futures_util::stream::iter(deliveries)
            .for_each_concurrent(SIDE_BY_SIDE, |delivery| self.handle_or_give_back(delivery))
            .await;
        self.wake.wake();
        Ok(count)
    }

    async fn handle_or_give_back(self: &Arc<Self>, delivery: Delivery) {
        // A request that makes us panic must not take the process with it, again after every restart.
        let handled = AssertUnwindSafe(self.handle(&delivery)).catch_unwind().await;
        let error = match handled {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its handling panicked; the log says where".to_owned(),
        };
        tracing::error!(delivery = %delivery.id, attempt = delivery.attempt, %error, "a request could not be handled");
        let back = if delivery.attempt < ATTEMPTS {
            self.give_back(&delivery).await
        } else {
            self.give_up(&delivery, &error).await
        };
        if let Err(error) = back {
            // Its lease will end, and it will be taken again.
            tracing::warn!(delivery = %delivery.id, %error, "a request could not be given back");
        }
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

    async fn give_back(&self, delivery: &Delivery) -> Result<()> {
        let pause = Duration::from_secs(1 << delivery.attempt.min(5));
        let mut tx = self.store.begin().await?;
        inbox::release(&mut tx, &delivery.id, self.clock.now().after(pause)).await?;
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
