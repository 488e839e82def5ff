//! The server's doors: alert hooks, what clients may not do, health, and a stop that ends in time.

mod http_support;

use std::time::Duration;

use base64::Engine as _;
use http_support::{ANA, SECRET, is_closed, read, server, server_with};
use sereno::http::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const FIRING: &str = r#"{"version":"4","groupKey":"{}:{alertname=\"HighLatency\"}","status":"firing","alerts":[{"status":"firing","fingerprint":"a1","startsAt":"2026-03-01T03:12:00Z","labels":{"alertname":"HighLatency"}}]}"#;

fn short() -> Limits {
    let brief = Duration::from_millis(300);
    Limits { head: brief, body: brief, idle: brief, stall: brief, drain: brief, connections: 8 }
}

#[tokio::test]
async fn an_alert_body_is_acknowledged_once_it_is_stored() {
    let server = server().await;
    let answer = server.hook(FIRING).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.json()["id"].is_string());
    assert_eq!(server.accepted().await, 1);
    // Alertmanager repeats a body as a reminder; that is news of its own.
    server.hook(FIRING).await;
    assert_eq!(server.accepted().await, 2);
}

#[tokio::test]
async fn a_source_that_numbers_its_requests_is_heard_once() {
    let server = server().await;
    let bearer = format!("Bearer {SECRET}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "7")];
    let first = server.ask("POST", "/hooks/alertmanager", &headers, FIRING).await.json();
    let again = server.ask("POST", "/hooks/alertmanager", &headers, FIRING).await.json();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(server.accepted().await, 1);
}

#[tokio::test]
async fn the_secret_may_come_as_basic_password() {
    let server = server().await;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("prometheus:{SECRET}"));
    let headers = [("authorization", format!("Basic {basic}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(server.ask("POST", "/hooks/alertmanager", &headers, FIRING).await.status, 202);
}

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_hook_look_the_same() {
    let server = server().await;
    let wrong = server.ask("POST", "/hooks/alertmanager", &[("authorization", "Bearer wrong")], FIRING).await;
    let unknown = server.ask("POST", "/hooks/nagios", &[("authorization", "Bearer wrong")], FIRING).await;
    let none = server.ask("POST", "/hooks/alertmanager", &[], FIRING).await;
    assert_eq!((wrong.status, unknown.status, none.status), (401, 401, 401));
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.body, none.body);
    assert!(!wrong.body.contains(SECRET));
    assert_eq!(server.accepted().await, 0);
}

#[tokio::test]
async fn a_persons_token_opens_no_hook() {
    let server = server().await;
    assert_eq!(server.api(ANA, "POST", "/hooks/alertmanager", FIRING).await.status, 401);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_says_so() {
    let server = server().await;
    let large = format!(r#"{{"alerts":[],"padding":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let answer = server.hook(&large).await;
    assert_eq!(answer.status, 413, "{}", answer.head);
    assert!(answer.json()["error"]["hint"].as_str().unwrap().contains("max_alerts"));
    // The same without a length said beforehand.
    let chunk = "x".repeat(64 * 1024);
    let mut request = format!(
        "POST /hooks/alertmanager HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {SECRET}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for _ in 0..32 {
        request.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
    }
    request.push_str("0\r\n\r\n");
    assert_eq!(server.send(request.as_bytes()).await.status, 413);
    assert_eq!(server.accepted().await, 0);
}

#[tokio::test]
async fn noise_is_refused_and_odd_json_is_kept() {
    let server = server().await;
    for noise in ["", "alerts=1", "{\"alerts\":", "[]", "\"x\"", "null"] {
        let answer = server.hook(noise).await;
        assert_eq!(answer.status, 400, "{noise:?}: {answer:?}");
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    assert_eq!(server.hook(&deep).await.status, 400);
    assert_eq!(server.accepted().await, 0);
    // 4xx is final for alert sources: what is JSON but odd is kept for people to look at.
    for odd in ["{}", r#"{"alerts":"none"}"#, r#"{"alert":"down","approved":false,"approved":true}"#] {
        assert_eq!(server.hook(odd).await.status, 202, "{odd}");
    }
    assert_eq!(server.accepted().await, 3);
}

#[tokio::test]
async fn a_flood_from_one_source_is_put_off_by_503_never_429() {
    let server = server().await;
    let mut put_off = None;
    'flood: for _ in 0..200 {
        let together = (0..50).map(|_| server.hook("x"));
        for answer in futures_util::future::join_all(together).await {
            assert_ne!(answer.status, 429);
            if answer.status == 503 {
                put_off = Some(answer);
                break 'flood;
            }
        }
    }
    let answer = put_off.expect("10,000 bodies at once are more than one source may send");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn silent_half_sent_and_idle_connections_are_closed() {
    let server = server_with(short()).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut body = server.connect().await;
    let head = format!(
        "POST /hooks/alertmanager HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-length: 99\r\n\r\n{{"
    );
    body.write_all(head.as_bytes()).await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
    assert_eq!(read(&mut body).await.status, 408);
    assert_eq!(read(&mut idle).await.status, 200, "answered, then closed for doing nothing");
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = server().await;
    let mut socket = server.connect().await;
    socket
        .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\nGET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = read(&mut socket).await;
    assert_eq!(answer.body.matches("HTTP/1.1 200").count(), 1, "and the first before it: {answer:?}");
}

#[tokio::test]
async fn full_of_silent_clients_it_serves_again_when_they_have_been_closed() {
    let server = server_with(short()).await;
    let mut silent = Vec::new();
    for _ in 0..16 {
        silent.push(server.connect().await);
    }
    assert_eq!(server.ask("GET", "/live", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_stop_ends_in_time_whatever_clients_do() {
    let server = server_with(Limits { drain: Duration::from_millis(300), ..Limits::default() }).await;
    let mut half = server.connect().await;
    half.write_all(b"POST /api/v1/messages HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut events = server.connect().await;
    let stream = format!("GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANA}\r\n\r\n");
    events.write_all(stream.as_bytes()).await.unwrap();
    server.ask("GET", "/live", &[], "").await;
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), server.ended).await.expect("it ends").unwrap().unwrap();
    assert!(is_closed(&mut half).await && is_closed(&mut events).await);
}

#[tokio::test]
async fn what_was_begun_before_a_stop_is_answered() {
    let server = server().await;
    let mut begun = server.connect().await;
    let (first, rest) = FIRING.split_at(20);
    let head = format!(
        "POST /hooks/alertmanager HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-length: {}\r\n\r\n{first}",
        FIRING.len()
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    server.ask("GET", "/live", &[], "").await; // by now the head has been read
    server.stop.cancel();
    tokio::task::yield_now().await;
    begun.write_all(rest.as_bytes()).await.unwrap();
    assert_eq!(read(&mut begun).await.status, 202);
    tokio::time::timeout(Duration::from_secs(10), server.ended).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test]
async fn health_tells_what_is_well_and_carries_no_secret() {
    let server = server().await;
    let health = server.ask("GET", "/health", &[], "").await;
    assert_eq!(health.status, 200);
    let health = health.json();
    assert_eq!((&health["status"], &health["services"]["store"]["status"]), (&"ok".into(), &"ok".into()));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(server.ask("GET", "/live", &[], "").await.status, 200);
    assert_eq!(server.ask("GET", "/ready", &[], "").await.status, 200);
    server.hook(FIRING).await;
    let metrics = server.ask("GET", "/metrics", &[], "").await;
    assert_eq!(metrics.status, 200);
    for secret in [SECRET, ANA] {
        assert!(!metrics.body.contains(secret));
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_guard_browsers() {
    let server = server().await;
    for path in ["/", "/sign-in", "/nowhere", "/api/v1/me", "/live"] {
        let answer = server.ask("GET", path, &[], "").await;
        let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{path}: {}", answer.head));
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

/// Asks for something on a connection that stays open, and reads the answer.
async fn ask_and_stay(socket: &mut tokio::net::TcpStream) -> bool {
    socket.write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await.is_ok() && hears(socket, "ok\n").await
}

/// Reads until these words were said, or the end.
async fn hears(socket: &mut tokio::net::TcpStream, words: &str) -> bool {
    let (mut said, mut some) = (Vec::new(), [0; 1024]);
    let all = async {
        while let Ok(count @ 1..) = socket.read(&mut some).await {
            said.extend_from_slice(&some[..count]);
            if String::from_utf8_lossy(&said).contains(words) {
                return true;
            }
        }
        false
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("an answer or an end")
}

/// No deadline of its own makes room within this test.
fn patient(connections: usize) -> Limits {
    let long = Duration::from_secs(600);
    Limits { head: long, body: long, idle: long, stall: long, drain: Duration::from_secs(1), connections }
}

#[tokio::test]
async fn where_all_places_are_taken_the_idlest_connection_makes_room() {
    let server = server_with(patient(4)).await;
    let mut live = server.connect().await;
    let stream = format!("GET /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANA}\r\n\r\n");
    live.write_all(stream.as_bytes()).await.unwrap();
    assert!(hears(&mut live, "here").await);
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(server.connect().await);
        assert!(ask_and_stay(idle.last_mut().unwrap()).await);
    }
    // The first of them did something again: now the second is the idlest.
    assert!(ask_and_stay(&mut idle[0]).await);
    assert_eq!(server.hook(FIRING).await.status, 202);
    assert!(is_closed(&mut idle[1]).await);
    assert!(ask_and_stay(&mut idle[0]).await && ask_and_stay(&mut idle[2]).await);
    server.says(&http_support::infra(), None, &http_support::card("still listening")).await;
    assert!(hears(&mut live, "still listening").await, "a stream is no idle connection");
}

#[tokio::test]
async fn whoever_holds_places_and_says_nothing_keeps_no_hook_out() {
    let server = server_with(patient(4)).await;
    let mut silent = Vec::new();
    for half in [&b""[..], b"POST /hooks/alertmanager HTTP/1.1\r\n", b"GET", b""] {
        let mut socket = server.connect().await;
        socket.write_all(half).await.unwrap();
        silent.push(socket);
    }
    assert_eq!(server.hook(FIRING).await.status, 202);
    assert!(is_closed(&mut silent[0]).await);
}

#[tokio::test]
async fn guessing_tokens_is_slowed_and_whoever_is_known_goes_on() {
    let server = server().await;
    assert_eq!(server.api(ANA, "GET", "/api/v1/me", "").await.status, 200);
    let mut slowed = None;
    for number in 0..200 {
        let answer = server.api(&format!("guess-{number}-0123456789"), "GET", "/api/v1/me", "").await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    let slowed = slowed.expect("so many guesses are too many");
    assert_eq!(slowed.header("retry-after"), Some("1"));
    let error = &slowed.json()["error"];
    assert!(error["message"].as_str().unwrap().contains("wrong tokens"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("1 s"), "{error}");
    assert_eq!(server.api(ANA, "GET", "/api/v1/me", "").await.status, 200, "it was right from here before");
    let metrics = server.ask("GET", "/metrics", &[], "").await.body;
    assert!(metrics.contains("sereno_sign_in_failures_total{outcome=\"slowed\"}"), "{metrics}");
    // A right token that was never seen from here waits for a moment, not for an hour.
    let mut tries = 0;
    while server.api(http_support::LEO, "GET", "/api/v1/me", "").await.status != 200 {
        tries += 1;
        assert!(tries < 1_000);
        tokio::time::sleep(Duration::from_millis(20)).await; // the guard's clock is the machine's
    }
}

#[tokio::test]
async fn the_sign_in_form_is_guarded_and_hooks_are_never_answered_with_429() {
    let server = server().await;
    let form = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..60 {
        seen.insert(server.ask("POST", "/sign-in", &form, &format!("token=guess-{number}")).await.status);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [401, 429]);
    for _ in 0..60 {
        let wrong = server.ask("POST", "/hooks/alertmanager", &[("authorization", "Bearer wrong")], FIRING).await;
        assert_eq!(wrong.status, 401);
    }
    assert_eq!(server.hook(FIRING).await.status, 202);
}
