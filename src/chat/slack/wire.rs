//! The way to Slack: one TLS stack with the system's roots. Knows no method of the Web API.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use slack_morphism::prelude::*;

/// What calls are made with.
pub(super) struct Wire {
    /// The typed client.
    pub client: Arc<SlackHyperClient>,
    /// For the one answer whose headers count, which the typed client does not show.
    pub plain: reqwest::Client,
}

impl Wire {
    /// A way to `api_url`, by https or plain http. HTTP/1 only: a dead HTTP/2 connection would swallow every call until
    /// the system gives it up, while a call of HTTP/1 that meets its deadline takes its connection with it.
    ///
    /// # Errors
    /// In words of the system, where there is no way: above all, no certificate authorities to trust.
    pub fn new(api_url: &str) -> Result<Self, String> {
        let tls = tls(api_url.starts_with("https:"))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .build();
        let connector = SlackClientHyperConnector::with_connector(connector).with_slack_api_url(api_url);
        let plain = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client: Arc::new(SlackClient::new(connector)), plain })
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
