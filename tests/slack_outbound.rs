//! How Slack is called, against a strict fake of it: each message once, at Slack's pace, whatever goes wrong on the way.

#![cfg(feature = "slack")]
#![allow(clippy::unwrap_used)]

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

#[tokio::test]
async fn a_channel_takes_a_post_a_second_and_others_do_not_wait_for_it() {
    let town = Town::new().await;
    let (first, second) = (note("first"), note("second"));
    let root = town.post(&first).await.unwrap();
    assert_eq!(town.post(&second).await, Err(ChatError::Later(Duration::from_secs(1))));
    let elsewhere = Note { channel: "C2", ..note("elsewhere") };
    town.post(&elsewhere).await.unwrap();
    town.forward(1);
    town.post(&Note { thread: Some(root.clone()), ..second }).await.unwrap();
    let said: Vec<_> = town.messages().into_iter().map(|message| (message.words(), message.thread_ts)).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].0.contains("first") && said[0].1.is_none(), "{said:?}");
    assert!(said[1].0.contains("second") && said[1].1.as_ref() == Some(&root), "{said:?}");
    let call = &town.slack.calls_of("chat.postMessage")[0].args;
    assert_eq!(call["metadata"]["event_payload"]["id"], first.id.as_str());
    assert_eq!(
        (&call["unfurl_links"], &call["unfurl_media"], &call["link_names"]),
        (&false.into(), &false.into(), &false.into())
    );
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_and_not_posted_again() {
    let town = Town::new().await;
    let root = town.post(&note("root")).await.unwrap();
    for thread in [None, Some(root)] {
        town.forward(60);
        let before = town.messages().len();
        town.slack.trouble("chat.postMessage", 1, Trouble::Lost);
        let mut lost = Note { thread, ..note("rollback started") };
        unavailable(town.post(&lost).await);
        town.forward(600);
        "rollback done".clone_into(&mut lost.card.title);
        let ts = town.post(&lost.again()).await.unwrap();
        assert_eq!(town.messages().len(), before + 1);
        let last = town.messages().pop().unwrap();
        assert!(last.ts == ts && last.words().contains("rollback done"), "{last:?}");
    }
}

#[tokio::test]
async fn a_post_that_did_not_come_through_is_posted_by_the_next_try() {
    let town = Town::new().await;
    for trouble in [Trouble::Status(500), Trouble::Cut, Trouble::Error("internal_error")] {
        town.forward(2);
        let before = town.messages().len();
        let note = note("rollback started");
        town.slack.trouble("chat.postMessage", 1, trouble);
        unavailable(town.post(&note).await);
        assert_eq!(town.messages().len(), before);
        town.forward(2);
        town.post(&note.again()).await.unwrap();
        assert_eq!(town.messages().len(), before + 1);
    }
}

#[tokio::test]
async fn among_many_messages_ours_is_found() {
    let town = Town::new().await;
    town.slack.trouble("chat.postMessage", 1, Trouble::Lost);
    let lost = note("rollback started");
    unavailable(town.post(&lost).await);
    for n in 0..450 {
        town.slack.person("U1").say("C1", &format!("line {n}")).await;
    }
    town.forward(2);
    town.post(&lost.again()).await.unwrap();
    assert_eq!(town.slack.calls_of("chat.postMessage").len(), 1);
}

#[tokio::test]
async fn where_the_channel_may_not_be_read_a_message_is_rather_posted_twice_than_never() {
    let town = Town::without("channels:history").await;
    town.post(&note("rollback started").again()).await.unwrap();
    assert_eq!(town.messages().len(), 1);
}

#[tokio::test]
async fn while_nobody_can_tell_whether_it_was_posted_the_try_counts_as_failed() {
    let town = Town::new().await;
    for trouble in [Trouble::RateLimited(5), Trouble::Status(503)] {
        town.slack.trouble("conversations.history", 1, trouble);
        // Not `RateLimited`, after which the next try would not look first.
        unavailable(town.post(&note("x").again()).await);
        town.forward(5);
    }
    assert!(town.messages().is_empty());
}

#[tokio::test]
async fn slack_says_how_long_to_wait() {
    let town = Town::new().await;
    town.slack.trouble("chat.postMessage", 1, Trouble::RateLimited(30));
    assert_eq!(town.post(&note("x")).await, Err(ChatError::RateLimited(Duration::from_secs(30))));
    assert!(town.messages().is_empty());
}

#[tokio::test]
async fn long_output_is_a_file_in_the_thread() {
    let town = Town::new().await;
    let long = long("logs");
    let ts = town.post(&long).await.unwrap();
    let files = town.slack.files();
    assert_eq!(files.len(), 1);
    let file = String::from_utf8(files[0].bytes.clone().unwrap()).unwrap();
    assert!(file.contains(long.card.output.as_ref().unwrap()));
    assert_eq!(files[0].thread_ts.as_ref(), Some(&ts));
    assert!(files[0].title.contains(long.id.as_str()));
}

#[tokio::test]
async fn a_file_that_broke_off_is_shared_once_and_its_message_posted_once() {
    let steps = ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"];
    let troubles = [Trouble::Status(503), Trouble::Lost, Trouble::Cut, Trouble::RateLimited(5)];
    for (step, trouble) in steps.iter().flat_map(|step| troubles.map(|trouble| (*step, trouble))) {
        let town = Town::new().await;
        let long = long("logs");
        town.slack.trouble(step, 1, trouble);
        // Not `RateLimited`, after which the next try would not look first.
        unavailable(town.post(&long).await);
        let ts = town.messages()[0].ts.clone();
        town.forward(10);
        assert_eq!(town.post(&long.again()).await, Ok(ts), "{step} {trouble:?}");
        assert_eq!((town.messages().len(), town.shared()), (2, 1), "{step} {trouble:?}");
    }
}

#[tokio::test]
async fn a_file_that_slack_refuses_is_named_in_the_thread_once() {
    let town = Town::without("files:write").await;
    let long = long("logs");
    let ts = town.post(&long).await.unwrap();
    town.forward(2);
    assert_eq!(town.post(&long.again()).await.as_ref(), Ok(&ts));
    let thread = town.slack.channel("C1").thread(&ts);
    assert_eq!(thread.len(), 1);
    assert!(thread[0].text.contains("files:write") && thread[0].text.contains("/runs/1"), "{}", thread[0].text);
}

#[tokio::test]
async fn a_long_message_that_changes_has_a_file_a_minute_and_one_of_its_last_state() {
    let town = Town::new().await;
    let mut long = long("running");
    let ts = town.post(&long).await.unwrap();
    town.edit(&ts, &long).await.unwrap();
    assert_eq!(town.shared(), 1, "nothing has changed");
    let mut waits = Vec::new();
    for step in 0..10 {
        town.forward(2);
        long.card.title = format!("step {step}");
        waits.extend(town.edit(&ts, &long).await.err());
    }
    assert_eq!(town.shared(), 2);
    assert_eq!(town.slack.channel("C1").message(&ts).unwrap().edits.len(), 11);
    assert!(waits.contains(&ChatError::Later(Duration::from_secs(42))), "{waits:?}");
    town.forward(42);
    town.edit(&ts, &long).await.unwrap();
    assert_eq!(town.shared(), 3);
    let last = town.slack.files().pop().unwrap().bytes.unwrap();
    assert!(String::from_utf8(last).unwrap().contains("step 9"));
}

#[tokio::test]
async fn a_whisper_is_for_one_person_and_cannot_be_edited() {
    let town = Town::new().await;
    let whisper = Note { to: Some("T1/U1"), ..note("you may not") };
    let external = town.post(&whisper).await.unwrap();
    assert!(town.messages().is_empty());
    assert_eq!(town.slack.with(|world| world.ephemerals["U1"].len()), 1);
    town.edit(&external, &whisper).await.unwrap();
    assert!(town.slack.calls_of("chat.update").is_empty());
}

#[tokio::test]
async fn a_long_whisper_is_no_file_that_others_could_open() {
    let town = Town::new().await;
    let whisper = Note { to: Some("T1/U1"), ..long("your log") };
    town.post(&whisper).await.unwrap();
    assert!(town.messages().is_empty() && town.slack.files().is_empty());
}

#[tokio::test]
async fn nobody_of_another_workspace_is_whispered_to() {
    let town = Town::new().await;
    let why = refused(town.post(&Note { to: Some("T2/U1"), ..note("secret") }).await);
    assert!(why.contains("T2/U1"), "{why}");
    assert!(town.slack.calls_of("chat.postEphemeral").is_empty());
}

#[tokio::test]
async fn a_message_is_edited_at_most_once_in_two_seconds_and_posts_do_not_wait_for_that() {
    let town = Town::new().await;
    let ts = town.post(&note("started")).await.unwrap();
    town.forward(1);
    town.edit(&ts, &note("step 1")).await.unwrap();
    assert_eq!(town.edit(&ts, &note("step 2")).await, Err(ChatError::Later(Duration::from_secs(2))));
    town.post(&note("another")).await.unwrap();
    town.forward(2);
    town.edit(&ts, &note("step 3")).await.unwrap();
    let message = town.slack.channel("C1").message(&ts).unwrap();
    assert!(message.words().contains("step 3"), "{message:?}");
    assert_eq!(message.edits.len(), 2);
}

#[tokio::test]
async fn slack_is_left_alone_with_edits_when_it_asks_for_it_and_posts_go_on() {
    let town = Town::new().await;
    let ts = town.post(&note("started")).await.unwrap();
    town.forward(2);
    town.slack.trouble("chat.update", 1, Trouble::RateLimited(20));
    assert_eq!(town.edit(&ts, &note("step 1")).await, Err(ChatError::Later(Duration::from_secs(20))));
    let other = town.post(&note("other")).await.unwrap();
    town.forward(5);
    assert_eq!(town.edit(&other, &note("step 1")).await, Err(ChatError::Later(Duration::from_secs(15))));
    assert_eq!(town.slack.calls_of("chat.update").len(), 1);
    town.forward(15);
    town.edit(&ts, &note("step 2")).await.unwrap();
}

#[tokio::test]
async fn what_slack_refuses_is_told_with_what_to_do() {
    let town = Town::new().await;
    for (channel, todo) in [("C404", "channels"), ("C4", "invite")] {
        let why = refused(town.post(&Note { channel, ..note("x") }).await);
        assert!(why.contains(todo), "{why}");
    }
    town.slack.with(|world| world.channels.get_mut("C2").unwrap().archived = true);
    assert!(refused(town.post(&Note { channel: "C2", ..note("x") }).await).contains("archived"));
    assert!(refused(town.edit("1.000001", &note("x")).await).contains("console"));
    town.slack.trouble("chat.postMessage", 1, Trouble::Error("invalid_blocks"));
    assert!(refused(town.post(&note("x")).await).contains("shape"));
}

/// A message with what not every Slack can show.
fn numbers(title: &str) -> Note {
    let mut note = note(title);
    let chart = Chart::new("Errors", ChartKind::Line, vec!["09:00".into(), "10:00".into()]);
    note.card.chart = Some(chart.unit("%").series("api", [Some(4.2), Some(0.3)]));
    note.card.table = Some(Table { columns: vec!["pod".into()], rows: vec![vec!["api-7".into()]] });
    note
}

/// The kinds of its blocks, but for the small print.
fn kinds(message: &Message) -> Vec<&str> {
    message.blocks.iter().filter_map(|block| block["type"].as_str()).filter(|kind| *kind != "context").collect()
}

#[tokio::test]
async fn where_slack_refuses_a_table_or_a_chart_it_gets_them_as_lists() {
    let town = Town::new().await;
    let ts = town.post(&numbers("shown")).await.unwrap();
    let message = town.slack.channel("C1").message(&ts).unwrap();
    assert_eq!(kinds(&message), ["header", "data_visualization", "table"]);
    assert!(message.text.contains("Errors | api (%)\n09:00 | 4.2\n10:00 | 0.3"), "{}", message.text);

    let plain = ["header", "rich_text", "rich_text"];
    town.slack.trouble("chat.update", 1, Trouble::Error("invalid_blocks"));
    town.edit(&ts, &numbers("edited")).await.unwrap();
    assert_eq!(kinds(&town.slack.channel("C1").message(&ts).unwrap()), plain);
    town.slack.trouble("chat.postMessage", 1, Trouble::Error("invalid_blocks"));
    town.forward(2);
    let ts = town.post(&numbers("posted")).await.unwrap();
    let message = town.slack.channel("C1").message(&ts).unwrap();
    assert_eq!(kinds(&message), plain);
    for part in ["Errors\n · api (%)", "09:00\n · 4.2", "10:00\n · 0.3", "api-7"] {
        assert!(message.words().contains(part), "{part} in {}", message.words());
    }
    let ana = town.slack.person("U1");
    town.slack.trouble("chat.postEphemeral", 1, Trouble::Error("invalid_blocks"));
    town.post(&Note { to: Some("T1/U1"), ..numbers("whispered") }).await.unwrap();
    assert_eq!(kinds(&ana.ephemerals().pop().unwrap()), plain);

    // Once more and no more: then it is for people to know.
    town.slack.trouble("chat.postMessage", 2, Trouble::Error("invalid_blocks"));
    town.forward(2);
    assert!(refused(town.post(&numbers("never")).await).contains("shape"));
}

#[tokio::test]
async fn slack_that_does_not_answer_is_given_up_on_in_time() {
    let town = Town::new().await;
    town.slack.trouble("chat.postMessage", 1, Trouble::Hang);
    let waiting = async {
        let asked = |slack: &Slack| (!slack.calls_of("chat.postMessage").is_empty()).then_some(());
        town.slack.wait_for("the call", asked).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
    };
    let note = note("x");
    let (answer, ()) = tokio::join!(town.post(&note), waiting);
    assert!(unavailable(answer).contains("chat.postMessage: no answer"));
}

#[tokio::test]
async fn a_token_that_was_taken_back_loses_no_message_and_is_shown_to_nobody() {
    let town = Town::new().await;
    town.slack.with(|world| world.app.revoked.insert(TOKEN.to_owned()));
    let note = note("x");
    let why = unavailable(town.post(&note).await);
    let troubles = town.chat.troubles(&Named::default(), Words(Language::Es)).await.join("\n");
    assert!(why.contains("bot token") && why.contains("SERENO_SLACK__BOT_TOKEN"), "{why}");
    assert!(why.contains("token_revoked") && troubles.contains("vuelve a instalar"), "{why} {troubles}");
    assert!(!why.contains(TOKEN) && !troubles.contains(TOKEN));
    town.slack.with(|world| world.app.revoked.clear());
    town.forward(2);
    town.post(&note.again()).await.unwrap();
    assert!(town.chat.troubles(&Named::default(), Words(Language::Es)).await.is_empty());
}

#[tokio::test]
async fn doctor_hears_what_the_tokens_lack() {
    let town = Town::without("files:write").await;
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles[0].contains("files:write"));
    town.slack.with(|world| world.app.revoked.insert("xapp-fake-app".to_owned()));
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert!(troubles[1].contains("Socket Mode") && troubles[1].contains("SERENO_SLACK__APP_TOKEN"), "{troubles:?}");
    assert!(!troubles[1].contains("xapp-fake-app"), "{troubles:?}");
    town.slack.outage(true);
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("cannot be reached"), "{troubles:?}");
}

fn named(channels: &[(&str, &str)], people: &[(&str, &str)]) -> Named {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, id)| (name.to_owned(), id.to_owned())).collect();
    Named { channels: owned(channels), people: owned(people) }
}

#[tokio::test]
async fn doctor_hears_which_channels_and_people_of_the_configuration_are_not_there() {
    let town = Town::with(Setup::default().with(|world| {
        world.channels.get_mut("C2").unwrap().archived = true;
        world.channel("C6", "hidden", &["U1", "UBOT"]).private = true;
        world.deactivate("U3");
    }))
    .await;
    let named = named(
        &[
            ("#infra", "C1"),
            ("#old", "C2"),
            ("#typo", "C404"),
            ("#secret", "C4"),
            ("#general", "C5"),
            ("#hidden", "C6"),
        ],
        &[("ana", "T1/U1"), ("cleo", "T1/U3"), ("gus", "T1/U8"), ("sam", "T2/U9"), ("slip", "T1/U404")],
    );
    for language in [Language::En, Language::Es] {
        town.forward(60);
        let troubles = town.chat.troubles(&named, Words(language)).await;
        let about: Vec<&str> = troubles.iter().map(|line| line.split([' ', ':']).next().unwrap()).collect();
        assert_eq!(about, ["#old", "#typo", "#secret", "cleo", "gus", "sam", "slip"], "{troubles:#?}");
    }
    let troubles = town.chat.troubles(&named, Words(Language::En)).await;
    let says = |at: usize, words: &[&str]| words.iter().all(|word| troubles[at].contains(word));
    assert!(says(0, &["C2", "archived"]) && says(1, &["C404", "correct its id"]) && says(2, &["C4", "invite"]));
    assert!(says(3, &["closed", "anywhere"]) && says(4, &["guest"]) && says(5, &["T2/U9", "T1"]) && says(6, &["U404"]));
}

#[tokio::test]
async fn without_the_scope_for_public_channels_doctor_asks_for_an_invitation() {
    let town = Town::without("chat:write.public").await;
    let troubles = town.chat.troubles(&named(&[("#infra", "C1"), ("#general", "C5")], &[]), Words(Language::En)).await;
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles[1].contains("#general") && troubles[1].contains("chat:write.public"), "{troubles:?}");
}

#[tokio::test]
async fn doctor_says_once_what_it_may_not_or_could_not_look_at() {
    let town = Town::without("channels:read").await;
    let troubles = town.chat.troubles(&named(&[("#typo", "C404")], &[]), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("channels:read"), "{troubles:?}");
    let town = Town::new().await;
    town.slack.trouble("conversations.info", 1, Trouble::RateLimited(30));
    let troubles = town.chat.troubles(&named(&[("#infra", "C1")], &[]), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("could not be looked at"), "{troubles:?}");
}

#[tokio::test]
async fn rights_come_from_accounts_of_ours_that_are_open_and_from_their_groups() {
    let town = Town::new().await;
    let groups = ["S1".to_owned(), "S2".to_owned(), "S404".to_owned()];
    let stands = async |identity: &str| town.chat.standing(identity, &groups).await.unwrap().unwrap();
    assert_eq!(stands("T1/U1").await, Standing { groups: vec!["S1".to_owned()], ..Standing::default() });
    assert_eq!(stands("T1/U2").await, Standing { groups: vec!["S2".to_owned()], ..Standing::default() });
    let stranger = Standing { stranger: true, ..Standing::default() };
    // A guest, somebody of another workspace by either id, a slip of the pen, nobody.
    for identity in ["T1/U8", "T2/U9", "T1/U9", "T2/U1", "T1/U404", "U1"] {
        assert_eq!(stands(identity).await, stranger, "{identity}");
    }
    town.slack.with(|world| {
        world.deactivate("U1");
        world.leave_group("S2", "U2");
    });
    town.forward(3);
    assert_eq!(stands("T1/U1").await, Standing { gone: true, ..Standing::default() });
    assert_eq!(stands("T1/U2").await, Standing::default());
    unavailable({
        town.forward(3);
        town.slack.outage(true);
        town.chat.standing("T1/U2", &groups).await
    });
}

#[tokio::test]
async fn standing_is_asked_for_no_more_often_than_slack_bears() {
    let town = Town::new().await;
    let groups = ["S1".to_owned()];
    for _ in 0..600 {
        town.chat.standing("T1/U1", &groups).await.unwrap();
        town.clock.forward(Duration::from_millis(100));
        town.slack.clock().advance(Duration::from_millis(100));
    }
    assert!(town.slack.calls().iter().all(|call| call.status == 200));
    assert_eq!(town.slack.calls_of("usergroups.users.list").len(), 20);
}

#[tokio::test]
async fn the_on_call_group_is_written_only_when_it_differs() {
    let town = Town::new().await;
    let set = async |members: &[&str]| {
        let members: Vec<String> = members.iter().map(|&id| id.to_owned()).collect();
        town.chat.set_group("S1", &members).await
    };
    set(&["T1/U1"]).await.unwrap();
    assert!(town.slack.calls_of("usergroups.users.update").is_empty());
    set(&["T1/U2", "T1/U3"]).await.unwrap();
    assert_eq!(town.slack.with(|world| world.groups["S1"].users.clone()), ["U2", "U3"]);
    refused(set(&["T2/U9"]).await);
    assert_eq!(town.slack.calls_of("usergroups.users.update").len(), 1);
}
