//! AWS: logs, metrics, alarms, copies, rules, whose credentials are there, and what is looked at by itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sereno_fakes::app::{App, Health};
use sqlx::Connection as _;

use super::{Pipeline, titled};
use crate::aws_support::ACCOUNT;
use crate::harness::{Heard, Story, minutes, only};
use crate::minimarket::{catches_up, through, to_the_end, told};
use crate::turnaki::looks::{asked, make, write};
use crate::world::{approved_by_typing, asks, comes_to, done, taken_back};

mod code;
mod emergencies;

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

    /// What its variables are, values and all.
    async fn variables(&self, service: &str) -> BTreeMap<String, String> {
        let client = aws_sdk_lambda::Client::new(&self.cloud.sdk().await);
        let found = client.get_function_configuration().function_name(self.function(service)).send().await.unwrap();
        found.environment().unwrap().variables().unwrap().clone().into_iter().collect()
    }

    /// The secret of the database, as old as the story's AWS.
    async fn secret(&self) {
        let secret =
            json!({"Name": self.cloud.name, "SecretString": "old-hunter2", "ClientRequestToken": "0".repeat(32)});
        asked(&self.cloud, "secretsmanager", ("POST", "/", "secretsmanager.CreateSecret"), secret.to_string()).await;
    }

    /// The alarm on errors is in this state from now on.
    async fn alarm(&self, state: &str) {
        let name = &self.cloud.name;
        let body = format!(
            "Action=SetAlarmState&Version=2010-08-01&AlarmName={name}-errors&StateValue={state}&StateReason=it"
        );
        self.form("monitoring", &body).await;
    }
}

fn says(run: &Heard, rows: &[&str]) {
    let text = run.card.text();
    for row in rows {
        assert!(text.contains(row), "{row}: {text}");
    }
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
            it.alarm("ALARM").await;
            says(&done(s, "alarmas prod").await, &["alarmas que suenan | not OK"]);
        })
        .await;
}

/// Nobody asks: the monitor looks each five minutes, at the alarms and at the dead letters.
/// Proves: T44, Y55.
#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_that_rings_opens_an_incident_by_itself_and_closes_it() {
    let Some(it) = Pipeline::new().await else { return };
    let dead = format!("{}-dlq", it.cloud.name);
    it.cloud.aws(json!({"do": "sqs.create_queue", "queue": dead})).await;
    let alarm = format!(
        "Action=PutMetricAlarm&Version=2010-08-01&AlarmName={}-errors&MetricName=Errors&Namespace=X&Period=60&\
         EvaluationPeriods=1&Threshold=1&ComparisonOperator=GreaterThanThreshold&Statistic=Sum",
        it.cloud.name
    );
    it.form("monitoring", &alarm).await;
    it.alarm("OK").await;
    let five = minutes(5);
    it.here()
        .tell(async |s| {
            for _ in 0..3 {
                s.waits(five).await;
            }
            assert!(s.channel("#infra").await.is_empty(), "all is well: {}", s.hears("#infra").await.card.text());
            it.alarm("ALARM").await;
            s.waits(five).await;
            let incident = only(s.channel("#infra").await);
            assert_eq!(incident.card.title, "P2 Suena una alarma de CloudWatch: open");
            says(&incident, &["alarmas que suenan: 1"]);
            it.alarm("OK").await;
            s.waits(five).await;
            assert_eq!(s.message(&incident.id).await.card.state, "open", "once may be chance");
            s.waits(five).await;
            assert_eq!(s.message(&incident.id).await.card.state, "resolved");

            let url = it.cloud.aws(json!({"do": "sqs.queue_url", "queue": dead})).await["url"].clone();
            let letter = json!({"QueueUrl": url, "MessageBody": "nobody could read this"});
            asked(&it.cloud, "sqs", ("POST", "/", "AmazonSQS.SendMessage"), letter.to_string()).await;
            s.waits(five).await;
            let again = s.hears("#infra").await;
            assert_eq!(again.card.state, "open");
            says(&again, &["mensajes fallidos: 1"]);
            s.audit_is_whole().await;
        })
        .await;
}

/// Nine in the morning of Mexico City is fifteen: each first of the month, and each third month.
/// Proves: Y53, Y54.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_first_dependencies_and_each_quarter_credentials_are_looked_at_by_themselves() {
    let Some(it) = Pipeline::new().await else { return };
    it.cloud.aws(json!({"do": "sqs.create_queue", "queue": format!("{}-dlq", it.cloud.name)})).await;
    it.secret().await;
    it.here()
        .tell(async |s| {
            let (credentials, dependencies) =
                ("twl-pipeline/rotacion-pendiente prod", "twl-pipeline/dependencias-mes dev");
            s.waits(minutes((30 * 24 + 5) * 60 - 1)).await; // until 1 April, 08:59
            assert!(titled(s, credentials).await.is_empty() && titled(s, dependencies).await.is_empty());
            s.waits(minutes(1)).await;
            let well = only(titled(s, credentials).await);
            assert!(well.card.table.is_none() && well.card.fields.is_empty(), "one line: {}", well.card.text());
            assert_eq!(only(titled(s, dependencies).await).card.state, "done");
            s.waits(minutes(30 * 24 * 60)).await; // 1 May
            let both = [titled(s, credentials).await.len(), titled(s, dependencies).await.len()];
            assert_eq!(both, [1, 2], "a month is not a quarter");
            // The secret is from now: half a year later it is too old.
            let late = half_a_year_on().as_millisecond() - s.clock.now().0;
            s.waits(std::time::Duration::from_millis(u64::try_from(late).unwrap())).await;
            let ill = titled(s, credentials).await.pop().expect("it is looked at again");
            says(&ill, &["segundos desde el último cambio | not OK"]);
        })
        .await;
}

/// Nine in the morning of the first of a quarter in Mexico City, more than six months from now.
fn half_a_year_on() -> jiff::Timestamp {
    let zone = jiff::tz::TimeZone::get("America/Mexico_City").unwrap();
    let now = sereno::clock::Clock::System.now().to_jiff().to_zoned(zone);
    let months = (7..10).map(|months| now.checked_add(jiff::Span::new().months(months)).unwrap().first_of_month());
    let quarter = months.map(Result::unwrap).find(|day| day.month() % 3 == 1).unwrap();
    quarter.with().time(jiff::civil::time(9, 0, 0, 0)).build().unwrap().timestamp()
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
            let over = through(s, &format!("borrar-copia {name}-a prod"), name).await;
            assert_eq!(over.card.state, "done", "{}", told(s, &over).await);
            let left = it.cloud.aws(json!({"do": "rds.describe_db_snapshots", "instance": name})).await;
            let left = left["names"].to_string();
            assert!(left.contains(&format!("{name}-b")) && !left.contains(&format!("{name}-a")), "{left}");
        })
        .await;
}

/// Proves: T48, Y52.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_send_what_is_old_to_glacier_and_two_take_it_back() {
    let Some(it) = Pipeline::new().await else { return };
    let name = &it.cloud.name;
    it.cloud.aws(json!({"do": "s3.create_bucket", "bucket": name})).await;
    let rules = async || it.cloud.aws(json!({"do": "s3.get_bucket_lifecycle", "bucket": name})).await["rules"].clone();
    let ours = json!([{"id": "others", "prefix": "tmp/", "expire_days": 7}]);
    it.here()
        .tell(async |s| {
            for before in [json!([]), ours.clone()] {
                if before != json!([]) {
                    let put = json!({"do": "s3.put_bucket_lifecycle", "bucket": name, "rules": before});
                    it.cloud.aws(put).await;
                }
                let there = rules().await;
                assert_eq!(there.as_array().unwrap().len(), before.as_array().unwrap().len());
                let run = asks(s, "archivar-s3 prod").await;
                approved_by_typing(s, &run, &["leo"], name).await;
                assert_eq!(rules().await, there, "one is not enough");
                approved_by_typing(s, &run, &["eva"], name).await;
                let over = comes_to(s, &run, "done").await;
                says(&over, &["reglas del bucket | OK", "adónde | OK", "a los días | OK"]);
                assert_eq!(rules().await[0]["storage_class"], "GLACIER");
                taken_back(s, &over, name).await;
                assert_eq!(rules().await, there, "as it was");
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
