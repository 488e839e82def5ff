//! `shell` with real programs: what is typed arrives as it is, nothing outlives its step, output never fills memory.

mod executor_support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_support::{Said, action, context, done};
use serde_json::{Value, json};
use sereno::domain::digest;
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, StepContext, Tools};
use sereno::secret::Secret;

const LONG: Duration = Duration::from_secs(60);

async fn run_in(cx: &StepContext, with: Value) -> Outcome {
    executor::run(&*action("shell", &with), cx).await
}

async fn read(with: Value) -> Outcome {
    run_in(&context(&Tools::default(), Effect::Read, LONG), with).await
}

fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// Which of these processes, and of the group that the first one leads, still run. In /proc/PID/stat the name is
/// followed by state, parent and group.
fn alive(pids: &str) -> Vec<String> {
    let pids: Vec<&str> = pids.split_whitespace().collect();
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| {
            let (head, tail) = stat.rsplit_once(')').unwrap_or_default();
            let fields: Vec<&str> = tail.split_whitespace().collect();
            let ours = pids.contains(&head.split(' ').next().unwrap_or_default()) || fields.get(2) == pids.first();
            ours && fields.first() != Some(&"Z")
        })
        .collect()
}

/// The content of a file that a program is about to write.
async fn written(file: &Path) -> String {
    for _ in 0..1000 {
        match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("{} was never written", file.display());
}

/// Strings that would do something if anything read them as a command line, a template, a pattern or an option.
fn hostile() -> Vec<String> {
    let plain = [
        "; touch CANARY",
        "&& touch CANARY",
        "|| touch CANARY",
        "| touch CANARY",
        "& touch CANARY &",
        "$(touch CANARY)",
        "`touch CANARY`",
        "${IFS}touch${IFS}CANARY",
        "\ntouch CANARY\n",
        "\r\ntouch CANARY",
        "> CANARY",
        ">> CANARY",
        "2> CANARY",
        "< /etc/passwd",
        "<(touch CANARY)",
        "'; touch CANARY; '",
        "\"; touch CANARY; \"",
        "\\; touch CANARY",
        "a'b",
        "a\"b",
        "a\\",
        "a\\\\b",
        "'",
        "\"",
        "''",
        "\"\"",
        "`",
        "$",
        "$$",
        "$0",
        "$@",
        "$*",
        "${PATH}",
        "$HOME",
        "~",
        "~root",
        "*",
        "?",
        "[a-z]*",
        "{a,b}",
        "{1..9}",
        "!!",
        "!$",
        "^a^b",
        "#comment",
        "a #b",
        "--",
        "-",
        "-rf",
        "--help",
        "-c touch CANARY",
        "-e",
        "--output=CANARY",
        "@file",
        "%s%n%x",
        "%00",
        "\\0",
        "\\x00",
        "\\n",
        "\t",
        " ",
        "",
        "  spaces  ",
        "\u{1b}[2J",
        "\u{1b}]0;title\u{7}",
        "\u{202e}txt.exe",
        "\u{200b}",
        "\u{feff}",
        "é",
        "e\u{301}",
        "日本",
        "🚨",
        "{{ 7*7 }}",
        "${7*7}",
        "{% raw %}",
        "<%= 1 %>",
        "#{7*7}",
        "../../etc/passwd",
        "/etc/passwd\u{0}".trim_end_matches('\0'),
        "x;y",
        "x&y",
        "x|y",
        "x y",
        "a=b",
        "A=b touch CANARY",
        "() { :; }; touch CANARY",
        "\u{7f}",
        "\u{85}",
        "null",
        "true",
        "1e999",
        "0x41",
        "[redacted db]",
    ];
    plain.iter().map(|text| (*text).to_owned()).chain([String::from("long ").repeat(20_000)]).collect()
}

#[tokio::test]
async fn hostile_arguments_arrive_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = script(dir.path(), "record", r#"for a in "$@"; do printf '%s\0' "$a"; done > "$OUT""#);
    let out = dir.path().join("argv");
    let hostile = hostile();
    assert!(hostile.len() >= 60);
    let mut argv = vec![recorder.display().to_string()];
    argv.extend(hostile.iter().cloned());
    done(read(json!({ "argv": argv, "dir": dir.path(), "env": { "OUT": out } })).await);
    let arrived = std::fs::read(out).unwrap();
    let arrived: Vec<&[u8]> = arrived.strip_suffix(b"\0").unwrap().split(|byte| *byte == 0).collect();
    assert_eq!(arrived.len(), hostile.len());
    for (arrived, sent) in arrived.iter().zip(&hostile) {
        assert_eq!(arrived, &sent.as_bytes(), "{sent:?}");
    }
    assert!(!dir.path().join("CANARY").exists(), "an argument was run");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "an argument made a file");
}

#[tokio::test]
async fn nothing_is_inherited_but_what_the_step_names() {
    let report = done(read(json!({ "argv": ["env"], "env": { "REGION": "eu-1" } })).await);
    let mut lines: Vec<&str> = report.facts["lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["LANG=C.UTF-8", &format!("PATH={}", executor::process::PATH), "REGION=eu-1"]);
}

#[tokio::test]
async fn facts_are_the_exit_code_the_lines_and_the_json() {
    let report = done(read(json!({ "argv": ["cat"], "stdin": "{\"replicas\": 3}" })).await);
    assert_eq!(report.facts["exit"], 0);
    assert_eq!(report.facts["json"]["replicas"], 3);
    let report = done(read(json!({ "argv": ["printf", "a\\nb\\n"] })).await);
    assert_eq!(report.facts["lines"], json!(["a", "b"]));
    assert_eq!(report.facts.get("json"), None);
    assert_eq!(report.output.unwrap().sha256, digest::sha256(b"a\nb\n"));
}

#[tokio::test]
async fn an_exit_code_is_a_failure_unless_the_step_says_otherwise() {
    let exit = |ok: Value| json!({ "argv": ["sh", "-c", "echo broken >&2; exit 3"], "ok": ok });
    let Outcome::Failed(report) = read(exit(json!([0]))).await else { panic!("exit code 3 is a failure") };
    assert_eq!(report.facts["exit"], 3);
    assert_eq!(report.output.unwrap().head, "broken\n");
    done(read(exit(json!([0, 3]))).await);
}

#[tokio::test]
async fn a_program_that_is_not_there_has_not_run() {
    let outcome =
        run_in(&context(&Tools::default(), Effect::Destroy, LONG), json!({ "argv": ["no-such-program"] })).await;
    assert!(matches!(outcome, Outcome::Failed(report) if report.line.en().contains("no-such-program")));
}

#[tokio::test]
async fn time_up_ends_grandchildren_that_ignore_the_polite_signal() {
    let dir = tempfile::tempdir().unwrap();
    let stubborn =
        "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $$ $! > group; while :; do sleep 1; done";
    let cx = context(&Tools::default(), Effect::Change, Duration::from_millis(300));
    let outcome = run_in(&cx, json!({ "argv": ["sh", "-c", stubborn], "dir": dir.path() })).await;
    assert!(matches!(&outcome, Outcome::Unknown(report) if report.line.en().contains("not finished")), "{outcome:?}");
    assert_eq!(alive(&written(&dir.path().join("group")).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_only_looked_and_was_stopped_has_failed() {
    let cx = context(&Tools::default(), Effect::Read, Duration::from_millis(100));
    let outcome = run_in(&cx, json!({ "argv": ["sleep", "1000"] })).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
}

#[tokio::test]
async fn cancelling_ends_the_group_and_lets_it_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let tidy = "trap 'echo tidied; exit 1' TERM; echo $$ > group; while :; do sleep 0.05; done";
    let cx = context(&Tools::default(), Effect::Change, LONG);
    let cancel = cx.cancel.clone();
    let group = dir.path().join("group");
    let (outcome, ()) = tokio::join!(run_in(&cx, json!({ "argv": ["sh", "-c", tidy], "dir": dir.path() })), async {
        written(&group).await;
        cancel.cancel();
    });
    let Outcome::Unknown(report) = outcome else { panic!("a cancelled change is unknown: {outcome:?}") };
    assert!(report.line.en().contains("cancelled"), "{}", report.line.en());
    assert!(report.output.unwrap().head.contains("tidied"));
    assert_eq!(alive(&written(&group).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_that_died_by_a_signal_half_way_is_unknown() {
    let cx = context(&Tools::default(), Effect::Change, LONG);
    let outcome = run_in(&cx, json!({ "argv": ["sh", "-c", "kill -9 $$"] })).await;
    assert!(matches!(&outcome, Outcome::Unknown(report) if report.line.en().contains("signal 9")), "{outcome:?}");
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    // The child keeps the pipe open: reading to its end alone would wait for ever.
    let leaves = "sleep 1000 & echo $$ $! > group; echo done";
    let report = done(read(json!({ "argv": ["sh", "-c", leaves], "dir": dir.path() })).await);
    assert_eq!(report.facts["lines"], json!(["done"]));
    assert_eq!(alive(&written(&dir.path().join("group")).await), Vec::<String>::new());
}

#[tokio::test]
async fn a_daemon_that_left_the_group_and_holds_the_pipe_does_not_hold_the_step() {
    let dir = tempfile::tempdir().unwrap();
    let leaves =
        "setsid sh -c 'echo $$ > daemon; exec sleep 1000' & while [ ! -s daemon ]; do sleep 0.02; done; echo done";
    let report = done(read(json!({ "argv": ["sh", "-c", leaves], "dir": dir.path() })).await);
    assert_eq!(report.facts["lines"], json!(["done"]));
    let daemon: i32 = written(&dir.path().join("daemon")).await.parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn dropping_a_step_ends_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let group = dir.path().join("group");
    let with = json!({ "argv": ["sh", "-c", "sleep 1000 & echo $$ $! > group; sleep 1000"], "dir": dir.path() });
    let group = tokio::select! {
        outcome = read(with) => panic!("ended by itself: {outcome:?}"),
        group = written(&group) => group,
    };
    for _ in 0..500 {
        if alive(&group).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still alive: {:?}", alive(&group));
}

#[tokio::test]
async fn a_gigabyte_of_output_takes_no_memory() {
    let before = peak_kilobytes();
    let cx = context(&Tools::default(), Effect::Read, LONG * 20);
    let report = done(run_in(&cx, json!({ "argv": ["head", "-c", "1000000000", "/dev/zero"] })).await);
    let grown = peak_kilobytes() - before;
    let output = report.output.unwrap();
    assert_eq!(output.bytes, 1_000_000_000);
    assert!(output.left_out > 999_000_000);
    // Pages of the program itself count too.
    assert!(grown < 32 * 1024, "{grown} kB");
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_secret_goes_in_and_does_not_come_out() {
    let secret = "s3cr3t+value/with=signs";
    let tools = Tools::new([("db".to_owned(), Secret::new(secret))].into(), &[], None);
    let leaks = r#"
        printf %s "$DB" | cut -c1-9 | tr -d '\n'; sleep 0.1; printf %s "$DB" | cut -c10-; printf %s "$DB" >&2
        printf 'user:%s' "$DB" | base64 -w0; echo; printf %s "$DB" | od -An -tx1 | tr -d ' \n'; echo; cat"#;
    let with = json!({
        "argv": ["sh", "-c", leaks], "env": { "DB": { "secret": "db" } }, "stdin": { "secret": "db", "prefix": "in=" },
    });
    let step = action("shell", &with);
    assert_eq!(step.secrets(), ["db", "db"]);
    let plan = executor::plan(&*step, &tools, Effect::Read).await.unwrap();
    assert_eq!(plan.exact["env"]["DB"], json!({ "secret": "db" }));
    assert_eq!(plan.exact["stdin"], json!({ "secret": "db", "prefix": "in=" }));
    let report = done(run_in(&context(&tools, Effect::Read, LONG), with).await);
    let lines: Vec<&str> = report.facts["lines"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(lines[0], "[redacted db]");
    assert!(lines[1].contains("[redacted db]"), "{lines:?}");
    assert_eq!(lines[2..], ["[redacted db]", "in=[redacted db]"]);
    let all = serde_json::to_string(&report).unwrap();
    assert!(!all.contains("s3cr3t") && !all.contains("signs"), "{all}");
}

#[tokio::test]
async fn an_unknown_secret_stops_the_step_before_it_starts() {
    let outcome = read(json!({ "argv": ["env"], "env": { "DB": { "secret": "nope" } } })).await;
    assert!(matches!(&outcome, Outcome::Failed(report) if report.line.en().contains("nope")), "{outcome:?}");
}

#[tokio::test]
async fn a_changed_program_or_script_is_another_plan() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "deploy", "echo one");
    let plan = async |argv: Value| {
        let step = action("shell", &json!({ "argv": argv, "dir": dir.path() }));
        executor::plan(&*step, &Tools::default(), Effect::Change).await.unwrap()
    };
    for argv in [json!([program]), json!(["sh", "deploy"]), json!(["/bin/sh", "-e", program])] {
        script(dir.path(), "deploy", "echo one");
        let before = plan(argv.clone()).await;
        assert_eq!(before, plan(argv.clone()).await);
        script(dir.path(), "deploy", "echo two");
        assert_ne!(digest::of(&before), digest::of(&plan(argv.clone()).await), "{argv}");
    }
}

#[tokio::test]
async fn a_plan_needs_the_program_and_the_directory() {
    for (with, says) in [
        (json!({ "argv": ["no-such-program"] }), "no-such-program"),
        (json!({ "argv": ["./deploy"] }), "absolute"),
        (json!({ "argv": ["true"], "dir": "tmp" }), "absolute"),
        (json!({ "argv": ["true"], "dir": "/no/such/dir" }), "/no/such/dir"),
    ] {
        let error = executor::plan(&*action("shell", &with), &Tools::default(), Effect::Read).await.unwrap_err();
        assert!(error.en().contains(says), "{}", error.en());
    }
    let step = action("shell", &json!({ "argv": ["echo", "a b", "$(x)"] }));
    let plan = executor::plan(&*step, &Tools::default(), Effect::Read).await.unwrap();
    assert_eq!(plan.line.en(), "echo 'a b' '$(x)'");
}
