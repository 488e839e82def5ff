//! `terraform`: what infrastructure is, what would change, and exactly that change. A plan is saved, an approval is for
//! that file's digest, and that file is what is applied. Knows nothing of providers.

mod changes;
mod cli;
mod fields;
mod lock;
mod saved;
mod state;
mod workspace;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use self::changes::Changes;
use self::cli::{PATIENCE, POLITE, holder_in, kept_in, not_done, program};
use self::fields::Fields;
pub use self::fields::Verb;
use self::lock::{Kept, Lock};
use self::saved::Copy;
use super::attempt::{Deadline, at_least};
use super::process::Ended;
use super::value::{SecretText, Text};
use super::{Action, ActionSpec, StepContext, Tools, command_line, read, schema_of};
use crate::domain::digest::sha256;
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "terraform",
    summary: "Plans, applies exactly what was planned and approved, reads state and outputs, looks at locks.",
    example: "do: plan\ndir: /srv/infra/dev\nworkspace: dev\nvars: {region: us-east-1}\n",
    schema: schema_of::<Fields>,
    parse: |with| {
        let fields: Fields = read(with)?;
        fields.check()?;
        Ok(Box::new(fields))
    },
};

/// Lines that a fact holds.
const LINES: usize = 1000;

/// Its version, for `doctor`.
///
/// # Errors
/// When it is not here.
pub async fn version(tools: &Tools) -> Result<String, Sentence> {
    let args = ["version", "-json"].map(str::to_owned).to_vec();
    let spec = super::process::Spec { program: program(tools)?, args, ..Default::default() };
    let answer = super::tool::ask(&spec, 64 * 1024, Duration::from_secs(10), &CancellationToken::new()).await?;
    let said: Value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    let version = said["terraform_version"].as_str().map(str::to_owned);
    version.ok_or_else(|| sentence!("action.terraform_said", why => answer.why()))
}

#[async_trait]
impl Action for Fields {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(self.least(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.env.values().chain(self.vars.values()).filter_map(SecretText::secret).map(str::to_owned).collect()
    }

    fn grace(&self) -> Duration {
        POLITE.grace
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let (Text(dir), argv) = (&self.dir, self.argv());
        let shown = |map: &std::collections::BTreeMap<String, SecretText>| -> Map<String, Value> {
            map.iter().map(|(name, text)| (name.clone(), text.shown())).collect()
        };
        let mut exact = json!({"do": self.r#do, "dir": self.directory()?.display().to_string(),
            "program": program(tools)?.display().to_string(), "argv": argv, "env": shown(&self.env),
            "vars": shown(&self.vars), "workspace": self.workspace.as_ref().map(|Text(name)| name),
            "account": self.account.as_ref().map(|Text(account)| account)});
        let mut effect = self.least();
        // What only reads is planned without asking.
        if effect > Effect::Read {
            self.in_account(tools).await?;
        }
        let more;
        let line = match self.r#do {
            Verb::Apply => {
                let path = self.saved_plan()?;
                let digest = sha256(&saved::bytes(&path)?);
                let changes = self.changes(tools, &path, &Deadline::after(PATIENCE)).await?;
                effect = changes.effect();
                let mut facts = changes.facts();
                facts.insert("plan_file".to_owned(), path.display().to_string().into());
                facts.insert("sha256".to_owned(), digest.into());
                more = facts;
                sentence!("action.terraform_apply", what => changes.line())
            }
            Verb::ForceUnlock => {
                let lock = self.held(tools, &Deadline::after(PATIENCE)).await?;
                more = Map::from_iter([("lock".to_owned(), json!([lock.id, lock.who, lock.created]))]);
                let Lock { id, who, operation, created } = lock;
                sentence!("action.terraform_force_unlock", id, who, operation, created)
            }
            Verb::StateRestore => {
                let restore = self.restore(tools, &Deadline::after(PATIENCE)).await?;
                more = restore.exact.as_object().cloned().unwrap_or_default();
                sentence!("action.terraform_restore", earlier => restore.earlier, current => restore.current)
            }
            _ => {
                more = Map::new();
                command_line(std::iter::once("terraform").chain(argv.iter().map(String::as_str)))?
            }
        };
        more.into_iter().for_each(|(key, value)| exact[key] = value);
        let target = match &self.workspace {
            Some(Text(workspace)) => sentence!("action.terraform_dir_workspace", dir, workspace),
            None => sentence!("action.terraform_dir", dir),
        };
        Ok(Plan { action: SPEC.name.to_owned(), effect, target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let deadline = Deadline::of(cx);
        let outcome = self.run_verb(cx, &deadline).await;
        outcome.unwrap_or_else(|why| Outcome::Failed(Report::line(why)))
    }
}

impl Fields {
    async fn run_verb(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        self.in_account(&cx.tools).await?;
        match self.r#do {
            Verb::Plan => self.run_plan(cx, deadline).await,
            Verb::Apply => self.run_apply(cx, deadline).await,
            Verb::Lock => self.run_lock(cx, deadline).await,
            Verb::ForceUnlock => self.run_unlock(cx, deadline).await,
            Verb::StateRestore => self.push(cx, deadline).await,
            Verb::Validate | Verb::StateList | Verb::Output | Verb::Workspaces => self.run_read(cx, deadline).await,
            Verb::WorkspaceNew => self.run_workspace_new(cx, deadline).await,
            Verb::Init | Verb::Fmt | Verb::StateShow => self.run_watched(cx, deadline).await,
        }
    }

    /// What a saved plan says.
    async fn changes(&self, tools: &Tools, path: &std::path::Path, deadline: &Deadline) -> Result<Changes, Sentence> {
        let path = path.display().to_string();
        let answer = self.ask(tools, &["show", "-json", "-no-color", &path], deadline).await?;
        match answer.ended {
            Ended::Exited(0) => Changes::read(&answer.stdout),
            _ => Err(sentence!("action.terraform_said", why => answer.why())),
        }
    }

    async fn run_plan(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let path = self.new_plan(&cx.idempotency_key, cx.started_at)?;
        let mut argv = self.argv();
        argv.push(format!("-out={}", path.display()));
        let called = self.call(cx, &self.spec(&cx.tools, argv)?, deadline).await?;
        let report = |facts: Map<String, Value>| Report {
            output: Some(called.output.clone()),
            ..Report::new(facts.into(), Sentence::default())
        };
        let differs = match called.ended {
            Ended::Exited(0) => false,
            Ended::Exited(2) => true,
            ended => return Ok(not_done(cx, ended, report(Map::new()))),
        };
        let changes = self.changes(&cx.tools, &path, deadline).await?;
        let mut facts = changes.facts();
        facts.insert("changes".to_owned(), differs.into());
        facts.insert("plan_file".to_owned(), path.display().to_string().into());
        facts.insert("sha256".to_owned(), sha256(&saved::bytes(&path)?).into());
        let line = if differs { changes.line() } else { sentence!("action.terraform_no_changes") };
        Ok(Outcome::Done(Report { line, table: changes.table(), ..report(facts) }))
    }

    async fn run_apply(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let path = self.saved_plan()?;
        let Some(digest) = cx.planned["sha256"].as_str() else { return Err(sentence!("action.terraform_no_approval")) };
        let copy = Copy::of(&path, digest)?;
        let changes = self.changes(&cx.tools, copy.path(), deadline).await?;
        let mut argv = self.argv();
        argv.push(copy.path().display().to_string());
        let called = self.call(cx, &self.spec(&cx.tools, argv)?, deadline).await?;
        let report = Report {
            output: Some(called.output),
            table: changes.table(),
            ..Report::new(changes.facts().into(), Sentence::default())
        };
        Ok(match called.ended {
            Ended::Exited(0) => {
                // Once is all that a plan is good for.
                let _ = std::fs::remove_file(&path);
                Outcome::Done(Report { line: sentence!("action.terraform_applied", what => changes.line()), ..report })
            }
            Ended::Exited(code) if holder_in(&report).is_none() => {
                let line = match kept_in(&report) {
                    Some(Kept::Alone) => sentence!("action.terraform_applied_lock_kept"),
                    Some(Kept::WithMore) => sentence!("action.terraform_apply_failed_lock_kept", code),
                    None => sentence!("action.terraform_apply_failed", code),
                };
                Outcome::Failed(Report { line, ..report })
            }
            ended => not_done(cx, ended, report),
        })
    }

    /// Who holds the lock; none when it is free.
    async fn holder(&self, tools: &Tools, deadline: &Deadline) -> Result<Option<Lock>, Sentence> {
        let argv = self.lock_argv();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let answer = self.ask(tools, &argv, deadline).await?;
        match (Lock::read(&answer.stderr), answer.ended) {
            (Some(lock), _) => Ok(Some(lock)),
            (None, Ended::Exited(0)) => Ok(None),
            (None, _) if lock::kept(&answer.stderr).is_some() => Err(sentence!("action.terraform_lock_kept")),
            (None, _) => Err(sentence!("action.terraform_lock_unclear", why => answer.why())),
        }
    }

    /// The lock that this step is to take away, still held.
    async fn held(&self, tools: &Tools, deadline: &Deadline) -> Result<Lock, Sentence> {
        let wanted = self.lock_id.as_ref().map(|Text(id)| id.as_str()).unwrap_or_default();
        match self.holder(tools, deadline).await? {
            None => Err(sentence!("action.terraform_not_locked")),
            Some(lock) if lock.id != wanted => {
                Err(sentence!("action.terraform_another_lock", wanted, id => lock.id, who => lock.who))
            }
            Some(lock) => Ok(lock),
        }
    }

    async fn run_lock(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let Some(lock) = self.holder(&cx.tools, deadline).await? else {
            return Ok(Outcome::Done(Report::new(json!({"locked": false}), sentence!("action.terraform_not_locked"))));
        };
        let mut facts = lock.facts(cx.started_at);
        facts.insert("locked".to_owned(), true.into());
        Ok(Outcome::Done(Report::new(facts.into(), lock.said(cx.started_at))))
    }

    async fn run_unlock(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let lock = self.held(&cx.tools, deadline).await?;
        if cx.planned["lock"] != cx.tools.redactor.value(&json!([lock.id, lock.who, lock.created])) {
            return Err(sentence!("action.terraform_moved_on"));
        }
        let called = self.call(cx, &self.spec(&cx.tools, self.argv())?, deadline).await?;
        let report = Report {
            output: Some(called.output),
            ..Report::new(lock.facts(cx.started_at).into(), sentence!("action.terraform_unlocked", who => lock.who))
        };
        Ok(match called.ended {
            Ended::Exited(0) => Outcome::Done(report),
            ended => not_done(cx, ended, report),
        })
    }

    /// What is asked and answered; answers may hold sensitive values, and only what may be seen leaves here.
    async fn run_read(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let argv = self.argv();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let answer = self.ask(&cx.tools, &argv, deadline).await?;
        let json = || serde_json::from_str::<Value>(&answer.stdout);
        if self.r#do == Verb::Validate
            && let Ok(said) = json()
        {
            return Ok(Outcome::Done(validated(&said)));
        }
        // A workspace in which nothing was ever made has no state, which is no mistake.
        let empty = self.r#do == Verb::StateList && answer.stderr.contains("No state file was found");
        if answer.ended != Ended::Exited(0) && !empty {
            return Err(sentence!("action.terraform_said", why => answer.why()));
        }
        let lines = || answer.stdout.lines().filter(|line| !line.trim().is_empty());
        Ok(Outcome::Done(match self.r#do {
            Verb::Output => {
                outputs(&json().map_err(|error| sentence!("action.terraform_unread", why => error.to_string()))?)
            }
            Verb::Workspaces => {
                let names: Vec<&str> = lines().map(|line| line.trim_start_matches(['*', ' '])).collect();
                let current = lines().find_map(|line| line.strip_prefix("* ")).unwrap_or_default();
                let line = sentence!("action.terraform_workspaces", names => names.join(", "), current);
                Report::new(json!({"workspaces": names, "current": current}), line)
            }
            _ => {
                let addresses: Vec<&str> = lines().take(LINES).collect();
                let count = lines().count();
                let columns = vec![Sentence::new("action.terraform_column_address")];
                let rows = addresses.iter().map(|address| vec![(*address).to_owned()]);
                let table = Some(Grid::new(columns, rows));
                let facts = json!({"addresses": addresses, "count": count});
                Report { table, ..Report::new(facts, sentence!("action.terraform_in_state", count)) }
            }
        }))
    }

    /// What people watch.
    async fn run_watched(&self, cx: &StepContext, deadline: &Deadline) -> Result<Outcome, Sentence> {
        let called = self.call(cx, &self.spec(&cx.tools, self.argv())?, deadline).await?;
        let mut facts = Map::new();
        if let Ended::Exited(code) = called.ended {
            facts.insert("exit".to_owned(), code.into());
        }
        let files: Vec<&str> = called.stdout.lines().filter(|line| !line.is_empty()).take(LINES).collect();
        let fmt = self.r#do == Verb::Fmt;
        let line = match fmt && !files.is_empty() {
            true => sentence!("action.terraform_unformatted", count => files.len(), names => files.join(", ")),
            false => sentence!("action.terraform_done", verb => self.r#do.as_str()),
        };
        if fmt {
            facts.insert("formatted".to_owned(), (files.is_empty() || self.write).into());
            facts.insert("files".to_owned(), json!(files));
        }
        let report = Report { output: Some(called.output), ..Report::new(facts.into(), line) };
        Ok(match called.ended {
            Ended::Exited(0) => Outcome::Done(report),
            // Of `fmt -check`: some are not formatted.
            Ended::Exited(3) if fmt => Outcome::Done(report),
            ended => not_done(cx, ended, report),
        })
    }
}

/// What `validate` found, without the details, which may quote values.
fn validated(said: &Value) -> Report {
    let place = |one: &Value| match (one["range"]["filename"].as_str(), one["range"]["start"]["line"].as_u64()) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        _ => String::new(),
    };
    let problems: Vec<String> = said["diagnostics"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("{}{}", place(one), one["summary"].as_str().unwrap_or_default()))
        .take(LINES)
        .collect();
    let valid = said["valid"].as_bool().unwrap_or(false);
    let line = match valid {
        true => sentence!("action.terraform_valid"),
        false => sentence!("action.terraform_invalid", problems => problems.join("; ")),
    };
    let facts = json!({"valid": valid, "errors": said["error_count"], "warnings": said["warning_count"],
        "problems": problems});
    Report::new(facts, line)
}

/// Outputs, the sensitive ones by name alone.
fn outputs(said: &Value) -> Report {
    let all = said.as_object().cloned().unwrap_or_default();
    let (sensitive, plain): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, output)| output["sensitive"].as_bool() != Some(false));
    let sensitive: Vec<String> = sensitive.into_iter().map(|(name, _)| name).collect();
    let plain: Map<String, Value> =
        plain.into_iter().map(|(name, mut output)| (name, output["value"].take())).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = plain.iter().map(|(name, value)| vec![name.clone(), text(value)]).collect();
    let columns = ["action.terraform_column_output", "action.terraform_column_value"].map(Sentence::new).to_vec();
    let line = sentence!("action.terraform_outputs", count => plain.len(), hidden => sensitive.len());
    let facts = json!({"outputs": plain, "sensitive": sensitive});
    Report { table: Some(Grid::new(columns, rows)), ..Report::new(facts, line) }
}
