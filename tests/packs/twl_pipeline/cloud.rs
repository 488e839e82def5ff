//! AWS: code, variables, logs, metrics, copies, rules, credentials, and what is done in an emergency.

use serde_json::{Value, json};

use super::Pipeline;
use crate::aws_support::ACCOUNT;
use crate::harness::Heard;
use crate::minimarket::{catches_up, through, told};
use crate::turnaki::looks::{asked, make, write};
use crate::world::{asks, comes_to, done};

const FORM: &str = "application/x-www-form-urlencoded";
const SERVICES: [&str; 3] = ["ingestion", "processing", "reporting"];

impl Pipeline {
    /// With its three Lambdas.
    async fn with_lambdas() -> Option<Self> {
        let it = Self::new().await?;
        for service in SERVICES {
            make(&it.cloud, &it.function(service)).await;
        }
        Some(it)
    }

    async fn form(&self, service: &str, body: &str) {
        asked(&self.cloud, service, ("POST", "/", FORM), body.to_owned()).await;
    }

    async fn lambda(&self, service: &str) -> Value {
        self.cloud.facts("lambda", json!({"do": "configuration", "function": self.function(service)})).await
    }

    async fn zips(&self, lines: &[&str]) {
        self.here()
            .tell(async |s| {
                for line in lines {
                    let over = through(s, line, "").await;
                    assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
                }
            })
            .await;
    }
}

fn says(run: &Heard, rows: &[&str]) {
    let text = run.card.text();
    for row in rows {
        assert!(text.contains(row), "{row}: {text}");
    }
}

/// Proves: T37, T38, T50.
#[tokio::test(flavor = "multi_thread")]
async fn code_is_built_packed_deployed_and_put_back() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.zips(&["compilar ingestion prod", "compilar reporting prod"]).await;
    assert!(it.path("ingestion.zip").exists() && it.path("reporting.zip").exists());
    write(&it.cloud, &it.function("ingestion"), &["ERROR bad release"]).await;
    let before = it.lambda("ingestion").await["code_sha256"].clone();
    it.here()
        .tell(async |s| {
            catches_up(s);
            let over = through(s, "desplegar-codigo ingestion prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let after = it.lambda("ingestion").await["code_sha256"].clone();
            assert_ne!(before, after);
            std::fs::copy(it.path("reporting.zip"), it.path("ingestion-anterior.zip")).unwrap();
            let over = through(s, "servicio-caido ingestion codigo prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(told(s, &over).await.contains("bad release"));
            assert_ne!(it.lambda("ingestion").await["code_sha256"], after);
            for cause in ["recursos", "datos"] {
                let over = through(s, &format!("servicio-caido ingestion {cause} prod"), "").await;
                assert_eq!(over.card.state, "done", "{cause}: {}", told(s, &over).await);
            }
        })
        .await;
}

/// Proves: T40, D11.
#[tokio::test(flavor = "multi_thread")]
async fn variables_are_joined_to_those_there_are() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.here()
        .tell(async |s| {
            let over = through(s, "variables-lambda processing prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(!told(s, &over).await.contains("hunter2"));
            let names = it.lambda("processing").await["variables"].to_string();
            for name in ["DB_PASSWORD", "S3_BUCKET_NAME", "SQS_QUEUE_URL"] {
                assert!(names.contains(name), "{name}: {names}");
            }
        })
        .await;
}

/// Proves: T41, T42, T43, T44, Y55, D12.
#[tokio::test(flavor = "multi_thread")]
async fn logs_metrics_and_alarms() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    let (name, function) = (&it.cloud.name, it.function("processing"));
    write(&it.cloud, &function, &["INFO up", "ERROR no table"]).await;
    for (metric, value) in [("Invocations", 12), ("Errors", 0), ("Throttles", 0), ("Duration", 35)] {
        let dimension = "MetricData.member.1.Dimensions.member.1";
        let body = format!(
            "Action=PutMetricData&Version=2010-08-01&Namespace=AWS%2FLambda&MetricData.member.1.MetricName={metric}&\
             MetricData.member.1.Value={value}&{dimension}.Name=FunctionName&{dimension}.Value={function}"
        );
        it.form("monitoring", &body).await;
    }
    it.cloud.aws(json!({"do": "sqs.create_queue", "queue": format!("{name}-dlq")})).await;
    it.here()
        .tell(async |s| {
            catches_up(s);
            let run = asks(s, "logs-lambda processing 5s prod").await;
            says(&comes_to(s, &run, "failed").await, &["líneas con ERROR | not OK"]);
            assert!(told(s, &run).await.contains("no table"));
            says(&done(s, "metricas processing prod").await, &["errores | OK", "frenadas | OK"]);
            says(&done(s, "alarmas prod").await, &["alarmas que suenan | OK", "mensajes fallidos | OK"]);
            let alarm = format!(
                "Action=PutMetricAlarm&Version=2010-08-01&AlarmName={name}-errors&MetricName=Errors&Namespace=X&Period=60&\
                 EvaluationPeriods=1&Threshold=1&ComparisonOperator=GreaterThanThreshold&Statistic=Sum"
            );
            it.form("monitoring", &alarm).await;
            let state = format!(
                "Action=SetAlarmState&Version=2010-08-01&AlarmName={name}-errors&StateValue=ALARM&StateReason=it"
            );
            it.form("monitoring", &state).await;
            says(&done(s, "alarmas prod").await, &["alarmas que suenan | not OK"]);
        })
        .await;
}

/// Proves: T46, T47, Y51.
#[tokio::test(flavor = "multi_thread")]
async fn copies_of_the_databases_are_kept_long_enough_and_one_more_is_made() {
    let Some(it) = Pipeline::new().await else { return };
    let name = &it.cloud.name;
    let create = format!(
        "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier={name}&DBInstanceClass=db.t3.micro&Engine=postgres&\
         AllocatedStorage=20&MasterUsername=u&MasterUserPassword=hunter2hunter2&BackupRetentionPeriod=7"
    );
    it.form("rds", &create).await;
    it.here()
        .tell(async |s| {
            let over = through(s, &format!("copias {name}-a dev"), "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            says(&over, &["días de copias | OK", "copia hecha | OK"]);
            says(&through(s, &format!("copias {name}-b prod"), "").await, &["días de copias | not OK"]);
        })
        .await;
}

/// Proves: T48, Y52.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_send_what_is_old_to_glacier() {
    let Some(it) = Pipeline::new().await else { return };
    let name = &it.cloud.name;
    it.cloud.aws(json!({"do": "s3.create_bucket", "bucket": name})).await;
    it.here()
        .tell(async |s| {
            let over = through(s, "archivar-s3 prod", name).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let now = it.cloud.aws(json!({"do": "s3.get_bucket_lifecycle", "bucket": name})).await;
            assert!(now["before"].to_string().contains("GLACIER"), "{now}");
        })
        .await;
}

/// Proves: T49, Y53, Y54.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_rotated_and_the_old_role_is_closed_last() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    let secret = json!({"Name": it.cloud.name, "SecretString": "old-hunter2", "ClientRequestToken": "0".repeat(32)});
    asked(&it.cloud, "secretsmanager", ("POST", "/", "secretsmanager.CreateSecret"), secret.to_string()).await;
    it.sql(
        "DO $$ BEGIN CREATE ROLE twl_app_a; EXCEPTION WHEN duplicate_object THEN END $$; ALTER ROLE twl_app_a LOGIN",
    )
    .await;
    it.here()
        .tell(async |s| {
            catches_up(s);
            let over = through(s, "rotar-credenciales twl_app_a prod", "twl_app_a").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(!told(s, &over).await.contains("hunter2"));
            let login: bool = sqlx::query_scalar("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'twl_app_a'")
                .fetch_one(&mut it.db.connect().await)
                .await
                .unwrap();
            assert!(!login);
            says(&done(s, "rotacion-pendiente prod").await, &["segundos desde el último cambio | OK"]);
            done(s, "dependencias-mes dev").await;
        })
        .await;
}

/// Proves: T51, Y58.
#[tokio::test(flavor = "multi_thread")]
async fn lost_data_comes_back_while_nothing_is_taken_in() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.curated().await;
    it.sql("CREATE TABLE users (id int, email text); INSERT INTO users VALUES (1, 'a@x.test')").await;
    let name = &it.cloud.name;
    it.cloud.aws(json!({"do": "s3.create_bucket", "bucket": name})).await;
    it.write("raw.json", "{}");
    it.cloud.aws(json!({"do": "s3.put_object", "bucket": name, "key": "raw.json", "file": it.path("raw.json")})).await;
    it.here()
        .tell(async |s| {
            let over = through(s, "perdida-datos reprocesar prod", &it.db.name).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            dump(&it);
            it.sql("DELETE FROM users").await;
            let over = through(s, "perdida-datos copia lost.dump prod", &it.db.name).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            says(&over, &["usuarios | OK", "registros curados | OK"]);
            assert_eq!(it.lambda("ingestion").await["reserved"], "none", "it takes in again");
        })
        .await;
}

#[allow(clippy::disallowed_methods)] // a test starts a process
fn dump(it: &Pipeline) {
    let mut dump = std::process::Command::new("pg_dump");
    dump.args(["-Fc", "--file"]).arg(it.path("backups/lost.dump")).arg(it.db.url());
    assert!(dump.status().unwrap().success());
}

/// Proves: T52, Y57.
#[tokio::test(flavor = "multi_thread")]
async fn an_intruder_is_shut_out_first_and_services_come_back_last() {
    let Some(it) = Pipeline::with_lambdas().await else { return };
    it.here()
        .tell(async |s| {
            catches_up(s);
            let run = asks(s, "seguridad prod").await;
            for person in ["leo", "eva"] {
                let ask = comes_to(s, &run, "awaiting_approval").await;
                s.person(person).presses_with(&ask, "approve", &[("confirm", "aislar")]).await;
            }
            comes_to(s, &run, "holding").await;
            for service in SERVICES {
                assert_eq!(it.lambda(service).await["reserved"], 0, "{service} is off while people look");
            }
            for _ in 0..4 {
                let now = s.message(&run.id).await;
                s.person("ana").presses_with(&now, "check", &[("evidence", "visto")]).await;
            }
            for turn in 0..4 {
                let now = s.message(&run.id).await;
                if now.card.state == "awaiting_approval" {
                    s.person(["leo", "eva"][turn % 2]).presses_with(&now, "approve", &[("confirm", "aislar")]).await;
                }
            }
            comes_to(s, &run, "done").await;
            for service in SERVICES {
                assert_eq!(it.lambda(service).await["reserved"], "none", "{service} is on again");
            }
        })
        .await;
}

/// Proves: T31, T39.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_put_where_they_belong_and_the_account_is_told() {
    let Some(it) = Pipeline::new().await else { return };
    it.here()
        .tell(async |s| {
            let over = through(s, "credenciales-aws prod", "").await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            assert!(told(s, &over).await.contains(ACCOUNT));
        })
        .await;
}
