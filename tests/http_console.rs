//! The console: its API, its pages, signing in, and news as they happen.

mod http_support;

use std::time::Duration;

use http_support::{ANA, LEO, Server, card, infra, server};
use serde_json::{Value, json};
use sereno::chat::card::{Button, Card, Press};
use sereno::id::{MessageId, RunId};
use sereno::store::messages;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn with_button(title: &str) -> Card {
    let press = Press::Cancel(RunId::new());
    let button = Button { id: "cancel".into(), label: "Cancel".into(), danger: true, asks: None, press };
    Card { buttons: vec![button], ..card(title) }
}

#[tokio::test]
async fn every_documented_route_exists_and_asks_who_it_is() {
    let server = server().await;
    let document = server.ask("GET", "/api/v1/openapi.json", &[], "").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 14);
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{id}", "01J").replace("{name}", "infra");
            let answer = server.ask(&method.to_uppercase(), &path, &[], "{}").await;
            assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
            assert!(!answer.json()["error"]["hint"].as_str().unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn a_line_is_stored_before_it_is_acknowledged_and_once_a_key() {
    let server = server().await;
    let line = json!({"channel": "#infra", "text": "/ops health prod", "key": "1"}).to_string();
    let first = server.api(ANA, "POST", "/api/v1/messages", &line).await;
    assert_eq!(first.status, 202, "{first:?}");
    let again = server.api(ANA, "POST", "/api/v1/messages", &line).await;
    assert_eq!(first.json()["id"], again.json()["id"]);
    // Leo's key is not ana's.
    assert_ne!(first.json()["id"], server.api(LEO, "POST", "/api/v1/messages", &line).await.json()["id"]);
    assert_eq!(server.accepted().await, 2);
    let replies = format!("/api/v1/deliveries/{}/replies", first.json()["id"].as_str().unwrap());
    assert_eq!(server.api(ANA, "GET", &replies, "").await.json(), json!([]));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_with_a_hint() {
    let server = server().await;
    let long = "x".repeat(5_000);
    let huge = "x".repeat(100_000);
    for (body, status) in [
        (json!({"channel": "#nowhere", "text": "help"}), 404),
        (json!({"channel": "#infra", "text": "   "}), 400),
        (json!({"channel": "#infra", "text": long}), 400),
        (json!({"channel": "#infra", "text": huge}), 413),
        (json!({"channel": "#infra", "text": "help", "thread": "01JUNKNOWN"}), 404),
        (json!({"channel": "#infra", "text": "help", "as": "leo"}), 400),
        (json!({"channel": "#infra"}), 400),
        (json!("help"), 400),
    ] {
        let answer = server.api(ANA, "POST", "/api/v1/messages", &body.to_string()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.json()["error"]["hint"].as_str().unwrap().is_empty());
    }
    assert_eq!(server.accepted().await, 0);
}

#[tokio::test]
async fn a_channel_is_read_as_cards_without_what_buttons_do() {
    let server = server().await;
    let root = server.says(&infra(), None, &with_button("checkout is slow")).await;
    server.says(&infra().under(&root), None, &card("it was the cache")).await;
    for path in ["/api/v1/channels/%23infra/messages", "/api/v1/channels/infra/messages"] {
        let answer = server.api(ANA, "GET", path, "").await;
        let cards = answer.json();
        assert_eq!(cards.as_array().unwrap().len(), 1, "threads apart");
        assert_eq!(cards[0]["title"], "checkout is slow");
        let mark = &cards[0]["buttons"][0]["mark"];
        let button = json!({"id": "cancel", "mark": mark, "label": "Cancel", "danger": true, "asks": null});
        assert_eq!(cards[0]["buttons"], json!([button]));
        assert!(!answer.body.contains("press"));
    }
    let thread = server.api(ANA, "GET", &format!("/api/v1/messages/{root}/thread"), "").await.json();
    assert_eq!(thread[1]["title"], "it was the cache");
    assert_eq!(thread[1]["thread"], root.as_str());
}

#[tokio::test]
async fn a_whisper_is_for_its_addressee_alone() {
    let server = server().await;
    let whisper = server.says(&infra(), Some("ana"), &with_button("only you")).await;
    let one = format!("/api/v1/messages/{whisper}");
    assert_eq!(server.api(ANA, "GET", &one, "").await.status, 200);
    assert_eq!(server.api(LEO, "GET", &one, "").await.status, 404);
    assert_eq!(server.api(LEO, "GET", &format!("{one}/thread"), "").await.status, 404);
    assert_eq!(server.api(LEO, "POST", &format!("{one}/press"), r#"{"button":"cancel"}"#).await.status, 404);
    assert_eq!(server.api(LEO, "GET", "/api/v1/channels/infra/messages", "").await.json(), json!([]));
    let cookie = server.sign_in(LEO).await;
    assert_eq!(server.page(&cookie, &format!("/m/{whisper}")).await.status, 404);
    assert!(!server.page(&cookie, "/c/infra").await.body.contains("only you"));
    assert_eq!(server.accepted().await, 0);
}

#[tokio::test]
async fn a_press_is_handed_on_without_being_judged_here() {
    let server = server().await;
    let message = server.says(&infra(), None, &with_button("rollback api prod")).await;
    let press = format!("/api/v1/messages/{message}/press");
    let body = json!({"button": "Cancel", "values": {"reason": "wrong service"}}).to_string();
    assert_eq!(server.api(ANA, "POST", &press, &body).await.status, 202);
    assert_eq!(server.api(ANA, "POST", "/api/v1/messages/01JNONE/press", &body).await.status, 404);
    assert_eq!(server.accepted().await, 1);
}

#[tokio::test]
async fn lists_are_empty_before_anything_happened() {
    let server = server().await;
    for path in ["approvals", "runs", "incidents", "commands"] {
        assert_eq!(server.api(ANA, "GET", &format!("/api/v1/{path}"), "").await.json(), json!([]), "{path}");
    }
    for path in ["runs/01J", "incidents/01J", "messages/01J", "channels/nowhere/messages"] {
        assert_eq!(server.api(ANA, "GET", &format!("/api/v1/{path}"), "").await.status, 404, "{path}");
    }
    let me = server.api(LEO, "GET", "/api/v1/me", "").await.json();
    assert_eq!(me, json!({"id": "leo", "name": "Leo", "roles": ["lead", "operator"]}));
}

#[tokio::test]
async fn a_one_time_link_signs_in_once_and_only_by_its_button() {
    let server = server().await;
    let link = server.engine.one_time_link("ana").await.unwrap();
    let token = link.split_once("token=").unwrap().1;
    // Previews and prefetches change nothing.
    for _ in 0..3 {
        let page = server.ask("GET", &format!("/sign-in?token={token}"), &[], "").await;
        assert_eq!((page.status, page.header("set-cookie")), (200, None));
        assert!(page.body.contains(token));
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let signed_in = server.ask("POST", "/sign-in", &form, &format!("link={token}")).await;
    assert_eq!(signed_in.status, 303);
    let cookie = signed_in.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(server.page(cookie, "/").await.status, 200);
    let again = server.ask("POST", "/sign-in", &form, &format!("link={token}")).await;
    assert_eq!((again.status, again.header("set-cookie")), (401, None));
}

#[tokio::test]
async fn links_and_sessions_grow_old() {
    let server = server().await;
    let link = server.engine.one_time_link("ana").await.unwrap();
    let cookie = server.sign_in(ANA).await;
    server.clock.forward(Duration::from_secs(11 * 60));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let token = link.split_once("token=").unwrap().1;
    assert_eq!(server.ask("POST", "/sign-in", &form, &format!("link={token}")).await.status, 401);
    assert_eq!(server.page(&cookie, "/").await.status, 200);
    server.clock.forward(Duration::from_secs(12 * 3600));
    assert_eq!(server.page(&cookie, "/").await.status, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let server = server().await;
    let cookie = server.sign_in(ANA).await;
    assert_eq!(server.form(&cookie, "/sign-out", "").await.status, 303);
    assert_eq!(server.page(&cookie, "/").await.status, 401);
    let wrong = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.ask("POST", "/sign-in", &wrong, "token=wrong").await.status, 401);
    assert_eq!(server.ask("POST", "/sign-in", &wrong, "token=").await.status, 401);
}

#[tokio::test]
async fn another_sites_page_can_do_nothing_in_my_name() {
    let server = server().await;
    let message = server.says(&infra(), None, &with_button("rollback api prod")).await;
    let cookie = server.sign_in(ANA).await;
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for foreign in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![],
    ] {
        let mut headers = vec![("cookie", cookie.as_str()), kind];
        headers.extend(foreign);
        for path in [
            format!("/m/{message}/press"),
            "/c/infra".to_owned(),
            "/sign-out".to_owned(),
            format!("/api/v1/messages/{message}/press"),
        ] {
            let answer = server.ask("POST", &path, &headers, "button=cancel&text=help").await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
        }
    }
    assert_eq!(server.accepted().await, 0);
    assert_eq!(server.page(&cookie, "/").await.status, 200, "and the session goes on");
}

#[tokio::test]
async fn after_signing_in_again_one_is_on_a_page_and_not_at_a_form() {
    let server = server().await;
    let message = server.says(&infra(), None, &with_button("rollback api prod")).await;
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let over = [("origin", "https://sereno.example"), kind, ("accept", "text/html")];
    let refused = server.ask("POST", &format!("/m/{message}/press"), &over, "button=cancel").await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("name=\"next\" value=\"&#x2f;\""), "{}", refused.body);
    let asked = server.ask("GET", &format!("/m/{message}"), &over[2..], "").await;
    assert!(asked.body.contains(&format!("m&#x2f;{message}\"")), "a page is gone back to: {}", asked.body);
}

#[tokio::test]
async fn pages_read_and_forms_post_without_scripts() {
    let server = server().await;
    let message = server.says(&infra(), None, &with_button("rollback <b>api</b> prod")).await;
    let cookie = server.sign_in(ANA).await;
    let page = server.page(&cookie, "/c/infra").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("rollback &lt;b&gt;api&lt;&#x2f;b&gt; prod"), "{}", page.body);
    assert!(page.body.contains(&format!("action=\"/m/{message}/press\"")));
    let pressed =
        server.form(&cookie, &format!("/m/{message}/press"), "button=cancel&key=k1&back=/c/infra%23end").await;
    assert_eq!((pressed.status, pressed.header("location")), (303, Some("/c/infra#end")));
    let said = server.form(&cookie, "/c/infra", "text=/ops+help&key=k2&back=//evil.example").await;
    assert_eq!((said.status, said.header("location")), (303, Some("/")));
    let replied = server.form(&cookie, &format!("/m/{message}"), "text=note+looking&key=k3&back=/").await;
    assert_eq!(replied.status, 303);
    assert_eq!(server.accepted().await, 3);
    for path in ["/", "/m/x", "/runs", "/incidents", "/runbooks", "/waiting"] {
        let status = server.page(&cookie, path).await.status;
        assert_eq!(status, if path == "/m/x" { 404 } else { 200 }, "{path}");
    }
}

#[tokio::test]
async fn strangers_see_the_sign_in_page_and_come_back_to_where_they_went() {
    let server = server().await;
    let page = server.ask("GET", "/runs/01J?x=1", &[], "").await;
    assert_eq!(page.status, 401);
    assert!(
        page.body.contains("name=\"token\"") && page.body.contains("value=\"&#x2f;runs&#x2f;01J?x=1\""),
        "{}",
        page.body
    );
    // From a link on another site the cookie stays away at first: our own page asks again.
    let headers = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert!(server.ask("GET", "/", &headers, "").await.body.contains("http-equiv=\"refresh\""));
}

#[tokio::test]
async fn news_arrive_as_events_and_a_lost_connection_misses_nothing() {
    let server = server().await;
    let first = server.says(&infra(), None, &card("before")).await;
    let mut events = listen(&server, ANA, None).await;
    events.until("here").await;
    server.says(&infra(), Some("leo"), &card("not for ana")).await;
    let root = server.says(&infra(), None, &card("checkout is slow")).await;
    let card_event = events.card().await;
    assert_eq!((&card_event["id"], &card_event["title"]), (&root.as_str().into(), &"checkout is slow".into()));
    let seen = events.last_id.clone();
    drop(events);

    edit(&server, &root, &card("checkout is well again")).await;
    edit(&server, &first, &card("after")).await;
    let mut events = listen(&server, ANA, Some(&seen)).await;
    assert_eq!(events.card().await["title"], "checkout is well again");
    assert_eq!(events.card().await["title"], "after");
}

async fn edit(server: &Server, id: &MessageId, card: &Card) {
    let mut tx = server.engine.store.begin().await.unwrap();
    messages::edit(&mut tx, id, &serde_json::to_value(card).unwrap()).await.unwrap();
    tx.commit().await.unwrap();
}

/// A live stream.
struct Events {
    socket: tokio::net::TcpStream,
    text: String,
    last_id: String,
}

async fn listen(server: &Server, token: &str, after: Option<&str>) -> Events {
    let mut socket = server.connect().await;
    let resume = after.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{resume}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    Events { socket, text: String::new(), last_id: String::new() }
}

impl Events {
    /// Reads until `mark` has come, and gives what came up to it.
    async fn until(&mut self, mark: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = self.text.find(mark) {
                let rest = self.text.split_off(at + mark.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let read = tokio::time::timeout(Duration::from_secs(20), self.socket.read(&mut buffer)).await;
            let read = read.expect("news").unwrap();
            assert_ne!(read, 0, "the stream ended");
            self.text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }

    /// The next card.
    async fn card(&mut self) -> Value {
        self.until("id: ").await;
        self.last_id = self.until("\n").await.trim().to_owned();
        self.until("data: ").await;
        serde_json::from_str(self.until("\n").await.trim()).unwrap()
    }
}
