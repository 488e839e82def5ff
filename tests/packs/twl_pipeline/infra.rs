//! Terraform on a state in S3, and the dependencies of the repository.

use serde_json::json;

use super::Pipeline;
use crate::aws_support::{KEY, KEY_ID};
use crate::minimarket::{through, told};
use crate::world::{asks, comes_to};

impl Pipeline {
    /// The code, with a backend in what `estado-terraform` makes.
    fn code(&self) {
        let (name, endpoint) = (&self.cloud.name, &self.cloud.endpoint);
        let backend = format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"{name}-state\"\n    key = \"prod/terraform.tfstate\"\n    \
             region = \"eu-west-1\"\n    dynamodb_table = \"{name}-locks\"\n    \
             endpoints = {{ s3 = \"{endpoint}\", dynamodb = \"{endpoint}\" }}\n    use_path_style = true\n    \
             skip_credentials_validation = true\n    skip_requesting_account_id = true\n    \
             skip_metadata_api_check = true\n  }}\n}}\n"
        );
        self.write("infra/backend.tf", &backend);
        self.write("infra/main.tf", "resource \"terraform_data\" \"it\" {\n  input = terraform.workspace\n}\n");
    }

    #[allow(clippy::disallowed_methods)] // a test starts a process
    fn runs(&self, program: &str, dir: &str, args: &[&str]) {
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(self.path(dir)).env("AWS_ACCESS_KEY_ID", KEY_ID);
        let output = command.env("AWS_SECRET_ACCESS_KEY", KEY).env("CHECKPOINT_DISABLE", "1").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Proves: T32, T33, T34, T35, T36, Y56.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_has_its_place_and_two_people_apply_the_plan_in_prod() {
    if sereno::executor::process::find("terraform").is_none() {
        eprintln!("skipped: terraform is not installed here");
        return;
    }
    let Some(it) = Pipeline::new().await else { return };
    it.code();
    it.here()
        .tell(async |s| {
            let over = through(s, "estado-terraform prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let table = format!("{}-locks", it.cloud.name);
            let found = it.cloud.aws(json!({"do": "dynamodb.describe_table", "table": table})).await;
            assert_eq!(found["status"], "ACTIVE");
            for env in ["dev", "prod"] {
                it.runs("terraform", "infra", &["workspace", "new", env]);
            }
            let run = asks(s, "desplegar-infra dev").await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            s.person("leo").presses(&ask, "approve").await;
            let mut now = s.message(&run.id).await;
            if now.card.state == "awaiting_approval" {
                s.person("leo").presses(&now, "approve").await;
                now = s.message(&run.id).await;
            }
            assert_eq!(now.card.state, "done", "{}", told(s, &run).await);
            let over = through(s, "desplegar-infra prod", "prod").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let text = over.card.text();
            assert!(text.contains("nada por cambiar | OK") && text.contains("Leo") && text.contains("Eva"), "{text}");
        })
        .await;
}

/// Proves: T45.
#[tokio::test(flavor = "multi_thread")]
async fn dependencies_are_updated_and_go_back_when_the_tests_fail() {
    let Some(it) = Pipeline::new().await else { return };
    let package = |test: &str| {
        let package = json!({"name": "i", "version": "1.0.0", "scripts": {"test": test}});
        it.write("apps/ingestion/package.json", &package.to_string());
        let identity = ["-c", "user.name=t", "-c", "user.email=t@t"];
        it.runs("git", "", &["init", "-q"]);
        it.runs("git", "", &["add", "apps"]);
        it.runs("git", "", &[&identity[..], &["commit", "-qm", "it"]].concat());
    };
    package("true");
    it.here()
        .tell(async |s| {
            let over = through(s, "dependencias ingestion prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            package("false");
            let over = through(s, "dependencias ingestion prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
        })
        .await;
}
