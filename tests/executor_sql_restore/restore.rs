//! Restores that happen as a whole or not at all.

use super::*;

/// D1: in the document's way one open session makes the drop fail, the dump is played on top of the old data, and the
/// exit code is 0: mixed data.
#[tokio::test]
async fn with_somebody_connected_the_restored_data_is_the_backup_and_nothing_else() {
    let Some(house) = House::new().await else { return };
    for (format, packed) in [("custom", false), ("plain", false), ("plain", true), ("custom", true)] {
        house.say("DELETE FROM orders; INSERT INTO orders SELECT n, 'paid', n FROM generate_series(1, 1000) n").await;
        let file = format!("shop_{format}_{packed}");
        house.backup(&file, format).await;
        let mut file = file;
        if packed {
            let bytes = gzip(&std::fs::read(house.path(&file)).unwrap());
            file = format!("{file}.gz");
            std::fs::write(house.path(&file), bytes).unwrap();
        }
        // Half is lost, and one order comes in after the backup, over a connection that stays.
        let mut foreign = house.shop.connect().await;
        foreign.execute("DELETE FROM orders WHERE id > 500; INSERT INTO orders VALUES (2000, 'late')").await.unwrap();
        let mut cx = house.cx();
        cx.idempotency_key = format!("{}-0", sereno::id::RunId::new());
        let report = done(run_planned(&cx, "sql_restore", &house.with("restore", &file)).await);
        assert_eq!(house.shop.count("true").await, 1000, "{file}");
        assert_eq!(house.shop.count("id = 2000").await, 0, "{file}");
        assert_eq!(
            (&report.facts["sessions_ended"], &report.facts["compared"]),
            (&json!(1), &json!(!packed)),
            "{file}"
        );
        assert!(foreign.execute("INSERT INTO orders VALUES (2001, 'late')").await.is_err(), "its session was ended");
        // What was there is kept whole.
        let copy = report.facts["safety_copy"].as_str().unwrap();
        let mut kept = PgConnection::connect(&house.shop.url().replace(&house.shop.name, copy)).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut kept).await.unwrap();
        assert_eq!(rows, 501, "{file}");
        drop(kept);
        done(house.copy("drop_copy", copy).await);
    }
    house.alone().await;
}

#[tokio::test]
async fn what_was_restored_is_swapped_back_and_nothing_is_lost_by_it() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.dump", "custom").await;
    house.say("INSERT INTO orders VALUES (2000, 'late')").await;
    let restored = done(house.restore("shop.dump").await);
    house.say("INSERT INTO orders VALUES (3000, 'later')").await;
    let copy = restored.facts["safety_copy"].as_str().unwrap().to_owned();
    let report = done(house.copy("swap_back", &copy).await);
    assert_eq!((house.shop.count("id = 2000").await, house.shop.count("id = 3000").await), (1, 0));
    let aside = report.facts["set_aside"].as_str().unwrap().to_owned();
    assert_eq!(house.databases().await, [house.shop.name.clone(), aside.clone()]);
    // A person who is still looking at the copy is not thrown out.
    let looking = PgConnection::connect(&house.shop.url().replace(&house.shop.name, &aside)).await.unwrap();
    let report = failed(house.copy("drop_copy", &aside).await);
    assert!(report.line.en().contains("being accessed by other users"), "{}", report.line.en());
    drop(looking);
    let mut report = house.copy("drop_copy", &aside).await;
    for _ in 0..50 {
        if matches!(report, Outcome::Done(_)) {
            break;
        }
        report = house.copy("drop_copy", &aside).await;
    }
    assert_eq!(done(report).facts["dropped"], json!(aside));
    house.alone().await;
}

#[tokio::test]
async fn only_what_a_restore_of_this_database_kept_can_be_dropped() {
    let Some(house) = House::new().await else { return };
    let foreign = format!("{}_before_christmas", house.shop.name);
    let mut admin = PgConnection::connect(&house.shop.server).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {foreign}"))).await.unwrap();
    for (copy, says) in [
        (house.shop.name.as_str(), "no database that a restore"),
        ("postgres", "no database that a restore"),
        (foreign.as_str(), "no database that a restore"),
        (&format!("{}_before_01arz3ndektsv4rrffq69g5fav_0", house.shop.name), "there is no database"),
    ] {
        for verb in ["drop_copy", "swap_back"] {
            let with = json!({"do": verb, "database": {"secret": "shop_db"}, "copy": copy});
            let sql = action("sql_restore", &with);
            let why = executor::plan(&*sql, &house.cx().tools, Effect::Read).await.unwrap_err().en();
            assert!(why.contains(says), "{copy}: {why}");
        }
    }
    assert_eq!(house.databases().await, [house.shop.name.clone(), foreign]);
}

/// D17: a pipe of gunzip and psql hides a broken archive. Also: `pg_restore -l` takes an archive without its end.
#[tokio::test]
async fn a_broken_backup_is_found_before_anything_is_touched() {
    let Some(house) = House::new().await else { return };
    house.say("INSERT INTO orders SELECT n, md5(n::text), n FROM generate_series(1001, 20000) n").await;
    house.backup("shop.dump", "custom").await;
    house.backup("shop.sql", "plain").await;
    let (archive, sql) =
        (std::fs::read(house.path("shop.dump")).unwrap(), std::fs::read(house.path("shop.sql")).unwrap());
    let packed = gzip(&sql);
    let more = [&sql[..], b"DELETE FROM orders;\n"].concat();
    for (file, bytes, says) in [
        ("cut.dump", &archive[..archive.len() - 20_000], "end of file"),
        ("cut.sql", &sql[..sql.len() / 2], "its last line is missing"),
        ("cut.sql.gz", &packed[..packed.len() - 9], "broken"),
        ("more.sql", &more[..], "something follows"),
        ("note.txt", b"hello", "no dump of a PostgreSQL database"),
    ] {
        std::fs::write(house.path(file), bytes).unwrap();
        let seen = failed(house.inspect(file).await);
        assert!(seen.line.en().contains(says), "{file}: {}", seen.line.en());
        assert_eq!(seen.facts["complete"], false, "{file}");
        match executor::plan(&*action("sql_restore", &house.with("restore", file)), &house.cx().tools, Effect::Read)
            .await
        {
            Err(why) => assert!(why.en().contains(says), "{file}: {}", why.en()),
            Ok(_) => {
                let report = failed(house.restore(file).await);
                let line = report.line.en();
                assert!(line.contains("is as it was") && line.contains(says), "{file}: {line}");
            }
        }
    }
    assert_eq!(house.shop.count("true").await, 20_000);
    house.alone().await;
}

#[tokio::test]
async fn the_first_error_ends_it_and_the_old_database_stays_in_service() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.sql", "plain").await;
    let text = std::fs::read_to_string(house.path("shop.sql")).unwrap();
    // A type that this server lacks, in the middle.
    std::fs::write(house.path("odd.sql"), text.replace("state text NOT NULL", "state no_such_type NOT NULL")).unwrap();
    let mut foreign = house.shop.connect().await;
    let report = failed(house.restore("odd.sql").await);
    assert!(report.line.en().contains("no_such_type"), "{}", report.line.en());
    foreign.execute("INSERT INTO orders VALUES (2000, 'in service')").await.unwrap();
    house.alone().await;
    // A complete dump of nothing is no restore either.
    let (head, tail) = (text.find("CREATE TYPE").unwrap(), text.find("-- PostgreSQL database dump complete").unwrap());
    std::fs::write(house.path("none.sql"), format!("{}\n\n--\n{}", &text[..head], &text[tail..])).unwrap();
    let report = failed(house.restore("none.sql").await);
    assert!(report.line.en().contains("no table in the backup"), "{}", report.line.en());
    house.alone().await;
}

/// psql's own commands run programs; a dump that holds one is refused by psql itself.
#[tokio::test]
async fn a_dump_runs_no_program_on_this_machine() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.sql", "plain").await;
    let text = std::fs::read_to_string(house.path("shop.sql")).unwrap();
    let proof = house.path("proof");
    let key = text.split("\\restrict ").nth(1).map(|rest| rest.split('\n').next().unwrap().to_owned());
    let open = key.map_or_else(String::new, |key| format!("\\unrestrict {key}\n"));
    for (at, sly) in [
        ("CREATE TABLE", format!("\\! touch {}\n", proof.display())),
        ("CREATE TABLE", format!("{open}\\! touch {}\n", proof.display())),
        ("CREATE TABLE", "\\connect postgres\n".to_owned()),
    ] {
        std::fs::write(house.path("sly.sql"), text.replacen(at, &format!("{sly}{at}"), 1)).unwrap();
        let report = failed(house.restore("sly.sql").await);
        assert!(report.line.en().contains("restrict"), "{}", report.line.en());
        assert!(!proof.exists());
    }
    house.alone().await;
}

#[tokio::test]
async fn rows_that_differ_from_the_backups_own_count_stop_it() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.dump", "custom").await;
    let note = house.path("shop.dump.manifest.json");
    let text = std::fs::read_to_string(&note).unwrap();
    std::fs::write(&note, text.replace("\"orders\": 1000", "\"orders\": 1001")).unwrap();
    let report = failed(house.restore("shop.dump").await);
    assert_eq!(
        report.facts["differences"],
        json!([{"table": "public.orders", "expected": 1001, "found": 1000}]),
        "{}",
        report.line.en()
    );
    house.alone().await;
    // And a note that belongs to another file is no note.
    std::fs::write(&note, text.replace("\"sha256\": \"", "\"sha256\": \"0")).unwrap();
    let sql = action("sql_restore", &house.with("restore", "shop.dump"));
    let why = executor::plan(&*sql, &house.cx().tools, Effect::Read).await.unwrap_err().en();
    assert!(why.contains("belongs to another file"), "{why}");
}

#[tokio::test]
async fn what_was_approved_is_what_is_restored_or_nothing_is() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.dump", "custom").await;
    let (mut cx, with) = (house.cx(), house.with("restore", "shop.dump"));
    let planned = plan(&cx, "sql_restore", &with).await;
    assert_eq!(planned, plan(&cx, "sql_restore", &with).await, "sessions come and go, the plan stays");
    let line = planned.line.en();
    assert!(line.contains(&house.shop.name) && line.contains("shop.dump") && line.contains("is kept"), "{line}");
    assert_eq!(planned.effect, Effect::Destroy);
    // Another file under the same name.
    house.say("DELETE FROM orders WHERE id > 10").await;
    house.backup("other.dump", "custom").await;
    let good = std::fs::read(house.path("shop.dump")).unwrap();
    let note = std::fs::read(house.path("shop.dump.manifest.json")).unwrap();
    std::fs::copy(house.path("other.dump"), house.path("shop.dump")).unwrap();
    std::fs::copy(house.path("other.dump.manifest.json"), house.path("shop.dump.manifest.json")).unwrap();
    cx.planned = planned.exact.clone();
    let outcome = executor::run(&*action("sql_restore", &with), &cx).await;
    assert!(failed(outcome).line.en().contains("is not the file that was planned"));
    std::fs::write(house.path("shop.dump"), good).unwrap();
    std::fs::write(house.path("shop.dump.manifest.json"), note).unwrap();
    // Another database under the same name.
    let mut admin = PgConnection::connect(&house.shop.server).await.unwrap();
    let name = &house.shop.name;
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {name} RENAME TO {name}_old"))).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let outcome = executor::run(&*action("sql_restore", &with), &cx).await;
    assert!(failed(outcome).line.en().contains("is not the database that was planned"));
    assert_eq!(house.databases().await, [name.clone(), format!("{name}_old")]);
}

#[tokio::test]
async fn a_database_keeps_what_no_dump_holds_and_one_that_is_gone_comes_back() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.dump", "custom").await;
    let name = &house.shop.name;
    let mut admin = PgConnection::connect(&house.shop.server).await.unwrap();
    for text in [
        format!("ALTER DATABASE {name} SET search_path = \"$user\", public, \"My schema\""),
        format!("ALTER DATABASE {name} SET app.motto = 'keep ''calm'''"),
        format!("ALTER ROLE postgres IN DATABASE {name} SET work_mem = '7MB'"),
        format!("ALTER DATABASE {name} CONNECTION LIMIT 17"),
        format!("COMMENT ON DATABASE {name} IS 'the shop''s'"),
        format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"),
    ] {
        admin.execute(AssertSqlSafe(text)).await.unwrap();
    }
    let state = "SELECT datconnlimit || ' ' || (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a) || ' ' || shobj_description(oid, 'pg_database') || ' ' || \
                 (SELECT string_agg(setconfig::text, '; ' ORDER BY setrole) FROM pg_db_role_setting \
                 WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = $1";
    let before: String = sqlx::query_scalar(state).bind(name).fetch_one(&mut admin).await.unwrap();
    assert!(before.contains("My schema") && before.contains("7MB") && before.contains("keep"), "{before}");
    let report = done(house.restore("shop.dump").await);
    let after: String = sqlx::query_scalar(state).bind(name).fetch_one(&mut admin).await.unwrap();
    assert_eq!(before, after);
    done(house.copy("drop_copy", report.facts["safety_copy"].as_str().unwrap()).await);
    // Also one that finds nothing unless it is told where.
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {name} SET search_path = ''"))).await.unwrap();
    let before: String = sqlx::query_scalar(state).bind(name).fetch_one(&mut admin).await.unwrap();
    let report = done(house.restore("shop.dump").await);
    let after: String = sqlx::query_scalar(state).bind(name).fetch_one(&mut admin).await.unwrap();
    assert_eq!(before, after);
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE {name} RESET search_path"))).await.unwrap();
    // Now the database is gone altogether.
    admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
    done(house.copy("drop_copy", report.facts["safety_copy"].as_str().unwrap()).await);
    let report = done(house.restore("shop.dump").await);
    assert_eq!((&report.facts["safety_copy"], house.shop.count("true").await), (&json!(null), 1000));
    house.alone().await;
}

#[tokio::test]
async fn a_restore_that_is_cancelled_or_too_slow_leaves_the_old_database_alone() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.sql", "plain").await;
    house.slows("shop.sql", "slow.sql");
    let with = house.with("restore", "slow.sql");
    let mut short = house.cx();
    short.timeout = Duration::from_secs(4);
    let report = failed(run_planned(&short, "sql_restore", &with).await);
    assert!(report.line.en().contains("is as it was: stopped: not finished"), "{}", report.line.en());
    house.alone().await;
    let cx = house.cx();
    let mut foreign = house.shop.connect().await;
    let (outcome, ()) = tokio::join!(run_planned(&cx, "sql_restore", &with), async {
        house.filling(&mut foreign).await;
        cx.cancel.cancel();
    });
    assert!(failed(outcome).line.en().contains("is as it was: stopped: cancelled"));
    foreign.execute("INSERT INTO orders VALUES (2000, 'in service')").await.unwrap();
    house.alone().await;
}

#[tokio::test]
async fn a_server_that_ends_the_restores_session_keeps_the_old_database_in_service() {
    let Some(house) = House::new().await else { return };
    house.backup("shop.sql", "plain").await;
    house.slows("shop.sql", "slow.sql");
    let (cx, with) = (house.cx(), house.with("restore", "slow.sql"));
    let mut foreign = house.shop.connect().await;
    let (outcome, ()) = tokio::join!(run_planned(&cx, "sql_restore", &with), async {
        house.filling(&mut foreign).await;
        house.loses("query LIKE 'SELECT pg_sleep(600)%'").await;
    });
    let report = failed(outcome);
    assert!(report.line.en().contains("is as it was"), "{}", report.line.en());
    foreign.execute("INSERT INTO orders VALUES (2000, 'in service')").await.unwrap();
    house.alone().await;
}

#[tokio::test]
async fn no_password_is_on_a_command_line_or_in_a_plan() {
    let Some(house) = House::new().await else { return };
    let cx = at(&house.shop.url().replace("postgres@", "postgres:hunter4hunter4@"), LONG);
    let with = house.with("dump", "shop.dump");
    let planned = plan(&cx, "sql_backup", &with).await;
    assert!(!format!("{planned:?}").contains("hunter4"), "{planned:?}");
    let mut holder = hold_up(&house).await;
    let (outcome, ()) = tokio::join!(run_planned(&cx, "sql_backup", &with), async {
        let line = dumping(&house.shop.name).await;
        assert!(!line.contains("hunter4"), "{line}");
        holder.execute("ROLLBACK").await.unwrap();
    });
    done(outcome);
}
