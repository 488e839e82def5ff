//! Parameters whose values an earlier read-only step finds: what was typed is checked against what was found, and what
//! was not typed is chosen by a person.

use minijinja::context;
use serde_json::{Value, json};

use super::Engine;
use super::answer::Heard;
use super::press::may_run;
use crate::domain::run::{Cause, Run, RunState};
use crate::domain::runbook::ParamKind;
use crate::domain::sentence::sentence;
use crate::domain::step::{Hold, Outcome, Report, StepRun, StepState};
use crate::domain::template::lookup;
use crate::id::RunId;
use crate::store::{Result, Tx, runs};

impl Engine {
    /// What a step that did its work comes to, where a parameter takes its values from it.
    pub(super) fn offer_choice(&self, run: &Run, step: &StepRun, report: Report) -> Outcome {
        for param in &run.body.runbook.params {
            let ParamKind::From { step: source, path } = &param.kind else { continue };
            if *source != step.body.step.id || step.body.undoes.is_some() {
                continue;
            }
            let choices = texts(lookup(&report.facts, path));
            let name = param.name.as_str();
            let line = match run.body.args.get(name).map(crate::domain::expect::show) {
                Some(got) if choices.contains(&got) => continue,
                Some(got) => sentence!("card.not_a_choice", param => name, got, list => choices.join(", ")),
                None if choices.is_empty() => sentence!("card.no_choice", param => name, path),
                None if run.body.cause == Cause::Diagnosis => continue,
                None => {
                    return Outcome::Hold(Hold::Choice { param: name.to_owned(), choices, found: Box::new(report) });
                }
            };
            return Outcome::Failed(Report { line, ..report });
        }
        Outcome::Done(report)
    }

    /// A person chooses.
    pub(super) async fn choose(
        &self,
        tx: &mut Tx,
        heard: &Heard,
        at: (&RunId, usize),
        choice: Option<String>,
    ) -> Result<()> {
        let Some((mut run, mut step)) = self.step_at(tx, heard, at, StepState::Holding).await? else { return Ok(()) };
        let Some(Hold::Choice { param, choices, found }) = step.body.hold.clone() else {
            return self.tell(tx, heard, "step_moved_on", context! {}).await;
        };
        if !may_run(heard, &run) {
            return self.tell(tx, heard, "not_known_here", context! {}).await;
        }
        let Some(choice) = choice.filter(|choice| choices.contains(choice)) else {
            return self.tell(tx, heard, "choose", context! { param }).await;
        };
        run.body.args.insert(param.clone(), Value::String(choice.clone()));
        if !runs::update(tx, &run, RunState::Active).await? {
            return Ok(());
        }
        self.conclude(tx, &run, &mut step, Outcome::Done(*found)).await?;
        self.decided(tx, &heard.actor.id, &run, &step, json!({"param": param, "choice": choice})).await
    }
}

/// The texts of a list; empty for anything else.
fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
