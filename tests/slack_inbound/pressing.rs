//! Buttons: who may, where, and how often a click counts.

use std::time::Duration;

use serde_json::json;
use sereno_fakes::slack::{Door, Message, Slack};

use crate::town::{Town, town, towns};

/// Ana asks for a change in prod, which somebody else must approve.
async fn asked(town: &Town) -> Message {
    town.ana().slash("C1", "/ops drain node-3 prod").await;
    let find = |slack: &Slack| {
        slack.channel("C1").all().into_iter().find(|message| message.buttons().iter().any(|(id, _)| id == "approve"))
    };
    let card = town.comes("a message with a button", find).await;
    town.is_known(&card).await;
    card
}

#[tokio::test]
async fn an_approval_by_button_starts_what_was_asked_for() {
    town(async |town| {
        let card = asked(town).await;
        assert!(town.ben().click(&card, "approve").await.acked);
        town.says("C1", &["drain", "done"]).await;
        assert_eq!(town.requests().await, 2);
    })
    .await;
}

#[tokio::test]
async fn the_requester_and_strangers_are_told_alone() {
    town(async |town| {
        let card = asked(town).await;
        let (ana, cleo) = (town.ana(), town.slack.person("U3"));
        ana.click(&card, "approve").await;
        town.comes("a whisper", |_| ana.ephemerals().pop()).await;
        cleo.click(&card, "approve").await;
        town.whispers(&cleo, &["T1/U3"]).await;
        assert_eq!(town.requests().await, 2, "a stranger's click is no request");
        assert!(town.slack.channel("C1").message(&card.ts).unwrap().buttons().iter().any(|(id, _)| id == "approve"));
    })
    .await;
}

#[tokio::test]
async fn a_button_works_only_where_it_was_posted() {
    town(async |town| {
        let card = asked(town).await;
        let value =
            card.elements().into_iter().find(|(_, button)| button["action_id"] == "approve").unwrap().1["value"]
                .clone();
        for (channel, ts, value) in [
            ("C2", card.ts.as_str(), value.clone()),
            ("C5", card.ts.as_str(), value.clone()),
            ("C1", "1700000000.000100", value.clone()),
            ("C1", card.ts.as_str(), json!("01JZZZZZZZZZZZZZZZZZZZZZZZ")),
            ("C1", card.ts.as_str(), json!("")),
        ] {
            let payload = json!({
                "type": "block_actions", "team": {"id": "T1"}, "user": {"id": "U2", "team_id": "T1"},
                "api_app_id": "A1", "trigger_id": format!("forged.{channel}.{ts}.{value}"),
                "container": {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false},
                "channel": {"id": channel}, "actions": [{"type": "button", "action_id": "approve", "value": value}],
            });
            assert!(town.slack.forge(Door::Interaction, &payload).await[0].acked);
        }
        assert_eq!(town.requests().await, 1, "only what Ana asked for");
    })
    .await;
}

#[tokio::test]
async fn one_click_that_reaches_two_replicas_counts_once() {
    towns(2, async |town| {
        let card = asked(town).await;
        let before = town.requests().await;
        town.slack.with(|world| world.twice = 1);
        let heard = town.ben().click(&card, "approve").await;
        assert!(heard.sent.len() == 2 && heard.sent.iter().all(|sent| sent.acked), "{heard:?}");
        assert_eq!(town.requests().await, before + 1);
        town.says("C1", &["drain", "done"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_command_and_a_mention_that_come_twice_are_one_each() {
    towns(2, async |town| {
        town.slack.with(|world| world.twice = 2);
        let heard = town.ana().slash("C1", "/ops health prod").await;
        assert!(heard.sent.iter().all(|sent| sent.acked), "{heard:?}");
        let heard = town.ana().mention("C2", "ping").await;
        assert!(heard.sent.iter().all(|sent| sent.acked), "{heard:?}");
        assert_eq!(town.requests().await, 2);
    })
    .await;
}

#[tokio::test]
async fn what_was_not_stored_is_not_acknowledged_and_comes_again() {
    town(async |town| {
        town.database.tamper("ALTER TABLE inbox RENAME TO inbox_away").await;
        let ana = town.ana();
        let said = tokio::spawn(async move { ana.mention("C1", "ping").await });
        // By Socket Mode silence is the answer; Slack's patience ends by its clock, and it tries again at once.
        for _ in 0..20 {
            town.slack.clock().advance(Duration::from_millis(500));
            tokio::time::sleep(Duration::from_millis(50)).await; // a real store is asked beside us
        }
        let heard = said.await.unwrap();
        assert!(!heard.acked, "{heard:?}");
        town.database.tamper("ALTER TABLE inbox_away RENAME TO inbox").await;
        town.waits(Duration::from_secs(61));
        town.says("C1", &["shop/ping", "done"]).await;
        town.waits(Duration::from_secs(301));
        assert_eq!(town.requests().await, 1);
    })
    .await;
}
