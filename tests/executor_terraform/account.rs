//! The account that the keys of a step's environment must be of, on the strict AWS.

use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::executor::{self, AwsSettings, Tools};
use sereno::secret::Secret;
use sereno_fakes::aws::{ACCOUNT, Aws};

use crate::Infra;
use crate::executor_support::{Said, action, done, failed};

const KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";
const OURS: &str = "AKIATESTTESTTESTTEST";
const THEIRS: &str = "AKIAOFANOTHERACCOUNT";

/// A prepared directory beside an AWS in which the configuration's own keys are in the right account.
async fn beside_aws() -> (Aws, Infra) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = Aws::start(KEY).await;
    aws.key_is_in(THEIRS, "999999999999");
    let mut infra = Infra::recorded();
    let secrets = [("key".to_owned(), Secret::new(KEY))].into();
    let settings = AwsSettings {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some(aws.endpoint.clone()),
        profile: None,
        key: Some((OURS.to_owned(), Secret::new(KEY))),
    };
    infra.tools = Tools { programs: infra.tools.programs.clone(), ..Tools::new(secrets, &[], None).with_aws(settings) };
    done(infra.run("init", json!({})).await);
    infra.write("scenario", "create");
    (aws, infra)
}

/// Fields of a step that is for our account, with these keys.
fn with(key_id: &str, mut more: Value) -> Value {
    more["account"] = json!(ACCOUNT);
    more["env"] =
        json!({"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": {"secret": "key"}, "AWS_REGION": "eu-west-1"});
    more
}

#[tokio::test]
async fn keys_of_another_account_plan_and_change_nothing() {
    let (aws, infra) = beside_aws().await;
    let facts = done(infra.run("plan", with(OURS, json!({}))).await).facts;
    let apply = json!({"plan_file": facts["plan_file"]});
    let before = infra.calls().len();
    for (verb, more) in [
        ("init", json!({})),
        ("apply", apply.clone()),
        ("workspace_new", json!({"workspace": "dev"})),
        ("force_unlock", json!({"lock_id": "x"})),
        ("state_restore", json!({"state_file": "/x"})),
    ] {
        let why = infra.plan(verb, with(THEIRS, more)).await.unwrap_err().en();
        assert!(why.contains("999999999999") && why.contains(ACCOUNT), "{verb}: {why}");
    }
    // The keys are those of another account since it was planned; and what only reads is asked when it runs.
    let step = action("terraform", &infra.step("apply", with(OURS, apply.clone())));
    let planned = infra.plan("apply", with(OURS, apply.clone())).await.unwrap().exact;
    let asked = infra.calls().len();
    aws.key_is_in(OURS, "999999999999");
    let cx = executor::StepContext { planned, ..infra.context(Effect::Change) };
    for outcome in [executor::run(&*step, &cx).await, infra.run("plan", with(OURS, json!({}))).await] {
        let line = failed(outcome).line.en();
        assert!(line.contains("999999999999"), "{line}");
    }
    assert_eq!((before + 1, asked), (asked, infra.calls().len()), "terraform read the plan, and was not called again");
    assert_eq!(infra.applied(), 0);
}

#[tokio::test]
async fn whom_the_keys_are_is_asked_where_terraform_asks() {
    let (aws, infra) = beside_aws().await;
    let plan = json!({});
    // Not the configuration's address, where the environment has one.
    let elsewhere = Aws::start(KEY).await;
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
        let mut fields = with(OURS, plan.clone());
        fields["env"][name] = json!(elsewhere.endpoint);
        done(infra.run("plan", fields).await);
    }
    assert_eq!((aws.calls().len(), elsewhere.calls().len()), (0, 2));
    let without = json!({"account": ACCOUNT, "env": {"AWS_REGION": "eu-west-1"}});
    assert!(failed(infra.run("plan", without).await).line.en().contains("AWS_ACCESS_KEY_ID"));
    let parse = executor::find("terraform").unwrap().parse;
    assert!(parse(&json!({"do": "fmt", "dir": "/srv", "account": ACCOUNT})).is_err(), "it asks nobody");
}

#[tokio::test]
async fn who_somebody_elses_keys_are_can_be_asked_by_the_action_aws() {
    let (_aws, infra) = beside_aws().await;
    let mut tools = infra.tools.clone();
    let ids = [("ours", OURS), ("theirs", THEIRS)].map(|(name, id)| (name.to_owned(), Secret::new(id)));
    std::sync::Arc::make_mut(&mut tools.secrets).extend(ids);
    let ask = async |id: &str| {
        let with = json!({"do": "sts.get_caller_identity", "key_id": {"secret": id}, "key": {"secret": "key"}, "account": ACCOUNT});
        let cx = executor::StepContext { tools: tools.clone(), ..infra.context(Effect::Read) };
        executor::run(&*action("aws", &with), &cx).await
    };
    assert_eq!(done(ask("ours").await).facts["account"], ACCOUNT);
    assert!(failed(ask("theirs").await).line.en().contains("999999999999"));
    let parse = executor::find("aws").unwrap().parse;
    for alone in ["key_id", "key"] {
        assert!(parse(&json!({"do": "sts.get_caller_identity", alone: {"secret": "key"}})).is_err());
    }
}
