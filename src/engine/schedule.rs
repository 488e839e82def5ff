//! Runbooks that run by themselves at their hour: once a moment, whichever replica sees it first.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use croner::Cron;
use minijinja::context;

use super::Engine;
use super::answer::command_line;
use super::start::Start;
use crate::chat::cards;
use crate::clock::Timestamp;
use crate::domain::actor::{Actor, Place};
use crate::domain::digest;
use crate::domain::policy;
use crate::domain::run::Cause;
use crate::domain::runbook::{Args, Invocation, Runbook, Schedule};
use crate::store::{Result, schedules};

/// A moment that is longer past is let go: the program was away, and the next one comes.
const LATE: Duration = Duration::from_secs(300);

impl Engine {
    /// Starts what is due.
    pub(super) async fn run_schedules(self: &Arc<Self>) -> Result<usize> {
        let catalog = self.catalog.load_full();
        let mut started = 0;
        for book in catalog.all() {
            for schedule in &book.schedule {
                if let Some(at) = due(schedule, self.clock.now())
                    && self.run_schedule(book, schedule, at).await?
                {
                    started += 1;
                }
            }
        }
        Ok(started)
    }

    async fn run_schedule(&self, book: &Arc<Runbook>, schedule: &Schedule, at: Timestamp) -> Result<bool> {
        let key = key(book, schedule);
        if schedules::last(&mut self.store.read().await?, &key).await?.is_some_and(|last| last >= at) {
            return Ok(false);
        }
        let settings = self.settings.load_full();
        let channel = schedule.channel.as_deref().or_else(|| settings.channel_of(&book.pack));
        let Some(channel) = channel else { return Ok(false) };
        let invocation =
            Invocation { runbook: book.full_name(), args: schedule.args.clone(), env: schedule.env.clone() };
        let Ok(request) = self.check(&settings, &invocation, &Args::new(), Some(channel)) else {
            return Ok(false);
        };
        let mut tx = self.store.begin().await?;
        if !schedules::claim(&mut tx, &key, at).await? {
            return Ok(false);
        }
        let start = Start {
            request,
            by: Actor::sereno(),
            cause: Cause::Schedule,
            place: Place::channel(settings.platform_of(channel), channel),
            reply_to: None,
            incident: None,
            parent: None,
            undo_of: None,
        };
        let (place, command) = (start.place.clone(), command_line(&start.request));
        if let Err(holder) = self.start(&mut tx, start, &policy::automatic()).await? {
            tracing::warn!(schedule = key, %holder, "a scheduled run found its target locked, and is left out this time");
            let why = self.locked_card(&mut tx, &settings, &holder).await?.title;
            let card = cards::line(self.desk(&settings), "schedule_left_out", context! { command, why });
            self.post(&mut tx, &place, &card, None).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// What tells a schedule from every other one.
fn key(book: &Runbook, schedule: &Schedule) -> String {
    let key = format!("{} {} {}", book.full_name(), schedule.cron, schedule.env.as_deref().unwrap_or(""));
    match schedule.args.is_empty() {
        true => key,
        false => format!("{key} {}", digest::of(&schedule.args)),
    }
}

/// The latest moment of a schedule that has come and is not too long past.
fn due(schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
    let zone = schedule.zone.as_deref().unwrap_or("UTC");
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let cron = Cron::from_str(&schedule.cron).ok()?;
    let mut at = now.before(LATE).to_jiff().to_zoned(zone);
    let mut latest = None;
    while let Ok(next) = cron.find_next_occurrence(&at, false) {
        let moment = Timestamp::from(next.timestamp());
        if moment > now {
            break;
        }
        latest = Some(moment);
        at = next;
    }
    latest
}
