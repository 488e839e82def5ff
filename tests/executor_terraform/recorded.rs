//! With the stand-in: every part of the action's way, on any machine.

use std::time::Duration;

use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext};

use crate::Infra;
use crate::executor_support::{Said, action, done, failed, unknown};

impl Infra {
    /// Prepared, where the next plan is this recording.
    async fn playing(scenario: &str) -> Self {
        let infra = Self::recorded();
        done(infra.run("init", json!({})).await);
        infra.write("scenario", scenario);
        infra
    }

    /// What the program was called with.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// How often something was really applied.
    pub(crate) fn applied(&self) -> usize {
        std::fs::read_to_string(self.path(".terraform/stand-in/applied")).unwrap_or_default().lines().count()
    }
}

#[tokio::test]
async fn each_recorded_plan_is_told_as_it_is_and_applied_once() {
    // create, change, delete, replace, drift; whether there is something to do
    for (scenario, with, counts, changes) in [
        ("create", json!({}), [4, 0, 0, 0, 0], true),
        ("nothing", json!({}), [0, 0, 0, 0, 0], false),
        ("change", json!({"vars": {"release": "2"}}), [0, 1, 0, 0, 0], true),
        ("delete", json!({}), [0, 0, 1, 0, 0], true),
        ("replace", json!({"replace": ["terraform_data.note"]}), [0, 0, 0, 1, 0], true),
        ("secret", json!({}), [0, 1, 0, 0, 0], true),
        ("drift", json!({"drift": true}), [0, 0, 0, 0, 1], false),
    ] {
        let infra = Infra::playing(scenario).await;
        let report = done(infra.run("plan", with).await);
        let facts = &report.facts;
        let told = ["create", "change", "delete", "replace", "drift"].map(|fact| facts[fact].as_u64().unwrap());
        assert_eq!((told, &facts["changes"]), (counts, &json!(changes)), "{scenario}");
        assert!(!format!("{report:?}").contains("secret-value"), "{scenario}: values are not told");
        let apply = json!({"plan_file": facts["plan_file"]});
        let plan = infra.plan("apply", apply.clone()).await.unwrap();
        let effect = if counts[2] + counts[3] > 0 { Effect::Destroy } else { Effect::Change };
        assert_eq!((plan.effect, &plan.exact["sha256"]), (effect, &facts["sha256"]), "{scenario}");
        assert!(!format!("{plan:?}").contains("secret-value"), "{scenario}: values are not planned");
        done(infra.run("apply", apply.clone()).await);
        assert_eq!(infra.applied(), 1, "{scenario}");
        assert!(infra.plan("apply", apply).await.is_err(), "{scenario}: once is all that a plan is good for");
    }
}

#[tokio::test]
async fn what_is_not_the_approved_file_or_not_of_now_is_not_applied() {
    let infra = Infra::playing("create").await;
    let facts = done(infra.run("plan", json!({})).await).facts;
    let stale = done(infra.run("plan", json!({})).await).facts;
    let step = action("terraform", &infra.step("apply", json!({"plan_file": facts["plan_file"]})));
    let planned = executor::plan(&*step, &infra.tools, Effect::Change).await.unwrap().exact;
    let cx = StepContext { planned, ..infra.context(Effect::Change) };
    let (file, other) = (facts["plan_file"].as_str().unwrap(), stale["plan_file"].as_str().unwrap());
    let approved = std::fs::read(file).unwrap();
    for another in [std::fs::read(other).unwrap(), [approved.as_slice(), b"\n"].concat()] {
        std::fs::write(file, another).unwrap();
        let report = failed(executor::run(&*step, &cx).await);
        assert!(report.line.en().contains("not the file that was approved"), "{}", report.line.en());
    }
    assert!(!infra.calls().iter().any(|call| call.starts_with("apply")), "it was not even asked");
    std::fs::write(file, approved).unwrap();
    done(executor::run(&*step, &cx).await);
    let report = failed(infra.run("apply", json!({"plan_file": stale["plan_file"]})).await);
    assert!(report.output.unwrap().head.contains("stale"));
    assert_eq!(infra.applied(), 1);
}

#[tokio::test]
async fn what_the_program_reads_is_told_as_recorded() {
    let bare = Infra::recorded();
    assert!(failed(bare.run("state_list", json!({})).await).line.en().contains("terraform init"));
    let infra = Infra::playing("create").await;
    let facts = done(infra.run("validate", json!({})).await).facts;
    assert_eq!((&facts["valid"], &facts["errors"]), (&json!(true), &json!(0)));
    infra.write("wrong", "");
    let report = done(infra.run("validate", json!({})).await);
    assert_eq!((&report.facts["valid"], &report.facts["errors"]), (&json!(false), &json!(1)));
    assert!(report.line.en().contains("wrong.tf:1: Reference to undeclared input variable"), "{}", report.line.en());
    done(infra.run("workspace_new", json!({"workspace": "dev"})).await);
    let facts = done(infra.run("workspaces", json!({"workspace": "dev"})).await).facts;
    assert_eq!((&facts["workspaces"], &facts["current"]), (&json!(["default", "dev"]), &json!("dev")));
    assert_eq!(
        done(infra.run("workspaces", json!({})).await).facts["current"],
        "default",
        "others work where they did"
    );
    let again = failed(infra.run("workspace_new", json!({"workspace": "dev"})).await);
    assert!(again.output.unwrap().head.contains("already exists"));
    let dev = json!({"workspace": "dev"});
    let facts = done(infra.run("plan", dev.clone()).await).facts;
    done(infra.run("apply", json!({"workspace": "dev", "plan_file": facts["plan_file"]})).await);
    let count = async |with: &Value| done(infra.run("state_list", with.clone()).await).facts["count"].clone();
    assert_eq!((count(&dev).await, count(&json!({})).await), (json!(4), json!(0)));
    let facts = done(infra.run("output", json!({})).await).facts;
    assert_eq!(facts, json!({"outputs": {"size": "2"}, "sensitive": ["pass"]}));
    let nowhere = failed(infra.run("plan", json!({"workspace": "nowhere"})).await);
    assert!(nowhere.output.unwrap().head.contains("doesn't exist"));
}

#[tokio::test]
async fn a_stale_lock_is_told_with_its_holder_and_taken_away() {
    let infra = Infra::playing("create").await;
    assert_eq!(done(infra.run("lock", json!({})).await).facts, json!({"locked": false}));
    let apply = done(infra.run("plan", json!({})).await).facts;
    let id = "5d9ab7a6-7c1b-4e0f-9d57-6a1f0c8f5b11";
    infra.write("held", id);
    let step = action("terraform", &infra.step("lock", json!({})));
    // Two hours after it was taken.
    let cx = StepContext { started_at: crate::executor_support::NOON, ..infra.context(Effect::Read) };
    let report = done(executor::run(&*step, &cx).await);
    assert_eq!((&report.facts["who"], &report.facts["age"]), (&json!("ana@laptop"), &json!(7200)));
    assert!(report.line.en().contains("ana@laptop") && report.line.en().contains("for 2h"), "{}", report.line.en());
    let plan_file = apply["plan_file"].clone();
    for (verb, with) in [("plan", json!({})), ("apply", json!({"plan_file": plan_file}))] {
        let line = failed(infra.run(verb, with).await).line.en();
        assert!(line.contains("nothing was done") && line.contains("ana@laptop"), "{verb}: {line}");
    }
    let unlock = json!({"lock_id": id});
    let plan = infra.plan("force_unlock", unlock.clone()).await.unwrap();
    assert_eq!(plan.effect, Effect::Destroy);
    assert!(plan.line.en().contains("ana@laptop") && plan.line.en().contains("2026-03-01 10:00:00"));
    let report = done(infra.run("force_unlock", unlock.clone()).await);
    assert_eq!(report.facts["who"], "ana@laptop");
    assert_eq!(done(infra.run("lock", json!({})).await).facts, json!({"locked": false}));
    assert!(infra.plan("force_unlock", unlock).await.unwrap_err().en().contains("nobody holds"));
}

#[tokio::test]
async fn a_lock_that_was_not_given_back_does_not_hide_that_it_was_applied() {
    for (broken, says) in [(false, "everything in the plan was applied"), (true, "part of it may be done")] {
        let infra = Infra::playing("create").await;
        let facts = done(infra.run("plan", json!({})).await).facts;
        infra.write("kept", "");
        if broken {
            infra.write("broken", "");
        }
        let report = failed(infra.run("apply", json!({"plan_file": facts["plan_file"]})).await);
        assert_eq!(infra.applied(), 1);
        let line = report.line.en();
        assert!(line.contains(says) && !line.contains("nothing was done"), "{line}");
        assert!(line.contains("plan again") && line.contains("look"), "{line}");
    }
    // A look at the lock is a plan, which takes it.
    let infra = Infra::playing("create").await;
    infra.write("kept", "");
    let line = failed(infra.run("lock", json!({})).await).line.en();
    assert!(line.contains("could not give its lock back") && !line.contains("locked by"), "{line}");
}

#[tokio::test]
async fn one_deadline_is_for_all_calls_of_a_step() {
    // Each call alone is in time, and two are not: never done, and the reason is the step's own time.
    let limited = async |infra: &Infra, verb: &str, with: Value| {
        let step = action("terraform", &infra.step(verb, with.clone()));
        let effect = step.effect(None).unwrap();
        let planned = infra.plan(verb, with).await.unwrap().exact;
        infra.write("slow", "1.2");
        let cx = StepContext { planned, timeout: Duration::from_secs(2), ..infra.context(effect) };
        executor::run(&*step, &cx).await
    };
    let infra = Infra::playing("create").await;
    let report = failed(limited(&infra, "plan", json!({})).await);
    assert!(report.line.en().contains("2 s"), "{}", report.line.en());

    let infra = Infra::playing("create").await;
    infra.write("earlier.json", r#"{"version": 4, "serial": 3, "lineage": "recorded"}"#);
    let outcome = limited(&infra, "state_restore", json!({"state_file": infra.path("earlier.json")})).await;
    assert!(!matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    let (Outcome::Failed(report) | Outcome::Unknown(report)) = outcome else { panic!("it ended well") };
    assert!(report.line.en().contains("2 s"), "{}", report.line.en());
    assert!(!infra.path(".terraform/stand-in/pushed").exists(), "it was stopped before it wrote");
}

#[tokio::test]
async fn an_apply_that_is_stopped_has_an_unknown_end_and_leaves_its_plan() {
    let infra = Infra::playing("create").await;
    let facts = done(infra.run("plan", json!({})).await).facts;
    let with = json!({"plan_file": facts["plan_file"]});
    let step = action("terraform", &infra.step("apply", with.clone()));
    let planned = infra.plan("apply", with).await.unwrap().exact;
    let cx = StepContext { planned, ..infra.context(Effect::Change) };
    infra.write("slow", "1");
    let stop = async {
        while !infra.calls().iter().any(|call| call.starts_with("apply")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cx.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), stop);
    assert!(unknown(outcome).line.en().contains("cancelled"));
    let left: Vec<_> = std::fs::read_dir(infra.path(".terraform/sereno")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "the copy that was applied is gone: {left:?}");
}

#[tokio::test]
async fn an_apply_that_is_told_to_end_lets_its_providers_finish_and_saves_what_they_made() {
    // By a person, and by its deadline.
    for cancelled in [true, false] {
        let infra = Infra::playing("create").await;
        let facts = done(infra.run("plan", json!({})).await).facts;
        let with = json!({"plan_file": facts["plan_file"]});
        let step = action("terraform", &infra.step("apply", with.clone()));
        let planned = infra.plan("apply", with).await.unwrap().exact;
        infra.write("making", "4");
        let timeout = if cancelled { crate::LONG } else { Duration::from_secs(2) };
        let cx = StepContext { planned, timeout, ..infra.context(Effect::Change) };
        let stop = async {
            while !infra.path("begun").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if cancelled {
                cx.cancel.cancel();
            }
        };
        let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), stop);
        unknown(outcome);
        assert!(infra.path("made").exists(), "the provider's program was not killed");
        assert!(infra.path("saved").exists(), "what it made is in the state");
        assert_eq!(infra.applied(), 0, "and nothing more was begun");
    }
}

#[tokio::test]
async fn the_stand_in_refuses_what_it_does_not_know() {
    let infra = Infra::playing("create").await;
    // A field that is right and that nothing was recorded for.
    for (verb, with) in [
        ("plan", json!({"targets": ["terraform_data.note"]})),
        ("plan", json!({"destroy": true})),
        ("plan", json!({"drift": true})),
        ("init", json!({"reconfigure": true})),
        ("state_show", json!({"address": "terraform_data.note"})),
    ] {
        let report = failed(infra.run(verb, with.clone()).await);
        assert!(report.output.unwrap().head.contains("nobody calls it like this"), "{verb} {with}");
    }
    assert_eq!(executor::terraform::version(&infra.tools).await.unwrap(), "1.11.4");
}
