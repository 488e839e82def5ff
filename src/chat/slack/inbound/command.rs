//! `/ops …`: stored as a line, or shown as a form where something is missing. Knows nothing of what the words mean.

use slack_morphism::prelude::*;

use super::who::Who;
use super::{Inbound, No, later};
use crate::chat::slack::render;
use crate::domain::actor::Place;

/// A line that is stored where its form cannot be shown.
struct Line {
    key: String,
    by: String,
    place: Place,
    text: String,
}

impl Inbound {
    /// Takes in a slash command.
    pub(super) async fn command(&self, event: SlackCommandEvent) -> Result<(), No> {
        let who = Who::new(event.team_id.0, event.user_id.0);
        let by = self.person(&who)?;
        let place = self.place(&by, &event.channel_id.0)?;
        let typed = self.typed(&who.team, event.text.as_deref().unwrap_or_default());
        let key = format!("slack:command:{}", event.trigger_id.0);
        let text = format!("/ops {typed}");
        let view = if typed.is_empty() {
            let any = !self.house.runbooks(&by, &place.channel).is_empty();
            any.then(|| render::chooser(self.words(), &place))
        } else {
            let found = self.house.lacking(&by, &place, &typed);
            found.map(|(filling, form)| render::modal(self.words(), &filling, &form, None))
        };
        let line = Line { key, by, place, text };
        match view {
            Some(view) => self.show_or_say(event.trigger_id, view, line),
            None => self.say(line).await?,
        }
        Ok(())
    }

    /// Shows a form; what cannot be shown is answered as a line is, with a button that opens it.
    fn show_or_say(&self, trigger: SlackTriggerId, view: SlackView, line: Line) {
        let this = self.clone();
        later(async move {
            match this.open(&trigger, &view).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "a form was not shown; it is offered by a button");
                    this.say(line).await
                }
            }
        });
    }

    async fn say(&self, line: Line) -> Result<(), crate::chat::Away> {
        self.house.said(line.key, &line.by, line.place, line.text).await
    }
}
