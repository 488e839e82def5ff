//! The document's thresholds, held to the point: just below is well, just above is not, and goes another way.

use bollard::models::{ContainerCreateBody, HostConfig};

use super::*;
use crate::world::checks_off;

/// What a service has counted of whose requests this part fails, whose P95 is this many seconds, and which takes this
/// much of a processor.
fn counted(seconds: f64, (failing, p95, cpu): (f64, f64, f64)) -> String {
    let (all, bad) = (seconds * 10.0, seconds * 10.0 * failing);
    // Between the bounds of a bucket, Prometheus takes requests for evenly spread: so many are below the first one.
    let below = (0.95 - (p95 - 0.2) / 0.2) / (1.0 - (p95 - 0.2) / 0.2);
    let bucket = |le: &str, count: f64| format!("http_request_duration_seconds_bucket{{le=\"{le}\"}} {count}\n");
    format!(
        "http_requests_total{{status=\"200\"}} {}\nhttp_requests_total{{status=\"500\"}} {bad}\n{}{}{}\
         process_cpu_seconds_total {}\n",
        all - bad,
        bucket("0.2", all * below),
        bucket("0.4", all),
        bucket("+Inf", all),
        seconds * cpu,
    )
}

/// Prometheus that has watched such a service for a while.
pub async fn steady(failing: f64, p95: f64, cpu: f64) -> Option<Watcher> {
    Watcher::steady("backend", move |seconds| counted(seconds, (failing, p95, cpu))).await
}

/// Proves: M11, M18, Y19, Y20.
#[tokio::test(flavor = "multi_thread")]
async fn five_percent_of_errors_and_three_hundred_milliseconds_are_the_line() {
    let (Some(market), Some(below), Some(above)) =
        (Market::new().await, steady(0.049, 0.298, 0.1).await, steady(0.051, 0.302, 0.1).await)
    else {
        return;
    };
    for (watcher, verdict) in [(&below, "OK"), (&above, "not OK")] {
        market
            .here()
            .value("prometheus", &watcher.url)
            .tell(async |s| {
                catches_up(s);
                for (line, row) in [("tasa-errores prod", "parte que falla"), ("latencia prod", "P95 (s)")] {
                    let run = asks(s, line).await;
                    let text = s.message(&run.id).await.card.text();
                    assert!(text.contains(&format!("{row} | {verdict} |")), "{line}: {verdict}: {text}");
                }
            })
            .await;
    }
}

/// Proves: M17, Y12.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_considered_above_a_quarter_of_all_requests() {
    let (Some(market), Some(well), Some(below), Some(above)) = (
        Market::new().await,
        steady(0.049, 0.2, 0.1).await,
        steady(0.249, 0.2, 0.1).await,
        steady(0.251, 0.2, 0.1).await,
    ) else {
        return;
    };
    for (watcher, called, end) in [(&well, 0, "done"), (&below, 1, "done"), (&above, 1, "awaiting_approval")] {
        market
            .here()
            .value("prometheus", &watcher.url)
            .tell(async |s| {
                let run = asks(s, "vigilar-errores prod").await;
                s.waits(minutes(5)).await;
                assert_eq!(checks_off(s, &run).await, called, "the architect is called: {}", told(s, &run).await);
                comes_to(s, &run, end).await;
            })
            .await;
    }
}

/// Nobody asks for anything, nothing is counted, or nobody counts: neither is all well, nor does a quarter fail.
/// Proves: M11, M17, Y12, Y19.
#[tokio::test(flavor = "multi_thread")]
async fn without_data_nothing_is_called_well_and_nothing_is_called_grave() {
    let idle = |_: f64| {
        "http_requests_total{status=\"200\"} 7\nhttp_requests_total{status=\"500\"} 7\nprocess_cpu_seconds_total 1\n"
            .to_owned()
    };
    let (Some(market), Some(idle), Some(dead)) = (
        Market::new().await,
        Watcher::steady("dashboard", idle).await,
        Watcher::steady("dashboard", |_| "process_cpu_seconds_total 1\n".to_owned()).await,
    ) else {
        return;
    };
    for server in [idle.url.as_str(), dead.url.as_str(), "http://127.0.0.1:1"] {
        market
            .here()
            .value("prometheus", server)
            .tell(async |s| {
                let run = asks(s, "vigilar-errores prod").await;
                let over = comes_to(s, &run, "failed").await;
                let all = told(s, &over).await;
                assert!(!all.contains("hay datos | OK"), "{server}: {all}");
                let run = asks(s, "tasa-errores prod").await;
                let text = s.message(&run.id).await.card.text();
                assert!(!text.contains("parte que falla | OK"), "{server}: {text}");
                assert!(server.ends_with(":1") || text.contains("hay datos | not OK"), "{server}: {text}");
            })
            .await;
    }
}

/// A container that is allowed a hundred megabytes, and has taken this many.
async fn takes(market: &Market, megabytes: u32) {
    let host = HostConfig { memory: Some(100 << 20), shm_size: Some(128 << 20), ..HostConfig::default() };
    let script = format!(
        "trap 'exit 0' TERM; dd if=/dev/zero of=/dev/shm/x bs=1048576 count={megabytes} 2>/dev/null; echo taken; \
         while :; do sleep 0.1; done"
    );
    let more = ContainerCreateBody { host_config: Some(host), ..ContainerCreateBody::default() };
    market.stack.create("dashboard", 1, &script, more).await;
    let name = market.stack.name("dashboard", 1);
    market.stack.docker.start_container(&name, None).await.unwrap();
    let with = json!({"do": "logs", "service": "dashboard", "pattern": "taken"});
    for _ in 0..200 {
        let outcome = market.stack.run(sereno::domain::runbook::Effect::Read, with.clone()).await;
        if crate::executor_support::done(outcome).facts["matches"] == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await; // a real process is at work beside us
    }
    panic!("it never took its memory");
}

/// Proves: M23, Y21.
#[tokio::test(flavor = "multi_thread")]
async fn eighty_percent_of_the_memory_is_the_line() {
    let Some(market) = Market::new().await else { return };
    for (megabytes, verdict, proposed) in [(78, "OK", false), (81, "not OK", true)] {
        takes(&market, megabytes).await;
        market
            .here()
            .tell(async |s| {
                s.alert("MemoryPressure", "warning", true).await;
                let open = s.channel("#infra").await;
                let root = open.iter().find(|heard| heard.card.title.contains("MemoryPressure")).expect("an incident");
                assert!(told(s, root).await.contains(&format!("memoria más alta (%) | {verdict} |")));
                let run = asks(s, "memoria prod").await;
                let card = s.message(&run.id).await.card;
                for row in ["memoria más alta (%)", "memoria más alta del dashboard (%)"] {
                    assert!(card.text().contains(&format!("{row} | {verdict} |")), "{row}: {}", card.text());
                }
                assert_eq!(card.state == "failed", proposed, "{}", card.text());
            })
            .await;
        market.stack.remove(&market.stack.name("dashboard", 1)).await;
    }
}
