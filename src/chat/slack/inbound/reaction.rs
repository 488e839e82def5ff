//! Messages of people that go on an incident's timeline: by an emoji, or by a shortcut. However many want it there, a
//! message is there once.

use minijinja::context;
use slack_morphism::prelude::*;

use super::calls::Written;
use super::who::Who;
use super::{Inbound, No};
use crate::domain::actor::Platform;
use crate::domain::text::cut;

/// The emoji that puts a message on the timeline.
const EMOJI: &str = "pushpin";
/// Characters of a message on a timeline.
const NOTED: usize = 2000;

impl Inbound {
    /// Somebody put an emoji on a message.
    pub(super) async fn reacted(
        &self,
        event: SlackReactionAddedEvent,
        team: Option<String>,
        bot: &str,
    ) -> Result<(), No> {
        let SlackReactionsItem::Message(item) = &event.item else { return Ok(()) };
        let Some(channel) = &item.origin.channel else { return Ok(()) };
        let ours = self.house.settings().channel_at(Platform::Slack, &channel.0).is_some();
        if event.reaction.0 != EMOJI || !ours || event.user.0 == bot {
            return Ok(());
        }
        let Some(written) = self.written(&channel.0, &item.origin.ts.0).await? else { return Ok(()) };
        if written.user.as_deref() == Some(bot) || self.incident(&channel.0, &written.root).await?.is_none() {
            return Ok(()); // people mark messages for reasons of their own
        }
        let who = self.author(team, &event.user.0).await?;
        let noted = async {
            let by = self.person(&who)?;
            self.note(&by, (&channel.0, &item.origin.ts.0), &who.team, &written).await.map(drop)
        };
        self.or_whisper(noted.await, channel, &event.user, Some(&written.root))
    }

    /// Puts a message on the timeline of the incident in whose thread it stands; false where it stands in none.
    pub(super) async fn note(
        &self,
        by: &str,
        (channel, ts): (&str, &str),
        team: &str,
        written: &Written,
    ) -> Result<bool, No> {
        let place = self.place(by, channel)?;
        let Some(root) = self.incident(channel, &written.root).await? else { return Ok(false) };
        let text = self.typed(team, &written.text);
        let author = self.author_of(team, written);
        let text = self.words().say("slack.noted", context! { author, text => cut(&text, NOTED) });
        let key = format!("slack:note:{channel}:{ts}");
        self.house.said(key, by, place.under(&root), format!("/ops note {text}")).await?;
        Ok(true)
    }

    /// The root of an incident's thread, by Slack's id of it.
    async fn incident(&self, channel: &str, root: &str) -> Result<Option<crate::id::MessageId>, No> {
        let settings = self.house.settings();
        let Some(name) = settings.channel_at(Platform::Slack, channel) else { return Ok(None) };
        Ok(self.house.incident_thread(Platform::Slack, name, root).await?)
    }

    /// How the author of a message is called.
    fn author_of(&self, team: &str, written: &Written) -> String {
        let settings = self.house.settings();
        let identity = written.user.as_ref().map(|user| Who::new(team, user.clone()).identity());
        let person = identity.as_ref().and_then(|identity| settings.person_of(Platform::Slack, identity));
        let name = person.map(|person| person.name.clone()).or_else(|| written.username.clone());
        name.or(identity).unwrap_or_else(|| "?".to_owned())
    }
}
