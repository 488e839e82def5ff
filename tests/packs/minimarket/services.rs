//! The services: diagnoses, restarts, what they take, their logs, and what people check off.

use super::*;

/// Proves: M01, M04, M06, M09, M16, M22, M23, M26, M40, M42, D13, Y27.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_without_touching_anything() {
    let Some(market) = Market::up().await else { return };
    let network = market.stack.network("default").await;
    market
        .here()
        .value("network", network)
        .tell(async |s| {
            let before = market.started("dashboard").await;
            market.app.turns(Health::Error);
            for (line, rows) in [
                ("dashboard-caido prod", vec!["dashboard /health | not OK", "servicios en marcha | OK"]),
                ("base-caida prod", vec!["postgres en marcha | OK", "base lista | OK", "errores en los logs | not OK"]),
                ("observabilidad prod", vec!["Prometheus | OK", "Alertmanager | OK", "Loki | OK", "Grafana | OK"]),
                (
                    "conectividad prod",
                    vec!["alcanza agente-deposito | failed", "Quién está en la red | done", "en la misma red | not OK"],
                ),
                ("memoria prod", vec!["menciones de memoria | OK"]),
            ] {
                let run = asks(s, line).await;
                let text = s.message(&run.id).await.card.text();
                for row in rows {
                    assert!(text.contains(row), "{line}: {row}: {text}");
                }
            }
            let over = through(s, "buscar-en-logs prod", "").await;
            assert!(over.card.text().contains("errores | not OK"), "{}", over.card.text());
            let run = done(s, "logs dashboard prod").await;
            assert!(told(s, &run).await.contains("disk full"));
            let run = done(s, "guias").await;
            assert!(told(s, &run).await.contains("RESPONDING_TO_ALERTS.md"));
            assert_eq!(market.started("dashboard").await, before);
        })
        .await;
}

/// Proves: M02, M07, M15, M24, M25.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_restarted_and_looked_at_again() {
    let Some(market) = Market::up().await else { return };
    market
        .here()
        .tell(async |s| {
            for (line, service) in [
                ("reiniciar dashboard prod", "dashboard"),
                ("reiniciar postgres prod", "postgres"),
                ("sobrecarga prod", "dashboard"),
                ("liberar-memoria prod", "dashboard"),
            ] {
                let before = market.started(service).await;
                let over = through(s, line, "").await;
                assert_eq!(over.card.state, "done", "{line}: {}", told(s, &over).await);
                assert_ne!(market.started(service).await, before, "{line}");
            }
            let over = through(s, "memoria-limite 768m prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let name = market.stack.name("dashboard", 1);
            let inspected = market.stack.docker.inspect_container(&name, None).await.unwrap();
            assert_eq!(inspected.host_config.unwrap().memory, Some(768 << 20));
        })
        .await;
}

/// Proves: M03, M10.
#[tokio::test(flavor = "multi_thread")]
async fn everything_is_made_anew_whether_it_runs_or_not() {
    let Some(market) = Market::new().await else { return };
    market.files();
    market
        .here()
        .tell(async |s| {
            let over = through(s, "reiniciar-todo prod", "").await;
            assert_eq!(over.card.state, "done", "nothing ran: {}", told(s, &over).await);
            catches_up(s);
            for line in ["reiniciar-todo prod", "reiniciar-observabilidad prod"] {
                let before = market.started("dashboard").await;
                let over = through(s, line, "").await;
                assert_eq!(over.card.state, "done", "{line}: {}", told(s, &over).await);
                assert_ne!(market.started("dashboard").await, before, "{line}");
            }
        })
        .await;
}

/// Proves: M11, M18, Y19, Y20, D10.
#[tokio::test(flavor = "multi_thread")]
async fn errors_and_latency_are_measured_and_the_architect_is_called() {
    let Some(market) = Market::up().await else { return };
    market.watch.hot.store(true, Ordering::Relaxed);
    market.watch.finds("sum(rate(http_requests_total[5m]))>1").await;
    market
        .here()
        .tell(async |s| {
            catches_up(s);
            for (line, row) in
                [("tasa-errores prod", "parte que falla | not OK"), ("latencia prod", "P95 (s) | not OK")]
            {
                let run = asks(s, line).await;
                let text = s.message(&run.id).await.card.text();
                assert!(text.contains(row), "{line}: {text}");
            }
        })
        .await;
}

/// Proves: M35, M37, Y14, Y25.
#[tokio::test(flavor = "multi_thread")]
async fn people_check_off_what_only_people_can_see() {
    let Some(market) = Market::up().await else { return };
    market.write("backups/inventario_retail_1.sql", "-- a backup\n");
    market
        .here()
        .tell(async |s| {
            for (line, questions) in [("traspaso prod", 3), ("pre-despliegue prod", 5)] {
                let run = asks(s, line).await;
                assert_eq!(crate::world::checks_off(s, &run).await, questions, "{}", told(s, &run).await);
                let over = s.message(&run.id).await;
                assert!(["done", "failed"].contains(&over.card.state.as_str()), "{}", over.card.text());
            }
        })
        .await;
}

/// Proves: M05, M33, M34, M41, Y06, Y07, Y08, Y09, Y10, Y11, Y13, Y15, Y16, Y17, Y18, Y21, Y22, Y30.
#[tokio::test(flavor = "multi_thread")]
async fn an_incident_knows_its_clocks_its_objectives_and_whom_to_call() {
    let Some(market) = Market::up().await else { return };
    market
        .here()
        .tell(async |s| {
            s.alert("DashboardDown", "critical", true).await;
            let open = s.channel("#infra").await;
            let root = open.iter().find(|heard| heard.card.title.contains("DashboardDown")).expect("an incident");
            let pack = s.engine.catalog.load().pack("minimarket").unwrap().clone();
            for (name, respond) in [("P1", 300), ("P2", 900), ("P3", 3600), ("P4", 28800)] {
                let known = format!("{:?}", pack.severities);
                assert!(known.contains(name), "{respond}: {known}");
            }
            let text = told(s, root).await;
            for said in ["Servidor entero caído", "#minimarket-emergencies", "pagerduty"] {
                assert!(text.contains(said), "{said}: {text}");
            }
            s.waits(minutes(2)).await;
            assert!(told(s, root).await.contains("Dos minutos sin respuesta"), "{}", told(s, root).await);
            s.waits(minutes(3)).await;
            assert!(told(s, root).await.contains("Cinco minutos sin respuesta"), "{}", told(s, root).await);
            assert!(pack.about.contains("1.0.0"));
        })
        .await;
}
