//! Messages that only one person sees. Slack keeps no record of them: they cannot be edited, and a repeated try cannot
//! know whether the first came through.

use minijinja::context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{ChatError, Outgoing};
use super::api::Api;
use super::render::Rendered;

/// Opens the external id of a whisper.
const WHISPER: &str = "whisper:";
/// Characters of overflow in one whisper.
const PIECE: usize = 2900;
/// Whispers that overflow may take; the rest is named.
const PIECES: usize = 10;

/// Whether an external id is that of a whisper.
pub(super) fn is_whisper(external: &str) -> bool {
    external.starts_with(WHISPER)
}

#[derive(Deserialize)]
struct Whispered {
    message_ts: String,
}

/// Says something to one person. There is no file that only they would see, so overflow follows in further whispers.
pub(super) async fn whisper(
    api: &Api,
    out: &Outgoing<'_>,
    identity: &str,
    rendered: &Rendered,
) -> Result<String, ChatError> {
    let own = api.own().await.map_err(|fault| fault.said(out.words))?;
    let user = own
        .user_of(identity)
        .ok_or_else(|| ChatError::Refused(out.words.say("slack.stranger", context! { identity, team => &own.team })))?;
    let blocks = serde_json::to_value(&rendered.blocks).map_err(|error| ChatError::Refused(error.to_string()))?;
    let whispered = send(api, out, user, &rendered.text, blocks).await?;
    let overflow = rendered.overflow.as_ref().map_or("", |overflow| overflow.content.as_str());
    let mut rest = overflow;
    for _ in 0..PIECES {
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(end, _)| end);
        let (piece, after) = rest.split_at(end);
        if piece.is_empty() {
            break;
        }
        send(api, out, user, &out.words.get("slack.goes_on"), preformatted(piece)).await?;
        rest = after;
    }
    if !rest.is_empty() {
        let left = out.words.say("slack.left_out", context! { count => rest.chars().count(), link => out.link });
        send(api, out, user, &left, json!([])).await?;
    }
    Ok(format!("{WHISPER}{}", whispered.message_ts))
}

async fn send(api: &Api, out: &Outgoing<'_>, user: &str, text: &str, blocks: Value) -> Result<Whispered, ChatError> {
    let mut request =
        json!({"channel": out.channel, "user": user, "text": text, "blocks": blocks, "link_names": false});
    if let Some(thread) = out.thread {
        request["thread_ts"] = json!(thread);
    }
    api.post("chat.postEphemeral", &request).await.map_err(|fault| fault.said(out.words))
}

/// A text as it is; rich text reads no markup.
fn preformatted(text: &str) -> Value {
    let text = json!({"type": "text", "text": text});
    json!([{"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [text]}]}])
}
