//! What Slack refuses, and when it says nothing.

use super::*;

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
