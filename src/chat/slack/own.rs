//! Who we are at Slack, and which scopes our token has: one call of `auth.test`, remembered until an error casts doubt.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use serde::Deserialize;

use super::api::Api;
use super::fault::Fault;
use super::token::Token;

/// Our app in its workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The workspace, `T…`.
    pub team: String,
    /// The bot's user, `U…`.
    pub user: String,
    /// The workspace's address.
    pub url: String,
    /// Scopes of the bot's token.
    pub scopes: BTreeSet<String>,
}

impl Own {
    /// The user's id of an identity, `T…/U…`; none where it is one of another workspace, or no identity.
    #[must_use]
    pub fn user_of<'a>(&self, identity: &'a str) -> Option<&'a str> {
        identity.split_once('/').filter(|(team, _)| *team == self.team).map(|(_, user)| user)
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    #[serde(default)]
    team_id: String,
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    url: String,
}

impl Api {
    /// Who we are, as last looked up.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn own(&self) -> Result<Arc<Own>, Fault> {
        let known = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(own) => Ok(own),
            None => self.look_up().await,
        }
    }

    /// Who we are, now.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn look_up(&self) -> Result<Arc<Own>, Fault> {
        let own = Arc::new(self.auth_test().await?);
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&own));
        Ok(own)
    }

    /// By the plain client: the scopes stand in a header, which the typed one drops.
    async fn auth_test(&self) -> Result<Own, Fault> {
        let method = "auth.test";
        let url = format!("{}/{method}", self.url);
        let (headers, body) = self.plain(method, |http| http.post(url).bearer_auth(self.bot.reveal())).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| Fault::unreadable(method))?;
        if let Some(code) = answer.error {
            let fault = Fault::refused(method, code, "");
            self.note(method, &fault);
            return Err(fault);
        }
        self.accepted(Token::Bot);
        let scopes = headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok()).unwrap_or_default();
        let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        Ok(Own { team: answer.team_id, user: answer.user_id, url: answer.url, scopes })
    }
}
