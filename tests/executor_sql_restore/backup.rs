//! Backups that are whole, counted, and nobody else's to read.

use super::*;

#[tokio::test]
async fn a_backup_is_whole_counted_and_readable_by_nobody_else() {
    let Some(house) = House::new().await else { return };
    for format in ["custom", "plain"] {
        let file = format!("shop.{format}");
        let report = house.backup(&file, format).await;
        let facts = &report.facts;
        let bytes = std::fs::read(house.path(&file)).unwrap();
        assert_eq!((&facts["bytes"], &facts["sha256"]), (&json!(bytes.len()), &json!(digest::sha256(&bytes))));
        assert_eq!((&facts["rows"]["public"]["orders"], &facts["rows_total"]), (&json!(1000), &json!(1000)));
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(house.path(&file)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{file}");
        let seen = done(house.inspect(&file).await).facts;
        for (fact, value) in [
            ("complete", json!(true)),
            ("manifest", json!(true)),
            ("format", json!(format)),
            ("age_seconds", json!(0)),
            ("sha256", facts["sha256"].clone()),
            ("rows", facts["rows"].clone()),
        ] {
            assert_eq!(seen[fact], value, "{fact}");
        }
    }
    let names = ["shop.custom", "shop.custom.manifest.json", "shop.plain", "shop.plain.manifest.json"];
    assert_eq!(files(house.dir.path()), names, "and no half of one");
    // The plan of a second one under the same name says so.
    let sql = action("sql_backup", &house.with("dump", "shop.plain"));
    let why = executor::plan(&*sql, &house.cx().tools, Effect::Read).await.unwrap_err().en();
    assert!(why.contains("never takes the place of another"), "{why}");
}

#[tokio::test]
async fn the_count_is_of_the_snapshot_that_was_dumped() {
    let Some(house) = House::new().await else { return };
    let mut other = house.shop.connect().await;
    let busy = tokio::spawn(async move {
        loop {
            let text = "INSERT INTO orders SELECT max(id) + 1, 'late' FROM orders";
            if other.execute(text).await.is_err() {
                return;
            }
        }
    });
    let counted = house.backup("shop.dump", "custom").await.facts["rows"]["public"]["orders"].clone();
    busy.abort();
    let report = done(house.restore("shop.dump").await);
    assert_eq!((&report.facts["rows"]["public"]["orders"], &report.facts["compared"]), (&counted, &json!(true)));
    assert_eq!(json!(house.shop.count("true").await), counted);
}

#[tokio::test]
async fn a_backup_that_is_cancelled_or_too_slow_leaves_nothing() {
    let Some(house) = House::new().await else { return };
    let _holder = hold_up(&house).await;
    let (mut cx, with) = (house.cx(), house.with("dump", "shop.dump"));
    let (outcome, _) = tokio::join!(run_planned(&cx, "sql_backup", &with), async {
        dumping(&house.shop.name).await;
        cx.cancel.cancel();
    });
    assert_eq!(failed(outcome).line.en(), "stopped: cancelled");
    assert_eq!(files(house.dir.path()), Vec::<String>::new());
    cx = house.cx();
    cx.timeout = Duration::from_secs(2);
    failed(run_planned(&cx, "sql_backup", &with).await);
    assert_eq!(files(house.dir.path()), Vec::<String>::new());
}
