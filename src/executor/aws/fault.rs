//! What an error of AWS means: whether something came about, and whether trying again is harmless. Knows nothing of
//! single services.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::domain::sentence::{Sentence, sentence};
use crate::executor::causes;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// It certainly did not come about.
    Failed(Sentence),
    /// AWS refused with this code, and did nothing.
    Refused { code: String, why: Sentence },
    /// AWS refused because too much is asked of it, and did nothing.
    Throttled(Sentence),
    /// It was sent, and nobody knows how it ended.
    Lost(Sentence),
}

/// Codes by which services say that they are asked too often.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

impl From<Sentence> for Fault {
    fn from(why: Sentence) -> Self {
        Self::Failed(why)
    }
}

impl Fault {
    /// What to say of it.
    pub(super) fn said(self) -> Sentence {
        match self {
            Self::Failed(why) | Self::Refused { why, .. } | Self::Throttled(why) | Self::Lost(why) => why,
        }
    }

    /// Whether AWS refused with one of these codes.
    pub(super) fn is(&self, codes: &[&str]) -> bool {
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }

    /// What an answer that is no success means.
    pub(super) fn answered(status: u16, code: &str, message: &str) -> Self {
        // A code may come with its namespace in front, or with a link behind.
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let message = message.trim();
        let why = match (code, message) {
            ("", _) => sentence!("aws.status", status => i64::from(status)),
            (code, "") => Sentence::plain(code),
            (code, message) => Sentence::Plain(format!("{code}: {message}")),
        };
        let why = sentence!("aws.refused", why);
        match status {
            _ if THROTTLED.contains(&code) => Self::Throttled(why),
            429 | 503 => Self::Throttled(why),
            500.. => Self::Lost(why),
            _ => Self::Refused { code: code.to_owned(), why },
        }
    }
}

/// What an error of the SDK means.
impl<E> From<SdkError<E, HttpResponse>> for Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(answer) => {
                let (code, message) = (answer.err().code(), answer.err().message());
                Self::answered(answer.raw().status().as_u16(), code.unwrap_or_default(), message.unwrap_or_default())
            }
            SdkError::ConstructionFailure(_) => Self::Failed(sentence!("aws.not_sent", why => causes(&error))),
            SdkError::DispatchFailure(_) if never_connected(&error) => {
                Self::Failed(sentence!("aws.not_reached", why => causes(&error)))
            }
            _ => Self::Lost(sentence!("aws.broken", why => causes(&error))),
        }
    }
}

/// Whether there was no connection that anything could have been sent by.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_from_what_nobody_knows() {
        assert!(Fault::answered(400, "com.amazonaws.sqs#QueueDoesNotExist", "no").is(&["QueueDoesNotExist"]));
        assert!(Fault::answered(404, "ResourceNotFoundException:http://x/", "").is(&["ResourceNotFoundException"]));
        assert!(matches!(Fault::answered(400, "ThrottlingException", "slow"), Fault::Throttled(_)));
        assert!(matches!(Fault::answered(503, "SlowDown", ""), Fault::Throttled(_)));
        assert!(matches!(Fault::answered(500, "InternalFailure", ""), Fault::Lost(_)));
        assert!(matches!(Fault::answered(502, "", ""), Fault::Lost(_)));
    }
}
