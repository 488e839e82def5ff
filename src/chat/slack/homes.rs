//! Whose own pages were opened lately, and what they show. In this process alone, the one that heard the page be opened:
//! after a restart a page is brought up to date again once it is opened.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How long somebody may still be looking at a page that they opened.
const OPEN: Duration = Duration::from_secs(3600);
/// Between two looks whether a page still shows what is: it is published at most once in this span.
const EVERY: Duration = Duration::from_secs(15);
/// Pages that are looked after; those that were opened longest ago are let go.
const MOST: usize = 100;

/// Pages, by workspace and user.
pub(super) struct Homes {
    clock: Clock,
    pages: Mutex<HashMap<(String, String), Page>>,
}

struct Page {
    opened: Duration,
    looked: Duration,
    /// The view that it shows, if that is known.
    shows: Option<String>,
}

impl Homes {
    pub fn new(clock: Clock) -> Self {
        Self { clock, pages: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody opened theirs.
    pub fn opened(&self, team: &str, user: &str) {
        let now = self.clock.steady();
        let mut pages = self.lock();
        pages.insert((team.to_owned(), user.to_owned()), Page { opened: now, looked: now, shows: None });
        if pages.len() > MOST {
            let oldest = pages.iter().min_by_key(|(_, page)| page.opened).map(|(who, _)| who.clone());
            oldest.and_then(|who| pages.remove(&who));
        }
    }

    /// Those that it is time to look at again.
    pub fn due(&self) -> Vec<(String, String)> {
        let now = self.clock.steady();
        let mut pages = self.lock();
        pages.retain(|_, page| now.saturating_sub(page.opened) < OPEN);
        let due = pages.iter_mut().filter(|(_, page)| now.saturating_sub(page.looked) >= EVERY);
        due.map(|(who, page)| {
            page.looked = now;
            who.clone()
        })
        .collect()
    }

    /// Whether a page shows this already.
    pub fn shows(&self, team: &str, user: &str, view: &str) -> bool {
        let pages = self.lock();
        let page = pages.get(&(team.to_owned(), user.to_owned()));
        page.is_some_and(|page| page.shows.as_deref() == Some(view))
    }

    /// A page shows this view now; or nobody knows, where it could not be published.
    pub fn shown(&self, team: &str, user: &str, view: Option<String>) {
        if let Some(page) = self.lock().get_mut(&(team.to_owned(), user.to_owned())) {
            page.shows = view;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn a_page_is_looked_at_now_and_then_for_an_hour_after_it_was_opened() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let homes = Homes::new(clock.clone());
        homes.opened("T1", "U1");
        assert!(homes.due().is_empty(), "it has just been made");
        clock.forward(EVERY);
        assert_eq!(homes.due(), [("T1".to_owned(), "U1".to_owned())]);
        assert!(homes.due().is_empty());
        homes.shown("T1", "U1", Some("a".to_owned()));
        assert!(homes.shows("T1", "U1", "a") && !homes.shows("T1", "U1", "b") && !homes.shows("T2", "U1", "a"));
        homes.shown("T1", "U1", None);
        assert!(!homes.shows("T1", "U1", "a"), "what could not be published is published again");
        clock.forward(OPEN);
        assert!(homes.due().is_empty() && homes.lock().is_empty());
    }

    #[test]
    fn no_more_pages_are_looked_after_than_there_is_room_for() {
        let clock = Clock::manual(Timestamp(1_000_000));
        let homes = Homes::new(clock.clone());
        for n in 0..2 * MOST {
            clock.forward(Duration::from_millis(10));
            homes.opened("T1", &format!("U{n}"));
        }
        let pages = homes.lock();
        assert_eq!(pages.len(), MOST);
        assert!(pages.contains_key(&("T1".to_owned(), format!("U{}", 2 * MOST - 1))), "the last one stays");
    }
}
