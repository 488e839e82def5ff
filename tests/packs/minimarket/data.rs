//! The database: restores, indexes, plans, maintenance, the cache beside it, the key of its data.

use super::*;

impl Market {
    /// A backup as `respaldar` makes it, with its note of what is in it.
    pub(super) async fn noted(&self, name: &str) {
        let with = json!({"do": "dump", "database": {"secret": "shop_db"}, "dir": self.path("backups"), "file": name});
        let cx = crate::sql_support::at(&self.db.url(), crate::sql_support::LONG);
        crate::executor_support::done(crate::sql_support::run_planned(&cx, "sql_backup", &with).await);
    }

    async fn sql(&self, text: &str) {
        self.db.connect().await.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    }
}

/// As the document has it, one foreign session is enough to mix the backup with what was there, and to call that a success.
/// Proves: M39, D1, Y29.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_whole_although_somebody_else_is_connected() {
    let Some(market) = Market::up().await else { return };
    market.noted("inventario_retail_1.dump").await;
    market
        .here()
        .tell_everywhere(async |s| {
            market.sql("DELETE FROM productos WHERE id > 500; INSERT INTO productos VALUES (5000, 'late')").await;
            let mut foreign = market.db.connect().await;
            foreign.execute("SELECT 1").await.unwrap();
            let before = market.started("dashboard").await;
            let run = asks(s, "restaurar inventario_retail_1.dump prod").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            s.person("leo").presses_with(&ask, "approve", &[("confirm", "inventario")]).await;
            assert_eq!(market.count().await, 501, "who types something else has approved nothing");
            approved_by_typing(s, &run, &["leo", "eva"], &market.db.name).await;
            comes_to(s, &run, "done").await;
            let all = told(s, &run).await;
            assert!(all.contains("as the backup counted"), "{all}");
            assert_eq!(market.count().await, 1000, "the backup's rows, and no other");
            assert!(foreign.execute("SELECT 1").await.is_err(), "the foreign session was ended");
            assert_ne!(market.started("dashboard").await, before, "writers were stopped and started again");
            let kept = "SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)";
            let name = format!("{}_before_", market.db.name);
            let kept: i64 =
                sqlx::query_scalar(kept).bind(name).fetch_one(&mut market.db.connect().await).await.unwrap();
            assert!(kept >= 1, "what was in service is kept");
        })
        .await;
}

/// The monitor itself proposes to restart what a restore has stopped; what a writer wrote meanwhile would be lost.
/// Proves: M39, M02.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_a_writer_while_a_restore_waits() {
    let Some(market) = Market::up().await else { return };
    market.noted("inventario_retail_1.dump").await;
    market
        .here()
        .tell(async |s| {
            let run = asks(s, "restaurar inventario_retail_1.dump prod").await;
            comes_to(s, &run, "awaiting_approval").await;
            let before = market.started("dashboard").await;
            for line in ["reiniciar dashboard prod", "reiniciar-todo prod", "crear-indice productos sku prod"] {
                let refused = asks(s, line).await;
                let all = told(s, &refused).await;
                assert!(all.contains("is held by") && all.contains("restaurar"), "{line}: {all}");
            }
            assert_eq!(market.started("dashboard").await, before);
        })
        .await;
}

/// Proves: M39.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_backup_is_found_before_anybody_is_asked() {
    let Some(market) = Market::up().await else { return };
    market.write("backups/inventario_retail_2.sql", "CREATE TABLE half");
    market
        .here()
        .tell(async |s| {
            let run = asks(s, "restaurar prod").await;
            let held = comes_to(s, &run, "holding").await;
            let choices = &held.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices;
            assert_eq!(*choices, ["inventario_retail_2.sql"], "the backups there are");
            s.person("ana").presses_with(&held, "choose", &[("choice", "inventario_retail_2.sql")]).await;
            comes_to(s, &run, "failed").await;
            assert_eq!(market.count().await, 1000);
        })
        .await;
}

/// Proves: M08, M12, M13, M14, M18, M19, M20, M21, D5, D6, Y24.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_cache_are_looked_at_and_looked_after() {
    let Some(market) = Market::new().await else { return };
    market
        .here()
        .tell(async |s| {
            let run = done(s, "bases prod").await;
            assert!(told(s, &run).await.contains(&market.db.name));
            let run = asks(s, "consultas-lentas prod").await;
            let all = told(s, &run).await;
            assert!(all.contains("pg_stat_statements"), "what is missing, and how it is put right: {all}");
            market.sql("CREATE EXTENSION pg_stat_statements").await;
            let loaded: String = sqlx::query_scalar("SHOW shared_preload_libraries")
                .fetch_one(&mut market.db.connect().await)
                .await
                .unwrap();
            for _ in 0..3 {
                market.sql("SELECT sku, pg_sleep(0.05) FROM productos WHERE sku = 'S500'").await;
            }
            for line in ["consultas-lentas prod", "latencia prod"] {
                let run = asks(s, line).await;
                let all = told(s, &run).await;
                let wanted = if loaded.contains("pg_stat_statements") {
                    "SELECT sku, pg_sleep($1) FROM productos WHERE sku = $2"
                } else {
                    "shared_preload_libraries"
                };
                assert!(all.contains(wanted), "{line}: {wanted}: {all}");
            }
            let run = done(s, "explicar-producto S7 prod").await;
            assert!(told(s, &run).await.contains("productos"));
            assert_eq!(through(s, "crear-indice productos sku prod", "").await.card.state, "done");
            let index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'idx_productos_sku'";
            let found: i64 = sqlx::query_scalar(index).fetch_one(&mut market.db.connect().await).await.unwrap();
            assert_eq!(found, 1);
            let over = through(s, "vacuum-completo productos prod", "productos").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let over = through(s, "reindexar prod", &market.db.name).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let run = asks(s, "cache prod").await;
            let text = s.message(&run.id).await.card.text();
            assert!(text.contains("claves expulsadas | OK") && text.contains("claves | OK"), "{text}");
        })
        .await;
}

/// Proves: M30, M31, M32, D7, D8, Y23, Y28.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_checked_and_set_and_never_shown() {
    let Some(market) = Market::new().await else { return };
    market.files();
    market
        .here()
        .tell(async |s| {
            let over = through(s, "reiniciar-todo dev", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let run = done(s, "clave-cifrado prod").await;
            let all = told(s, &run).await;
            assert!(all.contains("descifra | OK") && !all.contains(KEY), "{all}");
            let before = market.started("dashboard").await;
            let over = through(s, "poner-clave prod", "").await;
            let all = told(s, &over).await;
            assert_eq!(over.card.state, "done", "{all}");
            assert!(!all.contains(KEY), "{all}");
            assert_ne!(market.started("dashboard").await, before, "made anew, not only restarted");
            market.write("market/.env.production", "DATABASE_ENCRYPTION_KEY=short\n");
            let run = asks(s, "clave-cifrado prod").await;
            let text = s.message(&run.id).await.card.text();
            assert!(text.contains("clave en el archivo | not OK"), "{text}");
            done(s, "descifrado prod").await;
            assert_eq!(through(s, "clave-perdida prod", "").await.card.state, "done");
        })
        .await;
}

/// Proves: M38.
#[cfg(feature = "aws")]
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods)] // a test starts a process
async fn a_backup_is_three_copies_here_and_in_s3_and_is_read_again() {
    use crate::aws_support::{ACCOUNT, Cloud, KEY as SECRET, KEY_ID};
    let (Some(market), Some(cloud)) = (Market::new().await, Cloud::moto()) else { return };
    cloud.aws(json!({"do": "s3.create_bucket", "bucket": cloud.name})).await;
    // In memory: this machine's disk may be as good as full, and then no backup begins.
    let backups = tempfile::tempdir_in("/dev/shm").unwrap();
    market.files();
    // Where the values' defaults have them.
    let watching = "market/inventario-retail/observability";
    for folder in ["prometheus/tls", "alertmanager"] {
        std::fs::create_dir_all(market.path(&format!("{watching}/{folder}"))).unwrap();
    }
    for file in ["prometheus/prometheus.yml", "prometheus/tls/ca.crt", "alertmanager/alertmanager.yml"] {
        market.write(&format!("{watching}/{file}"), "");
    }
    let aws = format!(
        "aws: {{ region: eu-west-1, endpoint_url: \"{}\", access_key_id: {KEY_ID}, secret_access_key: \"{SECRET}\" }}",
        cloud.endpoint
    );
    market
        .here()
        .value("observability_dir", market.path(watching).display())
        .value("tls", market.path(&format!("{watching}/prometheus/tls")).display())
        .value("backups", backups.path().display())
        .value("bucket", &cloud.name)
        .value("account", ACCOUNT)
        .value("volume", market.stack.volume("data").await)
        .value("backup_volume", market.stack.volume_at("backup", backups.path()).await)
        .more(&aws)
        .tell(async |s| {
            catches_up(s);
            done(s, "respaldar dev").await; // there, nobody needs to agree
            let run = asks(s, "backup prod").await;
            // Once to make the copies; once more for each time that copies are there, to send exactly these.
            approved_by(s, &run, &["leo"]).await;
            approved_by(s, &run, &["eva"]).await;
            approved_by(s, &run, &["leo"]).await;
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("está en S3 | OK"), "{}", over.card.text());
            let of = |name: &str| {
                std::fs::read_dir(backups.path())
                    .unwrap()
                    .filter(|one| one.as_ref().unwrap().file_name().to_string_lossy().starts_with(name))
                    .count()
            };
            assert_eq!(
                ["inventario_retail", "configs", "postgres_data"].map(of),
                [4, 2, 2],
                "three copies, and what the dump holds; twice"
            );
            let all = told(s, &over).await;
            for key in ["inventario_retail.dump", "configs.tar.gz", "postgres_data.tar.gz"] {
                assert!(all.contains(key), "{key}: {all}");
            }
            done(s, "respaldos prod").await;
            let mut configs = std::fs::read_dir(backups.path()).unwrap().map(|one| one.unwrap().path());
            let configs = configs.find(|path| path.display().to_string().contains("configs_")).unwrap();
            let mut tar = std::process::Command::new("tar");
            let listed = tar.arg("-tzf").arg(configs).output().unwrap().stdout;
            let listed = String::from_utf8(listed).unwrap();
            for file in [".env.production", "prometheus/prometheus.yml", "alertmanager/alertmanager.yml", "./ca.crt"] {
                assert!(listed.lines().any(|line| line == file), "{file}: {listed}");
            }

            // Where a part cannot be read, the base is in S3 all the same.
            std::fs::remove_file(market.path(&format!("{watching}/alertmanager/alertmanager.yml"))).unwrap();
            let run = asks(s, "respaldar dev").await;
            comes_to(s, &run, "failed").await;
            let all = told(s, &run).await;
            assert!(all.contains("está en S3 | OK"), "{all}");
        })
        .await;
}
