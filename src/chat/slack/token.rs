//! Our two tokens at Slack: which call goes with which, and that a refusal is news only once. Knows no token's value.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Asks for a connection of Socket Mode: the one method that takes the app's token.
pub(super) const OPEN: &str = "apps.connections.open";

/// One of our tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// The bot's, `xoxb-…`.
    Bot,
    /// The app's, `xapp-…`.
    App,
}

impl Token {
    /// The one that a method goes with.
    #[must_use]
    pub fn of(method: &str) -> Self {
        if method == OPEN { Self::App } else { Self::Bot }
    }

    /// Its key under `slack:` in the configuration.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Bot => "bot_token",
            Self::App => "app_token",
        }
    }
}

/// The tokens that Slack refuses.
#[derive(Default)]
pub(super) struct Refused(Mutex<BTreeSet<Token>>);

impl Refused {
    /// Slack refuses it; tells whether that is news.
    pub fn add(&self, token: Token) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token)
    }

    /// Slack takes it; tells whether that is news.
    pub fn remove(&self, token: Token) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_and_its_end_are_news_once_for_each_token() {
        let refused = Refused::default();
        assert!(!refused.remove(Token::Bot), "it was never refused");
        assert_eq!([refused.add(Token::App), refused.add(Token::App)], [true, false]);
        assert!(refused.add(Token::Bot), "the other one is another matter");
        assert_eq!([refused.remove(Token::App), refused.remove(Token::App)], [true, false]);
        assert!(refused.add(Token::App), "again is news again");
    }
}
