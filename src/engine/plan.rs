//! What steps would do: placeholders filled, actions asked for their plans. Touches nothing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Engine;
use super::answer::DryRun;
use crate::command::Request;
use crate::domain::pack;
use crate::domain::plan::{Plan, PlannedStep};
use crate::domain::run::Run;
use crate::domain::runbook::{Args, Effect, Runbook, Step};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, StepRun};
use crate::domain::template::{self, TemplateError};
use crate::executor::{self, Action, Tools};
use crate::store::{Result, runs, steps};

/// How long all plans of a dry run may take: it is over before somebody else takes the request for lost.
const DRY_RUN: Duration = Duration::from_secs(20);

/// Why a step has no plan now.
pub(super) enum NoPlan {
    /// It needs facts of a step that has not run.
    Later,
    /// It cannot be planned.
    Why(Sentence),
}

/// What a step is planned with.
pub(super) struct Scope {
    /// What placeholders may name.
    pub names: Value,
    /// What its action works with: in an environment, a secret's name stands for that environment's secret.
    pub tools: Tools,
}

/// An action ready to run, with what it works with and what it would do.
pub(super) struct Planned {
    /// What it works with.
    pub tools: Tools,
    /// The action.
    pub action: Box<dyn Action>,
    /// Its fields, placeholders filled.
    pub with: Value,
    /// What it would do.
    pub plan: Plan,
}

impl Engine {
    /// Plans one action with its fields filled from `scope`. Its effect is the greater of the declared one and the
    /// action's own.
    pub(super) async fn plan_action(
        &self,
        name: &str,
        with: &Value,
        declared: Effect,
        scope: &Scope,
    ) -> std::result::Result<Planned, NoPlan> {
        let filled = template::fill(with, &scope.names).map_err(|error| match error {
            // The catalogue knows every name, so what has no value yet will have one: a fact, or a choice to be made.
            TemplateError::Unknown(_) => NoPlan::Later,
            other => NoPlan::Why(other.said()),
        })?;
        let spec = executor::find(name).ok_or_else(|| NoPlan::Why(sentence!("action.unknown", name)))?;
        let action = (spec.parse)(&filled).map_err(NoPlan::Why)?;
        let effect = action.effect(Some(declared)).map_err(NoPlan::Why)?;
        let plan = executor::plan(action.as_ref(), &scope.tools, effect).await.map_err(NoPlan::Why)?;
        Ok(Planned { tools: scope.tools.clone(), action, with: filled, plan })
    }

    /// Plans a step of a run.
    pub(super) async fn plan_step(&self, step: &Step, scope: &Scope) -> std::result::Result<Planned, NoPlan> {
        self.plan_action(&step.action, &step.with, step.effect, scope).await
    }

    /// Plans what would undo a step, where that can be told beforehand.
    pub(super) async fn plan_undo(&self, step: &Step, scope: &Scope) -> Option<Plan> {
        let undo = step.undo.as_ref()?;
        self.plan_action(&undo.action, &undo.with, step.effect, scope).await.ok().map(|planned| planned.plan)
    }

    /// Plans a whole runbook, and says of each step that cannot be planned yet why.
    pub(super) async fn dry_run(self: &Arc<Self>, request: &Request, by: &str) -> DryRun {
        let scope = self.scope_of(&request.book, (&request.args, request.env.as_deref()), by);
        let (mut planned, mut open) = (Vec::new(), Vec::new());
        let until = tokio::time::Instant::now() + DRY_RUN;
        for (position, step) in request.book.steps.iter().enumerate() {
            let late = || NoPlan::Why(sentence!("action.no_plan_yet", seconds => DRY_RUN.as_secs()));
            let plan = tokio::time::timeout_at(until, self.plan_step(step, &scope)).await;
            match plan.unwrap_or_else(|_| Err(late())) {
                Ok(Planned { plan, .. }) => {
                    let undo = tokio::time::timeout_at(until, self.plan_undo(step, &scope)).await.unwrap_or_default();
                    planned.push(PlannedStep { position, title: step.title.clone(), plan, undo });
                }
                Err(NoPlan::Later) => open.push((step.title.clone(), self.words().get("card.depends"))),
                Err(NoPlan::Why(why)) => {
                    open.push((step.title.clone(), self.words().tell(&sentence!("card.plan_failed", why))));
                }
            }
        }
        (planned, open)
    }

    /// What placeholders of a run's steps may name: arguments, environment, the run, and the facts of steps that are
    /// done; of an undo run, the facts of the run that it undoes.
    pub(super) async fn scope(&self, run: &Run, own: &[StepRun]) -> Result<Scope> {
        let mut facts = Map::new();
        // What is taken back was done by that run, under its names.
        let mut of = (run.id.clone(), run.body.by.id.clone());
        if let Some(undone) = &run.body.undo_of {
            let mut db = self.store.read().await?;
            if let Some(undone) = runs::get(&mut db, undone).await? {
                add_facts(&mut facts, &steps::of_run(&mut db, &undone.id).await?);
                of = (undone.id, undone.body.by.id);
            }
        }
        add_facts(&mut facts, own);
        let given = (&run.body.args, run.body.env.as_deref());
        let mut scope = self.scope_of(&run.body.runbook, given, &of.1);
        scope.names["run"]["id"] = json!(of.0);
        scope.names["steps"] = Value::Object(facts);
        Ok(scope)
    }

    /// What placeholders may name before a run exists: arguments, environment, the pack's values; and what actions work
    /// with there.
    pub(super) fn scope_of(&self, book: &Runbook, (args, env): (&Args, Option<&str>), by: &str) -> Scope {
        let settings = self.settings.load();
        let over = settings.packs.get(&book.pack);
        let mut names: Map<String, Value> = args.clone().into_iter().collect();
        names.insert("env".to_owned(), json!(env.unwrap_or_default()));
        names.insert("values".to_owned(), Value::Object(pack::values(&book.values, over, env)));
        names.insert("run".to_owned(), json!({"by": by, "id": "dry-run"}));
        Scope { names: Value::Object(names), tools: self.tools.load().naming(&pack::secrets(over, env)) }
    }
}

fn add_facts(facts: &mut Map<String, Value>, steps: &[StepRun]) {
    for step in steps {
        if let Some(Outcome::Done(report) | Outcome::Failed(report)) = &step.body.outcome {
            facts.insert(step.body.step.id.clone(), report.facts.clone());
        }
    }
}
