//! Looks from outside and from inside: health, metrics, alerts' channels, logs, what is behind a 500, incidents.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;
use sereno::clock::Timestamp;
use sereno_fakes::app::Health;
use tokio::net::{TcpListener, TcpStream};

use super::{Server, lasts, ticked, told};
use crate::docker_support::Stack;
use crate::harness::{Heard, Story, minutes};
use crate::world::{approved_by, asks, comes_to, done};

/// The monitor looks each minute, and tells a breakdown from what is merely slow.
/// Proves: O03, O04, Y31, Y32, Y33, Y34, Y35, Y37, Y39.
#[tokio::test(flavor = "multi_thread")]
async fn the_outside_monitor_opens_and_closes_incidents_by_what_health_says() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            done(s, "salud prod").await;
            s.waits(minutes(2)).await;
            assert!(s.channel("#infra").await.iter().all(|heard| heard.card.state != "open"), "all is well");

            server.app.turns(Health::Degraded);
            for _ in 0..5 {
                s.waits(minutes(1)).await;
            }
            let open = |heard: &crate::harness::Heard| heard.card.state == "open";
            let incidents: Vec<_> = s.channel("#infra").await.into_iter().filter(open).collect();
            assert_eq!(incidents.len(), 1, "degraded is one incident, and not that it is down");
            assert!(incidents[0].card.title.starts_with("P2 Orion está degradado"), "{}", incidents[0].card.title);
            assert!(incidents[0].card.text().contains("Redis"), "{}", incidents[0].card.text());
            server.app.turns(Health::Ok);
            for _ in 0..5 {
                s.waits(minutes(1)).await;
            }
            assert_eq!(s.message(&incidents[0].id).await.card.state, "resolved", "it has recovered");

            server.app.turns(Health::Error);
            s.waits(minutes(1)).await;
            s.waits(minutes(1)).await;
            let all = s.channel("#infra").await;
            let down =
                all.iter().find(|heard| heard.card.title.starts_with("P1 Orion no responde")).expect("it is down");
            assert!(down.card.text().contains("503"), "{}", down.card.text());
            for state in ["error", "degraded"] {
                server.app.turns(if state == "error" { Health::Error } else { Health::Degraded });
                let run = asks(s, "salud prod").await;
                let over = comes_to(s, &run, "failed").await;
                assert!(over.card.text().contains(state), "{}", over.card.text());
            }
        })
        .await;
}

/// What is in front of Orion; while it is `silent`, connections open and nobody answers.
async fn relay(to: u16, silent: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let silent = silent.load(Ordering::Relaxed);
            tokio::spawn(async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                let mut app = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut caller, &mut app).await;
            });
        }
    });
    port
}

/// The incidents that are open now.
async fn open(s: &Story) -> Vec<Heard> {
    s.channel("#infra").await.into_iter().filter(|heard| heard.card.state == "open").collect()
}

/// Time passes as it does, minute by minute.
async fn passes(s: &Story, count: u64) {
    for _ in 0..count {
        s.waits(minutes(1)).await;
    }
}

/// A file of the pack as it is, with something else in one place.
fn with_other(s: &Story, name: &str, (is, other): (&str, &str)) {
    let text = std::fs::read_to_string(format!("commands/orion/{name}.yaml")).unwrap();
    assert!(text.contains(is), "{name}: {is}");
    assert!(s.edits(&format!("orion/{name}.yaml"), &text.replace(is, other)));
}

/// Silence for ten seconds, an `error`, another code, degradation: each is one incident, which closes by itself.
/// Proves: O03, Y33, Y34, Y35, Y37, Y39.
#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_being_down_is_one_incident_that_closes_by_itself() {
    let Some(server) = Server::new().await else { return };
    let silent = Arc::new(AtomicBool::new(false));
    let port = relay(server.app.port, silent.clone()).await;
    let well = json!({"status": "ok", "services": {"database": "connected", "redis": "connected", "queues": {
        "dian": {"status": "connected", "failed": 0}, "backup": {"status": "connected", "failed": 0},
        "reports": {"status": "connected", "failed": 0}}}});
    let turn = |what: &str, on: bool| match what {
        "silence" => silent.store(on, Ordering::Relaxed),
        "code" => server.app.answers("GET /health", if on { 500 } else { 200 }, well.clone()),
        "error" => server.app.turns(if on { Health::Error } else { Health::Ok }),
        _ => server.app.turns(if on { Health::Degraded } else { Health::Ok }),
    };
    let here = server.here().value("api", format!("http://127.0.0.1:{port}"));
    here.tell(async |s| {
        for name in ["pulso", "auxiliares"] {
            with_other(s, name, ("timeout: 10s", "timeout: 1s")); // ten seconds are not slept
        }
        passes(s, 3).await;
        assert!(open(s).await.is_empty(), "all is well");
        for (what, title, says) in [
            ("silence", "P1 Orion no responde", "1 s"),
            ("error", "P1 Orion no responde", "503"),
            ("degraded", "P2 Orion está degradado", "Redis"),
            ("code", "P1 Orion no responde", "500"),
        ] {
            turn(what, true);
            passes(s, 5).await;
            let [incident] =
                open(s).await.try_into().unwrap_or_else(|all| panic!("{what}: one incident, not {all:#?}"));
            let text = incident.card.text();
            assert!(incident.card.title.starts_with(title) && text.contains(says), "{what}: {text}");
            turn(what, false);
            passes(s, 5).await;
            assert_eq!(s.message(&incident.id).await.card.state, "resolved", "{what}");
        }
    })
    .await;
}

/// A backup of two days ago, a disk that is full, a certificate that ends in twenty days.
/// Proves: O31, Y36.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_a_full_disk_and_a_certificate_that_ends_open_incidents_that_close_by_themselves() {
    let Some(server) = Server::new().await else { return };
    let backup = |now: Timestamp, hours: u64| {
        let file = std::fs::File::options().write(true).open(server.path("backups/backup-2026-03-01.sql")).unwrap();
        let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.0).unwrap());
        file.set_modified(now - minutes(hours * 60)).unwrap();
    };
    server
        .here()
        .tell(async |s| {
            s.waits(minutes(60)).await;
            assert!(open(s).await.is_empty(), "all is well");
            let turn = |what: &str, on: bool| match what {
                "backup" => backup(s.clock.now(), if on { 48 } else { 1 }),
                // How full this machine's disks are is not the story's: what is asked of them is.
                "disk" => {
                    with_other(s, "backups", ("at_least: 20,", if on { "at_least: 101," } else { "at_least: 20," }))
                }
                _ => *server.certificate.lock().unwrap() = lasts(s.clock.now(), if on { 20 } else { 500 }),
            };
            for (what, title, says, hours) in [
                ("backup", "P1 Los backups de Orion fallan", "antigüedad", 1),
                ("disk", "P1 Los backups de Orion fallan", "disco libre", 1),
                ("certificate", "P4 El certificado de Orion vence", "certificado (días)", 6),
            ] {
                turn(what, true);
                s.waits(minutes(hours * 60)).await;
                let [incident] =
                    open(s).await.try_into().unwrap_or_else(|all| panic!("{what}: one incident, not {all:#?}"));
                let text = incident.card.text();
                assert!(incident.card.title.starts_with(title) && text.contains(says), "{what}: {text}");
                turn(what, false);
                s.waits(minutes(hours * 60)).await;
                assert_eq!(s.message(&incident.id).await.card.state, "resolved", "{what}");
            }
        })
        .await;
}

/// Proves: O01, Y40.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_those_who_may_read_them() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            let run = done(s, "metricas prod").await;
            assert!(run.card.text().contains("/metrics sin token"), "{}", run.card.text());
            server.app.answers("GET /metrics", 200, json!({}));
            let run = asks(s, "metricas prod").await;
            let over = comes_to(s, &run, "failed").await;
            assert!(over.card.text().contains("/metrics sin token"), "an open door is told");
        })
        .await;
}

/// Proves: O02, Y38.
#[tokio::test(flavor = "multi_thread")]
async fn the_channels_of_alerts_are_set_and_a_person_sees_one_arrive() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            let run = asks(s, "canales-alerta prod").await;
            let over = ticked(s, &run, 1).await;
            assert_eq!(over.card.state, "done", "{}", over.card.text());
            let all = told(s, &run).await;
            assert!(all.contains("SLACK_WEBHOOK_URL") && !all.contains("hunter2"), "{all}");
        })
        .await;
}

/// Proves: O12.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_where_orion_runs_and_nowhere_else() {
    let (Some(server), Some(stack)) = (Server::new().await, Stack::new()) else { return };
    stack.up("api", 1).await;
    let docker = format!("docker: {{ host: \"{}\" }}", stack.host);
    server
        .here()
        .value("container", stack.name("api", 1))
        .more(&docker)
        .tell(async |s| {
            let run = done(s, "logs docker prod").await;
            assert!(told(s, &run).await.contains("disk full"));
            done(s, "logs systemd prod").await;
            done(s, "logs pm2 prod").await;
            let calls = server.calls();
            assert!(calls.contains("journalctl --unit tu-api --lines 200"), "{calls}");
            assert!(calls.contains("pm2 logs tu-api --lines 200 --nostream"), "{calls}");
            for platform in ["render", "railway"] {
                let run = asks(s, &format!("logs {platform} prod")).await;
                assert_eq!(ticked(s, &run, 1).await.card.state, "done");
            }
        })
        .await;
}

/// Proves: O13, O14, O15, O16, O17, O32.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_a_500_is_in_one_table() {
    let Some(server) = Server::new().await else { return };
    server.write("logs/logs.txt", "INFO up\nERROR prisma: connection lost\nERROR stripe webhook signature\n");
    server
        .here()
        .tell(async |s| {
            let run = asks(s, "diagnostico-500 prod").await;
            let over = ticked(s, &run, 1).await;
            let text = over.card.text();
            for row in ["errores de la base", "errores de Redis", "errores de Stripe", "variables", "/auth/me"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            assert_eq!(text.matches("not OK").count(), 2, "the database's line and Stripe's: {text}");
            let run = asks(s, "stripe prod").await;
            let over = ticked(s, &run, 2).await;
            assert_eq!(over.card.state, "done", "{}", over.card.text());
            let all = told(s, &run).await;
            assert!(all.contains("Reenviar") && !all.contains("hunter2"), "{all}");
        })
        .await;
}

/// Proves: O30, Y43.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_down_is_looked_at_and_restarted_with_what_runs_it() {
    let (Some(server), Some(stack)) = (Server::new().await, Stack::new()) else { return };
    stack.up("api", 1).await;
    stack.up("redis", 1).await;
    let docker = format!("docker: {{ host: \"{}\" }}", stack.host);
    server
        .here()
        .value("project", &stack.project)
        .more(&docker)
        .tell(async |s| {
            server.app.turns(Health::Error);
            let run = asks(s, "api-caida prod").await;
            let text = s.message(&run.id).await.card.text();
            assert!(text.contains("503") && text.contains("Redis"), "{text}");
            server.app.turns(Health::Ok);
            let before =
                (stack.started_at(&stack.name("api", 1)).await, stack.started_at(&stack.name("redis", 1)).await);
            for what in ["api", "redis"] {
                let run = asks(s, &format!("reiniciar {what} vps-compose prod")).await;
                approved_by(s, &run, &["leo"]).await;
                comes_to(s, &run, "done").await;
            }
            assert_ne!(stack.started_at(&stack.name("api", 1)).await, before.0);
            assert_ne!(stack.started_at(&stack.name("redis", 1)).await, before.1);
            for (line, call) in [
                ("reiniciar api vps-pm2 dev", "pm2 restart tu-api"),
                ("reiniciar api vps-systemd dev", "systemctl restart tu-api"),
                ("reiniciar redis vps-systemd dev", "systemctl restart redis-server"),
            ] {
                done(s, line).await;
                assert!(server.calls().contains(call), "{line}: {}", server.calls());
            }
        })
        .await;
}

/// Proves: O31, O33, O34, Y36, Y42.
#[tokio::test(flavor = "multi_thread")]
async fn backups_and_the_morning_review() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            done(s, "backups prod").await;
            done(s, "revision-diaria prod").await;
            let run = done(s, "recursos prod").await;
            assert!(told(s, &run).await.contains("dashboard.stripe.com"));

            let old = std::fs::File::options().write(true).open(server.path("backups/backup-2026-03-01.sql")).unwrap();
            let Timestamp(now) = s.clock.now();
            let two_days_ago = std::time::UNIX_EPOCH + std::time::Duration::from_millis(now as u64) - minutes(48 * 60);
            old.set_modified(two_days_ago).unwrap();
            server.write("logs/logs.txt", "ERROR backup failed\n{\"status\": 503}\nalert CRITICAL database\n");
            for (line, rows) in [
                ("backups prod", vec!["antigüedad", "errores de backup"]),
                ("revision-diaria prod", vec!["alertas críticas", "errores 5xx", "antigüedad"]),
            ] {
                let run = asks(s, line).await;
                let text = s.message(&run.id).await.card.text();
                assert!(text.matches("not OK").count() >= rows.len(), "{line}: {text}");
                assert!(rows.iter().all(|row| text.contains(row)), "{line}: {text}");
            }
            s.waits(minutes(61)).await;
            let all = s.channel("#infra").await;
            assert!(all.iter().any(|heard| heard.card.title.starts_with("P1 Los backups de Orion fallan")));
        })
        .await;
}
