//! Shortcuts: of the workspace, and of a message.

use slack_morphism::prelude::*;

use super::calls::Written;
use super::{Inbound, No, later, user, views};
use crate::chat::slack::{manifest, render};

impl Inbound {
    /// A shortcut of the workspace, which belongs to no channel.
    pub(super) fn shortcut(&self, event: &SlackInteractionShortcutEvent) -> Result<(), No> {
        let by = self.person(&user(&event.team, &event.user))?;
        if event.callback_id.0 != manifest::RUN_RUNBOOK {
            return Ok(());
        }
        let channels = self.channels(&by);
        if channels.is_empty() {
            return Err(No::Told(self.words().get("slack.nothing_to_run")));
        }
        self.show(event.trigger_id.clone(), views::anywhere(self.words(), &channels));
        Ok(())
    }

    /// A shortcut of a message.
    pub(super) async fn message_shortcut(&self, event: SlackInteractionMessageActionEvent) -> Result<(), No> {
        let who = user(&event.team, &event.user);
        let by = self.person(&who)?;
        let (Some(channel), Some(message)) = (&event.channel, &event.message) else { return Ok(()) };
        let place = self.place(&by, &channel.id.0)?;
        let written = Written::of(message);
        match event.callback_id.0.as_str() {
            manifest::OPEN_INCIDENT => {
                let text = self.typed(&who.team, &written.text);
                self.show(event.trigger_id, views::incident(self.words(), &place, &text));
            }
            manifest::ADD_TO_TIMELINE => {
                let noted = self.note(&by, (&channel.id.0, &message.origin.ts.0), &who.team, &written).await?;
                if !noted {
                    return Err(No::Told(self.words().get("slack.no_incident_here")));
                }
            }
            manifest::RUN_HERE => {
                if self.house.runbooks(&by, &place.channel).is_empty() {
                    return Err(No::Told(self.words().get("slack.nothing_to_run")));
                }
                let place = self.thread(&place, &written.root).await?;
                self.show(event.trigger_id, render::chooser(self.words(), &place));
            }
            _ => {}
        }
        Ok(())
    }

    fn show(&self, trigger: SlackTriggerId, view: SlackView) {
        let this = self.clone();
        later(async move { this.open(&trigger, &view).await });
    }
}
