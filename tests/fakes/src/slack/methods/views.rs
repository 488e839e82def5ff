//! `views.*`: modals by trigger id, homes by person. Pages: <https://docs.slack.dev/reference/methods/views.open> and
//! its neighbours.

use serde_json::{Value, json};

use super::super::args::{Args, Refusal, Reply, refuse};
use super::super::blocks::{self, Check, Surface, Wrong};
use super::super::limits::most;
use super::super::world::{View, World};

const FIELDS: &[&str] = &[
    "type",
    "title",
    "blocks",
    "close",
    "submit",
    "private_metadata",
    "callback_id",
    "clear_on_close",
    "notify_on_close",
    "external_id",
    "submit_disabled",
];

/// The largest view, in bytes.
const LARGEST: usize = 250_000;

/// Reads and checks the view of a call.
fn view_arg(world: &mut World, args: &Args, kind: &str) -> Result<Value, Refusal> {
    let view = args.json("view").map_err(|()| Refusal::from("invalid_arguments"))?;
    let view = view.ok_or("invalid_arguments")?;
    if view.to_string().len() > LARGEST {
        return Err("view_too_large".into());
    }
    check(world, &view, kind)
}

/// A view that Slack would take, with all ids.
pub(crate) fn check(world: &mut World, view: &Value, kind: &str) -> Result<Value, Refusal> {
    let mut wrong = Vec::new();
    let mut say = |place: &str, words: &str| wrong.push(format!("[ERROR] {words} [json-pointer:/view{place}]"));
    if view["type"] != kind {
        say("/type", "must be a valid enum value");
    }
    for name in view.as_object().into_iter().flat_map(|map| map.keys()) {
        let home = matches!(name.as_str(), "title" | "close" | "submit" | "clear_on_close" | "notify_on_close");
        if !FIELDS.contains(&name.as_str()) || (kind == "home" && home) {
            say(&format!("/{name}"), &format!("invalid additional property: {name}"));
        }
    }
    let must: &[&str] = if kind == "home" { &["blocks"] } else { &["title", "blocks"] };
    for name in must.iter().filter(|name| view[**name].is_null()) {
        say("", &format!("missing required field: {name}"));
    }
    let inputs = view["blocks"].as_array().into_iter().flatten().any(|block| block["type"] == "input");
    if kind == "modal" && inputs && view["submit"].is_null() {
        say("", "must have submit when it has input blocks");
    }
    for (name, limit) in [("title", "view.title"), ("submit", "view.submit"), ("close", "view.close")] {
        if !view[name].is_null() {
            wrong.extend(Check::view_text(&format!("/view/{name}"), &view[name], limit));
        }
    }
    for name in ["private_metadata", "callback_id", "external_id"] {
        let text = view[name].as_str().unwrap_or_default();
        wrong.extend(Check::view_string(&format!("/view/{name}"), text, &format!("view.{name}")));
    }
    let surface = if kind == "home" { Surface::Home } else { Surface::Modal };
    let blocks = blocks::check(&view["blocks"], surface, "/view/blocks", &mut world.serial);
    match blocks {
        Ok(blocks) if wrong.is_empty() => {
            let mut view = view.clone();
            view["blocks"] = json!(blocks);
            return Ok(view);
        }
        Err(Wrong::Blocks(more)) => wrong.extend(more),
        _ => {}
    }
    Err(Refusal::explained("invalid_arguments", wrong))
}

/// Puts a checked view on a person's screen.
pub(crate) fn show(world: &mut World, person: (&str, &str), view: &Value, previous: Option<&View>) -> View {
    let id = world.id("V");
    let root = previous.map_or_else(|| id.clone(), |view| view.root.clone());
    let mut made = View {
        id,
        team: person.0.to_owned(),
        user: person.1.to_owned(),
        json: Value::Null,
        hash: String::new(),
        root,
        previous: previous.map(|view| view.id.clone()),
        closed: false,
        updates: 0,
    };
    write(world, &mut made, view);
    world.views.push(made.clone());
    made
}

/// Fills in what Slack adds to a view.
pub(crate) fn write(world: &mut World, made: &mut View, view: &Value) {
    world.serial += 1;
    made.hash = format!("{}.{:08x}", world.clock.now() / 1000, world.serial);
    let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
    let flag = |name: &str| view[name].as_bool().unwrap_or_default();
    made.json = json!({
        "id": made.id, "team_id": made.team, "type": view["type"], "title": view["title"], "submit": view["submit"],
        "close": view["close"], "blocks": view["blocks"], "private_metadata": text("private_metadata"),
        "callback_id": text("callback_id"), "external_id": text("external_id"), "hash": made.hash,
        "clear_on_close": flag("clear_on_close"), "notify_on_close": flag("notify_on_close"),
        "submit_disabled": flag("submit_disabled"), "previous_view_id": made.previous, "root_view_id": made.root,
        "app_id": world.app.id, "bot_id": world.app.bot_id, "app_installed_team_id": world.app.team,
    });
}

/// A view with the empty state that answers carry.
fn reply(view: &View) -> Value {
    let mut json = view.json.clone();
    json["state"] = json!({"values": {}});
    json!({"view": json})
}

/// Uses up a trigger id: who it was, and the view it arose in.
fn exchange(world: &mut World, args: &Args) -> Result<(String, String, Option<String>), Refusal> {
    let now = world.clock.now();
    let trigger = world.triggers.get_mut(&args.need("trigger_id")?).ok_or("invalid_trigger_id")?;
    if trigger.used {
        return Err("exchanged_trigger_id".into());
    }
    if now > trigger.expires {
        return Err("expired_trigger_id".into());
    }
    trigger.used = true;
    Ok((trigger.team.clone(), trigger.user.clone(), trigger.view.clone()))
}

fn unique(world: &World, view: &Value, own: &str) -> Result<(), Refusal> {
    let id = view["external_id"].as_str().unwrap_or_default();
    let taken = |other: &View| !other.closed && other.id != own && other.json["external_id"] == id;
    if !id.is_empty() && world.views.iter().any(taken) { Err("duplicate_external_id".into()) } else { Ok(()) }
}

pub fn open(world: &mut World, args: &Args) -> Reply {
    let view = view_arg(world, args, "modal")?;
    unique(world, &view, "")?;
    let (team, user, _) = exchange(world, args)?;
    Ok(reply(&show(world, (&team, &user), &view, None)))
}

pub fn push(world: &mut World, args: &Args) -> Reply {
    let view = view_arg(world, args, "modal")?;
    unique(world, &view, "")?;
    let (team, user, from) = exchange(world, args)?;
    let from = from.and_then(|id| world.views.iter().find(|view| view.id == id && !view.closed).cloned());
    let from = from.filter(|view| view.json["type"] == "modal").ok_or("invalid_trigger_id")?;
    if world.views.iter().filter(|view| !view.closed && view.root == from.root).count() >= most("view.stack") {
        return refuse("push_limit_reached");
    }
    Ok(reply(&show(world, (&team, &user), &view, Some(&from))))
}

pub fn update(world: &mut World, args: &Args) -> Reply {
    let (id, external) = (args.text("view_id"), args.text("external_id"));
    let named = |view: &View| {
        !view.closed
            && (id.as_ref() == Some(&view.id) || external.as_ref().is_some_and(|id| view.json["external_id"] == **id))
    };
    let at = world.views.iter().position(named).ok_or("not_found")?;
    let mut made = world.views[at].clone();
    if args.text("hash").is_some_and(|hash| hash != made.hash) {
        return refuse("hash_conflict");
    }
    let kind = made.json["type"].as_str().unwrap_or_default().to_owned();
    let view = view_arg(world, args, &kind)?;
    unique(world, &view, &made.id)?;
    write(world, &mut made, &view);
    made.updates += 1;
    world.views[at] = made.clone();
    Ok(reply(&made))
}

pub fn publish(world: &mut World, args: &Args) -> Reply {
    let user = args.need("user_id")?;
    let Some(found) = world.user(&user) else { return refuse("not_found") };
    if found.deleted {
        return refuse("not_enabled");
    }
    let team = found.team.clone();
    let view = view_arg(world, args, "home")?;
    let home = |view: &View| view.user == user && view.json["type"] == "home";
    let Some(at) = world.views.iter().position(home) else {
        return Ok(reply(&show(world, (&team, &user), &view, None)));
    };
    let mut made = world.views[at].clone();
    if args.text("hash").is_some_and(|hash| hash != made.hash) {
        return refuse("hash_conflict");
    }
    write(world, &mut made, &view);
    made.updates += 1;
    world.views[at] = made.clone();
    Ok(reply(&made))
}
