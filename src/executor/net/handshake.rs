//! A look at the certificates that a server shows, whether they are valid or not: nothing is sent. Knows nothing of
//! what is spoken afterwards.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsConnector;

use super::trust::{Identity, unfit};
use super::{CONNECT, Endpoint, connect, slow};
use crate::domain::sentence::{Sentence, sentence};

/// How long a server has to object to a client's certificate: TLS 1.3 lets it do so after the handshake.
const OBJECTION: Duration = Duration::from_secs(2);

/// What a server showed.
pub(in crate::executor) struct Shown {
    /// Its certificates, its own first; at least one.
    pub(in crate::executor) chain: Vec<CertificateDer<'static>>,
    /// As in `TLSv1_3`.
    pub(in crate::executor) protocol: String,
    /// Why it did not let us in, if it did not.
    pub(in crate::executor) refused: Option<String>,
}

/// Shakes hands with a server under this name, as this client if there is an identity.
///
/// # Errors
/// When it cannot be reached within ten seconds, or shows no certificate.
pub(in crate::executor) async fn look(
    to: &Endpoint,
    name: &str,
    identity: Option<Identity>,
) -> Result<Shown, Sentence> {
    let provider = CryptoProvider::get_default().ok_or_else(|| sentence!("action.http_no_tls"))?;
    let verifier = Arc::new(Any { algorithms: provider.signature_verification_algorithms, seen: Mutex::default() });
    let config = ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier.clone());
    let introduces = identity.is_some();
    let config = match identity {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(|error| unfit(&error))?,
        None => config.with_no_client_auth(),
    };
    let server = ServerName::try_from(name.to_owned()).map_err(|_| sentence!("action.tls_no_name", name))?;
    let stream = connect(to).await?;
    let shaken = tokio::time::timeout(CONNECT, TlsConnector::from(Arc::new(config)).connect(server, stream)).await;
    let (protocol, refused) = match shaken.map_err(|_| slow(to))? {
        Ok(mut stream) => {
            let protocol = stream.get_ref().1.protocol_version();
            let protocol = protocol.map(|version| format!("{version:?}")).unwrap_or_default();
            let mut byte = [0];
            let objection = match introduces {
                true => tokio::time::timeout(OBJECTION, stream.read(&mut byte)).await,
                false => Ok(Ok(0)),
            };
            (protocol, objection.ok().and_then(Result::err).map(|error| error.to_string()))
        }
        Err(error) => (String::new(), Some(error.to_string())),
    };
    let chain = std::mem::take(&mut *verifier.seen.lock().unwrap_or_else(PoisonError::into_inner));
    if chain.is_empty() {
        let why = refused.map_or_else(|| sentence!("action.http_no_certificate"), Sentence::Plain);
        return Err(sentence!("action.net_not_reached", server => to.to_string(), why));
    }
    Ok(Shown { chain, protocol, refused })
}

/// Takes every certificate, to be read and not to be trusted; that the server holds its key is still checked.
#[derive(Debug)]
struct Any {
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(leaf).chain(between).map(|shown| shown.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
