//! With the real program, where it is installed: its built-in resource needs no provider.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext};

use crate::Infra;
use crate::executor_support::{Said, action, done, failed};

#[tokio::test]
async fn what_is_planned_is_what_is_applied_and_its_effect_is_that_of_the_plan() {
    let Some(infra) = Infra::real().await else { return };
    let report = done(infra.run("plan", json!({"vars": {"size": 2}})).await);
    let facts = &report.facts;
    assert_eq!((&facts["create"], &facts["delete"], &facts["changes"]), (&json!(3), &json!(0), &json!(true)));
    assert_eq!(report.table.unwrap().rows.len(), 3);
    let apply = json!({"plan_file": facts["plan_file"]});
    let plan = infra.plan("apply", apply.clone()).await.unwrap();
    assert_eq!((plan.effect, &plan.exact["sha256"]), (Effect::Change, &facts["sha256"]));
    assert_eq!(digest::of(&plan), digest::of(&infra.plan("apply", apply.clone()).await.unwrap()));
    let report = done(infra.run("apply", apply.clone()).await);
    assert_eq!(report.facts["create"], 3);
    assert!(infra.plan("apply", apply).await.unwrap_err().en().contains("is no plan that a step saved"), "only once");
    let facts = done(infra.run("plan", json!({"vars": {"size": 2}})).await).facts;
    assert_eq!((&facts["changes"], &facts["create"]), (&json!(false), &json!(0)));
    // Fewer: something is lost, and an approver sees what.
    let facts = done(infra.run("plan", json!({"vars": {"size": 1}})).await).facts;
    let plan = infra.plan("apply", json!({"plan_file": facts["plan_file"]})).await.unwrap();
    assert_eq!((plan.effect, &plan.exact["delete"]), (Effect::Destroy, &json!(1)));
    assert!(plan.line.en().ends_with("terraform_data.box[1]"), "{}", plan.line.en());
}

#[tokio::test]
async fn a_plan_file_that_is_another_by_now_is_not_applied() {
    let Some(infra) = Infra::real().await else { return };
    let facts = done(infra.run("plan", json!({})).await).facts;
    let with = infra.step("apply", json!({"plan_file": facts["plan_file"]}));
    let step = action("terraform", &with);
    let cx = infra.context(Effect::Change);
    let planned = executor::plan(&*step, &infra.tools, Effect::Change).await.unwrap().exact;
    let other = done(infra.run("plan", json!({"vars": {"size": 9}})).await).facts;
    std::fs::copy(other["plan_file"].as_str().unwrap(), facts["plan_file"].as_str().unwrap()).unwrap();
    let report = failed(executor::run(&*step, &StepContext { planned, ..cx.clone() }).await);
    assert!(report.line.en().contains("not the file that was approved"), "{}", report.line.en());
    assert!(failed(executor::run(&*step, &cx).await).line.en().contains("only after it was planned"));
    assert!(!infra.path("terraform.tfstate").exists(), "nothing was made");
    infra.write("elsewhere.tfplan", "x");
    for file in ["/etc/passwd", "elsewhere.tfplan", ".terraform/sereno/../../elsewhere.tfplan"] {
        let file = infra.path(file);
        assert!(infra.plan("apply", json!({"plan_file": file})).await.is_err(), "{}", file.display());
    }
}

#[tokio::test]
async fn a_plan_that_the_world_left_behind_fails_and_changes_nothing() {
    let Some(infra) = Infra::real().await else { return };
    let stale = done(infra.run("plan", json!({"vars": {"size": 3}})).await).facts;
    infra.size(1).await;
    let report = failed(infra.run("apply", json!({"plan_file": stale["plan_file"]})).await);
    assert!(report.output.unwrap().head.contains("stale"), "terraform says why");
    assert_eq!(done(infra.run("state_list", json!({})).await).facts["count"], 2);
}

#[tokio::test]
async fn state_and_outputs_are_read_and_sensitive_ones_are_not() {
    let Some(infra) = Infra::real().await else { return };
    infra.size(1).await;
    let facts = done(infra.run("state_list", json!({})).await).facts;
    assert_eq!(facts["addresses"], json!(["terraform_data.box[0]", "terraform_data.note"]));
    let report = done(infra.run("state_show", json!({"address": "terraform_data.note"})).await);
    assert!(report.output.unwrap().head.contains("version 1"));
    let report = done(infra.run("output", json!({})).await);
    assert_eq!(report.facts, json!({"outputs": {"size": "1"}, "sensitive": ["pass"]}));
    assert!(!format!("{report:?}").contains("sensitive-value"));
    assert_eq!(done(infra.run("plan", json!({"drift": true})).await).facts["drift"], 0);
}

#[tokio::test]
async fn files_are_checked_and_formatted() {
    let Some(infra) = Infra::real().await else { return };
    assert_eq!(done(infra.run("validate", json!({})).await).facts["valid"], true);
    infra.write("odd.tf", "locals {\na=1\n   bb = 2\n}\n");
    let facts = done(infra.run("fmt", json!({})).await).facts;
    assert_eq!((&facts["formatted"], &facts["files"]), (&json!(false), &json!(["odd.tf"])));
    done(infra.run("fmt", json!({"write": true})).await);
    assert_eq!(done(infra.run("fmt", json!({})).await).facts["formatted"], true);
    infra.write("wrong.tf", "output \"x\" { value = var.nowhere }\n");
    let report = done(infra.run("validate", json!({})).await);
    assert_eq!((&report.facts["valid"], &report.facts["errors"]), (&json!(false), &json!(1)));
    assert!(report.line.en().contains("wrong.tf:1: "), "{}", report.line.en());
    assert!(failed(infra.run("plan", json!({})).await).line.en().contains("exit code 1"));
}

#[tokio::test]
async fn a_workspace_is_chosen_for_one_step_and_not_for_others() {
    let Some(infra) = Infra::real().await else { return };
    done(infra.run("workspace_new", json!({"workspace": "dev"})).await);
    done(infra.run("workspace_new", json!({"workspace": "prod"})).await);
    let facts = done(infra.run("plan", json!({"workspace": "dev"})).await).facts;
    done(infra.run("apply", json!({"workspace": "dev", "plan_file": facts["plan_file"]})).await);
    let count = async |workspace: &str| {
        done(infra.run("state_list", json!({"workspace": workspace})).await).facts["count"].clone()
    };
    assert_eq!((count("dev").await, count("prod").await), (json!(2), json!(0)));
    let facts = done(infra.run("workspaces", json!({})).await).facts;
    assert_eq!((&facts["workspaces"], &facts["current"]), (&json!(["default", "dev", "prod"]), &json!("default")));
}

#[tokio::test]
async fn secrets_are_variables_and_are_not_seen() {
    let Some(infra) = Infra::real().await else { return };
    infra.write("seen.tf", "output \"seen\" { value = nonsensitive(var.pass) }\n");
    let with = json!({"vars": {"pass": {"secret": "token"}}});
    let plan = infra.plan("plan", with.clone()).await.unwrap();
    assert!(!digest::canonical(&plan).contains("hunter2"));
    let report = done(infra.run("plan", with).await);
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let file = PathBuf::from(report.facts["plan_file"].as_str().unwrap());
    let home = std::os::unix::fs::MetadataExt::mode(&file.parent().unwrap().metadata().unwrap());
    assert_eq!(home & 0o777, 0o700, "a plan holds them, and nobody else reads it");
    done(infra.run("apply", json!({"plan_file": file})).await);
    let facts = done(infra.run("output", json!({})).await).facts;
    assert_eq!(facts["outputs"]["seen"], "[redacted token]");
}

#[tokio::test]
async fn an_earlier_state_comes_back_under_the_next_serial() {
    let Some(infra) = Infra::real().await else { return };
    infra.size(1).await;
    let (state, earlier) = (infra.path("terraform.tfstate"), infra.path("earlier.json"));
    std::fs::copy(&state, &earlier).unwrap();
    let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&state).unwrap()).unwrap();
    let (before, outputs) = (read()["serial"].as_u64().unwrap(), read()["outputs"].clone());
    infra.size(2).await;
    let with = json!({"state_file": earlier});
    let step = action("terraform", &infra.step("state_restore", with.clone()));
    assert_eq!(step.effect(None), Ok(Effect::Destroy));
    let planned = infra.plan("state_restore", with.clone()).await.unwrap().exact;
    // Somebody applies between approval and start.
    infra.size(3).await;
    let cx = infra.context(Effect::Destroy);
    let report = failed(executor::run(&*step, &StepContext { planned, ..cx }).await);
    assert!(report.line.en().contains("not what was planned"), "{}", report.line.en());
    let current = read()["serial"].as_u64().unwrap();
    let facts = done(infra.run("state_restore", with).await).facts;
    assert_eq!((&facts["restored_serial"], &facts["previous_serial"]), (&json!(before), &json!(current)));
    assert_eq!((&read()["serial"], &read()["outputs"]), (&facts["serial"], &outputs));
    assert!(facts["serial"].as_u64().unwrap() > current);
    let lineage = std::fs::read_to_string(&earlier).unwrap().replace("\"lineage\": \"", "\"lineage\": \"0");
    infra.write("foreign.json", &lineage);
    let error = infra.plan("state_restore", json!({"state_file": infra.path("foreign.json")})).await.unwrap_err();
    assert!(error.en().contains("of something else"), "{}", error.en());
}

/// Resources that hold the lock until a file is there.
const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "touch began; while [ ! -e go ]; do sleep 0.1; done" }
}
"#;

#[tokio::test]
async fn a_lock_is_told_with_its_holder_and_taken_away_only_from_that_one() {
    let Some(infra) = Infra::real().await else { return };
    assert_eq!(done(infra.run("lock", json!({})).await).facts, json!({"locked": false}));
    infra.write("slow.tf", SLOW);
    let facts = done(infra.run("plan", json!({})).await).facts;
    let apply = infra.run("apply", json!({"plan_file": facts["plan_file"]}));
    let look = async {
        while !infra.path("began").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let report = done(infra.run("lock", json!({})).await);
        let facts = &report.facts;
        assert_eq!((&facts["locked"], &facts["operation"]), (&json!(true), &json!("OperationTypeApply")));
        assert!(facts["who"].as_str().unwrap().contains('@') && facts["age"].as_i64().unwrap() < 120, "{facts}");
        let error = infra.plan("force_unlock", json!({"lock_id": "another"})).await.unwrap_err().en();
        assert!(error.contains("look again"), "{error}");
        let with = json!({"lock_id": facts["lock_id"]});
        let plan = infra.plan("force_unlock", with.clone()).await.unwrap();
        assert_eq!(plan.effect, Effect::Destroy);
        assert!(plan.line.en().contains(facts["who"].as_str().unwrap()), "{}", plan.line.en());
        // Another apply meanwhile does not wait for ever.
        assert!(failed(infra.run("plan", json!({})).await).output.unwrap().head.contains("state lock"));
        let step = action("terraform", &infra.step("force_unlock", with));
        infra.write("go", "");
        (step, plan.exact)
    };
    let (outcome, (step, planned)) = tokio::join!(apply, look);
    done(outcome);
    // Its holder gave it back by itself: there is nothing to take away any more.
    let report = failed(executor::run(&*step, &StepContext { planned, ..infra.context(Effect::Destroy) }).await);
    assert!(report.line.en().contains("nobody holds the lock"), "{}", report.line.en());
}

#[tokio::test]
async fn a_cancelled_apply_gives_its_lock_back_and_nobody_knows_how_far_it_came() {
    let Some(infra) = Infra::real().await else { return };
    infra.write("slow.tf", SLOW);
    let facts = done(infra.run("plan", json!({})).await).facts;
    let with = json!({"plan_file": facts["plan_file"]});
    let step = action("terraform", &infra.step("apply", with.clone()));
    let planned = infra.plan("apply", with).await.unwrap().exact;
    let cx = StepContext { planned, ..infra.context(Effect::Change) };
    let cancel = async {
        while !infra.path("began").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        cx.cancel.cancel();
        tokio::time::sleep(Duration::from_secs(3)).await;
        infra.write("go", "");
    };
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), cancel);
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert_eq!(done(infra.run("lock", json!({})).await).facts, json!({"locked": false}));
    assert!(infra.path("terraform.tfstate").exists(), "what was done is in the state");
}
