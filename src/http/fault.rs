//! Why a request is not served: a status, a sentence and a hint, in the installation's language. A handler gives a
//! [`Fault`]; the outermost layer words it, as JSON for programs and as a page for people.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use serde_json::json;

use crate::store::StoreError;
use crate::words::Words;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody is signed in, or the token is nobody's.
    Unknown,
    /// A hook's secret is wrong, or there is no such hook: nobody can tell which.
    Secret,
    /// A browser sent it from another site's page.
    Foreign,
    /// A one-time link was used, or is too old.
    StaleLink,
    /// Too many wrong tokens came from there; seconds until the next one is looked at.
    Guessing(u64),
    /// There is nothing here.
    Missing,
    /// There is no such channel.
    NoChannel(String),
    /// It is not asked for this way.
    Method,
    /// Longer than so many bytes.
    TooLarge(usize),
    /// The body did not come in time.
    TooSlow,
    /// Not what was expected; the particulars are the parser's.
    Malformed(String),
    /// An alert body that is not a JSON object.
    NotObject,
    /// Nothing was typed.
    Empty,
    /// More characters than so many.
    TooLong(usize),
    /// More than we take now.
    Busy,
    /// The database does not answer.
    Away,
    /// Our own defect.
    Broken,
}

/// Seconds after which a sender should try again.
const RETRY_AFTER: &str = "5";

impl Fault {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unknown | Self::Secret | Self::StaleLink => StatusCode::UNAUTHORIZED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Missing | Self::NoChannel(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed(_) | Self::NotObject | Self::Empty | Self::TooLong(_) => StatusCode::BAD_REQUEST,
            Self::Guessing(_) => StatusCode::TOO_MANY_REQUESTS,
            // Never 429: Alertmanager gives such an alert up, while it repeats what was answered by 503.
            Self::Busy | Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The key of its sentence, and the one particular that the sentence names.
    fn sentence(&self) -> (&'static str, String) {
        let (key, particular) = match self {
            Self::Unknown => ("unknown", String::new()),
            Self::Secret => ("secret", String::new()),
            Self::Foreign => ("foreign", String::new()),
            Self::StaleLink => ("stale_link", String::new()),
            Self::Guessing(seconds) => ("guessing", seconds.to_string()),
            Self::Missing => ("missing", String::new()),
            Self::NoChannel(name) => ("no_channel", crate::domain::text::cut(name, 80)),
            Self::Method => ("method", String::new()),
            Self::TooLarge(bytes) => ("too_large", format!("{} KiB", bytes / 1024)),
            Self::TooSlow => ("too_slow", String::new()),
            Self::Malformed(error) => ("malformed", crate::domain::text::cut(error, 200)),
            Self::NotObject => ("not_object", String::new()),
            Self::Empty => ("empty", String::new()),
            Self::TooLong(characters) => ("too_long", characters.to_string()),
            Self::Busy => ("busy", String::new()),
            Self::Away => ("away", String::new()),
            Self::Broken => ("broken", String::new()),
        };
        (key, particular)
    }

    /// What happened, and what to do next.
    pub(super) fn say(&self, words: Words) -> (String, String) {
        let (key, particular) = self.sentence();
        let say = |key: &str| words.say(key, context! { particular => particular.as_str() });
        (say(&format!("http.{key}")), say(&format!("http.{key}_hint")))
    }

    /// As JSON.
    pub(super) fn as_json(&self, words: Words) -> Response {
        let (message, hint) = self.say(words);
        let body = json!({ "error": { "message": message, "hint": hint } });
        self.dress((self.status(), axum::Json(body)).into_response())
    }

    /// Adds what the status asks for.
    pub(super) fn dress(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if matches!(self, Self::Busy | Self::Away) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if let Self::Guessing(seconds) = self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        if matches!(self, Self::Unknown | Self::Secret) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sereno\""));
        }
        response
    }
}

/// Carries the fault to the layer that words it.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database did not serve a request");
        match error {
            StoreError::Away(_) => Self::Away,
            _ => Self::Broken,
        }
    }
}

/// The answer where no route is.
pub(super) async fn missing() -> Fault {
    Fault::Missing
}

/// The answer where a route has no such method.
pub(super) async fn wrong_method() -> Fault {
    Fault::Method
}
