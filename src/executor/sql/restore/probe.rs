//! `sql_restore`, after an attempt whose end nobody heard: which database has the name now. Two renames in one
//! transaction either came about or did not, so that this proves it. Only looks.

use serde_json::json;
use sqlx::PgConnection;

use super::fields::Job;
use super::{Manifest, Restore, manifest, names, server};
use crate::domain::digest;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::sql::dump::place::Place;
use crate::executor::{Probe, StepContext};

impl Restore {
    /// What became of an attempt.
    pub(super) async fn look_back(&self, cx: &StepContext) -> Probe {
        let look = async {
            let name = self.name(&cx.tools)?;
            let mut admin = server::connect(&cx.tools, self.server()).await?;
            let now = oid(&mut admin, &name).await?;
            let before = cx.planned["oid"].as_i64();
            match &self.job {
                Job::Restore { place, .. } => {
                    let aside = names::before(&name, &cx.idempotency_key);
                    let kept = oid(&mut admin, &aside).await?;
                    if now.is_none() || now == before || kept != before {
                        let filling = names::filling(&name, &cx.idempotency_key);
                        let half = oid(&mut admin, &filling).await?.map(|_| filling).unwrap_or_default();
                        let is = sentence!("action.sql_in_service_before", name => &name, half);
                        return Ok(if now == before { Probe::Seen(is) } else { self.other(&name) });
                    }
                    Ok(Probe::happened(restored(cx, &name, before.map(|_| aside.as_str()), place)))
                }
                Job::SwapBack { copy } => {
                    if now.is_none() || now != cx.planned["copy_oid"].as_i64() {
                        let is = sentence!("action.sql_in_service_before", name => &name, half => "");
                        return Ok(if now == before { Probe::Seen(is) } else { self.other(&name) });
                    }
                    let aside = before.map(|_| names::undone(&name, &cx.idempotency_key));
                    let facts = json!({ "database": name, "set_aside": aside, "was": copy });
                    let aside = aside.unwrap_or_default();
                    Ok(Probe::happened(Report::new(facts, sentence!("action.sql_swapped_back", name, aside))))
                }
                Job::DropCopy { copy } => Ok(match oid(&mut admin, copy).await? {
                    Some(_) => Probe::Seen(sentence!("action.sql_copy_there", copy)),
                    None => {
                        let line = sentence!("action.sql_copy_not_there", copy);
                        Probe::happened(Report::new(json!({ "dropped": copy }), line))
                    }
                }),
            }
        };
        look.await.unwrap_or_else(Probe::Seen)
    }

    fn other(&self, name: &str) -> Probe {
        Probe::Seen(sentence!("action.sql_other_database", name))
    }
}

/// What is known of a restore whose swap came about: it was compared with the backup's note before, where there was one.
fn restored(cx: &StepContext, name: &str, kept: Option<&str>, place: &Place) -> Report {
    let mut facts = json!({
        "database": name, "safety_copy": kept, "format": cx.planned["format"], "compared": !cx.planned["rows"].is_null(),
        "differences": [],
    });
    let note = Manifest::beside(place).ok().flatten();
    let note = note.filter(|note| cx.planned["rows"] == json!(digest::of(&note.rows)));
    let counted = note.map(|note| manifest::facts(&note.rows)).unwrap_or_default();
    counted.into_iter().for_each(|(fact, value)| facts[fact] = value);
    let kept = kept.map_or_else(Sentence::default, |copy| sentence!("action.sql_kept", copy));
    Report::new(facts, sentence!("action.sql_swapped_in", name, kept))
}

async fn oid(admin: &mut PgConnection, name: &str) -> Result<Option<i64>, Sentence> {
    Ok(server::find(admin, name).await?.map(|found| found.oid))
}
