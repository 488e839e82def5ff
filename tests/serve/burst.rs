//! A thousand alerts at once: what is taken is kept, what is not is to be sent again, and never given up on.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::install::{Install, alert_body, eventually};

const ALERTS: usize = 1000;
const GROUPS: usize = 40;
const SIDE_BY_SIDE: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_alerts_at_once_are_all_kept_in_one_incident_a_group() {
    let install = Install::new();
    let server = install.serve().await;
    let send = async |number: usize| {
        let labels = json!({"alertname": "Flood", "number": number.to_string(), "severity": "critical"});
        let answer = install.alert(&alert_body(&format!("group {}", number % GROUPS), &labels, true)).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body: Value = answer.json().await.unwrap();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(headers.contains_key("retry-after"), "when to try again");
            return None;
        }
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        Some((number, body["id"].as_str().unwrap().to_owned()))
    };
    let answers: Vec<_> =
        futures_util::stream::iter(0..ALERTS).map(send).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let taken: Vec<(usize, String)> = answers.into_iter().flatten().collect();
    assert!(taken.len() > ALERTS / 2, "{} of {ALERTS} were taken", taken.len());

    for (_, id) in &taken {
        eventually("the alert's end in the inbox", async || {
            let delivery = install.get("ana", &format!("deliveries/{id}")).await;
            (delivery["state"] == "done").then_some(())
        })
        .await;
    }
    let incidents = install.get("ana", "incidents").await;
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    for incident in incidents.as_array().unwrap() {
        assert_eq!(incident["state"], "open");
        let page = install.get("ana", &format!("incidents/{}", incident["id"].as_str().unwrap())).await;
        for alert in page["alerts"].as_array().unwrap() {
            *kept.entry(alert["labels"]["number"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let groups: std::collections::BTreeSet<usize> = taken.iter().map(|(number, _)| number % GROUPS).collect();
    assert_eq!(incidents.as_array().unwrap().len(), groups.len(), "one open incident a group");
    assert!(taken.iter().all(|(number, _)| kept.get(&number.to_string()) == Some(&1)), "each alert once");
    server.stop().await;
    assert_eq!(install.sereno(&["audit", "verify"]).await.code, 0);
}
