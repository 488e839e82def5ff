//! Several processes: on one SQLite file the second is refused, on PostgreSQL replicas share the work.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::install::{Install, eventually, http, token};
use crate::support::each_empty_database;

#[tokio::test]
async fn a_second_process_on_the_same_file_is_refused() {
    let install = Install::new();
    let _server = install.serve().await;
    let second = Install::beside(&install);
    let said = second.sereno(&["serve"]).await;
    assert_eq!(said.code, 78, "{said:#?}");
    assert!(said.err.contains("another process serves") && said.err.contains('→'), "{said:#?}");
    let [card] = install.say("ana", "/ops health dev").await.try_into().unwrap();
    assert_eq!(card["state"], "done", "the first goes on: {card:#}");
}

#[tokio::test]
async fn a_shell_beside_replicas_asks_them_and_does_nothing_itself() {
    each_empty_database(async |database| {
        if database.is_sqlite() {
            return;
        }
        let one = Install::on(&database.url);
        let bastion = Install::beside(&one);
        one.serve().await.stop().await;
        let alone = bastion.sereno(&["run", "rollback api dev", "--as", "ana"]).await;
        assert!(alone.code == 69 && alone.err.contains("nothing was done"), "{alone:#?}");
        let server = one.serve().await;
        let said = bastion.sereno(&["run", "rollback web dev", "--as", "ana"]).await;
        assert_eq!(said.code, 0, "{said:#?}");
        assert_eq!(one.effects(), ["web dev"], "what nobody took is not done later");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn replicas_share_the_work_and_start_a_change_once() {
    each_empty_database(async |database| {
        if database.is_sqlite() {
            return;
        }
        let one = Install::on(&database.url);
        let two = Install::beside(&one);
        let (_one, _two) = tokio::join!(one.serve(), two.serve());
        for round in 0..5 {
            let [card] = one.say("ana", "/ops rollback api prod").await.try_into().unwrap();
            let id = card["id"].as_str().unwrap();
            eventually("the card on the other replica", async || {
                (two.get("leo", &format!("messages/{id}")).await["state"] == "awaiting_approval").then_some(())
            })
            .await;
            let press = async |install: &Install| {
                let url = install.url(&format!("/api/v1/messages/{id}/press"));
                let request = http().post(url).bearer_auth(token("leo")).json(&json!({"button": "approve"}));
                request.send().await.unwrap().status()
            };
            let answers = join_all([&one, &two, &one, &two].map(press)).await;
            assert!(answers.iter().all(|status| *status == StatusCode::ACCEPTED), "{answers:?}");
            eventually("the end of the run", async || {
                (two.get("ana", &format!("messages/{id}")).await["state"] == "done").then_some(())
            })
            .await;
            assert_eq!(one.effects().len(), round + 1, "one start");
        }
        assert_eq!(one.sereno(&["audit", "verify"]).await.code, 0);
    })
    .await;
}
