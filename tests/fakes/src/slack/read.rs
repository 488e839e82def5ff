//! Reading what came of it: channels, threads, files, calls.

use super::Slack;
use super::message::Message;
use super::world::{Call, File};

/// A channel as its members see it.
pub struct ChannelRead<'a> {
    slack: &'a Slack,
    id: String,
}

impl ChannelRead<'_> {
    /// What stands in the channel itself, oldest first, with broadcast replies.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let top = |message: &Message| message.thread_ts.is_none() || message.broadcast;
        self.all().into_iter().filter(top).collect()
    }

    /// The replies of a thread, oldest first, without its first message.
    #[must_use]
    pub fn thread(&self, ts: &str) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.thread_ts.as_deref() == Some(ts)).collect()
    }

    /// One message as it is now.
    #[must_use]
    pub fn message(&self, ts: &str) -> Option<Message> {
        self.all().into_iter().find(|message| message.ts == ts)
    }

    /// Everything, with threads, in the order in which it was posted.
    #[must_use]
    pub fn all(&self) -> Vec<Message> {
        self.slack
            .with(|world| world.channels.get(&self.id).map(|channel| channel.messages.clone()).unwrap_or_default())
    }
}

impl Slack {
    /// A channel to read.
    #[must_use]
    pub fn channel(&self, id: &str) -> ChannelRead<'_> {
        ChannelRead { slack: self, id: id.to_owned() }
    }

    /// Files that were shared or uploaded, oldest first.
    #[must_use]
    pub fn files(&self) -> Vec<File> {
        self.with(|world| world.files.clone())
    }

    /// Every call of the Web API, every use of a response_url (`response_url`), every upload (`upload`).
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.with(|world| world.calls.clone())
    }

    /// Calls of one method.
    #[must_use]
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == method).collect()
    }

    /// What the app did that Slack has no answer for. A test of a well-behaved app ends with this being empty.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.with(|world| world.complaints.clone())
    }

    /// Open connections of Socket Mode, oldest first.
    #[must_use]
    pub fn sockets(&self) -> Vec<u64> {
        self.with(|world| world.sockets.ids())
    }
}
