//! `smtp` against a strict mail server, `webhook` against a receiver that checks signatures by itself.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno_fakes::smtp::{Ending, Manners, serve};

use super::executor_support::context;
use super::tls::Authority;
use super::{LONG, SHORT, attempt, done, endless, failed, free_port, silent, tools, unknown};

const PASSWORD: &str = "canary-mail-password";

/// An e-mail to this port, with further fields.
async fn write(port: u16, more: Value) -> Outcome {
    let mut with = json!({
        "server": format!("localhost:{port}"), "from": "Sereno <sereno@example.com>",
        "to": ["ana@example.com", "Leo <leo@example.com>"], "subject": "Restauración terminada",
        "body": "The database is back.\n.\nNot the end yet.\n",
    });
    with.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    attempt("smtp", &with, context(&tools(&[("mail", PASSWORD)]), Effect::Change, LONG)).await
}

#[tokio::test]
async fn an_alert_e_mail_goes_out_encrypted_and_signed_in() {
    let authority = Authority::new();
    authority.issue("mail", 20_000);
    let manners = Manners {
        tls: Some(authority.acceptor("mail", false)),
        sign_in: Some(("sereno", PASSWORD)),
        ..Manners::default()
    };
    let (port, mailbox) = serve(manners).await.unwrap();
    let sign_in = json!({ "authority": authority.path("ca.pem"), "user": "sereno", "password": { "secret": "mail" } });
    let report = done(write(port, sign_in.clone()).await);
    assert_eq!((&report.facts["accepted"], &report.facts["answer"]), (&json!(2), &json!("2.0.0 queued")));
    let [mail] = &mailbox.all()[..] else { panic!("one mail: {:?}", mailbox.all()) };
    assert!(mail.encrypted && mail.from == "sereno@example.com" && mail.to == ["ana@example.com", "leo@example.com"]);
    assert!(
        mail.text.contains("Subject: =?utf-8?") && mail.text.contains("Date: Sun, 01 Mar 2026 12:00:00"),
        "{mail:?}"
    );
    assert!(mail.text.contains("\n.\nNot the end yet."), "{}", mail.text);
    let id = report.facts["message_id"].as_str().unwrap();
    assert!(mail.text.contains(&format!("Message-ID: {id}")), "the same at every attempt: {}", mail.text);

    let mut wrong = sign_in;
    wrong["user"] = json!("somebody");
    let refused = failed(write(port, wrong).await);
    assert!(refused.contains("does not let us in") && !refused.contains(PASSWORD), "{refused}");
    let stranger = failed(write(port, json!({})).await);
    assert!(stranger.contains("ertificate") || stranger.contains("UnknownIssuer"), "{stranger}");
    assert_eq!(mailbox.all().len(), 1);
}

#[tokio::test]
async fn tls_from_the_beginning_will_do_too() {
    let authority = Authority::new();
    authority.issue("mail", 20_000);
    let (behind, mailbox) = serve(Manners::default()).await.unwrap();
    let acceptor = authority.acceptor("mail", false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut outside = acceptor.accept(stream).await.unwrap();
        let mut inside = tokio::net::TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
    });
    done(write(port, json!({ "security": "tls", "authority": authority.path("ca.pem") })).await);
    assert_eq!(mailbox.all().len(), 1);
}

#[tokio::test]
async fn a_server_without_encryption_is_told_nothing_unless_the_runbook_says_so() {
    let (port, mailbox) = serve(Manners::default()).await.unwrap();
    let refused = failed(write(port, json!({})).await);
    assert!(refused.contains("STARTTLS") && mailbox.all().is_empty(), "{refused}");
    done(write(port, json!({ "security": "none" })).await);
    assert!(!mailbox.all()[0].encrypted);
}

#[tokio::test]
async fn what_the_server_refuses_was_sent_to_nobody() {
    let open = json!({ "security": "none" });
    for (manners, says) in [
        (
            Manners { instead: vec![("RCPT TO:<leo", "550 5.1.1 no such user")], ..Manners::default() },
            "leo@example.com",
        ),
        (Manners { instead: vec![("MAIL", "451 4.7.1 later")], ..Manners::default() }, "later"),
        (
            Manners { instead: vec![("EHLO", "421 too busy"), ("HELO", "421 too busy")], ..Manners::default() },
            "too busy",
        ),
        (Manners { ending: Ending::Refuse, ..Manners::default() }, "spam"),
    ] {
        let (port, mailbox) = serve(manners).await.unwrap();
        let why = failed(write(port, open.clone()).await);
        assert!(why.contains(says) && mailbox.all().is_empty(), "{why}");
    }
    let gone = failed(write(free_port(), open.clone()).await);
    assert!(gone.contains("refused"), "{gone}");
    let odd = failed(write(endless(b"220-").await, open).await);
    assert!(odd.contains("longer than anybody would read"), "{odd}");
}

#[tokio::test]
async fn a_message_that_was_handed_over_and_not_confirmed_is_unknown() {
    let (port, _) = serve(Manners { ending: Ending::HangUp, ..Manners::default() }).await.unwrap();
    unknown(write(port, json!({ "security": "none" })).await);
    let (port, _) = serve(Manners { ending: Ending::Silence, ..Manners::default() }).await.unwrap();
    let with = json!({
        "server": format!("localhost:{port}"), "security": "none", "from": "a@example.com", "to": ["b@example.com"],
        "subject": "s", "body": "b",
    });
    let why = unknown(attempt("smtp", &with, context(&tools(&[]), Effect::Change, SHORT)).await);
    assert!(why.contains("nobody knows"), "{why}");
    let quiet = json!({
        "server": format!("localhost:{}", silent(b"").await), "from": "a@example.com", "to": ["b@example.com"],
        "subject": "s", "body": "b",
    });
    let why = failed(attempt("smtp", &quiet, context(&tools(&[]), Effect::Change, SHORT)).await);
    assert!(why.contains("not finished"), "before the message there is nothing to doubt: {why}");
}

#[test]
fn a_message_that_cannot_be_one_is_refused_when_it_is_read() {
    let smtp = sereno::executor::find("smtp").unwrap();
    let whole = json!({
        "server": "mail:587", "from": "a@example.com", "to": ["b@example.com"], "subject": "s", "body": "b",
    });
    assert!((smtp.parse)(&whole).is_ok());
    for (field, value) in [
        ("to", json!([])),
        ("to", json!(["b@example.com\r\nBcc: all@example.com"])),
        ("from", json!("not @ address")),
        ("subject", json!("a\r\nBcc: all@example.com")),
        ("user", json!("ana")),
        ("security", json!("ssl")),
    ] {
        let mut with = whole.clone();
        with[field] = value;
        assert!((smtp.parse)(&with).is_err(), "{with}");
    }
    let open = json!({ "security": "none", "user": "a", "password": { "secret": "mail" } });
    let mut with = whole;
    with.as_object_mut().unwrap().append(&mut open.as_object().unwrap().clone());
    assert!((smtp.parse)(&with).is_err(), "no password in the open");
}

/// What a receiver was sent.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn receiver() -> (String, Received) {
    async fn take(
        State(received): State<Received>,
        Path(code): Path<u16>,
        headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, &'static str) {
        received.lock().unwrap().push((headers, body));
        (StatusCode::from_u16(code).unwrap(), "{\"message\": \"as you wished\"}")
    }
    let received = Received::default();
    let routes = Router::new().route("/{code}/s3cret-path", post(take)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, received)
}

#[tokio::test]
async fn a_message_arrives_with_a_signature_that_its_receiver_can_check() {
    let (url, received) = receiver().await;
    let key = [7; 24];
    let send = async |code: u16| {
        let (url, key) = (format!("{url}/{code}/s3cret-path"), format!("whsec_{}", STANDARD.encode(key)));
        let with = json!({
            "url": { "secret": "hook" }, "sign": { "secret": "key" }, "json": { "text": "Deploy «finished» ✅" },
        });
        let tools = tools(&[("hook", &url), ("key", &key)]);
        let action = super::action("webhook", &with);
        let plan = sereno::executor::plan(&*action, &tools, Effect::Change).await.unwrap();
        assert!(!format!("{plan:?}").contains("s3cret-path"));
        attempt("webhook", &with, context(&tools, Effect::Change, LONG)).await
    };
    let report = done(send(202).await);
    assert_eq!((&report.facts["status"], &report.facts["signed"]), (&json!(202), &json!(true)));
    let (headers, body) = received.lock().unwrap()[0].clone();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signed =
        [header("webhook-id"), header("webhook-timestamp"), String::from_utf8(body.to_vec()).unwrap()].join(".");
    let tag = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    assert!(hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).is_ok());
    assert_eq!((header("webhook-timestamp"), header("content-type")), ("1772366400".into(), "application/json".into()));
    assert_eq!(report.facts["id"], header("webhook-id"));
    done(send(200).await);
    assert_eq!(received.lock().unwrap()[1].0["webhook-id"], headers["webhook-id"], "the same step is the same message");

    let refused = failed(send(410).await);
    assert!(refused.contains("410") && refused.contains("as you wished") && !refused.contains("s3cret"), "{refused}");
    failed(send(302).await);
    failed(send(503).await);
    let unclear = unknown(send(500).await);
    assert!(!unclear.contains("s3cret"), "{unclear}");
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_silent_is_said_to_be() {
    let send = async |url: String| {
        let with = json!({ "url": { "secret": "hook" }, "json": { "text": "x" } });
        attempt("webhook", &with, context(&tools(&[("hook", &url)]), Effect::Change, SHORT)).await
    };
    let gone = failed(send(format!("http://127.0.0.1:{}/s3cret-path", free_port())).await);
    assert!(!gone.contains("s3cret"), "{gone}");
    let quiet = unknown(send(format!("http://127.0.0.1:{}/", silent(b"").await)).await);
    assert!(quiet.contains("nobody knows"), "{quiet}");
    let odd = failed(send("ftp://s3cret-path".to_owned()).await);
    assert!(odd.contains("hook") && !odd.contains("s3cret"), "{odd}");
    let metadata = failed(send("http://169.254.169.254/s3cret-path".to_owned()).await);
    assert!(!metadata.contains("s3cret"), "{metadata}");
}
