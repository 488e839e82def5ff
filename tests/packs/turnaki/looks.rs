//! The looks at AWS: functions, logs, metrics, the dashboard, old stacks, the table. On moto.

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use sereno::clock::Clock;

use super::{ACCOUNT, catches_up, here};
use crate::aws_support::Cloud;
pub use crate::aws_support::asked;
use crate::harness::Story;
use crate::world::{asks, comes_to, done};

/// Makes a Lambda.
pub async fn make(cloud: &Cloud, function: &str) {
    let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D";
    let role = format!("{function}-role");
    let body = format!("Action=CreateRole&Version=2010-05-08&RoleName={role}&AssumeRolePolicyDocument={policy}");
    asked(cloud, "iam", ("POST", "/", "application/x-www-form-urlencoded"), body).await;
    let client = aws_sdk_lambda::Client::new(&cloud.sdk().await);
    let mut zip = b"PK\x05\x06".to_vec();
    zip.extend([0; 18]);
    let variables = [("DB_PASSWORD".to_owned(), "hunter2hunter2".to_owned())].into();
    client
        .create_function()
        .function_name(function)
        .runtime(Runtime::from("provided.al2023"))
        .role(format!("arn:aws:iam::{ACCOUNT}:role/{role}"))
        .handler("bootstrap")
        .timeout(30)
        .environment(Environment::builder().set_variables(Some(variables)).build())
        .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
        .send()
        .await
        .unwrap();
}

/// A log with these lines of half a minute ago.
pub async fn write(cloud: &Cloud, function: &str, lines: &[&str]) {
    let client = aws_sdk_cloudwatchlogs::Client::new(&cloud.sdk().await);
    let group = format!("/aws/lambda/{function}");
    client.create_log_group().log_group_name(&group).send().await.unwrap();
    client.create_log_stream().log_group_name(&group).log_stream_name("1").send().await.unwrap();
    let at = Clock::System.now().0 - 30_000;
    let events = lines.iter().map(|line| InputLogEvent::builder().timestamp(at).message(*line).build().unwrap());
    let put = client.put_log_events().log_group_name(&group).log_stream_name("1");
    put.set_log_events(Some(events.collect())).send().await.unwrap();
}

/// A Lambda with a log, an alarm and a dashboard, under a name of its own.
struct Land {
    cloud: Cloud,
    function: String,
}

impl Land {
    async fn new() -> Option<Self> {
        let cloud = Cloud::moto()?;
        let function = format!("tk-nq-{}", cloud.name);
        let land = Self { cloud, function };
        make(&land.cloud, &land.function).await;
        write(&land.cloud, &land.function, &["INFO up", "ERROR no table"]).await;
        Some(land)
    }

    async fn form(&self, service: &str, body: &str) {
        asked(&self.cloud, service, ("POST", "/", "application/x-www-form-urlencoded"), body.to_owned()).await;
    }

    /// Tells a story on it, as late as it is.
    async fn tell(&self, story: impl AsyncFn(&mut Story)) {
        let here = here(&self.cloud.endpoint).value("functions", &self.function).value("dashboard", &self.cloud.name);
        here.value("table", &self.cloud.name)
            .tell(async |s| {
                catches_up(s);
                story(s).await;
            })
            .await;
    }
}

/// Proves: K01, K23, K25.
#[tokio::test(flavor = "multi_thread")]
async fn who_we_are_what_runs_and_what_is_left_of_before() {
    let Some(land) = Land::new().await else { return };
    let stack = format!(
        "Action=CreateStack&Version=2010-05-15&StackName=cdk-{}&TemplateBody=%7B%22Resources%22%3A%7B%22Q%22%3A%7B%22Type%22%3A%22AWS%3A%3ASQS%3A%3AQueue%22%7D%7D%7D",
        land.cloud.name
    );
    land.form("cloudformation", &stack).await;
    land.tell(async |s| {
        let text = done(s, "identidad prod").await.card.text();
        assert!(text.contains(ACCOUNT) && text.contains("eu-west-1"), "{text}");
        let run = done(s, &format!("funciones {} prod", land.function)).await;
        let told: String = s.thread(&run.id).await.iter().map(|line| line.card.text()).collect();
        assert!(told.contains(&land.function) && !told.contains("hunter2"), "{told}");
        let run = done(s, "stacks prod").await;
        let told: String = s.thread(&run.id).await.iter().map(|line| line.card.text()).collect();
        assert!(told.contains(&format!("cdk-{}", land.cloud.name)), "{told}");
    })
    .await;
}

/// Proves: K09, K10, D12.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_for_a_while_and_searched_for_errors() {
    let Some(land) = Land::new().await else { return };
    land.tell(async |s| {
        let run = done(s, &format!("logs {} 5s prod", land.function)).await;
        let told: String = s.thread(&run.id).await.iter().map(|line| line.card.text()).collect();
        assert!(told.contains("no table"), "{told}");
        let run = asks(s, &format!("errores {} prod", land.function)).await;
        let over = comes_to(s, &run, "failed").await;
        assert!(over.card.text().contains("líneas con ERROR"), "{}", over.card.text());
    })
    .await;
}

/// Proves: K11, K12.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_alarms_and_the_dashboard_in_one_verdict() {
    let Some(land) = Land::new().await else { return };
    let dimension = format!(
        "MetricData.member.1.Dimensions.member.1.Name=FunctionName&MetricData.member.1.Dimensions.member.1.Value={}",
        land.function
    );
    for (metric, value) in [("Invocations", 12), ("Errors", 0), ("Throttles", 0), ("Duration", 35)] {
        land.form(
            "monitoring",
            &format!(
                "Action=PutMetricData&Version=2010-08-01&Namespace=AWS%2FLambda&MetricData.member.1.MetricName={metric}&\
                 MetricData.member.1.Value={value}&{dimension}"
            ),
        )
        .await;
    }
    let body = "%7B%22widgets%22%3A%5B%7B%22type%22%3A%22metric%22%2C%22properties%22%3A%7B%22title%22%3A%22p99%22%7D%7D%5D%7D";
    land.form(
        "monitoring",
        &format!("Action=PutDashboard&Version=2010-08-01&DashboardName={}&DashboardBody={body}", land.cloud.name),
    )
    .await;
    land.tell(async |s| {
        let run = done(s, &format!("metricas {} prod", land.function)).await;
        let text = run.card.text();
        for row in ["errores", "frenadas", "alarmas que suenan", "gráficos del tablero"] {
            assert!(text.contains(row), "{row}: {text}");
        }
    })
    .await;
}

/// Proves: K26.
#[tokio::test(flavor = "multi_thread")]
async fn a_few_items_those_of_a_key_and_how_many() {
    let Some(land) = Land::new().await else { return };
    let table = &land.cloud.name;
    let create = serde_json::json!({"do": "dynamodb.create_table", "table": table, "key": "PK", "sort_key": "SK"});
    land.cloud.aws(create).await;
    for (pk, sk) in [("TENANT#site-1", "BOOKING#1"), ("TENANT#site-1", "BOOKING#2"), ("TENANT#site-2", "BOOKING#3")] {
        let item = serde_json::json!({"TableName": table, "Item": {"PK": {"S": pk}, "SK": {"S": sk}}});
        asked(&land.cloud, "dynamodb", ("POST", "/", "DynamoDB_20120810.PutItem"), item.to_string()).await;
    }
    land.tell(async |s| {
        for (line, seen, unseen) in [
            ("datos muestra TENANT#site-1 3 prod", "BOOKING#3", "nothing"),
            ("datos clave TENANT#site-1 10 prod", "BOOKING#2", "BOOKING#3"),
            ("datos contar prod", "3", "BOOKING"),
        ] {
            let run = done(s, line).await;
            let told: String = s.thread(&run.id).await.iter().map(|line| line.card.text()).collect();
            assert!(told.contains(seen) && !told.contains(unseen), "{line}: {told}");
        }
    })
    .await;
}
