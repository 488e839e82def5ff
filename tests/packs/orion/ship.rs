//! Deploys and the way back, with git and npm of this machine; what people do in Render and Railway is asked and ticked.

use serde_json::json;

use super::{Server, ticked, told};
use crate::aws_support::{Cloud, KEY, KEY_ID};
use crate::docker_support::Stack;
use crate::harness::Story;
use crate::world::{approved_by, approved_by_typing, asks, comes_to, done};

impl Server {
    /// A checkout whose origin is one release ahead, with an npm project that builds and a prisma that notes its calls.
    #[allow(clippy::disallowed_methods)] // a test starts a process
    fn checkout(&self) {
        let git = |dir: &str, args: &[&str]| {
            let mut command = std::process::Command::new("git");
            command.args(["-c", "user.name=Orion", "-c", "user.email=orion@orion.test"]).args(args);
            let output = command.current_dir(self.path(dir)).output().unwrap();
            assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let package = json!({"name": "api", "version": "1.0.0", "scripts": {
            "test": "node -e 0", "build": "node -e \"require('fs').writeFileSync('built', require('fs').readFileSync('release'))\""}});
        self.write("app/apps/api/package.json", &package.to_string());
        self.write("app/package.json", &json!({"name": "orion", "version": "1.0.0"}).to_string());
        self.write("app/.gitignore", ".env\nnode_modules\nbuilt\npackage-lock.json\n");
        self.write("app/apps/api/release", "one");
        let prisma = format!("#!/bin/sh\necho \"prisma $*\" >> {}\n", self.path("calls").display());
        self.write("app/apps/api/node_modules/.bin/prisma", &prisma);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.path("app/apps/api/node_modules/.bin/prisma"), mode).unwrap();
        git("app", &["init", "-q", "-b", "main"]);
        git("app", &["config", "user.name", "Orion"]);
        git("app", &["config", "user.email", "orion@orion.test"]);
        git("app", &["add", "-A"]);
        git("app", &["commit", "-qm", "one"]);
        git("", &["clone", "-q", "app", "next"]);
        self.write("next/apps/api/release", "two");
        git("next", &["commit", "-qam", "two"]);
        let next = self.path("next").display().to_string();
        git("app", &["remote", "add", "origin", &next]);
    }

    fn built(&self) -> String {
        std::fs::read_to_string(self.path("app/apps/api/built")).unwrap_or_default()
    }
}

/// Proves: O20, Y41.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_before_a_deploy() {
    let Some(server) = Server::new().await else { return };
    server.checkout();
    server
        .here()
        .tell(async |s| {
            let run = asks(s, "pre-despliegue prod").await;
            let over = ticked(s, &run, 2).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &run).await);
            assert_eq!(server.built(), "one");
            server.write(
                "app/apps/api/package.json",
                &json!({"name": "api", "scripts": {"test": "node -e process.exit(1)"}}).to_string(),
            );
            let run = asks(s, "pre-despliegue prod").await;
            comes_to(s, &run, "failed").await;
        })
        .await;
}

/// Proves: O22, O23, O25.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_to_the_server_by_two_peoples_leave_and_back_again() {
    let (Some(server), Some(stack)) = (Server::new().await, Stack::new()) else { return };
    server.checkout();
    stack.up("api", 1).await;
    let docker = format!("docker: {{ host: \"{}\" }}", stack.host);
    server
        .here()
        .value("project", &stack.project)
        .more(&docker)
        .tell(async |s| {
            let run = asks(s, "desplegar vps-compose main prod").await;
            agreed(s, &run).await;
            comes_to(s, &run, "done").await;
            assert_eq!(server.built(), "two");
            let calls = server.calls();
            assert!(calls.contains("prisma migrate deploy") && calls.contains("prisma generate"), "{calls}");
            assert!(!calls.contains("pm2") && !calls.contains("systemctl"), "one way, not all: {calls}");
            let backups = std::fs::read_dir(server.path("backups")).unwrap();
            let names: Vec<_> = backups.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            assert!(names.iter().any(|name| name.starts_with("antes-de-desplegar-")), "{names:?}");
            done(s, "verificar-despliegue prod").await;
            server.write("logs/logs.txt", "ERROR it does not start\n");
            let run = asks(s, "verificar-despliegue prod").await;
            assert!(s.message(&run.id).await.card.text().contains("errores | not OK"));

            let run = asks(s, "rollback vps-pm2 revertir HEAD~1 20260219_add_sales prod").await;
            agreed(s, &run).await;
            comes_to(s, &run, "done").await;
            assert_eq!(server.built(), "one");
            let calls = server.calls();
            assert!(calls.contains("prisma migrate resolve --rolled-back 20260219_add_sales"), "{calls}");
            assert!(calls.contains("pm2 restart tu-api"), "{calls}");
            let run = asks(s, "rollback vps-systemd volver HEAD~1 ninguna dev").await;
            comes_to(s, &run, "done").await;
            assert_eq!(server.built(), "two");
            assert!(server.calls().contains("systemctl restart tu-api"));
        })
        .await;
}

/// Leo and Eva agree, to everything that is asked.
async fn agreed(s: &Story, run: &crate::harness::Heard) {
    for _ in 0..4 {
        if s.message(&run.id).await.card.state != "awaiting_approval" {
            return;
        }
        approved_by(s, run, &["leo", "eva"]).await;
    }
}

/// Proves: O26.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_takes_a_migration_back_wholly_or_not_at_all() {
    let Some(server) = Server::new().await else { return };
    server.checkout();
    server.write("scripts/back.sql", "DROP TABLE \"Product\";\nDELETE FROM \"Sale\" WHERE id = 1;\n");
    server.write("scripts/broken.sql", "DELETE FROM \"Sale\";\nDROP TABLE nothing_like_it;\n");
    server
        .here()
        .tell(async |s| {
            let sales = r#"SELECT count(*) FROM "Sale""#;
            let run = asks(s, "rollback-db broken.sql prod").await;
            for _ in 0..2 {
                if s.message(&run.id).await.card.state == "awaiting_approval" {
                    approved_by_typing(s, &run, &["leo", "eva"], "broken.sql").await;
                }
            }
            comes_to(s, &run, "failed").await;
            assert_eq!(server.number(sales).await, 5, "the first mistake takes it all back");
            let run = asks(s, "rollback-db back.sql prod").await;
            for _ in 0..2 {
                if s.message(&run.id).await.card.state == "awaiting_approval" {
                    approved_by_typing(s, &run, &["leo", "eva"], "back.sql").await;
                }
            }
            comes_to(s, &run, "done").await;
            assert_eq!(server.number(sales).await, 4);
            assert!(server.calls().contains("prisma migrate status"));
        })
        .await;
}

/// Proves: O08, O09, O10, O21, O24, Y45.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_is_asked_with_where_and_what_to_look_at() {
    let (Some(server), Some(cloud)) = (Server::new().await, Cloud::moto()) else { return };
    server.write("backups/tenant-acme-2026-02-19.zip", "PK");
    // Another tenant, whose name begins like this one's.
    server.write("backups/tenant-acme-mexico-2026-02-20.zip", "PK");
    server.write("tenant.zip", "PK");
    cloud.aws(json!({"do": "s3.create_bucket", "bucket": cloud.name})).await;
    let file = server.path("tenant.zip").display().to_string();
    cloud
        .aws(json!({"do": "s3.put_object", "bucket": cloud.name, "key": "tenant-acme-2026-02-19.zip", "file": file}))
        .await;
    let aws = format!(
        "aws: {{ region: eu-west-1, endpoint_url: \"{}\", access_key_id: {KEY_ID}, secret_access_key: \"{KEY}\" }}",
        cloud.endpoint
    );
    server
        .here()
        .value("backup_bucket", &cloud.name)
        .more(&aws)
        .tell(async |s| {
            let mut lines = vec![
                "backup-tenant acme disco prod".to_owned(),
                "backup-tenant acme s3 prod".to_owned(),
                "revision-mensual prod".to_owned(),
            ];
            for platform in ["render", "railway", "vps"] {
                lines.extend(["api", "base"].map(|what| format!("escalar {what} {platform} prod")));
            }
            for platform in ["render", "railway"] {
                lines.push(format!("desplegar {platform} main prod"));
                lines.push(format!("rollback {platform} revertir HEAD~1 ninguna prod"));
            }
            for line in lines {
                let run = asks(s, &line).await;
                let held = comes_to(s, &run, "holding").await;
                assert!(held.card.text().to_lowercase().contains("anota"), "{line}: {}", held.card.text());
                let over = ticked(s, &run, 1).await;
                assert_eq!(over.card.state, "done", "{line}: {}", told(s, &run).await);
            }
            let run = asks(s, "backup-tenant nadie disco prod").await;
            comes_to(s, &run, "failed").await;
        })
        .await;
}
