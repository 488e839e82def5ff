//! `tls`: looks at certificates, those that a server shows or those of a file: how long they last, for whom they are
//! good, whether their chain is trusted. Nothing is sent.

use async_trait::async_trait;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::attempt::{at_least, look};
use super::net::certificate::{self, Described};
use super::net::{Endpoint, handshake, trust};
use super::value::Text;
use super::{Action, ActionSpec, StepContext, Tools, read, schema_of};
use crate::domain::figure::Grid;
use crate::domain::plan::Plan;
use crate::domain::runbook::Effect;
use crate::domain::sentence::{Sentence, sentence};
use crate::domain::step::{Outcome, Report};

/// Its row in the table.
pub(super) const SPEC: ActionSpec = ActionSpec {
    name: "tls",
    summary: "Looks at the certificates of a server or a file: days left, names, whether they are trusted.",
    example: "server: shop.example.com:443\n",
    schema: schema_of::<Tls>,
    parse: |with| {
        let tls: Tls = read(with)?;
        tls.check()?;
        Ok(Box::new(tls))
    },
};

/// Port of a server where none is said.
const HTTPS: u16 = 443;
/// Certificates of a chain that are read.
const CHAIN: usize = 10;

/// Certificates of a server or of a file. Facts, of the server's own or the file's first one: `days_left` (whole days,
/// negative once it has expired), `expired`, `not_before`, `not_after`, `subject`, `issuer`, `names` (what it is good
/// for), `sha256`. Of all of them: `chain` (the same fields), `least_days_left`, `chain_ok` and `chain_why`,
/// `hostname_ok`, `protocol`, and with a client's certificate `client_accepted` and `client_why`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tls {
    /// A server, as in `shop.example.com` or `10.0.0.7:8443`. Port 443 without.
    #[serde(default)]
    server: Option<Text>,
    /// Instead of a server: a PEM file, an absolute path.
    #[serde(default)]
    file: Option<Text>,
    /// The name to ask for and to judge by. The server's without.
    #[serde(default)]
    name: Option<Text>,
    /// A PEM file with further certificate authorities to trust, an absolute path.
    #[serde(default)]
    authority: Option<Text>,
    /// A PEM file with a certificate to show to the server, an absolute path; with `client_key`.
    #[serde(default)]
    client_certificate: Option<Text>,
    /// The PEM file with its key.
    #[serde(default)]
    client_key: Option<Text>,
}

#[async_trait]
impl Action for Tls {
    fn effect(&self, declared: Option<Effect>) -> Result<Effect, Sentence> {
        at_least(Effect::Read, declared)
    }

    async fn plan(&self, _tools: &Tools) -> Result<Plan, Sentence> {
        let path = |path: &Option<Text>| path.as_ref().map(|path| path.0.clone());
        let of = match &self.server {
            Some(server) => Endpoint::read(&server.0, Some(HTTPS))?.to_string(),
            None => path(&self.file).unwrap_or_default(),
        };
        Ok(Plan {
            action: SPEC.name.to_owned(),
            effect: Effect::Read,
            target: Sentence::plain(&of),
            line: sentence!("action.tls", of),
            exact: json!({
                "server": path(&self.server), "file": path(&self.file), "name": path(&self.name),
                "authority": path(&self.authority), "client_certificate": path(&self.client_certificate),
                "client_key": path(&self.client_key),
            }),
        })
    }

    async fn run(&self, cx: &StepContext) -> Outcome {
        look(cx, self.report(cx)).await
    }
}

impl Tls {
    fn check(&self) -> Result<(), Sentence> {
        match (&self.server, &self.file) {
            (Some(_), None) if self.client_certificate.is_some() != self.client_key.is_some() => {
                Err(sentence!("action.tls_half_identity"))
            }
            (Some(_), None) => Ok(()),
            (None, Some(_)) if self.client_certificate.is_some() || self.client_key.is_some() => {
                Err(sentence!("action.tls_file_client"))
            }
            (None, Some(_)) => Ok(()),
            _ => Err(sentence!("action.tls_one_of")),
        }
    }

    async fn report(&self, cx: &StepContext) -> Result<Report, Sentence> {
        let (chain, mut extra, name) = match (&self.server, &self.file) {
            (Some(Text(server)), _) => self.of_server(server).await?,
            (None, Some(Text(file))) => (of_file(file).await?, json!({}), self.name.clone().map(|name| name.0)),
            (None, None) => return Err(sentence!("action.tls_one_of")),
        };
        let described: Vec<Described> =
            chain.iter().take(CHAIN).map(|der| Described::read(der, cx.started_at)).collect::<Result<_, _>>()?;
        let first = described.first().ok_or_else(|| sentence!("action.http_no_certificate"))?;
        let authority = trust::authority(self.authority.as_ref()).await?.unwrap_or_default();
        let judged = certificate::chain(&chain, &trust::roots(&authority)?, cx.started_at);
        let mut facts = first.facts();
        facts["chain"] = described.iter().map(Described::facts).collect();
        facts["least_days_left"] = json!(described.iter().map(|one| one.days_left).min());
        facts["chain_ok"] = json!(judged.is_ok());
        if let Err(why) = judged {
            facts["chain_why"] = json!(why);
        }
        if let Some(name) = name {
            facts["hostname_ok"] = json!(certificate::is_for(&chain[0], &name));
        }
        if let (Some(facts), Some(extra)) = (facts.as_object_mut(), extra.as_object_mut()) {
            facts.append(extra);
        }
        let columns = ["action.tls_subject", "action.tls_issuer", "action.tls_not_after", "action.tls_days"];
        let line = match first.days_left {
            days @ 0.. => sentence!("action.tls_lasts", days),
            days => sentence!("action.tls_expired", days => -days),
        };
        Ok(Report {
            table: Some(Grid::new(columns.map(Sentence::new).into(), described.iter().map(Described::row))),
            ..Report::new(facts, line)
        })
    }

    async fn of_server(&self, server: &str) -> Result<Found, Sentence> {
        let to = Endpoint::read(server, Some(HTTPS))?;
        let name = self.name.clone().map_or_else(|| to.host.clone(), |name| name.0);
        let identity = trust::identity(self.client_certificate.as_ref(), self.client_key.as_ref()).await?;
        let introduces = identity.is_some();
        let shown = handshake::look(&to, &name, identity).await?;
        let mut extra = json!({ "protocol": shown.protocol });
        match shown.refused {
            Some(why) if introduces => {
                extra["client_accepted"] = json!(false);
                extra["client_why"] = json!(why);
            }
            None if introduces => extra["client_accepted"] = json!(true),
            _ => {}
        }
        Ok((shown.chain, extra, Some(name)))
    }
}

/// Certificates, facts about the connection, and the name to judge by.
type Found = (Vec<CertificateDer<'static>>, Value, Option<String>);

async fn of_file(path: &str) -> Result<Vec<CertificateDer<'static>>, Sentence> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&trust::file(path).await?).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| sentence!("action.tls_no_certificate_in", path))
}
