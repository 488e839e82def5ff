//! `tcp`: whether a port can be reached. A connection is opened and closed; nothing is sent.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::attempt::{at_least, look};
use super::net::{Endpoint, connect};
use super::value::{Span, Text};
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "tcp",
    summary: "Whether a port can be reached in time; fails when it cannot.",
    example: "server: db.internal:5432\nwithin: 3s\n",
    schema: schema_of::<Fields>,
    parse: |with| {
        let fields: Fields = read(with)?;
        let within = fields.within.as_ref().map_or(Ok(WITHIN), Span::seconds)?;
        if !(1..=WITHIN).contains(&within) {
            return Err(sentence!("action.tcp_within", most => WITHIN));
        }
        Ok(Box::new(Tcp { server: fields.server, within }))
    },
};

/// Seconds that it is tried where nothing is said, and at most.
const WITHIN: u64 = 10;

/// A port to reach. Facts: `open` (true; otherwise the step has failed), `ms`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Host and port, as in `db.internal:5432`.
    server: Text,
    /// How long to try, at most 10s, as without.
    #[serde(default)]
    within: Option<Span>,
}

/// The same as understood, in seconds.
struct Tcp {
    server: Text,
    within: u64,
}

#[async_trait]
impl Action for Tcp {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let server = Endpoint::read(&self.server.0, None)?.to_string();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: Sentence::plain(&server),
            line: sentence!("action.tcp", server => &server),
            exact: json!({ "server": server, "within": self.within }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, async {
            let to = Endpoint::read(&self.server.0, None)?;
            let start = Instant::now();
            let opened = tokio::time::timeout(Duration::from_secs(self.within), connect(&to)).await;
            opened.map_err(|_| sentence!("action.net_slow", server => to.to_string(), seconds => self.within))??;
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(Report::new(json!({ "open": true, "ms": ms }), sentence!("action.tcp_open", ms)))
        })
        .await
    }
}
