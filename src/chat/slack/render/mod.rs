//! What Slack sees of a card: messages, forms and a person's page, as values of Block Kit. Pure: the same card gives the
//! same bytes. Knows nothing of how they get to Slack.

mod blocks;
pub mod budget;
mod buttons;
mod chart;
#[cfg(test)]
mod charted;
#[cfg(test)]
mod golden;
mod home;
#[cfg(test)]
mod limits;
mod modal;
mod table;
mod text;

use minijinja::context;
use slack_morphism::prelude::*;

use super::super::Outgoing;
use blocks::Surface;
use budget::{Budget, MESSAGE_BLOCKS, MESSAGE_TEXT};
pub use home::home;
pub use modal::{Choice, choices, chooser, modal, runbooks};

/// A message as Slack takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What notifications show and screen readers say: the card's words, with live mentions before them.
    pub text: String,
    /// What is seen.
    pub blocks: Vec<SlackBlock>,
    /// All of it, where the blocks had to leave something out and say so.
    pub overflow: Option<Overflow>,
}

/// A file for the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    /// Its name, the same whenever this message is rendered.
    pub name: String,
    /// Plain text.
    pub content: String,
}

/// Renders a message. What only one person may see never overflows into a file, which others could open.
#[must_use]
pub fn message(out: &Outgoing<'_>) -> Rendered {
    rendered(out, Surface::Message)
}

/// The same in blocks that every Slack knows, where it refused others; none where there are no others in it.
#[must_use]
pub fn plainly(out: &Outgoing<'_>) -> Option<Rendered> {
    (out.card.chart.is_some() || out.card.table.is_some()).then(|| rendered(out, Surface::Plain))
}

fn rendered(out: &Outgoing<'_>, surface: Surface) -> Rendered {
    let (words, card) = (out.words, out.card);
    let mut budget = Budget::new(MESSAGE_BLOCKS);
    let calls = text::mentions(out.mentions);
    let mut blocks: Vec<SlackBlock> = Vec::new();
    if let Some(who) = &calls
        && let Some(call) = budget.block(&words.say("slack.called", context! { who }), MESSAGE_TEXT)
    {
        blocks.push(SlackSectionBlock::new().with_text(text::markup(call).into()).into());
    }
    blocks.extend(blocks::card(words, card, Some(out.id), out.link, surface, &mut budget));

    let name = format!("{}.txt", out.id);
    let filed = budget.cut() > 0 && out.whisper_to.is_none();
    if budget.cut() > 0 {
        let key = if filed { "slack.cut_file" } else { "slack.cut_console" };
        blocks.push(blocks::note(words.say(key, context! { count => budget.cut(), file => &name })));
    }
    let overflow = filed.then(|| Overflow { name, content: whole(out) });
    Rendered { text: said(out, calls), blocks, overflow }
}

/// The text beside the blocks: whom it calls, how it feels, what it says.
fn said(out: &Outgoing<'_>, calls: Option<String>) -> String {
    let mut said = calls.map(|calls| format!("{calls} ")).unwrap_or_default();
    said.extend(blocks::tone(out.words, out.card.tone).map(|tone| format!("{tone}: ")));
    let room = MESSAGE_TEXT - said.chars().count();
    said + &text::escape_within(&text::plain(out.card.text()).text, room)
}

/// Everything that the card says, its buttons too.
fn whole(out: &Outgoing<'_>) -> String {
    let buttons = out.card.buttons.iter().map(|button| format!("[{}]", button.label));
    std::iter::once(out.card.text()).chain(buttons).collect::<Vec<_>>().join("\n")
}
