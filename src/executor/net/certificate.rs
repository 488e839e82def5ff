//! Reads certificates, valid or not. The only place that does. Knows nothing of connections.

use ring::digest::{SHA256, digest};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::clock::Timestamp;
use crate::domain::digest::hex;
use crate::domain::sentence::{Sentence, sentence};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// What a certificate says of itself.
pub(in crate::executor) struct Described {
    pub(in crate::executor) subject: String,
    pub(in crate::executor) issuer: String,
    /// The names and addresses that it is good for.
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    /// Whole days until it expires, rounded down; negative afterwards.
    pub(in crate::executor) days_left: i64,
    expired: bool,
    sha256: String,
}

impl Described {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is none.
    pub(in crate::executor) fn read(der: &[u8], now: Timestamp) -> Result<Self, Sentence> {
        let no = |error: x509_cert::der::Error| sentence!("action.http_bad_certificate", why => error.to_string());
        let tbs = Certificate::from_der(der).map_err(no)?.tbs_certificate;
        let moment = |time: x509_cert::time::Time| {
            Timestamp(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
        };
        let names = tbs.get::<SubjectAltName>().ok().flatten().map(|(_, names)| names.0).unwrap_or_default();
        let not_after = moment(tbs.validity.not_after);
        let left = not_after.0.saturating_sub(now.0);
        Ok(Self {
            subject: tbs.subject.to_string(),
            issuer: tbs.issuer.to_string(),
            names: names.iter().filter_map(name).collect(),
            not_before: moment(tbs.validity.not_before),
            not_after,
            days_left: left.div_euclid(DAY * 1000),
            expired: left < 0,
            sha256: hex(digest(&SHA256, der).as_ref()),
        })
    }

    /// As facts.
    pub(in crate::executor) fn facts(&self) -> Value {
        json!({
            "subject": self.subject,
            "issuer": self.issuer,
            "names": self.names,
            "not_before": self.not_before.to_string(),
            "not_after": self.not_after.to_string(),
            "days_left": self.days_left,
            "expired": self.expired,
            "sha256": self.sha256,
        })
    }

    /// As a row of a table.
    pub(in crate::executor) fn row(&self) -> Vec<String> {
        vec![self.subject.clone(), self.issuer.clone(), self.not_after.to_string(), self.days_left.to_string()]
    }
}

/// A name or an address; other kinds do not identify servers.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
            four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string())).ok()
        }
        _ => None,
    }
}

/// Whether a chain leads to an authority that is trusted, now; or why not, in words of the verifier.
pub(in crate::executor) fn chain(
    chain: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now: Timestamp,
) -> Result<(), String> {
    let (leaf, between) = chain.split_first().ok_or_else(|| CertificateError::BadEncoding.to_string())?;
    let provider = CryptoProvider::get_default().ok_or_else(|| "no TLS".to_owned())?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(|error| error.to_string())?;
    let now = UnixTime::since_unix_epoch(now.since(Timestamp(0)));
    let algorithms = provider.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&leaf, roots, between, now, algorithms).map_err(|error| error.to_string())
}

/// Whether a certificate is good for a host.
pub(in crate::executor) fn is_for(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let name = ServerName::try_from(host);
    let parsed = ParsedCertificate::try_from(leaf);
    name.is_ok_and(|name| parsed.is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok()))
}
