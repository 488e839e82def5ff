//! Whom TLS trusts, and as whom it shows itself: the system's authorities, those of a file, a client's certificate.
//! Knows nothing of connections.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{CONNECT, Endpoint, connect, not_reached, slow};
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::value::Text;

/// Bytes of a file of certificates that are read.
const FILE: u64 = 1024 * 1024;

/// The system's authorities and these (PEM).
///
/// # Errors
/// When these cannot be read.
pub(in crate::executor) fn roots(authorities: &[u8]) -> Result<RootCertStore, Sentence> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let added = certificate.map_err(|error| error.to_string()).map(|der| roots.add(der));
        added
            .and_then(|added| added.map_err(|error| error.to_string()))
            .map_err(|why| sentence!("action.http_bad_authority", why))?;
    }
    Ok(roots)
}

/// What a client trusts: the system's authorities and these (PEM); and as whom it shows itself.
///
/// # Errors
/// When these cannot be read, or certificate and key do not fit.
pub(in crate::executor) fn config(authorities: &[u8], identity: Option<Identity>) -> Result<ClientConfig, Sentence> {
    let config = ClientConfig::builder().with_root_certificates(roots(authorities)?);
    match identity {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(|error| unfit(&error)),
        None => Ok(config.with_no_client_auth()),
    }
}

/// That a client's certificate and key do not fit.
pub(in crate::executor) fn unfit(error: &rustls::Error) -> Sentence {
    sentence!("action.tls_bad_identity", why => error.to_string())
}

/// A client's certificates and key.
pub(in crate::executor) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Reads a client's certificates and key, each a PEM file, if they are named.
///
/// # Errors
/// When a file cannot be read, or does not hold them. What is in the key's file is never said.
pub(in crate::executor) async fn identity(
    certificate: Option<&Text>,
    key: Option<&Text>,
) -> Result<Option<Identity>, Sentence> {
    let (Some(Text(certificate)), Some(Text(key))) = (certificate, key) else { return Ok(None) };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file(certificate).await?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| sentence!("action.tls_no_certificate_in", path => certificate.as_str()))?;
    let key_bytes = file(key).await?;
    let read = PrivateKeyDer::from_pem_slice(&key_bytes);
    Ok(Some((chain, read.map_err(|_| sentence!("action.tls_no_key_in", path => key.as_str()))?)))
}

/// A file of authorities, if one is named.
///
/// # Errors
/// When it cannot be read.
pub(in crate::executor) async fn authority(path: Option<&Text>) -> Result<Option<Vec<u8>>, Sentence> {
    match path {
        Some(Text(path)) => file(path).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a PEM file.
///
/// # Errors
/// When it cannot be read, or is far too long for one.
pub(in crate::executor) async fn file(path: &str) -> Result<Vec<u8>, Sentence> {
    let no = |why: String| sentence!("action.http_no_authority", path, why);
    let length = tokio::fs::metadata(path).await.map_err(|error| no(error.to_string()))?.len();
    if length > FILE {
        return Err(no(std::io::Error::from(std::io::ErrorKind::FileTooLarge).to_string()));
    }
    tokio::fs::read(path).await.map_err(|error| no(error.to_string()))
}

/// Opens a connection and speaks TLS on it; the server must prove who it is.
///
/// # Errors
/// When it cannot be reached or is not trusted.
pub(in crate::executor) async fn open(to: &Endpoint, authorities: &[u8]) -> Result<TlsStream<TcpStream>, Sentence> {
    let connector = TlsConnector::from(Arc::new(config(authorities, None)?));
    let name = ServerName::try_from(to.host.clone()).map_err(|error| not_reached(to, &error))?;
    let stream = connect(to).await?;
    let shaken = tokio::time::timeout(CONNECT, connector.connect(name, stream)).await;
    shaken.map_err(|_| slow(to))?.map_err(|error| not_reached(to, &error))
}
