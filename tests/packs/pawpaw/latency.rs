//! RB-03: slow and hot, from the alert to three replicas; and when nothing is to be done.

use super::*;

/// Slow and hot: the alert brings the diagnosis, Ana asks for what it proposes, Leo agrees, and there are three.
/// Proves: P09, P10, Y46.
#[tokio::test(flavor = "multi_thread")]
async fn latency_goes_from_an_alert_to_three_replicas() {
    let Some(paw) = Paw::new().await else { return };
    paw.watch.hot.store(true, Ordering::Relaxed);
    paw.watch.finds("avg(rate(process_cpu_seconds_total[1m]))>1").await;
    paw.here()
        .tell(async |s| {
            catches_up(s);
            assert_eq!(through(s, "desplegar prod", "").await.card.state, "done");
            s.alert("HighLatency", "warning", true).await;
            let open = s.channel("#infra").await;
            let root = open.iter().find(|heard| heard.card.title.contains("HighLatency")).expect("an incident");
            let diagnosis = told(s, root).await;
            assert!(diagnosis.contains("CPU del backend | not OK"), "{diagnosis}");
            let run = asks(s, "latencia prod").await;
            approved_by(s, &run, &["leo"]).await;
            comes_to(s, &run, "done").await;
            paw.stack.started_at(&paw.stack.name("backend", 3)).await;
            let run = asks(s, "errores-5xx prod").await;
            assert!(s.message(&run.id).await.card.text().contains("5xx en Nginx | OK"));
        })
        .await;
}

/// Proves: P09, Y46.
#[tokio::test(flavor = "multi_thread")]
async fn eighty_percent_of_the_processor_is_the_line() {
    let (Some(paw), Some(below), Some(above)) =
        (Paw::new().await, steady(0.0, 0.3, 0.795).await, steady(0.0, 0.3, 0.83).await)
    else {
        return;
    };
    for (watcher, verdict, end) in [(&below, "OK", "done"), (&above, "not OK", "awaiting_approval")] {
        paw.here()
            .value("prometheus", &watcher.url)
            .tell(async |s| {
                let run = asks(s, "latency prod").await;
                let text = comes_to(s, &run, end).await.card.text();
                assert!(text.contains(&format!("CPU del backend | {verdict} |")), "{text}");
            })
            .await;
    }
}

/// Nobody knows how hot it is, or there are more than three already: nothing is changed, and nobody is asked to agree.
/// Proves: P09, Y46.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_scaled_blindly_nor_down() {
    let (Some(paw), Some(silent), Some(hot)) = (
        Paw::new().await,
        Watcher::steady("another", |_| "process_cpu_seconds_total 1\n".to_owned()).await,
        steady(0.0, 0.3, 0.95).await,
    ) else {
        return;
    };
    for number in 1..=5 {
        paw.stack.up("backend", number).await;
    }
    paw.stack.up("nginx", 1).await;
    for server in [silent.url.as_str(), "http://127.0.0.1:1"] {
        paw.here()
            .value("prometheus", server)
            .tell(async |s| {
                let run = asks(s, "latencia prod").await;
                let over = comes_to(s, &run, "failed").await;
                let all = told(s, &over).await;
                assert!(!all.contains("por encima de 0.8."), "{server}: {all}");
            })
            .await;
    }
    paw.here()
        .value("prometheus", &hot.url)
        .tell(async |s| {
            let run = asks(s, "latencia prod").await;
            let over = comes_to(s, &run, "done").await;
            let all = told(s, &over).await + &over.card.text();
            assert!(all.contains("Ya hay 5 réplicas, 5 en marcha"), "{all}");
            paw.stack.started_at(&paw.stack.name("backend", 5)).await;
        })
        .await;
}
