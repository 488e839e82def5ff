//! What people type, and what it means: the command line as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sereno::catalog::Catalog;
use sereno::command::{BUILT_IN, Command, Request, Scene, Unclear, check, explain, parse};
use sereno::domain::actor::{Actor, Place, Platform};
use sereno::domain::run::{Cause, RunBody};
use sereno::domain::runbook::{Args, Param, ParamKind, Runbook};
use sereno::domain::settings::Settings;
use sereno::domain::severity::Severity;
use sereno::id::MessageId;
use sereno::words::Words;

fn param(name: &str, kind: ParamKind) -> Param {
    Param { name: name.to_owned(), kind, about: None, default: None, from_label: None }
}

fn with_default(param: Param, default: Value) -> Param {
    Param { default: Some(default), ..param }
}

fn text(pattern: Option<&str>) -> ParamKind {
    ParamKind::Text { pattern: pattern.map(str::to_owned), max: 40 }
}

fn book(pack: &str, name: &str, params: Vec<Param>, environments: &[&str]) -> Runbook {
    Runbook {
        values: Default::default(),
        source: Vec::new(),
        pack: pack.to_owned(),
        name: name.to_owned(),
        aliases: Vec::new(),
        summary: String::new(),
        about: None,
        params,
        environments: environments.iter().map(|env| (*env).to_owned()).collect(),
        channels: Vec::new(),
        allow: Vec::new(),
        steps: Vec::new(),
        lock: None,
        approval: Vec::new(),
        alerts: Vec::new(),
        next: Vec::new(),
        schedule: Vec::new(),
        digest: String::new(),
        file: String::new(),
    }
}

struct House {
    catalog: Catalog,
    settings: Settings,
}

impl House {
    fn new(books: Vec<Runbook>) -> Self {
        let config = r##"
            environments: { prod: { approvals: 1 }, staging: {}, dev: {} }
            channels:
              "#infra": { console: true }
              "#shop": { packs: [shop], environment: prod }
        "##;
        let config = sereno::config::Config::read("test", config, &BTreeMap::new());
        let settings = config.unwrap_or_else(|problems| panic!("{problems:?}")).settings;
        Self { catalog: Catalog::from_books(books), settings }
    }

    fn usual() -> Self {
        let services = ParamKind::Choice(["api", "web", "worker"].map(str::to_owned).to_vec());
        let replicas = with_default(param("replicas", ParamKind::Integer { min: 1, max: 9 }), json!(2));
        let window = with_default(param("since", ParamKind::Duration { min: 60, max: 7200 }), json!(900));
        Self::new(vec![
            book("ops", "health", vec![], &["prod", "dev"]),
            book("shop", "health", vec![], &["prod"]),
            book("ops", "rollback", vec![param("service", services.clone())], &["prod", "dev"]),
            book("ops", "scale", vec![param("service", services), replicas], &["prod", "dev"]),
            book("ops", "logs", vec![param("pattern", text(None)), window], &["prod"]),
            book("ops", "promote", vec![param("to", text(None)), param("from", text(None))], &["prod", "dev"]),
            book("ops", "ticket", vec![param("id", text(Some("[A-Z]+-[0-9]+")))], &[]),
            book("ops", "pick", vec![param("one", ParamKind::From { step: "s".into(), path: "p".into() })], &[]),
        ])
    }

    fn read(&self, line: &str, channel: &str) -> Result<Command, Unclear> {
        parse(line, Scene { catalog: &self.catalog, settings: &self.settings, channel: Some(channel) })
    }

    #[track_caller]
    fn run(&self, line: &str) -> (String, Value, Option<String>) {
        match self.read(line, "#infra") {
            Ok(Command::Run(request)) => (request.book.full_name(), json!(request.args), request.env),
            other => panic!("{line}: {other:?}"),
        }
    }

    /// Why not, in English.
    #[track_caller]
    fn refuses(&self, line: &str) -> String {
        let unclear = self.read(line, "#infra").expect_err(line);
        assert!(!explain(&unclear, Words(sereno::domain::settings::Language::Es)).is_empty());
        explain(&unclear, Words(sereno::domain::settings::Language::En))
    }
}

fn asked(book: &str, args: Value, env: Option<&str>) -> (String, Value, Option<String>) {
    (book.to_owned(), args, env.map(str::to_owned))
}

#[test]
fn a_command_is_understood_however_it_is_typed() {
    let house = House::usual();
    let rollback = asked("ops/rollback", json!({"service": "api"}), Some("prod"));
    for line in [
        "/ops rollback api prod",
        "ops rollback prod api",
        "@sereno rollback api prod",
        "Rollback service=api env=prod",
        "rollback --service api --env prod",
        "rollback --env=prod —service=api",
        "ops/rollback 'api' \"prod\"",
        "  rollback   api\tprod ",
    ] {
        assert_eq!(house.run(line), rollback, "{line}");
    }
}

#[test]
fn defaults_numbers_and_spans_are_typed() {
    let house = House::usual();
    assert_eq!(house.run("scale api dev"), asked("ops/scale", json!({"service": "api", "replicas": 2}), Some("dev")));
    assert_eq!(house.run("scale api 5 dev").1["replicas"], json!(5));
    assert_eq!(house.run("scale dev replicas=5 api").1, json!({"service": "api", "replicas": 5}));
    for (typed, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("600", 600)] {
        assert_eq!(house.run(&format!("logs timeout {typed}")).1["since"], json!(seconds), "{typed}");
    }
    assert_eq!(house.run("logs \"connection refused\"").1["pattern"], json!("connection refused"));
    assert_eq!(house.run("logs “connection refused”").1["pattern"], json!("connection refused"));
    assert_eq!(house.run("logs '#a=b'").1["pattern"], json!("#a=b"));
}

#[test]
fn the_environment_may_stand_anywhere_and_the_last_one_counts() {
    let house = House::usual();
    let promoted = asked("ops/promote", json!({"to": "prod", "from": "main"}), Some("dev"));
    for line in ["promote prod main dev", "promote prod dev main", "promote prod main --env dev"] {
        assert_eq!(house.run(line), promoted, "{line}");
    }
    // The only one, and the channel's, are taken when none is typed.
    assert_eq!(house.run("logs x").2.as_deref(), Some("prod"));
    let here = house.read("ops/health", "#shop");
    assert!(matches!(here, Ok(Command::Run(Request { env: Some(env), .. })) if env == "prod"));
    assert!(house.refuses("rollback api").contains("Missing: env"));
    assert!(house.refuses("rollback api staging").contains("env cannot be “staging”"));
    assert!(house.refuses("rollback api env=staging").contains("env cannot be “staging”"));
    assert!(house.refuses("ticket A-1 prod").contains("“prod”"));
}

#[test]
fn a_word_means_the_channel_s_pack() {
    let house = House::usual();
    assert!(matches!(house.read("health prod", "#infra"), Err(Unclear::Ambiguous(_, names)) if names.len() == 2));
    assert!(matches!(house.read("health", "#shop"), Ok(Command::Run(request)) if request.book.pack == "shop"));
    assert!(matches!(house.read("health dev", "#shop"), Err(Unclear::Wrong { .. })));
    assert!(matches!(house.read("ops/health dev", "#shop"), Ok(Command::Run(request)) if request.book.pack == "ops"));
}

#[test]
fn what_is_not_understood_is_answered_with_what_would_be() {
    let house = House::usual();
    for (line, says) in [
        ("", "help"),
        ("/ops", "help"),
        ("rolback api prod", "rollback"),
        ("hlep", "help"),
        ("rollback", "Missing: service, env"),
        ("rollback wbe prod", "Did you mean web?"),
        ("rollback api prod now", "“now”"),
        ("rollback api prod sevice=api", "“sevice=api”"),
        ("rollback api prod --force", "“--force”"),
        ("rollback api service=api prod", "“api”"),
        ("rollback service=api service=web prod", "“service=web”"),
        ("rollback 'api prod", "quote"),
        ("scale api 10 prod", "from 1 to 9"),
        ("scale api 2;ls prod", "from 1 to 9"),
        ("scale api -1 prod", "from 1 to 9"),
        ("logs x 3h", "from 1m to 2h"),
        ("logs x 15", "from 1m to 2h"),
        ("ticket xA-1", "[A-Z]+-[0-9]+"),
        ("ticket A-1\u{1b}[31m", "[A-Z]+-[0-9]+"),
        ("logs -rf", "dash"),
        ("logs pattern=--rf", "dash"),
        ("logs '--rf'", "dash"),
        ("logs \u{1b}", "text"),
        ("plan", "plan COMMAND"),
        ("plan help", "I do not know"),
        ("why ana", "why PERSON"),
        ("incident P9 x", "incident P0"),
        ("incidents now", "incidents"),
        ("oncall a b", "oncall [TEAM]"),
    ] {
        let said = house.refuses(line);
        assert!(said.contains(says), "{line}: {said}");
    }
}

#[test]
fn what_was_given_is_kept_for_the_form() {
    let house = House::usual();
    let Err(Unclear::Missing { given, env, missing, env_missing, .. }) = house.read("scale replicas=3", "#infra")
    else {
        panic!("should miss something")
    };
    assert_eq!((json!(given), env, env_missing), (json!({"replicas": 3}), None, true));
    assert_eq!(missing.iter().map(|param| param.name.as_str()).collect::<Vec<_>>(), ["service"]);
}

#[test]
fn built_in_words_win_and_keep_free_text_as_typed() {
    let house = House::usual();
    for (line, wanted) in [
        ("HELP", "Help(None)"),
        ("help rollback", r#"Help(Some("rollback"))"#),
        ("oncall infra", r#"OnCall(Some("infra"))"#),
        ("note it's back, \"mostly\"  #1", r#"Note("it's back, \"mostly\"  #1")"#),
        ("note 'restarted by hand'", r#"Note("restarted by hand")"#),
        ("incident p1 Checkout isn't fast", r#"Declare(P1, "Checkout isn't fast")"#),
        ("cancel", "Cancel(None)"),
        ("@sereno ack", "Acknowledge"),
    ] {
        assert_eq!(format!("{:?}", house.read(line, "#infra").unwrap()), wanted, "{line}");
    }
    for word in BUILT_IN {
        let taken = !matches!(house.read(word, "#infra"), Err(Unclear::Unknown(..)));
        assert!(taken, "{word} is not read");
    }
    assert!(matches!(house.read("plan rollback api prod", "#infra"), Ok(Command::Plan(_))));
    let why = house.read("why @ana /ops rollback api prod", "#infra");
    assert!(matches!(why, Ok(Command::Why(person, _)) if person == "ana"));
    assert!(matches!(Severity::from_label("p1"), Severity::P1));
}

#[test]
fn choices_that_a_step_will_find_may_be_typed_or_left_out() {
    let house = House::usual();
    assert_eq!(house.run("pick"), asked("ops/pick", json!({}), None));
    assert_eq!(house.run("pick backup-7"), asked("ops/pick", json!({"one": "backup-7"}), None));
    assert!(house.refuses("pick -rf").contains("dash"));
}

#[test]
fn a_file_is_one_of_its_directory_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("dumps");
    std::fs::create_dir(&inside).unwrap();
    std::fs::create_dir(inside.join("folder")).unwrap();
    for path in [inside.join("monday.dump"), inside.join(".hidden"), inside.join("-rf"), dir.path().join("secret")] {
        std::fs::write(path, "x").unwrap();
    }
    std::os::unix::fs::symlink("../secret", inside.join("leak.dump")).unwrap();
    std::os::unix::fs::symlink("monday.dump", inside.join("latest.dump")).unwrap();
    let kind = ParamKind::File { dir: inside.display().to_string(), pattern: None };
    let house = House::new(vec![book("ops", "restore", vec![param("dump", kind)], &[])]);
    for name in ["monday.dump", "latest.dump"] {
        assert_eq!(house.run(&format!("restore {name}")).1, json!({"dump": name}));
    }
    for name in [
        "../secret",
        "/etc/passwd",
        "leak.dump",
        "folder",
        ".hidden",
        "-rf",
        "..",
        ".",
        "nope.dump",
        "folder/../monday.dump",
        "..\\secret",
        "''",
    ] {
        assert!(house.read(&format!("restore {name}"), "#infra").is_err(), "{name}");
    }
    assert!(house.refuses("restore mondey.dump").contains("Did you mean monday.dump?"));
}

#[test]
fn forms_and_labels_are_checked_as_typed_lines_are() {
    let house = House::usual();
    let scene = Scene { catalog: &house.catalog, settings: &house.settings, channel: None };
    let check_as = |name: &str, args: Value, env: Option<&str>| {
        let sereno::catalog::Found::One(book) = house.catalog.find(name, &[]) else { panic!("{name}") };
        let given: Args = serde_json::from_value(args).unwrap();
        check(&book, &given, env, scene).map(|request| (json!(request.args), request.env))
    };
    let form = json!({"service": "api", "replicas": "3"});
    let want = (json!({"service": "api", "replicas": 3}), Some("prod".to_owned()));
    assert_eq!(check_as("scale", form, Some("prod")).unwrap(), want);
    assert_eq!(check_as("logs", json!({"pattern": "x", "since": ""}), None).unwrap().0["since"], json!(900));
    assert_eq!(check_as("ticket", json!({"id": "A-1"}), Some("prod")).unwrap().1, None);
    assert!(matches!(check_as("scale", json!({"service": ""}), Some("prod")), Err(Unclear::Missing { .. })));
    assert!(matches!(check_as("scale", json!({"service": ["api"]}), Some("prod")), Err(Unclear::Wrong { .. })));
    assert!(matches!(check_as("scale", json!({"servce": "api"}), Some("prod")), Err(Unclear::Unexpected { .. })));
    assert!(matches!(check_as("scale", json!({"service": "api"}), Some("mars")), Err(Unclear::Wrong { .. })));
}

fn body(request: Request) -> RunBody {
    RunBody {
        runbook: Arc::unwrap_or_clone(request.book),
        args: request.args,
        env: request.env,
        by: Actor::sereno(),
        cause: Cause::Asked,
        place: Place::channel(Platform::Console, "#infra"),
        message: MessageId::new(),
        reply_to: None,
        parent: None,
        cancelled_by: None,
        undo_of: None,
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(line in "\\PC*", noise in "[\u{0}-\u{ff}]{0,40}") {
        let house = House::usual();
        for start in ["", "/ops ", "rollback ", "logs ", "plan scale ", "why x ", "incident ", "note "] {
            for line in [&line, &noise] {
                if let Err(unclear) = house.read(&format!("{start}{line}"), "#shop") {
                    prop_assert!(!explain(&unclear, Words(sereno::domain::settings::Language::En)).is_empty());
                }
            }
        }
    }

    #[test]
    fn nothing_that_starts_with_a_dash_becomes_text(value in "-\\PC{0,12}", name in proptest::bool::ANY) {
        let house = House::usual();
        let quoted = shlex::try_quote(&value).unwrap().into_owned();
        for word in [value.as_str(), quoted.as_str()] {
            let word = if name { format!("pattern={word}") } else { word.to_owned() };
            if let Ok(Command::Run(request)) = house.read(&format!("logs {word}"), "#infra") {
                let got = request.args["pattern"].as_str().unwrap();
                prop_assert!(!got.starts_with('-'), "{}", got);
            }
        }
    }

    #[test]
    fn a_run_s_command_line_asks_for_it_again(
        first in "[^-\\p{C}]\\PC{0,20}", choice in "(api|web)?", second in "[^-\\p{C}]\\PC{0,20}", n in -9i64..9,
        env in "(prod|dev)", gap in proptest::bool::ANY,
    ) {
        let params = vec![
            param("first", text(None)),
            param("found", ParamKind::From { step: "s".into(), path: "p".into() }),
            param("second", text(None)),
            param("n", ParamKind::Integer { min: -9, max: 9 }),
            with_default(param("since", ParamKind::Duration { min: 0, max: 999 }), json!(5)),
        ];
        let house = House::new(vec![book("ops", "x", params, &["prod", "dev"])]);
        let scene = Scene { catalog: &house.catalog, settings: &house.settings, channel: Some("#infra") };
        let sereno::catalog::Found::One(x) = house.catalog.find("x", &[]) else { unreachable!() };
        let mut given: Args = serde_json::from_value(json!({"first": first, "second": second, "n": n})).unwrap();
        if !gap && !choice.is_empty() {
            given.insert("found".to_owned(), json!(choice));
        }
        let request = check(&x, &given, Some(&env), scene).unwrap();
        let (args, env) = (request.args.clone(), request.env.clone());
        let line = body(request).command_line();
        let Ok(Command::Run(again)) = parse(&line, scene) else { panic!("{line}") };
        prop_assert_eq!((again.args, again.env), (args, env), "{}", line);
    }
}
