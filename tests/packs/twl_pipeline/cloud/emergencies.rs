//! Credentials that are rotated, data that is lost, an intruder: with what people decide, and the ways back.

use super::*;

/// Proves: T49.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_rotated_and_the_old_role_is_closed_once_nobody_uses_it() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.secret().await;
    let role =
        "DO $$ BEGIN CREATE ROLE twl_app_a; EXCEPTION WHEN duplicate_object THEN END $$; ALTER ROLE twl_app_a LOGIN";
    it.sql(role).await;
    let may = async || it.number("SELECT count(*) FROM pg_roles WHERE rolname = 'twl_app_a' AND rolcanlogin").await;
    let version = async || {
        let found = it.cloud.aws(json!({"do": "secretsmanager.describe_secret", "secret": it.cloud.name})).await;
        found["version"].clone()
    };
    let old_url = it.db.url().replace("postgres@", "twl_app_a@");
    let before = (version().await, it.variables("reporting").await);
    it.here()
        .tell(async |s| {
            catches_up(s);
            it.app.turns(Health::Error);
            let over = through(s, "rotar-credenciales twl_app_a no prod", "twl_app_a").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert_eq!(
                (version().await, it.variables("reporting").await, may().await),
                (before.0.clone(), before.1.clone(), 1)
            );

            it.app.turns(Health::Ok);
            let inside = sqlx::PgConnection::connect(&old_url).await.unwrap();
            let over = through(s, "rotar-credenciales twl_app_a no prod", "twl_app_a").await;
            says(&over, &["sesiones con el rol viejo | not OK"]);
            assert_eq!((over.card.state.as_str(), may().await), ("failed", 1), "somebody uses it: it is not closed");
            inside.close().await.unwrap();

            let over = through(s, "rotar-credenciales twl_app_a no prod", "twl_app_a").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(!told(s, &over).await.contains("hunter2"));
            for service in SERVICES {
                assert_eq!(it.variables(service).await["DATABASE_URL"], it.db.url(), "{service} has the new ones");
            }
            let newest = json!({"SecretId": it.cloud.name}).to_string();
            let newest =
                asked(&it.cloud, "secretsmanager", ("POST", "/", "secretsmanager.GetSecretValue"), newest).await;
            assert!(newest.contains("new-hunter2hunter2"), "Secrets Manager has the new ones");
            assert_eq!(may().await, 0, "the old role is closed");
        })
        .await;
}

/// With the Lambdas off nothing answers, and who is inside with the old role is who is to be thrown out.
/// Proves: T49, T52.
#[tokio::test(flavor = "multi_thread")]
async fn while_all_is_off_the_old_role_is_closed_at_once_and_who_is_still_inside_is_told() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.secret().await;
    it.sql(
        "DO $$ BEGIN CREATE ROLE twl_app_b; EXCEPTION WHEN duplicate_object THEN END $$; ALTER ROLE twl_app_b LOGIN",
    )
    .await;
    it.app.turns(Health::Error);
    let inside = sqlx::PgConnection::connect(&it.db.url().replace("postgres@", "twl_app_b@")).await.unwrap();
    it.here()
        .tell(async |s| {
            let over = through(s, "rotar-credenciales twl_app_b si prod", "twl_app_b").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            says(&over, &["sesiones que quedan | not OK"]);
            says(&over, &["Cortar las sesiones que quedan | done"]);
            let may = it.number("SELECT count(*) FROM pg_roles WHERE rolname = 'twl_app_b' AND rolcanlogin").await;
            assert_eq!(may, 0);
        })
        .await;
    inside.close().await.unwrap();
}

/// Proves: T51, Y58.
#[tokio::test(flavor = "multi_thread")]
async fn lost_data_comes_back_while_nothing_is_taken_in() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.curated().await;
    it.sql("CREATE TABLE users (id int, email text); INSERT INTO users VALUES (1, 'a@x.test')").await;
    let name = &it.cloud.name;
    it.cloud.aws(json!({"do": "s3.create_bucket", "bucket": name})).await;
    it.write("raw.json", "{}");
    it.cloud.aws(json!({"do": "s3.put_object", "bucket": name, "key": "raw.json", "file": it.path("raw.json")})).await;
    let reserved = async || it.lambda("ingestion").await["reserved"].clone();
    dump(&it);
    it.here()
        .tell(async |s| {
            let (line, typed) = ("perdida-datos reprocesar prod", it.db.name.as_str());
            let run = asks(s, line).await;
            approved_by_typing(s, &run, &["leo", "eva"], typed).await;
            comes_to(s, &run, "holding").await;
            assert_eq!(reserved().await, 0, "nothing is taken in while people look");
            let over = to_the_end(s, &run, typed).await;
            assert_eq!(
                (over.card.state.as_str(), reserved().await),
                ("done", json!("none")),
                "{}",
                told(s, &over).await
            );

            it.sql("DELETE FROM users").await;
            let over = through(s, "perdida-datos copia lost.dump prod", typed).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            says(&over, &["usuarios | OK", "registros curados | OK", "ingesta en marcha | OK"]);
            assert_eq!(it.number("SELECT count(*) FROM users").await, 1, "what was lost is there again");
            taken_back(s, &over, typed).await;
            assert_eq!(it.number("SELECT count(*) FROM users").await, 0, "and its undo is the database of before");
            assert_eq!(reserved().await, "none");

            // Nobody agrees to go on: the undo of the card turns it on again.
            let run = asks(s, line).await;
            approved_by_typing(s, &run, &["leo", "eva"], typed).await;
            comes_to(s, &run, "holding").await;
            s.person("ana").presses(&s.message(&run.id).await, "cancel").await;
            let over = comes_to(s, &run, "cancelled").await;
            assert_eq!(reserved().await, 0);
            taken_back(s, &over, typed).await;
            assert_eq!(reserved().await, "none");
        })
        .await;
}

#[allow(clippy::disallowed_methods)] // a test starts a process
fn dump(it: &Pipeline) {
    let mut dump = std::process::Command::new("pg_dump");
    dump.args(["-Fc", "--file"]).arg(it.path("backups/lost.dump")).arg(it.db.url());
    assert!(dump.status().unwrap().success());
}

/// Proves: T52, Y57.
#[tokio::test(flavor = "multi_thread")]
async fn an_intruder_is_shut_out_first_and_services_come_back_last() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.here()
        .tell(async |s| {
            catches_up(s);
            let run = asks(s, "seguridad prod").await;
            for person in ["leo", "eva"] {
                let ask = comes_to(s, &run, "awaiting_approval").await;
                s.person(person).presses_with(&ask, "approve", &[("confirm", "aislar")]).await;
            }
            comes_to(s, &run, "holding").await;
            for service in SERVICES {
                assert_eq!(it.lambda(service).await["reserved"], 0, "{service} is off while people look");
            }
            for _ in 0..4 {
                let now = s.message(&run.id).await;
                s.person("ana").presses_with(&now, "check", &[("evidence", "visto")]).await;
            }
            for turn in 0..4 {
                let now = s.message(&run.id).await;
                if now.card.state == "awaiting_approval" {
                    s.person(["leo", "eva"][turn % 2]).presses_with(&now, "approve", &[("confirm", "aislar")]).await;
                }
            }
            comes_to(s, &run, "done").await;
            for service in SERVICES {
                assert_eq!(it.lambda(service).await["reserved"], "none", "{service} is on again");
            }
        })
        .await;
}

/// Proves: T52.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_isolated_and_left_half_way_is_turned_on_again_by_its_undo() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.cloud.facts("lambda", json!({"do": "concurrency", "function": it.function("reporting"), "reserved": 7})).await;
    let reserved = async || {
        let mut all = Vec::new();
        for service in SERVICES {
            all.push(it.lambda(service).await["reserved"].clone());
        }
        all
    };
    let on = [json!("none"), json!("none"), json!(7)];
    it.here()
        .tell(async |s| {
            let isolated = async || {
                let run = asks(s, "seguridad prod").await;
                approved_by_typing(s, &run, &["leo", "eva"], "aislar").await;
                let held = comes_to(s, &run, "holding").await;
                assert_eq!(reserved().await, [0, 0, 0]);
                held
            };
            let held = isolated().await;
            s.person("ana").presses(&held, "cancel").await;
            let stopped = comes_to(s, &held, "cancelled").await;
            assert_eq!(reserved().await, [0, 0, 0], "nobody turns them on by the way");

            // Another run on top of it found them off, and says at its end that they still are.
            let held = isolated().await;
            let over = to_the_end(s, &held, "aislar").await;
            assert_eq!((over.card.state.as_str(), reserved().await), ("failed", vec![json!(0); 3]));
            says(
                &over,
                &SERVICES.map(|service| format!("{service} encendida | not OK")).each_ref().map(String::as_str),
            );

            taken_back(s, &stopped, "aislar").await;
            assert_eq!(reserved().await, on, "as they were before anybody turned them off");

            // Whoever must agree to turning them on does not: it was refused, and can be taken back all the same.
            let held = isolated().await;
            for _ in 0..4 {
                s.person("ana").presses_with(&s.message(&held.id).await, "check", &[("evidence", "visto")]).await;
            }
            let ask = comes_to(s, &held, "awaiting_approval").await;
            s.person("leo").presses_with(&ask, "refuse", &[("reason", "not yet")]).await;
            let refused = comes_to(s, &held, "refused").await;
            taken_back(s, &refused, "aislar").await;
            assert_eq!(reserved().await, on);
            s.audit_is_whole().await;
        })
        .await;
}
