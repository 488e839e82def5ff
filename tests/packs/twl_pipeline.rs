//! The TWL pipeline's pack on a real engine, PostgreSQL, a MongoDB by others, npm, zip, Terraform and moto: the local stack,
//! deploys, upkeep and emergencies. What its services answer is the fixture application.

use std::path::PathBuf;

use bollard::plugin::ContainerCreateBody;
use bson::doc;
use serde_json::json;
use sereno::domain::policy::{ApprovalDefaults, approval_for};
use sereno::domain::runbook::Effect;
use sereno_fakes::app::App;
use sqlx::{AssertSqlSafe, Executor as _};

use crate::aws_support::{ACCOUNT, Cloud, KEY, KEY_ID};
use crate::docker_support::Stack;
use crate::harness::{Heard, Story};
use crate::minimarket::free_port;
use crate::program;
use crate::sql_support::Shop;
use crate::world::{Here, stand_in, write_file};

mod cloud;
mod infra;
mod local;

const NPM: &str = r#"{ "name": "twl", "version": "1.0.0", "scripts": {
    "install:all": "touch installed",
    "migration:run": "psql \"$DATABASE_URL\" -c 'CREATE TABLE users (id int, email text)'",
    "build:ingestion": "mkdir -p apps/ingestion/dist && echo ingestion > apps/ingestion/dist/index.js",
    "build:reporting": "mkdir -p apps/reporting-api/dist && echo reporting > apps/reporting-api/dist/index.js" } }"#;
const SERVICE: &str = "{ image: sereno-test/busybox, network_mode: none, command: ['sh', '-c', 'trap \"exit 0\" TERM; \
                       while :; do sleep 0.1; done'] }";

/// A machine with the pipeline on it, and an AWS beside it.
struct Pipeline {
    app: App,
    db: Shop,
    stack: Stack,
    cloud: Cloud,
    mongo: String,
    dir: tempfile::TempDir,
    _mongo: tokio::process::Child,
}

impl Pipeline {
    async fn new() -> Option<Self> {
        let (db, stack, cloud) = (Shop::new().await?, Stack::new()?, Cloud::moto()?);
        let program = program::find("SERENO_TEST_MONGO", "/usr/bin/mongod")?;
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let data = dir.path().join("data").display().to_string();
        let args = ["--port", &port.to_string(), "--storage-path", &data, "--standalone", "--cache-size", "64M"];
        let process = program::start(&program, &args.map(str::to_owned), &dir.path().join("mongo.log"));
        let mongo = format!("mongodb://127.0.0.1:{port}/twl_pipeline");
        let it = Self { app: App::start().await, db, stack, cloud, mongo, dir, _mongo: process };
        it.write("package.json", NPM);
        let services: String = ["postgres", "mongodb"].map(|name| format!("  {name}: {SERVICE}\n")).concat();
        it.write("docker-compose.yml", &format!("version: '2.4'\nservices:\n{services}"));
        for app in ["ingestion", "processing", "reporting-api", "web-frontend"] {
            it.write(
                &format!("apps/{app}/.env.example"),
                "S3_BUCKET_NAME=b\nSQS_QUEUE_URL=http://q/twl\nMONGODB_URI=m\nDATABASE_URL=d\nJWT_SECRET=hunter2hunter2\n",
            );
        }
        for folder in ["backups", "releases", "states"] {
            std::fs::create_dir(it.path(folder)).unwrap();
        }
        it.app.answers("GET /", 200, json!({}));
        it.app.answers("POST /api/auth/register", 201, json!({"id": 1}));
        Some(it)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write_file(&self.path(name), text);
    }

    /// A program in place of one that is not here; it notes how it was called.
    fn program(&self, name: &str) -> String {
        stand_in(self.dir.path(), name, "")
    }

    /// Twelve curated records.
    async fn curated(&self) {
        let client = mongodb::Client::with_uri_str(&self.mongo).await.unwrap();
        let records = client.database("twl_pipeline").collection::<bson::Document>("curatedrecords");
        let all: Vec<_> = (0..12).map(|n| doc! { "n": n, "email": "ana@x.test" }).collect();
        for _ in 0..50 {
            if records.insert_many(&all).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await; // a real process is starting beside us
        }
        panic!("the database never answered");
    }

    /// A container that says this first.
    async fn says(&self, service: &str, line: &str) {
        let script = format!("trap 'exit 0' TERM; echo {line}; while :; do sleep 0.1; done");
        self.stack.create(service, 1, &script, ContainerCreateBody::default()).await;
        self.stack.docker.start_container(&self.stack.name(service, 1), None).await.unwrap();
    }

    async fn sql(&self, text: &str) {
        self.db.connect().await.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    }

    async fn number(&self, text: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(text.to_owned())).fetch_one(&mut self.db.connect().await).await.unwrap()
    }

    /// The name of a Lambda here, in prod.
    fn function(&self, service: &str) -> String {
        format!("{}-prod-{service}", self.cloud.name)
    }

    fn here(&self) -> Here {
        let path = |name: &str| self.path(name).display().to_string();
        let name = &self.cloud.name;
        let ports: Vec<String> = (0..4).map(|_| free_port().to_string()).collect();
        let aws = format!(
            "aws: {{ region: eu-west-1, endpoint_url: \"{}\", access_key_id: {KEY_ID}, secret_access_key: \"{KEY}\" }}",
            self.cloud.endpoint
        );
        let here = Here::of("twl-pipeline")
            .value("ports", ports.join(","))
            .value("project", &self.stack.project)
            .value("dir", path(""))
            .value("ingestion_dir", path("apps/ingestion"))
            .value("processing_dir", path("apps/processing"))
            .value("reporting_dir", path("apps/reporting-api"))
            .value("frontend_dir", path("apps/web-frontend"))
            .value("minio", &self.cloud.endpoint)
            .value("localstack", &self.cloud.endpoint)
            .value("bucket", name)
            .value("queue", name)
            .value("region", "eu-west-1")
            .value("database", &self.db.name)
            .value("backups", path("backups"))
            .value("releases", path("releases"))
            .value("states", path("states"))
            .value("account", ACCOUNT)
            .value("functions", format!("{name}-"))
            .value("raw_bucket", name)
            .value("state_bucket", format!("{name}-state"))
            .value("locks", format!("{name}-locks"))
            .value("infra", path("infra"))
            .value("instance", name)
            .value("db_secret", name)
            .value("alarms", name)
            .value("dlq", format!("{name}-dlq"))
            .value("systemctl", self.program("systemctl"))
            .value("aws_cli", aws_cli())
            .value("follow", "1s");
        ["frontend", "ingestion", "processing", "reporting"]
            .into_iter()
            .fold(here, |here, service| here.value(service, &self.app.url))
            .secret("db", self.db.url())
            .secret("mongo", &self.mongo)
            .secret("demo_user", r#"{"email":"demo@example.com","password":"demo123"}"#)
            .secret("local_key_id", KEY_ID)
            .secret("local_key", KEY)
            .secret("aws_key_id", KEY_ID)
            .secret("aws_key", KEY)
            .secret("sqs_url", "https://sqs/hunter2hunter2")
            .secret("new_db", self.db.url())
            .secret("new_db_secret", "new-hunter2hunter2")
            .more(&format!("docker: {{ host: \"{}\" }}\n{aws}", self.stack.host))
    }
}

/// What stands in the channel under this title.
async fn titled(s: &Story, title: &str) -> Vec<Heard> {
    let all = s.channel("#infra").await;
    all.into_iter().filter(|heard| heard.card.title.contains(title)).collect()
}

/// The command line of AWS, wherever it is on the path.
#[allow(clippy::disallowed_methods)] // the environment says where programs are
fn aws_cli() -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("aws")).find(|program| program.is_file());
    found.map_or_else(|| "aws".to_owned(), |program| program.display().to_string())
}

/// What each command may do at its worst, how many must agree to it in prod (in dev where it is only there) whatever the
/// environment asks for, and whether they type something. The others only read, or change what needs nobody.
const GRAVE: &[(&str, Effect, u32, bool)] = &[
    ("archivar-s3", Effect::Destroy, 2, true),
    ("borrar-bloqueos", Effect::Destroy, 1, true),
    ("borrar-copia", Effect::Destroy, 1, true),
    ("borrar-demo", Effect::Destroy, 1, false),
    ("dependencias", Effect::Change, 1, false),
    ("desplegar-codigo", Effect::Change, 1, false),
    ("desplegar-infra", Effect::Destroy, 2, true),
    ("empezar-de-cero", Effect::Destroy, 2, true),
    ("estado-terraform", Effect::Change, 1, false),
    ("migrar", Effect::Destroy, 1, false),
    ("perdida-datos", Effect::Destroy, 2, true),
    ("reiniciar-bases", Effect::Change, 1, false),
    ("reiniciar-servicio", Effect::Change, 1, false),
    ("reiniciar-todo", Effect::Change, 1, false),
    ("rotar-credenciales", Effect::Destroy, 2, true),
    ("seguridad", Effect::Destroy, 2, true),
    ("servicio-caido", Effect::Change, 1, false),
    ("variables-lambda", Effect::Change, 1, false),
    ("volver-estado", Effect::Destroy, 2, true),
];

/// Proves: T09, T17, T22, T27, T32, T33, T35, T36, T38, T40, T45, T48, T49, T50, T51, T52, T55, Y56.
#[test]
fn what_is_grave_is_agreed_to_by_as_many_as_the_team_wants() {
    let catalog = crate::coverage::shipped();
    let nobody = ApprovalDefaults { roles: Vec::new(), expires: 600, count: 0 };
    let mut found = Vec::new();
    for book in catalog.all().filter(|book| book.pack == "twl-pipeline") {
        let effects = book.steps.iter().map(|step| step.effect);
        let worst = effects.max().unwrap();
        let env = book.environments.iter().find(|env| *env == "prod").or(book.environments.first());
        if let Some(rule) = approval_for(book, worst, env.map(String::as_str), &nobody) {
            found.push((book.name.clone(), worst, rule.count, rule.confirm.is_some()));
        }
    }
    found.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let wanted: Vec<_> =
        GRAVE.iter().map(|(name, worst, count, typed)| ((*name).to_owned(), *worst, *count, *typed)).collect();
    assert_eq!(found, wanted);
    let dev = catalog.all().find(|book| book.name == "desplegar-infra" && book.pack == "twl-pipeline").unwrap();
    let rule = approval_for(dev, Effect::Destroy, Some("dev"), &nobody).unwrap();
    assert_eq!((rule.count, rule.confirm), (1, None), "in dev one is enough");
}
