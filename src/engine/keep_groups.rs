//! Groups of platforms that are kept equal to who is on call: set when that changes, and looked after in between. Each
//! replica does it: it is harmless twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Engine;
use crate::chat::ChatError;
use crate::clock::Timestamp;
use crate::domain::actor::Platform;
use crate::domain::settings::Settings;

/// How often a group is set although nobody changed: somebody may have changed it at the platform.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// How soon again when the platform did not answer.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a platform may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A group: the platform, and its id there.
type Group = (Platform, String);

/// What was last done.
#[derive(Default)]
pub(super) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    groups: BTreeMap<Group, Last>,
    /// Whether groups are being set.
    busy: bool,
}

/// The last try at a group.
struct Last {
    members: BTreeSet<String>,
    /// When it is tried again.
    next: Timestamp,
    /// What is wrong with it and was told.
    told: Option<String>,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Begins to set the groups for which that is due.
    pub(super) fn keep_groups(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut due: Vec<(Group, BTreeSet<String>)> = self.on_call_groups(&self.settings.load()).into_iter().collect();
        {
            let mut state = self.kept.lock();
            due.retain(|(group, members)| {
                state.groups.get(group).is_none_or(|last| last.members != *members || last.next <= now)
            });
            if state.busy || due.is_empty() {
                return;
            }
            state.busy = true;
        }
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            let _idle = Idle(&engine.kept);
            for (group, members) in due {
                engine.keep_group(group, members).await;
            }
        });
    }

    /// Who should be in which group: accounts of those who are on call; several teams may share one.
    fn on_call_groups(&self, settings: &Settings) -> BTreeMap<Group, BTreeSet<String>> {
        let mut wanted: BTreeMap<Group, BTreeSet<String>> = BTreeMap::new();
        for team in settings.teams.values() {
            let on_call = team.rota.as_ref().and_then(|rota| rota.on_call(self.clock.now()));
            for (platform, group) in team.groups.iter().filter(|(platform, _)| self.chats.contains_key(platform)) {
                let members = wanted.entry((*platform, group.clone())).or_default();
                let person = on_call.as_deref().filter(|person| settings.knows_on(person, *platform));
                members.extend(person.and_then(|person| settings.identity(*platform, person)).map(str::to_owned));
            }
        }
        wanted
    }

    async fn keep_group(&self, group: Group, members: BTreeSet<String>) {
        let Some(chat) = self.chats.get(&group.0) else { return };
        let list: Vec<String> = members.iter().cloned().collect();
        let answer = match list.as_slice() {
            [] => {
                Err(ChatError::Refused("nobody who is on call has an account there, so it stays as it is".to_owned()))
            }
            list => tokio::time::timeout(DEADLINE, chat.set_group(&group.1, list))
                .await
                .unwrap_or_else(|_| Err(ChatError::Unavailable("no answer in time".to_owned()))),
        };
        let pause = match &answer {
            Ok(()) | Err(ChatError::Refused(_)) => EVERY,
            Err(ChatError::Unavailable(_)) => AGAIN,
            Err(ChatError::RateLimited(span) | ChatError::Later(span)) => AGAIN.max(*span),
        };
        let told = answer.err().map(|error| error.to_string());
        let last = Last { members, next: self.clock.now().after(pause), told };
        let (platform, id) = &group;
        let mut state = self.kept.lock();
        let before = state.groups.get(&group);
        match &last.told {
            Some(why) if before.is_none_or(|before| before.told.as_ref() != Some(why)) => {
                tracing::warn!(%platform, group = id, why, "the on-call group is not kept");
            }
            None if before.is_none_or(|before| before.told.is_some() || before.members != last.members) => {
                tracing::info!(%platform, group = id, members = ?last.members, "the on-call group is who is on call");
            }
            _ => {}
        }
        state.groups.insert(group, last);
    }
}

/// Ends a try, also one that panics.
struct Idle<'k>(&'k Kept);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.lock().busy = false;
    }
}
