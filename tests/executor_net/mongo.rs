//! `mongo` on SecantusDB, which speaks MongoDB's protocol and is not written by us.

use bson::doc;
use serde_json::json;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;

use super::broken::everywhere;
use super::executor_support::context;
use super::tls::Authority;
use super::{LONG, attempt, done, eventually, failed, free_port, program, tools};

/// A server of its own with a few curated records, ended with the test.
struct Mongo {
    port: u16,
    url: String,
    _folder: tempfile::TempDir,
    _program: tokio::process::Child,
}

impl Mongo {
    async fn start() -> Option<Self> {
        let program = program::find("SERENO_TEST_MONGO", "/usr/bin/mongod")?;
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let data = folder.path().join("data").display().to_string();
        let args = ["--port", &port.to_string(), "--storage-path", &data, "--standalone", "--cache-size", "64M"];
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let program = program::start(&program, &args, &folder.path().join("log"));
        let url = format!("mongodb://127.0.0.1:{port}/records");
        let client = mongodb::Client::with_uri_str(&url).await.unwrap();
        let records = client.database("records").collection::<bson::Document>("curated");
        let all: Vec<_> = (0..12)
            .map(
                |n| doc! { "n": n, "state": if n % 3 == 0 { "done" } else { "new" }, "who": { "email": "ana@x.test" } },
            )
            .collect();
        eventually("the database answers", async || records.insert_many(&all).await.ok()).await;
        Some(Self { port, url, _folder: folder, _program: program })
    }
}

#[tokio::test]
async fn records_are_counted_and_a_few_are_shown_without_personal_data() {
    let Some(mongo) = Mongo::start().await else { return };
    let tools = tools(&[("records", &mongo.url)]);
    let ask = async |mut with: serde_json::Value| {
        with["server"] = json!({ "secret": "records" });
        attempt("mongo", &with, context(&tools, Effect::Read, LONG)).await
    };
    assert_eq!(done(ask(json!({ "do": "ping" })).await).facts, json!({ "pong": true }));
    assert_eq!(done(ask(json!({ "do": "collections" })).await).facts["names"], json!(["curated"]));
    assert_eq!(done(ask(json!({ "do": "count", "collection": "curated" })).await).facts["count"], 12);
    let new = json!({ "do": "count", "collection": "curated", "filter": { "state": "new", "n": { "$gte": 6 } } });
    assert_eq!(done(ask(new).await).facts["count"], 4);
    let find = json!({
        "do": "find", "collection": "curated", "filter": { "state": "done" }, "sort": { "n": -1 }, "limit": 2,
        "hide": ["email"],
    });
    let report = done(ask(find).await);
    assert_eq!(report.facts["count"], 2);
    let first = &report.facts["rows"][0];
    assert_eq!((&first["n"], &first["who"]["email"]), (&json!(9), &json!("[hidden]")));
    assert_eq!(first["_id"].as_str().map(str::len), Some(24), "an id is a text: {first}");
    assert!(!format!("{report:?}").contains("ana@x.test"));
    assert_eq!(report.table.unwrap().rows.len(), 2);
    let some = json!({ "do": "find", "collection": "curated", "projection": { "n": 1, "_id": 0 }, "limit": 1 });
    assert_eq!(done(ask(some).await).facts["rows"], json!([{ "n": 0 }]));
    assert_eq!(done(ask(json!({ "do": "count", "collection": "nothing" })).await).facts["count"], 0);
    let refused = failed(ask(json!({ "do": "count", "collection": "curated", "filter": { "$nope": 1 } })).await);
    assert!(refused.contains("MongoDB says"), "{refused}");
}

#[tokio::test]
async fn whoever_signs_in_over_tls_is_let_in_and_nobody_else() {
    let Some(program) = program::find("SERENO_TEST_MONGO", "/usr/bin/mongod") else { return };
    let authority = Authority::new();
    authority.issue("mongo", 20_000);
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data").display().to_string();
    let args = |more: &[&str]| -> Vec<String> {
        let own = ["--port", &port.to_string(), "--storage-path", &data, "--standalone", "--cache-size", "64M"];
        own.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
    };
    let url = format!("mongodb://127.0.0.1:{port}/records");
    let mut open = program::start(&program, &args(&[]), &folder.path().join("open.log"));
    let client = mongodb::Client::with_uri_str(&url).await.unwrap();
    let user = doc! { "createUser": "ana", "pwd": "canary-hunter2", "roles": [{ "role": "read", "db": "records" }] };
    let admin = client.database("admin");
    eventually("there is a user", async || admin.run_command(user.clone()).await.ok()).await;
    // It ends by itself, so that it writes down what it was told.
    open.id().map(|id| nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.cast_signed()), nix::sys::signal::SIGTERM));
    open.wait().await.unwrap();
    let (pem, key) = (authority.path("mongo.pem"), authority.path("mongo.key"));
    let shut = args(&["--auth", "--tls-cert-file", &pem, "--tls-key-file", &key]);
    let _shut = program::start(&program, &shut, &folder.path().join("shut.log"));
    let ask = async |user: &str, more: &str| {
        let address = format!("mongodb://{user}localhost:{port}/records?authSource=admin&tls=true{more}");
        let with = json!({ "do": "count", "server": { "secret": "records" }, "collection": "curated" });
        attempt("mongo", &with, context(&tools(&[("records", &address)]), Effect::Read, LONG)).await
    };
    let trusting = format!("&tlsCAFile={}", authority.path("ca.pem"));
    let found = eventually("it answers", async || match ask("ana:canary-hunter2@", &trusting).await {
        Outcome::Done(report) => Some(report.facts),
        _ => None,
    })
    .await;
    assert_eq!(found["count"], 0);
    let wrong = failed(ask("ana:canary-wrong@", &trusting).await);
    assert!(!wrong.contains("canary"), "{wrong}");
    failed(ask("", &trusting).await);
    failed(ask("ana:canary-hunter2@", "&serverSelectionTimeoutMS=1000").await);
}

#[tokio::test]
async fn documents_that_are_too_long_are_not_shown() {
    let Some(mongo) = Mongo::start().await else { return };
    let client = mongodb::Client::with_uri_str(&mongo.url).await.unwrap();
    client.database("records").collection("large").insert_one(doc! { "text": "x".repeat(100_000) }).await.unwrap();
    let with = json!({ "do": "find", "server": { "secret": "records" }, "collection": "large" });
    let tools = tools(&[("records", &mongo.url)]);
    let refused = failed(attempt("mongo", &with, context(&tools, Effect::Read, LONG)).await);
    assert!(refused.contains("projection"), "{refused}");
}

#[tokio::test]
async fn what_is_no_address_is_not_repeated_and_a_server_that_is_gone_is_said_to_be() {
    let ask = async |address: &str| {
        let with = json!({ "do": "ping", "server": { "secret": "records" } });
        failed(attempt("mongo", &with, context(&tools(&[("records", address)]), Effect::Read, LONG)).await)
    };
    let odd = ask("mysql://ana:hunter22@x/y").await;
    assert!(odd.contains("mongodb://") && !odd.contains("hunter"), "{odd}");
    let none = ask("mongodb://127.0.0.1:1").await;
    assert!(none.contains("names a database"), "{none}");
    let gone =
        ask(&format!("mongodb://ana:hunter22@127.0.0.1:{}/records?serverSelectionTimeoutMS=500", free_port())).await;
    assert!(gone.contains("did not answer") && gone.contains("refused") && !gone.contains("hunter"), "{gone}");
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_is_said_to_be_gone() {
    let Some(mongo) = Mongo::start().await else { return };
    let client = mongodb::Client::with_uri_str(&mongo.url).await.unwrap();
    let user = doc! { "createUser": "ana", "pwd": "canary-hunter2", "roles": [{ "role": "read", "db": "records" }] };
    client.database("admin").run_command(user).await.unwrap();
    let failures = everywhere(mongo.port, async |port, within| {
        let server = format!("ana:canary-hunter2@127.0.0.1:{port}");
        let address = format!("mongodb://{server}/records?authSource=admin&serverSelectionTimeoutMS=500");
        let with = json!({ "do": "find", "server": { "secret": "records" }, "collection": "curated" });
        attempt("mongo", &with, context(&tools(&[("records", &address)]), Effect::Read, within)).await
    });
    assert!(failures.await > 4, "signing in, the question, and batch after batch");
}
