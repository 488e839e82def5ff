//! Commands, mentions, forms, shortcuts, reactions, the own page; and who may not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::town::{blocks, town, words};

#[tokio::test]
async fn a_command_runs_and_its_acknowledgement_says_nothing() {
    town(async |town| {
        let heard = town.ana().slash("C1", "/ops health prod").await;
        assert!(heard.acked && heard.body.is_null(), "{heard:?}");
        town.says("C1", &["shop/health prod", "done"]).await;
        assert_eq!(town.requests().await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_asked_for_in_a_form() {
    town(async |town| {
        let ana = town.ana();
        assert!(ana.slash("C1", "/ops drain prod").await.acked);
        let form = town.form(&ana).await;
        assert!(blocks(&form).contains(&"in:node".to_owned()), "{:?}", blocks(&form));
        assert_eq!(town.requests().await, 0, "a form that is open asks for nothing yet");

        let heard = ana.submit(&form, &[("node", "the old one")]).await;
        assert_eq!(heard.errors()[0].0, "in:node", "{heard:?}");
        assert_eq!(town.requests().await, 0);

        let heard = ana.submit(&form, &[("node", "node-7")]).await;
        assert_eq!((heard.acked, &heard.problem), (true, &None));
        assert!(ana.views().is_empty(), "the form is closed");
        town.says("C1", &["drain", "node-7", "prod"]).await;
        assert_eq!(town.requests().await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_cannot_be_opened_becomes_a_button() {
    town(async |town| {
        town.slack.trouble("views.open", 1, sereno_fakes::slack::Trouble::Error("internal_error"));
        let ana = town.ana();
        assert!(ana.slash("C1", "/ops drain prod").await.acked);
        let card = town.whispers(&ana, &["node"]).await;
        let (button, _) = card.buttons().remove(0);
        assert!(ana.click(&card, &button).await.acked);
        assert!(blocks(&town.form(&ana).await).contains(&"in:node".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn ops_alone_lists_what_this_person_may_run() {
    town(async |town| {
        let ana = town.ana();
        assert!(ana.slash("C1", "/ops").await.acked);
        let form = town.form(&ana).await;
        let offered = ana.suggest(&form, "runbook", "node").await;
        assert_eq!(offered.body["options"].as_array().unwrap().len(), 1, "{:#}", offered.body);
        assert_eq!(offered.body["options"][0]["value"], "shop/drain");
        let all = ana.suggest(&form, "runbook", "").await;
        assert_eq!(all.body["options"].as_array().unwrap().len(), 3);

        let heard = ana.submit(&form, &[("runbook", "shop/drain")]).await;
        assert_eq!(heard.body["response_action"], "update", "{heard:?}");
        let form = town.form(&ana).await;
        assert!(ana.submit(&form, &[("node", "node-1"), ("env", "dev")]).await.acked);
        town.says("C1", &["drain", "node-1", "dev"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_global_shortcut_asks_for_the_channel_too() {
    town(async |town| {
        let ana = town.ana();
        assert!(ana.shortcut("run_runbook").await.acked);
        let form = town.form(&ana).await;
        ana.suggest(&form, "runbook", "ping").await;
        let heard = ana.submit(&form, &[("channel", "C2"), ("runbook", "shop/ping")]).await;
        assert_eq!((heard.acked, &heard.problem), (true, &None), "{heard:?}");
        assert!(ana.views().is_empty(), "it needs no form");
        town.says("C2", &["shop/ping", "done"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_mention_is_a_line_also_in_a_thread() {
    town(async |town| {
        let ana = town.ana();
        assert!(ana.mention("C1", "health prod").await.acked);
        town.says("C1", &["shop/health prod", "done"]).await;

        let (root, _) = ana.say("C1", "the shop is slow").await;
        assert!(ana.mention_in("C1", &root.ts, "ping").await.acked);
        let answer = town.says("C1", &["shop/ping", "done"]).await;
        assert_eq!(answer.thread_ts.as_deref(), Some(root.ts.as_str()));
    })
    .await;
}

#[tokio::test]
async fn what_slack_made_of_a_line_is_undone() {
    town(async |town| {
        let ben = town.ben();
        ben.mention("C2", "incident P1 &lt;api&gt; &amp; shop fail, see <#C1|infra>").await;
        let root = town.says("C2", &["<api> & shop fail, see #infra"]).await;
        assert!(
            ben.mention_in("C2", &root.ts, "note ask <@U1>, look at <http://shop.example|shop.example>").await.acked
        );
        assert_eq!(town.notes(1).await, ["ask @ana, look at shop.example"]);
    })
    .await;
}

#[tokio::test]
async fn who_is_not_listed_reaches_nothing_and_learns_who_they_are() {
    town(async |town| {
        town.slack.with(|world| {
            world.person("T2", "U1", "not-ana");
            world.channels.get_mut("C3").unwrap().members.insert("U1".into());
        });
        for (person, identity, channel) in [
            (town.slack.person("U3"), "T1/U3", "C1"),
            (town.slack.person("U8"), "T1/U8", "C1"),
            (town.slack.person_of("T2", "U9"), "T2/U9", "C3"),
            (town.slack.person_of("T2", "U1"), "T2/U1", "C3"),
        ] {
            let heard = person.slash(channel, "/ops health prod").await;
            assert!(heard.acked && heard.body["response_type"] == "ephemeral", "{heard:?}");
            assert!(heard.body["text"].as_str().unwrap().contains(identity), "{:#}", heard.body);
            person.mention(channel, "health prod").await;
            town.whispers(&person, &[identity]).await;
        }
        let stranger = town.slack.person("U3");
        stranger.shortcut("run_runbook").await;
        assert!(words(&town.form(&stranger).await).contains("T1/U3"));
        stranger.open_home().await;
        let home = town.slack.wait_for("a page", |_| stranger.home()).await;
        assert!(words(&home).contains("T1/U3"));
        assert_eq!(town.requests().await, 0);
        assert!(town.slack.channel("C1").all().iter().all(|message| message.bot_id.is_none()));
    })
    .await;
}

#[tokio::test]
async fn who_is_listed_and_became_a_guest_reaches_nothing_here() {
    town(async |town| {
        let ana = town.ana();
        assert!(ana.slash("C1", "/ops health prod").await.acked);
        town.says("C1", &["health", "done"]).await;
        town.slack.with(|world| world.users.iter_mut().find(|user| user.id == "U1").unwrap().guest = true);
        town.slack.event(json!({"type": "user_change", "user": {"id": "U1", "team_id": "T1"}})).await;
        let mut answers = Vec::new();
        while !answers.iter().any(|text: &String| text.contains("guest")) {
            assert!(answers.len() < 100, "{answers:?}");
            town.waits(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(50)).await; // real loops are running beside us
            answers.push(ana.slash("C1", "/ops ping").await.body["text"].as_str().unwrap_or_default().to_owned());
        }
        let before = town.requests().await;
        ana.mention("C1", "health prod").await;
        town.whispers(&ana, &["guest", "T1/U1"]).await;
        ana.open_home().await;
        let home = town.slack.wait_for("a page", |_| ana.home()).await;
        assert!(words(&home).contains("guest"), "{}", words(&home));
        assert_eq!(town.requests().await, before);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_channel_and_a_direct_message_say_where_to_go() {
    town(async |town| {
        let ana = town.ana();
        let heard = ana.slash("C5", "/ops health prod").await;
        assert!(heard.body["text"].as_str().unwrap().contains("C5"), "{heard:?}");
        let direct = town.slack.with(|world| world.direct("U1"));
        let heard = ana.slash(&direct, "/ops health prod").await;
        assert!(heard.body["text"].as_str().unwrap().contains("<#C1>"), "{heard:?}");
        ana.say(&direct, "health prod").await;
        town.whispers(&ana, &["<#C1>", "<#C2>"]).await;
        assert_eq!(town.requests().await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_incident_is_opened_from_a_message_and_messages_go_on_its_timeline_once() {
    town(async |town| {
        let (ana, ben) = (town.ana(), town.ben());
        let (said, _) = ana.say("C2", "Orders fail\nsince the deploy").await;
        assert!(ben.message_shortcut("open_incident", &said).await.acked);
        let form = town.form(&ben).await;
        let heard = ben.submit(&form, &[("severity", "P1")]).await;
        assert_eq!((heard.acked, &heard.problem), (true, &None), "{heard:?}");
        let root = town.says("C2", &["P1", "Orders fail"]).await;

        let (seen, _) = ana.reply("C2", &root.ts, "the queue is full &amp; grows").await;
        town.slack.with(|world| world.twice = 1);
        ana.react(&seen, "pushpin").await;
        ben.react(&seen, "pushpin").await;
        ben.react(&seen, "eyes").await;
        ben.message_shortcut("add_to_timeline", &seen).await;
        let (more, _) = ben.reply("C2", &root.ts, "restarted it").await;
        ana.message_shortcut("add_to_timeline", &more).await;
        assert_eq!(town.notes(2).await, ["Ana: the queue is full & grows", "Ben: restarted it"]);
        assert_eq!(town.requests().await, 3);

        ana.react(&said, "pushpin").await;
        let heard = ana.message_shortcut("add_to_timeline", &said).await;
        assert!(heard.acked);
        town.whispers(&ana, &["incident"]).await;
        assert_eq!((town.noted().await.len(), town.requests().await), (2, 3), "outside an incident nothing happens");
    })
    .await;
}

#[tokio::test]
async fn a_runbook_runs_in_the_thread_of_a_message() {
    town(async |town| {
        let ana = town.ana();
        let (said, _) = ana.say("C1", "is it up?").await;
        assert!(ana.message_shortcut("run_here", &said).await.acked);
        let form = town.form(&ana).await;
        ana.suggest(&form, "runbook", "ping").await;
        ana.submit(&form, &[("runbook", "shop/ping")]).await;
        let answer = town.says("C1", &["shop/ping", "done"]).await;
        assert_eq!(answer.thread_ts.as_deref(), Some(said.ts.as_str()));
    })
    .await;
}

#[tokio::test]
async fn the_own_page_shows_what_waits_and_changes_with_a_click() {
    town(async |town| {
        let (ana, ben) = (town.ana(), town.ben());
        ana.slash("C1", "/ops drain node-3 prod").await;
        town.says("C1", &["node-3", "Approve"]).await;
        ben.open_home().await;
        let home = town.slack.wait_for("a page", |_| ben.home()).await;
        assert!(words(&home).contains("node-3"), "{}", words(&home));
        assert!(ben.act_in(&home, "approve", None, &[]).await.acked);
        town.says("C1", &["drain", "done"]).await;
        town.slack.wait_for("a new page", |_| ben.home().filter(|home| home.updates > 0)).await;
    })
    .await;
}

#[tokio::test]
async fn an_own_page_that_is_open_follows_what_happens() {
    town(async |town| {
        let (ana, ben) = (town.ana(), town.ben());
        ben.open_home().await;
        let home = town.slack.wait_for("a page", |_| ben.home()).await;
        assert!(!words(&home).contains("node-3"), "{}", words(&home));
        let follows = async |text: &str, there: bool| {
            for _ in 0..200 {
                if let Some(home) = ben.home().filter(|home| words(home).contains(text) == there) {
                    return home;
                }
                town.waits(Duration::from_secs(3));
                tokio::time::sleep(Duration::from_millis(50)).await; // real loops are running beside us
            }
            panic!("{text} on Ben's page: not {there}; {}", words(&ben.home().unwrap()));
        };
        ana.slash("C1", "/ops drain node-3 prod").await;
        let home = follows("node-3", true).await;
        ana.mention("C2", "incident P1 Orders fail").await;
        follows("Orders fail", true).await;
        assert!(ben.act_in(&home, "approve", None, &[]).await.acked);
        follows("node-3", false).await;
        let before = town.slack.calls_of("views.publish").len();
        assert!(before < 8, "a page is not published at every event: {before}");
        assert!(ana.home().is_none(), "who opened none has none");
    })
    .await;
}

#[tokio::test]
async fn what_slack_sends_for_others_is_acknowledged_and_left() {
    town(async |town| {
        for event in [
            json!({"type": "user_change", "user": {"id": "U3", "team_id": "T1", "deleted": true}}),
            json!({"type": "subteam_members_changed", "subteam_id": "S1", "added_users": ["U1"]}),
            json!({"type": "something_new", "channel": "C1"}),
        ] {
            let (_, sent) = town.slack.event(event).await;
            assert!(sent[0].acked, "{sent:?}");
        }
        let unknown = json!({"type": "hologram", "user": {"id": "U1"}});
        let sent = town.slack.forge(sereno_fakes::slack::Door::Interaction, &unknown).await;
        assert!(sent[0].acked && sent[0].body == Value::Null, "{sent:?}");
        assert_eq!(town.requests().await, 0);
    })
    .await;
}
