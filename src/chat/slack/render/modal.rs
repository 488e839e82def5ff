//! Forms as modals. A value is never cut: what a select cannot carry is typed, and what an input cannot show is left out
//! and said.

use slack_morphism::prelude::*;

use super::budget::{
    INPUT_HINT, INPUT_LABEL, INPUT_VALUE, OPTION_DESCRIPTION, OPTION_TEXT, OPTION_VALUE, OPTIONS, SECTION, VIEW_BLOCKS,
    VIEW_BUTTON, VIEW_TITLE, shorten,
};
use super::text::{only, plain};
use crate::chat::card::{Form, Input};
use crate::chat::house::Filling;
use crate::domain::actor::Place;
use crate::domain::text::visible;
use crate::words::Words;

/// What a select offers.
pub type Choice = SlackBlockChoiceItem<SlackBlockPlainTextOnly>;

/// A form to be filled in, which carries what it is for. `submit` is what its button says; `Send` where it has no room.
#[must_use]
pub fn modal(words: Words, filling: &Filling, form: &Form, submit: Option<&str>) -> SlackView {
    let named = !form.title.trim().is_empty() && form.title.chars().count() <= VIEW_TITLE;
    let title = if named { form.title.clone() } else { words.get("slack.form") };
    let mut blocks = Vec::new();
    if !named || form.inputs.is_empty() {
        blocks.push(paragraph(&form.title));
    }
    let room = VIEW_BLOCKS - blocks.len();
    let fits = form.inputs.len() <= room;
    let shown = if fits { form.inputs.len() } else { room - 1 };
    blocks.extend(form.inputs.iter().take(shown).map(|input| field(words, input)));
    if !fits {
        blocks.push(paragraph(&format!("… +{}", form.inputs.len() - shown)));
    }
    view(words, ("fill", title), blocks, submit, serde_json::to_string(filling))
}

/// Asks which runbook, before its form; what is offered is asked for while one types.
#[must_use]
pub fn chooser(words: Words, place: &Place) -> SlackView {
    let select = SlackBlockExternalSelectElement::new()
        .with_action_id(SlackActionId("runbook".to_owned()))
        .with_placeholder(only(words.get("console.choose")))
        .with_focus_on_load(true)
        .with_min_query_length(0);
    let input = SlackInputBlock::new(only(words.get("slack.which_runbook")), select.into())
        .with_block_id(SlackBlockId("in:runbook".to_owned()))
        .with_hint(only(words.get("slack.which_runbook_hint")));
    let title = ("choose", words.get("slack.choose_title"));
    view(words, title, vec![input.into()], Some(&words.get("slack.next")), serde_json::to_string(place))
}

/// Choices as a select offers them. One that a select cannot carry is left out: see [`modal`].
#[must_use]
pub fn choices(choices: &[String]) -> Vec<Choice> {
    let mut seen = std::collections::BTreeSet::new();
    let sound = choices.iter().filter(|choice| carries(choice) && seen.insert(choice.as_str()));
    sound.take(OPTIONS).map(|choice| option(choice, None)).collect()
}

/// Runbooks as [`chooser`] offers them: full name and summary.
#[must_use]
pub fn runbooks(books: &[(String, String)]) -> Vec<Choice> {
    let sound = books.iter().filter(|(name, _)| carries(name));
    sound.take(OPTIONS).map(|(name, summary)| option(name, Some(summary))).collect()
}

fn carries(value: &str) -> bool {
    !value.trim().is_empty() && value.chars().count() <= OPTION_VALUE
}

fn option(value: &str, description: Option<&str>) -> Choice {
    SlackBlockChoiceItem {
        text: only(shorten(&visible(value, &[]), OPTION_TEXT)),
        value: value.to_owned(),
        description: description
            .filter(|text| !text.trim().is_empty())
            .map(|text| only(shorten(text, OPTION_DESCRIPTION))),
        url: None,
    }
}

/// One field: `in:<name>` with the element `<name>`.
fn field(words: Words, input: &Input) -> SlackBlock {
    let (element, unshown) = element(words, input);
    let label = if input.label.trim().is_empty() { &input.name } else { &input.label };
    let mut hints: Vec<String> = input.hint.clone().into_iter().collect();
    hints.extend(unshown.then(|| words.get("slack.value_too_long")));
    let hint = (!hints.is_empty()).then(|| only(shorten(&hints.join(" "), INPUT_HINT)));
    SlackBlock::Input(SlackInputBlock {
        block_id: Some(SlackBlockId(format!("in:{}", input.name))),
        label: only(shorten(label, INPUT_LABEL)),
        element,
        hint,
        optional: Some(input.optional),
        dispatch_action: None,
    })
}

/// What is filled in or chosen, and whether a value given beforehand could not be shown.
fn element(words: Words, input: &Input) -> (SlackInputBlockElement, bool) {
    let (action_id, placeholder) = (SlackActionId(input.name.clone()), only(words.get("console.choose")));
    let value = input.value.as_deref().filter(|value| !value.is_empty());
    if input.live || input.choices.len() > OPTIONS {
        let given = value.filter(|value| carries(value));
        let select = SlackBlockExternalSelectElement {
            action_id: Some(action_id),
            placeholder: Some(placeholder),
            initial_option: given.map(|value| option(value, None)),
            confirm: None,
            focus_on_load: None,
            min_query_length: Some(0),
        };
        return (select.into(), value.is_some() && given.is_none());
    }
    let options = choices(&input.choices);
    if !options.is_empty() && input.choices.iter().all(|choice| carries(choice)) {
        let given = options.iter().find(|option| Some(option.value.as_str()) == value).cloned();
        let select = SlackBlockStaticSelectElement {
            action_id: Some(action_id),
            placeholder: Some(placeholder),
            options: Some(options),
            option_groups: None,
            initial_option: given,
            confirm: None,
            focus_on_load: None,
        };
        return (select.into(), false);
    }
    let given = value.filter(|value| value.chars().count() <= INPUT_VALUE);
    let typed = SlackBlockPlainTextInputElement {
        action_id: Some(action_id),
        placeholder: None,
        initial_value: given.map(str::to_owned),
        multiline: Some(input.long),
        min_length: None,
        max_length: Some(INPUT_VALUE as u64),
        focus_on_load: None,
        dispatch_action_config: None,
    };
    (typed.into(), value.is_some() && given.is_none())
}

fn paragraph(text: &str) -> SlackBlock {
    SlackSectionBlock::new().with_text(plain(shorten(text, SECTION)).into()).into()
}

fn view(
    words: Words,
    (callback, title): (&str, String),
    blocks: Vec<SlackBlock>,
    submit: Option<&str>,
    metadata: serde_json::Result<String>,
) -> SlackView {
    let submit = submit.filter(|label| !label.trim().is_empty() && label.chars().count() <= VIEW_BUTTON);
    SlackView::Modal(SlackModalView {
        title: only(shorten(&title, VIEW_TITLE)),
        blocks,
        close: Some(only(words.get("slack.close"))),
        submit: Some(only(submit.map_or_else(|| words.get("console.send"), str::to_owned))),
        private_metadata: metadata.ok(),
        callback_id: Some(SlackCallbackId(callback.to_owned())),
        clear_on_close: None,
        notify_on_close: None,
        hash: None,
        external_id: None,
    })
}
