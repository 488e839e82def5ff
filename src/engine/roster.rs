//! Rights that come from platforms: who is in which group, whose account was closed. What a platform said lives here, in
//! this process alone, and is laid over the settings, which everything else asks. Old news gives no rights: fail closed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;

use super::Engine;
use crate::chat::ChatError;
use crate::clock::Timestamp;
use crate::domain::actor::{Actor, Platform};
use crate::domain::settings::{Settings, Standing};

/// How often everybody's standing is read.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// How soon again when a platform did not answer.
const AGAIN: Duration = Duration::from_secs(60);
/// How long groups count that could not be read again.
const COUNTS: Duration = Duration::from_secs(15 * 60);
/// How long a platform is let alone after it did not answer.
const QUIET: Duration = Duration::from_secs(10);
/// How long a click waits for an answer.
const AT_ONCE: Duration = Duration::from_secs(2);
/// How long the regular reading waits for one.
const AT_LEISURE: Duration = Duration::from_secs(10);

/// An account: the platform, and its identity there.
type Account = (Platform, String);

/// What platforms said.
#[derive(Default)]
pub(super) struct Roster(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By account.
    readings: BTreeMap<Account, Reading>,
    /// Accounts that are to be read before their time.
    changed: BTreeSet<Account>,
    /// Platforms that did not answer, and until when they are let alone.
    quiet: BTreeMap<Platform, Timestamp>,
    /// What was told of platforms that refuse.
    told: BTreeSet<String>,
    /// When everybody is read next.
    due: Option<Timestamp>,
    /// Whether a reading is under way.
    reading: bool,
    /// Questions asked so far: a late answer does not replace the answer to a later question.
    asked: u64,
}

/// An answer.
struct Reading {
    standing: Standing,
    at: Timestamp,
    asked: u64,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something changed about an account.
    pub(super) fn changed(&self, platform: Platform, identity: &str) {
        self.lock().changed.insert((platform, identity.to_owned()));
    }

    /// What counts of what is known of a person's accounts. That an account was closed counts until it is open again.
    fn standing(&self, identities: &BTreeMap<Platform, String>, now: Timestamp) -> BTreeMap<Platform, Standing> {
        let known = self.lock();
        let found = identities.iter().filter_map(|(platform, identity)| {
            let reading = known.readings.get(&(*platform, identity.clone()))?;
            let fresh = now.since(reading.at) <= COUNTS;
            let groups = if fresh { reading.standing.groups.clone() } else { Vec::new() };
            Some((*platform, Standing { groups, ..reading.standing }))
        });
        found.collect()
    }

    /// The settings with what counts now; none if they say so already.
    fn over(&self, settings: &Settings, now: Timestamp) -> Option<Settings> {
        let of = |id: &str| self.standing(&settings.people[id].identities, now);
        let moved: Vec<_> = settings.people.values().map(|person| (&person.id, of(&person.id))).collect();
        let moved: Vec<_> = moved.into_iter().filter(|(id, now)| settings.people[*id].standing != *now).collect();
        if moved.is_empty() {
            return None;
        }
        let mut over = settings.clone();
        for (id, standing) in moved {
            if let Some(person) = over.people.get_mut(id) {
                person.standing = standing;
            }
        }
        Some(over)
    }
}

impl Engine {
    /// Takes other settings: what platforms said of people goes on to count, and is read again soon.
    pub fn configure(&self, settings: Settings) {
        self.roster.lock().due = None;
        let over = self.roster.over(&settings, self.clock.now()).unwrap_or(settings);
        self.settings.store(Arc::new(over));
        self.lay(); // for what was read in between
    }

    /// Lays what is known over the settings, and logs who lost or gained what.
    fn lay(&self) {
        let now = self.clock.now();
        if self.roster.over(&self.settings.load(), now).is_none() {
            return;
        }
        let before = self.settings.rcu(|settings| match self.roster.over(settings, now) {
            Some(over) => Arc::new(over),
            None => Arc::clone(settings),
        });
        let after = self.settings.load();
        for id in after.people.keys() {
            let roles =
                |of: &Settings| of.actor(id, Platform::Console).map_or(BTreeSet::new(), |actor: Actor| actor.roles);
            let (had, has) = (roles(&before), roles(&after));
            if before.knows(id) && !after.knows(id) {
                tracing::warn!(person = id, "an account of theirs is closed: they have no rights");
            } else if had != has {
                let lost: Vec<_> = had.difference(&has).collect();
                let gained: Vec<_> = has.difference(&had).collect();
                tracing::info!(person = id, ?lost, ?gained, "a platform says that rights changed");
            }
            for platform in after.people[id].identities.keys().filter(|_| after.knows(id)) {
                match (before.knows_on(id, *platform), after.knows_on(id, *platform)) {
                    (true, false) => tracing::warn!(
                        person = id,
                        %platform,
                        "their account there is a guest's, of another workspace or unknown: no rights through it"
                    ),
                    (false, true) => tracing::info!(person = id, %platform, "they are one of ours there again"),
                    _ => {}
                }
            }
        }
    }

    /// Reads how these people stand, now, as far as their platforms answer at once.
    pub(super) async fn reread(&self, people: &[&String]) {
        self.read_again(people, Duration::ZERO).await;
    }

    /// The same where the last reading is missing or older than it should be, as after a start.
    pub(super) async fn read_if_old(&self, person: &String) {
        self.read_again(&[person], EVERY).await;
    }

    async fn read_again(&self, people: &[&String], good_for: Duration) {
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        let mut accounts = self.accounts(&settings);
        accounts.retain(|(account, person)| {
            let is_new = |reading: &Reading| !good_for.is_zero() && now.since(reading.at) <= good_for;
            people.contains(&person) && !self.roster.lock().readings.get(account).is_some_and(is_new)
        });
        join_all(accounts.iter().map(|(account, _)| self.read(&settings, account, AT_ONCE))).await;
        self.lay();
    }

    /// Begins to read everybody where that is due, and those of whom a platform said that something changed.
    pub(super) fn sync_roster(self: &Arc<Self>) {
        self.lay(); // for what has become old
        let (settings, now) = (self.settings.load_full(), self.clock.now());
        let mut accounts = self.accounts(&settings);
        {
            let mut known = self.roster.lock();
            let changed = std::mem::take(&mut known.changed);
            let all = known.due.is_none_or(|due| due <= now);
            accounts.retain(|(account, _)| all || changed.contains(account));
            if known.reading || accounts.is_empty() {
                known.changed = if known.reading { changed } else { BTreeSet::new() };
                return;
            }
            // Whoever was not read for longest comes first: a platform may stop to answer in the middle.
            accounts.sort_by_key(|(account, _)| known.readings.get(account).map(|reading| reading.at));
            known.reading = true;
            if all {
                known.due = Some(now.after(EVERY));
            }
        }
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            let _over = Over(&engine.roster);
            for (account, _) in &accounts {
                if !engine.read(&settings, account, AT_LEISURE).await {
                    let again = engine.clock.now().after(AGAIN);
                    let mut known = engine.roster.lock();
                    known.due = Some(known.due.map_or(again, |due| due.min(again)));
                }
            }
            engine.lay();
        });
    }

    /// Accounts on the platforms that are in use, and whose they are.
    fn accounts(&self, settings: &Settings) -> Vec<(Account, String)> {
        let of_all = settings.people.values().flat_map(|person| {
            let theirs = person.identities.iter();
            theirs.map(|(platform, identity)| ((*platform, identity.clone()), person.id.clone()))
        });
        of_all.filter(|((platform, _), _)| self.chats.contains_key(platform)).collect()
    }

    /// Asks a platform about an account; tells whether it answered.
    async fn read(&self, settings: &Settings, account: &Account, deadline: Duration) -> bool {
        let (platform, identity) = account;
        let (Some(chat), at) = (self.chats.get(platform), self.clock.now()) else { return true };
        let asked = {
            let mut known = self.roster.lock();
            if known.quiet.get(platform).is_some_and(|until| at < *until) {
                return false;
            }
            known.asked += 1;
            known.asked
        };
        let groups: Vec<String> = settings.groups.get(platform).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        let ask = async {
            match chat.standing(identity, &groups).await {
                // It does not tell of groups, which then give no rights; of the account it may.
                Err(ChatError::Refused(why)) if !groups.is_empty() => {
                    self.roster.lock().refused(account, &why);
                    chat.standing(identity, &[]).await
                }
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(deadline, ask).await;
        let late = || Err(ChatError::Unavailable("no answer in time".to_owned()));
        self.roster.lock().take(account, answer.unwrap_or_else(|_| late()), (asked, at), self.clock.now())
    }
}

impl Known {
    /// Tells once why a platform does not say something.
    fn refused(&mut self, (platform, identity): &Account, why: &str) {
        if self.told.insert(format!("{platform}: {why}")) {
            tracing::warn!(%platform, identity, why, "it does not say how somebody stands, so groups give them no roles");
        }
    }

    /// Keeps an answer; tells whether it is one.
    fn take(
        &mut self,
        account: &Account,
        answer: Result<Option<Standing>, ChatError>,
        (asked, at): (u64, Timestamp),
        now: Timestamp,
    ) -> bool {
        let platform = account.0;
        let pause = match answer {
            Ok(standing) => {
                if self.quiet.remove(&platform).is_some() {
                    tracing::info!(%platform, "it answers again who has which rights");
                }
                let last = self.readings.get(account).map_or(0, |reading| reading.asked);
                if let Some(standing) = standing.filter(|_| asked > last) {
                    self.readings.insert(account.clone(), Reading { standing, at, asked });
                }
                return true;
            }
            Err(ChatError::Refused(why)) => {
                self.refused(account, &why);
                return true;
            }
            Err(ChatError::RateLimited(span) | ChatError::Later(span)) => span,
            Err(ChatError::Unavailable(why)) => {
                if !self.quiet.contains_key(&platform) {
                    tracing::warn!(%platform, why, "it cannot be asked for rights; what is known counts for a quarter of an hour");
                }
                QUIET
            }
        };
        self.quiet.insert(platform, now.after(pause));
        false
    }
}

/// Ends a reading, also one that panics.
struct Over<'r>(&'r Roster);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.lock().reading = false;
    }
}
