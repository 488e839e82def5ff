//! Rights that come from a platform: groups give roles, closed accounts lose them, and old news counts for nothing. The
//! platform is a small strict one of these stories' own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use sereno::chat::card::Values;
use sereno::chat::{Chat, ChatError, House, Outgoing, Standing};
use sereno::domain::actor::{Place, Platform};
use sereno::id::DeliveryId;
use sereno::store::inbox::Input;

use crate::approvals::world;
use crate::books::ALL;
use crate::harness::{Heard, Story, minutes, only, story_with};

const ANA: &str = "T1/UANA";
const LEO: &str = "T1/ULEO";
const LEADS: &str = "S0LEADS";
const ON_CALL: &str = "S0ONCALL";

/// People with accounts, groups with members; may be away, hang, or forbid.
#[derive(Default)]
struct Club(Mutex<State>);

#[derive(Default)]
struct State {
    closed: BTreeSet<&'static str>,
    guests: BTreeSet<&'static str>,
    groups: BTreeMap<&'static str, BTreeSet<String>>,
    away: bool,
    hangs: bool,
    forbids: bool,
    sets: usize,
}

impl Club {
    fn is(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn put(&self, group: &'static str, members: &[&str]) {
        self.is().groups.insert(group, members.iter().map(|member| (*member).to_owned()).collect());
    }

    fn members(&self, group: &str) -> Vec<String> {
        self.is().groups[group].iter().cloned().collect()
    }

    async fn answers(&self) -> Result<MutexGuard<'_, State>, ChatError> {
        let hangs = self.is().hangs;
        if hangs {
            std::future::pending::<()>().await;
        }
        let state = self.is();
        if state.away { Err(ChatError::Unavailable("connection refused".into())) } else { Ok(state) }
    }
}

#[async_trait]
impl Chat for Club {
    fn platform(&self) -> Platform {
        Platform::Slack
    }

    async fn post(&self, message: Outgoing<'_>) -> Result<String, ChatError> {
        Ok(message.id.to_string())
    }

    async fn edit(&self, _external: &str, _message: Outgoing<'_>) -> Result<(), ChatError> {
        Ok(())
    }

    async fn standing(&self, identity: &str, groups: &[String]) -> Result<Option<Standing>, ChatError> {
        let state = self.answers().await?;
        if ![ANA, LEO].contains(&identity) {
            return Err(ChatError::Refused("user_not_found".into()));
        }
        for group in groups {
            if state.forbids {
                return Err(ChatError::Refused("missing_scope".into()));
            }
            if !state.groups.contains_key(group.as_str()) {
                return Err(ChatError::Refused("no_such_subteam".into()));
            }
        }
        let theirs = groups.iter().filter(|group| state.groups[group.as_str()].contains(identity));
        let (gone, stranger) = (state.closed.contains(identity), state.guests.contains(identity));
        Ok(Some(Standing { gone, stranger, groups: theirs.cloned().collect() }))
    }

    async fn set_group(&self, group: &str, members: &[String]) -> Result<(), ChatError> {
        let mut state = self.answers().await?;
        state.sets += 1;
        if state.forbids {
            return Err(ChatError::Refused("missing_scope".into()));
        }
        assert!(!members.is_empty(), "Slack refuses an empty group");
        let known = state.groups.get_mut(group).ok_or_else(|| ChatError::Refused("no_such_subteam".into()))?;
        *known = members.iter().cloned().collect();
        Ok(())
    }
}

/// Leo is a lead by his group alone; Eva by the configuration, and has no account.
fn config(text: &str) -> String {
    let changed = [
        (r#"name: Ana, roles: [operator],"#, r#"name: Ana, roles: [operator], slack: "T1/UANA","#),
        (r#"name: Leo, roles: [lead],"#, r#"name: Leo, roles: [viewer], slack: "T1/ULEO","#),
        ("lead: { includes: [operator] }", "lead: { includes: [operator], slack_groups: [S0LEADS] }"),
        (r##"infra: { channel: "#infra","##, r##"infra: { channel: "#infra", slack_group: S0ONCALL,"##),
    ];
    changed.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

async fn tell(tell: impl AsyncFn(&mut Story, &Club)) {
    let club = |_: &_| {
        let club = Club::default();
        club.put(LEADS, &[LEO]);
        club.put(ON_CALL, &["T1/USOMEBODY"]);
        Arc::new(club)
    };
    story_with(ALL, config, club, async |s, club| {
        world(s);
        s.settles().await;
        tell(s, club).await;
    })
    .await;
}

async fn asks(s: &Story, line: &str) -> Heard {
    let card = only(s.person("ana").says("#infra", line).await);
    assert_eq!(card.card.state, "awaiting_approval", "{}", card.card.text());
    card
}

async fn state(s: &Story, of: &Heard) -> String {
    s.message(&of.id).await.card.state
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_the_group_approves_and_who_was_taken_out_does_not() {
    tell(async |s, club| {
        let ask = asks(s, "/ops rollback api prod").await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done");

        let ask = asks(s, "/ops rollback api prod").await;
        club.put(LEADS, &["T1/USOMEBODY"]);
        let told = only(s.person("leo").presses(&ask, "approve").await);
        assert_eq!(told.whisper_to.as_deref(), Some("leo"));
        assert_eq!(state(s, &ask).await, "awaiting_approval", "{}", told.card.title);
        assert_eq!(s.effects().len(), 1);
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "what the configuration gives stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_accounts_are_read_again_at_the_start() {
    tell(async |s, club| {
        let ask = asks(s, "/ops wipe prod").await;
        s.person("leo").presses(&ask, "approve").await;
        club.put(LEADS, &["T1/USOMEBODY"]);
        s.person("eva").presses(&ask, "approve").await;
        let void = s.message(&ask.id).await;
        assert_eq!(void.card.state, "refused", "{}", void.card.text());
        assert!(void.field("Approval").contains("no longer holds the role"), "{}", void.field("Approval"));

        let ask = asks(s, "/ops rollback api prod").await;
        club.is().closed.insert(ANA);
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "refused", "the one who asked is gone");
        assert!(s.effects().is_empty());
        s.audit_is_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_account_takes_the_rights_on_the_console_too() {
    tell(async |s, club| {
        assert_eq!(s.person("ana").says("#infra", "/ops health prod").await.len(), 1);
        club.is().closed.insert(ANA);
        s.waits(minutes(5)).await;
        assert!(s.person("ana").says("#infra", "/ops health prod").await.is_empty(), "nobody answers strangers");
        assert!(!s.engine.settings.load().knows("ana"));

        s.engine.configure((*s.engine.settings.load_full()).clone());
        assert!(!s.engine.settings.load().knows("ana"), "a reload brings nobody back");
        club.is().away = true;
        s.waits(minutes(60)).await;
        assert!(!s.engine.settings.load().knows("ana"), "an outage brings nobody back");

        club.is().away = false;
        club.is().closed.clear();
        s.waits(minutes(5)).await;
        assert_eq!(s.person("ana").says("#infra", "/ops health prod").await.len(), 1);

        club.is().closed.insert(ANA);
        s.engine.standing_changed(Platform::Slack, ANA);
        s.settles().await;
        assert!(!s.engine.settings.load().knows("ana"), "what the platform tells is looked at at once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_the_platform_has_no_rights_through_it_and_keeps_those_of_the_console() {
    tell(async |s, club| {
        club.is().guests.insert(ANA);
        s.waits(minutes(5)).await;
        let settings = s.engine.settings.load_full();
        assert!(settings.actor("ana", Platform::Slack).is_none(), "nothing is done for a guest on Slack");
        assert!(settings.actor("ana", Platform::Console).is_some(), "on the console they are who they were");
        assert_eq!(s.person("ana").says("#infra", "/ops health prod").await.len(), 1);
        club.is().away = true;
        s.waits(minutes(60)).await;
        assert!(s.engine.settings.load().actor("ana", Platform::Slack).is_none(), "an outage opens no door");
        club.is().away = false;
        club.is().guests.clear();
        s.waits(minutes(5)).await;
        assert!(s.engine.settings.load().actor("ana", Platform::Slack).is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_from_where_the_voter_is_a_guest_by_now_does_not_count() {
    tell(async |s, club| {
        s.gives_roles("leo", &["lead"]);
        for (platform, comes_to) in [(Platform::Slack, "refused"), (Platform::Console, "done")] {
            let ask = asks(s, "/ops wipe prod").await;
            let vote = Input::Press {
                by: "leo".to_owned(),
                place: Place::channel(platform, "#infra"),
                message: ask.id.clone(),
                button: "approve".to_owned(),
                values: BTreeMap::new(),
            };
            s.engine.accept(format!("a vote from {platform}"), vote).await.unwrap();
            s.settles().await;
            club.is().guests.insert(LEO);
            s.person("eva").presses(&ask, "approve").await;
            assert_eq!(state(s, &ask).await, comes_to, "{platform}: {}", s.message(&ask.id).await.card.text());
            club.is().guests.clear();
            s.waits(minutes(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_counts_for_a_quarter_of_an_hour_while_the_platform_is_away() {
    tell(async |s, club| {
        club.is().away = true;
        s.waits(minutes(14)).await;
        let ask = asks(s, "/ops rollback api prod").await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "after 14 minutes the group still counts");

        let ask = asks(s, "/ops rollback api prod").await;
        s.waits(minutes(2)).await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "awaiting_approval", "after 16 it does not");
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "what the configuration gives stays");

        let ask = asks(s, "/ops rollback api prod").await;
        club.is().away = false;
        s.waits(minutes(1)).await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "it answers again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_of_a_group_that_has_become_old_does_not_start_anything() {
    tell(async |s, club| {
        club.is().away = true;
        s.waits(minutes(13)).await;
        let ask = asks(s, "/ops wipe prod").await;
        s.person("leo").presses(&ask, "approve").await;
        s.waits(minutes(3)).await;
        s.person("eva").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "refused");
        assert!(s.effects().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_hangs_does_not_hold_a_click_for_long() {
    tell(async |s, club| {
        let ask = asks(s, "/ops rollback api prod").await;
        club.is().hangs = true;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "what was read a moment ago counts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nobody_holds_a_group_until_the_platform_was_asked() {
    tell(async |s, club| {
        let ask = asks(s, "/ops rollback api prod").await;
        club.is().away = true;
        s.restarts().await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "awaiting_approval");
        club.is().away = false;
        s.clock.forward(minutes(1));
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done", "the click asks");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_their_own_request_from_their_other_account() {
    tell(async |s, club| {
        club.put(LEADS, &[ANA, LEO]);
        let ask = asks(s, "/ops rollback api prod").await;
        let by = s.engine.settings.load().person_of(Platform::Slack, ANA).unwrap().id.clone();
        let input = Input::Press {
            by,
            place: Place::channel(Platform::Slack, "#infra"),
            message: ask.id.clone(),
            button: "approve".into(),
            values: Values::default(),
        };
        s.engine.accept(format!("slack:{}", DeliveryId::new()), input).await.unwrap();
        s.settles().await;
        assert_eq!(state(s, &ask).await, "awaiting_approval");
        assert!(s.effects().is_empty());
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_on_call_group_is_who_is_on_call() {
    tell(async |s, club| {
        assert_eq!(club.members(ON_CALL), [ANA], "at the start");
        club.put(ON_CALL, &[ANA, "T1/USOMEBODY"]);
        s.waits(minutes(9)).await;
        assert_eq!(club.members(ON_CALL).len(), 2);
        s.waits(minutes(1)).await;
        assert_eq!(club.members(ON_CALL), [ANA], "what somebody changed by hand is put right");

        s.clock.forward(minutes(7 * 24 * 60));
        s.settles().await;
        assert_eq!(club.members(ON_CALL), [LEO], "the shift changed");

        club.is().away = true;
        s.clock.forward(minutes(7 * 24 * 60));
        s.settles().await;
        assert_eq!(club.members(ON_CALL), [LEO]);
        club.is().away = false;
        s.waits(minutes(1)).await;
        assert_eq!(club.members(ON_CALL), [ANA], "made good once the platform answers");

        club.is().closed.insert(LEO);
        s.waits(minutes(5)).await;
        s.clock.forward(minutes(7 * 24 * 60));
        s.settles().await;
        assert_eq!(club.members(ON_CALL), [ANA], "nobody who could be in it, so it stays as it is");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_may_not_be_set_is_tried_again_without_haste() {
    tell(async |s, club| {
        club.is().forbids = true;
        club.is().sets = 0;
        s.waits(minutes(10)).await;
        assert_eq!(club.is().sets, 1);
        for _ in 0..9 {
            s.waits(minutes(1)).await;
        }
        assert_eq!(club.is().sets, 1);
        club.is().forbids = false;
        s.waits(minutes(1)).await;
        assert_eq!(club.members(ON_CALL), [ANA]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_does_not_tell_of_groups_still_tells_of_accounts() {
    tell(async |s, club| {
        club.is().forbids = true;
        let ask = asks(s, "/ops rollback api prod").await;
        s.person("leo").presses(&ask, "approve").await;
        assert_eq!(state(s, &ask).await, "awaiting_approval", "a group that cannot be read gives nothing");
        club.is().closed.insert(ANA);
        s.waits(minutes(5)).await;
        assert!(!s.engine.settings.load().knows("ana"));
    })
    .await;
}
