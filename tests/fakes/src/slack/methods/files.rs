//! Files in three steps: an address, the bytes, the share.
//! Page: <https://docs.slack.dev/messaging/working-with-files#upload>.

use serde_json::{Value, json};

use super::super::args::{Args, Refusal, Reply, refuse};
use super::super::world::{File, World};
use super::channel_id;
use super::posting::{Content, post};

pub fn upload_url(world: &mut World, args: &Args) -> Reply {
    let name = args.need("filename")?;
    let Some(length) = args.number("length").filter(|length| *length > 0) else { return refuse("invalid_arguments") };
    let id = world.id("F");
    let url = format!("{}/upload/v1/{id}", world.base);
    world.files.push(File {
        id: id.clone(),
        title: name.clone(),
        name,
        length,
        bytes: None,
        snippet_type: args.text("snippet_type"),
        channel: None,
        thread_ts: None,
        completed: false,
    });
    Ok(json!({"upload_url": url, "file_id": id}))
}

pub fn complete(world: &mut World, args: &Args) -> Reply {
    let files = args.json("files").map_err(|()| Refusal::from("invalid_arguments"))?.unwrap_or_default();
    let files = files.as_array().cloned().filter(|list| !list.is_empty()).ok_or("invalid_arguments")?;
    let channel = match args.text("channel_id").filter(|id| !id.is_empty()) {
        None => None,
        Some(_) => Some(channel_id(world, args).map_err(|_| Refusal::from("invalid_channel"))?),
    };
    if let Some(id) = &channel {
        let found = &world.channels[id];
        if found.im.is_none() && !found.members.contains(&world.app.bot_user) {
            return refuse("not_in_channel");
        }
    }
    let thread = args.text("thread_ts").filter(|ts| !ts.is_empty());
    if thread.is_some() && channel.is_none() {
        return refuse("invalid_arguments");
    }
    let mut done = Vec::new();
    for said in &files {
        let id = said["id"].as_str().unwrap_or_default();
        let Some(file) = world.files.iter_mut().find(|file| file.id == id) else { return refuse("file_not_found") };
        if file.completed {
            return refuse("file_already_completed");
        }
        if file.bytes.as_ref().map(Vec::len) != Some(file.length) {
            return refuse("file_upload_size_restricted");
        }
        file.completed = true;
        file.title = said["title"].as_str().unwrap_or(&file.name).to_owned();
        file.channel.clone_from(&channel);
        file.thread_ts.clone_from(&thread);
        done.push(file.clone());
    }
    if let Some(channel) = channel {
        let content = Content { text: args.text("initial_comment").or(Some(String::new())), ..Content::default() };
        let message = post(world, &channel, thread, content, None);
        if let Some(message) = world.message_mut(&channel, &message.ts) {
            message.files = done.iter().map(|file| file.id.clone()).collect();
        }
    }
    let shown = |file: &File| -> Value {
        json!({"id": file.id, "title": file.title, "name": file.name, "size": file.length,
            "permalink": format!("{}/files/{}", world.base, file.id)})
    };
    Ok(json!({"files": done.iter().map(shown).collect::<Vec<_>>()}))
}
