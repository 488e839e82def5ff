//! `dns`: what a name leads to, by this machine's resolver or by a given server. Nothing is remembered between two
//! looks.

use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use serde::Deserialize;
use serde_json::json;

use super::attempt::{at_least, look};
use super::net::{Endpoint, lookup};
use super::value::Text;
use super::{Action, ActionSpec, StepContext, Tools, listed, read, schema_of};
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};
use crate::domain::text_enum;

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "dns",
    summary: "Asks the DNS what a name leads to.",
    example: "name: shop.example.com\ntype: cname\n",
    schema: schema_of::<Dns>,
    parse: |with| Ok(Box::new(read::<Dns>(with)?)),
};

/// How long one server is waited for; it is asked twice.
const ANSWER: Duration = Duration::from_secs(3);
/// Records that are facts.
const RECORDS: usize = 100;

text_enum! {
    /// A kind of record.
    Kind {
        /// IPv4 addresses.
        A = "a",
        /// IPv6 addresses.
        Aaaa = "aaaa",
        /// The name that it stands for.
        Cname = "cname",
        /// Texts.
        Txt = "txt",
        /// Mail servers.
        Mx = "mx",
        /// Name servers.
        Ns = "ns",
    }
}

/// A question to the DNS. Facts: `records` (texts, sorted), `count`, `found`. A name that does not exist is an answer:
/// no records.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Dns {
    /// The whole name, as in `shop.example.com`.
    name: Text,
    /// Which records. `a` without.
    #[serde(default = "address")]
    r#type: Kind,
    /// The server to ask, as in `10.0.0.2`. This machine's own without.
    #[serde(default)]
    server: Option<Text>,
}

fn address() -> Kind {
    Kind::A
}

#[async_trait]
impl Action for Dns {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let server = self.server.as_ref().map(|server| Endpoint::read(&server.0, Some(53))).transpose()?;
        let (kind, name) = (self.r#type.as_str().to_uppercase(), self.name.0.as_str());
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: Sentence::plain(name),
            line: sentence!("action.dns", kind, name),
            exact: json!({ "name": name, "type": self.r#type, "server": server.map(|server| server.to_string()) }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, self.report()).await
    }
}

impl Dns {
    async fn report(&self) -> Result<Report, Sentence> {
        let says = |why: String| sentence!("action.dns_no_answer", name => &self.name.0, why);
        let resolver = self.resolver().await?;
        let kind = match self.r#type {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Cname => RecordType::CNAME,
            Kind::Txt => RecordType::TXT,
            Kind::Mx => RecordType::MX,
            Kind::Ns => RecordType::NS,
        };
        // With the dot at its end, no domain of this machine is tried behind it.
        let name = format!("{}.", self.name.0.trim_end_matches('.'));
        let mut records: Vec<String> = match resolver.lookup(name, kind).await {
            Ok(found) => {
                let answers = found.answers().iter().filter(|record| record.record_type() == kind);
                answers.take(RECORDS).map(|record| record.data.to_string()).collect()
            }
            Err(error) if error.is_no_records_found() => Vec::new(),
            Err(error) => return Err(says(error.to_string())),
        };
        records.sort();
        let count = records.len();
        let line = match count {
            0 => sentence!("action.dns_nothing", name => &self.name.0),
            _ => Sentence::Plain(listed(&records)),
        };
        Ok(Report::new(json!({ "records": records, "count": count, "found": count > 0 }), line))
    }

    async fn resolver(&self) -> Result<TokioResolver, Sentence> {
        let says = |why: String| sentence!("action.dns_no_resolver", why);
        let mut builder = match &self.server {
            None => TokioResolver::builder_tokio().map_err(|error| says(error.to_string()))?,
            Some(Text(server)) => {
                let to = Endpoint::read(server, Some(53))?;
                let found = lookup(&to.host, to.port).await?;
                let address = found.first().ok_or_else(|| says(to.to_string()))?;
                let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|connection| connection.port = to.port);
                let server = NameServerConfig::new(address.ip(), true, connections.into());
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        limit(builder.options_mut());
        builder.build().map_err(|error| says(error.to_string()))
    }
}

fn limit(options: &mut ResolverOpts) {
    options.timeout = ANSWER;
    options.attempts = 2;
    options.cache_size = 0;
}
