//! `@sereno …` in a channel or thread, which is a line like any other; and what is written to the bot alone, which is not.

use slack_morphism::prelude::*;

use super::text::addressed;
use super::who::Who;
use super::{Inbound, No, later};

impl Inbound {
    /// Somebody mentioned the bot. `team` is theirs, where it is known.
    pub(super) async fn mentioned(
        &self,
        key: String,
        said: SlackAppMentionEvent,
        team: Option<String>,
        bot: &str,
    ) -> Result<(), No> {
        if said.user.0 == bot {
            return Ok(());
        }
        let thread = said.origin.thread_ts.as_ref().map(|ts| ts.0.as_str());
        let who = self.author(team, &said.user.0).await?;
        let taken = async {
            let by = self.person(&who)?;
            let mut place = self.place(&by, &said.channel.0)?;
            if let Some(root) = thread {
                place = self.thread(&place, root).await?;
            }
            let text = said.content.text.as_deref().unwrap_or_default();
            let line = self.typed(&who.team, addressed(text, bot));
            Ok(self.house.said(key, &by, place, format!("@sereno {line}")).await?)
        };
        self.or_whisper(taken.await, &said.channel, &said.user, thread)
    }

    /// Somebody wrote to the bot alone: nothing runs where nobody sees it, and they are told where it does.
    pub(super) async fn direct(&self, said: &SlackMessageEvent, team: Option<String>) -> Result<(), No> {
        let direct = said.origin.channel_type.as_ref().is_some_and(|kind| kind.0 == "im");
        let (Some(channel), Some(user)) = (&said.origin.channel, &said.sender.user) else { return Ok(()) };
        if !direct || said.subtype.is_some() || said.sender.bot_id.is_some() {
            return Ok(());
        }
        let who = self.author(team, &user.0).await?;
        let told = self.person(&who).and_then(|by| self.place(&by, &channel.0).map(drop));
        self.or_whisper(told, channel, user, None)
    }

    /// An event's author, whose workspace is asked for where the event does not say it.
    pub(super) async fn author(&self, team: Option<String>, user: &str) -> Result<Who, No> {
        let team = match team {
            Some(team) => team,
            None => self.team_of(user).await?,
        };
        Ok(Who::new(team, user))
    }

    /// Events have no answer: what their author is told is a message that they alone see.
    pub(super) fn or_whisper(
        &self,
        taken: Result<(), No>,
        channel: &SlackChannelId,
        user: &SlackUserId,
        thread: Option<&str>,
    ) -> Result<(), No> {
        let Err(No::Told(text)) = taken else { return taken };
        let (this, thread) = (self.clone(), thread.map(str::to_owned));
        let (channel, user) = (channel.0.clone(), user.0.clone());
        later(async move { this.whisper((&channel, &user), thread.as_deref(), &text).await });
        Ok(())
    }
}
