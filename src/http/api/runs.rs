//! Runs and their steps.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::run::Run;
use crate::domain::settings::Settings;
use crate::domain::step::StepRun;
use crate::http::State;
use crate::http::access::Who;
use crate::http::fault::Fault;
use crate::id::RunId;
use crate::store::{runs as stored, steps};
use crate::words::Words;

/// How many runs are listed.
const LATEST: i64 = 50;

/// A run.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Run")]
pub(in crate::http) struct RunView {
    /// Its id.
    pub id: String,
    /// Where it stands, as in `active` or `done`.
    pub state: String,
    /// What was asked for, as in `rollback api prod`.
    pub command: String,
    /// The runbook's one line.
    pub summary: String,
    /// The environment.
    pub env: Option<String>,
    /// Who asked.
    pub by: String,
    /// How they are called.
    pub by_name: String,
    /// Why it exists, as in `asked` or `diagnosis`.
    pub cause: String,
    /// When it was asked for, RFC 3339.
    pub created_at: String,
    /// When it was over.
    pub ended_at: Option<String>,
    /// Its incident.
    pub incident: Option<String>,
    /// Its channel.
    pub channel: String,
    /// Its card.
    pub message: String,
}

impl RunView {
    /// A run as people see it.
    pub(super) fn of(run: Run, settings: &Settings) -> Self {
        Self {
            id: run.id.to_string(),
            state: run.state.to_string(),
            command: run.body.command_line(),
            summary: run.body.runbook.summary,
            env: run.body.env,
            by_name: settings.name_of(&run.body.by.id).to_owned(),
            by: run.body.by.id,
            cause: run.body.cause.to_string(),
            created_at: run.created_at.to_string(),
            ended_at: run.ended_at.map(|at| at.to_string()),
            incident: run.incident.map(|id| id.to_string()),
            channel: run.body.place.channel,
            message: run.body.message.to_string(),
        }
    }
}

/// Expected and observed.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct VerdictView {
    /// What was looked at.
    pub what: String,
    /// What should be.
    pub expected: String,
    /// What was.
    pub observed: String,
    /// Whether that is as it should be.
    pub holds: bool,
}

/// A step.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(in crate::http) struct StepView {
    /// Its place in the run, from 0.
    pub position: usize,
    /// What it is for.
    pub title: String,
    /// The action.
    pub action: String,
    /// `read`, `change` or `destroy`.
    pub effect: String,
    /// Where it stands, as in `awaiting_approval` or `unknown`.
    pub state: String,
    /// Attempts started so far.
    pub attempt: u32,
    /// The position that it undoes.
    pub undoes: Option<usize>,
    /// What its last attempt came to, in one line.
    pub line: String,
    /// What it printed: its beginning and, where it was long, its end.
    pub output: Option<String>,
    /// Expected and observed.
    pub verdicts: Vec<VerdictView>,
    /// When its last attempt started, RFC 3339.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
}

impl StepView {
    /// A step as people see it.
    fn of(step: StepRun, words: Words) -> Self {
        let report = step.body.report().cloned().unwrap_or_default();
        let verdict = |verdict: &crate::domain::expect::Verdict| VerdictView {
            what: verdict.what.clone(),
            expected: words.tell(&verdict.expected),
            observed: words.tell(&verdict.observed),
            holds: verdict.holds,
        };
        let output = report.output.map(|printed| match printed.left_out {
            0 => printed.head + &printed.tail,
            bytes => format!("{}\n… {bytes} B …\n{}", printed.head, printed.tail),
        });
        Self {
            position: step.position,
            state: step.state.to_string(),
            attempt: step.attempt,
            undoes: step.body.undoes,
            line: words.tell(&report.line),
            output,
            verdicts: step.body.verdicts.iter().map(verdict).collect(),
            started_at: step.body.started_at.map(|at| at.to_string()),
            ended_at: step.body.ended_at.map(|at| at.to_string()),
            title: step.body.step.title,
            action: step.body.step.action,
            effect: step.body.step.effect.to_string(),
        }
    }
}

/// A run with its steps.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RunDetail")]
pub(in crate::http) struct RunPage {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// The runbook's prose.
    pub about: Option<String>,
    /// Its steps, in order.
    pub steps: Vec<StepView>,
}

/// The latest runs, newest first.
pub(in crate::http) async fn runs(state: &State) -> Result<Vec<RunView>, Fault> {
    let settings = state.engine.settings.load_full();
    let mut db = state.engine.store.read().await?;
    let latest = stored::latest(&mut db, LATEST).await?;
    Ok(latest.into_iter().map(|run| RunView::of(run, &settings)).collect())
}

/// One run with its steps.
pub(in crate::http) async fn run(state: &State, id: String) -> Result<RunPage, Fault> {
    let id = RunId::from(id);
    let mut db = state.engine.store.read().await?;
    let run = stored::get(&mut db, &id).await?.ok_or(Fault::Missing)?;
    let steps = steps::of_run(&mut db, &id).await?;
    let settings = state.engine.settings.load_full();
    Ok(RunPage {
        about: run.body.runbook.about.clone(),
        run: RunView::of(run, &settings),
        steps: steps.into_iter().map(|step| StepView::of(step, Words(settings.language))).collect(),
    })
}

pub(super) async fn list(Shared(state): Shared<Arc<State>>, _who: Who) -> Result<Json<Vec<RunView>>, Fault> {
    runs(&state).await.map(Json)
}

pub(super) async fn one(
    Shared(state): Shared<Arc<State>>,
    _who: Who,
    Path(id): Path<String>,
) -> Result<Json<RunPage>, Fault> {
    run(&state, id).await.map(Json)
}
