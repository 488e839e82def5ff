//! Port 2: actions. One file an action, one line in [`ACTIONS`]; help, schema, docs and tests iterate over it.
//! Knows nothing of chat, store or engine.

pub mod alertmanager;
mod ask;
mod attempt;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "docker")]
pub mod compose;
pub mod dns;
#[cfg(feature = "docker")]
pub mod docker;
pub mod file;
pub mod host;
pub mod http;
mod jwt;
pub mod live;
mod loki;
#[cfg(feature = "mongo")]
pub mod mongo;
mod net;
mod note;
pub mod output;
pub mod process;
pub mod prometheus;
mod quoted;
mod redact;
pub mod redis;
mod runbook;
mod shell;
pub mod smtp;
pub mod sql;
mod tcp;
pub mod terraform;
mod tls;
mod tool;
pub mod value;
mod wait;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::live::Live;
use crate::clock::Timestamp;
use crate::domain::chart::Chart;
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Output, Report};
use crate::secret::Secret;

pub use redact::{Redactor, Stream};

/// One action with its fields, ready to be planned and run.
#[async_trait]
pub trait Action: Send + Sync {
    /// What it may do, given what the runbook declares.
    ///
    /// # Errors
    /// When the runbook declares less than the action certainly does, or must declare something and
    /// does not.
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence>;

    /// What would happen, without touching anything. Selectors are resolved to a list here, so that an approver
    /// sees the targets; planning again must give the same bytes as long as the world is the same.
    ///
    /// # Errors
    /// When that cannot be told now.
    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence>;

    /// Names of the secrets that it refers to, so that an unknown one is found when the runbook is read.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// How long it may take, once it is told to end, to put its things in order: it is waited for that much longer, at its
    /// deadline and when the process ends. For most a moment, which everybody has.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    /// Does it. Called only after the start is in the journal; stops when the context is cancelled.
    async fn run(&self, cx: &StepContext) -> Outcome;

    /// Looks, and touches nothing, whether an attempt came about whose end nobody heard; `cx` is as that attempt had
    /// it. None where nothing in the world could tell: then only a person can.
    fn probe<'p>(&'p self, _cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        None
    }
}

/// What a look into an unknown end proves.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// All of it came about: what the attempt would have reported.
    Happened(Box<Report>),
    /// It did not, not all of it, not yet, or it cannot be told: what there is now.
    Seen(Sentence),
}

impl Probe {
    /// All of it came about.
    fn happened(report: Report) -> Self {
        Self::Happened(Box::new(report))
    }

    /// What there is now; `same` where that is what was there before the attempt.
    fn seen(what: Sentence, same: bool) -> Self {
        Self::Seen(if same { sentence!("action.as_before", what) } else { what })
    }
}

/// A row of the table of actions.
pub struct ActionSpec {
    /// The word in `action:`.
    pub name: &'static str,
    /// One line for help and docs.
    pub summary: &'static str,
    /// A tested example of `with:`, YAML.
    pub example: &'static str,
    /// JSON Schema of `with:`.
    pub schema: fn() -> Value,
    /// Reads the fields of `with:`, placeholders already filled.
    pub parse: fn(&Value) -> Result<Box<dyn Action>, Sentence>,
}

/// Every action there is.
#[rustfmt::skip] // one line an action
pub static ACTIONS: &[ActionSpec] = &[
    http::SPEC,
    shell::SPEC,
    wait::SPEC,
    note::SPEC,
    ask::SPEC,
    runbook::SPEC,
    sql::SPEC,
    sql::MAINTAIN,
    sql::BACKUP,
    sql::RESTORE,
    terraform::SPEC,
    #[cfg(feature = "docker")] docker::SPEC,
    #[cfg(feature = "docker")] compose::SPEC,
    redis::SPEC,
    #[cfg(feature = "mongo")] mongo::SPEC,
    prometheus::SPEC,
    alertmanager::SPEC,
    loki::SPEC,
    tls::SPEC,
    tcp::SPEC,
    dns::SPEC,
    host::SPEC,
    file::SPEC,
    jwt::SPEC,
    smtp::SPEC,
    webhook::SPEC,
    #[cfg(feature = "aws")] aws::lambda::SPEC,
    #[cfg(feature = "aws")] aws::logs::SPEC,
    #[cfg(feature = "aws")] aws::cloudwatch::SPEC,
    #[cfg(feature = "aws")] aws::call::SPEC,
];

/// What the Docker engine says of itself, for `doctor`.
///
/// # Errors
/// When it does not answer, or this program was built without it.
pub async fn docker_version(tools: &Tools) -> Result<String, Sentence> {
    #[cfg(feature = "docker")]
    return docker::version(tools).await;
    #[cfg(not(feature = "docker"))]
    {
        let _ = tools;
        Err(sentence!("action.docker_left_out"))
    }
}

/// The versions of PostgreSQL's own programs that backups and restores use, for `doctor`.
///
/// # Errors
/// When one of them is missing.
pub async fn postgres_versions() -> Result<String, Sentence> {
    sql::versions().await
}

/// How compose is called on this machine, and its version, for `doctor`.
///
/// # Errors
/// When there is none, or this program was built without Docker.
pub async fn compose_version(tools: &Tools) -> Result<String, Sentence> {
    #[cfg(feature = "docker")]
    return compose::version(tools).await;
    #[cfg(not(feature = "docker"))]
    {
        let _ = tools;
        Err(sentence!("action.docker_left_out"))
    }
}

/// Who we are on AWS and in which region, for `doctor`.
///
/// # Errors
/// When AWS does not say, or this program was built without it.
pub async fn aws_identity(tools: &Tools) -> Result<String, Sentence> {
    #[cfg(feature = "aws")]
    return aws::identity(tools).await;
    #[cfg(not(feature = "aws"))]
    {
        let _ = tools;
        Err(sentence!("action.aws_left_out"))
    }
}

/// Looks whether a program with this environment acts in this account of AWS.
///
/// # Errors
/// When it does not, when that cannot be told, or when this program was built without AWS.
async fn aws_account_is(wanted: &str, env: &BTreeMap<String, String>, tools: &Tools) -> Result<(), Sentence> {
    #[cfg(feature = "aws")]
    return aws::environment_is_in(wanted, env, tools).await;
    #[cfg(not(feature = "aws"))]
    {
        let _ = (wanted, env, tools);
        Err(sentence!("action.aws_left_out"))
    }
}

/// The action with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ActionSpec> {
    ACTIONS.iter().find(|action| action.name == name)
}

/// Where AWS is and who we are there. What is not said is taken from the environment, files and the machine, as
/// programs of AWS do.
#[derive(Debug, Clone, Default)]
pub struct AwsSettings {
    /// The region.
    pub region: Option<String>,
    /// Another address than AWS's own, for all services.
    pub endpoint: Option<String>,
    /// A profile of the files in `~/.aws`.
    pub profile: Option<String>,
    /// An access key: its id, and the secret.
    pub key: Option<(String, Secret)>,
}

/// What actions work with; made once at start.
#[derive(Clone, Default)]
pub struct Tools {
    /// Secrets by name, as the configuration lists them.
    pub secrets: Arc<BTreeMap<String, Secret>>,
    /// The Docker engine's address; none means the platform's default.
    pub docker_host: Option<String>,
    /// Whether runbooks may have containers of their own.
    pub docker_run: bool,
    /// Programs that are elsewhere than in a usual place, by the name that they have there.
    pub programs: Arc<BTreeMap<String, PathBuf>>,
    /// Where AWS is.
    pub aws: AwsSettings,
    /// What was found of AWS.
    #[cfg(feature = "aws")]
    pub aws_session: aws::Session,
    /// Takes every known secret out of what actions print and find.
    pub redactor: Arc<Redactor>,
}

impl Tools {
    /// Tools with these secrets. `extra` are secrets that no runbook may name, such as console tokens and hook
    /// secrets, but that must not be printed either.
    #[must_use]
    pub fn new(secrets: BTreeMap<String, Secret>, extra: &[(String, Secret)], docker_host: Option<String>) -> Self {
        let named = secrets.iter().map(|(name, secret)| (name.as_str(), secret));
        let redactor = Redactor::new(named.chain(extra.iter().map(|(name, secret)| (name.as_str(), secret))));
        Self { secrets: Arc::new(secrets), docker_host, redactor: Arc::new(redactor), ..Self::default() }
    }

    /// A program's file: where the configuration has it, else in one of the usual places.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs.get(name).cloned().or_else(|| process::find(name))
    }

    /// The same with this AWS.
    #[must_use]
    pub fn with_aws(self, aws: AwsSettings) -> Self {
        Self { aws, ..self }
    }

    /// The same, where these names stand for secrets with other names. All are known to the redactor.
    #[must_use]
    pub fn naming(&self, names: &BTreeMap<String, String>) -> Self {
        let mut tools = self.clone();
        let stand_for = |secret: &String| self.secrets.get(secret).cloned();
        let found = names.iter().filter_map(|(name, secret)| Some((name.clone(), stand_for(secret)?)));
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            Arc::make_mut(&mut tools.secrets).extend(found);
        }
        tools
    }
}

/// What one attempt is given.
#[derive(Clone)]
pub struct StepContext {
    /// What it works with.
    pub tools: Tools,
    /// Same for every attempt of one step of one run; sent to systems that take one.
    pub idempotency_key: String,
    /// What the step may do, as declared or presumed: what was killed half-way is Unknown above Read.
    pub effect: Effect,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// Longest time it may take.
    pub timeout: Duration,
    /// Cancelled when a person cancels the run or the process ends.
    pub cancel: CancellationToken,
    /// The exact part of the plan that this attempt was started with, and that was approved where it had to be. What
    /// acts on something that others may change compares it with what it finds.
    pub planned: Value,
    /// Takes what it prints as it comes.
    pub live: Live,
}

impl StepContext {
    /// What an attempt came to that was stopped half-way: nobody knows, unless it only looked.
    #[must_use]
    pub fn half_way(&self, report: Report) -> Outcome {
        if self.effect > Effect::Read { Outcome::Unknown(report) } else { Outcome::Failed(report) }
    }

    /// Why an attempt was stopped whose time was up.
    #[must_use]
    pub fn not_finished(&self) -> Sentence {
        sentence!("action.not_finished", seconds => self.timeout.as_secs())
    }
}

/// Longest that a plan may take, whatever an action says: a file of a hundred gigabytes is read in it, and what does not
/// answer is given up on.
const PLANNING: Duration = Duration::from_mins(5);

/// Plans a step. The only way to a plan: here it takes the step's effect, if that is higher than what the action
/// certainly does, and loses every known secret that a runbook or an argument spells out.
///
/// # Errors
/// As [`Action::plan`].
pub async fn plan(action: &dyn Action, tools: &Tools, effect: Effect) -> Result<Plan, Sentence> {
    let shown = |text: &str| output::clean(&tools.redactor.text(text));
    let plan = tokio::time::timeout(PLANNING, action.plan(tools)).await;
    let plan = plan.unwrap_or_else(|_| Err(sentence!("action.no_plan_yet", seconds => PLANNING.as_secs())));
    let plan = plan.map_err(|error| error.map_text(&shown))?;
    Ok(Plan {
        effect: plan.effect.max(effect),
        target: plan.target.map_text(&shown),
        line: plan.line.map_text(&shown),
        // Not cleaned: two plans that differ in a character nobody sees are two plans.
        exact: tools.redactor.value(&plan.exact),
        ..plan
    })
}

/// Runs a step. The only way to an outcome: here everything that it says is cleaned and redacted once more, whatever
/// the action did about it.
pub async fn run(action: &dyn Action, cx: &StepContext) -> Outcome {
    let gate = |report| gate(cx, report);
    match action.run(cx).await {
        Outcome::Done(report) => Outcome::Done(gate(report)),
        Outcome::Failed(report) => Outcome::Failed(gate(report)),
        Outcome::Unknown(report) => Outcome::Unknown(gate(report)),
        Outcome::Hold(hold) => Outcome::Hold(hold),
    }
}

/// Looks into the unknown end of an attempt, where the action can; `within` is how long that may take. What it says is
/// cleaned and redacted as an outcome's is.
pub fn probe<'p>(action: &'p dyn Action, cx: &'p StepContext, within: Duration) -> Option<BoxFuture<'p, Probe>> {
    let look = action.probe(cx)?;
    Some(Box::pin(async move {
        let late = || Probe::Seen(sentence!("action.probe_late", seconds => within.as_secs()));
        match tokio::time::timeout(within, look).await.unwrap_or_else(|_| late()) {
            Probe::Happened(report) => Probe::happened(gate(cx, *report)),
            Probe::Seen(line) => Probe::Seen(gate(cx, Report::line(line)).line),
        }
    }))
}

/// A report with everything in it cleaned and redacted.
fn gate(cx: &StepContext, report: Report) -> Report {
    let shown = |text: &str| cx.tools.redactor.text(&output::clean(text));
    let grid = |mut grid: Grid| {
        grid.rows.iter_mut().flatten().for_each(|cell| *cell = shown(cell));
        Grid { columns: grid.columns.into_iter().map(|column| column.map_text(&shown)).collect(), ..grid }
    };
    let drawing = |mut chart: Chart| {
        chart.texts_mut().for_each(|text| *text = shown(text));
        chart
    };
    Report {
        facts: redact::map_text(&report.facts, &shown),
        line: report.line.map_text(&shown),
        output: report.output.map(|output| Output { head: shown(&output.head), tail: shown(&output.tail), ..output }),
        table: report.table.map(grid),
        chart: report.chart.map(drawing),
    }
}

/// The JSON Schema of an action's fields.
fn schema_of<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).into()
}

/// Reads an action's fields.
fn read<T: serde::de::DeserializeOwned>(with: &Value) -> Result<T, Sentence> {
    // Derived code would also take a list, field by field.
    let fields = with.as_object().ok_or_else(|| sentence!("action.no_fields"))?;
    T::deserialize(fields).map_err(|error| sentence!("action.field", why => error.to_string()))
}

/// An argument list as people would type it.
fn command_line<'a>(argv: impl Iterator<Item = &'a str>) -> Result<Sentence, Sentence> {
    shlex::try_join(argv).map(Sentence::Plain).map_err(|_| sentence!("action.argv_nul"))
}

/// An error with what led to it.
#[cfg(any(feature = "aws", feature = "docker"))]
fn causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_line = inner.to_string();
        if !line.ends_with(&inner_line) {
            line = format!("{line}: {inner_line}");
        }
        cause = inner.source();
    }
    line
}

/// Things in a row, with commas.
fn listed<T: ToString>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
