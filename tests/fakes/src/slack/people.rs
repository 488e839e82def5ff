//! People, and what they can do: only what Slack's client would let them. Each act returns what the app answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::deliver::{self, Door, Sent};
use super::message::Message;
use super::world::{Hook, User, World};
use super::{Shared, forms, hooks, payload};

/// Somebody who acts.
#[derive(Clone)]
pub struct Person {
    pub(super) shared: Shared,
    pub(super) team: String,
    pub(super) id: String,
}

/// What came of an act.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Taken within 3 seconds of the fake's clock.
    pub acked: bool,
    /// What came with it: JSON, text as a string, or null.
    pub body: Value,
    /// By the fake's clock.
    pub latency: Duration,
    /// What Slack shows the person where it went wrong: their own slip in a form, or the app's.
    pub problem: Option<String>,
    /// What only this person saw by the time it was answered. What comes later is in [`Person::ephemerals`].
    pub shown: Vec<Message>,
    /// What the app was sent.
    pub payload: Value,
    /// Every delivery: two where a test ordered that.
    pub sent: Vec<Sent>,
}

impl Heard {
    /// The trigger id that the app was sent.
    #[must_use]
    pub fn trigger(&self) -> &str {
        self.payload["trigger_id"].as_str().unwrap_or_default()
    }

    /// The response_url that the app was sent.
    #[must_use]
    pub fn response_url(&self) -> &str {
        self.payload["response_url"].as_str().unwrap_or_default()
    }

    /// Errors of a form, by block id.
    #[must_use]
    pub fn errors(&self) -> Vec<(String, String)> {
        let errors = self.body["errors"].as_object().into_iter().flatten();
        errors.map(|(block, words)| (block.clone(), words.as_str().unwrap_or_default().to_owned())).collect()
    }
}

impl Person {
    pub(crate) fn new(shared: Shared, team: &str, id: &str) -> Self {
        Self { shared, team: team.to_owned(), id: id.to_owned() }
    }

    /// The person in the workspace's book.
    pub(super) fn user(&self, world: &World) -> User {
        let found = world.users.iter().find(|user| user.id == self.id && user.team == self.team);
        found.unwrap_or_else(|| panic!("nobody is {} in {}", self.id, self.team)).clone()
    }

    /// The same, if they may act in this channel.
    fn present(&self, world: &World, channel: &str) -> User {
        let user = self.user(world);
        assert!(!user.deleted, "{} is deactivated and can do nothing", self.id);
        let found = world.channels.get(channel).unwrap_or_else(|| panic!("there is no channel {channel}"));
        assert!(found.members.contains(&self.id), "{} is not in {channel}", self.id);
        user
    }

    pub(super) async fn act(&self, door: Door, payload: Value) -> Heard {
        let before = self.ephemerals().len();
        let sent = deliver::deliver(&self.shared, door, &payload, (0, "")).await;
        self.heard(payload, sent, before)
    }

    fn heard(&self, payload: Value, sent: Vec<Sent>, before: usize) -> Heard {
        let first = sent.iter().find(|one| one.acked).or(sent.first()).cloned().unwrap_or_default();
        let problem = (!first.acked).then(|| first.failure.clone().unwrap_or_default());
        let shown = self.ephemerals().split_off(before);
        Heard { acked: first.acked, body: first.body, latency: first.latency, problem, shown, payload, sent }
    }

    /// A slash command: `/ops health prod`. What is answered at once is shown.
    pub async fn slash(&self, channel: &str, line: &str) -> Heard {
        let (command, text) = line.split_once(' ').unwrap_or((line, ""));
        let before = self.ephemerals().len();
        let payload = self.shared.with(|world| {
            let user = self.present(world, channel);
            assert!(world.app.commands.contains(command), "{command} is not a command of the app");
            payload::command(world, &user, channel, command, text)
        });
        let mut heard = self.act(Door::Command, payload).await;
        if heard.acked && !matches!(&heard.body, Value::Null) && heard.body != json!({}) && heard.body != "" {
            let hook =
                Hook { channel: channel.into(), user: self.id.clone(), ts: None, thread_ts: None, uses: 0, expires: 0 };
            let said = if heard.body.is_string() { json!({"text": heard.body}) } else { heard.body.clone() };
            let shown = self.shared.with(|world| hooks::show(world, &hook, &said));
            heard.problem = shown.err().map(|refusal| format!("invalid_command_response: {}", refusal.json()));
            heard.shown = self.ephemerals().split_off(before);
        }
        heard
    }

    /// Writes a message. The app hears it where it is mentioned, or subscribed to the channel's kind. Returns it.
    pub async fn say(&self, channel: &str, text: &str) -> (Message, Heard) {
        self.write(channel, None, text).await
    }

    /// Writes in a thread.
    pub async fn reply(&self, channel: &str, thread: &str, text: &str) -> (Message, Heard) {
        self.write(channel, Some(thread), text).await
    }

    /// Mentions the app in a channel: `@sereno text`.
    pub async fn mention(&self, channel: &str, text: &str) -> Heard {
        let bot = self.shared.with(|world| world.app.bot_user.clone());
        self.write(channel, None, &format!("<@{bot}> {text}")).await.1
    }

    /// Mentions the app in a thread.
    pub async fn mention_in(&self, channel: &str, thread: &str, text: &str) -> Heard {
        let bot = self.shared.with(|world| world.app.bot_user.clone());
        self.write(channel, Some(thread), &format!("<@{bot}> {text}")).await.1
    }

    async fn write(&self, channel: &str, thread: Option<&str>, text: &str) -> (Message, Heard) {
        let before = self.ephemerals().len();
        let (message, event) = self.shared.with(|world| {
            self.present(world, channel);
            let message = Message {
                channel: channel.into(),
                team: self.team.clone(),
                ts: world.ts(),
                user: self.id.clone(),
                text: text.into(),
                thread_ts: thread.map(str::to_owned),
                posted: world.clock.now(),
                ..Message::default()
            };
            let (kind, subscription) = payload::channel_type(&world.channels[channel]);
            if let Some(found) = world.channels.get_mut(channel) {
                found.messages.push(message.clone());
            }
            payload::link_event(world, &message);
            let mentioned = text.contains(&format!("<@{}>", world.app.bot_user)) && kind != "im";
            let member = world.channels[channel].members.contains(&world.app.bot_user);
            let event = if !member {
                None
            } else if mentioned && world.app.events.contains("app_mention") {
                Some(payload::said(&message, "app_mention", kind))
            } else {
                world.app.events.contains(subscription).then(|| payload::said(&message, "message", kind))
            };
            (message, event)
        });
        let heard = match event {
            Some(event) => self.told(event, before).await,
            None => Heard::default(),
        };
        (message, heard)
    }

    async fn told(&self, event: Value, before: usize) -> Heard {
        let (payload, sent) = deliver::event(&self.shared, event).await;
        self.heard(payload, sent, before)
    }

    /// Clicks a button that is on the message now.
    ///
    /// # Panics
    /// When it is not there, or the person cannot see the message.
    pub async fn click(&self, message: &Message, action: &str) -> Heard {
        let now = self.sees(message);
        self.choose_on(&now, action, None).await
    }

    /// Clicks a button of the message as it was given, though it may be gone by now: the click was under way.
    pub async fn click_stale(&self, message: &Message, action: &str) -> Heard {
        self.choose_on(message, action, None).await
    }

    /// Chooses in a menu on the message: the option's value.
    pub async fn choose(&self, message: &Message, action: &str, option: &str) -> Heard {
        let now = self.sees(message);
        self.choose_on(&now, action, Some(option)).await
    }

    /// The message as this person sees it now.
    fn sees(&self, message: &Message) -> Message {
        self.shared.with(|world| {
            self.present(world, &message.channel);
            let own =
                world.ephemerals.get(&self.id).and_then(|list| list.iter().find(|one| one.ts == message.ts)).cloned();
            let found = own.or_else(|| world.message_mut(&message.channel, &message.ts).cloned());
            found.unwrap_or_else(|| panic!("{} cannot see the message {}", self.id, message.ts))
        })
    }

    async fn choose_on(&self, message: &Message, action: &str, option: Option<&str>) -> Heard {
        let payload = self.shared.with(|world| {
            let user = self.user(world);
            let known = world.offered.get(&(message.ts.clone(), action.to_owned())).cloned().unwrap_or_default();
            let action = action_json(world, &message.elements(), action, option, &known);
            payload::on_message(world, &user, message, action)
        });
        self.act(Door::Interaction, payload).await
    }

    /// A global shortcut.
    pub async fn shortcut(&self, callback: &str) -> Heard {
        let payload = self.shared.with(|world| {
            let user = self.user(world);
            assert!(
                !user.deleted && world.app.shortcuts.contains(callback),
                "{callback} is no shortcut for {}",
                self.id
            );
            let mut json = payload::interaction(world, &user, "shortcut", None);
            json["callback_id"] = json!(callback);
            json["action_ts"] = json!(payload::now(world));
            json
        });
        self.act(Door::Interaction, payload).await
    }

    /// A shortcut on a message.
    pub async fn message_shortcut(&self, callback: &str, message: &Message) -> Heard {
        let now = self.sees(message);
        let payload = self.shared.with(|world| {
            assert!(world.app.message_shortcuts.contains(callback), "{callback} is no shortcut on messages");
            payload::message_action(world, &self.user(world), &now, callback)
        });
        self.act(Door::Interaction, payload).await
    }

    /// Puts an emoji on a message, without colons.
    pub async fn react(&self, message: &Message, emoji: &str) -> Heard {
        let before = self.ephemerals().len();
        let event = self.shared.with(|world| {
            self.present(world, &message.channel);
            let author = message.user.clone();
            if let Some(found) = world.message_mut(&message.channel, &message.ts) {
                match found.reactions.iter_mut().find(|(name, _)| name == emoji) {
                    Some((_, users)) => users.push(self.id.clone()),
                    None => found.reactions.push((emoji.into(), vec![self.id.clone()])),
                }
            }
            let item = json!({"type": "message", "channel": message.channel, "ts": message.ts});
            let event = json!({"type": "reaction_added", "user": self.id, "reaction": emoji, "item_user": author,
                "item": item, "event_ts": payload::now(world)});
            world.app.events.contains("reaction_added").then_some(event)
        });
        match event {
            Some(event) => self.told(event, before).await,
            None => Heard::default(),
        }
    }

    /// Opens the app's home.
    pub async fn open_home(&self) -> Heard {
        let before = self.ephemerals().len();
        let home = self.home().map(|view| payload::view_json(&view, json!({})));
        let event = self.shared.with(|world| {
            let channel = world.direct(&self.id);
            let mut event = json!({"type": "app_home_opened", "user": self.id, "channel": channel, "tab": "home",
                "event_ts": payload::now(world)});
            if let Some(home) = home {
                event["view"] = home;
            }
            event
        });
        self.told(event, before).await
    }

    /// What only this person saw, oldest first.
    #[must_use]
    pub fn ephemerals(&self) -> Vec<Message> {
        self.shared.with(|world| world.ephemerals.get(&self.id).cloned().unwrap_or_default())
    }
}

/// An element that a person can act on, with its block.
pub(super) fn element(all: &[(String, Value)], action: &str) -> (String, Value) {
    let found = all.iter().find(|(_, element)| element["action_id"] == action);
    found.unwrap_or_else(|| panic!("there is no {action} among {all:#?}")).clone()
}

/// The action of a payload.
pub(super) fn action_json(
    world: &World,
    all: &[(String, Value)],
    action: &str,
    option: Option<&str>,
    known: &[Value],
) -> Value {
    let (block, element) = element(all, action);
    let mut json = json!({"type": element["type"], "action_id": action, "block_id": block,
        "action_ts": payload::now(world)});
    if element["type"] == "button" {
        json["text"] = element["text"].clone();
        for name in ["value", "style", "url"].into_iter().filter(|name| !element[*name].is_null()) {
            json[name] = element[name].clone();
        }
        return json;
    }
    let value = forms::value(&element, Some(option.unwrap_or_default()), known);
    let value = value.unwrap_or_else(|problem| panic!("{action}: {problem}"));
    for (name, inner) in value.as_object().into_iter().flatten() {
        json[name] = inner.clone();
    }
    json
}
