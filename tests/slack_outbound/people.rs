//! Doctor, people's standing and groups.

use super::*;

#[tokio::test]
async fn doctor_hears_what_the_tokens_lack() {
    let town = Town::without("files:write").await;
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles[0].contains("files:write"));
    town.slack.with(|world| world.app.revoked.insert("xapp-fake-app".to_owned()));
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert!(troubles[1].contains("Socket Mode") && troubles[1].contains("SERENO_SLACK__APP_TOKEN"), "{troubles:?}");
    assert!(!troubles[1].contains("xapp-fake-app"), "{troubles:?}");
    town.slack.outage(true);
    let troubles = town.chat.troubles(&Named::default(), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("cannot be reached"), "{troubles:?}");
}

fn named(channels: &[(&str, &str)], people: &[(&str, &str)]) -> Named {
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, id)| (name.to_owned(), id.to_owned())).collect();
    Named { channels: owned(channels), people: owned(people), ..Named::default() }
}

#[tokio::test]
async fn doctor_hears_which_channels_and_people_of_the_configuration_are_not_there() {
    let town = Town::with(Setup::default().with(|world| {
        world.channels.get_mut("C2").unwrap().archived = true;
        world.channel("C6", "hidden", &["U1", "UBOT"]).private = true;
        world.deactivate("U3");
    }))
    .await;
    let named = named(
        &[
            ("#infra", "C1"),
            ("#old", "C2"),
            ("#typo", "C404"),
            ("#secret", "C4"),
            ("#general", "C5"),
            ("#hidden", "C6"),
        ],
        &[("ana", "T1/U1"), ("cleo", "T1/U3"), ("gus", "T1/U8"), ("sam", "T2/U9"), ("slip", "T1/U404")],
    );
    for language in [Language::En, Language::Es] {
        town.forward(60);
        let troubles = town.chat.troubles(&named, Words(language)).await;
        let about: Vec<&str> = troubles.iter().map(|line| line.split([' ', ':']).next().unwrap()).collect();
        assert_eq!(about, ["#old", "#typo", "#secret", "cleo", "gus", "sam", "slip"], "{troubles:#?}");
    }
    let troubles = town.chat.troubles(&named, Words(Language::En)).await;
    let says = |at: usize, words: &[&str]| words.iter().all(|word| troubles[at].contains(word));
    assert!(says(0, &["C2", "archived"]) && says(1, &["C404", "correct its id"]) && says(2, &["C4", "invite"]));
    assert!(says(3, &["closed", "anywhere"]) && says(4, &["guest"]) && says(5, &["T2/U9", "T1"]) && says(6, &["U404"]));
}

#[tokio::test]
async fn doctor_hears_which_user_groups_are_not_there_or_not_in_use() {
    let town = Town::with(Setup::default().with(|world| world.groups.get_mut("S2").unwrap().disabled = true)).await;
    let named = Named { groups: ["S1", "S2", "S404"].map(str::to_owned).into(), ..Named::default() };
    for (language, says) in [
        (Language::En, ["S2 is disabled", "no user group S404"]),
        (Language::Es, ["S2 está desactivado", "ningún grupo de usuarios S404"]),
    ] {
        let troubles = town.chat.troubles(&named, Words(language)).await;
        assert_eq!(troubles.len(), 2, "{troubles:#?}");
        assert!(troubles.iter().zip(says).all(|(line, says)| line.contains(says)), "{troubles:#?}");
    }
    let town = Town::without("usergroups:read").await;
    let troubles = town.chat.troubles(&named, Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("usergroups:read"), "told once: {troubles:#?}");
}

#[tokio::test]
async fn without_the_scope_for_public_channels_doctor_asks_for_an_invitation() {
    let town = Town::without("chat:write.public").await;
    let troubles = town.chat.troubles(&named(&[("#infra", "C1"), ("#general", "C5")], &[]), Words(Language::En)).await;
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles[1].contains("#general") && troubles[1].contains("chat:write.public"), "{troubles:?}");
}

#[tokio::test]
async fn doctor_says_once_what_it_may_not_or_could_not_look_at() {
    let town = Town::without("channels:read").await;
    let troubles = town.chat.troubles(&named(&[("#typo", "C404")], &[]), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("channels:read"), "{troubles:?}");
    let town = Town::new().await;
    town.slack.trouble("conversations.info", 1, Trouble::RateLimited(30));
    let troubles = town.chat.troubles(&named(&[("#infra", "C1")], &[]), Words(Language::En)).await;
    assert!(troubles.len() == 1 && troubles[0].contains("could not be looked at"), "{troubles:?}");
}

#[tokio::test]
async fn rights_come_from_accounts_of_ours_that_are_open_and_from_their_groups() {
    let town = Town::new().await;
    let groups = ["S1".to_owned(), "S2".to_owned(), "S404".to_owned()];
    let stands = async |identity: &str| town.chat.standing(identity, &groups).await.unwrap().unwrap();
    assert_eq!(stands("T1/U1").await, Standing { groups: vec!["S1".to_owned()], ..Standing::default() });
    assert_eq!(stands("T1/U2").await, Standing { groups: vec!["S2".to_owned()], ..Standing::default() });
    let stranger = Standing { stranger: true, ..Standing::default() };
    // A guest, somebody of another workspace by either id, a slip of the pen, nobody.
    for identity in ["T1/U8", "T2/U9", "T1/U9", "T2/U1", "T1/U404", "U1"] {
        assert_eq!(stands(identity).await, stranger, "{identity}");
    }
    town.slack.with(|world| {
        world.deactivate("U1");
        world.leave_group("S2", "U2");
    });
    town.forward(3);
    assert_eq!(stands("T1/U1").await, Standing { gone: true, ..Standing::default() });
    assert_eq!(stands("T1/U2").await, Standing::default());
    unavailable({
        town.forward(3);
        town.slack.outage(true);
        town.chat.standing("T1/U2", &groups).await
    });
}

#[tokio::test]
async fn without_the_scope_for_groups_accounts_are_still_looked_at() {
    let town = Town::without("usergroups:read").await;
    // Refused, not away: asking again changes nothing, and who asks then asks for the account alone.
    let groups = ["S1".to_owned()];
    assert!(matches!(town.chat.standing("T1/U1", &groups).await, Err(ChatError::Refused(_))));
    town.slack.with(|world| world.deactivate("U1"));
    town.forward(3);
    let stands = town.chat.standing("T1/U1", &[]).await.unwrap().unwrap();
    assert!(stands.gone);
}

#[tokio::test]
async fn standing_is_asked_for_no_more_often_than_slack_bears() {
    let town = Town::new().await;
    let groups = ["S1".to_owned()];
    for _ in 0..600 {
        town.chat.standing("T1/U1", &groups).await.unwrap();
        town.clock.forward(Duration::from_millis(100));
        town.slack.clock().advance(Duration::from_millis(100));
    }
    assert!(town.slack.calls().iter().all(|call| call.status == 200));
    assert_eq!(town.slack.calls_of("usergroups.users.list").len(), 20);
}

#[tokio::test]
async fn the_on_call_group_is_written_only_when_it_differs() {
    let town = Town::new().await;
    let set = async |members: &[&str]| {
        let members: Vec<String> = members.iter().map(|&id| id.to_owned()).collect();
        town.chat.set_group("S1", &members).await
    };
    set(&["T1/U1"]).await.unwrap();
    assert!(town.slack.calls_of("usergroups.users.update").is_empty());
    set(&["T1/U2", "T1/U3"]).await.unwrap();
    assert_eq!(town.slack.with(|world| world.groups["S1"].users.clone()), ["U2", "U3"]);
    refused(set(&["T2/U9"]).await);
    assert_eq!(town.slack.calls_of("usergroups.users.update").len(), 1);
}
