//! Terraform with the real program on a state in S3 with a lock in DynamoDB, both moto's; its built-in resource stands for
//! what Turnaki has.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use sereno::executor::process;
use sereno_fakes::app::App;

use super::looks::{asked, make};
use super::{catches_up, here};
use crate::aws_support::{Cloud, KEY, KEY_ID};
use crate::harness::{Heard, Story};
use crate::world::{Here, approved_by, approved_by_typing, asks, checks_off, comes_to};

const MODULE: &str =
    "variable \"release\" { default = \"1\" }\nresource \"terraform_data\" \"it\" { input = var.release }\n";

/// A checkout of its own with a state of its own.
pub(super) struct Infra {
    pub(super) cloud: Cloud,
    dir: tempfile::TempDir,
    pub(super) app: App,
}

impl Infra {
    /// Prepared, and applied once.
    pub(super) async fn new() -> Option<Self> {
        let infra = Self::bare().await?;
        infra.backend().await;
        infra.terraform(&["init", "-input=false"]);
        infra.terraform(&["apply", "-auto-approve", "-input=false"]);
        Some(infra)
    }

    /// Without anything in AWS.
    pub(super) async fn bare() -> Option<Self> {
        if process::find("terraform").is_none() {
            eprintln!("skipped: terraform is not installed here");
            return None;
        }
        let cloud = Cloud::moto()?;
        let infra = Self { cloud, dir: tempfile::tempdir().unwrap(), app: App::start().await };
        infra.app.answers("GET /", 200, json!({}));
        let (name, endpoint) = (&infra.cloud.name, &infra.cloud.endpoint);
        let backend = format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"{name}\"\n    key = \"dev/terraform.tfstate\"\n    \
             region = \"eu-west-1\"\n    dynamodb_table = \"{name}\"\n    \
             endpoints = {{ s3 = \"{endpoint}\", dynamodb = \"{endpoint}\" }}\n    use_path_style = true\n    \
             skip_credentials_validation = true\n    skip_requesting_account_id = true\n    \
             skip_metadata_api_check = true\n  }}\n}}\n"
        );
        infra.write("infra/backend.tf", &backend);
        infra.release("1");
        for module in ["lambda", "dynamodb", "site"] {
            infra.write(&format!("infra/{module}/main.tf"), MODULE);
        }
        for folder in ["assets", "backend", "frontend/build", "states", "previous"] {
            std::fs::create_dir_all(infra.path(folder)).unwrap();
        }
        Some(infra)
    }

    pub(super) async fn backend(&self) {
        let name = &self.cloud.name;
        self.cloud.aws(json!({"do": "s3.create_bucket", "bucket": name})).await;
        self.cloud.aws(json!({"do": "dynamodb.create_table", "table": name, "key": "LockID"})).await;
        let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned();
        asked(&self.cloud, "s3", ("PUT", &format!("/{name}?versioning"), "application/xml"), on).await;
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Another program in place of one that is not here.
    pub(super) fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the code says from now on.
    pub(super) fn release(&self, release: &str) {
        let main = format!(
            "module \"lambda\" {{\n  source = \"./lambda\"\n  release = \"{release}\"\n}}\n\
             module \"dynamodb\" {{ source = \"./dynamodb\" }}\nmodule \"s3_cloudfront\" {{ source = \"./site\" }}\n\
             output \"frontend_bucket_name\" {{ value = \"{name}-site\" }}\n\
             output \"cloudfront_distribution_id\" {{ value = \"{distribution}\" }}\n\
             output \"password\" {{\n  value = \"hunter2hunter2\"\n  sensitive = true\n}}\n",
            name = self.cloud.name,
            distribution = self.distribution(),
        );
        self.write("infra/main.tf", &main);
    }

    fn distribution(&self) -> String {
        std::fs::read_to_string(self.path("distribution")).unwrap_or_else(|_| "E1".to_owned())
    }

    /// The program behind the product's back.
    pub(super) fn terraform(&self, args: &[&str]) -> String {
        self.terraform_in("infra", args)
    }

    /// The same in another folder.
    #[allow(clippy::disallowed_methods)] // a test starts a process
    pub(super) fn terraform_in(&self, folder: &str, args: &[&str]) -> String {
        let output = self.command(args).current_dir(self.path(folder)).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    #[allow(clippy::disallowed_methods)] // a test starts a process
    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("terraform");
        command.args(args).current_dir(self.path("infra"));
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", KEY).env("CHECKPOINT_DISABLE", "1");
        command
    }

    pub(super) fn state(&self) -> Value {
        serde_json::from_str(&self.terraform(&["state", "pull"])).unwrap()
    }

    pub(super) fn here(&self) -> Here {
        let path = |name: &str| self.path(name).display().to_string();
        here(&self.cloud.endpoint)
            .value("infra", path("infra"))
            .value("repository", path(""))
            .value("assets", path("assets"))
            .value("previous_assets", path("previous-lambdas"))
            .value("backend", path("backend"))
            .value("frontend", path("frontend"))
            .value("states", path("states"))
            .value("previous_site", path("previous"))
            .value("cargo", path("cargo"))
            .value("npm", path("npm"))
            .value("aws_cli", path("aws"))
            .value("state_bucket", &self.cloud.name)
            .value("locks", &self.cloud.name)
            .value("table", &self.cloud.name)
            .value("certificate", "module.s3_cloudfront.terraform_data.it")
            .value("site", format!("{}/", self.app.url))
    }

    pub(super) async fn tell(&self, story: impl AsyncFn(&mut Story)) {
        self.here()
            .tell(async |s| {
                catches_up(s);
                story(s).await;
            })
            .await;
    }

    /// Somebody's lock of two hours ago that was never given back.
    pub(super) async fn locks(&self) {
        let id = "5d9ab7a6-7c1b-4e0f-9d57-6a1f0c8f5b11";
        let info = json!({"ID": id, "Operation": "OperationTypeApply", "Info": "", "Who": "ana@laptop",
            "Version": "1.11.4", "Created": "2026-11-22T08:00:00Z", "Path": self.key()});
        let item = json!({"TableName": self.cloud.name,
            "Item": {"LockID": {"S": self.key()}, "Info": {"S": info.to_string()}}});
        asked(&self.cloud, "dynamodb", ("POST", "/", "DynamoDB_20120810.PutItem"), item.to_string()).await;
    }

    /// A function's name of its own.
    pub(super) fn function(&self) -> String {
        format!("tk-nq-{}", self.cloud.name)
    }

    /// What approvers type, and the lock's row's key.
    fn key(&self) -> String {
        format!("{}/dev/terraform.tfstate", self.cloud.name)
    }

    async fn locked(&self) -> bool {
        let key = json!({"LockID": self.key()});
        let found = self.cloud.aws(json!({"do": "dynamodb.get_item", "table": self.cloud.name, "key": key})).await;
        found["exists"] == true
    }
}

/// What a run and its thread say.
pub(super) async fn told(s: &Story, run: &Heard) -> String {
    s.thread(&run.id).await.iter().map(|line| line.card.text() + "\n").collect()
}

/// Proves: K02.
#[tokio::test(flavor = "multi_thread")]
async fn bucket_and_lock_table_are_made_once() {
    let Some(infra) = Infra::bare().await else { return };
    infra
        .tell(async |s| {
            for again in [false, true] {
                let run = asks(s, "iniciar-backend prod").await;
                approved_by(s, &run, &["leo"]).await;
                if !again && s.message(&run.id).await.card.state == "awaiting_approval" {
                    approved_by(s, &run, &["leo"]).await;
                }
                assert_eq!(checks_off(s, &run).await, 1, "versions of the bucket are looked at");
                comes_to(s, &run, "done").await;
            }
            let table = infra.cloud.aws(json!({"do": "dynamodb.describe_table", "table": infra.cloud.name})).await;
            assert_eq!(table["key"], "LockID");
        })
        .await;
}

/// Proves: K03.
#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_applies_the_very_plan_that_was_approved_and_leaves_nothing_to_do() {
    let Some(infra) = Infra::bare().await else { return };
    infra.backend().await;
    infra
        .tell(async |s| {
            let run = asks(s, "desplegar todo prod").await;
            approved_by(s, &run, &["leo"]).await; // init
            let ask = comes_to(s, &run, "awaiting_approval").await;
            assert!(ask.card.text().contains("module.lambda"), "{}", ask.card.text());
            s.person("leo").presses(&ask, "approve").await;
            comes_to(s, &run, "done").await;
            assert_eq!(infra.state()["serial"], 1);
            // Nothing to do is nothing to approve.
            let run = asks(s, "desplegar todo prod").await;
            comes_to(s, &run, "done").await;
            assert_eq!(infra.state()["serial"], 1);
        })
        .await;
}

/// Proves: K04.
#[tokio::test(flavor = "multi_thread")]
async fn lambdas_are_built_and_deployed_by_terraform() {
    let Some(infra) = Infra::new().await else { return };
    infra.program(
        "cargo",
        "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/built\"\nmkdir -p target/lambda/health && echo zip > target/lambda/health/bootstrap.zip\n",
    );
    infra.write("assets/health/bootstrap.zip", "of before\n");
    infra.release("2");
    infra
        .tell(async |s| {
            let run = asks(s, "desplegar-lambdas prod").await;
            let over = s.message(&run.id).await;
            // The function is not there in this account: it is seen before anything is built.
            assert_eq!(over.card.state, "failed", "{}", over.card.text());
            assert!(!infra.path("built").exists());
        })
        .await;
    make(&infra.cloud, &infra.function()).await;
    infra
        .tell(async |s| {
            let run = asks(s, &format!("desplegar-lambdas {} prod", infra.function())).await;
            approved_by(s, &run, &["leo"]).await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            assert!(ask.card.text().contains("1 to change"), "{}", ask.card.text());
            s.person("leo").presses(&ask, "approve").await;
            let over = comes_to(s, &run, "done").await;
            assert!(over.card.text().contains("estado de la función"), "{}", over.card.text());
            let zip = || std::fs::read_to_string(infra.path("assets/health/bootstrap.zip")).unwrap();
            assert_eq!(zip(), "zip\n");
            let built = std::fs::read_to_string(infra.path("built")).unwrap();
            assert_eq!(built.trim(), "lambda build --arm64 --release --output-format zip");
            let undo = s.person("ana").presses(&over, "undo").await.remove(0);
            approved_by(s, &undo, &["leo"]).await;
            comes_to(s, &undo, "done").await;
            assert_eq!(zip(), "of before\n", "the ones of before are where Terraform takes them from");
        })
        .await;
}

/// Proves: K06, D3.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_goes_back_to_a_version_that_s3_kept_and_forward_again() {
    let Some(infra) = Infra::new().await else { return };
    infra.release("2");
    infra.terraform(&["apply", "-auto-approve", "-input=false"]);
    let before = infra.state();
    infra
        .tell(async |s| {
            let run = asks(s, "rollback-state prod").await;
            let held = comes_to(s, &run, "holding").await;
            let versions = held.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices.clone();
            assert!(versions.len() >= 2, "{versions:?}");
            s.person("ana").presses_with(&held, "choose", &[("choice", versions.last().unwrap())]).await;
            for _ in 0..3 {
                if s.message(&run.id).await.card.state == "awaiting_approval" {
                    approved_by_typing(s, &run, &["leo", "eva"], &infra.key()).await;
                }
            }
            let over = comes_to(s, &run, "done").await;
            let now = infra.state();
            assert!(now["serial"].as_u64() > before["serial"].as_u64(), "{now}");
            assert_ne!(now["resources"], before["resources"]);
            let undo = s.person("ana").presses(&over, "undo").await.remove(0);
            approved_by_typing(s, &undo, &["leo", "eva"], &infra.key()).await;
            assert_eq!(infra.state()["resources"], before["resources"], "as it was");
        })
        .await;
}

/// Proves: K14, D2.
#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_lock_is_seen_with_its_holder_and_taken_away_by_two() {
    let Some(infra) = Infra::new().await else { return };
    infra
        .tell(async |s| {
            let run = asks(s, "desbloquear-state prod").await;
            comes_to(s, &run, "done").await; // there is none
            for how in ["force-unlock", "dynamodb"] {
                infra.locks().await;
                let run = asks(s, &format!("desbloquear-state {how} prod")).await;
                let held = comes_to(s, &run, "holding").await;
                assert!(held.card.text().contains("ana@laptop"), "{}", held.card.text());
                assert_eq!(checks_off(s, &run).await, 1);
                assert!(infra.locked().await);
                approved_by_typing(s, &run, &["leo", "eva"], &infra.key()).await;
                comes_to(s, &run, "done").await;
                assert!(!infra.locked().await, "{how}");
            }
        })
        .await;
}

/// Proves: K08, D2.
#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_state_is_unlocked_prepared_again_and_applied() {
    let Some(infra) = Infra::new().await else { return };
    infra.locks().await;
    infra.release("3");
    infra
        .tell(async |s| {
            let run = asks(s, "estado-corrupto prod").await;
            for _ in 0..3 {
                if s.message(&run.id).await.card.state == "awaiting_approval" {
                    approved_by_typing(s, &run, &["leo", "eva"], &infra.key()).await;
                }
            }
            comes_to(s, &run, "done").await;
            assert!(!infra.locked().await);
            assert!(infra.state().to_string().contains("\"3\""));
        })
        .await;
}

/// Proves: K20, K21, K22, D4.
#[tokio::test(flavor = "multi_thread")]
async fn terraform_is_read_without_touching_anything() {
    let Some(infra) = Infra::new().await else { return };
    infra
        .tell(async |s| {
            let serial = infra.state()["serial"].clone();
            let address = "module.lambda.terraform_data.it";
            for (line, seen) in [
                ("infra salidas prod".to_owned(), "frontend_bucket_name"),
                ("infra recursos prod".to_owned(), address),
                (format!("infra recurso {address} prod"), "terraform_data"),
                ("infra validar prod".to_owned(), "archivos de Terraform"),
                (format!("infra plan {address} prod"), "plan"),
                ("infra deriva prod".to_owned(), "recursos que se apartan"),
            ] {
                let run = asks(s, &line).await;
                comes_to(s, &run, "done").await;
                let told = told(s, &run).await;
                assert!(told.contains(seen) && !told.contains("hunter2"), "{line}: {told}");
            }
            assert_eq!(infra.state()["serial"], serial, "nothing was written");
            infra.write("infra/lambda/main.tf", &MODULE.replace(" = ", "="));
            let run = asks(s, "formato dev").await;
            comes_to(s, &run, "done").await;
            assert!(std::fs::read_to_string(infra.path("infra/lambda/main.tf")).unwrap().contains("input = "));
        })
        .await;
}
