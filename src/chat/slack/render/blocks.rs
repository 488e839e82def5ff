//! A card as blocks: title, tone in words, paragraphs, fields, chart, table, output, what may be pressed, small print. Every
//! text is paid from the budget, what people need to act first.

use slack_morphism::prelude::*;

use super::budget::{Budget, CONTEXT_ELEMENTS, HEADER, SECTION};
use super::{buttons, chart, table, text};
use crate::chat::card::{Card, Field, Tone};
use crate::id::MessageId;
use crate::words::Words;

/// Where a card is shown, which says whether Slack takes its newest kinds of blocks there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// In a message, which has one table and one chart of Slack's own.
    Message,
    /// On a person's page beside other cards, or in a message whose own table and chart Slack has refused: as lists.
    Plain,
}

/// The card's blocks. Without a message there is nothing that a press could belong to, and so there are no buttons.
#[must_use]
pub fn card(
    words: Words,
    card: &Card,
    message: Option<&MessageId>,
    link: Option<&str>,
    surface: Surface,
    budget: &mut Budget,
) -> Vec<SlackBlock> {
    // Paid first: whatever is cut above them, people can act, and see the whole.
    let title = title(card, budget);
    let actions = message.map(|id| buttons::actions(words, card, id, budget)).unwrap_or_default();
    let footer = footer(words, card, link, budget);
    let tone = tone(words, card.tone).filter(|_| budget.bare());

    let mut blocks: Vec<SlackBlock> = title.into_iter().collect();
    blocks.extend(tone.map(|tone| context(vec![text::plain(tone).into()])));
    blocks.extend(card.body.iter().filter_map(|paragraph| section(paragraph, budget)));
    blocks.extend(fields(&card.fields, budget));
    if let Some(numbers) = &card.chart {
        match surface {
            Surface::Message => blocks.extend(chart::native(words, numbers, budget)),
            Surface::Plain => blocks.extend(chart::list(numbers, budget)),
        }
    }
    if let Some(rows) = &card.table {
        blocks.extend(match surface {
            Surface::Message => table::native(rows, budget),
            Surface::Plain => table::list(rows, budget),
        });
    }
    blocks.extend(card.output.as_deref().and_then(|output| printed(output, budget)));
    blocks.extend(actions);
    blocks.extend(footer);
    blocks
}

/// The sentence that says how much was cut, where anything was.
#[must_use]
pub fn note(sentence: String) -> SlackBlock {
    context(vec![text::plain(sentence).into()])
}

/// How it feels, in words with a sign before them; nothing where it is neutral.
#[must_use]
pub fn tone(words: Words, tone: Tone) -> Option<String> {
    let sign = match tone {
        Tone::Info => return None,
        Tone::Good => "✅",
        Tone::Warning => "⚠️",
        Tone::Bad => "🔴",
        Tone::Ask => "✋",
    };
    Some(format!("{sign} {}", words.get(&format!("console.tone_{tone}"))))
}

/// A heading where there is something below it and it has room for the title; else the title as text.
fn title(card: &Card, budget: &mut Budget) -> Option<SlackBlock> {
    let alone = card.body.is_empty()
        && card.fields.is_empty()
        && card.chart.is_none()
        && card.table.is_none()
        && card.output.is_none()
        && card.buttons.is_empty();
    let short = card.title.chars().count() <= HEADER;
    let shown = budget.block(&card.title, SECTION)?;
    Some(match (alone, short) {
        (true, _) => SlackSectionBlock::new().with_text(text::plain(shown).into()).with_expand(true).into(),
        (false, true) => SlackHeaderBlock::new(text::only(shown)).into(),
        (false, false) => text::rich(SlackRichTextSection::new(vec![text::run(shown, true)])),
    })
}

/// A paragraph, unfolded: nobody approves what is hidden behind “see more”.
fn section(paragraph: &str, budget: &mut Budget) -> Option<SlackBlock> {
    let shown = budget.block(paragraph, SECTION)?;
    Some(SlackSectionBlock::new().with_text(text::plain(shown).into()).with_expand(true).into())
}

/// A line each, with a bold name. Not a section's fields: only markup is bold there, and values are never markup.
fn fields(fields: &[Field], budget: &mut Budget) -> Option<SlackBlock> {
    if fields.is_empty() || !budget.bare() {
        budget.leave(fields.iter().map(|field| field.name.chars().count() + field.value.chars().count()).sum());
        return None;
    }
    let mut lines = Vec::new();
    for field in fields {
        let Some(name) = budget.text(&field.name, SECTION) else { continue };
        let value = budget.text(&field.value, SECTION).unwrap_or_else(|| "…".to_owned());
        let gap = if lines.is_empty() { "" } else { "\n" };
        lines.push(text::run(format!("{gap}{name}: "), true));
        lines.push(text::run(value, false));
    }
    (!lines.is_empty()).then(|| text::rich(SlackRichTextSection::new(lines)))
}

/// Output in fixed width, its beginning and its end.
fn printed(output: &str, budget: &mut Budget) -> Option<SlackBlock> {
    let lines = budget.middle(output, SECTION)?;
    Some(text::rich(SlackRichTextPreformatted::new(vec![text::run(lines, false)])))
}

/// Small print and the link to our page.
fn footer(words: Words, card: &Card, link: Option<&str>, budget: &mut Budget) -> Option<SlackBlock> {
    let print = card.footer.as_deref().and_then(|footer| budget.text(footer, SECTION));
    let label = words.get("console.details");
    let link = link.and_then(|address| text::link(address, &label)).filter(|link| {
        // A link is shown whole or not at all.
        let length = link.text.chars().count();
        length <= SECTION && budget.has(length) && budget.text(&link.text, length).is_some()
    });
    let elements: Vec<SlackContextBlockElement> =
        print.map(|print| text::plain(print).into()).into_iter().chain(link.map(Into::into)).collect();
    (!elements.is_empty() && budget.bare()).then(|| context(elements))
}

fn context(elements: Vec<SlackContextBlockElement>) -> SlackBlock {
    debug_assert!(elements.len() <= CONTEXT_ELEMENTS);
    SlackContextBlock::new(elements).into()
}
