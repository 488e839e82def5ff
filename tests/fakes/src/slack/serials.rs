//! What a workspace hands out: ids, timestamps, trigger ids, response_urls, and its name on payloads.

use serde_json::{Value, json};

use super::message::Message;
use super::world::{Hook, Team, Trigger, User, World};

impl World {
    /// A new id, such as `F00000007`.
    pub fn id(&mut self, letter: &str) -> String {
        self.serial += 1;
        format!("{letter}{:08X}", self.serial)
    }

    /// A new message timestamp: later than all before it.
    pub fn ts(&mut self) -> String {
        self.last_ts = (self.last_ts + 1).max(self.clock.now() * 1000);
        format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000)
    }

    /// Somebody by id: of this workspace before others.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().filter(|user| user.id == id).max_by_key(|user| user.team == self.app.team)
    }

    /// The app's own workspace.
    #[must_use]
    pub fn team(&self) -> &Team {
        &self.teams[&self.app.team]
    }

    /// Says to the app, as soon as the state is let go, that this happened.
    pub fn emit(&mut self, subscription: &str, event: Value) {
        if self.app.events.contains(subscription) {
            self.outbox.push(event);
        }
    }

    /// A trigger id for this person, good for 3 seconds and one use.
    pub fn trigger(&mut self, team: &str, user: &str, view: Option<String>) -> String {
        self.serial += 1;
        let id = format!("{}.{}.{:032x}", self.clock.now(), self.serial, self.serial);
        let expires = self.clock.now() + 3_000;
        let trigger = Trigger { team: team.to_owned(), user: user.to_owned(), expires, used: false, view };
        self.triggers.insert(id.clone(), trigger);
        id
    }

    /// A response_url, good for 5 uses in 30 minutes.
    pub fn hook(&mut self, channel: &str, user: &str, message: Option<&Message>) -> String {
        self.serial += 1;
        let key = format!("{:024x}", self.serial);
        let hook = Hook {
            channel: channel.to_owned(),
            user: user.to_owned(),
            ts: message.map(|message| message.ts.clone()),
            thread_ts: message.and_then(|message| message.thread_ts.clone()),
            uses: 0,
            expires: self.clock.now() + 30 * 60_000,
        };
        self.hooks.insert(key.clone(), hook);
        format!("{}/hook/{}/{key}", self.base, self.app.team)
    }

    /// `{id, domain, …}` of a team, as payloads carry it.
    #[must_use]
    pub fn team_json(&self, id: &str) -> Value {
        let domain = self.teams.get(id).map_or("", |team| &team.domain);
        let mut json = json!({"id": id, "domain": domain});
        if let Some((id, name)) = self.teams.get(id).and_then(|team| team.enterprise.as_ref()) {
            json["enterprise_id"] = json!(id);
            json["enterprise_name"] = json!(name);
        }
        json
    }

    /// `{id, name}` of the Enterprise, or null.
    #[must_use]
    pub fn enterprise_json(&self, team: &str) -> Value {
        let enterprise = self.teams.get(team).and_then(|team| team.enterprise.as_ref());
        enterprise.map_or(Value::Null, |(id, name)| json!({"id": id, "name": name}))
    }
}
