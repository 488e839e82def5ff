//! The audit trail's head, posted to a channel once an hour while it moves: a copy outside the database.

use std::time::Duration;

use minijinja::context;

use super::Engine;
use crate::chat::cards;
use crate::clock::Timestamp;
use crate::domain::actor::Place;
use crate::store::{Result, schedules, timeline};

/// The schedule's name; the head that was posted is kept as its moment's number.
const SCHEDULE: &str = "audit head";
/// How often at most.
const EVERY: Duration = Duration::from_secs(3600);

impl Engine {
    /// Posts the head if its hour has come and it has moved.
    pub(super) async fn post_head(&self) -> Result<usize> {
        let settings = self.settings.load_full();
        let Some(channel) = &settings.audit_channel else { return Ok(0) };
        let every = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX);
        let hour = Timestamp(self.clock.now().0 / every * every);
        let mut db = self.store.read().await?;
        let (seq, hash) = timeline::head(&mut db).await?;
        if seq == 0 || schedules::last(&mut db, SCHEDULE).await?.is_some_and(|last| last >= hour) {
            return Ok(0);
        }
        drop(db);
        let mut tx = self.store.begin().await?;
        if !schedules::claim(&mut tx, SCHEDULE, hour).await? {
            return Ok(0);
        }
        let card = cards::line(self.desk(&settings), "audit_head", context! { seq, hash });
        self.post(&mut tx, &Place::channel(settings.platform_of(channel), channel), &card, None).await?;
        tx.commit().await?;
        Ok(1)
    }
}
