//! Paw Paw's pack on a real engine, PostgreSQL and Prometheus: latency from an alert to three replicas, deploys that keep
//! their secrets, restores, and what only people do.

use std::sync::atomic::Ordering;

use sereno_fakes::app::App;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::docker_support::Stack;
use crate::minimarket::{Watcher, catches_up, through, told};
use crate::sql_support::Shop;
use crate::world::{Here, approved_by, approved_by_typing, asks, comes_to, done};

/// The whole of Paw Paw.
struct Paw {
    app: App,
    stack: Stack,
    watch: Watcher,
    dir: tempfile::TempDir,
}

impl Paw {
    async fn new() -> Option<Self> {
        let (stack, watch) = (Stack::new()?, Watcher::new("backend").await?);
        let paw = Self { app: App::start().await, stack, watch, dir: tempfile::tempdir().unwrap() };
        let service = |name: &&str| {
            format!(
                "  {name}: {{ image: sereno-test/busybox, network_mode: none, command: \
                 ['sh', '-c', 'trap \"exit 0\" TERM; while :; do sleep 0.1; done'] }}\n"
            )
        };
        let services: String = ["backend", "nginx"].iter().map(service).collect();
        for file in ["docker-compose.prod.yml", "docker-compose.yml"] {
            paw.write(file, &format!("version: '2.4'\nservices:\n{services}"));
        }
        paw.write(".env", "JWT_SECRET=real-secret\nPOSTGRES_PASSWORD=real-password\n");
        paw.write(".env.example", "JWT_SECRET=\nPOSTGRES_PASSWORD=\n");
        std::fs::create_dir(paw.dir.path().join("backups")).unwrap();
        Some(paw)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn here(&self) -> Here {
        self.with_database("postgres://nobody@127.0.0.1:1/none")
    }

    fn with_database(&self, url: &str) -> Here {
        let dir = self.dir.path().display().to_string();
        Here::of("pawpaw")
            .value("project", &self.stack.project)
            .value("dev_project", &self.stack.project)
            .value("dir", &dir)
            .value("dev_dir", &dir)
            .value("backups", format!("{dir}/backups"))
            .value("api", &self.app.url)
            .value("grafana", &self.app.url)
            .value("loki", &self.app.url)
            .value("prometheus", &self.watch.url)
            .value("follow", "1s")
            .value("npm", format!("{dir}/npm"))
            .secret("db", url)
            .secret("old_token", "an-old-token-0123")
            .secret("login", r#"{"email":"test@test.com","password":"test"}"#)
            .more(&format!("docker: {{ host: \"{}\" }}", self.stack.host))
    }
}

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

/// Proves: P01, P02, D16.
#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_keeps_the_secrets_that_are_there() {
    let Some(paw) = Paw::new().await else { return };
    paw.here()
        .tell(async |s| {
            assert_eq!(through(s, "desplegar prod", "").await.card.state, "done");
            let kept = std::fs::read_to_string(paw.dir.path().join(".env")).unwrap();
            assert!(kept.contains("real-secret"), "the template never takes its place");
            std::fs::remove_file(paw.dir.path().join(".env")).unwrap();
            let over = through(s, "desplegar prod", "").await;
            assert_eq!(over.card.state, "failed", "nothing goes up with an example's secrets");
            assert!(over.card.text().contains("secretos puestos | not OK"), "{}", over.card.text());
            assert_eq!(through(s, "desarrollo levantar dev", "").await.card.state, "done");
            done(s, "desarrollo logs dev").await;
        })
        .await;
}

/// Proves: P04, P05, P06.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_logs_are_read() {
    let Some(paw) = Paw::new().await else { return };
    paw.stack.up("backend", 1).await;
    paw.here()
        .tell(async |s| {
            catches_up(s);
            let run = done(s, "metricas prod").await;
            let text = run.card.text();
            for row in ["Prometheus", "Grafana", "PostgreSQL en pie", "memoria de Redis (bytes)", "aciertos de Redis"] {
                assert!(text.contains(&format!("{row} | OK")), "{row}: {text}");
            }
            let run = asks(s, "logs backend prod").await;
            assert!(told(s, &run).await.contains("disk full"), "{}", told(s, &run).await);
        })
        .await;
}

/// Proves: P07, D17.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods)] // a test starts a process
async fn a_packed_backup_takes_the_databases_place_or_nothing_happens() {
    let (Some(paw), Some(db)) = (Paw::new().await, Shop::new().await) else { return };
    paw.stack.up("backend", 1).await;
    let file = paw.dir.path().join("backups/backup_1.sql");
    let mut dump = std::process::Command::new("pg_dump");
    assert!(dump.arg("--file").arg(&file).arg(db.url()).status().unwrap().success());
    assert!(std::process::Command::new("gzip").arg(&file).status().unwrap().success());
    let whole = std::fs::read(paw.dir.path().join("backups/backup_1.sql.gz")).unwrap();
    std::fs::write(paw.dir.path().join("backups/backup_2.sql.gz"), &whole[..whole.len() / 2]).unwrap();
    paw.with_database(&db.url())
        .value("database", &db.name)
        .tell(async |s| {
            db.connect().await.execute(AssertSqlSafe("DELETE FROM orders")).await.unwrap();
            let run = asks(s, "restaurar backup_2.sql.gz prod").await;
            comes_to(s, &run, "failed").await;
            let run = asks(s, "restaurar backup_1.sql.gz prod").await;
            approved_by_typing(s, &run, &["leo", "eva"], &db.name).await;
            comes_to(s, &run, "done").await;
            assert_eq!(db.count("true").await, 3);
        })
        .await;
}

/// Proves: P03, P08, Y50.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_rotated_by_people_and_proven_by_the_application() {
    let Some(paw) = Paw::new().await else { return };
    paw.here()
        .tell(async |s| {
            let over = through(s, "rotar-secretos prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(over.card.text().contains("token de antes | OK"), "{}", over.card.text());
            assert_eq!(through(s, "ci prod", "").await.card.state, "done");
        })
        .await;
}

/// Proves: P12, P14, Y47.
#[tokio::test(flavor = "multi_thread")]
async fn backups_are_fresh_and_what_nothing_uses_is_removed() {
    let Some(paw) = Paw::new().await else { return };
    paw.stack.up("backend", 1).await;
    paw.stack.volume("unused").await;
    paw.here()
        .tell(async |s| {
            let run = asks(s, "backups prod").await;
            comes_to(s, &run, "failed").await;
            paw.write("backups/backup_2026-11-22.sql", "-- a backup\n");
            done(s, "backups prod").await;
            let over = through(s, "limpiar-docker prod", &paw.stack.project).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            paw.stack.started_at(&paw.stack.name("backend", 1)).await;
        })
        .await;
}

/// npm is a stand-in that notes how it was called.
/// Proves: P13, Y49.
#[tokio::test(flavor = "multi_thread")]
async fn dependencies_are_audited_and_updated_and_tested() {
    let Some(paw) = Paw::new().await else { return };
    paw.write("npm", &format!("#!/bin/sh\necho \"$*\" >> {}/calls\n", paw.dir.path().display()));
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(paw.dir.path().join("npm"), executable).unwrap();
    let calls = || std::fs::read_to_string(paw.dir.path().join("calls")).unwrap();
    paw.here()
        .tell(async |s| {
            assert_eq!(through(s, "mantenimiento auditar backend prod", "").await.card.state, "done");
            assert!(calls().contains("audit") && !calls().contains("update"), "{}", calls());
            assert_eq!(through(s, "mantenimiento actualizar frontend prod", "").await.card.state, "done");
            assert!(calls().contains("update") && calls().contains("test"), "{}", calls());
        })
        .await;
}

/// Proves: P11, Y48.
#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_looked_at_and_who_runs_as_root_is_told() {
    let Some(paw) = Paw::new().await else { return };
    let _ = rustls::crypto::ring::default_provider().install_default();
    for service in ["nginx", "backend"] {
        paw.stack.up(service, 1).await;
    }
    let soon = https(2026).await;
    paw.here()
        .value("https", format!("127.0.0.1:{soon}"))
        .tell(async |s| {
            let run = asks(s, "certificado prod").await;
            let text = s.message(&run.id).await.card.text();
            assert!(text.contains("certificado (días) | not OK"), "{text}");
            let over = through(s, "exposicion prod", "").await;
            assert!(over.card.text().contains("usuario del backend | not OK"), "{}", over.card.text());
        })
        .await;
    let late = https(2036).await;
    paw.here()
        .value("https", format!("127.0.0.1:{late}"))
        .tell(async |s| {
            let over = through(s, "renovar-certificado prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
        })
        .await;
}

/// A server with a certificate that is good until then.
async fn https(year: i32) -> u16 {
    use rustls::pki_types::pem::PemObject as _;
    let key = rcgen::KeyPair::generate().unwrap();
    let (pem, key) = (crate::minimarket::dates(year).self_signed(&key).unwrap().pem(), key.serialize_pem());
    let chain = vec![rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}
