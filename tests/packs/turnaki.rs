//! Turnaki's pack: a Lambda that goes back and forth by button, Terraform on a state in S3, and the looks at AWS, on moto
//! and, where moto lets too much pass, on the strict fake.

use std::time::Duration;

use serde_json::{Value, json};
use sereno::clock::{Clock, Timestamp};
use sereno::domain::timeline::EntryKind;
use sereno::store::timeline;
use sereno_fakes::app::App;
use sereno_fakes::aws::{Aws, Behaviour};

use crate::aws_support::{ACCOUNT, KEY, KEY_ID};
use crate::harness::{Heard, Story, minutes};
use crate::world::{Here, approved_by, asks, checks_off, comes_to};

mod ailments;
mod infra;
pub mod looks;

const FUNCTION: &str = "tk-nq-dev-health";

/// The pack on an AWS.
fn here(endpoint: &str) -> Here {
    in_account(endpoint, ACCOUNT)
}

/// The pack where it believes to be in this account.
fn in_account(endpoint: &str, account: &str) -> Here {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let aws = format!(
        "aws: {{ region: eu-west-1, endpoint_url: \"{endpoint}\", access_key_id: {KEY_ID}, secret_access_key: \"{KEY}\" }}"
    );
    Here::of("turnaki")
        .value("account", account)
        .value("region", "eu-west-1")
        .secret("aws_key_id", KEY_ID)
        .secret("aws_key", KEY)
        .secret("api_token", token("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TEST"))
        .more(&aws)
}

/// A token that says who issued it, and that lasts.
fn token(issuer: &str) -> String {
    use base64::Engine as _;
    let part = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"iss": issuer, "aud": "client", "exp": 4_102_444_800_i64});
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256", "kid": "1"})), part(&claims))
}

/// It is as late in the story as in the world: moto and terraform keep the system's time.
fn catches_up(s: &Story) {
    let behind = u64::try_from(Clock::System.now().0 - s.clock.now().0).unwrap();
    s.clock.forward(Duration::from_millis(behind));
}

/// The strict AWS with a function whose alias leads to version 6.
async fn strict() -> Aws {
    let aws = Aws::start(KEY).await;
    leads_to_six(&aws);
    aws
}

fn leads_to_six(aws: &Aws) {
    aws.alias(FUNCTION, "production", "6");
    aws.behaves(FUNCTION, Behaviour::Echo);
}

fn logs(s: &Story, aws: &Aws, line: &str) {
    aws.log(&format!("/aws/lambda/{FUNCTION}"), s.clock.now().0, line);
}

/// Ana asks for the rollback in prod, Leo agrees, and the alias has moved.
async fn rolls_back(s: &Story, aws: &Aws) -> Heard {
    logs(s, aws, "ERROR the release is bad");
    s.waits(minutes(1)).await;
    let run = asks(s, &format!("rollback {FUNCTION} production 5 prod")).await;
    let ask = comes_to(s, &run, "awaiting_approval").await;
    let text = ask.card.text();
    let there_and_back =
        [(6, 5), (5, 6)].map(|(from, to)| format!("shift {FUNCTION}:production from version {from} to version {to}"));
    assert!(there_and_back.iter().all(|way| text.contains(way)), "{text}");
    assert_eq!(aws.alias_version(FUNCTION, "production"), "6", "nothing happens before an approval");
    approved_by(s, &run, &["leo"]).await;
    run
}

/// The headline story, on the console and in Slack.
/// Proves: K07, Y01.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_lambda_goes_back_by_one_button_and_forward_again_by_another() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell_everywhere(async |s| {
            leads_to_six(&aws);
            let run = rolls_back(s, &aws).await;
            comes_to(s, &run, "waiting").await;
            assert_eq!(aws.alias_version(FUNCTION, "production"), "5");
            s.waits(minutes(5)).await;
            let over = comes_to(s, &run, "done").await;
            let text = over.card.text();
            for row in ["respuesta de Lambda", "líneas con ERROR", "approved by Leo"] {
                assert!(text.contains(row), "{row}: {text}");
            }
            let undo = s.person("ana").presses(&over, "undo").await.remove(0);
            assert_eq!(undo.card.state, "awaiting_approval", "{}", undo.card.text());
            assert!(undo.card.text().contains("from version 5 to version 6"), "{}", undo.card.text());
            assert_eq!(aws.alias_version(FUNCTION, "production"), "5", "undoing is approved too");
            s.person("eva").presses(&undo, "approve").await;
            assert_eq!(aws.alias_version(FUNCTION, "production"), "6");
            s.audit_is_whole().await;
        })
        .await;
}

/// At three in the morning nobody wants to be asked twice: who agreed has seen the way back.
/// Proves: K07.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_afterwards_goes_back_by_the_same_approval() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell_everywhere(async |s| {
            leads_to_six(&aws);
            let run = rolls_back(s, &aws).await;
            comes_to(s, &run, "waiting").await;
            assert_eq!(aws.alias_version(FUNCTION, "production"), "5");
            s.waits(minutes(1)).await;
            logs(s, &aws, "ERROR this one is bad as well");
            s.waits(minutes(4)).await;
            let over = comes_to(s, &run, "failed").await;
            let text = over.card.text();
            assert!(text.contains("Devolver el alias a donde estaba"), "{text}");
            assert!(text.contains("production leads to version 6, before to 5"), "{text}");
            assert_eq!(aws.alias_version(FUNCTION, "production"), "6", "errors in the logs");
            let mut db = s.database.read().await.unwrap();
            let entries = timeline::between(&mut db, Timestamp(0), Timestamp(i64::MAX)).await.unwrap();
            let asked = entries.iter().filter(|entry| entry.kind == EntryKind::ApprovalAsked).count();
            assert_eq!(asked, 1, "one approval, there and back");
            s.audit_is_whole().await;
        })
        .await;
}

/// Proves: K07.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_fails_goes_back_unless_somebody_moved_its_alias_meanwhile() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell(async |s| {
            aws.behaves(FUNCTION, Behaviour::Error("no table".to_owned()));
            let run = rolls_back(s, &aws).await;
            comes_to(s, &run, "failed").await;
            assert_eq!(aws.alias_version(FUNCTION, "production"), "6", "it fails when it is called");

            aws.behaves(FUNCTION, Behaviour::Echo);
            let run = asks(s, &format!("rollback {FUNCTION} production 5 dev")).await;
            comes_to(s, &run, "waiting").await;
            s.waits(minutes(1)).await;
            logs(s, &aws, "ERROR again");
            s.waits(minutes(4)).await;
            comes_to(s, &run, "failed").await;
            assert_eq!(aws.alias_version(FUNCTION, "production"), "6", "in dev it goes back as well");

            let run = rolls_back(s, &aws).await;
            comes_to(s, &run, "waiting").await;
            aws.alias(FUNCTION, "production", "7");
            s.waits(minutes(1)).await;
            logs(s, &aws, "ERROR and again");
            s.waits(minutes(4)).await;
            let text = comes_to(s, &run, "failed").await.card.text();
            assert!(text.contains("leads to version 7") && text.contains("nothing was moved"), "{text}");
            assert_eq!(aws.alias_version(FUNCTION, "production"), "7", "what somebody else did stays");
        })
        .await;
}

/// Proves: K07.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_chosen_among_those_there_are_and_an_alias_that_moved_meanwhile_is_left_alone() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell(async |s| {
            let run = asks(s, "rollback prod").await;
            let held = comes_to(s, &run, "holding").await;
            assert_eq!(held.card.buttons[0].asks.as_ref().unwrap().inputs[0].choices, ["6", "5", "4", "3", "2", "1"]);
            s.person("ana").presses_with(&held, "choose", &[("choice", "4")]).await;
            let ask = comes_to(s, &run, "awaiting_approval").await;
            aws.alias(FUNCTION, "production", "7");
            s.person("leo").presses(&ask, "approve").await;
            assert_ne!(s.message(&run.id).await.card.state, "done");
            assert_eq!(aws.alias_version(FUNCTION, "production"), "7");
            assert!(aws.calls().iter().all(|call| !call.starts_with("PUT")), "{:?}", aws.calls());
        })
        .await;
}

/// Proves: K01, K24.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_wrong_account_nothing_happens() {
    let aws = strict().await;
    let wrong = in_account(&aws.endpoint, "999999999999");
    wrong
        .tell(async |s| {
            logs(s, &aws, "all is well");
            for line in ["identidad prod", "rollback prod", "invocar prod", "desplegar todo prod", "logs prod"] {
                let run = asks(s, line).await;
                let over = comes_to(s, &run, "failed").await;
                let text = over.card.text();
                assert!(text.contains(ACCOUNT) && text.contains("999999999999"), "{line}: {text}");
            }
            let calls = aws.calls();
            assert!(calls.iter().all(|call| call == "GetCallerIdentity"), "nothing else was asked: {calls:?}");
        })
        .await;
}

/// The actions are in the right account, and the keys that Terraform and the CLI are given are not.
/// Proves: K01, K03, K04, K05.
#[tokio::test(flavor = "multi_thread")]
async fn with_keys_of_another_account_nothing_is_deployed() {
    let aws = strict().await;
    aws.key_is_in("AKIAOFANOTHERACCOUNT", "999999999999");
    here(&aws.endpoint)
        .other_secret("aws_key_id", "AKIAOFANOTHERACCOUNT")
        .tell(async |s| {
            for line in ["desplegar todo prod", "desplegar-lambdas prod", "desplegar-frontend prod"] {
                let run = asks(s, line).await;
                let over = comes_to(s, &run, "failed").await;
                let text = over.card.text();
                assert!(text.contains("999999999999") && text.contains(ACCOUNT), "{line}: {text}");
            }
            let calls = aws.calls();
            assert!(calls.iter().all(|call| call == "GetCallerIdentity"), "nothing else was asked: {calls:?}");
        })
        .await;
}

/// Every step of the pack that asks AWS says which account it must be.
/// Proves: K01.
#[test]
fn no_step_asks_aws_without_saying_which_account() {
    let mut steps = 0;
    let files = std::fs::read_dir("commands/turnaki").unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")) {
        let text = std::fs::read_to_string(path).unwrap();
        let asking = |line: &&str| {
            ["aws", "lambda", "cloudwatch", "cloudwatch_logs"]
                .iter()
                .any(|name| line.trim() == format!("action: {name}"))
        };
        // Terraform's, too: each that is given keys.
        let with_keys =
            text.split("action: ").filter(|step| step.starts_with("terraform") && step.contains("aws_key")).count();
        let asked = text.lines().filter(asking).count() + with_keys;
        assert_eq!(text.matches("account: \"{{ values.account }}\"").count(), asked, "{text}");
        steps += asked;
    }
    assert!(steps > 50, "{steps}");
}

/// Proves: K24.
#[tokio::test(flavor = "multi_thread")]
async fn a_lambda_is_called_once_somebody_agrees_and_its_error_is_a_failure() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell(async |s| {
            let run = asks(s, "invocar prod").await;
            approved_by(s, &run, &["leo"]).await;
            comes_to(s, &run, "done").await;
            aws.behaves(FUNCTION, Behaviour::Error("no table".to_owned()));
            let run = asks(s, "invocar dev").await;
            let over = comes_to(s, &run, "failed").await;
            assert!(over.card.text().contains("no table"), "{}", over.card.text());
        })
        .await;
}

/// Moto knows no X-Ray.
/// Proves: K13.
#[tokio::test(flavor = "multi_thread")]
async fn traces_with_faults_are_counted() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell(async |s| {
            let run = asks(s, "trazas 30 prod").await;
            let over = comes_to(s, &run, "failed").await;
            assert!(over.card.text().contains("trazas con fallo"), "{}", over.card.text());
            assert!(s.thread(&run.id).await.iter().any(|line| line.card.text().contains("http://shop/pay")));
        })
        .await;
}

/// Proves: K19, Y02.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_is_looked_into_without_anybody_pasting_a_token() {
    let (aws, app) = (strict().await, App::start().await);
    app.answers("GET /me", 401, json!({"error": "unauthorized"}));
    here(&aws.endpoint)
        .value("api", format!("{}/me", app.url))
        .tell(async |s| {
            let run = asks(s, "api-401 prod").await;
            let held = comes_to(s, &run, "holding").await;
            assert!(held.card.body.iter().any(|line| line.contains("nunca el token")), "{}", held.card.text());
            assert_eq!(checks_off(s, &run).await, 1);
            let over = comes_to(s, &run, "done").await;
            let text = over.card.text();
            assert!(text.contains("quién lo emitió") && text.contains("401"), "{text}");
            assert!(!text.contains("c2lnbmF0dXJl"), "the token is never shown: {text}");
            app.answers("GET /me", 200, json!({"id": 1}));
            let again = asks(s, "api-401 dev").await;
            checks_off(s, &again).await;
            comes_to(s, &again, "done").await;
        })
        .await;
}

/// An incident in the team's channel says by when somebody must answer, and whom to call.
/// Proves: Y01, Y02, Y03, Y04, Y05.
#[tokio::test(flavor = "multi_thread")]
async fn severities_and_contacts_are_on_the_incident_and_silence_escalates() {
    let aws = strict().await;
    here(&aws.endpoint)
        .tell(async |s| {
            s.alert("TurnakiDown", "critical", true).await;
            let incident = s.channel("#infra").await.remove(0);
            let text = incident.card.text();
            assert!(text.contains("DevOps Lead (devops@turnaki.com)"), "{text}");
            assert!(text.contains("#turnaki-infra"), "{text}");
            let pack = s.engine.catalog.load_full().pack("turnaki").unwrap().clone();
            use sereno::domain::severity::Severity::{P0, P1, P2};
            let times = [P0, P1, P2].map(|severity| {
                let target = &pack.severities[&severity];
                (target.respond / 60, target.resolve.unwrap() / 3600)
            });
            assert_eq!(times, [(15, 2), (60, 8), (240, 24)]);
            assert!(pack.about.contains("2.0") && pack.about.contains("octubre de 2025"));
            s.waits(minutes(60)).await;
            let thread = s.thread(&incident.id).await;
            assert!(
                thread.iter().any(|line| line.card.text().contains("sin que nadie responda")),
                "{:#?}",
                thread.iter().map(|line| line.card.text()).collect::<Vec<_>>()
            );
        })
        .await;
}
