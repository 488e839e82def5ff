//! Each message once and at Slack's pace: posts, files, whispers, edits.

use super::*;

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
