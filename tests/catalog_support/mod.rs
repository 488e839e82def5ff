//! What the catalogue's tests share: an installation, a table of tiny actions, and a folder to write files into.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};
use sereno::catalog::{Catalog, Problem, load_with};
use sereno::domain::plan::Plan;
use sereno::domain::runbook::Effect;
use sereno::domain::sentence::Sentence;
use sereno::domain::settings::{BreakGlass, Channel, Environment, Language, Person, Settings};
use sereno::domain::step::Outcome;
use sereno::executor::{Action, ActionSpec, StepContext, Tools};

/// What a tiny action may do: always this, or what the runbook has to declare; and the secrets that it names.
struct Tiny(Option<Effect>, Vec<String>);

fn tiny(effect: impl Into<Option<Effect>>) -> Result<Box<dyn Action>, Sentence> {
    Ok(Box::new(Tiny(effect.into(), Vec::new())))
}

#[async_trait]
impl Action for Tiny {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        match (self.0, declared) {
            (Some(own), None) => Ok(own),
            (Some(own), Some(declared)) if declared < own => Err(Sentence::plain(format!("it does {own} at least"))),
            (_, Some(declared)) => Ok(declared),
            (None, None) => Err(Sentence::plain("it cannot tell what this program does")),
        }
    }

    fn secrets(&self) -> Vec<String> {
        self.1.clone()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        Err(Sentence::plain("a tiny action has no plan"))
    }

    async fn run(&self, _cx: &StepContext) -> Outcome {
        Outcome::Done(sereno::domain::step::Report::default())
    }
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Actions that do nothing, with the fields of real ones.
pub static TINY: &[ActionSpec] = &[
    ActionSpec {
        name: "shell",
        summary: "Runs a program",
        example: "argv: [/bin/true]",
        schema: || {
            object(json!({"argv": {"type": "array", "items": {"type": "string"}}, "ok": {"type": "array"}}), &["argv"])
        },
        parse: |with| match with["argv"][0].as_str() {
            Some(program) if program.starts_with('/') => tiny(None),
            _ => Err(Sentence::plain("the program needs its whole path")),
        },
    },
    ActionSpec {
        name: "http",
        summary: "Asks a server",
        example: "url: http://127.0.0.1/health",
        schema: || {
            let port = json!({"type": "integer", "minimum": 1, "maximum": 65535});
            object(json!({"url": {"type": "string"}, "port": port, "headers": {"type": "object"}}), &["url"])
        },
        parse: |with| match with["url"].as_str() {
            Some(url) if url.starts_with("http://") => {
                let headers = with["headers"].as_object().into_iter().flatten();
                let secrets = headers.filter_map(|(_, header)| header["secret"].as_str().map(str::to_owned));
                Ok(Box::new(Tiny(Some(Effect::Read), secrets.collect())))
            }
            _ => Err(Sentence::plain("the address must start with http://")),
        },
    },
    ActionSpec {
        name: "sql",
        summary: "Asks a database",
        example: "query: SELECT 1",
        schema: || {
            let query = json!({"type": "string", "x-literal": true});
            object(json!({"query": query, "params": {"type": "array"}, "database": {"type": "object"}}), &["query"])
        },
        parse: |_| tiny(Effect::Read),
    },
    ActionSpec {
        name: "ask",
        summary: "Asks a person",
        example: "instructions: Look at it",
        schema: || object(json!({"instructions": {"type": "string"}, "roles": {"type": "array"}}), &["instructions"]),
        parse: |_| tiny(Effect::Read),
    },
    ActionSpec {
        name: "run",
        summary: "Runs another runbook",
        example: "runbook: health",
        schema: || object(json!({"runbook": {"type": "string"}, "args": {"type": "object"}}), &["runbook"]),
        parse: |_| tiny(Effect::Read),
    },
];

/// Ana operates, Leo leads, Vic looks, Ada administers; prod needs one approval.
pub fn settings() -> Settings {
    let person = |id: &str, role: &str| {
        let roles = vec![role.to_owned()];
        (
            id.to_owned(),
            Person { id: id.into(), name: id.into(), roles, identities: BTreeMap::new(), standing: BTreeMap::new() },
        )
    };
    let role =
        |role: &str, includes: &[&str]| (role.to_owned(), includes.iter().map(|role| (*role).to_owned()).collect());
    Settings {
        time_zone: jiff::tz::TimeZone::UTC,
        language: Language::En,
        public_url: "http://127.0.0.1:8080".into(),
        environments: [("prod".to_owned(), Environment { approvals: 1 }), ("dev".to_owned(), Environment::default())]
            .into(),
        people: [person("ana", "operator"), person("leo", "lead"), person("vic", "viewer"), person("ada", "admin")]
            .into(),
        roles: [
            role("viewer", &[]),
            role("operator", &["viewer"]),
            role("lead", &["operator"]),
            role("admin", &["lead"]),
            role("dba", &[]),
        ]
        .into(),
        channels: [("#infra".to_owned(), Channel::default()), ("#shop".to_owned(), Channel::default())].into(),
        teams: BTreeMap::new(),
        packs: Default::default(),
        hooks: BTreeMap::new(),
        secrets: ["shop_api".to_owned()].into(),
        approver_roles: vec!["lead".into()],
        approval_expires: 600,
        groups: Default::default(),
        audit_channel: None,
        retention: Default::default(),
        break_glass: BreakGlass { after: 300, severities: Vec::new(), announce: Vec::new() },
    }
}

/// A catalogue's folder.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    /// With these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    /// Writes one more.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Loads it with the tiny actions.
    pub fn load(&self, settings: &Settings) -> Result<Catalog, Vec<Problem>> {
        load_with(&self.path(), settings, TINY)
    }
}

/// The problems of one file in the pack `shop`, its path cut to its name.
pub fn problems(text: &str) -> Vec<Problem> {
    let folder = Folder::with(&[("shop/book.yaml", text)]);
    let root = format!("{}/", folder.path().display());
    let mut problems = folder.load(&settings()).err().unwrap_or_default();
    for problem in &mut problems {
        problem.file = problem.file.replace(&root, "");
        problem.picture = problem.picture.replace(&root, "");
    }
    problems
}
