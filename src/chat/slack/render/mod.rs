//! Stand-in until cards are rendered for Slack.

use slack_morphism::prelude::*;

use crate::chat::Outgoing;

pub(super) struct Rendered {
    pub text: String,
    pub blocks: Vec<SlackBlock>,
    pub overflow: Option<Overflow>,
}

pub(super) struct Overflow {
    pub name: String,
    pub content: String,
}

pub(super) fn message(out: &Outgoing<'_>) -> Rendered {
    let text: String = out.card.text().chars().take(3000).collect();
    let output = out.card.output.clone().filter(|output| output.len() > 3000);
    let overflow = output.map(|content| Overflow { name: "output.txt".to_owned(), content });
    Rendered { text, blocks: Vec::new(), overflow }
}
