//! Starting a run: run, steps, lock, card and entry in one transaction. Demands the proof that it is allowed.

use minijinja::context;
use serde_json::json;

use super::Engine;
use super::post::stream_of;
use crate::chat::card::Card;
use crate::chat::cards::{self, RunView};
use crate::command::Request;
use crate::domain::actor::{Actor, Place};
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::policy::Authorized;
use crate::domain::run::{Cause, Run, RunBody, RunState};
use crate::domain::runbook::{Effect, Invocation, Runbook, Step};
use crate::domain::settings::Settings;
use crate::domain::step::{StepBody, StepRun, StepState};
use crate::domain::template::{self, Template};
use crate::domain::timeline::EntryKind;
use crate::id::{DeliveryId, IncidentId, MessageId, RunId};
use crate::store::{Result, Tx, approvals, locks, messages, runs, steps};

/// What a run begins with.
pub(super) struct Start {
    /// The runbook, with checked arguments.
    pub request: Request,
    /// Who is judged.
    pub by: Actor,
    /// Why.
    pub cause: Cause,
    /// Where its card goes.
    pub place: Place,
    /// The request that it answers.
    pub reply_to: Option<DeliveryId>,
    /// The incident that it belongs to.
    pub incident: Option<IncidentId>,
    /// The run and position that wait for it.
    pub parent: Option<(RunId, usize)>,
    /// The run whose steps it undoes.
    pub undo_of: Option<RunId>,
}

impl Engine {
    /// Starts a run, or gives the run that holds its lock.
    pub(super) async fn start(
        &self,
        tx: &mut Tx,
        start: Start,
        authorized: &Authorized,
    ) -> Result<std::result::Result<RunId, RunId>> {
        let now = self.clock.now();
        let id = RunId::new();
        let mut lock = self.lock_key(&start);
        if let Some(key) = &lock
            && let Err(holder) = locks::take(tx, key, &id, now).await?
        {
            if !self.is_above(tx, start.parent.as_ref(), &holder).await? {
                return Ok(Err(holder));
            }
            lock = None; // a run that waits for this one holds it for both
        }
        let book = (*start.request.book).clone();
        let run = Run {
            id: id.clone(),
            state: RunState::Active,
            lock,
            incident: start.incident,
            created_at: now,
            ended_at: None,
            body: RunBody {
                runbook: book,
                args: start.request.args,
                env: start.request.env,
                by: start.by,
                cause: start.cause,
                place: start.place,
                message: MessageId::new(),
                reply_to: start.reply_to,
                parent: start.parent,
                cancelled_by: None,
                undo_of: start.undo_of,
            },
        };
        runs::insert(tx, &run).await?;
        let waiting: Vec<StepRun> =
            run.body.runbook.steps.iter().enumerate().map(|(position, step)| waiting(&id, position, step)).collect();
        for step in &waiting {
            steps::insert(tx, step).await?;
        }
        let view = RunView { run: &run, steps: &waiting, approval: None, next: Vec::new() };
        let settings = self.settings.load_full();
        let card = cards::run(self.desk(&settings), &view);
        self.post_as(tx, &run.body.message, &run.body.place, &card, run.body.reply_to.as_ref()).await?;
        let body = json!({
            "run": id, "command": run.body.command_line(), "digest": run.body.runbook.digest, "args": run.body.args,
            "env": run.body.env, "cause": run.body.cause, "rule": authorized.rule(), "channel": run.body.place.channel,
        });
        self.enter(tx, stream_of(&run), &run.body.by.id, EntryKind::Asked, body).await?;
        Ok(Ok(id))
    }

    /// Whether a run is the one that waits for another, or waits for the one that does, and so on.
    async fn is_above(&self, tx: &mut Tx, parent: Option<&(RunId, usize)>, run: &RunId) -> Result<bool> {
        let mut above = parent.map(|(id, _)| id.clone());
        while let Some(id) = above {
            if id == *run {
                return Ok(true);
            }
            above = runs::get(tx, &id).await?.and_then(|run| run.body.parent).map(|(id, _)| id);
        }
        Ok(false)
    }

    /// What a run locks: what its runbook says, or the runbook in its environment; nothing when it only reads. One that
    /// says a lock and starts other runbooks holds it for all of them, also where it does nothing else.
    fn lock_key(&self, start: &Start) -> Option<String> {
        let Request { book, args, env } = &start.request;
        let changes = |step: &Step| step.effect > Effect::Read || (book.lock.is_some() && step.action == "run");
        if start.cause == Cause::Diagnosis || !book.steps.iter().any(changes) {
            return None;
        }
        let scope = self.scope_of(book, (args, env.as_deref()), &start.by.id);
        let own = book.lock.as_ref().and_then(|Template(text)| template::fill(&json!(text), &scope.names).ok());
        let key = own.map_or_else(|| own_lock(book, env.as_deref()), |key| crate::domain::expect::show(&key));
        Some(key.trim().to_owned())
    }

    /// Brings a run's card up to date with everything that is stored of it.
    pub(super) async fn refresh(&self, tx: &mut Tx, id: &RunId) -> Result<()> {
        let Some(run) = runs::get(tx, id).await? else { return Ok(()) };
        let steps = steps::of_run(tx, id).await?;
        let approval = approvals::of_run(tx, id).await?.pop();
        let votes = match &approval {
            Some(approval) => approvals::votes(tx, &approval.id).await?,
            None => Vec::new(),
        };
        let view = RunView {
            run: &run,
            steps: &steps,
            approval: approval.as_ref().map(|approval| (approval, votes.as_slice())),
            next: self.next_of(&run),
        };
        let settings = self.settings.load_full();
        let desk = self.desk(&settings);
        self.edit(tx, &run.body.message, &cards::run(desk, &view)).await?;
        match view.approval {
            Some((Approval { state: ApprovalState::Pending, .. }, _)) | None => Ok(()),
            Some((over, votes)) => match &over.body.call {
                // Of a run that is over the call may be forgotten already.
                Some(call) if messages::get(tx, call).await?.is_none() => Ok(()),
                Some(call) => self.edit(tx, call, &cards::approval_over(desk, &run, over, votes)).await,
                None => Ok(()),
            },
        }
    }

    /// Runbooks to propose after a run, with what they take of its arguments.
    fn next_of(&self, run: &Run) -> Vec<Invocation> {
        let catalog = self.catalog.load_full();
        let books = run.body.runbook.next.iter().filter_map(|name| catalog.get(name));
        books
            .map(|book| {
                let taken = book.params.iter().filter_map(|param| run.body.args.get_key_value(&param.name));
                Invocation {
                    runbook: book.full_name(),
                    args: taken.map(|(name, value)| (name.clone(), value.clone())).collect(),
                    env: run.body.env.clone().filter(|env| book.environments.contains(env)),
                }
            })
            .collect()
    }

    /// Says something in a run's thread.
    pub(super) async fn in_thread(&self, tx: &mut Tx, run: &Run, card: &Card) -> Result<()> {
        self.post(tx, &run.body.place.under(&run.body.message), card, None).await.map(drop)
    }

    /// Who holds the lock, how far they are, since when.
    pub(super) async fn locked_card(&self, tx: &mut Tx, settings: &Settings, holder: &RunId) -> Result<Card> {
        let desk = self.desk(settings);
        let Some(run) = runs::get(tx, holder).await? else {
            return Ok(cards::line(desk, "run_over", context! { state => "" }));
        };
        let all = steps::of_run(tx, holder).await?;
        let step = all.iter().position(|step| !step.state.is_final()).map_or(all.len(), |index| index + 1);
        let values = context! {
            key => run.lock.clone().unwrap_or_default(),
            who => settings.name_of(&run.body.by.id),
            command => run.body.command_line(),
            step, steps => all.len(),
            span => cards::span(self.clock.now().since(run.created_at)),
        };
        Ok(cards::line(desk, "locked", values))
    }

    /// The card that a message shows at present.
    pub(super) async fn shown(&self, tx: &mut Tx, id: &MessageId) -> Result<Option<Card>> {
        match messages::get(tx, id).await? {
            Some(message) => Ok(Some(serde_json::from_value(message.card)?)),
            None => Ok(None),
        }
    }
}

/// What a runbook locks that says nothing of it: itself, in its environment.
pub(super) fn own_lock(book: &Runbook, env: Option<&str>) -> String {
    format!("{} {}", book.full_name(), env.unwrap_or("")).trim().to_owned()
}

/// A step whose turn has not come.
pub(super) fn waiting(run: &RunId, position: usize, step: &Step) -> StepRun {
    StepRun {
        run: run.clone(),
        position,
        state: StepState::Waiting,
        attempt: 0,
        owner: None,
        lease_until: None,
        not_before: None,
        approval: None,
        body: StepBody {
            step: step.clone(),
            guarded: false,
            undoes: None,
            taken_back: None,
            began: None,
            seen: None,
            plan_digest: None,
            outcome: None,
            verdicts: Vec::new(),
            hold: None,
            child: None,
            started_at: None,
            ended_at: None,
        },
    }
}
