//! All that the database says, read at one moment, and what the outside world saw.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use sereno::domain::approval::{Approval, ApprovalState};
use sereno::domain::run::Run;
use sereno::domain::step::StepRun;
use sereno::domain::timeline::{Entry, EntryKind};
use sereno::id::{DeliveryId, RunId};
use sereno::store::{Store, approvals, locks, runs, steps, timeline};

/// Everything about runs.
pub struct State {
    pub runs: BTreeMap<RunId, (Run, Vec<StepRun>, Vec<Approval>)>,
    pub entries: Vec<Entry>,
    pub locks: Vec<(String, RunId)>,
    /// How often each step of each run had its effect: step's id and run, as the outside world wrote them.
    pub effects: BTreeMap<(String, String), usize>,
}

impl State {
    /// Reads it all.
    pub async fn read(store: &Store, dir: &Path) -> Self {
        let mut db = store.read().await.unwrap();
        let mut all = BTreeMap::new();
        for run in runs::latest(&mut db, 100_000).await.unwrap() {
            let steps = steps::of_run(&mut db, &run.id).await.unwrap();
            let approvals = approvals::of_run(&mut db, &run.id).await.unwrap();
            all.insert(run.id.clone(), (run, steps, approvals));
        }
        let entries = timeline::page(&mut db, 0, 1_000_000).await.unwrap();
        let held = locks::held(&mut db).await.unwrap();
        let locks = held.into_iter().map(|(key, run, _)| (key, run)).collect();
        Self { runs: all, entries, locks, effects: effects(dir) }
    }

    /// Each step with its run.
    pub fn steps(&self) -> impl Iterator<Item = (&Run, &StepRun)> {
        self.runs.values().flat_map(|(run, steps, _)| steps.iter().map(move |step| (run, step)))
    }

    /// How often a step had its effect.
    pub fn effects_of(&self, step: &StepRun) -> usize {
        let key = (step.body.step.id.clone(), step.run.to_string());
        self.effects.get(&key).copied().unwrap_or_default()
    }

    /// The journal's entries of a kind in the stream of a run, in order.
    pub fn of_run<'s>(&'s self, kind: EntryKind, run: &RunId) -> impl Iterator<Item = &'s Entry> {
        let stream = format!("run/{run}");
        self.entries.iter().filter(move |entry| entry.kind == kind && entry.stream == stream)
    }

    /// The journal's entries of a kind about a step.
    pub fn told<'s>(&'s self, kind: EntryKind, step: &'s StepRun) -> impl Iterator<Item = Value> + 's {
        let of_kind = self.entries.iter().filter(move |entry| entry.kind == kind);
        of_kind
            .map(|entry| serde_json::from_str::<Value>(&entry.body).unwrap())
            .filter(|body| body["run"] == step.run.as_str() && body["position"] == serde_json::json!(step.position))
    }

    /// How often people approved a step, or, for an undo step, what it undoes.
    pub fn grants(&self, step: &StepRun) -> usize {
        let at = step.body.undoes.unwrap_or(step.position);
        let granted = |approval: &&Approval| {
            matches!(approval.state, ApprovalState::Granted | ApprovalState::BrokenGlass)
                && approval.body.steps.iter().any(|planned| planned.position == at)
        };
        self.runs.get(&step.run).map_or(0, |(_, _, approvals)| approvals.iter().filter(granted).count())
    }
}

/// What the outside world saw.
fn effects(dir: &Path) -> BTreeMap<(String, String), usize> {
    let mut effects = BTreeMap::new();
    for line in lines(dir, "effects") {
        let (step, run) = line.split_once(' ').unwrap();
        *effects.entry((step.to_owned(), run.to_owned())).or_default() += 1;
    }
    effects
}

/// What was acknowledged: whether it was a line, and its id.
pub fn said(dir: &Path) -> Vec<(bool, DeliveryId)> {
    lines(dir, "said")
        .iter()
        .filter_map(|line| line.split_once(' ').map(|(kind, id)| (kind == "text", id.into())))
        .collect()
}

/// A file's lines; none where there is no file.
pub fn lines(dir: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
