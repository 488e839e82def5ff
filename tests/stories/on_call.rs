//! On call: who is it, and the packet at the shift change.

use std::time::Duration;

use sereno::domain::chart::Chart;

use crate::approvals::world;
use crate::books::ALL;
use crate::harness::{Heard, Story, minutes, only, story};

#[tokio::test(flavor = "multi_thread")]
async fn the_shift_changes_by_itself_and_the_incoming_person_accepts() {
    story(ALL, async |s| {
        world(s);
        let who = only(s.person("vic").says("#infra", "/ops oncall").await);
        assert!(who.card.text().contains("infra | Ana | 2026-03-09 09:00 UTC"), "{}", who.card.text());
        let ask = only(s.person("ana").says("#infra", "/ops rollback api prod").await);
        s.person("leo").presses(&ask, "approve").await;
        s.person("vic").says("#infra", "/ops wipe prod").await;
        s.alert("ServiceDown", "critical", true).await;
        s.clock.forward(Duration::from_secs(7 * 24 * 3600 - 3600 - 60));
        only(s.person("ana").says("#infra", "/ops wipe prod").await);
        assert!(s.channel("#infra").await.iter().all(|heard| heard.card.state != "handoff"));

        s.waits(minutes(1)).await;
        let packets: Vec<_> =
            s.channel("#infra").await.into_iter().filter(|heard| heard.card.state == "handoff").collect();
        let packet = only(packets);
        assert_eq!(packet.card.title, "Handoff of infra: Ana → Leo");
        assert_eq!(packet.field("Open incidents"), "1: P1 ServiceDown is firing");
        assert_eq!(packet.field("Decisions"), "1 approved, 0 refused or expired, 1 denied");
        assert_eq!(packet.field("Waiting for approval"), "1: shop/wipe prod");
        assert!(packet.card.text().contains("shop/rollback api prod | done"), "{}", packet.card.text());

        let told = only(s.person("ana").presses(&packet, "accept").await);
        assert_eq!(told.card.title, "The shift is for Leo to accept.");
        s.person("leo").presses(&packet, "accept").await;
        let accepted = s.message(&packet.id).await;
        assert_eq!(accepted.card.state, "accepted");
        assert!(accepted.buttons().is_empty());
        assert_eq!(
            only(s.person("leo").presses(&packet, "accept").await).card.title,
            "The shift was already accepted."
        );
        s.restarts().await;
        s.settles().await;
        let packets = s.channel("#infra").await.into_iter().filter(|heard| heard.card.state == "handoff").count();
        assert_eq!(packets, 0, "a restart does not hand over again");
    })
    .await;
}

/// The packet that Ana asks for, which is drawn in Slack if the story is told there.
async fn packet(s: &Story) -> Heard {
    let packet = only(s.person("ana").says("#infra", "/ops handoff").await);
    if s.town.is_some() {
        let message = crate::slack::shown(s, &packet).await;
        let drawn = message.blocks.iter().find(|block| block["type"] == "data_visualization");
        assert_eq!(drawn.is_some(), packet.card.chart.is_some());
        assert!(drawn.is_none_or(|chart| chart["title"] == packet.card.chart.as_ref().unwrap().title));
        let rows: Vec<String> = packet.card.chart.iter().flat_map(Chart::rows).map(|row| row.join(" | ")).collect();
        assert!(message.text.contains(&rows.join("\n")), "{rows:?} in {}", message.text);
    }
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_draws_when_the_shift_was_busy() {
    story(ALL, async |s| {
        world(s);
        s.alert("ServiceDown", "critical", true).await;
        assert_eq!(packet(s).await.card.chart, None, "one busy hour is no picture");
        s.waits(minutes(60)).await;
        s.alert("DiskFull", "warning", true).await;
        let chart = packet(s).await.card.chart.expect("two busy hours");
        assert_eq!(
            chart.rows(),
            [["03-02 09:00", "0", "0"], ["03-02 10:00", "1", "1"], ["03-02 11:00", "1", "1"]].map(|row| row.to_vec())
        );
        assert_eq!(chart.columns(), ["Incidents and alerts per hour (UTC)", "Incidents", "Alerts"]);

        s.clock.forward(Duration::from_secs(2 * 24 * 3600));
        s.alert("ServiceDown", "critical", false).await;
        s.alert("ServiceDown", "critical", true).await;
        let packet = packet(s).await;
        let chart = packet.card.chart.clone().expect("two busy days");
        assert_eq!(
            chart.rows(),
            [["2026-03-02", "2", "2"], ["2026-03-03", "0", "0"], ["2026-03-04", "1", "1"]].map(|row| row.to_vec())
        );
        assert_eq!(packet.field("Incidents in the shift"), "3");
        assert!(packet.card.text().contains("per day (UTC) | Incidents | Alerts\n2026-03-02 | 2 | 2"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_is_had_for_the_asking() {
    story(ALL, async |s| {
        world(s);
        let packet = only(s.person("ana").says("#infra", "/ops handoff").await);
        assert_eq!(packet.card.title, "Handoff of infra: Ana → Leo");
        assert_eq!(packet.field("Open incidents"), "0");
    })
    .await;
}
