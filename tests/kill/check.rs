//! The last life of a schedule: checks what the kills left before it drives anything (whoever drives first, hides
//! what was lost), then lets everything that can go on by itself go on, and checks again. What is wrong is written to
//! the file `violations`.

use std::sync::Arc;
use std::time::Duration;

use sereno::domain::approval::ApprovalState;
use sereno::domain::run::{Run, RunState};
use sereno::domain::step::{StepRun, StepState};
use sereno::domain::timeline::EntryKind;
use sereno::engine::Engine;
use sereno::store::inbox::DeliveryState;
use sereno::store::wake::Wake;
use sereno::store::{Store, inbox, messages};

use crate::life::Life;
use crate::state::{State, said};
use crate::world;

/// Longest that everything may take to come to rest: no measure of speed, but an end to waiting.
const REST: Duration = Duration::from_secs(120);

/// Checks, drives, checks.
pub async fn check(life: &Life) {
    let clock = world::clock(life);
    let engine = world::engine(life, &clock, &Wake::default());
    let mut wrong = Vec::new();
    let before = State::read(&engine.store, &life.dir).await;
    journal(&before, &mut wrong);
    chain(&engine.store, &mut wrong).await;
    for (_, id) in said(&life.dir) {
        if inbox::state(&mut engine.store.read().await.unwrap(), &id).await.unwrap().is_none() {
            wrong.push(format!("request {id} was acknowledged and is lost"));
        }
    }
    if !rest(&engine).await {
        wrong.push("it does not come to rest".to_owned());
    }
    clock.forward(Duration::from_secs(60));
    if !rest(&engine).await {
        wrong.push("it does not come to rest a minute later".to_owned());
    }
    let after = State::read(&engine.store, &life.dir).await;
    journal(&after, &mut wrong);
    chain(&engine.store, &mut wrong).await;
    interrupted(&before, &after, &mut wrong);
    ended(&after, &mut wrong);
    answered(life, &engine.store, &mut wrong).await;
    delivered(&engine, &mut wrong).await;
    std::fs::write(life.dir.join("violations"), wrong.join("\n")).unwrap();
}

async fn rest(engine: &Arc<Engine>) -> bool {
    engine.recover().await.unwrap();
    tokio::time::timeout(REST, engine.settle()).await.is_ok_and(|settled| settled.is_ok())
}

/// Nothing was done that was not written before, nor more often than it was allowed.
fn journal(state: &State, wrong: &mut Vec<String>) {
    for (_, step) in state.steps() {
        let name = format!("step {} of {}", step.body.step.id, step.run);
        let (effects, starts) = (state.effects_of(step), state.told(EntryKind::StepStarted, step).count());
        if effects > starts {
            wrong.push(format!("{name}: {effects} effects, {starts} starts in the journal"));
        }
        let again =
            state.told(EntryKind::StepDecided, step).filter(|body| body["decision"]["happened"] == false).count();
        let allowed = match (step.body.guarded, step.body.step.repeatable()) {
            (true, _) => state.grants(step),
            (false, true) => usize::MAX,
            (false, false) => 1 + again + step.body.step.retry.times as usize,
        };
        if effects > allowed || starts > allowed {
            wrong.push(format!("{name}: {effects} effects for {allowed} approvals, {starts} starts"));
        }
        let confirmed = state.told(EntryKind::StepDecided, step).any(|body| body["decision"]["happened"] == true);
        if step.state == StepState::Done && !confirmed {
            if starts == 0 {
                wrong.push(format!("{name}: done, and never started"));
            }
            if step.body.step.with["stdin"].is_string() && effects == 0 {
                wrong.push(format!("{name}: done, and nothing happened"));
            }
        }
    }
    state.runs.values().for_each(|(run, _, _)| late_start(state, run, wrong));
    let known = |(step, run): &&(String, String)| {
        state.steps().any(|(_, known)| known.body.step.id == *step && known.run.as_str() == run)
    };
    for (step, run) in state.effects.keys().filter(|key| !known(key)) {
        wrong.push(format!("step {step} of {run}: an effect, 0 starts in the journal"));
    }
}

/// Nothing starts after its run was cancelled.
fn late_start(state: &State, run: &Run, wrong: &mut Vec<String>) {
    let Some(cancelled) = state.of_run(EntryKind::Cancelled, &run.id).next() else { return };
    let children =
        state.runs.values().filter(|(child, _, _)| child.body.parent.as_ref().is_some_and(|(id, _)| *id == run.id));
    let asked = children.flat_map(|(child, _, _)| state.of_run(EntryKind::Asked, &child.id));
    for entry in state.of_run(EntryKind::StepStarted, &run.id).chain(asked).filter(|entry| entry.seq > cancelled.seq) {
        wrong.push(format!("run {}: entry {} starts after entry {} cancelled it", run.id, entry.seq, cancelled.seq));
    }
}

async fn chain(store: &Store, wrong: &mut Vec<String>) {
    if let Err(fault) = sereno::audit::verify(store, &[]).await {
        wrong.push(fault.to_string());
    }
}

/// What was interrupted is unknown, and was not run again, unless it may be repeated.
fn interrupted(before: &State, after: &State, wrong: &mut Vec<String>) {
    for (run, step) in before.steps().filter(|(_, step)| step.state == StepState::Running) {
        if step.body.step.repeatable() && !step.body.guarded {
            continue;
        }
        let (_, steps, _) = &after.runs[&run.id];
        let now = &steps[step.position];
        let cancelled = now.state == StepState::Cancelled && told_cancelled(after, run);
        if (now.state != StepState::Unknown && !cancelled) || now.attempt != step.attempt {
            let id = &step.body.step.id;
            wrong.push(format!(
                "step {id} of {}: interrupted, and now {} in attempt {}",
                run.id, now.state, now.attempt
            ));
        }
    }
}

fn told_cancelled(state: &State, run: &Run) -> bool {
    state.of_run(EntryKind::Cancelled, &run.id).next().is_some()
}

/// Runs are over, or wait for somebody; and only the open ones hold locks.
fn ended(state: &State, wrong: &mut Vec<String>) {
    for (run, steps, approvals) in state.runs.values() {
        let held = state.locks.iter().any(|(_, holder)| *holder == run.id);
        let open = !run.state.is_final();
        if held != (open && run.lock.is_some()) {
            wrong.push(format!(
                "run {} is {}, and its lock is {}",
                run.id,
                run.state,
                if held { "held" } else { "free" }
            ));
        }
        let pending = approvals.iter().any(|approval| approval.state == ApprovalState::Pending);
        if open && !waits_for_somebody(run, steps, pending) {
            let states: Vec<_> = steps.iter().map(|step| step.state.as_str()).collect();
            wrong.push(format!("run {} is {}, and nobody can move it on: {states:?}", run.id, run.state));
        }
        if !open && (pending || steps.iter().any(|step| !step.state.is_final())) {
            wrong.push(format!("run {} is {}, with steps or approvals still open", run.id, run.state));
        }
    }
    for (key, run) in state.locks.iter().filter(|(_, run)| !state.runs.contains_key(run)) {
        wrong.push(format!("lock {key} is held by {run}, which does not exist"));
    }
}

fn waits_for_somebody(run: &Run, steps: &[StepRun], pending: bool) -> bool {
    let next = steps.iter().find(|step| !step.state.is_final());
    run.state == RunState::Active
        && next.is_some_and(|step| match step.state {
            StepState::AwaitingApproval => pending,
            StepState::Unknown => true,
            StepState::Holding => step.body.child.is_some(),
            _ => false,
        })
}

/// Everything that was acknowledged was dealt with, and lines have an answer.
async fn answered(life: &Life, store: &Store, wrong: &mut Vec<String>) {
    let mut db = store.read().await.unwrap();
    for (line, id) in said(&life.dir) {
        match inbox::state(&mut db, &id).await.unwrap() {
            None => {} // said before
            Some(DeliveryState::Done) => {
                let answers = messages::replies_to(&mut db, &id).await.unwrap();
                wrong.extend(
                    (line && answers.is_empty()).then(|| format!("request {id} was dealt with, without answer")),
                );
            }
            Some(state) => wrong.push(format!("request {id} was acknowledged and is {state}")),
        }
    }
}

/// Every message has reached its platform, in its present version.
async fn delivered(engine: &Arc<Engine>, wrong: &mut Vec<String>) {
    let platform = sereno::domain::actor::Platform::Console;
    let mut db = engine.store.read().await.unwrap();
    let due = messages::due(&mut db, platform, messages::NEVER, 100).await.unwrap();
    wrong.extend(due.iter().map(|message| format!("message {} was never delivered", message.id)));
}
