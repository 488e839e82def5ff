//! Why Slack did not do something: every error of the client as one of four, and in words as a [`ChatError`]. No error
//! holds a token, an address that is secret, or what a message says.

use std::time::Duration;

use minijinja::context;
use serde_json::Value;
use slack_morphism::errors::SlackClientError;

use super::super::ChatError;
use super::token::{OPEN, Token};
use crate::words::Words;

/// Taken where Slack does not say for how long.
const WAIT: Duration = Duration::from_secs(10);

/// Errors of Slack's own, which pass.
const PASSING: &[&str] =
    &["internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"];
/// Errors of the token.
const TOKEN: &[&str] = &[
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
    "not_allowed_token_type",
    "team_access_not_granted",
];
/// Errors that are told in words of their own, `slack.refused_…`.
const TOLD: &[(&str, &str)] = &[
    ("channel_not_found", "channel"),
    ("invalid_channel", "channel"),
    ("not_in_channel", "not_in"),
    ("is_archived", "archived"),
    ("invalid_blocks", "shape"),
    ("invalid_blocks_format", "shape"),
    ("msg_too_long", "shape"),
    ("msg_blocks_too_long", "shape"),
    ("metadata_too_large", "shape"),
    ("no_text", "shape"),
    ("message_not_found", "gone"),
    ("cant_update_message", "gone"),
    ("edit_window_closed", "gone"),
    ("cannot_reply_to_message", "thread"),
    ("thread_not_found", "thread"),
    ("user_not_in_channel", "absent"),
    ("missing_scope", "scope"),
    ("no_such_subteam", "group"),
    ("subteam_disabled", "group"),
];

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not before this span has passed.
    #[error("Slack asks to wait {0:?}")]
    RateLimited(Duration),
    /// No answer, none in time, or none that can be read: it may or may not have been done.
    #[error("Slack is unavailable: {0}")]
    Unavailable(String),
    /// The token does not open the door; nothing was done.
    #[error("Slack does not accept slack.{}: {code}", token.key())]
    Token {
        /// Which one.
        token: Token,
        /// Slack's word for it.
        code: String,
    },
    /// Slack's refusal, by its code, as in `channel_not_found`, with what it said further.
    #[error("{method}: {code} {detail}")]
    Refused {
        /// The method.
        method: &'static str,
        /// Slack's word for it.
        code: String,
        /// Scopes that are needed, or places in blocks.
        detail: String,
    },
}

impl Fault {
    /// Reads an error of the client.
    pub(super) fn of(method: &'static str, error: SlackClientError) -> Self {
        match error {
            SlackClientError::RateLimitError(error) => Self::RateLimited(error.retry_after.unwrap_or(WAIT)),
            SlackClientError::ApiError(error) => {
                Self::refused(method, error.code, &error.http_response_body.unwrap_or_default())
            }
            SlackClientError::HttpError(error) => Self::Unavailable(format!("{method}: {}", error.status_code)),
            SlackClientError::HttpProtocolError(error) => Self::away(method, error.cause.as_deref()),
            SlackClientError::SystemError(error) => Self::away(method, error.cause.as_deref()),
            _ => Self::unreadable(method),
        }
    }

    /// Reads Slack's refusal.
    pub(super) fn refused(method: &'static str, code: String, body: &str) -> Self {
        if matches!(code.as_str(), "ratelimited" | "rate_limited") {
            return Self::RateLimited(WAIT);
        }
        if PASSING.contains(&code.as_str()) {
            return Self::Unavailable(format!("{method}: {code}"));
        }
        // An app's token is made with its scope and cannot be given another one.
        if TOKEN.contains(&code.as_str()) || (method == OPEN && code == "missing_scope") {
            return Self::Token { token: Token::of(method), code };
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let places = body["response_metadata"]["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let detail = body["needed"].as_str().into_iter().chain(places).collect::<Vec<_>>().join("; ");
        Self::Refused { method, code, detail }
    }

    /// Reads the header `Retry-After`, in seconds.
    pub(super) fn rate_limited(after: Option<&str>) -> Self {
        Self::RateLimited(after.and_then(|after| after.parse().ok()).map_or(WAIT, Duration::from_secs))
    }

    pub(super) fn unreadable(method: &'static str) -> Self {
        Self::Unavailable(format!("{method}: its answer cannot be read"))
    }

    /// No answer, with the whole chain of causes: the first alone says nothing.
    pub(super) fn away(method: &'static str, cause: Option<&(dyn std::error::Error + Send + Sync + 'static)>) -> Self {
        let first = cause.map(|cause| cause as &(dyn std::error::Error + 'static));
        let chain = std::iter::successors(first, |cause| cause.source()).map(ToString::to_string);
        Self::Unavailable(format!("{method}: {}", chain.collect::<Vec<_>>().join(": ")))
    }

    /// Whether it is Slack's refusal by one of these codes.
    #[must_use]
    pub fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// The same for whoever decides whether to try again, in words. What a token or a scope stands in the way of is
    /// not lost: it waits until that is mended.
    #[must_use]
    pub fn said(self, words: Words) -> ChatError {
        let text = self.told(words);
        match self {
            Self::RateLimited(wait) => ChatError::RateLimited(wait),
            Self::Refused { code, .. } if code != "missing_scope" => ChatError::Refused(text),
            _ => ChatError::Unavailable(text),
        }
    }

    /// What happened and what to do, in one line.
    #[must_use]
    pub fn told(&self, words: Words) -> String {
        match self {
            Self::RateLimited(wait) => words.say("slack.rate_limited", context! { seconds => wait.as_secs() }),
            Self::Unavailable(why) => words.say("slack.unavailable", context! { why }),
            Self::Token { token, code } => words.say(&format!("slack.{}", token.key()), context! { code }),
            Self::Refused { method, code, detail } => {
                let known = TOLD.iter().find(|(known, _)| known == code).map_or("other", |(_, key)| key);
                words.say(&format!("slack.refused_{known}"), context! { method => *method, code, detail })
            }
        }
    }
}
