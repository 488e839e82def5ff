//! The services: diagnoses, restarts, what they take, their logs, and what people check off.

use bollard::models::{ContainerCreateBody, HostConfig};

use super::*;
use crate::docker_support::SERVE;
use crate::harness::only;

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
                ("conectividad prod", vec!["Quién está en la red | done", "en la misma red | not OK"]),
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
            let name = market.stack.name("dashboard", 1);
            let limit = async || {
                let inspected = market.stack.docker.inspect_container(&name, None).await.unwrap();
                inspected.host_config.unwrap().memory.unwrap() >> 20
            };
            for (memory, megabytes) in [("512m", 512), ("1g", 1024)] {
                let over = through(s, &format!("memoria-limite {memory} prod"), "").await;
                assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                assert_eq!(limit().await, megabytes);
            }
            let over = through(s, "memoria-limite 2g prod", "").await;
            assert_eq!(limit().await, 2048);
            let undo = only(s.person("ana").presses(&over, "undo").await);
            approved_by(s, &undo, &["eva"]).await;
            assert_eq!(limit().await, 1024, "what it was before");
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

/// The dashboard's image brings no curl, as busybox's: its wget and nc are used. What it sees is this machine's network.
/// Proves: M16.
#[tokio::test(flavor = "multi_thread")]
async fn services_reach_each_other_whatever_the_image_brings() {
    let Some(market) = Market::new().await else { return };
    let host = HostConfig { network_mode: Some("host".to_owned()), ..HostConfig::default() };
    let more = ContainerCreateBody { host_config: Some(host), ..ContainerCreateBody::default() };
    market.stack.create("dashboard", 1, SERVE, more).await;
    market.stack.docker.start_container(&market.stack.name("dashboard", 1), None).await.unwrap();
    market
        .here()
        .value("deposito_inside", format!("{}/health", market.app.url))
        .value("negocio_inside", "http://127.0.0.1:1/health")
        .value("postgres_inside", format!("tcp://{}", market.db.host()))
        .value("postgres_name", "nowhere.invalid")
        .tell(async |s| {
            let run = asks(s, "conectividad prod").await;
            let text = s.message(&run.id).await.card.text();
            for row in [
                "agente-deposito | OK | alcanza | alcanza",
                "agente-negocio | not OK | alcanza | no alcanza (wget",
                "PostgreSQL | OK | alcanza | alcanza",
                "DNS de PostgreSQL | not OK | resuelve | no resuelve",
            ] {
                assert!(text.contains(row), "{row}: {text}");
            }
        })
        .await;
}

/// The same words in a shell of this machine, with the programs that an image might bring.
/// Proves: M16.
#[tokio::test]
#[allow(clippy::disallowed_methods)] // a test starts a process
async fn what_reaches_a_service_is_what_the_image_brings_and_nothing_is_said_plainly() {
    let pack: serde_json::Value =
        serde_saphyr::from_str(include_str!("../../../commands/minimarket/pack.yaml")).unwrap();
    let script = pack["values"]["reach"].as_str().unwrap();
    let image = |programs: &[(&str, i32)]| {
        let dir = tempfile::tempdir().unwrap();
        for (name, code) in programs {
            let path = dir.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\nexit {code}\n")).unwrap();
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        dir
    };
    let (http, tcp) = ("http://agente:8001/health", "tcp://postgres:5432");
    for (programs, url, says) in [
        (&[("curl", 0)][..], http, "alcanza"),
        (&[("curl", 7), ("wget", 0)], http, "no alcanza (curl 7)"),
        (&[("curl", 22)], http, "no alcanza (curl 22)"),
        (&[("curl", 52)], tcp, "alcanza"),
        (&[("curl", 6)], tcp, "no alcanza (curl 6)"),
        (&[("wget", 0)], http, "alcanza"),
        (&[("wget", 1)], http, "no alcanza (wget 1)"),
        (&[("wget", 0), ("nc", 0)], tcp, "alcanza"),
        (&[("nc", 1)], tcp, "no alcanza (nc 1)"),
        (&[("wget", 0)], tcp, "la imagen no trae curl, wget ni nc"),
        (&[], http, "la imagen no trae curl, wget ni nc"),
    ] {
        let dir = image(programs);
        let mut shell = std::process::Command::new("/bin/sh");
        let output = shell.args(["-c", script, "sh", url]).env_clear().env("PATH", dir.path()).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.starts_with(says) && output.status.success(), "{programs:?} {url}: {told}");
    }
}
