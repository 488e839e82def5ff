//! The local stack: what is installed, started, tried, found broken and mended on one machine.

use serde_json::json;
use sereno_fakes::app::Health;

use super::Pipeline;
use crate::minimarket::{catches_up, through, told};
use crate::world::{approved_by, asks, comes_to, done, taken_back};

/// Proves: T01, T04, T05.
#[tokio::test(flavor = "multi_thread")]
async fn tools_are_looked_at_and_no_file_of_secrets_is_ever_overwritten() {
    let Some(it) = Pipeline::new().await else { return };
    it.write("apps/processing/.env", "MINE=1\n");
    it.here()
        .tell(async |s| {
            let run = asks(s, "requisitos").await;
            assert!(told(s, &run).await.contains("Node, Docker y Compose"), "{}", told(s, &run).await);
            let over = through(s, "preparar dev", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(it.path("installed").exists());
            let read = |name: &str| std::fs::read_to_string(it.path(name)).unwrap();
            assert!(read("apps/ingestion/.env").contains("S3_BUCKET_NAME"));
            assert!(read("apps/web-frontend/.env.local").contains("S3_BUCKET_NAME"));
            taken_back(s, &over, "").await;
            assert!(!it.path("apps/ingestion/.env").exists() && !it.path("apps/web-frontend/.env.local").exists());
            assert_eq!(read("apps/processing/.env"), "MINE=1\n", "neither overwritten nor taken away");
            assert_eq!(through(s, "preparar powershell dev", "").await.card.state, "done");
        })
        .await;
}

/// Proves: T02, T03, T17, T55.
#[tokio::test(flavor = "multi_thread")]
async fn the_stack_goes_up_down_and_begins_again_without_its_data() {
    let Some(it) = Pipeline::new().await else { return };
    let volume = it.stack.volume("data").await;
    it.here()
        .tell(async |s| {
            let up = through(s, "levantar prod", "").await;
            assert_eq!(up.card.state, "done", "{}", told(s, &up).await);
            let there = async || it.stack.docker.inspect_container(&it.stack.name("postgres", 1), None).await.is_ok();
            assert!(there().await);
            taken_back(s, &up, "").await;
            assert!(!there().await);
            assert!(it.stack.docker.inspect_volume(&volume).await.is_ok(), "taking it down keeps the data");
            for (line, typed) in [("levantar prod", ""), ("reiniciar-todo prod", "")] {
                let over = through(s, line, typed).await;
                assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                assert!(over.card.text().contains("contenedores sanos | OK"), "{}", over.card.text());
            }
            assert!(it.stack.docker.inspect_volume(&volume).await.is_ok(), "a restart keeps the data");
            let run = asks(s, "empezar-de-cero prod").await;
            for turn in 0..8 {
                let mut waiting = s.channel("#infra").await;
                waiting.push(s.message(&run.id).await);
                for thread in waiting.clone() {
                    waiting.extend(s.thread(&thread.id).await);
                }
                let Some(ask) = waiting.into_iter().find(|heard| heard.card.state == "awaiting_approval") else {
                    break;
                };
                s.person(["leo", "eva"][turn % 2])
                    .presses_with(&ask, "approve", &[("confirm", &it.stack.project)])
                    .await;
            }
            let over = comes_to(s, &run, "done").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(it.stack.docker.inspect_volume(&volume).await.is_err(), "the data is gone");
            assert!(std::fs::read_dir(it.path("backups")).unwrap().count() > 0, "a copy was made before");
        })
        .await;
}

/// Proves: T06, T07, T08, T23, T24, T25, D15.
#[tokio::test(flavor = "multi_thread")]
async fn bucket_and_queue_are_made_where_they_are_missing_and_looked_at() {
    let Some(it) = Pipeline::new().await else { return };
    it.write("apps/ingestion/.env", "SQS_QUEUE_URL=http://q/twl\n");
    it.here()
        .tell(async |s| {
            let made = through(s, "nube-local dev", "").await;
            assert_eq!(made.card.state, "done", "{}", told(s, &made).await);
            taken_back(s, &made, "").await;
            let found = it.cloud.aws(json!({"do": "s3.head_bucket", "bucket": it.cloud.name})).await;
            assert_eq!(found["exists"], false, "what it made is gone");
            let found = it.cloud.aws(json!({"do": "sqs.queue_url", "queue": it.cloud.name})).await;
            assert_eq!(found["exists"], false);
            for again in [false, true] {
                let over = through(s, "nube-local dev", "").await;
                assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                assert_eq!(over.buttons().contains(&"undo"), !again, "what was there already stays");
            }
            let found = it.cloud.aws(json!({"do": "s3.head_bucket", "bucket": it.cloud.name})).await;
            assert_eq!(found["exists"], true);
            let found = it.cloud.aws(json!({"do": "sqs.queue_url", "queue": it.cloud.name})).await;
            assert_eq!(found["exists"], true);
        })
        .await;
    it.app.answers(&format!("HEAD /{}", it.cloud.name), 200, json!({}));
    it.app.answers("POST /", 200, json!({"QueueUrls": ["http://q/twl"], "QueueUrl": "http://q/twl"}));
    it.here()
        .value("minio", &it.app.url)
        .value("localstack", &it.app.url)
        .tell(async |s| {
            let run = done(s, "almacen dev").await;
            let text = run.card.text();
            for row in ["MinIO", "bucket y credenciales", "LocalStack", "cola", "SQS_QUEUE_URL"] {
                assert!(text.contains(&format!("{row} | OK")), "{row}: {text}");
            }
            it.write("apps/ingestion/.env", "SQS_QUEUE_URL=http://q/other\n");
            let run = asks(s, "almacen dev").await;
            assert!(comes_to(s, &run, "failed").await.card.text().contains("SQS_QUEUE_URL | not OK"));
        })
        .await;
}

/// Proves: T09.
#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_agreed_to_and_come_after_a_copy() {
    let Some(it) = Pipeline::new().await else { return };
    it.here()
        .tell(async |s| {
            let run = asks(s, "migrar dev").await;
            comes_to(s, &run, "awaiting_approval").await;
            let over = through(s, "migrar prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(over.card.text().contains("tabla users | OK"), "{}", over.card.text());
            assert!(std::fs::read_dir(it.path("backups")).unwrap().count() > 0);
            it.sql("INSERT INTO users VALUES (1, 'late@x.test')").await;
            taken_back(s, &over, "").await;
            let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name IN ('users', 'orders')";
            assert_eq!(it.number(tables).await, 1, "the copy of before is in service: orders, and no users");
        })
        .await;
}

/// Proves: T10, T16, T18, T22, T27.
#[tokio::test(flavor = "multi_thread")]
async fn services_start_on_free_ports_and_are_started_again() {
    let Some(it) = Pipeline::new().await else { return };
    it.curated().await;
    for service in ["postgres", "mongodb", "processing"] {
        it.stack.up(service, 1).await;
    }
    let calls = || std::fs::read_to_string(it.path("calls")).unwrap_or_default();
    it.here()
        .tell(async |s| {
            let over = through(s, "arrancar dev", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(over.card.text().contains("puertos libres | OK") && calls().contains("start twl-dev"));
            taken_back(s, &over, "").await;
            assert!(calls().trim().ends_with("systemctl stop twl-dev"), "{}", calls());
            assert_eq!(through(s, "arrancar terminal dev", "").await.card.state, "done");
            let over = through(s, "reiniciar-servicio prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(calls().contains("restart twl-dev"));
            let name = it.stack.name("processing", 1);
            let before = it.stack.started_at(&name).await;
            let over = through(s, "reiniciar-servicio processing compose prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert_ne!(it.stack.started_at(&name).await, before);
            assert_eq!(through(s, "reiniciar-servicio processing terminal prod", "").await.card.state, "done");
            for (service, row) in [
                ("ingestion", "Ingesta | OK"),
                ("reporting-api", "API de informes | OK"),
                ("web-frontend", "Frontend | OK"),
                ("postgres", "PostgreSQL | OK"),
                ("mongodb", "MongoDB | OK"),
            ] {
                let over = through(s, &format!("reiniciar-servicio {service} prod"), "").await;
                let text = over.card.text();
                assert!(text.contains(row) && !text.contains("Procesamiento | OK"), "{row}: {text}");
            }
            let name = it.stack.name("postgres", 1);
            let before = it.stack.started_at(&name).await;
            let over = through(s, "reiniciar-bases prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert_ne!(it.stack.started_at(&name).await, before);
            for app in ["ingestion", "processing", "reporting-api"] {
                let (mongo, wrong) = (&it.mongo, "postgres://postgres:old-hunter2@localhost/twl");
                let keys = format!("S3_BUCKET_NAME=b\nSQS_QUEUE_URL=q\nMONGODB_URI={mongo}\nDATABASE_URL={wrong}\n");
                it.write(&format!("apps/{app}/.env"), &keys);
            }
            let run = asks(s, "no-arranca dev").await;
            let text = comes_to(s, &run, "failed").await.card.text();
            for row in ["puertos libres | OK", ".env de la API | not OK", "MONGODB_URI | OK", "DATABASE_URL | not OK"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            assert!(!told(s, &run).await.contains("hunter2"), "values are compared, not shown");
        })
        .await;
    it.here()
        .value("ports", it.app.port)
        .tell(async |s| {
            let run = asks(s, "arrancar dev").await;
            comes_to(s, &run, "failed").await;
        })
        .await;
}

/// Proves: T11, T12, T13, T14, T15.
#[tokio::test(flavor = "multi_thread")]
async fn the_whole_way_is_tried_from_the_trigger_to_the_frontend() {
    let Some(it) = Pipeline::new().await else { return };
    it.curated().await;
    it.says("processing", "Successfully processed message 7").await;
    it.here()
        .tell(async |s| {
            catches_up(s);
            let over = through(s, "probar dev", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let text = over.card.text();
            assert!(text.contains("mensajes procesados | OK") && text.contains("registros curados | OK"), "{text}");
            assert_eq!(it.app.asked("POST /ingestion/trigger"), 1);
            assert_eq!(it.app.asked("POST /api/auth/register"), 1);
            let all = told(s, &over).await;
            assert!(!all.contains("demo123") && !all.contains("ana@x.test"), "{all}");
        })
        .await;
    it.sql("CREATE TABLE users (id int, email text)").await;
    it.sql("INSERT INTO users VALUES (1, 'demo@example.com'), (2, 'real@example.com')").await;
    it.here()
        .tell(async |s| {
            let run = asks(s, "borrar-demo dev").await;
            comes_to(s, &run, "awaiting_approval").await;
            assert_eq!(it.number("SELECT count(*) FROM users").await, 2, "nothing is deleted before an approval");
            approved_by(s, &run, &["leo"]).await;
            comes_to(s, &run, "done").await;
            assert_eq!(it.number("SELECT id::bigint FROM users").await, 2, "the demo account and no other");
            let run = asks(s, "borrar-demo dev").await;
            comes_to(s, &run, "failed").await;
        })
        .await;
}

/// Proves: T19, T20, T21, T26, T53, T54.
#[tokio::test(flavor = "multi_thread")]
async fn health_databases_and_logs_in_tables_with_a_verdict() {
    let Some(it) = Pipeline::new().await else { return };
    it.curated().await;
    for service in ["postgres", "mongodb", "processing", "ingestion"] {
        it.says(service, if service == "mongodb" { "FATAL no disk" } else { "INFO up" }).await;
    }
    it.here()
        .tell(async |s| {
            catches_up(s);
            let text = done(s, "salud prod").await.card.text();
            for row in ["bases en marcha", "contenedores enfermos", "Ingesta", "Procesamiento", "API de informes"] {
                assert!(text.contains(&format!("{row} | OK")), "{row}: {text}");
            }
            let run = asks(s, "bases prod").await;
            let text = comes_to(s, &run, "failed").await.card.text();
            for row in ["bases en marcha | OK", "PostgreSQL | OK", "MongoDB | OK", "líneas con FATAL | not OK"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            for line in ["logs prod", "logs ingestion prod"] {
                let run = done(s, line).await;
                assert!(told(s, &run).await.contains("INFO up"), "{}", told(s, &run).await);
            }
            it.app.turns(Health::Error);
            let run = asks(s, "salud prod").await;
            s.waits(std::time::Duration::from_secs(60)).await;
            let text = s.message(&run.id).await.card.text();
            assert!(text.contains("Ingesta | not OK"), "{text}");
        })
        .await;
    it.here()
        .value("minio", &it.app.url)
        .tell(async |s| {
            it.app.turns(Health::Ok);
            let text = done(s, "procesamiento dev").await.card.text();
            assert!(text.contains("Procesamiento | OK") && text.contains("líneas con ERROR | OK"), "{text}");
        })
        .await;
}

/// Proves: T28, T29, T30, T56, T57.
#[tokio::test(flavor = "multi_thread")]
async fn data_is_counted_and_shown_without_what_is_personal() {
    let Some(it) = Pipeline::new().await else { return };
    it.curated().await;
    it.sql("CREATE TABLE users (id int, email text); INSERT INTO users VALUES (7, 'demo@example.com')").await;
    it.here()
        .tell(async |s| {
            let over = through(s, "sin-datos prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(over.card.text().contains("registros curados | OK"), "{}", over.card.text());
            assert_eq!(it.app.asked("GET /api/reporting/records"), 1);
            for (line, seen) in [("datos prod", "[hidden]"), ("datos usuarios prod", "d…")] {
                let run = done(s, line).await;
                let told = told(s, &run).await;
                assert!(told.contains(seen), "{line}: {told}");
                assert!(!told.contains("ana@x.test") && !told.contains("demo@example.com"), "{told}");
            }
        })
        .await;
}
