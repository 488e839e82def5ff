//! `http` against real servers on loopback: an axum service, sockets that misbehave, and TLS with certificates made
//! here.

mod executor_support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use executor_support::{NOON, Said, action, context, done};
use serde_json::{Value, json};
use sereno::domain::runbook::Effect;
use sereno::domain::step::Outcome;
use sereno::executor::{self, Tools};
use sereno::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
const TOKEN: &str = "canary-api-token";

/// What the service was asked: request line and headers, as text.
type Asked = Arc<Mutex<Vec<String>>>;

async fn service() -> (SocketAddr, Asked) {
    let asked = Asked::default();
    let app = Router::new().fallback(answer).with_state(asked.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, asked)
}

async fn answer(State(asked): State<Asked>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let line = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let body = axum::body::to_bytes(request.into_body(), 1024 * 1024).await.unwrap();
    asked.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)));
    match path.as_str() {
        "/health" => {
            let hidden = [(header::SET_COOKIE, "session=1"), (header::CONTENT_TYPE, "application/json")];
            (hidden, r#"{"status": "ok", "services": [{"name": "db", "up": true}]}"#).into_response()
        }
        "/here" => (StatusCode::FOUND, [(header::LOCATION, "/health")]).into_response(),
        "/loop" => (StatusCode::FOUND, [(header::LOCATION, "/loop")]).into_response(),
        "/elsewhere" => {
            let port = line.rsplit_once("port=").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
            (StatusCode::FOUND, [(header::LOCATION, format!("http://localhost:{port}/health"))]).into_response()
        }
        "/metadata" => (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/")]).into_response(),
        "/big" => Body::from(vec![b'x'; 5 * 1024 * 1024]).into_response(),
        "/echo" => format!("\u{1b}[31m{TOKEN}\u{1b}[0m").into_response(),
        other => {
            let code = other.trim_start_matches('/').parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            code.unwrap_or(StatusCode::NOT_FOUND).into_response()
        }
    }
}

/// A socket that answers every connection with these bytes and then says nothing more.
async fn socket(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            open.push(stream);
        }
    });
    address
}

async fn ask(effect: Effect, timeout: Duration, with: Value) -> Outcome {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tools = Tools::new([("api".to_owned(), Secret::new(TOKEN))].into(), &[], None);
    executor::run(&*action("http", &with), &context(&tools, effect, timeout)).await
}

#[tokio::test]
async fn status_headers_and_json_are_facts_and_cookies_are_not() {
    let (at, _) = service().await;
    let report = done(ask(Effect::Read, LONG, json!({ "url": format!("http://{at}/health") })).await);
    assert_eq!(report.facts["status"], 200);
    assert_eq!(report.facts["json"]["services"][0], json!({ "name": "db", "up": true }));
    assert_eq!(report.facts["headers"]["content-type"], "application/json");
    assert_eq!(report.facts["headers"].get("set-cookie"), None);
    assert!(report.facts["ms"].is_u64());
}

#[tokio::test]
async fn a_bad_status_is_a_fact_for_a_look_and_an_answer_for_a_change() {
    let (at, _) = service().await;
    let send = |effect, method, code, ok: Value| {
        ask(effect, LONG, json!({ "url": format!("http://{at}/{code}"), "method": method, "ok": ok }))
    };
    assert_eq!(done(send(Effect::Read, "GET", 503, json!(null)).await).facts["status"], 503);
    done(send(Effect::Change, "POST", 204, json!(null)).await);
    done(send(Effect::Change, "POST", 409, json!([204, 409])).await);
    for refused in [302, 400, 409, 503] {
        assert!(matches!(send(Effect::Change, "POST", refused, json!(null)).await, Outcome::Failed(_)), "{refused}");
    }
    for unclear in [500, 502, 504] {
        assert!(matches!(send(Effect::Change, "POST", unclear, json!(null)).await, Outcome::Unknown(_)), "{unclear}");
    }
}

#[tokio::test]
async fn redirects_are_answers_unless_they_stay_on_the_host() {
    let (at, asked) = service().await;
    let get =
        |path: &str, follow| ask(Effect::Read, LONG, json!({ "url": format!("http://{at}{path}"), "follow": follow }));
    let report = done(get("/here", false).await);
    assert_eq!((&report.facts["status"], &report.facts["headers"]["location"]), (&json!(302), &json!("/health")));
    assert_eq!(done(get("/here", true).await).facts["json"]["status"], "ok");
    assert_eq!(done(get("/loop", true).await).facts["status"], 302);
    asked.lock().unwrap().clear();
    // The same server under another name is another host.
    let report = done(get(&format!("/elsewhere?port={}", at.port()), true).await);
    assert_eq!(report.facts["status"], 302);
    assert_eq!(done(get("/metadata", true).await).facts["status"], 302);
    assert_eq!(asked.lock().unwrap().len(), 2, "no redirect was followed");
}

#[tokio::test]
async fn a_body_is_read_to_one_mebibyte_and_no_further() {
    let (at, _) = service().await;
    let report = done(ask(Effect::Read, LONG, json!({ "url": format!("http://{at}/big") })).await);
    assert_eq!(report.facts["truncated"], true);
    assert_eq!(report.facts["text"].as_str().unwrap().len(), 64 * 1024);
}

#[tokio::test]
async fn a_slow_body_ends_at_the_deadline_with_what_is_known() {
    let at = socket("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let with = |method| json!({ "url": format!("http://{at}/"), "method": method });
    let Outcome::Failed(report) = ask(Effect::Read, SHORT, with("GET")).await else { panic!("a look has failed") };
    assert_eq!(report.facts["status"], 200);
    assert!(report.line.en().contains("no complete answer"), "{}", report.line.en());
    assert!(matches!(ask(Effect::Change, SHORT, with("POST")).await, Outcome::Unknown(_)));
}

#[tokio::test]
async fn a_change_that_was_sent_and_never_answered_is_unknown() {
    let cut = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = cut.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = cut.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let with = |method| json!({ "url": format!("http://{at}/"), "method": method });
    assert!(matches!(ask(Effect::Change, LONG, with("POST")).await, Outcome::Unknown(_)));
    assert!(matches!(ask(Effect::Read, LONG, with("GET")).await, Outcome::Failed(_)));
}

#[tokio::test]
async fn a_change_that_never_reached_the_server_has_failed() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let outcome = ask(Effect::Change, LONG, json!({ "url": format!("http://{closed}/"), "method": "POST" })).await;
    assert!(matches!(&outcome, Outcome::Failed(report) if report.line.en().contains("refused")), "{outcome:?}");
}

#[tokio::test]
async fn cancelling_ends_a_request() {
    let at = socket("").await;
    let cx = context(&Tools::default(), Effect::Change, LONG);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let step = action("http", &json!({ "url": format!("http://{at}/"), "method": "POST" }));
    let (outcome, ()) = tokio::join!(executor::run(&*step, &cx), async { cx.cancel.cancel() });
    assert!(matches!(&outcome, Outcome::Unknown(report) if report.line.en().contains("cancelled")), "{outcome:?}");
}

#[tokio::test]
async fn a_change_carries_its_key_its_body_and_its_secret() {
    let (at, asked) = service().await;
    let with = json!({
        "url": format!("http://{at}/200"), "method": "POST", "json": { "replicas": 3 },
        "headers": { "Authorization": { "secret": "api", "prefix": "Bearer " }, "X-Team": 7 },
    });
    done(ask(Effect::Change, LONG, with.clone()).await);
    let plan = executor::plan(&*action("http", &with), &Tools::default(), Effect::Change).await.unwrap();
    assert_eq!(plan.line.en(), format!("POST http://{at}/200"));
    assert_eq!(plan.exact["headers"]["authorization"], json!({ "secret": "api", "prefix": "Bearer " }));
    let asked = asked.lock().unwrap().join("\n");
    for part in ["POST /200", "01ARZ3NDEKTSV4RRFFQ69G5FAV-0", "Bearer canary-api-token", r#"{"replicas":3}"#, "x-team"]
    {
        assert!(asked.contains(part), "{part} in {asked}");
    }
}

#[tokio::test]
async fn a_look_carries_no_key_and_what_comes_back_is_clean() {
    let (at, asked) = service().await;
    let report = done(ask(Effect::Read, LONG, json!({ "url": format!("http://{at}/echo") })).await);
    assert_eq!(report.facts["text"], "[redacted api]");
    assert!(!asked.lock().unwrap().join("\n").contains("idempotency-key"));
}

/// A TLS server whose certificate ends this many days after the test's noon, and its authority's file.
async fn tls(days: i64) -> (u16, tempfile::NamedTempFile) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let at = |days: i64| {
        let seconds = NOON.0 / 1000 + days * 24 * 3600;
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap())
    };
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Test Authority");
    let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "shop");
    (leaf.not_before, leaf.not_after) = (at(-400), at(days));
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_tls(acceptor.clone(), stream));
        }
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    (port, file)
}

async fn serve_tls(acceptor: tokio_rustls::TlsAcceptor, stream: TcpStream) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn the_days_left_of_a_certificate_are_a_fact() {
    // The request itself is judged by the system's clock, so this one has to end long after today.
    let (port, authority) = tls(20_000).await;
    let with = json!({ "url": format!("https://localhost:{port}/"), "tls": true, "authority": authority.path() });
    let report = done(ask(Effect::Read, LONG, with).await);
    assert_eq!(report.facts["status"], 200);
    assert_eq!(report.facts["tls"]["days_left"], 20_000);
    assert_eq!(report.facts["tls"]["not_after"], "2080-12-02T12:00:00Z");
    assert_eq!(
        (&report.facts["tls"]["subject"], &report.facts["tls"]["issuer"]),
        (&json!("CN=shop"), &json!("CN=Test Authority"))
    );
}

#[tokio::test]
async fn an_expired_certificate_is_a_failure_that_says_since_when() {
    let (port, authority) = tls(-300).await;
    let with = json!({ "url": format!("https://localhost:{port}/"), "tls": true, "authority": authority.path() });
    let Outcome::Failed(report) = ask(Effect::Change, LONG, with).await else { panic!("an expired certificate fails") };
    assert_eq!(report.facts["tls"]["days_left"], -300);
    assert!(report.line.en().contains("xpired"), "{}", report.line.en());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_or_for_another_name_is_a_failure() {
    let (port, authority) = tls(20_000).await;
    for with in [
        json!({ "url": format!("https://localhost:{port}/") }),
        json!({ "url": format!("https://127.0.0.1:{port}/"), "authority": authority.path() }),
    ] {
        let outcome = ask(Effect::Change, LONG, with).await;
        assert!(matches!(&outcome, Outcome::Failed(report) if report.facts.get("status").is_none()), "{outcome:?}");
    }
}
