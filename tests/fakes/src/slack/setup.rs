//! Arranging a workspace: the small town that every test starts in, and what can be added to it.

use serde_json::json;

use super::message::Message;
use super::methods;
use super::world::{App, Channel, Group, Mode, Team, User, World};
use crate::Clock;

/// Where a manual clock begins unless it is set: 2026-03-02T09:00:00Z, a Monday.
pub const MONDAY: i64 = 1_772_442_000_000;

/// How a fake starts. The town: team `T1` with Ana `U1`, Ben `U2`, Cleo `U3`, the guest Gus `U8`; team `T2` with the
/// stranger Sam `U9`; channels `C1` #infra, `C2` #incidents, `C3` #partners (shared with `T2`), `C4` #secret (private,
/// without the bot), `C5` #general (public, without the bot); groups `S1` @oncall (Ana), `S2` @approvers (Ben, Cleo);
/// the app `A1` with bot user `UBOT`, the command `/ops`, all scopes.
pub struct Setup {
    pub(crate) world: World,
    pub(crate) port: u16,
}

impl Default for Setup {
    fn default() -> Self {
        Self::at(Clock::manual(MONDAY))
    }
}

impl Setup {
    /// The town, with this clock.
    #[must_use]
    pub fn at(clock: Clock) -> Self {
        let mut world = World::new(clock, app());
        for (id, name, domain) in [("T1", "Acme", "acme"), ("T2", "Globex", "globex")] {
            let team = Team { id: id.into(), name: name.into(), domain: domain.into(), enterprise: None };
            world.teams.insert(id.into(), team);
        }
        for (team, id, name, zone) in [
            ("T1", "U1", "ana", "Europe/Madrid"),
            ("T1", "U2", "ben", "America/New_York"),
            ("T1", "U3", "cleo", "Europe/Berlin"),
            ("T1", "U8", "gus", "Etc/UTC"),
            ("T2", "U9", "sam", "Etc/UTC"),
            ("T1", "UBOT", "sereno", "Etc/UTC"),
        ] {
            let user = world.person(team, id, name);
            user.tz = zone.into();
            user.guest = id == "U8";
            user.is_bot = id == "UBOT";
        }
        let all = ["U1", "U2", "U3", "U8", "UBOT"];
        world.channel("C1", "infra", &all);
        world.channel("C2", "incidents", &all);
        world.channel("C3", "partners", &["U1", "U2", "U9", "UBOT"]).shared = true;
        world.channel("C4", "secret", &["U1", "U2"]).private = true;
        world.channel("C5", "general", &["U1", "U2", "U3"]);
        world.group("S1", "oncall", &["U1"]);
        world.group("S2", "approvers", &["U2", "U3"]);
        Self { world, port: 0 }
    }

    /// Deliver by signed HTTP to these base URLs, in turn, in place of Socket Mode.
    #[must_use]
    pub fn http(mut self, urls: &[&str]) -> Self {
        self.world.mode = Mode::Http(urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect());
        self
    }

    /// Only these scopes.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.world.app.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        self
    }

    /// Listen here; 0, which is the rule, is any free port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Anything else.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut World)) -> Self {
        change(&mut self.world);
        self
    }
}

fn app() -> App {
    let set = |words: &str| words.split(' ').map(str::to_owned).collect();
    App {
        id: "A1".into(),
        name: "sereno".into(),
        team: "T1".into(),
        bot_user: "UBOT".into(),
        bot_id: "B1".into(),
        bot_token: "xoxb-fake-bot".into(),
        app_token: "xapp-fake-app".into(),
        signing_secret: "8f742231b10e8888abcd99yyyzzz85a5".into(),
        token: "old-verification-token".into(),
        revoked: [].into(),
        scopes: methods::all_scopes().into_iter().collect(),
        commands: set("/ops"),
        shortcuts: [].into(),
        message_shortcuts: [].into(),
        unfurl_domains: [].into(),
        events: set("app_mention app_home_opened message.im reaction_added link_shared user_change subteam_updated"),
    }
}

impl World {
    /// Adds a person.
    pub fn person(&mut self, team: &str, id: &str, name: &str) -> &mut User {
        let mut real_name = name.to_owned();
        real_name.get_mut(..1).map(str::make_ascii_uppercase);
        let domain = self.teams.get(team).map_or("nowhere", |team| &team.domain);
        let at = self.users.len();
        self.users.push(User {
            team: team.into(),
            id: id.into(),
            name: name.into(),
            real_name,
            email: format!("{name}@{domain}.example"),
            tz: "Etc/UTC".into(),
            locale: "en-US".into(),
            deleted: false,
            guest: false,
            is_bot: false,
        });
        &mut self.users[at]
    }

    /// Adds a public channel with these members.
    pub fn channel(&mut self, id: &str, name: &str, members: &[&str]) -> &mut Channel {
        let channel = Channel {
            id: id.into(),
            name: name.into(),
            topic: String::new(),
            private: false,
            archived: false,
            shared: false,
            im: None,
            members: members.iter().map(|&id| id.to_owned()).collect(),
            messages: Vec::new(),
            bookmarks: Vec::new(),
        };
        self.channels.entry(id.into()).insert_entry(channel).into_mut()
    }

    /// The direct message channel of a person with the bot, opened where there is none.
    pub fn direct(&mut self, user: &str) -> String {
        if let Some(found) = self.channels.values().find(|channel| channel.im.as_deref() == Some(user)) {
            return found.id.clone();
        }
        let (id, bot) = (self.id("D"), self.app.bot_user.clone());
        self.channel(&id, "", &[user, &bot]).im = Some(user.to_owned());
        id
    }

    /// Adds a user group.
    pub fn group(&mut self, id: &str, handle: &str, users: &[&str]) {
        let users = users.iter().map(|&id| id.to_owned()).collect();
        let group = Group { id: id.into(), handle: handle.into(), name: handle.into(), users, disabled: false };
        self.groups.insert(id.into(), group);
    }

    /// A message by place and time.
    pub fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        self.channels.get_mut(channel)?.messages.iter_mut().find(|message| message.ts == ts)
    }

    /// Removes a person from the workspace: nothing works for them any more. The app hears `user_change`.
    pub fn deactivate(&mut self, user: &str) {
        let team = self.app.team.clone();
        let Some(found) = self.users.iter_mut().find(|one| one.id == user && one.team == team) else { return };
        found.deleted = true;
        let json = json!({"id": found.id, "team_id": team, "name": found.name, "deleted": true});
        self.groups.values_mut().for_each(|group| group.users.retain(|id| id != user));
        self.emit("user_change", json!({"type": "user_change", "user": json, "event_ts": super::payload::now(self)}));
    }

    /// Takes a person out of a group. The app hears `subteam_updated`.
    pub fn leave_group(&mut self, group: &str, user: &str) {
        let Some(found) = self.groups.get_mut(group) else { return };
        found.users.retain(|id| id != user);
        let json = json!({"id": found.id, "handle": found.handle, "users": found.users});
        let event = json!({"type": "subteam_updated", "subteam": json, "event_ts": super::payload::now(self)});
        self.emit("subteam_updated", event);
    }
}
