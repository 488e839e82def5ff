//! What Slack is called with: one TLS stack with the system's roots, over the one way out. Knows no method of the Web API.

use std::sync::Arc;

use hyper_rustls::HttpsConnector;
use rustls::{ClientConfig, RootCertStore};
use slack_morphism::prelude::*;

use super::super::Proxy;
use super::way::Way;

/// The typed client, over our way out.
pub(super) type Client = SlackClient<SlackClientHyperConnector<HttpsConnector<Way>>>;

/// What calls are made with.
pub(super) struct Wire {
    /// The typed client.
    pub client: Arc<Client>,
    /// For the one answer whose headers count, which the typed client does not show.
    pub plain: reqwest::Client,
    /// Opens connections that are no calls.
    pub way: Way,
}

impl Wire {
    /// Calls `api_url`, by https or plain http. HTTP/1 only: a dead HTTP/2 connection would swallow every call until
    /// the system gives it up, while a call of HTTP/1 that meets its deadline takes its connection with it.
    ///
    /// # Errors
    /// In words of the system, where there is no way: above all, no certificate authorities to trust.
    pub fn new(api_url: &str, proxy: Option<&Proxy>) -> Result<Self, String> {
        let way = Way::new(proxy)?;
        let tls = tls(api_url.starts_with("https:"))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(way.clone());
        let connector = SlackClientHyperConnector::with_connector(connector).with_slack_api_url(api_url);
        let plain = reqwest::Client::builder().tls_backend_preconfigured(tls);
        let plain = match proxy {
            Some(proxy) => {
                let found = reqwest::Proxy::all(proxy.url.reveal()).map_err(|error| error.without_url().to_string())?;
                plain.proxy(found.no_proxy(reqwest::NoProxy::from_string(&proxy.except)))
            }
            None => plain.no_proxy(),
        };
        let plain = plain.redirect(reqwest::redirect::Policy::none()).build().map_err(|error| error.to_string())?;
        Ok(Self { client: Arc::new(SlackClient::new(connector)), plain, way })
    }
}

fn tls(needed: bool) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if needed && roots.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("the system has no certificate authorities (package ca-certificates){why}"));
    }
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
