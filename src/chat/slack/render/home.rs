//! A person's own page: cards one below the other, with buttons where a card comes with its message.

use minijinja::context;
use slack_morphism::prelude::*;

use super::blocks::{self, Surface};
use super::budget::{Budget, VIEW_BLOCKS};
use super::text::plain;
use crate::chat::card::Card;
use crate::id::MessageId;
use crate::words::Words;

/// App Home. Without cards it says that we do not know this person.
#[must_use]
pub fn home(words: Words, cards: &[(Option<MessageId>, Card)]) -> SlackView {
    let mut budget = Budget::new(VIEW_BLOCKS);
    let mut page: Vec<SlackBlock> = Vec::new();
    for (message, card) in cards {
        if !page.is_empty() && budget.bare() {
            page.push(SlackDividerBlock::new().into());
        }
        page.extend(blocks::card(words, card, message.as_ref(), None, Surface::Plain, &mut budget));
    }
    if budget.cut() > 0 {
        page.push(blocks::note(words.say("slack.cut_console", context! { count => budget.cut() })));
    }
    if cards.is_empty() {
        page.push(SlackSectionBlock::new().with_text(plain(words.get("slack.stranger")).into()).into());
    }
    SlackView::Home(SlackHomeView::new(page))
}
