//! `shell`: one program with an argument list. There is no shell line anywhere: what looks like one is an argument.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::output::{Recorded, Recorder, beginning};
use super::process::{self, Ended, Spec};
use super::value::{SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, command_line, listed, read, schema_of};
use crate::domain::digest::hex;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "shell",
    summary: "Runs one program with an argument list; never a shell line.",
    example: "argv: [df, --output=pcent, /var]\nenv: {LC_ALL: C}\n",
    schema: schema_of::<Shell>,
    parse: |with| {
        let shell: Shell = read(with)?;
        shell.check()?;
        Ok(Box::new(shell))
    },
};

/// Bytes of standard output that are read for facts.
const READ: usize = 1024 * 1024;
/// Bytes of it that the `stdout` fact holds.
const SHOWN: usize = 64 * 1024;
/// Lines of it that the `lines` fact holds.
const LINES: usize = 1000;
/// Programs whose first plain argument is a program too.
const INTERPRETERS: &[&str] =
    &["sh", "bash", "dash", "zsh", "ksh", "busybox", "env", "python", "perl", "ruby", "node", "php", "lua", "awk"];

/// A program to run. Facts: `exit`, `stdout`, `lines`, and `json` where standard output is JSON.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shell {
    /// The program and its arguments. The program is an absolute path, or a name found in /usr/local/sbin,
    /// /usr/local/bin, /usr/sbin, /usr/bin, /sbin, /bin.
    #[schemars(length(min = 1))]
    argv: Vec<Text>,
    /// The directory to run it in, an absolute path. Without: the bot's own.
    #[serde(default)]
    dir: Option<Text>,
    /// Its environment, beside PATH and LANG. Nothing is inherited.
    #[serde(default)]
    env: BTreeMap<String, SecretText>,
    /// What it reads on standard input.
    #[serde(default)]
    stdin: Option<SecretText>,
    /// Exit codes that are no failure.
    #[serde(default = "zero")]
    ok: Vec<i32>,
}

fn zero() -> Vec<i32> {
    vec![0]
}

#[async_trait]
impl Action for Shell {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        declared.ok_or_else(|| sentence!("action.shell_effect"))
    }

    fn secrets(&self) -> Vec<String> {
        self.env.values().chain(&self.stdin).filter_map(SecretText::secret).map(str::to_owned).collect()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let program = self.program()?;
        let dir = self.directory()?;
        let mut files = Map::new();
        for file in std::iter::once(program.clone()).chain(self.script(&program, dir.as_deref())) {
            let digest = file_digest(file.clone()).await?;
            files.insert(file.display().to_string(), digest.into());
        }
        let argv: Vec<&str> = self.argv.iter().map(|Text(argument)| argument.as_str()).collect();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read, // at least; the step declares it
            target: Sentence::plain(program.display()),
            line: command_line(argv.iter().copied())?,
            exact: json!({
                "program": program.display().to_string(),
                "sha256": files,
                "argv": argv,
                "dir": dir.map(|dir| dir.display().to_string()),
                "env": self.env.iter().map(|(name, text)| (name.clone(), text.shown())).collect::<Map<_, _>>(),
                "stdin": self.stdin.as_ref().map(SecretText::shown),
                "ok": self.ok,
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let spec = match self.spec(&cx.tools) {
            Ok(spec) => spec,
            Err(line) => return Outcome::Failed(Report::line(line)),
        };
        let mut recorder = Recorder::watched(cx, READ);
        let ended = process::run(&spec, cx.timeout, &cx.cancel, &mut |pipe, bytes| recorder.push(pipe, bytes)).await;
        let name = spec.program.display();
        match ended {
            Ok(ended) => self.outcome(cx, ended, recorder.finish()),
            Err(error) => {
                let line = sentence!("action.shell_not_started", name => name.to_string(), why => error.to_string());
                Outcome::Failed(Report::line(line))
            }
        }
    }
}

impl Shell {
    /// What can be told without looking at this machine.
    fn check(&self) -> Result<(), Sentence> {
        let plain = |text: &SecretText| match text {
            SecretText::Plain(Text(text)) => text.clone(),
            SecretText::Secret(_) => String::new(),
        };
        match self.argv.first() {
            None => return Err(sentence!("action.argv_empty")),
            Some(Text(program)) if program.is_empty() => return Err(sentence!("action.argv_no_name")),
            Some(_) => {}
        }
        let env = self.env.values().map(plain);
        if self.argv.iter().map(|Text(text)| text.clone()).chain(env).any(|text| text.contains('\0')) {
            return Err(sentence!("action.argv_nul"));
        }
        let named = |name: &str| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match self.env.keys().find(|name| name.is_empty() || !named(name)) {
            Some(name) => Err(sentence!("action.shell_variable", name)),
            None => Ok(()),
        }
    }

    /// The program's file.
    fn program(&self) -> Result<PathBuf, Sentence> {
        let Text(name) = self.argv.first().ok_or_else(|| sentence!("action.argv_empty"))?;
        let found = match name.contains('/') {
            true => Some(PathBuf::from(name)).filter(|file| file.is_absolute() && file.is_file()),
            false => process::find(name),
        };
        found.ok_or_else(|| sentence!("action.shell_no_program", name, path => process::PATH))
    }

    fn directory(&self) -> Result<Option<PathBuf>, Sentence> {
        let Some(Text(dir)) = &self.dir else { return Ok(None) };
        let path = PathBuf::from(dir);
        match path.is_absolute() && path.is_dir() {
            true => Ok(Some(path)),
            false => Err(sentence!("action.shell_no_dir", dir)),
        }
    }

    /// The script that an interpreter is given.
    fn script(&self, program: &Path, dir: Option<&Path>) -> Option<PathBuf> {
        let name = program.file_name()?.to_str()?.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let Text(script) = self.argv.iter().skip(1).find(|Text(argument)| !argument.starts_with('-'))?;
        let path = dir.map_or_else(|| PathBuf::from(script), |dir| dir.join(script));
        (INTERPRETERS.contains(&name) && path.is_file()).then_some(path)
    }

    fn spec(&self, tools: &Tools) -> Result<Spec, Sentence> {
        Ok(Spec {
            program: self.program()?,
            args: self.argv.iter().skip(1).map(|Text(argument)| argument.clone()).collect(),
            dir: self.directory()?,
            env: self
                .env
                .iter()
                .map(|(name, text)| Ok((name.clone(), text.reveal(tools)?)))
                .collect::<Result<_, Sentence>>()?,
            stdin: match &self.stdin {
                Some(text) => text.reveal(tools)?.into_bytes(),
                None => Vec::new(),
            },
            ..Spec::default()
        })
    }

    fn outcome(&self, cx: &StepContext, ended: Ended, recorded: Recorded) -> Outcome {
        let mut facts = facts(&recorded);
        let stopped = |why: Sentence| match cx.effect {
            Effect::Read => why,
            _ => sentence!("action.shell_half_way", why),
        };
        if let Ended::Exited(code) = ended {
            facts.insert("exit".to_owned(), code.into());
        }
        let report = |line| Report { output: Some(recorded.output), ..Report::new(Value::Object(facts), line) };
        match ended {
            Ended::Exited(code) if self.ok.contains(&code) => Outcome::Done(report(sentence!("action.exit", code))),
            Ended::Exited(code) => Outcome::Failed(report(sentence!("action.exit_bad", code, ok => listed(&self.ok)))),
            Ended::Killed(signal) => cx.half_way(report(stopped(sentence!("action.shell_signal", signal)))),
            Ended::TimedOut => cx.half_way(report(stopped(cx.not_finished()))),
            Ended::Cancelled => cx.half_way(report(stopped(sentence!("action.cancelled")))),
        }
    }
}

fn facts(recorded: &Recorded) -> Map<String, Value> {
    let stdout = beginning(&recorded.stdout, SHOWN);
    let mut facts = Map::new();
    facts.insert("stdout".to_owned(), stdout.into());
    facts.insert("lines".to_owned(), stdout.lines().take(LINES).collect());
    if let Some(json) = recorded.stdout_whole.then(|| serde_json::from_str(&recorded.stdout).ok()).flatten() {
        facts.insert("json".to_owned(), json);
    }
    facts
}

/// The digest of a file's bytes, read piece by piece.
pub(super) async fn file_digest(path: PathBuf) -> Result<String, Sentence> {
    let name = path.display().to_string();
    let digest = move || -> std::io::Result<String> {
        let mut file = std::fs::File::open(&path)?;
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(context.finish().as_ref())),
                read => context.update(&buffer[..read]),
            }
        }
    };
    let unread = |why: String| sentence!("action.shell_unreadable", name => name.as_str(), why);
    let done = tokio::task::spawn_blocking(digest).await.map_err(|error| unread(error.to_string()))?;
    done.map_err(|error| unread(error.to_string()))
}
