//! `sql_maintain`, after an attempt whose end nobody heard: whether the index is there, or the session gone. Only looks.

use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::fields::{Job, Verb};
use super::{Maintain, SESSION, relation, told, tools};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::{Probe, StepContext};

impl Maintain {
    /// Whether the world shows what an attempt did.
    pub(super) fn shows(&self) -> bool {
        matches!(self.verb, Verb::CreateIndex | Verb::DropIndex | Verb::Terminate)
    }

    /// What became of an attempt.
    pub(super) async fn look_back(&self, cx: &StepContext) -> Probe {
        let look = async {
            let options = tools::options(&cx.tools, &self.secret)?;
            let mut connection = PgConnection::connect_with(&options).await.map_err(told)?;
            let found = &cx.planned["found"];
            match &self.job {
                Job::CreateIndex { index, .. } => self.built(&mut connection, index, found).await,
                Job::DropIndex { index } => self.dropped(&mut connection, index).await,
                Job::Session { pid } => self.ended(&mut connection, *pid, found).await,
                _ => Ok(Probe::Seen(Sentence::default())),
            }
        };
        look.await.unwrap_or_else(Probe::Seen)
    }

    async fn built(&self, connection: &mut PgConnection, index: &str, found: &Value) -> Result<Probe, Sentence> {
        let there = relation(connection, &self.schema, index).await.map_err(told)?;
        Ok(match there {
            Some(there) if there.valid && found["table"] == there.table => {
                let bytes = self.bytes(connection).await.map_err(told)?;
                let facts = json!({ "index": index, "valid": true, "bytes": bytes });
                let line = sentence!("action.sql_index_made", index, bytes => bytes.unwrap_or(0));
                Probe::happened(Report::new(facts, line))
            }
            Some(there) if there.valid => Probe::Seen(sentence!("action.sql_index_there", index)),
            Some(_) => Probe::Seen(sentence!("action.sql_index_unfinished", index)),
            None => Probe::Seen(sentence!("action.sql_no_index", schema => &self.schema, index)),
        })
    }

    async fn dropped(&self, connection: &mut PgConnection, index: &str) -> Result<Probe, Sentence> {
        Ok(match relation(connection, &self.schema, index).await.map_err(told)? {
            Some(there) if there.valid => Probe::Seen(sentence!("action.sql_index_as_before", index)),
            Some(_) => Probe::Seen(sentence!("action.sql_index_half_dropped", index)),
            None => {
                let facts = json!({ "index": index, "dropped": true });
                Probe::happened(Report::new(facts, sentence!("action.sql_index_dropped", index)))
            }
        })
    }

    async fn ended(&self, connection: &mut PgConnection, pid: i32, found: &Value) -> Result<Probe, Sentence> {
        let row = sqlx::query(SESSION).bind(pid).fetch_optional(connection).await.map_err(told)?;
        let since = row.and_then(|row| row.try_get::<String, _>(0).ok());
        // The same number may be another session by now.
        Ok(match since.is_some_and(|since| found["since"] == since) {
            true => Probe::Seen(sentence!("action.sql_not_ended", pid)),
            false => {
                let facts = json!({ "pid": pid, "ended": true });
                Probe::happened(Report::new(facts, sentence!("action.sql_ended", pid)))
            }
        })
    }
}
