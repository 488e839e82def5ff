//! `response_url`: five uses in thirty minutes. And what an acknowledgement of a command may carry, which is the same.
//! Page: <https://docs.slack.dev/interactivity/handling-user-interaction#message_responses>.

use serde_json::{Value, json};

use super::args::{Args, Refusal};
use super::calls::{self, Outcome};
use super::methods::{content, post};
use super::rates::Trouble;
use super::world::{Call, Hook, World};

/// Runs something under the troubles that were ordered for `name`, and logs it.
pub(crate) fn troubled(
    world: &mut World,
    name: &str,
    args: Value,
    work: impl FnOnce(&mut World) -> (u16, Value),
) -> Outcome {
    let (status, retry_after, body) = match calls::trouble(world, name) {
        _ if world.down => (0, None, Value::Null),
        Some(Trouble::RateLimited(after)) => (429, Some(after), Value::Null),
        Some(Trouble::Status(status)) => (status, None, Value::Null),
        Some(Trouble::Error(error)) => (200, None, json!({"ok": false, "error": error})),
        Some(Trouble::Cut) => (0, None, Value::Null),
        Some(Trouble::Hang) => return Outcome::Hang,
        Some(Trouble::Lost) => {
            work(world);
            (0, None, Value::Null)
        }
        None => {
            let (status, body) = work(world);
            (status, None, body)
        }
    };
    let call = Call { at: world.clock.now(), method: name.to_owned(), args, status, answer: body.clone() };
    world.calls.push(call);
    if status == 0 { Outcome::Cut } else { Outcome::Answer { status, retry_after, body } }
}

/// Takes what was posted to a response_url.
pub(crate) fn respond(world: &mut World, key: &str, body: &[u8]) -> Outcome {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let key = key.to_owned();
    troubled(world, "response_url", said.clone(), move |world| {
        let now = world.clock.now();
        let Some(hook) = world.hooks.get_mut(&key) else { return (404, json!({"ok": false, "error": "no_hook"})) };
        if now > hook.expires {
            return (404, json!({"ok": false, "error": "expired_url"}));
        }
        if hook.uses >= 5 {
            return (404, json!({"ok": false, "error": "used_url"}));
        }
        hook.uses += 1;
        let hook = hook.clone();
        match show(world, &hook, &said) {
            Ok(()) => (200, json!({"ok": true})),
            Err(refusal) => (400, refusal.json()),
        }
    })
}

const FIELDS: &[&str] = &[
    "text",
    "blocks",
    "attachments",
    "response_type",
    "replace_original",
    "delete_original",
    "thread_ts",
    "metadata",
    "mrkdwn",
    "unfurl_links",
    "unfurl_media",
    "parse",
    "link_names",
];

/// Shows a response: to one person, or to all where it says `in_channel`.
pub(crate) fn show(world: &mut World, hook: &Hook, said: &Value) -> Result<(), Refusal> {
    let Some(object) = said.as_object() else { return Err("invalid_payload".into()) };
    if let Some(unknown) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Refusal::explained("invalid_payload", vec![format!("[ERROR] unknown argument: {unknown}")]));
    }
    let args = Args(object.clone());
    if args.flag("delete_original") {
        return change(world, hook, None);
    }
    let content = content(world, &args, "message.text")?;
    if !content.says() {
        return Err("no_text".into());
    }
    if args.flag("replace_original") {
        return change(world, hook, Some(content));
    }
    let only = match said["response_type"].as_str() {
        None | Some("ephemeral") => Some(hook.user.clone()),
        Some("in_channel") => None,
        Some(_) => return Err("invalid_response_type".into()),
    };
    let thread = args.text("thread_ts").or_else(|| hook.thread_ts.clone());
    post(world, &hook.channel, thread, content, only.as_deref());
    Ok(())
}

/// Replaces or removes the message that the response belongs to.
fn change(world: &mut World, hook: &Hook, content: Option<super::methods::Content>) -> Result<(), Refusal> {
    let (ts, now) = (hook.ts.clone().ok_or("message_not_found")?, world.clock.now());
    let ephemeral = world.ephemerals.entry(hook.user.clone()).or_default();
    let list = if ephemeral.iter().any(|message| message.ts == ts) {
        ephemeral
    } else {
        &mut world.channels.get_mut(&hook.channel).ok_or("channel_not_found")?.messages
    };
    let at = list.iter().position(|message| message.ts == ts).ok_or("message_not_found")?;
    match content {
        None => drop(list.remove(at)),
        Some(content) => {
            content.put(&mut list[at]);
            list[at].edits.push(now);
        }
    }
    Ok(())
}
