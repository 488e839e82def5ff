//! The database and the tenants: connections, restores of both formats, isolation, maintenance, old records.

use sqlx::Connection as _;

use super::{Server, ticked, told};
use crate::world::{approved_by_typing, asks, comes_to, done};

impl Server {
    /// A backup made by PostgreSQL's own program.
    #[allow(clippy::disallowed_methods)] // a test starts a process
    fn dump(&self, name: &str, format: &str) {
        let file = self.path(&format!("backups/{name}"));
        let mut command = std::process::Command::new("pg_dump");
        command.args(["--format", format, "--file"]).arg(file).arg(self.db.url());
        assert!(command.status().unwrap().success());
    }
}

/// Proves: O05, O11, O28.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_answers_and_its_connections_and_sizes_are_told() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            let run = done(s, "base-de-datos prod").await;
            let text = run.card.text();
            for row in ["responde", "SELECT 1", "conexiones usadas (%)"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            assert!(!told(s, &run).await.contains("postgres://"), "the URL is a secret");
            let run = done(s, "tamanos prod").await;
            assert!(told(s, &run).await.contains("Sale"), "{}", told(s, &run).await);
        })
        .await;
}

/// Either format, as the file is, whatever its name says; nobody's writes get in between, and the way back is a button.
/// Proves: O06, O07.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_either_format_takes_the_databases_place_and_gives_it_back() {
    let Some(server) = Server::new().await else { return };
    server.dump("backup-2026-02-19.sql", "custom");
    server.dump("backup-2026-02-20.sql", "plain");
    server
        .here()
        .tell(async |s| {
            for file in ["backup-2026-02-19.sql", "backup-2026-02-20.sql"] {
                server.sql(r#"DELETE FROM "Tenant""#).await;
                let run = asks(s, &format!("restaurar {file} prod")).await;
                let held = comes_to(s, &run, "holding").await;
                s.person("ana").presses_with(&held, "check", &[("evidence", "parada")]).await;
                approved_by_typing(s, &run, &["leo", "eva"], &server.db.name).await;
                let over = ticked(s, &run, 1).await;
                assert_eq!(over.card.state, "done", "{}", told(s, &run).await);
                assert_eq!(server.number(r#"SELECT count(*) FROM "Tenant""#).await, 3, "{file}");
                if file.ends_with("20.sql") {
                    let undo = s.person("ana").presses(&over, "undo").await.remove(0);
                    approved_by_typing(s, &undo, &["leo", "eva"], &server.db.name).await;
                    assert_eq!(server.number(r#"SELECT count(*) FROM "Tenant""#).await, 0, "as it was before");
                }
            }
            server.write("backups/half.sql", "CREATE TABLE half");
            let run = asks(s, "restaurar half.sql prod").await;
            comes_to(s, &run, "failed").await; // nobody is even asked
        })
        .await;
    let mut admin = sqlx::PgConnection::connect(&server.db.server).await.unwrap();
    let like = format!("{}\\_%", server.db.name);
    let kept = sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE $1").bind(like);
    let kept: Vec<String> = kept.fetch_all(&mut admin).await.unwrap();
    assert!(kept.iter().any(|name| name.contains("_before_")), "what was in service is kept: {kept:?}");
    for name in kept {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&mut admin).await.unwrap();
    }
}

/// Proves: O18, O19, Y44.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_kept_apart_in_the_rows_and_at_the_doors() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            done(s, "aislamiento prod").await;
            server.sql(r#"INSERT INTO "User" VALUES (7, 'eva@orion.test', 'SELLER', NULL)"#).await;
            server.sql(r#"UPDATE "Sale" SET "tenantId" = NULL WHERE id < 3"#).await;
            server.app.answers("GET /sales/venta-de-otro-tenant", 200, serde_json::json!({"id": 9}));
            let run = asks(s, "aislamiento prod").await;
            let text = comes_to(s, &run, "failed").await.card.text();
            for row in ["usuarios sin tenant | not OK", "ventas sin tenant | not OK", "con token ajeno | not OK"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            assert!(text.contains("productos sin tenant | OK"), "{text}");
            // A sale that is nobody's proves nothing of the guards.
            server.app.answers("GET /sales/venta-de-otro-tenant", 404, serde_json::json!({}));
            let run = asks(s, "aislamiento prod").await;
            let text = comes_to(s, &run, "failed").await.card.text();
            assert!(text.contains("la venta del tenant B | not OK"), "{text}");
            let all = told(s, &run).await;
            assert!(!all.contains("eva@orion.test"), "no personal data: {all}");
        })
        .await;
}

/// Proves: O27.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_looked_after_one_task_at_a_time() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            done(s, "mantenimiento analyze Sale dev").await;
            done(s, "mantenimiento vacuum Sale dev").await;
            let run = asks(s, "mantenimiento vacuum-full Sale dev").await;
            crate::world::approved_by(s, &run, &["leo"]).await; // it locks: somebody agrees even in dev
            comes_to(s, &run, "done").await;
            let run = asks(s, "mantenimiento vacuum Nada dev").await;
            comes_to(s, &run, "failed").await;
        })
        .await;
}

/// Proves: O29.
#[tokio::test(flavor = "multi_thread")]
async fn old_audit_records_leave_as_counted_and_can_come_back() {
    let Some(server) = Server::new().await else { return };
    server
        .here()
        .tell(async |s| {
            let rows = r#"SELECT count(*) FROM "AuditLog""#;
            let run = asks(s, "limpiar-auditoria 365 prod").await;
            assert_eq!(server.number(rows).await, 9);
            approved_by_typing(s, &run, &["leo", "eva"], "AuditLog").await;
            let over = comes_to(s, &run, "done").await;
            assert_eq!(server.number(rows).await, 3, "of 100, 200 and 300 days");
            assert_eq!(server.number(r#"SELECT count(*) FROM "AuditLog_retirado""#).await, 6);
            let undo = s.person("ana").presses(&over, "undo").await.remove(0);
            approved_by_typing(s, &undo, &["leo", "eva"], "AuditLog").await;
            assert_eq!(server.number(rows).await, 9);

            let run = asks(s, "limpiar-auditoria 365 prod").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            server.sql(r#"DELETE FROM "AuditLog" WHERE id = 9"#).await;
            s.person("leo").presses_with(&ask, "approve", &[("confirm", "AuditLog")]).await;
            s.person("eva").presses_with(&ask, "approve", &[("confirm", "AuditLog")]).await;
            comes_to(s, &run, "failed").await;
            assert_eq!(server.number(rows).await, 8, "not those that were counted: none leaves");
        })
        .await;
}
