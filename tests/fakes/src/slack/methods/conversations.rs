//! `conversations.*`. Pages: <https://docs.slack.dev/reference/methods/conversations.list> and its neighbours.

use serde_json::{Value, json};

use super::super::args::{Args, Reply, page, refuse};
use super::super::message::Message;
use super::super::world::{Channel, World};
use super::channel_id;

fn channel_json(world: &World, channel: &Channel) -> Value {
    let member = channel.members.contains(&world.app.bot_user);
    if let Some(user) = &channel.im {
        return json!({"id": channel.id, "is_im": true, "is_channel": false, "is_group": false, "user": user,
            "is_archived": channel.archived, "context_team_id": world.app.team, "created": 1_700_000_000});
    }
    json!({
        "id": channel.id, "name": channel.name, "name_normalized": channel.name, "is_im": false, "is_mpim": false,
        "is_channel": !channel.private, "is_group": channel.private, "is_private": channel.private,
        "is_archived": channel.archived, "is_general": false, "is_member": member, "is_shared": channel.shared,
        "is_ext_shared": channel.shared, "is_org_shared": false, "created": 1_700_000_000, "creator": "U1",
        "context_team_id": world.app.team, "num_members": channel.members.len(),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    })
}

pub fn list(world: &mut World, args: &Args) -> Reply {
    let types = args.text("types").unwrap_or_else(|| "public_channel".into());
    let wanted = |kind: &str| types.split(',').any(|one| one.trim() == kind);
    let shown = |channel: &&Channel| {
        let member = channel.members.contains(&world.app.bot_user);
        let kind = if channel.im.is_some() {
            wanted("im")
        } else if channel.private {
            wanted("private_channel") && member
        } else {
            wanted("public_channel")
        };
        kind && !(channel.archived && args.flag("exclude_archived"))
    };
    let all: Vec<Value> = world.channels.values().filter(shown).map(|one| channel_json(world, one)).collect();
    let (channels, next) = page(args, &all)?;
    Ok(json!({"channels": channels, "response_metadata": next}))
}

/// By id alone: neither a name nor a person's id is one.
pub fn info(world: &mut World, args: &Args) -> Reply {
    let id = channel_id(world, args)?;
    if args.text("channel").as_ref() != Some(&id) {
        return refuse("channel_not_found");
    }
    Ok(json!({"channel": channel_json(world, &world.channels[&id])}))
}

pub fn members(world: &mut World, args: &Args) -> Reply {
    let id = channel_id(world, args)?;
    let all: Vec<Value> = world.channels[&id].members.iter().map(|id| json!(id)).collect();
    let (members, next) = page(args, &all)?;
    Ok(json!({"members": members, "response_metadata": next}))
}

/// Messages between `oldest` and `latest`.
fn within(args: &Args, ts: &str) -> bool {
    let at = |text: &str| text.parse::<f64>().unwrap_or_default();
    let inclusive = args.flag("inclusive");
    let after = args.text("oldest").is_none_or(|oldest| at(ts) > at(&oldest) || (inclusive && ts == oldest));
    after && args.text("latest").is_none_or(|latest| at(ts) < at(&latest) || (inclusive && ts == latest))
}

/// A message with what its thread and its files add.
fn in_channel(world: &World, channel: &Channel, message: &Message, args: &Args) -> Value {
    let mut json = message.json(args.flag("include_all_metadata"));
    for file in json.get_mut("files").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(known) = world.files.iter().find(|known| file["id"] == known.id.as_str()) {
            file["name"] = json!(known.name);
            file["title"] = json!(known.title);
        }
    }
    let replies: Vec<&Message> = channel.messages.iter().filter(|reply| is_reply(reply, &message.ts)).collect();
    if let Some(last) = replies.last() {
        json["thread_ts"] = json!(message.ts);
        json["reply_count"] = json!(replies.len());
        json["latest_reply"] = json!(last.ts);
    }
    json
}

fn is_reply(message: &Message, parent: &str) -> bool {
    message.thread_ts.as_deref() == Some(parent) && message.ts != parent
}

fn may_read(world: &World, id: &str) -> bool {
    world.channels[id].im.is_some() || world.channels[id].members.contains(&world.app.bot_user)
}

pub fn history(world: &mut World, args: &Args) -> Reply {
    let id = channel_id(world, args)?;
    if !may_read(world, &id) {
        return refuse("not_in_channel");
    }
    let channel = &world.channels[&id];
    let top = channel.messages.iter().rev().filter(|one| one.thread_ts.is_none() || one.broadcast);
    let all: Vec<Value> =
        top.filter(|one| within(args, &one.ts)).map(|one| in_channel(world, channel, one, args)).collect();
    let (messages, next) = page(args, &all)?;
    Ok(json!({"messages": messages, "has_more": next["next_cursor"] != "", "pin_count": 0, "response_metadata": next}))
}

pub fn replies(world: &mut World, args: &Args) -> Reply {
    let id = channel_id(world, args)?;
    if !may_read(world, &id) {
        return refuse("not_in_channel");
    }
    let (channel, ts) = (&world.channels[&id], args.need("ts")?);
    let parent = channel.messages.iter().find(|one| one.ts == ts).ok_or("thread_not_found")?;
    let rest = channel.messages.iter().filter(|one| is_reply(one, &ts) && within(args, &one.ts));
    let all: Vec<Value> =
        std::iter::once(parent).chain(rest).map(|one| in_channel(world, channel, one, args)).collect();
    let (messages, next) = page(args, &all)?;
    Ok(json!({"messages": messages, "has_more": next["next_cursor"] != "", "response_metadata": next}))
}

pub fn open(world: &mut World, args: &Args) -> Reply {
    let users = args.list("users");
    let id = match (args.text("channel"), users.as_slice()) {
        (Some(_), _) => channel_id(world, args)?,
        (None, [user]) => match world.user(user) {
            None => return refuse("user_not_found"),
            Some(found) if found.deleted => return refuse("user_disabled"),
            Some(found) if found.is_bot => return refuse("cannot_dm_bot"),
            Some(_) => world.direct(user),
        },
        (None, []) => return refuse("users_list_not_supplied"),
        _ => return refuse("method_not_supported_for_channel_type"),
    };
    Ok(json!({"channel": {"id": id}, "no_op": false, "already_open": false}))
}

pub fn create(world: &mut World, args: &Args) -> Reply {
    let (name, private) = (args.need("name")?, args.flag("is_private"));
    let fine = |c: char| c.is_lowercase() || c.is_numeric() || "-_".contains(c);
    if !name.chars().all(fine) {
        return refuse("invalid_name_specials");
    }
    if name.chars().count() > 80 {
        return refuse("invalid_name_maxlength");
    }
    if private && !world.app.scopes.contains("groups:write") {
        let provided = world.app.scopes.iter().cloned().collect::<Vec<_>>().join(",");
        return Err(super::Refusal::missing_scope("groups:write", &provided));
    }
    if world.channels.values().any(|channel| channel.name == name) {
        return refuse("name_taken");
    }
    let (id, bot) = (world.id("C"), world.app.bot_user.clone());
    world.channel(&id, &name, &[&bot]).private = private;
    Ok(json!({"channel": channel_json(world, &world.channels[&id])}))
}

pub fn set_topic(world: &mut World, args: &Args) -> Reply {
    let (id, topic) = (channel_id(world, args)?, args.need("topic")?);
    if topic.chars().count() > 250 {
        return refuse("too_long");
    }
    if !world.channels[&id].members.contains(&world.app.bot_user) {
        return refuse("not_in_channel");
    }
    if let Some(channel) = world.channels.get_mut(&id) {
        channel.topic = topic;
    }
    Ok(json!({"channel": channel_json(world, &world.channels[&id])}))
}

pub fn join(world: &mut World, args: &Args) -> Reply {
    let (id, bot) = (channel_id(world, args)?, world.app.bot_user.clone());
    if world.channels[&id].private || world.channels[&id].im.is_some() {
        return refuse("method_not_supported_for_channel_type");
    }
    let news = world.channels.get_mut(&id).is_some_and(|channel| channel.members.insert(bot));
    let mut reply = json!({"channel": channel_json(world, &world.channels[&id])});
    if !news {
        reply["warning"] = json!("already_in_channel");
    }
    Ok(reply)
}
