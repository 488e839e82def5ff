//! The HTTP client of actions: no proxy from the environment, no redirect to another host, no connection to
//! addresses that hand out a machine's own credentials. Knows nothing of steps.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};

use crate::domain::sentence::{Sentence, sentence};
use crate::executor::net::{CONNECT, forbidden, lookup, refusal, trust};

/// Redirects that are followed on the same host.
const REDIRECTS: usize = 5;

/// The shared client: connects within ten seconds and follows no redirect. Needs the process's TLS provider to be
/// installed.
#[must_use]
pub fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| build(false, &[], None).expect("a client without extra authorities can be built"))
}

/// A client that follows redirects on the same host, trusts further authorities (PEM), or shows a certificate.
///
/// # Errors
/// When the authorities cannot be read, or the certificate and its key do not fit.
pub(super) fn build(
    follow: bool,
    authorities: &[u8],
    identity: Option<trust::Identity>,
) -> Result<reqwest::Client, Sentence> {
    let tls = trust::config(authorities, identity)?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(Guarded))
        .redirect(if follow { Policy::custom(same_host) } else { Policy::none() })
        .no_proxy()
        .connect_timeout(CONNECT)
        // A connection is never used twice: what fails on a fresh one has a plain meaning.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("sereno/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| why(error, "action.http_not_reached"))
}

/// A URL that may be asked.
///
/// # Errors
/// Not http or https, no host, a password in it, or a forbidden address.
pub(in crate::executor) fn url(text: &str) -> Result<Url, Sentence> {
    let url = Url::parse(text).map_err(|error| sentence!("action.http_no_url", text, why => error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(sentence!("action.http_scheme", text));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(sentence!("action.http_password"));
    }
    match literal(&url).filter(|address| forbidden(*address)) {
        Some(address) => Err(refusal(&address.to_string())),
        None => Ok(url),
    }
}

/// Why there is no answer: what we refused ourselves, or else the sentence `key` with what it all came from, such as a
/// refused connection; without the URL, which the plan shows, and without the layers in between, which help nobody.
pub(in crate::executor) fn why(error: reqwest::Error, key: &'static str) -> Sentence {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        if let Some(Refused(own)) = inner.downcast_ref() {
            return own.clone();
        }
        line = inner.to_string();
        cause = inner.source();
    }
    sentence!(key, why => line)
}

/// A sentence of ours on its way through the driver.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Refused(Sentence);

/// The address that a URL names outright: no resolver is asked for those.
fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn same_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = &attempt.previous()[0];
    let to = attempt.url();
    let downgrade = first.scheme() == "https" && to.scheme() != "https";
    match to.host_str() == first.host_str() && !downgrade && attempt.previous().len() <= REDIRECTS {
        true => attempt.follow(),
        false => attempt.stop(),
    }
}

/// The system's resolver, and a look at what it answers: the address that was looked at is the one that is used.
struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = lookup(name.as_str(), 0).await.map_err(Refused)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_refused_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xA9.0xFE.0xA9.0xFE",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "169.254.169.254.",
            "１６９.254.169.254",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[::169.254.169.254]",
            "[2002:a9fe:a9fe::]",
            "[fe80::1]",
            "[febf::1]",
            "[fd00:ec2::254]",
        ] {
            assert!(url(&format!("http://{host}/latest/meta-data")).is_err(), "{host}");
        }
    }

    #[test]
    fn loopback_and_private_addresses_are_where_operations_happen() {
        for host in ["127.0.0.1:8080", "[::1]", "10.1.2.3", "192.168.0.1", "[fd12::1]", "api.internal", "localhost"] {
            assert!(url(&format!("http://{host}/")).is_ok(), "{host}");
        }
    }

    #[test]
    fn only_http_without_passwords_is_spoken() {
        for text in ["ftp://x/", "file:///etc/passwd", "/health", "http://", "http://ana:pw@x/", "http://ana@x/", "x"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn what_the_resolver_says_arrives_as_our_own_sentence() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let error = client().get("http://no-such-host.invalid/").send().await.unwrap_err();
        let said = why(error, "action.http_not_reached");
        assert!(matches!(&said, Sentence::Ours { key, .. } if key == "action.http_no_address"), "{said:?}");
    }
}
