//! `sql_restore`: a backup in the place of a database, or not at all. A new database is filled, checked and compared;
//! then two renames in one transaction put it in service, and the old one is kept. See docs/decisions/0015.

mod fields;
mod load;
mod names;
mod probe;
mod server;
mod swap;

use std::time::Instant;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

pub use self::fields::Verb;
use self::fields::{Fields, Job};
use self::load::Load;
use self::server::Found;
use self::swap::{Swap, swap};
use super::dump::manifest::{self, Manifest, Rows};
use super::dump::place::Place;
use super::dump::source::{Format, Kind, Reading};
use super::dump::{proof, source, tools};
use super::session::{Broken, Fault, nothing};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::executor::attempt::Sent;
use crate::executor::{Action, ActionSpec, Probe, StepContext, Tools, read, schema_of};

/// Its row in the table.
pub(in crate::executor) const SPEC: ActionSpec = ActionSpec {
    name: "sql_restore",
    summary: "Puts a backup in the place of a PostgreSQL database, which is kept; or swaps back; or drops what was kept.",
    example: "do: restore\ndatabase: {secret: shop_admin}\ndir: /var/backups/shop\nfile: shop_20260301.dump\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// A step that fits together.
#[derive(Debug)]
struct Restore {
    /// The secret's name.
    secret: String,
    /// The database to be connected with meanwhile.
    maintenance: String,
    job: Job,
}

#[async_trait]
impl Action for Restore {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        super::at_least(Effect::Destroy, declared)
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.secret.clone()]
    }

    async fn plan(&self, tools: &Tools) -> Result<Plan, Sentence> {
        let name = self.name(tools)?;
        let mut admin = server::connect(tools, self.server()).await?;
        let now = server::find(&mut admin, &name).await?;
        let (line, mut exact) = match &self.job {
            Job::Restore { place, owners } => self.plan_restore((place, *owners), &name, now.is_some()).await?,
            Job::SwapBack { copy } | Job::DropCopy { copy } => {
                let kept = self.kept(&mut admin, &name, copy).await?;
                let line = match &self.job {
                    Job::SwapBack { .. } => sentence!("action.sql_swap_back", name => name.as_str(), copy),
                    _ => sentence!("action.sql_drop_copy", copy),
                };
                (line, json!({ "copy": copy, "copy_oid": kept.oid }))
            }
        };
        exact["do"] = json!(self.job.verb());
        exact["secret"] = json!(self.secret);
        exact["maintenance"] = json!(self.maintenance);
        exact["database"] = json!(name);
        // Another database of the same name is another database.
        exact["oid"] = json!(now.map(|found| found.oid));
        let target = sentence!("action.sql_database", name => &self.secret);
        Ok(Plan { action: SPEC.name.to_owned(), effect: Effect::Destroy, target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let done = match &self.job {
            Job::Restore { place, owners } => self.restore(cx, place, *owners).await,
            Job::SwapBack { copy } => self.swap_back(cx, copy).await,
            Job::DropCopy { copy } => {
                let sent = Sent::default();
                let dropped = self.bounded(cx, self.drop_copy(cx, copy, &sent)).await;
                // The server goes on with what it was told, whoever listens.
                dropped.map_err(|(facts, fault)| match fault {
                    Fault::Failed(why) if sent.is() => (facts, Fault::Lost(why)),
                    fault => (facts, fault),
                })
            }
        };
        match done {
            Ok(report) => Outcome::Done(report),
            Err((facts, Fault::Failed(line))) => Outcome::Failed(Report::new(facts, line)),
            Err((facts, Fault::Lost(line))) => cx.half_way(Report::new(facts, line)),
        }
    }

    fn probe<'p>(&'p self, cx: &'p StepContext) -> Option<BoxFuture<'p, Probe>> {
        Some(self.look_back(cx).boxed())
    }
}

impl Restore {
    fn server(&self) -> (&str, &str) {
        (&self.secret, &self.maintenance)
    }

    fn name(&self, tools: &Tools) -> Result<String, Sentence> {
        let name = tools::database(tools, &self.secret)?;
        match name == self.maintenance {
            true => Err(sentence!("action.sql_same_database", name)),
            false => Ok(name),
        }
    }

    /// A kept database, if it looks like one.
    async fn kept(&self, admin: &mut sqlx::PgConnection, name: &str, copy: &str) -> Result<Found, Sentence> {
        if !names::is_copy(name, copy) {
            return Err(sentence!("action.sql_no_copy", copy, name));
        }
        server::find(admin, copy).await?.ok_or_else(|| sentence!("action.sql_copy_gone", copy))
    }

    async fn plan_restore(
        &self,
        (place, owners): (&Place, bool),
        name: &str,
        there: bool,
    ) -> Result<(Sentence, Value), Sentence> {
        let mut file = place.open()?;
        let kind = source::kind(&mut file)?;
        if owners && kind.format == Format::Plain {
            return Err(sentence!("action.sql_plain_owners"));
        }
        let note = Manifest::beside(place)?;
        // The file itself decides; a note that lies is found here and not half-way.
        let seen = Reading::start(file, kind, Vec::new()).seen().await?;
        if note.as_ref().is_some_and(|note| note.sha256 != seen.sha256) {
            return Err(sentence!("action.sql_other_note", file => place.shown()));
        }
        let file = place.shown();
        let digest = crate::domain::digest::short(&seen.sha256);
        let line = match there {
            true => sentence!("action.sql_restore", name, file, digest, bytes => seen.bytes),
            false => sentence!("action.sql_restore_new", name, file, digest, bytes => seen.bytes),
        };
        let exact = json!({
            "dir": place.dir.display().to_string(),
            "file": place.file,
            "sha256": seen.sha256,
            "bytes": seen.bytes,
            "format": kind.format,
            "gzip": kind.gzip,
            "owners": owners,
            "rows": note.map(|note| crate::domain::digest::of(&note.rows)),
        });
        Ok((line, exact))
    }

    /// Ends with the step's time, or when it is cancelled.
    async fn bounded<T>(&self, cx: &StepContext, work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(nothing(Fault::Failed(sentence!("action.cancelled")))),
            done = timeout(cx.timeout, work) => {
                done.unwrap_or_else(|_| Err(nothing(Fault::Failed(cx.not_finished()))))
            }
        }
    }

    async fn restore(&self, cx: &StepContext, place: &Place, owners: bool) -> Result<Report, Broken> {
        let begun = Instant::now();
        let name = self.name(&cx.tools).map_err(failed)?;
        let (filling, aside) = (names::filling(&name, &cx.idempotency_key), names::before(&name, &cx.idempotency_key));
        let mut ready = self.bounded(cx, self.prepare(cx, (place, owners), (&name, &filling, &aside))).await;
        if ready.is_ok() && cx.cancel.is_cancelled() {
            ready = Err(failed(sentence!("action.cancelled")));
        }
        // From here on it is a matter of seconds, and its end is waited for.
        let swapped = match ready {
            Err(broken) => Err(broken),
            Ok(ready) => {
                let names = Swap { name: &name, old: ready.old, aside: &aside, incoming: &filling, new: ready.new };
                let done = swap(cx, self.server(), &names).await;
                done.map(|ended| (ready, ended)).map_err(nothing)
            }
        };
        match swapped {
            Ok((ready, ended)) => Ok(ready.report(&name, &aside, ended, begun.elapsed().as_secs())),
            Err((facts, Fault::Failed(why))) => {
                server::tidy(cx, self.server(), &filling).await;
                Err((facts, Fault::Failed(sentence!("action.sql_not_restored", name, why))))
            }
            Err(lost) => Err(lost),
        }
    }

    /// Everything before the swap. Whatever happens in it, the database in service is as it was.
    async fn prepare(
        &self,
        cx: &StepContext,
        (place, owners): (&Place, bool),
        (name, filling, aside): (&str, &str, &str),
    ) -> Result<Ready, Broken> {
        let mut file = place.open().map_err(failed)?;
        let kind = source::kind(&mut file).map_err(failed)?;
        let again = |file: &std::fs::File| file.try_clone().map_err(|error| failed(Sentence::plain(error)));
        let seen = proof::prove(cx, again(&file)?, kind).await.map_err(failed)?;
        if cx.planned["sha256"] != json!(seen.sha256) {
            return Err(failed(sentence!("action.sql_other_file", file => place.shown())));
        }
        let note = Manifest::beside(place).map_err(failed)?;
        let rows = note.as_ref().map(|note| crate::domain::digest::of(&note.rows));
        if cx.planned["rows"] != json!(rows) {
            return Err(failed(sentence!("action.sql_other_note", file => place.shown())));
        }
        let mut admin = server::connect(&cx.tools, self.server()).await.map_err(failed)?;
        let old = server::find(&mut admin, name).await.map_err(failed)?;
        if cx.planned["oid"] != json!(old.as_ref().map(|old| old.oid)) {
            return Err(failed(sentence!("action.sql_other_database", name)));
        }
        if server::find(&mut admin, aside).await.map_err(failed)?.is_some() {
            return Err(failed(sentence!("action.sql_aside_taken", aside)));
        }
        // What an attempt of this step left that was killed.
        server::tidy(cx, self.server(), filling).await;
        server::create(&mut admin, filling, old.as_ref()).await.map_err(failed)?;
        fail::fail_point!("sql.created");
        let load = Load { secret: &self.secret, into: filling, owners, kind, seen: &seen };
        load::fill(cx, &load, again(&file)?).await.map_err(failed)?;
        fail::fail_point!("sql.filled");
        let found = load::count(cx, &load).await.map_err(failed)?;
        let compared = compare(note.as_ref(), &found)?;
        if let Some(old) = &old {
            server::settle(&mut admin, filling, old).await.map_err(failed)?;
        }
        fail::fail_point!("sql.compared");
        let new = server::find(&mut admin, filling).await.map_err(failed)?;
        let new = new.ok_or_else(|| failed(sentence!("action.sql_copy_gone", copy => filling)))?.oid;
        Ok(Ready { old: old.map(|old| old.oid), new, kind, rows: found, compared })
    }

    async fn swap_back(&self, cx: &StepContext, copy: &str) -> Result<Report, Broken> {
        let name = self.name(&cx.tools).map_err(failed)?;
        let aside = names::undone(&name, &cx.idempotency_key);
        let looked = async {
            let mut admin = server::connect(&cx.tools, self.server()).await.map_err(failed)?;
            let kept = self.kept(&mut admin, &name, copy).await.map_err(failed)?;
            let now = server::find(&mut admin, &name).await.map_err(failed)?.map(|now| now.oid);
            same(cx, ("oid", json!(now)), &name)?;
            same(cx, ("copy_oid", json!(kept.oid)), copy)?;
            Ok((now, kept.oid))
        };
        let (old, new) = self.bounded(cx, looked).await?;
        if cx.cancel.is_cancelled() {
            return Err(failed(sentence!("action.cancelled")));
        }
        let names = Swap { name: &name, old, aside: &aside, incoming: copy, new };
        let ended = swap(cx, self.server(), &names).await.map_err(nothing)?;
        let aside = old.map(|_| aside);
        let line =
            sentence!("action.sql_swapped_back", name => name.as_str(), aside => aside.clone().unwrap_or_default());
        Ok(Report::new(json!({ "database": name, "set_aside": aside, "sessions_ended": ended }), line))
    }

    async fn drop_copy(&self, cx: &StepContext, copy: &str, sent: &Sent) -> Result<Report, Broken> {
        let name = self.name(&cx.tools).map_err(failed)?;
        let mut admin = server::connect(&cx.tools, self.server()).await.map_err(failed)?;
        let kept = self.kept(&mut admin, &name, copy).await.map_err(failed)?;
        same(cx, ("copy_oid", json!(kept.oid)), copy)?;
        let size = "SELECT pg_database_size($1::bigint::oid)";
        let bytes: Result<i64, _> = sqlx::query_scalar(size).bind(kept.oid).fetch_one(&mut admin).await;
        let bytes = bytes.map_err(|error| failed(server::failed(error)))?;
        // Somebody who is connected with it may be saving something: that is an error here.
        sent.now();
        match server::discarded(&mut admin, copy).await {
            // It said that it did not.
            Err(error @ sqlx::Error::Database(_)) => {
                sent.over();
                return Err(failed(server::failed(error)));
            }
            answer => answer.map_err(|error| failed(server::failed(error)))?,
        }
        let line = sentence!("action.sql_copy_dropped", copy, bytes);
        Ok(Report::new(json!({ "dropped": copy, "bytes": bytes }), line))
    }
}

fn failed(why: Sentence) -> Broken {
    nothing(Fault::Failed(why))
}

/// Whether what is found is what was planned.
fn same(cx: &StepContext, (key, found): (&str, Value), name: &str) -> Result<(), Broken> {
    if cx.planned[key] == found { Ok(()) } else { Err(failed(sentence!("action.sql_other_database", name))) }
}

/// Holds what was restored against the backup's note, or at least against nothing at all.
fn compare(note: Option<&Manifest>, found: &Rows) -> Result<bool, Broken> {
    match note {
        None if found.is_empty() => Err(failed(sentence!("action.sql_no_tables"))),
        None => Ok(false),
        Some(note) => match manifest::differences(&note.rows, found) {
            differences if differences.is_empty() => Ok(true),
            differences => {
                let why = sentence!("action.sql_differs", count => differences.len());
                Err((json!({ "compared": true, "differences": differences }), Fault::Failed(why)))
            }
        },
    }
}

/// A database that is ready to take the old one's place.
struct Ready {
    old: Option<i64>,
    new: i64,
    kind: Kind,
    rows: Rows,
    compared: bool,
}

impl Ready {
    fn report(&self, name: &str, aside: &str, ended: usize, seconds: u64) -> Report {
        let copy = self.old.map(|_| aside);
        let mut facts: Map<String, Value> = [
            ("database", json!(name)),
            ("safety_copy", json!(copy)),
            ("sessions_ended", json!(ended)),
            ("format", json!(self.kind.format)),
            ("compared", json!(self.compared)),
            ("differences", json!([])),
            ("seconds", json!(seconds)),
        ]
        .map(|(name, fact)| (name.to_owned(), fact))
        .into_iter()
        .collect();
        facts.extend(manifest::facts(&self.rows).into_iter().map(|(name, fact)| (name.to_owned(), fact)));
        let (rows, tables) =
            (facts["rows_total"].as_i64().unwrap_or_default(), facts["tables"].as_i64().unwrap_or_default());
        let kept = copy.map_or_else(Sentence::default, |copy| sentence!("action.sql_kept", copy));
        let line = match self.compared {
            true => sentence!("action.sql_restored", name, rows, tables, kept),
            false => sentence!("action.sql_restored_unseen", name, rows, tables, kept),
        };
        Report::new(Value::Object(facts), line)
    }
}
