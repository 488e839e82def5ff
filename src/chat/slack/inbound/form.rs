//! Forms that were sent, and lists that are asked for while somebody types in one.

use std::collections::HashMap;

use serde_json::{Value, json};
use slack_morphism::prelude::*;

use super::views::instead;
use super::{Inbound, No, user};
use crate::chat::Filling;
use crate::chat::card::Values;
use crate::chat::slack::render;
use crate::domain::actor::{Place, Platform};

/// Longest sentence beside a field.
const ERROR: usize = 2000;

/// A form that was sent.
struct Sent {
    key: String,
    by: String,
    values: Values,
    /// What it carried.
    about: String,
}

impl Sent {
    fn text(&self, name: &str) -> String {
        self.values.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
    }
}

impl Inbound {
    /// Somebody sent a form. The same form, sent twice, is one.
    pub(super) async fn submitted(
        &self,
        event: SlackInteractionViewSubmissionEvent,
    ) -> Result<SlackInteractionResponse, No> {
        let by = self.person(&user(&event.team, &event.user))?;
        let SlackView::Modal(view) = event.view.view else { return Ok(().into()) };
        let state = event.view.state_params;
        let key = format!("slack:form:{}:{}", state.id.0, state.hash);
        let about = view.private_metadata.unwrap_or_default();
        let sent = Sent { key, by, values: values(state.state.as_ref()), about };
        match view.callback_id.as_ref().map(|id| id.0.as_str()) {
            Some("fill") => self.fill(sent).await,
            Some("choose") => self.chosen(sent).await,
            Some("incident") => self.declared(sent).await,
            _ => Ok(().into()),
        }
    }

    async fn fill(&self, sent: Sent) -> Result<SlackInteractionResponse, No> {
        let gone = || No::Told(self.words().get("slack.form_gone"));
        let filling: Filling = serde_json::from_str(&sent.about).map_err(|_| gone())?;
        let place = match &filling {
            Filling::Runbook { place, .. } => place.clone(),
            Filling::Button { message, .. } => self.house.message(&sent.by, message).await?.ok_or_else(gone)?.place,
        };
        let misfits = self.house.misfits(&sent.by, &filling, &sent.values);
        if !misfits.is_empty() {
            return Ok(wrong(misfits, &sent.values));
        }
        self.house.filled(sent.key, &sent.by, place, &filling, sent.values).await?;
        Ok(done())
    }

    /// A runbook was chosen: its form follows, or it is asked for where it needs nothing.
    async fn chosen(&self, sent: Sent) -> Result<SlackInteractionResponse, No> {
        let name = sent.text("runbook");
        let place = match sent.values.contains_key("channel") {
            true => self.place(&sent.by, &sent.text("channel"))?,
            false => self.placed(&sent.about)?,
        };
        let filling = Filling::Runbook { name: name.clone(), place: place.clone() };
        let may = self.house.runbooks(&sent.by, &place.channel).iter().any(|(known, _)| *known == name);
        let form = if may { self.house.form(&sent.by, &filling).await? } else { None };
        let Some(form) = form else {
            let values = minijinja::context! { name, channel => place.channel };
            let sentence = self.words().say("slack.not_in_this_channel", values);
            return Ok(wrong([("runbook".to_owned(), sentence)], &sent.values));
        };
        if form.inputs.is_empty() {
            self.house.filled(sent.key, &sent.by, place, &filling, Values::new()).await?;
            return Ok(done());
        }
        Ok(instead(render::modal(self.words(), &filling, &form, None)))
    }

    /// An incident was declared from a message.
    async fn declared(&self, sent: Sent) -> Result<SlackInteractionResponse, No> {
        let place = self.placed(&sent.about)?;
        let title = sent.text("title").split_whitespace().collect::<Vec<_>>().join(" ");
        if title.is_empty() {
            return Ok(wrong([("title".to_owned(), self.words().get("slack.needs_title"))], &sent.values));
        }
        let line = format!("/ops incident {} {title}", sent.text("severity"));
        self.house.said(sent.key, &sent.by, place, line).await?;
        Ok(done())
    }

    /// What fits what was typed into a select that asks us.
    pub(super) async fn suggested(&self, event: SlackInteractionBlockSuggestionEvent) -> SlackBlockSuggestionResponse {
        let options = self.options(&event).await.unwrap_or_default();
        SlackBlockSuggestionResponse::Options(SlackBlockSuggestionOptions::new(options))
    }

    async fn options(&self, event: &SlackInteractionBlockSuggestionEvent) -> Option<Vec<render::Choice>> {
        let by = self.person(&user(&event.team, &event.user)).ok()?;
        let Some(SlackView::Modal(view)) = &event.view else { return None };
        let about = view.private_metadata.as_deref().unwrap_or_default();
        match view.callback_id.as_ref()?.0.as_str() {
            "fill" => {
                let filling: Filling = serde_json::from_str(about).ok()?;
                let found = self.house.choices(&by, &filling, &event.action_id.0, &event.value).await;
                Some(render::choices(&found))
            }
            "choose" => {
                let mut books = match self.placed(about) {
                    Ok(place) => self.house.runbooks(&by, &place.channel),
                    Err(_) => self.runbooks_anywhere(&by),
                };
                let typed = event.value.to_lowercase();
                let fits = |text: &str| text.to_lowercase().contains(&typed);
                books.retain(|(name, summary)| fits(name) || fits(summary));
                Some(render::runbooks(&books))
            }
            _ => None,
        }
    }

    /// What somebody may run in any channel that is on Slack.
    fn runbooks_anywhere(&self, by: &str) -> Vec<(String, String)> {
        let channels = self.channels(by);
        let mut books: Vec<_> = channels.iter().flat_map(|(name, _)| self.house.runbooks(by, name)).collect();
        books.sort();
        books.dedup();
        books
    }

    /// The place that a form carries, if it is still one.
    fn placed(&self, about: &str) -> Result<Place, No> {
        let place: Option<Place> = serde_json::from_str(about).ok();
        let known = |place: &Place| self.house.settings().address(Platform::Slack, &place.channel).is_some();
        place.filter(known).ok_or_else(|| No::Told(self.words().get("slack.form_gone")))
    }
}

/// What was entered, by the names of the inputs: what was left empty is left out.
fn values(state: Option<&SlackViewState>) -> Values {
    let blocks = state.iter().flat_map(|state| &state.values);
    let inputs = blocks.filter_map(|(block, actions)| Some((block.0.strip_prefix("in:")?, actions.values().next()?)));
    inputs.filter_map(|(name, entered)| Some((name.to_owned(), value(entered)?))).collect()
}

fn value(entered: &SlackViewStateValue) -> Option<Value> {
    if let Some(options) = &entered.selected_options {
        return Some(options.iter().map(|option| json!(option.value)).collect());
    }
    let chosen = entered.selected_option.as_ref().map(|option| &option.value);
    chosen.or(entered.value.as_ref()).or(entered.selected_date.as_ref()).map(|text| json!(text))
}

/// Sentences beside the fields that they belong to; what belongs to none stands beside the first one.
fn wrong(misfits: impl IntoIterator<Item = (String, String)>, values: &Values) -> SlackInteractionResponse {
    let mut errors = HashMap::new();
    for (name, sentence) in misfits {
        let field = if values.contains_key(&name) { Some(&name) } else { values.keys().next() };
        let block = format!("in:{}", field.unwrap_or(&name));
        let sentence: String = sentence.chars().take(ERROR).collect();
        errors.entry(block).and_modify(|known: &mut String| *known = format!("{known} {sentence}")).or_insert(sentence);
    }
    SlackViewSubmissionResponse::Errors(SlackViewSubmissionErrorsResponse::new(errors)).into()
}

fn done() -> SlackInteractionResponse {
    SlackViewSubmissionResponse::Clear(SlackViewSubmissionClearResponse::new()).into()
}
