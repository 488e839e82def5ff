//! Forms and pages that only what comes in has need of. How a form looks is the business of `render`.

use serde_json::json;
use slack_morphism::prelude::*;

use crate::chat::card::{Form, Input};
use crate::chat::slack::render;
use crate::domain::actor::{Place, Platform};
use crate::domain::severity::Severity;
use crate::words::Words;

/// Characters of an option's text.
const OPTION_TEXT: usize = 75;
/// Options of a select.
const OPTIONS: usize = 100;
/// Characters that an incident is called by, at most, before anybody looked at it.
const TITLE: usize = 150;

/// Says something to somebody who has no message to be told under.
pub(super) fn notice(words: Words, text: &str) -> SlackView {
    let view = SlackModalView::new(words.get("slack.notice").as_str().into(), vec![paragraph(text)]);
    SlackView::Modal(view.with_close(words.get("slack.close").as_str().into()))
}

/// A page that says one thing.
pub(super) fn page(text: &str) -> SlackView {
    SlackView::Home(SlackHomeView::new(vec![paragraph(text)]))
}

/// This view in place of the one that was sent.
pub(super) fn instead(view: SlackView) -> SlackInteractionResponse {
    SlackViewSubmissionResponse::Update(SlackViewSubmissionUpdateResponse::new(view)).into()
}

/// Asks which runbook, and in which of these channels: for who is in no channel at all.
pub(super) fn anywhere(words: Words, channels: &[(String, String)]) -> SlackView {
    let nowhere = Place::channel(Platform::Slack, "");
    let option = |(name, id): &(String, String)| {
        let text: String = name.chars().take(OPTION_TEXT).collect();
        SlackBlockChoiceItem::new(SlackBlockPlainTextOnly::from(text), id.clone())
    };
    let options: Vec<_> = channels.iter().take(OPTIONS).map(option).collect();
    let first = options.first().cloned();
    let select = SlackBlockStaticSelectElement {
        action_id: Some(SlackActionId("channel".to_owned())),
        placeholder: None,
        options: Some(options),
        option_groups: None,
        initial_option: first.filter(|_| channels.len() == 1),
        confirm: None,
        focus_on_load: None,
    };
    let label = words.get("slack.which_channel").as_str().into();
    let input = SlackInputBlock::new(label, select.into()).with_block_id(SlackBlockId("in:channel".to_owned()));
    for_what(render::chooser(words, &nowhere), "choose", None, Some(input.into()))
}

/// Asks for severity and title of an incident that this message tells of.
pub(super) fn incident(words: Words, place: &Place, message: &str) -> SlackView {
    let first = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let severity = Input {
        name: "severity".to_owned(),
        label: words.get("slack.severity"),
        choices: Severity::ALL.iter().map(ToString::to_string).collect(),
        value: Some(Severity::P2.to_string()),
        ..Input::default()
    };
    let title = Input {
        name: "title".to_owned(),
        label: words.get("slack.incident_title"),
        value: Some(first.chars().take(TITLE).collect()),
        ..Input::default()
    };
    let form = Form { title: words.get("slack.open_incident"), inputs: vec![severity, title] };
    let filling = crate::chat::Filling::Runbook { name: String::new(), place: place.clone() };
    for_what(render::modal(words, &filling, &form, None), "incident", Some(place), None)
}

/// The same form for another use.
fn for_what(view: SlackView, callback: &str, place: Option<&Place>, first: Option<SlackBlock>) -> SlackView {
    let SlackView::Modal(mut view) = view else { return view };
    view.callback_id = Some(SlackCallbackId(callback.to_owned()));
    view.private_metadata = place.map(|place| json!(place).to_string());
    if let Some(first) = first {
        view.blocks.insert(0, first);
    }
    SlackView::Modal(view)
}

fn paragraph(text: &str) -> SlackBlock {
    SlackSectionBlock::new().with_text(SlackBlockText::MarkDown(text.into())).into()
}
