//! What may be pressed. A button carries its own id and its message's, nothing else: what it does stays with us.

use slack_morphism::prelude::*;

use super::budget::{
    ACTIONS, BUTTON_LABEL, BUTTON_SPOKEN, Budget, CONFIRM_BUTTON, CONFIRM_TEXT, CONFIRM_TITLE, shorten,
};
use super::text::only;
use crate::chat::card::{Button, Card, Press, Tone};
use crate::id::MessageId;
use crate::words::Words;

/// The card's buttons, in as many blocks as they need: `press:<message>:<block>`.
#[must_use]
pub fn actions(words: Words, card: &Card, message: &MessageId, budget: &mut Budget) -> Vec<SlackBlock> {
    let main = card.buttons.iter().position(|button| card.tone == Tone::Ask && !button.danger);
    let mut blocks = Vec::new();
    for (n, chunk) in card.buttons.chunks(ACTIONS).enumerate() {
        let whole = chunk.iter().map(|button| button.label.chars().count().min(BUTTON_LABEL)).sum();
        if !budget.has(whole) || !budget.bare() {
            budget.leave(whole);
            continue;
        }
        let elements = chunk.iter().enumerate().filter_map(|(index, button)| {
            let main = main == Some(n * ACTIONS + index);
            let label = budget.text(&button.label, BUTTON_LABEL)?;
            Some(element(words, card, message, button, label, main).into())
        });
        let block = SlackActionsBlock::new(elements.collect());
        blocks.push(block.with_block_id(SlackBlockId(format!("press:{message}:{n}"))).into());
    }
    blocks
}

fn element(
    words: Words,
    card: &Card,
    message: &MessageId,
    button: &Button,
    label: String,
    main: bool,
) -> SlackBlockButtonElement {
    let spoken = shorten(&format!("{}: {}", button.label, card.title), BUTTON_SPOKEN);
    SlackBlockButtonElement {
        action_id: Some(SlackActionId(button.id.clone())),
        text: only(label),
        url: None,
        value: Some(format!("{message} {}", button.mark())),
        style: match (button.danger, main) {
            (true, _) => Some(SlackBlockButtonStyle::Danger),
            (false, true) => Some(SlackBlockButtonStyle::Primary),
            (false, false) => None,
        },
        confirm: confirm(words, card, button),
        accessibility_label: Some(SlackAccessibilityLabel(spoken)),
    }
}

/// What is asked before a press counts that starts or ends something at once; a form is a question of its own.
fn confirm(words: Words, card: &Card, button: &Button) -> Option<SlackBlockConfirmItem> {
    let key = match &button.press {
        _ if button.asks.is_some() => return None,
        Press::Approve(_) => "slack.confirm_approve",
        Press::Cancel(_) => "slack.confirm_cancel",
        Press::Undo(_) => "slack.confirm_undo",
        Press::Rerun(..) => "slack.confirm_rerun",
        Press::Resolve(_) => "slack.confirm_resolve",
        _ if button.danger => "slack.confirm_danger",
        _ => return None,
    };
    let sentence = words.get(key);
    let room = CONFIRM_TEXT.saturating_sub(sentence.chars().count() + 2);
    let text = format!("{sentence}\n\n{}", shorten(&card.title, room));
    let style = if button.danger { "danger" } else { "primary" };
    Some(SlackBlockConfirmItem {
        title: only(shorten(&button.label, CONFIRM_TITLE)),
        text: SlackBlockText::Plain(super::text::plain(text)),
        confirm: only(shorten(&button.label, CONFIRM_BUTTON)),
        deny: only(words.get("slack.go_back")),
        style: Some(style.to_owned()),
    })
}
