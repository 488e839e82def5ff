//! Reactions, pins, bookmarks, and the door to Socket Mode. Pages:
//! <https://docs.slack.dev/reference/methods/reactions.add>, `pins.add`, `bookmarks.add`, `apps.connections.open`.

use serde_json::json;

use super::super::args::{Args, Reply, refuse};
use super::super::world::World;
use super::channel_id;

pub fn connections_open(world: &mut World, _: &Args) -> Reply {
    world.serial += 1;
    let ticket = format!("{:032x}", world.serial);
    world.sockets.tickets.insert(ticket.clone(), world.clock.now() + 60_000);
    let host = world.base.trim_start_matches("http://");
    Ok(json!({"url": format!("ws://{host}/link/?ticket={ticket}&app_id={}", world.app.id)}))
}

pub fn react(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let (name, bot) = (args.need("name")?, world.app.bot_user.clone());
    let message = world.message_mut(&channel, &args.need("timestamp")?).ok_or("message_not_found")?;
    if name.contains(':') || name.chars().any(char::is_whitespace) {
        return refuse("invalid_name");
    }
    match message.reactions.iter_mut().find(|(emoji, _)| *emoji == name) {
        Some((_, users)) if users.contains(&bot) => return refuse("already_reacted"),
        Some((_, users)) => users.push(bot),
        None => message.reactions.push((name, vec![bot])),
    }
    Ok(json!({}))
}

pub fn reactions(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    let message = world.message_mut(&channel, &args.need("timestamp")?).ok_or("message_not_found")?.clone();
    Ok(json!({"type": "message", "channel": channel, "message": message.json(false)}))
}

pub fn pin(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    if !world.channels[&channel].members.contains(&world.app.bot_user) {
        return refuse("not_in_channel");
    }
    let Some(ts) = args.text("timestamp") else { return refuse("no_item_specified") };
    let message = world.message_mut(&channel, &ts).ok_or("message_not_found")?;
    if std::mem::replace(&mut message.pinned, true) { refuse("already_pinned") } else { Ok(json!({})) }
}

pub fn bookmark(world: &mut World, args: &Args) -> Reply {
    let channel = channel_id(world, args)?;
    if !world.channels[&channel].members.contains(&world.app.bot_user) {
        return refuse("not_in_channel");
    }
    let (title, kind) = (args.need("title")?, args.need("type")?);
    if kind != "link" {
        return refuse("invalid_bookmark_type");
    }
    let Some(link) = args.text("link").filter(|link| link.starts_with("http")) else { return refuse("invalid_link") };
    let id = world.id("Bk");
    let bookmark = json!({"id": id, "channel_id": channel, "title": title, "link": link, "type": kind,
        "emoji": args.text("emoji"), "app_id": world.app.id});
    if let Some(found) = world.channels.get_mut(&channel) {
        found.bookmarks.push(bookmark.clone());
    }
    Ok(json!({"bookmark": bookmark}))
}
