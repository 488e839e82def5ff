//! How Slack is called, against a strict fake of it: each message once, at Slack's pace, whatever goes wrong on the way.

#![cfg(feature = "slack")]
#![allow(clippy::unwrap_used)]

mod people;
mod posting;
mod refusals;

use std::sync::Arc;
use std::time::Duration;

use sereno::chat::card::{Card, Table};
use sereno::chat::{self, Chat, ChatError, Named, Outgoing, SlackApp, Standing};
use sereno::clock::{Clock, Timestamp};
use sereno::domain::actor::{Place, Platform};
use sereno::domain::chart::{Chart, ChartKind};
use sereno::domain::settings::Language;
use sereno::id::MessageId;
use sereno::secret::Secret;
use sereno::words::Words;
use sereno_fakes::slack::{MONDAY, Message, Setup, Slack, Trouble};

const TOKEN: &str = "xoxb-fake-bot";

/// A town with Slack in it, and our app there.
struct Town {
    slack: Slack,
    clock: Clock,
    chat: Arc<dyn Chat>,
}

/// A message of ours in the making.
struct Note {
    id: MessageId,
    card: Card,
    channel: &'static str,
    thread: Option<String>,
    to: Option<&'static str>,
    again: bool,
}

fn note(title: &str) -> Note {
    let card = Card { title: title.to_owned(), ..Card::default() };
    Note { id: MessageId::new(), card, channel: "C1", thread: None, to: None, again: false }
}

/// A message whose output has no room in it.
fn long(title: &str) -> Note {
    let mut note = note(title);
    note.card.output = Some("a line of the log\n".repeat(10_000));
    note
}

impl Note {
    fn again(&self) -> Self {
        let (id, card, thread) = (self.id.clone(), self.card.clone(), self.thread.clone());
        Self { id, card, thread, again: true, ..*self }
    }
}

impl Town {
    async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    async fn with(setup: Setup) -> Self {
        let slack = Slack::start(setup).await.unwrap();
        let clock = Clock::manual(Timestamp(MONDAY));
        let app = SlackApp {
            socket: true,
            bot_token: Secret::new(TOKEN),
            app_token: Some(Secret::new("xapp-fake-app")),
            signing_secret: None,
            api_url: slack.api_url().trim_end_matches('/').to_owned(),
            proxy: None,
            clock: clock.clone(),
        };
        Self { slack, clock, chat: chat::slack(app).unwrap() }
    }

    /// Town with all scopes but this one.
    async fn without(scope: &str) -> Self {
        let setup = Setup::default().with(|world| {
            assert!(world.app.scopes.remove(scope), "{scope} is no scope of the fake's");
        });
        Self::with(setup).await
    }

    async fn post(&self, note: &Note) -> Result<String, ChatError> {
        self.chat.post(outgoing(note, &place(note))).await
    }

    async fn edit(&self, external: &str, note: &Note) -> Result<(), ChatError> {
        self.chat.edit(external, outgoing(note, &place(note))).await
    }

    fn forward(&self, seconds: u64) {
        self.clock.forward(Duration::from_secs(seconds));
        self.slack.clock().advance(Duration::from_secs(seconds));
    }

    fn messages(&self) -> Vec<Message> {
        self.slack.channel("C1").all()
    }

    /// Files that people can see.
    fn shared(&self) -> usize {
        self.messages().iter().map(|message| message.files.len()).sum()
    }
}

fn place(note: &Note) -> Place {
    Place::channel(Platform::Slack, note.channel)
}

fn outgoing<'a>(note: &'a Note, place: &'a Place) -> Outgoing<'a> {
    Outgoing {
        id: &note.id,
        place,
        channel: note.channel,
        thread: note.thread.as_deref(),
        whisper_to: note.to,
        mentions: &[],
        card: &note.card,
        link: Some("https://sereno.example/runs/1"),
        words: Words(Language::En),
        again: note.again,
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ChatError>) -> String {
    match answer {
        Err(ChatError::Refused(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, ChatError>) -> String {
    match answer {
        Err(ChatError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}
