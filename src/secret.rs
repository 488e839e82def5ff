//! Secrets in memory: no Display, no Debug, compared in constant time. Knows nothing of where they come from.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

/// A secret text.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Every call is a place to look at in a review.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether `candidate` is this secret, in time that tells nothing: both are MACed under a fresh key and the
    /// MACs are compared by ring.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        let Ok(key) = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()) else { return false };
        let tag = hmac::sign(&key, self.reveal().as_bytes());
        hmac::verify(&key, candidate.as_bytes(), tag.as_ref()).is_ok()
    }

    /// A new one with 256 bits from the system's generator, as lower-case hex.
    ///
    /// # Panics
    /// If the system has no randomness to give.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0u8; 32];
        SystemRandom::new().fill(&mut bytes).expect("the system has randomness");
        Self::new(crate::domain::digest::hex(&bytes))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
