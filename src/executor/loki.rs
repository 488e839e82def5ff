//! `loki`: log lines that a LogQL query finds. Nothing here changes anything.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{at_least, look};
use super::http::api::Server;
use super::output::{Pipe, Recorder, beginning};
use super::value::{SecretText, Span, Text};
use super::{Action, ActionSpec, StepContext, Tools, quoted, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "loki",
    summary: "Reads the log lines that a LogQL query finds in a Loki.",
    example: "server: http://loki:3100\nquery: '{service=$service} |= \"ERROR\"'\nvalues: {service: api}\nsince: 15m\n",
    schema: schema_of::<Fields>,
    parse: |with| Ok(Box::new(read::<Fields>(with)?.check()?)),
};

/// Lines that are read where nothing is said.
const LIMIT: u32 = 100;
/// Most that may be asked for.
const MOST: u32 = 1000;
/// Bytes of one line that are kept.
const LINE: usize = 4 * 1024;
/// Bytes of all lines that are facts.
const ALL: usize = 64 * 1024;

/// A look into a Loki. Facts: `lines` (the newest, oldest of them first), `count` (of them), `streams`, `truncated`
/// (whether there may be more).
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Its address, as in `http://loki:3100`.
    server: Text,
    /// Headers to send, as in `{X-Scope-OrgID: shop}`.
    #[serde(default)]
    headers: BTreeMap<String, SecretText>,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// LogQL that finds lines. Takes no placeholder: `$name` stands for one of `values`, as a quoted string.
    #[schemars(extend("x-literal" = true))]
    query: String,
    /// The values of `$name`s in the query.
    #[serde(default)]
    values: BTreeMap<String, Text>,
    /// How far back, as in `15m`. One hour without.
    #[serde(default)]
    since: Option<Span>,
    /// How many lines, the newest. 100 without.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

/// A look that fits together.
struct Loki {
    server: Server,
    query: String,
    /// Seconds.
    since: u64,
    limit: u32,
}

impl Fields {
    fn check(self) -> Result<Loki, Sentence> {
        let server = Server { url: self.server, headers: self.headers, authority: self.authority };
        server.check()?;
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(sentence!("action.limit", field => "limit", most => MOST));
        }
        let query = quoted::fill(&self.query, &self.values)?;
        Ok(Loki { server, query, since: self.since.as_ref().map_or(Ok(3600), Span::seconds)?.max(1), limit })
    }
}

#[async_trait]
impl Action for Loki {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    fn secrets(&self) -> Vec<String> {
        self.server.secrets()
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let query = self.query.as_str();
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: sentence!("action.loki_server", host => self.server.host()?),
            line: sentence!("action.loki", query, seconds => self.since),
            exact: json!({
                "server": self.server.exact(), "query": query, "since": self.since, "limit": self.limit,
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, self.report(cx)).await
    }
}

impl Loki {
    async fn report(&self, cx: &StepContext) -> Result<Report, Sentence> {
        // Without an end it is the server's own now: ours may be behind its newest line.
        let start = cx.started_at.before(std::time::Duration::from_secs(self.since));
        let query = [
            ("query", self.query.clone()),
            ("start", (i128::from(start.0) * 1_000_000).to_string()),
            ("limit", self.limit.to_string()),
            ("direction", "backward".to_owned()),
        ];
        let found = self.server.get(cx, "/loki/api/v1/query_range", &query).await?.good()?;
        let data = &found["data"];
        let streams = match (data["resultType"].as_str(), data["result"].as_array()) {
            (Some("streams"), Some(streams)) => streams,
            (Some("matrix" | "vector"), _) => return Err(sentence!("action.loki_numbers")),
            _ => return Err(sentence!("action.api_odd")),
        };
        let mut lines: Vec<(i64, String)> =
            streams.iter().filter_map(|stream| stream["values"].as_array()).flatten().filter_map(entry).collect();
        // The newest are kept, whichever stream they are of.
        lines.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let (found, mut bytes, mut kept) = (lines.len(), 0, Vec::new());
        for (_, line) in lines.into_iter().take(self.limit as usize) {
            let line = cx.tools.redactor.text(&line);
            let line = beginning(&line, LINE).to_owned();
            bytes += line.len();
            if bytes > ALL {
                break;
            }
            kept.push(line);
        }
        kept.reverse();
        let mut recorder = Recorder::watched(cx, 0);
        for line in &kept {
            recorder.push(Pipe::Out, line.as_bytes());
            recorder.push(Pipe::Out, b"\n");
        }
        let truncated = found >= self.limit as usize || kept.len() < found;
        let count = kept.len();
        let line = match truncated {
            true => sentence!("action.loki_newest", count),
            false => sentence!("action.loki_lines", count),
        };
        let facts = json!({ "lines": kept, "count": count, "streams": streams.len(), "truncated": truncated });
        let output = (count > 0).then(|| recorder.finish().output);
        Ok(Report { output, ..Report::new(facts, line) })
    }
}

/// A line and its moment, of `["nanoseconds", "line"]`.
fn entry(value: &Value) -> Option<(i64, String)> {
    Some((value[0].as_str()?.parse().ok()?, value[1].as_str()?.to_owned()))
}
