//! What readers are shown: messages, runs, incidents and commands as plain data, the same for the API, the live stream
//! and the pages. What a button does stays on our side.

use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::card::{Button, Card, Field, Form, Table};
use crate::domain::actor::{Platform, SERENO};
use crate::domain::chart::Chart;
use crate::domain::settings::Settings;
use crate::store::messages::Message;

/// Where a message stands.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct PlaceView {
    /// The platform.
    pub platform: Platform,
    /// The channel, as in `#infra`.
    pub channel: String,
    /// The thread's root message; null in the channel itself.
    pub thread: Option<String>,
}

/// Something to press.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct ButtonView {
    /// What to press it by.
    pub id: String,
    /// What it says.
    pub label: String,
    /// Whether it is the dangerous one.
    pub danger: bool,
    /// What is handed in with the press, as `values`.
    pub asks: Option<Form>,
}

impl From<Button> for ButtonView {
    fn from(button: Button) -> Self {
        Self { id: button.id, label: button.label, danger: button.danger, asks: button.asks }
    }
}

/// Numbers to be drawn, with the same as a table for those who read.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct ChartView {
    /// What would be drawn.
    #[serde(flatten)]
    pub chart: Chart,
    /// Its twin.
    pub table: Table,
}

impl From<Chart> for ChartView {
    fn from(chart: Chart) -> Self {
        Self { table: Table::from(&chart), chart }
    }
}

/// A message.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Card")]
pub(super) struct CardView {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub place: PlaceView,
    /// The thread's root message, as in `place`.
    pub thread: Option<String>,
    /// A person's id, or `sereno`.
    pub author: String,
    /// How the author is called.
    pub author_name: String,
    /// All of it as plain text.
    pub text: String,
    /// One line.
    pub title: String,
    /// Where the thing stands, as in `awaiting_approval`.
    pub state: String,
    /// `info`, `good`, `warning`, `bad` or `ask`.
    pub tone: String,
    /// Paragraphs.
    pub body: Vec<String>,
    /// Name and value pairs.
    pub fields: Vec<Field>,
    /// Numbers to be drawn.
    pub chart: Option<ChartView>,
    /// A table, as of verdicts.
    pub table: Option<Table>,
    /// Output as printed.
    pub output: Option<String>,
    /// What may be pressed.
    pub buttons: Vec<ButtonView>,
    /// Small print.
    pub footer: Option<String>,
    /// A page of ours about it, as a path.
    pub link: Option<String>,
    /// When it was first said, RFC 3339.
    pub at: String,
    /// Its place in the order of all messages.
    pub seq: i64,
    /// Grows with every edit of this message.
    pub version: i64,
    /// Grows with every change of any message.
    pub revision: i64,
    /// The request that it answers.
    pub reply_to: Option<String>,
    /// The one person who sees it; null when everybody does.
    pub whisper: Option<String>,
}

impl CardView {
    /// A message as people see it.
    pub(super) fn of(message: Message, settings: &Settings) -> Self {
        let card: Card = serde_json::from_value(message.card).unwrap_or_else(|error| {
            tracing::error!(%error, message = %message.id, "a stored card cannot be read");
            Card { title: settings_words(settings, "http.unreadable"), ..Card::default() }
        });
        let author = message.author.unwrap_or_else(|| SERENO.to_owned());
        let thread = message.place.thread.map(|id| id.to_string());
        Self {
            id: message.id.to_string(),
            place: PlaceView {
                platform: message.place.platform,
                channel: message.place.channel,
                thread: thread.clone(),
            },
            thread,
            author_name: settings.name_of(&author).to_owned(),
            author,
            text: card.text(),
            title: card.title,
            state: card.state,
            tone: card.tone.to_string(),
            body: card.body,
            fields: card.fields,
            chart: card.chart.map(Into::into),
            table: card.table,
            output: card.output,
            buttons: card.buttons.into_iter().map(Into::into).collect(),
            footer: card.footer,
            link: card.link.filter(|link| is_our_path(link)),
            at: message.at.to_string(),
            seq: message.seq,
            version: message.version,
            revision: message.revision,
            reply_to: message.reply_to.map(|id| id.to_string()),
            whisper: message.whisper_to,
        }
    }
}

fn settings_words(settings: &Settings, key: &str) -> String {
    crate::words::Words(settings.language).get(key)
}

/// Whether a path leads to a page of ours and nowhere else.
pub(super) fn is_our_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// Whether this person may see a message.
pub(super) fn is_for(message: &Message, person: &str) -> bool {
    message.whisper_to.as_deref().is_none_or(|only| only == person)
}

/// The cards among these messages that this person may see.
pub(super) fn cards(messages: Vec<Message>, person: &str, settings: &Settings) -> Vec<CardView> {
    messages.into_iter().filter(|message| is_for(message, person)).map(|it| CardView::of(it, settings)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_followed() {
        for good in ["/", "/runs/01J", "/c/infra?after=1#end"] {
            assert!(is_our_path(good), "{good}");
        }
        for bad in ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:x", "/a\nb"] {
            assert!(!is_our_path(bad), "{bad}");
        }
    }
}
