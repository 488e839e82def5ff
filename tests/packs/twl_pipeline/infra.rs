//! Terraform on a state in S3, and the dependencies of the repository.

use serde_json::{Value, json};

use super::Pipeline;
use crate::aws_support::{KEY, KEY_ID};
use crate::minimarket::{through, to_the_end, told};
use crate::turnaki::looks::asked;
use crate::world::{approved_by_typing, asks, comes_to, taken_back};

impl Pipeline {
    /// With the team's code, where there is a Terraform to read it.
    async fn with_code() -> Option<Self> {
        if sereno::executor::process::find("terraform").is_none() {
            eprintln!("skipped: terraform is not installed here");
            return None;
        }
        let it = Self::new().await?;
        it.code();
        Some(it)
    }

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
    fn runs(&self, program: &str, dir: &str, args: &[&str]) -> String {
        let mut command = std::process::Command::new(program);
        command.args(args).current_dir(self.path(dir)).env("AWS_ACCESS_KEY_ID", KEY_ID);
        let output = command.env("AWS_SECRET_ACCESS_KEY", KEY).env("CHECKPOINT_DISABLE", "1").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The state of prod, as Terraform has it.
    fn state(&self) -> Value {
        self.runs("terraform", "infra", &["workspace", "select", "prod"]);
        serde_json::from_str(&self.runs("terraform", "infra", &["state", "pull"])).unwrap()
    }
}

/// Proves: T32, T33, T34, T35, T36, Y56.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_has_its_place_and_two_people_apply_the_plan_in_prod() {
    let Some(it) = Pipeline::with_code().await else { return };
    it.here()
        .tell(async |s| {
            let (bucket, table) = (format!("{}-state", it.cloud.name), format!("{}-locks", it.cloud.name));
            let there = async || {
                let bucket = it.cloud.aws(json!({"do": "s3.head_bucket", "bucket": bucket})).await;
                let table = it.cloud.aws(json!({"do": "dynamodb.describe_table", "table": table})).await;
                (bucket["exists"] == true, table["status"] == "ACTIVE")
            };
            let made = through(s, "estado-terraform prod", "").await;
            assert_eq!((made.card.state.as_str(), there().await), ("done", (true, true)), "{}", told(s, &made).await);
            taken_back(s, &made, "").await;
            assert_eq!(there().await, (false, true), "the bucket is gone, the table is another decision");
            let run = asks(s, "borrar-bloqueos prod").await;
            comes_to(s, &run, "awaiting_approval").await;
            assert_eq!(to_the_end(s, &run, &table).await.card.state, "done", "{}", told(s, &run).await);
            assert_eq!(there().await, (false, false));
            let made = through(s, "estado-terraform prod", "").await;
            assert_eq!((made.card.state.as_str(), there().await), ("done", (true, true)), "{}", told(s, &made).await);
            let run = asks(s, "desplegar-infra dev").await;
            for _ in 0..3 {
                let now = s.message(&run.id).await;
                if now.card.state == "awaiting_approval" {
                    s.person("leo").presses(&now, "approve").await;
                }
            }
            comes_to(s, &run, "done").await;
            let spaces = it.runs("terraform", "infra", &["workspace", "list"]);
            assert!(spaces.contains("dev") && !spaces.contains("prod"), "{spaces}");
            let over = through(s, "desplegar-infra prod", "prod").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let text = over.card.text();
            assert!(text.contains("nada por cambiar | OK") && text.contains("Leo") && text.contains("Eva"), "{text}");
            let run = asks(s, "borrar-bloqueos prod").await;
            let over = comes_to(s, &run, "failed").await;
            assert!(over.card.text().contains("filas de la tabla | not OK"), "a table in use stays");
            assert_eq!(there().await, (true, true));
        })
        .await;
}

/// Proves: T35, T36.
#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_goes_back_to_the_state_of_before_by_two_people_and_forward_again() {
    let Some(it) = Pipeline::with_code().await else { return };
    it.here()
        .tell(async |s| {
            assert_eq!(through(s, "estado-terraform prod", "").await.card.state, "done");
            let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>".to_owned();
            let path = format!("/{}-state?versioning", it.cloud.name);
            asked(&it.cloud, "s3", ("PUT", &path, "application/xml"), on).await;
            let mut states = Vec::new();
            for release in ["one", "two"] {
                it.write(
                    "infra/main.tf",
                    &format!("resource \"terraform_data\" \"it\" {{\n  input = \"{release}\"\n}}\n"),
                );
                let over = through(s, "desplegar-infra prod", "prod").await;
                assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                states.push(it.state());
            }
            let run = asks(s, "volver-estado prod").await;
            let held = comes_to(s, &run, "holding").await;
            let versions = held.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices.clone();
            s.person("ana").presses_with(&held, "choose", &[("choice", &versions[1])]).await;
            let typed = format!("{}-state/prod", it.cloud.name);
            approved_by_typing(s, &run, &["leo"], &typed).await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            assert_eq!(it.state()["serial"], states[1]["serial"], "one is not enough");
            s.person("eva").presses(&ask, "approve").await;
            comes_to(s, &run, "awaiting_approval").await; // the name must be typed
            let over = to_the_end(s, &run, &typed).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let now = it.state();
            assert!(now["serial"].as_u64() > states[1]["serial"].as_u64(), "{now}");
            assert_eq!(now["resources"], states[0]["resources"], "as it was before the second deploy");
            taken_back(s, &over, &typed).await;
            assert_eq!(it.state()["resources"], states[1]["resources"], "and forward again");
        })
        .await;
}

/// A package with a lock and without dependencies.
const LOCK: &str =
    r#"{"name":"i","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"i","version":"1.0.0"}}}"#;
/// An npm that finds a newer version of something; its tests and its audit end as files say.
const OTHER_NPM: &str = "#!/bin/sh\necho \"npm $*\" >> calls\ncase \"$1 $2\" in\n'audit fix') ;;\n\
                         update*) echo '{\"dependencies\":{\"x\":\"2\"}}' > apps/ingestion/package.json ;;\n\
                         test*) exit $(cat tests) ;;\naudit*) exit $(cat audit) ;;\nesac\n";

impl Pipeline {
    /// A repository with ingestion in it, all of it committed.
    fn repository(&self) {
        let package = json!({"name": "i", "version": "1.0.0", "scripts": {"test": "touch tested"}});
        self.write("apps/ingestion/package.json", &package.to_string());
        self.write("apps/ingestion/package-lock.json", LOCK);
        self.write("apps/ingestion/.gitignore", "node_modules\ntested\n");
        self.runs("git", "", &["init", "-q"]);
        self.runs("git", "", &["add", "apps"]);
        self.runs("git", "", &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "it"]);
    }
}

/// Proves: T45.
#[tokio::test(flavor = "multi_thread")]
async fn dependencies_are_updated_tried_and_audited_by_npm_itself() {
    let Some(it) = Pipeline::new().await else { return };
    it.repository();
    it.here()
        .tell(async |s| {
            let over = through(s, "dependencias ingestion prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(it.path("apps/ingestion/tested").exists());
            assert!(over.card.text().contains("auditoría limpia | OK"), "{}", over.card.text());
            it.write("apps/ingestion/package.json", "{\"mine\": true}");
            let run = asks(s, "dependencias ingestion prod").await;
            let over = comes_to(s, &run, "failed").await;
            assert!(over.card.text().contains("cambios sin guardar | not OK"), "{}", over.card.text());
        })
        .await;
}

/// Proves: T45.
#[tokio::test(flavor = "multi_thread")]
async fn dependencies_go_back_to_git_when_the_tests_fail_and_what_is_not_mended_is_told() {
    let Some(it) = Pipeline::new().await else { return };
    it.repository();
    let npm = it.program("other-npm");
    it.write("other-npm", OTHER_NPM);
    let package = || std::fs::read_to_string(it.path("apps/ingestion/package.json")).unwrap();
    let before = package();
    it.here()
        .value("npm", npm)
        .tell(async |s| {
            it.write("tests", "1");
            it.write("audit", "0");
            let over = through(s, "dependencias ingestion prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert_eq!(package(), before, "what git says is there again");
            let calls = std::fs::read_to_string(it.path("calls")).unwrap();
            assert!(calls.contains("npm update") && calls.trim().lines().last().unwrap().contains("npm ci"), "{calls}");

            it.write("tests", "0");
            it.write("audit", "1");
            let over = through(s, "dependencias ingestion prod", "").await;
            assert_eq!(over.card.state, "failed", "{}", told(s, &over).await);
            assert!(over.card.text().contains("auditoría limpia | not OK"), "{}", over.card.text());
            assert_ne!(package(), before, "the tests pass: what there is stays, and a person decides");
            taken_back(s, &over, "").await;
            assert_eq!(package(), before);
        })
        .await;
}
