//! A person's own page at the app. It is made when they open it, and for a while afterwards it follows what happens, looked
//! at now and then: whatever changed it, an approval, an incident, a shift, here or in another replica, it shows.

use std::time::Duration;

use slack_morphism::prelude::*;
use tokio_util::sync::CancellationToken;

use super::who::Who;
use super::{Inbound, LATER, No, later, views};
use crate::chat::slack::render;

/// What was pressed needs this long, as a rule, until its page looks different.
const SETTLES: Duration = Duration::from_secs(1);
/// Between two looks which pages are due.
const LOOK: Duration = Duration::from_secs(1);

impl Inbound {
    /// Somebody opened their page.
    pub(super) fn home_opened(&self, opened: &SlackAppHomeOpenedEvent, team: &str) {
        if opened.tab.as_deref().is_some_and(|tab| tab != "home") {
            return;
        }
        let (this, who) = (self.clone(), Who::new(team, opened.user.0.clone()));
        self.homes.opened(&who.team, &who.user);
        later(async move { this.show_home(&who).await });
    }

    /// Brings a person's page up to date after something was pressed on it.
    pub(super) fn home_again(&self, who: Who) {
        let this = self.clone();
        later(async move {
            tokio::time::sleep(SETTLES).await;
            this.show_home(&who).await
        });
    }

    /// Keeps the pages that were opened lately up to date, until `stop`.
    pub async fn keep_homes(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            for (team, user) in self.homes.due() {
                let shown = tokio::time::timeout(LATER, self.show_home(&Who::new(team, user))).await;
                if !matches!(shown, Ok(Ok(()))) {
                    tracing::debug!("a page could not be brought up to date; it is tried again");
                }
            }
        }
    }

    /// Publishes a person's page, if it does not show that already.
    async fn show_home(&self, who: &Who) -> Result<(), String> {
        let view = match self.person(who) {
            Ok(by) => render::home(self.words(), &self.house.home(&by).await.map_err(shown)?),
            Err(No::Told(text)) => views::page(&text),
            Err(No::Away(away)) => return Err(shown(away)),
        };
        let text = serde_json::to_string(&view).map_err(shown)?;
        if self.homes.shows(&who.team, &who.user, &text) {
            return Ok(());
        }
        let published = self.publish(&who.user, &view).await.map_err(shown);
        self.homes.shown(&who.team, &who.user, published.is_ok().then_some(text));
        published
    }
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}
