//! Who somebody is and where they speak: by workspace and user id together, and by channel id. Who is not listed reaches
//! nothing, and is told under which name they would be.

use minijinja::context;

use super::text::Names;
use super::{Inbound, No};
use crate::domain::actor::{PersonId, Place, Platform};
use crate::domain::settings::Settings;

/// Somebody as Slack knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// Their own workspace, which is not always ours.
    pub team: String,
    /// Their id in it.
    pub user: String,
}

impl Who {
    pub fn new(team: impl Into<String>, user: impl Into<String>) -> Self {
        Self { team: team.into(), user: user.into() }
    }

    /// As the configuration lists them.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.team, self.user)
    }
}

impl Inbound {
    /// The person; strangers are told who they are here, and guests that this is no way in for them.
    pub(super) fn person(&self, who: &Who) -> Result<PersonId, No> {
        let settings = self.house.settings();
        let identity = who.identity();
        let Some(person) = settings.person_of(Platform::Slack, &identity) else {
            return Err(No::Told(self.words().say("slack.who_are_you", context! { identity })));
        };
        if settings.knows(&person.id) && !settings.knows_on(&person.id, Platform::Slack) {
            return Err(No::Told(self.words().say("slack.not_ours", context! { identity })));
        }
        Ok(person.id.clone())
    }

    /// The channel as a place; who speaks elsewhere is told where they can.
    pub(super) fn place(&self, by: &str, channel: &str) -> Result<Place, No> {
        let settings = self.house.settings();
        if let Some(name) = settings.channel_at(Platform::Slack, channel) {
            return Ok(Place::channel(Platform::Slack, name));
        }
        let words = self.words();
        if !channel.starts_with('D') {
            return Err(No::Told(words.say("slack.unknown_channel", context! { channel })));
        }
        let here: Vec<String> = self.channels(by).iter().map(|(_, id)| format!("<#{id}>")).collect();
        let key = if here.is_empty() { "slack.direct_nowhere" } else { "slack.direct" };
        Err(No::Told(words.say(key, context! { channels => here.join(", ") })))
    }

    /// The thread under this message, as a place.
    pub(super) async fn thread(&self, place: &Place, ts: &str) -> Result<Place, No> {
        let root = self.house.root(Platform::Slack, &place.channel, ts).await?;
        Ok(place.under(&root))
    }

    /// The channels in which this person may run something: their names, and their ids on Slack.
    pub(super) fn channels(&self, by: &str) -> Vec<(String, String)> {
        let settings = self.house.settings();
        let on_slack = |name: &String| settings.address(Platform::Slack, name).map(|id| (name.clone(), id.to_owned()));
        let found = settings.channels.keys().filter_map(on_slack);
        found.filter(|(name, _)| !self.house.runbooks(by, name).is_empty()).collect()
    }
}

/// The names that people of this workspace and its channels have with us.
pub(super) struct Listed<'a> {
    pub settings: &'a Settings,
    pub team: &'a str,
}

impl Names for Listed<'_> {
    fn person(&self, id: &str) -> Option<String> {
        self.settings.person_of(Platform::Slack, &format!("{}/{id}", self.team)).map(|person| person.id.clone())
    }

    fn channel(&self, id: &str) -> Option<String> {
        self.settings.channel_at(Platform::Slack, id).map(str::to_owned)
    }
}
