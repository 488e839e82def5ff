//! `file`: looks into files of this machine, and copies one where none is yet. Only inside the directory that the
//! runbook names. Knows nothing of what reads them.

mod copy;
mod env;
mod fields;
mod newest;
mod place;
mod search;

use async_trait::async_trait;
use serde_json::json;

pub use self::fields::Verb;
use self::fields::{Fields, File, Job};
use self::place::Place;
use super::attempt::{Fault, Sent, at_least, change};
use super::value::SecretText;
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "file",
    summary: "Looks into files: keys that are set, the newest, lines that match; copies one where none is yet.",
    example: "do: keys\ndir: /srv/shop\nname: .env\nkeys: [DATABASE_URL, ENCRYPTION_KEY]\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

#[async_trait]
impl Action for File {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(self.least(), declared)
    }

    fn secrets(&self) -> Vec<String> {
        match &self.job {
            Job::Equal { is, .. } => is.secret().map(str::to_owned).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let dir = self.dir.as_str();
        let (line, mut exact, of) = match &self.job {
            Job::Keys { name, keys, length, hex } => (
                sentence!("action.file_keys", keys => listed(keys), name),
                json!({ "do": "keys", "name": name, "keys": keys, "length": length, "hex": hex }),
                name,
            ),
            Job::Equal { name, key, is } => (
                sentence!("action.file_equal", key, name),
                json!({ "do": "equal", "name": name, "key": key, "is": is.shown() }),
                name,
            ),
            Job::Newest { pattern } => (
                sentence!("action.file_newest", pattern => pattern.as_str()),
                json!({ "do": "newest", "pattern": pattern.as_str() }),
                &String::new(),
            ),
            Job::Search { name, pattern, last, among } => {
                let pattern = pattern.as_ref().map(regex::Regex::as_str);
                let line = match pattern {
                    Some(pattern) => sentence!("action.file_search", name, pattern),
                    None => sentence!("action.file_tail", name, last => *last),
                };
                let exact = json!({ "do": "search", "name": name, "pattern": pattern, "last": last, "among": among });
                (line, exact, name)
            }
            Job::Copy { name, to } => {
                let copied = copy::plan(Place::new(dir), name, to).await?;
                (sentence!("action.file_copy", name, to), copied, to)
            }
            Job::Uncopy { name, to } => {
                (sentence!("action.file_uncopy", name, to), json!({ "do": "uncopy", "name": name, "to": to }), to)
            }
        };
        exact["dir"] = json!(dir);
        let target = Sentence::Plain(if of.is_empty() { dir.to_owned() } else { format!("{dir}/{of}") });
        Ok(Plan { action: SPEC.name.to_owned(), effect: self.least(), target, line, exact })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        let sent = Sent::default();
        change(cx, &sent, self.work(cx, &sent)).await
    }
}

impl File {
    fn least(&self) -> Effect {
        match self.job {
            Job::Copy { .. } | Job::Uncopy { .. } => Effect::Change,
            _ => Effect::Read,
        }
    }

    /// Files are read and written on a thread of their own: a disk that hangs must not hold up others.
    async fn work(&self, cx: &StepContext, sent: &Sent) -> Result<Report, Fault> {
        let place = Place::new(&self.dir);
        match &self.job {
            Job::Copy { name, to } => {
                sent.now();
                let (name, to, planned) = (name.clone(), to.clone(), cx.planned.clone());
                aside(move || copy::run(&place, (&name, &to), &planned)).await
            }
            Job::Uncopy { name, to } => {
                sent.now();
                let (name, to) = (name.clone(), to.clone());
                aside(move || copy::take_back(&place, &name, &to)).await
            }
            Job::Keys { name, keys, length, hex } => {
                let (name, keys, shape) = (name.clone(), keys.clone(), env::Shape { length: *length, hex: *hex });
                aside(move || env::keys(&place, &name, &keys, shape)).await
            }
            Job::Equal { name, key, is } => {
                let (name, key, is) = (name.clone(), key.clone(), self.expected(is, cx)?);
                aside(move || env::equal(&place, &name, &key, &is)).await
            }
            Job::Newest { pattern } => {
                let (pattern, now) = (pattern.clone(), cx.started_at);
                aside(move || newest::report(&place, &pattern, now)).await
            }
            Job::Search { name, pattern, last, among } => {
                search::report(&place, name, (pattern.as_ref(), *last, *among), cx).await
            }
        }
    }

    fn expected(&self, is: &SecretText, cx: &StepContext) -> Result<crate::secret::Secret, Sentence> {
        is.reveal(&cx.tools).map(crate::secret::Secret::new)
    }
}

async fn aside(work: impl FnOnce() -> Result<Report, Sentence> + Send + 'static) -> Result<Report, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Fault::Lost(Sentence::plain(error)))?.map_err(Fault::Failed)
}
