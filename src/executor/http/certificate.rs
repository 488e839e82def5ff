//! A look at the certificate that a server shows, whether it is valid or not: nothing is sent. Knows nothing of
//! HTTP.

use std::sync::Arc;

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::der::Decode as _;

use super::client::{CONNECT, lookup};
use crate::clock::Timestamp;
use crate::domain::sentence::{Sentence, sentence};

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// What the server's own certificate says: `days_left` (negative once it has expired), `not_after`, `subject`,
/// `issuer`.
///
/// # Errors
/// When the server cannot be reached or shows no certificate.
pub(super) async fn look(url: &Url, now: Timestamp) -> Result<Value, Sentence> {
    let der = tokio::time::timeout(CONNECT, handshake(url))
        .await
        .map_err(|_| sentence!("action.http_no_handshake", seconds => CONNECT.as_secs()))??;
    describe(&der, now)
}

async fn handshake(url: &Url) -> Result<CertificateDer<'static>, Sentence> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let addresses = lookup(&host, url.port_or_known_default().unwrap_or(443)).await?;
    let provider = CryptoProvider::get_default().ok_or_else(|| sentence!("action.http_no_tls"))?;
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider.signature_verification_algorithms)))
        .with_no_client_auth();
    let name = ServerName::try_from(host).map_err(broken)?;
    let stream = TcpStream::connect(addresses.as_slice()).await.map_err(broken)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(broken)?;
    let (_, connection) = stream.get_ref();
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    shown.map(|leaf| leaf.clone().into_owned()).ok_or_else(|| sentence!("action.http_no_certificate"))
}

fn broken(why: impl std::fmt::Display) -> Sentence {
    sentence!("action.http_not_reached", why => why.to_string())
}

fn describe(der: &[u8], now: Timestamp) -> Result<Value, Sentence> {
    let certificate = x509_cert::Certificate::from_der(der)
        .map_err(|error| sentence!("action.http_bad_certificate", why => error.to_string()))?;
    let tbs = &certificate.tbs_certificate;
    let not_after = i64::try_from(tbs.validity.not_after.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Ok(json!({
        "days_left": (not_after - now.0.div_euclid(1000)).div_euclid(DAY),
        "not_after": Timestamp(not_after.saturating_mul(1000)).to_string(),
        "subject": tbs.subject.to_string(),
        "issuer": tbs.issuer.to_string(),
    }))
}

/// Takes every certificate, to be read and not to be trusted; that the server holds its key is still checked.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
