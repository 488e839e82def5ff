//! Who we are on AWS: the configuration, the usual environment and files, or the machine's role, found when it is first
//! needed. Knows nothing of requests.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::fault::causes;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::AwsSettings;
use crate::executor::net::CONNECT;

/// What was found of the environment, once a process.
#[derive(Clone, Default)]
pub struct Session(Arc<OnceCell<SdkConfig>>);

impl Session {
    /// The SDK's configuration for one attempt: with its region, and with credentials that are there.
    ///
    /// # Errors
    /// When nobody says which region, or who we are.
    pub(super) async fn open(&self, settings: &AwsSettings, region: Option<&str>) -> Result<SdkConfig, Sentence> {
        let found = self.0.get_or_init(|| load(settings)).await;
        let region = region.map(|name| Region::new(name.to_owned())).or_else(|| found.region().cloned());
        let region = region.ok_or_else(|| sentence!("aws.no_region"))?;
        let provider = found.credentials_provider().ok_or_else(|| sentence!("aws.no_credentials", why => ""))?;
        let credentials = provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| sentence!("aws.no_credentials", why => causes(&error)))?;
        let provider = SharedCredentialsProvider::new(credentials);
        Ok(found.to_builder().region(region).credentials_provider(provider).build())
    }
}

async fn load(settings: &AwsSettings) -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        // A connection is never used twice: what fails on a fresh one has a plain meaning.
        .pool_max_idle_per_host(0)
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        // We try again ourselves: what was sent and not answered must not be sent again unasked.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build());
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    if let Some((id, key)) = &settings.key {
        loader = loader.credentials_provider(Credentials::new(id, key.reveal(), None, None, "configuration"));
    }
    loader.load().await
}
