//! Connections of Socket Mode: how they end, and that nothing is lost over it.

use sereno_fakes::slack::Trouble;

use crate::town::{Mode, Town, town_by};

/// Waits until both connections are there and the named ones are not.
async fn renewed(town: &Town, gone: &[u64]) {
    town.slack
        .wait_for("new connections", |slack| {
            let now = slack.sockets();
            (now.len() == 2 && gone.iter().all(|id| !now.contains(id))).then_some(())
        })
        .await;
}

#[tokio::test]
async fn connections_that_end_are_opened_again() {
    town_by(Mode::Socket, async |town| {
        let first = town.slack.sockets();
        town.slack.with(|world| first.iter().for_each(|id| world.sockets.cut(*id)));
        renewed(town, &first).await;
        let second = town.slack.sockets();
        town.slack.with(|world| world.sockets.disconnect(second[0], "refresh_requested"));
        renewed(town, &second[..1]).await;
        let third = town.slack.sockets();
        town.slack.with(|world| world.sockets.disconnect(third[0], "warning"));
        assert!(town.ana().slash("C1", "/ops health prod").await.acked);
        assert_eq!(town.slack.sockets(), third, "a warning is only one");
    })
    .await;
}

#[tokio::test]
async fn a_link_that_is_dead_is_noticed_though_nobody_closed_it() {
    town_by(Mode::Socket, async |town| {
        let first = town.slack.sockets();
        town.slack.with(|world| world.sockets.silence(first[0]));
        town.slack
            .wait_for("another connection", |slack| slack.sockets().iter().any(|id| !first.contains(id)).then_some(()))
            .await;
    })
    .await;
}

#[tokio::test]
async fn slack_away_and_back_is_found_again() {
    town_by(Mode::Socket, async |town| {
        let first = town.slack.sockets();
        town.slack.outage(true);
        town.slack.wait_for("the end of the connections", |slack| slack.sockets().is_empty().then_some(())).await;
        town.slack.outage(false);
        renewed(town, &first).await;
        assert!(town.ana().slash("C1", "/ops health prod").await.acked);
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_slack_delays_no_other_on_the_same_connection() {
    town_by(Mode::Socket, async |town| {
        town.ben().mention("C2", "incident P1 Orders fail").await;
        let root = town.says("C2", &["Orders fail", "open"]).await;
        let (seen, _) = town.ana().reply("C2", &root.ts, "the queue is full").await;
        town.slack.trouble("conversations.replies", 1, Trouble::Hang);
        let ana = town.ana();
        let reacting = {
            let (ben, seen) = (town.ben(), seen.clone());
            tokio::spawn(async move { ben.react(&seen, "pushpin").await })
        };
        town.slack.wait_for("the call", |slack| slack.with(|world| world.troubles.is_empty()).then_some(())).await;
        for _ in 0..4 {
            assert!(ana.slash("C1", "/ops ping").await.acked, "over both connections, while one waits for Slack");
        }
        assert!(!reacting.is_finished(), "the other still waits");
        town.slack.clock().advance(std::time::Duration::from_secs(4));
        assert!(!reacting.await.unwrap().acked, "what was not stored is not acknowledged");
        assert_eq!(town.notes(1).await, ["Ana: the queue is full"]);
    })
    .await;
}
