//! Paw Paw's pack on a real engine, PostgreSQL and Prometheus: latency from an alert to three replicas, deploys that keep
//! their secrets, restores, and what only people do.

mod latency;

use std::sync::atomic::Ordering;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{RemoveImageOptions, RemoveVolumeOptions};
use sereno_fakes::app::App;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::docker_support::Stack;
use crate::harness::{Heard, minutes};
use crate::minimarket::thresholds::steady;
use crate::minimarket::{Watcher, catches_up, through, told};
use crate::sql_support::Shop;
use crate::world::{Here, approved_by, approved_by_typing, asks, comes_to, done};

const FORCED: RemoveImageOptions = RemoveImageOptions { force: true, noprune: false, platforms: None };

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

/// Proves: P02, D16.
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
        })
        .await;
}

/// What a restore has stopped stays so until its end, whoever wants to start it or to clear it away.
/// Proves: P07.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods)] // a test starts a process
async fn nothing_starts_the_backend_while_a_restore_waits() {
    let (Some(paw), Some(db)) = (Paw::new().await, Shop::new().await) else { return };
    paw.stack.up("backend", 1).await;
    let mut dump = std::process::Command::new("pg_dump");
    let file = paw.dir.path().join("backups/backup_1.sql");
    assert!(dump.arg("--file").arg(file).arg(db.url()).status().unwrap().success());
    paw.with_database(&db.url())
        .value("database", &db.name)
        .value("table", "orders")
        .tell(async |s| {
            let run = asks(s, "restaurar backup_1.sql prod").await;
            comes_to(s, &run, "awaiting_approval").await;
            for line in ["desplegar prod", "limpiar-docker prod"] {
                let refused = asks(s, line).await;
                let all = told(s, &refused).await;
                assert!(all.contains("is held by") && all.contains("restaurar"), "{line}: {all}");
            }
        })
        .await;
}

/// Nobody needs to agree to anything in development. The image is built by the engine, from what stands there now.
/// Proves: P01.
#[tokio::test(flavor = "multi_thread")]
async fn development_is_built_anew_from_what_stands_there_now() {
    let Some(paw) = Paw::new().await else { return };
    let image = format!("sereno-test/{}", paw.stack.project);
    paw.write(
        "docker-compose.yml",
        &format!("version: '2.4'\nservices:\n  backend: {{ image: '{image}', build: ., network_mode: none }}\n"),
    );
    let code = |version: &str| {
        let says = format!("trap 'exit 0' TERM; echo version {version}; while :; do sleep 0.1; done");
        paw.write("serve.sh", &says);
        paw.write("Dockerfile", "FROM sereno-test/busybox\nCOPY serve.sh /\nCMD [\"sh\", \"/serve.sh\"]\n");
    };
    paw.here()
        .tell(async |s| {
            code("one");
            done(s, "desarrollo levantar dev").await;
            let run = done(s, "desarrollo logs dev").await;
            assert!(told(s, &run).await.contains("version one"));
            let first = paw.stack.docker.inspect_image(&image).await.unwrap().id.unwrap();
            code("two");
            done(s, "desarrollo reconstruir dev").await;
            let run = done(s, "desarrollo logs dev").await;
            assert!(told(s, &run).await.contains("version two"), "{}", told(s, &run).await);
            let before = paw.stack.started_at(&paw.stack.name("backend", 1)).await;
            paw.write("Dockerfile", "FROM sereno-test/busybox\nCOPY nowhere.sh /\n");
            let run = asks(s, "desarrollo reconstruir dev").await;
            comes_to(s, &run, "failed").await;
            assert!(told(s, &run).await.contains("nowhere.sh"), "why it cannot be built: {}", told(s, &run).await);
            assert_eq!(paw.stack.started_at(&paw.stack.name("backend", 1)).await, before, "what ran goes on");
            paw.stack.remove(&paw.stack.name("backend", 1)).await;
            for built in [&image, &first] {
                paw.stack.docker.remove_image(built, Some(FORCED), None).await.unwrap();
            }
        })
        .await;
}

/// Proves: P04, P05.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_panels_are_read() {
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
            assert!(text.contains("http") || told(s, &run).await.contains("Grafana: http"), "where the panels are");
        })
        .await;
}

/// Loki has what the backend said before; of Nginx it knows nothing, and where it does not answer there is Docker.
/// Proves: P06.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_lokis_or_else_dockers() {
    let Some(paw) = Paw::new().await else { return };
    for service in ["backend", "nginx"] {
        paw.stack.up(service, 1).await;
    }
    let now = i128::from(sereno::clock::Clock::System.now().0);
    let line = |container: &str, minutes: i128, text: &str| {
        let at = (now - minutes * 60_000) * 1_000_000;
        ([("container_name".to_owned(), container.to_owned())].into(), at, text.to_owned())
    };
    let lines = vec![
        line("pawpaw_backend", 20, "GET /too-old 500"),
        line("pawpaw_backend", 5, "GET /api/products 502"),
        line("pawpaw_frontend", 5, "GET /elsewhere 200"),
    ];
    let loki = sereno_fakes::loki::serve(None, lines).await.unwrap();
    paw.here()
        .value("loki", loki)
        .tell(async |s| {
            catches_up(s);
            let run = done(s, "logs backend prod").await;
            let all = told(s, &run).await;
            assert!(all.contains("GET /api/products 502"), "{all}");
            for other in ["too-old", "elsewhere", "disk full"] {
                assert!(!all.contains(other), "{other}: {all}");
            }
            let run = done(s, "logs nginx prod").await;
            assert!(told(s, &run).await.contains("disk full"), "{}", told(s, &run).await);
        })
        .await;
    paw.here()
        .value("loki", "http://127.0.0.1:1")
        .tell(async |s| {
            let run = done(s, "logs backend prod").await;
            assert!(told(s, &run).await.contains("disk full"), "{}", told(s, &run).await);
        })
        .await;
}

/// The document gives no times: these are proposed, and their clocks run all the same.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_nobody_wrote_a_step_for_run_out_aloud() {
    Here::of("pawpaw")
        .secret("db", "postgres://nobody@127.0.0.1:1/nothing")
        .secret("old_token", "an-old-token-0123")
        .secret("login", "{}")
        .more("docker: { host: \"unix:///nowhere\" }")
        .tell_everywhere(async |s| {
            s.person("vic").says("#infra", "/ops incident P2 Va lento").await;
            let lento = |heard: &Heard| heard.card.state == "open" && heard.card.title.contains("Va lento");
            let incident = s.channel("#infra").await.into_iter().find(lento).expect("an incident");
            s.waits(minutes(30)).await;
            let all = told(s, &incident).await;
            assert!(all.contains("Nadie ha mirado la latencia"), "{all}");
            s.person("leo").presses(&s.message(&incident.id).await, "acknowledge").await;
            s.waits(minutes(7 * 60 + 29)).await;
            assert!(!told(s, &incident).await.contains("is over"));
            s.waits(minutes(1)).await;
            let over = s.thread(&incident.id).await.pop().unwrap().card;
            assert!(over.title.contains("The time to resolve a P2, 8h, is over"), "{}", over.title);
            assert_eq!(over.mentions, ["ana", "leo"], "who is on call, and who took it");
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
        .value("table", "orders")
        .tell(async |s| {
            db.connect().await.execute(AssertSqlSafe("DELETE FROM orders")).await.unwrap();
            let run = asks(s, "restaurar backup_2.sql.gz prod").await;
            comes_to(s, &run, "failed").await;
            let run = asks(s, "restaurar backup_1.sql.gz prod").await;
            approved_by_typing(s, &run, &["leo", "eva"], &db.name).await;
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("filas | OK | at least 1 | 3"), "{}", over.card.text());
            assert_eq!(db.count("true").await, 3);
            db.connect().await.execute(AssertSqlSafe("DELETE FROM orders")).await.unwrap();
            let run = asks(s, "restore backup_1.sql.gz dev").await;
            approved_by_typing(s, &run, &["leo"], &db.name).await;
            comes_to(s, &run, "done").await;
            assert_eq!(db.count("true").await, 3, "in development one is enough, who types it too");
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
            let now = s.clock.now().0;
            let old = |name: &str, days: i64| {
                paw.write(name, "-- a backup\n");
                let at = std::time::Duration::from_millis(u64::try_from(now - days * 24 * 3_600_000).unwrap());
                let file = std::fs::File::open(paw.dir.path().join(name)).unwrap();
                file.set_modified(std::time::UNIX_EPOCH + at).unwrap();
            };
            for day in 0..30 {
                for half in ["a", "b"] {
                    old(&format!("backups/backup_{day}{half}.sql"), day);
                }
            }
            done(s, "backups prod").await; // two a day are not too many
            old("backups/backup_old.sql", 33);
            let run = asks(s, "backups prod").await;
            let text = comes_to(s, &run, "failed").await.card.text();
            assert!(text.contains("el más viejo (s) | not OK"), "nobody removes them: {text}");
            let (own, stray) = (format!("{}_unused", paw.stack.project), format!("{}_stray", paw.stack.project));
            let body = VolumeCreateRequest { name: Some(stray.clone()), ..VolumeCreateRequest::default() };
            paw.stack.docker.create_volume(body).await.unwrap();
            let run = asks(s, "limpiar-maquina prod").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            let all = told(s, &run).await;
            assert!(all.contains(&own) && all.contains(&stray), "whoever's it is: {all}");
            // Other people's things are on this engine: nobody agrees.
            s.person("leo").presses(&ask, "refuse").await;
            let run = asks(s, "limpiar-docker prod").await;
            let all = told(s, &run).await;
            assert!(all.contains(&own) && !all.contains(&stray), "the project's: {all}");
            approved_by_typing(s, &run, &["leo", "eva"], &paw.stack.project).await;
            comes_to(s, &run, "done").await;
            paw.stack.started_at(&paw.stack.name("backend", 1)).await;
            assert!(paw.stack.docker.inspect_volume(&own).await.is_err());
            paw.stack.docker.inspect_volume(&stray).await.unwrap();
            paw.stack.docker.remove_volume(&stray, None::<RemoveVolumeOptions>).await.unwrap();
        })
        .await;
}

/// npm is a stand-in that notes how it was called, updates what npm would, and fails where it is told to. Git is real.
/// Proves: P13, Y49.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods)] // a test starts a process
async fn dependencies_are_audited_and_updated_and_tested() {
    let Some(paw) = Paw::new().await else { return };
    let root = paw.dir.path();
    paw.write(
        "npm",
        &format!(
            "#!/bin/sh\necho \"$*\" >> {0}/calls\n[ \"$1\" = update ] && echo newer > \"$3/package-lock.json\"\n\
             if [ -e \"{0}/fails-$1\" ]; then echo \"npm ERR! $1 is not well\" >&2; exit 1; fi\n",
            root.display()
        ),
    );
    std::fs::set_permissions(root.join("npm"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for part in ["backend", "frontend"] {
        std::fs::create_dir(root.join(part)).unwrap();
        for file in ["package.json", "package-lock.json"] {
            paw.write(&format!("{part}/{file}"), "older\n");
        }
    }
    for line in ["init -q", "add backend frontend", "-c user.name=a -c user.email=a@b.c commit -q -m before"] {
        let mut git = std::process::Command::new("git");
        assert!(git.arg("-C").arg(root).args(line.split(' ')).status().unwrap().success(), "{line}");
    }
    let calls = || std::fs::read_to_string(root.join("calls")).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let locked = |part: &str| std::fs::read_to_string(root.join(part).join("package-lock.json")).unwrap();
    let call = |what: &str, part: &str| format!("{what} --prefix {}/{part}", root.display());
    paw.here()
        .tell(async |s| {
            done(s, "mantenimiento auditar backend prod").await;
            assert_eq!(calls(), [call("audit", "backend")], "nobody is asked, and nothing is changed");
            let run = asks(s, "mantenimiento actualizar frontend prod").await;
            approved_by(s, &run, &["leo"]).await;
            comes_to(s, &run, "done").await;
            assert_eq!(calls()[1..], ["audit", "update", "test"].map(|what| call(what, "frontend")));
            assert_eq!((locked("frontend"), locked("backend")), ("newer\n".to_owned(), "older\n".to_owned()));

            paw.write("fails-audit", "");
            let run = asks(s, "mantenimiento auditar backend prod").await;
            let all = told(s, &run).await;
            assert!(all.contains("npm ERR! audit is not well"), "what is not well is shown: {all}");
            paw.write("fails-test", "");
            let over = through(s, "mantenimiento actualizar backend prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert!(told(s, &over).await.contains("npm ERR! test is not well"), "{}", told(s, &over).await);
            assert_eq!(locked("backend"), "older\n", "git has brought back what was there");

            paw.write("fails-update", "");
            let over = through(s, "mantenimiento actualizar backend prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert_eq!(locked("backend"), "older\n", "and also where npm dies half-way: {}", told(s, &over).await);
            paw.write("backend/package.json", "somebody's\n");
            let before = calls().len();
            let over = through(s, "mantenimiento actualizar backend prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert!(calls()[before..].iter().all(|call| !call.starts_with("update")), "what git has not is not lost");
            assert_eq!(std::fs::read_to_string(root.join("backend/package.json")).unwrap(), "somebody's\n");
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
