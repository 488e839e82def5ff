//! What `doctor` is told of the Slack app: whether it is reached, what its tokens may do, and whether the channels and
//! people of the configuration are there.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use minijinja::context;
use serde::Deserialize;

use super::super::Named;
use super::fault::Fault;
use super::own::Own;
use super::people::{self, Account};
use super::{Slack, scopes};
use crate::words::Words;

/// One who asks does not wait long; this is waited for twice at most.
const PATIENCE: Duration = Duration::from_secs(4);
/// Questions asked of Slack at once.
const SIDE_BY_SIDE: usize = 4;
/// With it, the bot need not be in a public channel.
const PUBLIC: &str = "chat:write.public";

#[derive(Deserialize)]
struct Answer {
    channel: Channel,
}

/// Of a channel, whether we can speak there.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Channel {
    is_archived: bool,
    is_member: bool,
    is_private: bool,
}

/// What came of a question: a line where something is wrong, or why Slack did not answer it.
type Looked = Result<Option<String>, Fault>;

impl Slack {
    pub(super) async fn look_for_troubles(&self, named: &Named, words: Words) -> Vec<String> {
        let late = |_| Err(Fault::Unavailable(words.get("slack.no_answer")));
        let own = match tokio::time::timeout(PATIENCE, self.api.look_up()).await.unwrap_or_else(late) {
            Ok(own) => own,
            Err(fault) => return vec![fault.told(words)],
        };
        let mut troubles = scopes::missing(&own.scopes, words);
        // Boxed one by one: the compiler cannot tell that a closure that makes them may go to another thread.
        let (mut channels, mut people, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for (name, id) in &named.channels {
            channels.push(self.channel_trouble(name, id, &own, words).boxed());
        }
        for (name, identity) in &named.people {
            people.push(self.person_trouble(name, identity, &own, words).boxed());
        }
        for group in &named.groups {
            groups.push(self.group_trouble(group, words).boxed());
        }
        let (socket, channels, people, groups) =
            tokio::join!(self.socket_trouble(words), answers(channels), answers(people), answers(groups));
        troubles.extend(socket);
        for (key, asked, found) in [
            ("slack.unseen_channels", named.channels.len(), channels),
            ("slack.unseen_people", named.people.len(), people),
            ("slack.unseen_groups", named.groups.len(), groups),
        ] {
            let unseen = asked - found.iter().filter(|looked| looked.is_ok()).count();
            let why = found.iter().find_map(|looked| looked.as_ref().err()).map(|fault| fault.told(words));
            troubles.extend(found.into_iter().filter_map(|looked| looked.ok().flatten()));
            if unseen > 0 {
                let why = why.unwrap_or_else(|| words.get("slack.no_answer"));
                troubles.push(words.say(key, context! { count => unseen, why }));
            }
        }
        troubles
    }

    async fn socket_trouble(&self, words: Words) -> Option<String> {
        if !self.socket {
            return None;
        }
        let opened = tokio::time::timeout(PATIENCE, self.api.connect()).await;
        let fault = opened.unwrap_or_else(|_| Err(Fault::Unavailable(words.get("slack.no_answer")))).err()?;
        Some(words.say("slack.no_socket", context! { why => fault.told(words) }))
    }

    /// Whether we can speak in a channel. That a scope is missing for looking was told with the scopes.
    async fn channel_trouble(&self, name: &str, id: &str, own: &Own, words: Words) -> Looked {
        let tell = |key: &str| Ok(Some(words.say(&format!("slack.channel_{key}"), context! { name, id })));
        let channel = match self.api.get::<Answer>("conversations.info", &[("channel", id)]).await {
            Ok(answer) => answer.channel,
            Err(fault) if fault.is(&["channel_not_found", "invalid_channel"]) => return tell("unknown"),
            Err(fault) if fault.is(&["missing_scope"]) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        match channel {
            Channel { is_archived: true, .. } => tell("archived"),
            Channel { is_member: true, .. } => Ok(None),
            Channel { is_private: true, .. } => tell("private"),
            _ if own.scopes.contains(PUBLIC) => Ok(None),
            _ => tell("public"),
        }
    }

    /// Whether somebody has an account of ours that is open.
    async fn person_trouble(&self, name: &str, identity: &str, own: &Own, words: Words) -> Looked {
        let Some(user) = own.user_of(identity) else {
            let why = words.say("slack.other_team", context! { identity, team => &own.team });
            return Ok(Some(words.say("slack.person_foreign", context! { name, why })));
        };
        let tell = |key: &str| Ok(Some(words.say(&format!("slack.person_{key}"), context! { name, identity })));
        match self.people.account(&self.api, &own.team, user).await {
            Ok(Account::Open) => Ok(None),
            Ok(Account::Closed) => tell("closed"),
            Ok(Account::Stranger) => tell("stranger"),
            Err(fault) if fault.is(&["missing_scope"]) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether a user group is there and in use.
    async fn group_trouble(&self, group: &str, words: Words) -> Looked {
        let tell = |key: &str| Ok(Some(words.say(&format!("slack.group_{key}"), context! { group })));
        match people::list(&self.api, group).await {
            Ok(_) => Ok(None),
            Err(fault) if fault.is(&["subteam_disabled"]) => tell("disabled"),
            Err(fault) if fault.is(people::NO_GROUP) => tell("unknown"),
            Err(fault) if fault.is(&["missing_scope"]) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// What comes of these questions while one who asks is patient.
async fn answers(questions: Vec<BoxFuture<'_, Looked>>) -> Vec<Looked> {
    let mut found = Vec::new();
    let mut asking = stream::iter(questions).buffered(SIDE_BY_SIDE);
    let all = async {
        while let Some(looked) = asking.next().await {
            found.push(looked);
        }
    };
    let _ = tokio::time::timeout(PATIENCE, all).await;
    found
}
