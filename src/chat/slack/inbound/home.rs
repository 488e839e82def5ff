//! A person's own page at the app. It is made anew whenever they open it.

use std::time::Duration;

use slack_morphism::prelude::*;

use super::who::Who;
use super::{Inbound, No, later, views};
use crate::chat::slack::render;

/// What was pressed needs this long, as a rule, until its page looks different.
const SETTLES: Duration = Duration::from_secs(1);

impl Inbound {
    /// Somebody opened their page.
    pub(super) fn home_opened(&self, opened: &SlackAppHomeOpenedEvent, team: &str) {
        if opened.tab.as_deref().is_some_and(|tab| tab != "home") {
            return;
        }
        let (this, user) = (self.clone(), opened.user.0.clone());
        match self.person(&Who::new(team, user.clone())) {
            Ok(by) => later(async move { this.show_home(&by, &user).await }),
            Err(No::Told(text)) => later(async move { this.publish(&user, &views::page(&text)).await.map_err(shown) }),
            Err(No::Away(_)) => {}
        }
    }

    /// Brings a person's page up to date after something was pressed on it.
    pub(super) fn home_again(&self, by: String, user: String) {
        let this = self.clone();
        later(async move {
            tokio::time::sleep(SETTLES).await;
            this.show_home(&by, &user).await
        });
    }

    async fn show_home(&self, by: &str, user: &str) -> Result<(), String> {
        let cards = self.house.home(by).await.map_err(shown)?;
        self.publish(user, &render::home(self.words(), &cards)).await.map_err(shown)
    }
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}
