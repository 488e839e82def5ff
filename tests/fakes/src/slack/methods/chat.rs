//! `chat.*`. Pages: <https://docs.slack.dev/reference/methods/chat.postMessage> and its neighbours.

use serde_json::json;

use super::super::args::{Args, Refusal, Reply, refuse};
use super::super::message::Message;
use super::super::world::World;
use super::posting::{content, post};
use super::{Scope, channel_id};

/// May the bot write here? Public channels it is not in are open to it with `chat:write.public`.
fn may_write(world: &World, channel: &str) -> Result<(), Refusal> {
    let found = &world.channels[channel];
    if found.archived {
        return Err("is_archived".into());
    }
    let open = !found.private && world.app.scopes.contains("chat:write.public");
    if !open && found.im.is_none() && !found.members.contains(&world.app.bot_user) {
        return Err("not_in_channel".into());
    }
    let gone = |id: &String| world.user(id).is_none_or(|user| user.deleted);
    if found.im.as_ref().is_some_and(gone) {
        return Err("user_disabled".into());
    }
    Ok(())
}

/// The thread of a call: its first message must be there, and be no reply itself.
fn thread(world: &World, channel: &str, args: &Args) -> Result<Option<String>, Refusal> {
    let Some(ts) = args.text("thread_ts").filter(|ts| !ts.is_empty()) else { return Ok(None) };
    let parent = world.channels[channel].messages.iter().find(|message| message.ts == ts);
    match parent {
        Some(parent) if parent.thread_ts.as_ref().is_none_or(|thread| *thread == ts) => Ok(Some(ts)),
        _ => Err("cannot_reply_to_message".into()),
    }
}

/// A direct message with a person begins with the first word.
fn open_direct(world: &mut World, args: &Args) {
    let said = args.text("channel").unwrap_or_default();
    if world.user(&said).is_some() && !world.channels.values().any(|channel| channel.im.as_ref() == Some(&said)) {
        world.direct(&said);
    }
}

pub fn post_message(world: &mut World, args: &Args) -> Reply {
    open_direct(world, args);
    let channel = channel_id(world, args)?;
    may_write(world, &channel)?;
    let thread = thread(world, &channel, args)?;
    let content = content(world, args, "message.text")?;
    if !content.says() {
        return refuse("no_text");
    }
    let broadcast = args.flag("reply_broadcast");
    if broadcast && thread.is_none() {
        return refuse("invalid_arguments");
    }
    let mut message = post(world, &channel, thread, content, None);
    if broadcast {
        let stored = world.message_mut(&channel, &message.ts).ok_or("fatal_error")?;
        stored.broadcast = true;
        message = stored.clone();
    }
    Ok(json!({"channel": channel, "ts": message.ts, "message": message.json(true)}))
}

pub fn update(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let (ts, own, now) = (args.need("ts")?, world.app.bot_id.clone(), world.clock.now());
    may_write(world, &channel)?;
    let found = world.message_mut(&channel, &ts).ok_or("message_not_found")?;
    if found.bot_id.as_ref() != Some(&own) {
        return refuse("cant_update_message");
    }
    let content = content(world, args, "message.update.text")?;
    if content.text.is_none() && content.blocks.is_none() && content.attachments.is_none() {
        return refuse("no_text");
    }
    let message = world.message_mut(&channel, &ts).ok_or("message_not_found")?;
    // A new text alone takes the old blocks away, and only then is the message marked as edited.
    message.edited = content.blocks.is_none();
    if content.text.is_some() && content.blocks.is_none() {
        message.blocks.clear();
    }
    content.put(message);
    message.edits.push(now);
    message.broadcast |= args.flag("reply_broadcast");
    Ok(json!({"channel": channel, "ts": ts, "text": message.text, "message": message.json(true)}))
}

pub fn delete(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let (ts, own) = (args.need("ts")?, world.app.bot_id.clone());
    let found = world.message_mut(&channel, &ts).ok_or("message_not_found")?;
    if found.bot_id.as_ref() != Some(&own) {
        return refuse("cant_delete_message");
    }
    if let Some(found) = world.channels.get_mut(&channel) {
        found.messages.retain(|message| message.ts != ts);
    }
    Ok(json!({"channel": channel, "ts": ts}))
}

pub fn post_ephemeral(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    may_write(world, &channel)?;
    let user = args.need("user")?;
    if world.user(&user).is_none() {
        return refuse("invalid_user");
    }
    if !world.channels[&channel].members.contains(&user) && world.channels[&channel].im.as_ref() != Some(&user) {
        return refuse("user_not_in_channel");
    }
    let thread = thread(world, &channel, args)?;
    let content = content(world, args, "message.text")?;
    if !content.says() {
        return refuse("no_text");
    }
    // Answered as if it were shown; but where nobody has replied yet there is no thread to see it in.
    let replies = |root: &String| {
        world.channels[&channel].messages.iter().any(|one| one.thread_ts.as_ref() == Some(root) && one.ts != *root)
    };
    let shown = thread.as_ref().is_none_or(replies);
    let message = post(world, &channel, thread, content, Some(&user));
    if !shown && let Some(list) = world.ephemerals.get_mut(&user) {
        list.retain(|one| one.ts != message.ts);
    }
    Ok(json!({"message_ts": message.ts}))
}

pub fn permalink(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let ts = args.need("message_ts")?;
    let message = world.message_mut(&channel, &ts).ok_or("message_not_found")?.clone();
    Ok(json!({"channel": channel, "permalink": link(world, &message)}))
}

/// Where a message can be read.
fn link(world: &World, message: &Message) -> String {
    let mut link = format!("{}/archives/{}/p{}", world.base, message.channel, message.ts.replace('.', ""));
    if let Some(thread) = message.thread_ts.as_ref().filter(|thread| **thread != message.ts) {
        link.push_str(&format!("?thread_ts={thread}&cid={}", message.channel));
    }
    link
}

pub fn unfurl(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let unfurls = args.json("unfurls").map_err(|()| Refusal::from("cannot_parse_attachment"))?;
    let unfurls = unfurls.filter(serde_json::Value::is_object).ok_or("missing_unfurls")?;
    for unfurl in unfurls.as_object().into_iter().flat_map(|map| map.values()) {
        let inner = Args([("blocks".to_owned(), unfurl["blocks"].clone())].into_iter().collect());
        content(world, &inner, "message.text").map_err(|_| Refusal::from("cannot_unfurl_message"))?;
    }
    let message = world.message_mut(&channel, &args.need("ts")?).ok_or("cannot_unfurl_message")?;
    message.unfurls = Some(unfurls);
    Ok(json!({}))
}

/// The scope that a method needs for this call.
pub(crate) fn needed(world: &World, scope: Scope, args: &Args) -> Option<Vec<String>> {
    match scope {
        Scope::None => None,
        Scope::Is(scope) => Some(vec![scope.to_owned()]),
        Scope::AnyOf(what) => Some(["channels", "groups", "im"].map(|kind| format!("{kind}:{what}")).to_vec()),
        Scope::Of(what) => {
            let said = args.text("channel").unwrap_or_default();
            let kind = match world.channels.get(&said) {
                Some(channel) if channel.im.is_some() => "im",
                Some(channel) if channel.private => "groups",
                _ => "channels",
            };
            Some(vec![format!("{kind}:{what}")])
        }
    }
}
