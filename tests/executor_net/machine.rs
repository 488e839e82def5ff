//! `host` and `file` on this machine, in folders of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;

use super::executor_support::{NOON, action, context};
use super::{LONG, attempt, done, failed, found, free_port, look, silent, tools};

#[tokio::test]
async fn disk_memory_and_load_are_numbers() {
    let disk = found("host", json!({ "do": "disk", "path": "/tmp" })).await.facts;
    let (free, used) = (disk["percent_free"].as_f64().unwrap(), disk["percent_used"].as_f64().unwrap());
    assert!((free + used - 100.0).abs() < 0.2 && disk["total_bytes"].as_u64() > disk["free_bytes"].as_u64(), "{disk}");
    let memory = found("host", json!({ "do": "memory" })).await.facts;
    assert!(memory["total_bytes"].as_u64() > memory["available_bytes"].as_u64(), "{memory}");
    let load = found("host", json!({ "do": "load" })).await.facts;
    assert!(load["processors"].as_u64() > Some(0) && load["one"].is_f64(), "{load}");
    assert!(failed(look("host", json!({ "do": "disk", "path": "/no/such/place" })).await).contains("/no/such/place"));
}

#[tokio::test]
async fn ports_are_open_where_something_listens() {
    let (open, closed) = (silent(b"").await, free_port());
    let facts = found("host", json!({ "do": "ports", "ports": [open, closed] })).await.facts;
    assert_eq!((&facts["open"], &facts["closed"]), (&json!([open]), &json!([closed])));
    assert_eq!((&facts["all_open"], &facts["all_closed"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn programs_are_installed_and_new_enough_or_named() {
    let tools = json!([
        { "tool": "git", "at_least": "2.0" }, { "tool": "curl", "at_least": "999.1" }, { "tool": "pm2" },
    ]);
    let report = found("host", json!({ "do": "versions", "tools": tools })).await;
    let git = &report.facts["tools"][0];
    assert!(git["version"].as_str().unwrap().starts_with("2.") && git["ok"] == true, "{git}");
    assert_eq!((&report.facts["too_old"], &report.facts["missing"]), (&json!(["curl"]), &json!(["pm2"])));
    assert_eq!(report.facts["ok"], false);
    assert_eq!(report.table.unwrap().rows[1][2], "999.1");
    let number = sereno::executor::find("host").unwrap();
    let with = json!({ "do": "versions", "tools": [{ "tool": "git", "at_least": 20.10 }] });
    assert!((number.parse)(&with).is_err(), "20.10 without quotes is 20.1, which nobody means");
}

#[tokio::test]
async fn variables_are_named_and_never_shown() {
    let report = found("host", json!({ "do": "environment", "names": ["PATH", "NO_SUCH_VARIABLE"] })).await;
    assert_eq!(report.facts, json!({ "set": ["PATH"], "missing": ["NO_SUCH_VARIABLE"], "all_set": false }));
    assert!(!format!("{report:?}").contains("/bin"));
}

/// A folder with an environment file, a log and a backup.
fn shop() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().canonicalize().unwrap().display().to_string();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(".env.example", "API_KEY=change-me\n");
    let env = format!(
        "# the shop\nexport API_KEY=\"canary-5ecret\" # never shown\nEMPTY=\nDATABASE_ENCRYPTION_KEY={}\n\
         QUEUE_URL=https://sqs.test/1/orders\nSHORT=abc\n",
        "0123456789abcdef".repeat(4)
    );
    write("shop.env", &env);
    write("app.log", &(0..5000).map(|n| format!("{} line {n}\n", ["INFO", "ERROR"][n % 2])).collect::<String>());
    fs::create_dir(folder.path().join("backups")).unwrap();
    (folder, dir)
}

#[tokio::test]
async fn keys_are_set_or_named_and_values_are_judged_without_being_shown() {
    let (_folder, dir) = shop();
    let keys = async |keys: Value, more: Value| {
        let mut with = json!({ "do": "keys", "dir": dir, "name": "shop.env", "keys": keys });
        with.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        found("file", with).await
    };
    let report = keys(json!(["API_KEY", "EMPTY", "NOTHING"]), json!({})).await;
    assert_eq!(
        report.facts,
        json!({ "set": ["API_KEY"], "missing": ["EMPTY", "NOTHING"], "wrong": [], "all_ok": false })
    );
    assert!(!format!("{report:?}").contains("canary"));
    let form = json!({ "length": 64, "hex": true });
    assert_eq!(keys(json!(["DATABASE_ENCRYPTION_KEY"]), form.clone()).await.facts["all_ok"], true);
    assert_eq!(keys(json!(["SHORT", "API_KEY"]), form).await.facts["wrong"], json!(["SHORT", "API_KEY"]));
    let equal = async |key: &str, is: &str| {
        found("file", json!({ "do": "equal", "dir": dir, "name": "shop.env", "key": key, "is": is })).await.facts
    };
    assert_eq!(equal("QUEUE_URL", "https://sqs.test/1/orders").await, json!({ "equal": true, "set": true }));
    assert_eq!(equal("QUEUE_URL", "https://sqs.test/1/other").await, json!({ "equal": false, "set": true }));
    assert_eq!(equal("NOTHING", "x").await, json!({ "equal": false, "set": false }));
}

#[tokio::test]
async fn a_template_is_copied_once_and_never_over_real_secrets() {
    let (folder, dir) = shop();
    let copy = json!({ "do": "copy", "dir": dir, "name": ".env.example", "to": ".env" });
    let run = async |with: &Value| attempt("file", with, context(&tools(&[]), Effect::Change, LONG)).await;
    assert_eq!(done(run(&copy).await).facts["bytes"], 18);
    let path = folder.path().join(".env");
    assert_eq!(fs::read_to_string(&path).unwrap(), "API_KEY=change-me\n");
    fs::write(&path, "API_KEY=real\n").unwrap();
    assert!(failed(run(&copy).await).contains("never overwritten"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "API_KEY=real\n");
    let planned = sereno::executor::plan(&*action("file", &copy), &tools(&[]), Effect::Change).await;
    assert!(planned.is_err(), "nobody is asked to approve what cannot be done");

    let uncopy = json!({ "do": "uncopy", "dir": dir, "name": ".env.example", "to": ".env" });
    assert!(failed(run(&uncopy).await).contains("it stays"));
    fs::write(&path, "API_KEY=change-me\n").unwrap();
    assert_eq!(done(run(&uncopy).await).facts["gone"], false);
    assert!(!path.exists());
    assert_eq!(done(run(&uncopy).await).facts["gone"], true);
    symlink("/nowhere", &path).unwrap();
    assert!(failed(run(&copy).await).contains("never overwritten"), "a link is something, wherever it leads");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing is left over");
}

#[tokio::test]
async fn a_template_that_changed_since_it_was_approved_is_not_copied() {
    let (folder, dir) = shop();
    let copy = action("file", &json!({ "do": "copy", "dir": dir, "name": ".env.example", "to": ".env" }));
    let mut cx = context(&tools(&[]), Effect::Change, LONG);
    cx.planned = sereno::executor::plan(&*copy, &cx.tools, Effect::Change).await.unwrap().exact;
    fs::write(folder.path().join(".env.example"), "API_KEY=other\n").unwrap();
    let outcome = sereno::executor::run(&*copy, &cx).await;
    assert!(failed(outcome).contains("plan again") && !folder.path().join(".env").exists());
}

#[tokio::test]
async fn nothing_leads_out_of_the_directory() {
    let (folder, dir) = shop();
    symlink("/etc/hostname", folder.path().join("out")).unwrap();
    symlink("/etc", folder.path().join("etc")).unwrap();
    symlink("app.log", folder.path().join("current.log")).unwrap();
    for name in ["out", "etc/hostname"] {
        let why = failed(look("file", json!({ "do": "search", "dir": dir, "name": name })).await);
        assert!(why.contains("leads out"), "{name}: {why}");
    }
    let with = json!({ "do": "copy", "dir": dir, "name": ".env.example", "to": "etc/sereno-test" });
    let why = failed(attempt("file", &with, context(&tools(&[]), Effect::Change, LONG)).await);
    assert!(why.contains("leads out"), "{why}");
    assert_eq!(
        found("file", json!({ "do": "search", "dir": dir, "name": "current.log" })).await.facts["matches"],
        5000
    );
    assert!(
        failed(look("file", json!({ "do": "search", "dir": dir, "name": "backups" })).await).contains("not a file")
    );
}

#[tokio::test]
async fn the_newest_backup_has_an_age_and_a_size() {
    let (folder, dir) = shop();
    let dir = format!("{dir}/backups");
    let newest = async || {
        found("file", json!({ "do": "newest", "dir": dir, "pattern": "shop_.*\\.dum|shop_.*\\.dump" })).await.facts
    };
    assert_eq!(newest().await, json!({ "count": 0 }));
    let noon = u64::try_from(NOON.0 / 1000).unwrap();
    for (name, hours, bytes) in [("shop_1.dump", 30, 10), ("shop_2.dump", 5, 20), ("shop_3.dump.part", 1, 5)] {
        let path = folder.path().join("backups").join(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(noon - hours * 3600);
        fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    assert_eq!(
        newest().await,
        json!({
            "oldest_age_seconds": 30 * 3600, "count": 2, "name": "shop_2.dump", "names": ["shop_2.dump", "shop_1.dump"], "age_seconds": 5 * 3600,
            "bytes": 20, "total_bytes": 30,
        })
    );
}

#[tokio::test]
async fn the_last_lines_of_a_log_are_read_and_filtered_whatever_it_holds() {
    let (folder, dir) = shop();
    let search = async |more: Value| {
        let mut with = json!({ "do": "search", "dir": dir, "name": "app.log" });
        with.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        found("file", with).await
    };
    let last = search(json!({ "last": 2 })).await;
    assert_eq!(last.facts["lines"], json!(["INFO line 4998", "ERROR line 4999"]));
    assert_eq!(last.output.unwrap().head, "INFO line 4998\nERROR line 4999\n");
    let errors = search(json!({ "pattern": "^ERROR", "last": 1 })).await.facts;
    assert_eq!((&errors["matches"], &errors["lines"]), (&json!(2500), &json!(["ERROR line 4999"])));
    assert_eq!(search(json!({ "pattern": "FATAL" })).await.facts["matches"], 0);
    // One endless line, and more than is read: memory stays flat, and what was left out is said.
    let file = fs::File::create(folder.path().join("app.log")).unwrap();
    file.set_len(200 * 1024 * 1024).unwrap();
    let huge = search(json!({})).await.facts;
    assert_eq!((&huge["truncated"], &huge["scanned_bytes"]), (&json!(true), &json!(64 * 1024 * 1024)));
}

#[tokio::test]
async fn whoever_cancels_a_copy_before_it_began_has_none() {
    let (folder, dir) = shop();
    let cx = context(&tools(&[]), Effect::Change, LONG);
    cx.cancel.cancel();
    let with = json!({ "do": "copy", "dir": dir, "name": ".env.example", "to": ".env" });
    let outcome = attempt("file", &with, cx).await;
    assert!(matches!(outcome, Outcome::Failed(_)) && !folder.path().join(".env").exists());
}
