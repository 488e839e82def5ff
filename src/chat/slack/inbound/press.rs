//! Clicks on the buttons of our messages. A button names itself and its message; what it does is known to the house alone.

use slack_morphism::prelude::*;

use super::{Inbound, No, later, user};
use crate::chat::card::Values;
use crate::chat::slack::render;
use crate::chat::{Filling, Posted};
use crate::domain::actor::Platform;
use crate::domain::digest;
use crate::id::MessageId;

impl Inbound {
    /// Somebody clicked.
    pub(super) async fn pressed(&self, event: SlackInteractionBlockActionsEvent) -> Result<(), No> {
        let Some(clicker) = &event.user else { return Ok(()) };
        let action = event.actions.iter().flatten().next();
        // Links and selects send this too, and mean nothing by it.
        let Some((action, value)) = action.and_then(|action| Some((action, action.value.as_ref()?))) else {
            return Ok(());
        };
        let who = user(&event.team, clicker);
        let by = self.person(&who)?;
        let (message, mark) = value.split_once(' ').unwrap_or((value, ""));
        let message = MessageId::from(message.to_owned());
        let posted = self.house.message(&by, &message).await?;
        let posted = posted.filter(|posted| self.was_there(posted, &event.container));
        let Some(posted) = posted else { return Err(No::Told(self.words().get("slack.not_this_message"))) };
        // The one that they saw: by now another one may have its id.
        let (trigger, button) = (event.trigger_id, digest::marked(&action.action_id.0, mark));
        let filling = Filling::Button { message, button };
        if let Some(form) = self.house.form(&by, &filling).await? {
            let label = action.text.as_ref().map(label);
            let view = render::modal(self.words(), &filling, &form, label.as_deref());
            let (this, url) = (self.clone(), event.response_url);
            later(async move {
                match (this.open(&trigger, &view).await, url) {
                    (Err(_), Some(url)) => this.respond(&url, &this.words().get("slack.form_late")).await,
                    (opened, _) => opened,
                }
            });
            return Ok(());
        }
        let key = format!("slack:press:{}", trigger.0);
        self.house.filled(key, &by, posted.place, &filling, Values::new()).await?;
        if matches!(event.container, SlackInteractionActionContainer::View(_)) {
            self.home_again(who);
        }
        Ok(())
    }

    /// Whether a message of ours is the one that was clicked: a button works only where we put it. On a person's own
    /// page buttons stand apart from their messages.
    fn was_there(&self, posted: &Posted, container: &SlackInteractionActionContainer) -> bool {
        let (channel, ts) = match container {
            SlackInteractionActionContainer::View(_) => return true,
            SlackInteractionActionContainer::MessageAttachment(_) => return false,
            SlackInteractionActionContainer::Message(message) => (&message.channel_id, &message.message_ts.0),
        };
        let settings = self.house.settings();
        let here = settings.address(Platform::Slack, &posted.place.channel);
        let channel = here.is_some() && here == channel.as_ref().map(|id| id.0.as_str());
        // While its post is not written down yet, only the channel is known.
        let external = posted.external.as_deref();
        channel && external.is_none_or(|external| external.strip_prefix("whisper:").unwrap_or(external) == ts)
    }
}

fn label(text: &SlackBlockText) -> String {
    match text {
        SlackBlockText::Plain(text) => text.text.clone(),
        SlackBlockText::MarkDown(text) => text.text.clone(),
    }
}
