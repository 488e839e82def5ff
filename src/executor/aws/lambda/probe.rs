//! `lambda`, after an attempt whose end nobody heard: what the function is now tells whether it came about. Only looks.

use aws_sdk_lambda::Client;
use serde_json::{Map, Value, json};

use super::fields::{Job, Step};
use super::{Fault, change, look, looking, shift};
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::Report;
use crate::executor::{Probe, StepContext};

impl Step {
    /// Whether the world shows what an attempt did.
    pub(super) fn shows(&self) -> bool {
        matches!(self.job, Job::Shift { .. } | Job::UpdateCode { .. } | Job::Concurrency { .. })
    }

    /// What became of an attempt that was planned with what was there before it.
    pub(super) async fn look_back(&self, cx: &StepContext) -> Probe {
        let look = async {
            let client = Client::new(&self.place.caller(&cx.tools).await?.sdk);
            let before = &cx.planned["now"];
            match &self.job {
                Job::Shift { alias, version, percent, .. } => {
                    self.shifted(&client, (alias, version, *percent), before).await
                }
                Job::UpdateCode { publish, .. } => self.coded(&client, *publish, before).await,
                Job::Concurrency { reserved } => self.reserved(&client, *reserved, before).await,
                _ => Ok(Probe::Seen(Sentence::default())),
            }
        };
        look.await.unwrap_or_else(|fault| Probe::Seen(fault.said()))
    }

    async fn shifted(
        &self,
        client: &Client,
        (alias, version, percent): (&str, &str, Option<u8>),
        before: &Value,
    ) -> Result<Probe, Fault> {
        let now = look::alias(client, &self.function, alias).await?;
        let from = before["version"].as_str().unwrap_or_default();
        let (all, weights) = shift::target(from, version, percent);
        if now["version"] == all && now["weights"] == json!(weights) {
            let facts = json!({ "before": from, "after": all, "revision": now["revision"] });
            return Ok(Probe::happened(Report::new(facts, shift::said(alias, from, version, percent))));
        }
        let is = now["version"].as_str().unwrap_or_default();
        let leads = match now["weights"].as_object().is_none_or(Map::is_empty) {
            true => sentence!("aws.lambda_leads", alias, version => is),
            false => sentence!("aws.lambda_leads_partly", alias, version => is, weights => now["weights"].to_string()),
        };
        let same = now["version"] == before["version"] && now["weights"] == before["weights"];
        Ok(Probe::seen(leads, same))
    }

    async fn coded(&self, client: &Client, publish: bool, before: &Value) -> Result<Probe, Fault> {
        let function = self.function.as_str();
        let found = looking(|| client.get_function_configuration().function_name(function).send()).await?;
        let code = found.code_sha256().unwrap_or_default();
        let sha256 = look::digest(code).unwrap_or_default();
        if before["file"]["sha256"] != sha256 {
            let same = before["function"]["code_sha256"] == code;
            let has = sentence!("aws.lambda_has_code", function, digest => sha256.get(..12).unwrap_or_default());
            return Ok(Probe::seen(has, same));
        }
        change::settled(client, function).await?;
        let old = before["function"]["code_sha256"].clone();
        let mut facts = json!({
            "before": old, "before_sha256": old.as_str().and_then(look::digest), "sha256": sha256, "after": code,
        });
        if !publish {
            return Ok(Probe::happened(Report::new(facts, sentence!("aws.lambda_new_code", function))));
        }
        Ok(match look::version_with(client, function, code).await? {
            Some(version) => {
                facts["version"] = json!(version);
                Probe::happened(Report::new(facts, sentence!("aws.lambda_published", function, version)))
            }
            None => Probe::Seen(sentence!("aws.lambda_not_published", function)),
        })
    }

    async fn reserved(&self, client: &Client, wanted: Option<i32>, before: &Value) -> Result<Probe, Fault> {
        let function = self.function.as_str();
        let now = look::reserved(client, function).await?["reserved"].take();
        let after = wanted.map_or_else(|| json!("none"), |number| json!(number));
        if now == after {
            let facts = json!({ "before": before["reserved"], "after": after });
            return Ok(Probe::happened(Report::new(facts, change::reserved_said(function, wanted))));
        }
        let is = change::reserved_said(function, now.as_i64().and_then(|number| i32::try_from(number).ok()));
        Ok(Probe::seen(is, now == before["reserved"]))
    }
}
