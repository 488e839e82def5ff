//! `terraform` with the real program where it is installed, and everywhere with a strict stand-in that answers what the
//! real one was recorded to say. What is read of plans and locks is tested beside the code, too.

#[cfg(feature = "aws")]
mod account;
#[path = "../executor_support/mod.rs"]
mod executor_support;
mod real;
mod recorded;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use executor_support::{Said, action, context, done};
use serde_json::{Value, json};
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::step::{Outcome, Report};
use sereno::executor::{self, StepContext, Tools, process};
use sereno::secret::Secret;

const LONG: Duration = Duration::from_secs(120);
const FILES: &str = r#"
variable "size" { default = 1 }
variable "pass" {
  sensitive = true
  default   = "sensitive-value"
}
resource "terraform_data" "box" {
  count            = var.size
  triggers_replace = [terraform.workspace]
}
resource "terraform_data" "note" { input = "version ${var.size}" }
output "pass" {
  value     = var.pass
  sensitive = true
}
output "size" { value = var.size }
"#;

/// A directory of infrastructure of its own.
struct Infra {
    dir: tempfile::TempDir,
    tools: Tools,
}

impl Infra {
    /// With the real program.
    async fn real() -> Option<Self> {
        if process::find("terraform").is_none() {
            eprintln!("skipped: terraform is not installed here; its stand-in is tested everywhere");
            return None;
        }
        let tools = Tools::new([("token".to_owned(), Secret::new("hunter2hunter2"))].into(), &[], None);
        let infra = Self { dir: tempfile::tempdir().unwrap(), tools };
        infra.write("main.tf", FILES);
        done(infra.run("init", json!({})).await);
        Some(infra)
    }

    /// With the stand-in, not prepared yet.
    fn recorded() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins/terraform/terraform");
        let programs = Arc::new([("terraform".to_owned(), program)].into());
        Self { dir: tempfile::tempdir().unwrap(), tools: Tools { programs, ..Tools::default() } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn step(&self, verb: &str, mut with: Value) -> Value {
        with["do"] = json!(verb);
        with["dir"] = json!(self.dir.path());
        with
    }

    async fn plan(&self, verb: &str, with: Value) -> Result<Plan, Sentence> {
        let step = action("terraform", &self.step(verb, with));
        executor::plan(&*step, &self.tools, Effect::Read).await
    }

    /// An attempt of its own and of now.
    fn context(&self, effect: Effect) -> StepContext {
        let idempotency_key = sereno::id::RunId::new().to_string();
        let started_at = sereno::clock::Clock::System.now();
        StepContext { idempotency_key, started_at, ..context(&self.tools, effect, LONG) }
    }

    /// Plans a step and runs it with what was planned.
    async fn run(&self, verb: &str, with: Value) -> Outcome {
        let step = action("terraform", &self.step(verb, with.clone()));
        let effect = step.effect(None).unwrap();
        let planned = self.plan(verb, with).await.unwrap_or_else(|why| panic!("{verb}: {}", why.en())).exact;
        executor::run(&*step, &StepContext { planned, ..self.context(effect) }).await
    }

    /// Plans a change with this size, and applies it.
    async fn size(&self, size: u32) -> Report {
        let facts = done(self.run("plan", json!({"vars": {"size": size}})).await).facts;
        done(self.run("apply", json!({"plan_file": facts["plan_file"]})).await)
    }
}

#[test]
fn texts_cannot_be_options_and_fields_belong_to_their_verb() {
    let parse = executor::find("terraform").unwrap().parse;
    for (with, says) in [
        (json!({"do": "plan", "dir": "/srv", "targets": ["-destroy"]}), "begins with a dash"),
        (json!({"do": "state_show", "dir": "/srv", "address": "-state=/etc/passwd"}), "begins with a dash"),
        (json!({"do": "apply", "dir": "/srv"}), "needs `plan_file`"),
        (json!({"do": "force_unlock", "dir": "/srv"}), "needs `lock_id`"),
        (json!({"do": "output", "dir": "/srv", "vars": {"a": "b"}}), "`vars` goes with"),
        (json!({"do": "plan", "dir": "/srv", "drift": true, "destroy": true}), "keep one"),
        (json!({"do": "refresh", "dir": "/srv"}), "unknown variant"),
        (json!({"do": "plan", "dir": "/srv", "vars": {"a b": "c"}}), "a b"),
    ] {
        let error = parse(&with).err().unwrap_or_else(|| panic!("{with} was taken")).en();
        assert!(error.contains(says), "{with}: {error}");
    }
    let unlock = json!({"do": "force_unlock", "dir": "/srv", "lock_id": "x"});
    assert!(action("terraform", &unlock).effect(Some(Effect::Change)).is_err());
}
