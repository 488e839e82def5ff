//! Asks AWS: signs what the SDK has no crate for here, sends it by our own client, and is patient with services that
//! are asked too much. Knows nothing of single services.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use reqwest::{Request, Response, Url};

use super::fault::Fault;
use super::wire::{Answer, Body, Wire};
use crate::clock::Clock;
use crate::domain::sentence::{Sentence, sentence};
use crate::executor::Tools;
use crate::executor::causes;
use crate::executor::http::client as http;

/// Bytes of an answer that are read.
const READ: usize = 4 * 1024 * 1024;
/// The first pause after a throttled request; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Tries of one request. Its step's deadline may end them earlier.
const TRIES: u32 = 8;

/// Asks for one step, in one region, as one principal.
pub(super) struct Caller {
    /// For clients of the SDK.
    pub(super) sdk: SdkConfig,
    credentials: Credentials,
    region: String,
}

/// Who we are.
pub(super) struct Identity {
    pub(super) account: String,
    pub(super) arn: String,
}

impl Caller {
    /// One for this region, or for the configuration's.
    pub(super) async fn new(tools: &Tools, region: Option<&str>) -> Result<Self, Sentence> {
        let sdk = tools.aws_session.open(&tools.aws, region).await?;
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let none = |why: String| sentence!("aws.no_credentials", why);
        let provider = sdk.credentials_provider().ok_or_else(|| none(String::new()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| none(causes(&error)))?;
        Ok(Self { sdk, credentials, region })
    }

    /// One with these keys, whoever this process is beside. Not for clients of the SDK.
    pub(super) fn with_keys(credentials: Credentials, region: &str, endpoint: Option<&str>) -> Self {
        let mut sdk = SdkConfig::builder().region(Region::new(region.to_owned()));
        sdk.set_endpoint_url(endpoint.map(str::to_owned));
        Self { sdk: sdk.build(), credentials, region: region.to_owned() }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Who we are.
    pub(super) async fn identity(&self) -> Result<Identity, Fault> {
        let answer = self.read(&Wire::query("sts", "GetCallerIdentity", "2011-06-15", &[])).await?.xml()?;
        let found = &answer["GetCallerIdentityResult"];
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        Ok(Identity { account: text("Account"), arn: text("Arn") })
    }

    /// Asks what changes nothing, again while it is throttled.
    pub(super) async fn read(&self, wire: &Wire) -> Result<Answer, Fault> {
        looking(|| self.once(wire)).await
    }

    /// Asks for a change. While `sent`, nobody knows whether it came about.
    pub(super) async fn change(&self, wire: &Wire, sent: &AtomicBool) -> Result<Answer, Fault> {
        changing(sent, || self.once(wire)).await
    }

    async fn once(&self, wire: &Wire) -> Result<Answer, Fault> {
        let mut response = self.send(wire).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > READ {
                // Half of JSON or XML is nothing. What it was asked for has been done, though.
                return Err(Fault::Lost(sentence!("aws.too_long", limit => READ / 1024 / 1024)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Answer { status, headers, bytes }.checked()
    }

    /// Sends a request and gives back the answer's head, whatever its status.
    pub(super) async fn send(&self, wire: &Wire) -> Result<Response, Fault> {
        let request = self.request(wire).await.map_err(Fault::Failed)?;
        http::client().execute(request).await.map_err(|error| match error.is_connect() || error.is_builder() {
            true => Fault::Failed(http::why(error, "aws.not_reached")),
            false => broken(error),
        })
    }

    /// The request, signed.
    async fn request(&self, wire: &Wire) -> Result<Request, Sentence> {
        let url = self.url(wire)?;
        let mut request = Request::new(wire.method.clone(), url);
        let mut headers: Vec<(String, String)> = wire.headers.clone();
        headers.push(("host".to_owned(), authority(request.url())));
        let signature = self.signature(wire, request.url(), &headers)?;
        headers.extend(signature);
        for (name, value) in headers {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes());
            let value = reqwest::header::HeaderValue::from_str(&value);
            match (name, value) {
                (Ok(name), Ok(value)) => request.headers_mut().insert(name, value),
                (name, _) => return Err(sentence!("action.http_header_value", name => format!("{name:?}"))),
            };
        }
        match &wire.body {
            Body::Bytes(bytes) => *request.body_mut() = Some(bytes.clone().into()),
            Body::File(file) => {
                request.headers_mut().insert(reqwest::header::CONTENT_LENGTH, file.bytes.into());
                *request.body_mut() = Some(file.stream().await?);
            }
        }
        Ok(request)
    }

    fn signature(
        &self,
        wire: &Wire,
        url: &Url,
        headers: &[(String, String)],
    ) -> Result<Vec<(String, String)>, Sentence> {
        let unsigned = |why: String| sentence!("aws.not_sent", why);
        let mut settings = SigningSettings::default();
        if wire.service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity = self.credentials.clone().into();
        let region = if wire.global { "us-east-1" } else { &self.region };
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(wire.service)
            .time(now())
            .settings(settings)
            .build()
            .map_err(|error| unsigned(causes(&error)))?;
        let body = match &wire.body {
            Body::Bytes(bytes) => SignableBody::Bytes(bytes),
            Body::File(file) => SignableBody::Precomputed(file.sha256.clone()),
        };
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(wire.method.as_str(), url.as_str(), headers, body);
        let signable = signable.map_err(|error| unsigned(causes(&error)))?;
        let signed = sign(signable, &params.into()).map_err(|error| unsigned(causes(&error)))?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn url(&self, wire: &Wire) -> Result<Url, Sentence> {
        let host = match (self.sdk.endpoint_url(), wire.global) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, true) => format!("https://{}.amazonaws.com", wire.host),
            (None, false) => {
                let china = if self.region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{}.{}.amazonaws.com{china}", wire.host, self.region)
            }
        };
        http::url(&format!("{host}{}", wire.target()))
    }
}

/// Host and port, as the Host header has them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The system's time: AWS refuses what is signed with another one.
fn now() -> SystemTime {
    let millis = u64::try_from(Clock::System.now().0).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn broken(error: reqwest::Error) -> Fault {
    Fault::Lost(http::why(error, "aws.broken"))
}

/// Sends, and sends again what was refused because too much is asked: AWS did nothing of it.
pub(super) async fn patient<T, E, Sending>(mut send: impl FnMut() -> Sending) -> Result<T, Fault>
where
    E: Into<Fault>,
    Sending: Future<Output = Result<T, E>>,
{
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match send().await.map_err(Into::into) {
            Err(Fault::Throttled(_)) => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    send().await.map_err(Into::into)
}

/// As [`patient`], for what changes something. While `sent`, nobody knows whether it came about; a pause is no such time.
pub(super) async fn changing<T, E, Sending>(sent: &AtomicBool, mut send: impl FnMut() -> Sending) -> Result<T, Fault>
where
    E: Into<Fault>,
    Sending: Future<Output = Result<T, E>>,
{
    patient(|| {
        let sending = send();
        async move {
            sent.store(true, Ordering::Relaxed);
            let answer = sending.await;
            sent.store(false, Ordering::Relaxed);
            answer
        }
    })
    .await
}

/// As [`patient`], for what changes nothing: what was lost on the way has failed.
pub(super) async fn looking<T, E, Sending>(send: impl FnMut() -> Sending) -> Result<T, Fault>
where
    E: Into<Fault>,
    Sending: Future<Output = Result<T, E>>,
{
    patient(send).await.map_err(|fault| match fault {
        Fault::Lost(why) => Fault::Failed(why),
        fault => fault,
    })
}
