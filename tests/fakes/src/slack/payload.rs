//! The shapes of what Slack sends to an app: commands, interactions, events. Complete, so that what an app leaves out
//! it leaves out knowingly. Pages: <https://docs.slack.dev/reference/interaction-payloads>,
//! <https://docs.slack.dev/apis/events-api>, <https://docs.slack.dev/interactivity/implementing-slash-commands>.

use serde_json::{Value, json};

use super::message::Message;
use super::world::{Channel, User, View, World};

/// Now, as event and action timestamps are written.
pub(crate) fn now(world: &World) -> String {
    let now = world.clock.now();
    format!("{}.{:06}", now / 1000, now % 1000 * 1000)
}

/// How payloads name a channel.
fn channel_name(channel: &Channel) -> &str {
    match (&channel.im, channel.private) {
        (Some(_), _) => "directmessage",
        (None, true) => "privategroup",
        (None, false) => &channel.name,
    }
}

fn user_json(user: &User) -> Value {
    json!({"id": user.id, "username": user.name, "name": user.name, "team_id": user.team})
}

/// A slash command; all fields are strings, as in the form it is.
pub(crate) fn command(world: &mut World, user: &User, channel: &str, command: &str, text: &str) -> Value {
    let trigger = world.trigger(&user.team, &user.id, None);
    let hook = world.hook(channel, &user.id, None);
    let team = &world.teams[&user.team];
    let mut json = json!({
        "token": world.app.token, "team_id": team.id, "team_domain": team.domain, "channel_id": channel,
        "channel_name": channel_name(&world.channels[channel]), "user_id": user.id, "user_name": user.name,
        "command": command, "text": text, "api_app_id": world.app.id, "is_enterprise_install": "false",
        "response_url": hook, "trigger_id": trigger,
    });
    if let Some((id, name)) = &team.enterprise {
        json["enterprise_id"] = json!(id);
        json["enterprise_name"] = json!(name);
    }
    json
}

/// What all interactions carry. `view` is the one they arose in. `team` is the person's own workspace; on a message it
/// is that of the app, also for strangers, whom only `user.team_id` tells (slackapi/java-slack-sdk#1041).
pub(crate) fn interaction(world: &mut World, user: &User, kind: &str, view: Option<&str>) -> Value {
    json!({
        "type": kind, "team": world.team_json(&user.team), "user": user_json(user), "api_app_id": world.app.id,
        "token": world.app.token, "trigger_id": world.trigger(&user.team, &user.id, view.map(str::to_owned)),
        "enterprise": world.enterprise_json(&user.team), "is_enterprise_install": false,
    })
}

fn channel_json(channel: &Channel) -> Value {
    json!({"id": channel.id, "name": channel_name(channel)})
}

/// A click or choice on a message.
pub(crate) fn on_message(world: &mut World, user: &User, message: &Message, action: Value) -> Value {
    let mut json = interaction(world, user, "block_actions", None);
    let mut container = json!({"type": "message", "message_ts": message.ts, "channel_id": message.channel,
        "is_ephemeral": message.ephemeral});
    if let Some(thread) = &message.thread_ts {
        container["thread_ts"] = json!(thread);
    }
    json["team"] = world.team_json(&world.app.team);
    json["container"] = container;
    json["channel"] = channel_json(&world.channels[&message.channel]);
    json["message"] = message.json(true);
    json["state"] = json!({"values": {}});
    json["response_url"] = json!(world.hook(&message.channel, &user.id, Some(message)));
    json["actions"] = json!([action]);
    json
}

/// A view as payloads carry it.
pub(crate) fn view_json(view: &View, state: Value) -> Value {
    let mut json = view.json.clone();
    json["state"] = json!({"values": state});
    json
}

/// A click or choice in a view.
pub(crate) fn on_view(world: &mut World, user: &User, view: &View, state: Value, action: Value) -> Value {
    let mut json = interaction(world, user, "block_actions", Some(&view.id));
    json["container"] = json!({"type": "view", "view_id": view.id});
    json["view"] = view_json(view, state);
    json["actions"] = json!([action]);
    json
}

/// A message shortcut.
pub(crate) fn message_action(world: &mut World, user: &User, message: &Message, callback: &str) -> Value {
    let mut json = interaction(world, user, "message_action", None);
    json["callback_id"] = json!(callback);
    json["team"] = world.team_json(&world.app.team);
    json["message_ts"] = json!(message.ts);
    json["channel"] = channel_json(&world.channels[&message.channel]);
    json["message"] = message.json(true);
    json["response_url"] = json!(world.hook(&message.channel, &user.id, Some(message)));
    json["action_ts"] = json!(now(world));
    json
}

/// An event in its envelope.
pub(crate) fn event(world: &mut World, event: Value) -> Value {
    let (id, app) = (world.id("Ev"), world.app.clone());
    let channel = event["channel"].as_str().or(event["item"]["channel"].as_str()).unwrap_or_default();
    let shared = world.channels.get(channel).is_some_and(|channel| channel.shared);
    let enterprise = world.team().enterprise.as_ref().map(|(id, _)| id.clone());
    let mut json = json!({
        "token": app.token, "team_id": app.team, "context_team_id": app.team, "context_enterprise_id": enterprise,
        "api_app_id": app.id, "type": "event_callback", "event_id": id, "event_time": world.clock.now() / 1000,
        "authorizations": [{"enterprise_id": enterprise, "team_id": app.team, "user_id": app.bot_user, "is_bot": true,
            "is_enterprise_install": false}],
        "is_ext_shared_channel": shared, "event_context": format!("4-{id}"), "event": event,
    });
    if let Some(enterprise) = enterprise {
        json["enterprise_id"] = json!(enterprise);
    }
    json
}

/// The event of a message by a person, as `message` or as `app_mention`.
pub(crate) fn said(message: &Message, kind: &str, channel_type: &str) -> Value {
    let mut json = message.json(false);
    json["type"] = json!(kind);
    json["channel"] = json!(message.channel);
    json["event_ts"] = json!(message.ts);
    json["client_msg_id"] = json!(format!("00000000-0000-4000-8000-{:0>12}", message.ts.replace('.', "").split_off(4)));
    if kind == "message" {
        json["channel_type"] = json!(channel_type);
    }
    json["user_team"] = json!(message.team);
    json["source_team"] = json!(message.team);
    json
}

/// `channel`, `group` or `im`, and the subscription for its messages.
pub(crate) fn channel_type(channel: &Channel) -> (&'static str, &'static str) {
    match (&channel.im, channel.private) {
        (Some(_), _) => ("im", "message.im"),
        (None, true) => ("group", "message.groups"),
        (None, false) => ("channel", "message.channels"),
    }
}

/// The app hears its own messages too, where it listens.
pub(crate) fn message_event(world: &mut World, message: &Message) {
    let Some(channel) = world.channels.get(&message.channel) else { return };
    let (kind, subscription) = channel_type(channel);
    world.emit(subscription, said(message, "message", kind));
}

/// The app hears of links to its own domains.
pub(crate) fn link_event(world: &mut World, message: &Message) {
    let links = message.text.split_whitespace().filter_map(|word| {
        let url = word.trim_matches(['<', '>']);
        let domain = url.split_once("://")?.1.split(['/', ':', '?']).next()?;
        world.app.unfurl_domains.contains(domain).then(|| json!({"url": url, "domain": domain}))
    });
    let links: Vec<Value> = links.collect();
    if !links.is_empty() {
        let event = json!({"type": "link_shared", "user": message.user, "channel": message.channel,
            "message_ts": message.ts, "thread_ts": message.thread_ts, "links": links, "source": "conversations_history",
            "unfurl_id": format!("C-{}", message.ts), "is_bot_user_member": true, "event_ts": now(world)});
        world.emit("link_shared", event);
    }
}
