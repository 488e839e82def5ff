//! Monitors: runbooks that look by themselves, on whichever replica is first. A look leaves no run behind: it moves
//! the monitor's streak, and opens, tells or closes an incident as an alert source would.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::answer::Heard;
use super::plan::{NoPlan, Planned, Scope};
use crate::chat::cards;
use crate::clock::Timestamp;
use crate::command::Request;
use crate::domain::actor::SERENO;
use crate::domain::alert::Alert;
use crate::domain::expect::Verdict;
use crate::domain::monitor::Turn;
use crate::domain::pack::Monitor;
use crate::domain::runbook::{Args, Invocation, OnFail, Runbook, Step};
use crate::domain::sentence::sentence;
use crate::domain::step::{Outcome, Report};
use crate::executor::live::Live;
use crate::executor::{self, StepContext};
use crate::store::{Result, Tx, incidents, monitors};

/// The source that incidents of monitors come from.
const SOURCE: &str = "monitor";

/// A look that is due.
struct Look {
    name: String,
    monitor: Monitor,
    channel: String,
    request: Request,
    cancel: CancellationToken,
}

impl Engine {
    /// Starts every look that is due and that nobody has taken; gives how many.
    pub(super) async fn look_at_monitors(self: &Arc<Self>) -> Result<usize> {
        let (catalog, settings) = (self.catalog.load_full(), self.settings.load_full());
        let awake = |name: &str| settings.channel_of(name).map(str::to_owned);
        let all = catalog.packs().filter_map(|pack| Some((pack, awake(&pack.name)?)));
        let all: Vec<_> =
            all.flat_map(|(pack, channel)| pack.monitors.iter().map(move |m| (pack, channel.clone(), m))).collect();
        if all.is_empty() {
            return Ok(0);
        }
        let now = self.clock.now();
        let due = monitors::all(&mut self.store.read().await?).await?;
        let mut started = 0;
        for (pack, channel, monitor) in all {
            let name = monitor.full_name(&pack.name);
            let looks = self.lock_looking().contains_key(&name);
            if looks || due.get(&name).is_some_and(|(at, _)| *at > now) {
                continue;
            }
            let invocation =
                Invocation { runbook: monitor.runbook.clone(), args: monitor.args.clone(), env: monitor.env.clone() };
            let Ok(request) = self.check(&settings, &invocation, &Args::new(), Some(&channel)) else { continue };
            let mut tx = self.store.begin().await?;
            let next = now.after(Duration::from_secs(monitor.every));
            if !monitors::claim(&mut tx, &name, now, next).await? {
                continue;
            }
            tx.commit().await?;
            let cancel = CancellationToken::new();
            self.lock_looking().insert(name.clone(), cancel.clone());
            let look = Look { name, monitor: monitor.clone(), channel, request, cancel };
            let engine = Arc::clone(self);
            self.tasks.spawn(async move {
                engine.look(&look).await;
                engine.lock_looking().remove(&look.name);
            });
            started += 1;
        }
        Ok(started)
    }

    /// Answers what monitors there are and what they saw.
    pub(super) async fn list_monitors(&self, tx: &mut Tx, heard: &Heard) -> Result<()> {
        let catalog = self.catalog.load_full();
        let known = monitors::all(tx).await?;
        let listed: Vec<_> = catalog
            .packs()
            .flat_map(|pack| pack.monitors.iter().map(move |monitor| (pack, monitor)))
            .map(|(pack, monitor)| {
                let name = monitor.full_name(&pack.name);
                let awake = heard.settings.channel_of(&pack.name).is_some();
                let seen = known.get(&name).cloned();
                cards::Watched { name, monitor, awake, seen }
            })
            .collect();
        self.reply(tx, heard, &cards::monitors(self.desk(&heard.settings), &listed)).await
    }

    pub(super) fn lock_looking(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, CancellationToken>> {
        self.looking.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn look(self: &Arc<Self>, look: &Look) {
        let found = self.look_through(look).await;
        if look.cancel.is_cancelled() {
            return; // this process ends: what was cut short tells nothing
        }
        if let Err(error) = self.seen(look, found).await {
            tracing::error!(monitor = look.name, %error, "what a monitor saw could not be stored; it looks again");
        }
    }

    /// Walks through the runbook's steps; gives what was wrong.
    async fn look_through(&self, look: &Look) -> Vec<String> {
        let Request { book, args, env } = &look.request;
        let mut scope = self.scope_of(book, (args, env.as_deref()), SERENO);
        scope.names["run"]["id"] = json!(look.name);
        scope.names["steps"] = json!({});
        let (mut found, mut position) = (Vec::new(), 0);
        while let Some(step) = book.steps.get(position) {
            let mut verdicts = Vec::new();
            let outcome = self.look_once(step, &scope, &look.cancel).await;
            let outcome = self.judge(step, &mut verdicts, outcome);
            let (held, report) = match outcome {
                Outcome::Done(report) => (true, report),
                Outcome::Failed(report) | Outcome::Unknown(report) => (false, report),
                Outcome::Hold(_) => (false, Report::line(sentence!("card.depends"))),
            };
            scope.names["steps"][&step.id] = report.facts.clone();
            if !held && !matches!(step.on_fail, OnFail::Goto(_)) {
                found.extend(self.wrong(step, &verdicts, &report));
            }
            position = after(book, step, held, &report.facts).unwrap_or(position + 1);
        }
        found
    }

    async fn look_once(&self, step: &Step, scope: &Scope, cancel: &CancellationToken) -> Outcome {
        let Planned { action, plan, tools, .. } = match self.plan_step(step, scope).await {
            Ok(planned) => planned,
            Err(NoPlan::Later) => return Outcome::Failed(Report::line(sentence!("card.depends"))),
            Err(NoPlan::Why(why)) => return Outcome::Failed(Report::line(sentence!("card.plan_failed", why))),
        };
        let cx = StepContext {
            tools,
            idempotency_key: String::new(), // it only reads
            effect: step.effect,
            started_at: self.clock.now(),
            timeout: Duration::from_secs(step.timeout),
            cancel: cancel.clone(),
            planned: plan.exact,
            live: Live::default(),
        };
        executor::run(action.as_ref(), &cx).await
    }

    /// One line for each thing that is wrong with a step.
    fn wrong(&self, step: &Step, verdicts: &[Verdict], report: &Report) -> Vec<String> {
        let words = self.words();
        let title = &step.title;
        let missed = verdicts.iter().filter(|verdict| !verdict.holds).map(|verdict| {
            let Verdict { what, expected, observed, .. } = verdict.clone();
            words.tell(&sentence!("card.monitor_missed", title, what => what.as_str(), expected, observed))
        });
        let lines: Vec<String> = missed.collect();
        if !lines.is_empty() {
            return lines;
        }
        vec![words.tell(&sentence!("card.monitor_failed", title, why => report.line.clone()))]
    }

    /// Writes down what was seen, and turns its incident, in one transaction.
    async fn seen(self: &Arc<Self>, look: &Look, found: Vec<String>) -> Result<()> {
        let now = self.clock.now();
        let key = format!("{SOURCE}:{}", look.name);
        let mut tx = self.store.begin().await?;
        let was = monitors::get(&mut tx, &look.name).await?.unwrap_or_default();
        let open = incidents::of_group(&mut tx, &key).await?;
        let (streak, turn) = was.after(found, open.is_some(), &look.monitor, now);
        monitors::record(&mut tx, &look.name, &streak).await?;
        match turn {
            Turn::Nothing => {}
            Turn::Fire => {
                let alert = alert(look, &key, &streak.found, (now, None));
                self.take_group(&mut tx, &look.channel, &key, &[&alert]).await?;
            }
            Turn::Clear(since) => {
                let alert = alert(look, &key, &was.found, (since, Some(now)));
                self.take_group(&mut tx, &look.channel, &key, &[&alert]).await?;
            }
            Turn::Change => {
                if let Some(incident) = open {
                    let settings = self.settings.load_full();
                    let what = streak.found.join("; ");
                    let card = cards::incident_line(self.desk(&settings), "monitor_changed", SERENO, &what);
                    self.post(&mut tx, &incident.body.place.under(&incident.body.message), &card, None).await?;
                }
            }
        }
        tx.commit().await
    }
}

/// Where to go on after a step; none is the next.
fn after(book: &Runbook, step: &Step, held: bool, facts: &Value) -> Option<usize> {
    let to = |id: &str| book.position(id).unwrap_or(book.steps.len());
    if held {
        let taken = step.branches.iter().find(|branch| branch.when.iter().all(|when| when.judge(facts).holds));
        return taken.map(|branch| to(&branch.goto));
    }
    match &step.on_fail {
        OnFail::Goto(id) => Some(to(id)),
        OnFail::Continue => None,
        OnFail::Stop | OnFail::Undo => Some(book.steps.len()),
    }
}

fn alert(look: &Look, key: &str, found: &[String], (starts_at, ends_at): (Timestamp, Option<Timestamp>)) -> Alert {
    let monitor = &look.monitor;
    let labels = [
        ("alertname", monitor.title.clone()),
        ("monitor", look.name.clone()),
        ("severity", monitor.severity.to_string()),
    ];
    let env = monitor.env.iter().map(|env| ("env", env.clone()));
    let args = monitor.args.iter().map(|(name, value)| (name.as_str(), crate::domain::expect::show(value)));
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    Alert {
        source: SOURCE.to_owned(),
        fingerprint: look.name.clone(),
        group_key: key.to_owned(),
        firing: ends_at.is_none(),
        labels: args.chain(labels).chain(env).map(named).collect(),
        annotations: [("summary", monitor.title.clone()), ("description", found.join("\n"))].map(named).into(),
        starts_at,
        ends_at,
        link: None,
    }
}
