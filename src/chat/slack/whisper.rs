//! Messages that only one person sees. Slack keeps no record of them: they cannot be edited, and a repeated try cannot
//! know whether the first came through. It is made all the same: a whisper is often a refusal with its reason, and whoever
//! hears nothing presses again, while one that shows twice changes nothing, for its buttons name one message. An address
//! to answer at (`response_url`) would not help: an answer there is as untraceable, and dies after half an hour.

use minijinja::context;
use serde::{Deserialize, Serialize};

use super::super::{ChatError, Outgoing};
use super::api::Api;
use super::post::write;
use super::render::Rendered;

/// Opens the external id of a whisper.
const WHISPER: &str = "whisper:";

/// Whether an external id is that of a whisper.
pub(super) fn is_whisper(external: &str) -> bool {
    external.starts_with(WHISPER)
}

/// What `chat.postEphemeral` takes beside what is seen.
#[derive(Serialize)]
struct Written<'a> {
    channel: &'a str,
    user: &'a str,
    link_names: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
}

#[derive(Deserialize)]
struct Whispered {
    message_ts: String,
}

/// Says something to one person.
pub(super) async fn whisper(
    api: &Api,
    out: &Outgoing<'_>,
    identity: &str,
    mut rendered: Rendered,
) -> Result<String, ChatError> {
    let own = api.own().await.map_err(|fault| fault.said(out.words))?;
    let foreign = || out.words.say("slack.other_team", context! { identity, team => &own.team });
    let user = own.user_of(identity).ok_or_else(|| ChatError::Refused(foreign()))?;
    let around = Written { channel: out.channel, user, link_names: false, thread_ts: out.thread };
    let whispered: Whispered =
        write(api, "chat.postEphemeral", out, &mut rendered, &around).await.map_err(|fault| fault.said(out.words))?;
    Ok(format!("{WHISPER}{}", whispered.message_ts))
}
